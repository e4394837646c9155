"""How the seeds spread at each interval, and by how much they rise after their best.

With 6 seeds every interval of a mean is a t interval with 5 degrees of freedom: 2.57 standard
errors wide on each side, not 1.96.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from stats.measures import best_interval

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class MeanInterval:
    """A mean over n seeds with its t interval; the bounds are NaN with a single seed."""

    mean: float
    low: float
    high: float
    n: int


def t_interval(values: FloatArray, confidence: float = 0.95) -> MeanInterval:
    """Mean and Student t interval of `values` (n,): mean +- t SD / sqrt(n), n - 1 d.f."""
    n = len(values)
    mean = float(values.mean())
    if n < 2:
        return MeanInterval(mean, np.nan, np.nan, n)
    half = t_quantile(confidence, n - 1) * float(values.std(ddof=1)) / np.sqrt(n)
    return MeanInterval(mean, mean - half, mean + half, n)


def t_quantile(confidence: float, ddof: int) -> float:
    """The two-sided quantile: 2.5706 for .95 with 5 degrees of freedom."""
    return float(special.stdtrit(ddof, 0.5 + confidence / 2))


def check_confidence(confidence: float) -> None:
    """Refuse a level that is no probability."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence={confidence} must lie between 0 and 1, like 0.95")


def by_interval(frame: pd.DataFrame, column: str, confidence: float = 0.95) -> pd.DataFrame:
    """Between-seed description of `column` at each interval of one condition.

    Returns
    -------
    DataFrame
        interval, tokens_seen, epoch, n, mean, sd (divisor n - 1), cv (sd / mean), min, max, range,
        ci_low, ci_high. A structurally blank interval has n = 0 and NaN; one seed has no sd.
    """
    rows = []
    for interval, cells in frame.groupby("interval", sort=True):
        values = np.asarray(cells[column].dropna(), dtype=np.float64)
        row: dict[str, float] = {
            "interval": int(interval),
            "tokens_seen": int(cells["tokens_seen"].iloc[0]),
            "epoch": float(cells["epoch"].mean()),
            "n": len(values),
        }
        rows.append({**row, **_spread(values, confidence)})
    return pd.DataFrame(rows)


def _spread(values: FloatArray, confidence: float) -> dict[str, float]:
    names = ("mean", "sd", "cv", "min", "max", "range", "ci_low", "ci_high")
    if not len(values):
        return dict.fromkeys(names, np.nan)
    mean = t_interval(values, confidence)
    sd = float(values.std(ddof=1)) if len(values) > 1 else np.nan
    low, high = float(values.min()), float(values.max())
    cv = sd / mean.mean if mean.mean != 0 else np.nan
    values_of = (mean.mean, sd, cv, low, high, high - low, mean.low, mean.high)
    return dict(zip(names, values_of, strict=True))


def rise_from_best(loss: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
    """Loss at the last interval minus loss at the best one, the best chosen by the other seeds.

    Choosing the best interval and measuring the rise on the same seeds makes the rise positive
    even where nothing rises. So seed s is judged at the interval where the mean of the *other*
    seeds is lowest; with one seed there is no other and its own best is used.

    Parameters
    ----------
    loss : ndarray of shape (S, K)

    Returns
    -------
    rise : ndarray of shape (S,)
    chosen : ndarray of shape (S,)
        The interval each seed is judged at.
    """
    n = len(loss)
    others = loss if n == 1 else (loss.sum(axis=0) - loss) / (n - 1)
    chosen = best_interval(others)
    return loss[:, -1] - loss[np.arange(n), chosen], chosen
