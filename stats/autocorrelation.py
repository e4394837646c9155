"""How alike are neighbouring intervals? The lag-1 correlation of a study's residuals.

It says which row of the table in docs/levels.md is the study's. Shapes: S seeds, K intervals.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.matrix import Names, seed_matrix

FloatArray = NDArray[np.float64]
ROUNDING = 64 * np.finfo(np.float64).eps
NEAR_ONE = 1 - 1e-6  # where the expectation is as good as that of a random walk


def residual_autocorrelation(
    frame: pd.DataFrame, column: str = "val_loss", names: Names | None = None
) -> pd.DataFrame:
    """Correlation of neighbouring residuals, seed and interval means taken out, and its bias.

    Parameters
    ----------
    frame : DataFrame
        One condition, one row a (seed, interval); at least 2 seeds and 3 intervals.
    column : str
        The measure.
    names : Names, optional
        The columns that hold seed and interval.

    Returns
    -------
    DataFrame
        One row: column, seeds, intervals, lag1 (as computed), rho (the autocorrelation of an AR(1)
        process that gives such a lag1; 1 where no AR(1) process gives as much, as random walks and
        smoother trajectories do), lag1_scaled and rho_scaled (the same with each interval's
        residuals divided by their SD over seeds first, so that no interval dominates; NaN where
        some SD is 0).

    Raises
    ------
    ValueError
        The frame is refused by `seed_matrix`, too small, or without residuals.

    Notes
    -----
    lag1 = sum e_ij e_i(j-1) / sum e_ij^2, where e are the residuals. Taking the seed's own mean out
    of K intervals pulls it down, by the more the larger the autocorrelation: with 21 intervals to
    -.05 where the truth is 0, to .72 where it is .9 and to .77 at most. `rho` solves lag1 =
    `expected_lag1`(rho), the ratio of the expectations of numerator and denominator. The errors are
    taken to have one variance; scaling with six seeds is noisy, so look at both.
    """
    table = seed_matrix(frame, column, names, least_seeds=2).values
    seeds, intervals = table.shape
    if intervals < 3:
        raise ValueError(f"{intervals} interval(s) in the frame; this takes at least 3")
    about_interval = table - table.mean(axis=0)
    rounding = ROUNDING * float(np.abs(table).max())
    if float(np.abs(about_interval - about_interval.mean(axis=1, keepdims=True)).max()) <= rounding:
        raise ValueError(
            f"the seeds' courses of {column} are parallel: no residuals are left to correlate "
            "(are the seeds copies of one run?)"
        )
    sd = about_interval.std(axis=0, ddof=1)
    plain = lag1_correlation(about_interval)
    scaled = lag1_correlation(about_interval / sd) if sd.min() > rounding else np.nan
    return pd.DataFrame(
        {
            "column": [column],
            "seeds": [seeds],
            "intervals": [intervals],
            "lag1": [plain],
            "rho": [rho_of_lag1(plain, intervals)],
            "lag1_scaled": [scaled],
            "rho_scaled": [rho_of_lag1(scaled, intervals)],
        }
    )


def lag1_correlation(about_interval: FloatArray) -> float:
    """lag1 of deviations from the interval means, shape (..., S, K): each seed's mean goes too."""
    e = about_interval - about_interval.mean(axis=-1, keepdims=True)
    total = (e**2).sum()  # 0 where the seeds do not differ, or only by a constant
    return float((e[..., 1:] * e[..., :-1]).sum() / total) if total else math.nan


def expected_lag1(rho: float, intervals: int) -> float:
    """Expected numerator of lag1 over its expected denominator, for AR(1) errors.

    With R the (K, K) correlation rho^|i - j| and H = I - 1/K, the residuals of a seed have the
    covariance C = H R H up to a factor: sum of C next to its diagonal over its trace. At rho = 1,
    that of random walks, R = min(i, j).
    """
    steps = np.arange(intervals)
    if rho == 1:
        r = np.minimum.outer(steps, steps).astype(np.float64)
    else:
        r = np.power(rho, np.abs(np.subtract.outer(steps, steps)).astype(np.float64))
    r -= r.mean(axis=0)
    r -= r.mean(axis=1, keepdims=True)
    return float(np.trace(r, offset=1) / np.trace(r))


def rho_of_lag1(lag1: float, intervals: int) -> float:
    """The rho whose `expected_lag1` is `lag1`, within -.99 and 1; NaN of NaN."""
    if np.isnan(lag1):
        return np.nan
    if lag1 >= expected_lag1(NEAR_ONE, intervals):
        return 1.0
    if lag1 <= expected_lag1(-0.99, intervals):
        return -0.99
    from scipy.optimize import brentq  # slow to import, and needed here only

    return float(brentq(lambda rho: expected_lag1(rho, intervals) - lag1, -0.99, NEAR_ONE))
