"""How far do seeds differ at each interval, and how much of that lasts from one to the next?

Shapes: S seeds, K intervals; every matrix is (S, K).

Sources: Shrout & Fleiss (1979), Psychol. Bull. 86 (intraclass correlations); Searle, Casella &
McCulloch (1992), Variance Components, section 4.4 (mean squares and their expectations).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from stats.descriptives import check_confidence, t_interval
from stats.matrix import Names, seed_matrix

FloatArray = NDArray[np.float64]


def sample_sd(values: FloatArray) -> FloatArray:
    """Standard deviation over the last axis, divisor n - 1; (..., n) to (...)."""
    return np.asarray(values.std(axis=-1, ddof=1))


def sd_interval(values: FloatArray, confidence: float = 0.95) -> tuple[float, float]:
    """Chi-squared interval of the standard deviation of normal `values` (n,).

    (n - 1) SD² / sigma² follows chi-squared with n - 1 degrees of freedom. Skew: for six values the
    interval reaches from 0.62 to 2.45 times the SD.
    """
    check_confidence(confidence)
    df = len(values) - 1
    if df < 1:
        raise ValueError(f"{len(values)} value(s): a standard deviation takes at least 2")
    tail = (1 - confidence) / 2
    sd = float(sample_sd(values))
    # chdtri(df, p) is exceeded with probability p
    low, high = (sd * np.sqrt(df / special.chdtri(df, p)) for p in (tail, 1 - tail))
    return float(low), float(high)


def between_seed_variability(
    frame: pd.DataFrame, names: Names | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """How the loss of the seeds spreads at each interval of one condition.

    Returns
    -------
    DataFrame
        interval, seeds, mean, mean_low, mean_high (t interval), sd (divisor n - 1), sd_low, sd_high
        (chi-squared interval), cv (sd / mean), min, max, range. The interval bounds hold for one
        interval named in advance, not for all at once.

    Raises
    ------
    ValueError
        Fewer than two seeds, a bad confidence, or a frame that `seed_matrix` refuses.
    """
    names = names or Names()
    check_confidence(confidence)
    loss = seed_matrix(frame, names.loss, names, least_seeds=2)
    rows = []
    for interval, values in zip(loss.intervals, loss.values.T, strict=True):
        mean = t_interval(values, confidence)
        sd = float(sample_sd(values))
        sd_low, sd_high = sd_interval(values, confidence)
        rows.append(
            {
                "interval": interval,
                "seeds": len(values),
                "mean": mean.mean,
                "mean_low": mean.low,
                "mean_high": mean.high,
                "sd": sd,
                "sd_low": sd_low,
                "sd_high": sd_high,
                "cv": sd / mean.mean if mean.mean != 0 else np.nan,
                "min": values.min(),
                "max": values.max(),
                "range": np.ptp(values),
            }
        )
    return pd.DataFrame(rows)


def mean_squares(values: FloatArray) -> tuple[float, float, float]:
    """Between rows, between columns and residual, of a two-way layout (R, C) without repetition."""
    rows, columns = values.shape
    grand = values.mean()
    row, column = values.mean(axis=1) - grand, values.mean(axis=0) - grand
    rest = values - grand - row[:, None] - column
    return (
        float(columns * (row @ row) / (rows - 1)),
        float(rows * (column @ column) / (columns - 1)),
        float((rest**2).sum() / ((rows - 1) * (columns - 1))),
    )


def variance_components(frame: pd.DataFrame, names: Names | None = None) -> pd.DataFrame:
    """The variance of the loss split into seed, interval and residual.

    Two-way random effects y_ij = mu + seed_i + interval_j + rest_ij; the mean squares have the
    expectations K sigma²_seed + sigma²_rest, S sigma²_interval + sigma²_rest and sigma²_rest, so

        sigma²_seed = (MS_seed - MS_rest) / K,  sigma²_interval = (MS_interval - MS_rest) / S.

    An estimate below 0 is possible where the true part is small; its `variance` is then 0 and
    `clipped` says so, with the `estimate` beside it.

    Returns
    -------
    DataFrame
        Rows seed, interval, residual: component, df, mean_square, estimate, variance, clipped,
        share (of the sum of the three variances; NaN where that is 0).

    Raises
    ------
    ValueError
        Fewer than two seeds or intervals, or a frame that `seed_matrix` refuses.
    """
    loss = layout(frame, names or Names())
    s, k = loss.shape
    of_seed, of_interval, of_rest = mean_squares(loss)
    table = pd.DataFrame(
        {
            "component": ["seed", "interval", "residual"],
            "df": [s - 1, k - 1, (s - 1) * (k - 1)],
            "mean_square": [of_seed, of_interval, of_rest],
            "estimate": [(of_seed - of_rest) / k, (of_interval - of_rest) / s, of_rest],
        }
    )
    table["variance"] = table["estimate"].clip(lower=0)
    table["clipped"] = table["estimate"] < 0
    total = table["variance"].sum()
    table["share"] = table["variance"] / total if total > 0 else np.nan
    return table


def intraclass_correlations(frame: pd.DataFrame, names: Names | None = None) -> pd.DataFrame:
    """ICC(2,1) and ICC(3,1), with the seeds and with the intervals as the things told apart.

    With R targets judged by C raters, mean squares MS_R, MS_C and MS_E of the residual:

        ICC(2,1) = (MS_R - MS_E) / (MS_R + (C - 1) MS_E + C (MS_C - MS_E) / R)     agreement
        ICC(3,1) = (MS_R - MS_E) / (MS_R + (C - 1) MS_E)                           consistency

    Targets "seed", raters the intervals: does a seed that is worse early stay worse? ICC(3,1)
    answers; ICC(2,1) also asks that all intervals give the same loss, which no training does.
    Targets "interval", raters the seeds: do the seeds tell the same story? Both are then near 1.

    Returns
    -------
    DataFrame
        targets, type, icc; NaN where nothing varies. Values below 0 are shown as they are.

    Raises
    ------
    ValueError
        Fewer than two seeds or intervals, or a frame that `seed_matrix` refuses.
    """
    loss = layout(frame, names or Names())
    rows = []
    for targets, values in (("seed", loss), ("interval", loss.T)):
        r, c = values.shape
        ms_r, ms_c, ms_e = mean_squares(values)
        consistency = ms_r + (c - 1) * ms_e
        agreement = consistency + c * (ms_c - ms_e) / r
        for kind, divisor in (("ICC(2,1)", agreement), ("ICC(3,1)", consistency)):
            icc = (ms_r - ms_e) / divisor if divisor != 0 else np.nan
            rows.append({"targets": targets, "type": kind, "icc": icc})
    return pd.DataFrame(rows)


def layout(frame: pd.DataFrame, names: Names) -> FloatArray:
    """The loss (S, K) of at least two seeds at two intervals."""
    loss = seed_matrix(frame, names.loss, names, least_seeds=2)
    if len(loss.intervals) < 2:
        raise ValueError(f"{len(loss.intervals)} interval(s) in the frame; this takes at least 2")
    return loss.values
