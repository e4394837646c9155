"""How many seeds does a question take? Studies simulated from the observed trajectories.

The mean and the covariance are those of a few seeds and as uncertain as those: read the curve as
an order of magnitude. In particular, power for the very rise that was observed says nothing that
its own p value did not; give the `rise` that would matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.descriptives import check_confidence, t_quantile
from stats.matrix import Names
from stats.measures import best_interval
from stats.variability import layout, sample_sd

FloatArray = NDArray[np.float64]
SIMULATED_AT_ONCE = 2_000_000  # numbers, 16 MB: keeps the memory small whatever is asked


def precision_curve(
    frame: pd.DataFrame,
    rng: np.random.Generator,
    seeds: Sequence[int] = tuple(range(3, 21)),
    names: Names | None = None,
    *,
    simulations: int = 2000,
    confidence: float = 0.95,
    rise: float | None = None,
    choose: str = "other_seeds",
) -> pd.DataFrame:
    """What a study of n seeds would find about the rise from best to last: its width and power.

    Studies are drawn from the normal distribution over the intervals with the observed mean and
    covariance (divisor S - 1), and each gets the report's interval: the rise of every seed from
    the interval that the other seeds choose, and the t interval of the n rises (not the report's
    verdict by sign flips, which five seeds cannot reach after a steep fall). A rise is found
    where that interval lies wholly above 0: a paired t test at (1 - confidence) / 2, one-sided,
    for an interval below 0 is no rise.

    Parameters
    ----------
    frame : DataFrame
        A row a (seed, interval) in any order; two seeds at least.
    rng : Generator
    seeds : sequence of int
        Numbers of seeds n to try, each at least 2.
    names : Names, optional
    simulations : int
        Studies for each n. The default has a standard error of at most .011 in power.
    confidence : float
    rise : float, optional
        The true rise of the mean from its best to its last interval, nats; the observed one by
        default. The last mean is moved to make it so. 0 gives the rate of false alarms, nominally
        (1 - confidence) / 2.
    choose : "other_seeds" or "fixed"
        "fixed" takes the best interval of the observed mean for all: the ordinary paired t test
        of two intervals named in advance.

    Returns
    -------
    DataFrame
        seeds, half_width (mean over studies of the t interval's), half_width_q90 (nine studies of
        ten have at most this), power (share of studies that find a rise), power_se (its
        Monte-Carlo standard error).

    Raises
    ------
    ValueError
        A parameter out of range, a mean that is lowest at its last interval, or a frame that
        `seed_matrix` refuses.
    """
    names = names or Names()
    check_confidence(confidence)
    if not len(seeds):
        raise ValueError("seeds is empty: give at least one number of seeds")
    if min(seeds) < 2 or any(int(n) != n for n in seeds):
        raise ValueError(f"seeds={min(seeds)}: every number of seeds is whole and at least 2")
    if simulations < 1:
        raise ValueError(f"simulations={simulations} must be at least 1")
    if choose not in ("other_seeds", "fixed"):
        raise ValueError(f"choose={choose!r} must be 'other_seeds' or 'fixed'")
    if rise is not None and not np.isfinite(rise):
        raise ValueError(f"rise={rise} must be a finite number of nats")
    loss = layout(frame, names)
    mean = loss.mean(axis=0)
    best = int(best_interval(mean))
    if best == len(mean) - 1:
        raise ValueError("the mean loss is lowest at the last interval: there is no rise to find")
    if rise is not None:
        mean[-1] = mean[best] + rise
    # Z root has exactly the observed covariance, rank S - 1 at most; nothing is decomposed
    root = (loss - loss.mean(axis=0)) / np.sqrt(len(loss) - 1)
    rows = []
    for n in seeds:
        drawn = _rises(rng, mean, root, int(n), simulations, best if choose == "fixed" else None)
        half = t_quantile(confidence, n - 1) * sample_sd(drawn) / np.sqrt(n)
        power = float((drawn.mean(axis=1) > half).mean())
        rows.append(
            {
                "seeds": int(n),
                "half_width": float(half.mean()),
                "half_width_q90": float(np.quantile(half, 0.9)),
                "power": power,
                "power_se": float(np.sqrt(power * (1 - power) / simulations)),
            }
        )
    return pd.DataFrame(rows)


def seeds_needed(
    curve: pd.DataFrame, *, half_width: float | None = None, power: float | None = None
) -> int | None:
    """Fewest seeds of `precision_curve` that reach both demands; None where none does."""
    if half_width is None and power is None:
        raise ValueError("half_width=None and power=None: give at least one of them")
    enough = pd.Series(True, index=curve.index)
    if half_width is not None:
        enough &= curve["half_width"] <= half_width
    if power is not None:
        enough &= curve["power"] >= power
    return int(curve.loc[enough, "seeds"].min()) if enough.any() else None


def _rises(
    rng: np.random.Generator,
    mean: FloatArray,
    root: FloatArray,
    n: int,
    simulations: int,
    best: int | None,
) -> FloatArray:
    """The rises (simulations, n) of simulated studies; the other seeds choose if `best` is None."""
    at_once = max(1, SIMULATED_AT_ONCE // (n * len(mean)))
    parts = []
    for start in range(0, simulations, at_once):
        count = min(at_once, simulations - start)
        studies = mean + rng.standard_normal((count, n, len(root))) @ root  # (count, n, K)
        if best is not None:
            parts.append(studies[:, :, -1] - studies[:, :, best])
            continue
        others = (studies.sum(axis=1, keepdims=True) - studies) / (n - 1)
        chosen = others.argmin(axis=2)
        at_chosen = np.take_along_axis(studies, chosen[:, :, None], axis=2)[:, :, 0]
        parts.append(studies[:, :, -1] - at_chosen)
    return np.concatenate(parts)
