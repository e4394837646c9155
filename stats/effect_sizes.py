"""How large is a difference, in units of the spread between seeds?

Shapes: S seeds, C contrasts, K intervals, B resamples. A contrast gives every seed one score; all
effect sizes here are of a column of such scores, so of paired data.

Sources: Cohen (1988), Statistical Power Analysis, section 2.3; Hedges (1981), J. Educ. Statist. 6
(the bias and its correction); Steiger & Fouladi (1997) and Cumming & Finch (2001), Educ. Psychol.
Meas. 61 (noncentral t interval); Olejnik & Algina (2003), Psychol. Methods 8 (generalised eta
squared).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stats.bootstrap import resampled_mean
from stats.descriptives import check_confidence

FloatArray = NDArray[np.float64]
HALVINGS = 80  # of a bracket some 20 |t| + 80 wide: down to float64's rounding


def cohen_dz(scores: FloatArray) -> FloatArray:
    """Mean over SD (divisor S - 1) of `scores` (S,) or (S, C); the t statistic is sqrt(S) times it.

    NaN where all scores are equal to 0, infinite where they are equal to another number.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if len(scores) < 2:
        raise ValueError(f"{len(scores)} seed(s): an effect size takes at least 2")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(scores.mean(axis=0) / scores.std(axis=0, ddof=1))


def hedges_correction(df: int) -> float:
    """J = Gamma(df / 2) / (sqrt(df / 2) Gamma((df - 1) / 2)): J d is unbiased for normal scores.

    About 1 - 3 / (4 df - 1); .8408 for df = 5. NaN for df = 1, where d has no expectation.
    """
    if df < 1:
        raise ValueError(f"df={df} must be at least 1")
    if df == 1:
        return float("nan")
    log = special.gammaln(df / 2) - special.gammaln((df - 1) / 2) - 0.5 * np.log(df / 2)
    return float(np.exp(log))


def noncentrality_interval(
    t: FloatArray, df: int, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """The noncentralities of Student's t that `t` (...,) does not contradict, as (low, high).

    low is the one at which a t this large or larger has probability (1 - confidence) / 2, high the
    one at which one this small or smaller has. Divided by sqrt(S) they bound the true mean over SD.
    NaN where t is not finite.
    """
    from scipy import stats  # slow to import

    check_confidence(confidence)
    t = np.asarray(t, dtype=np.float64)
    known = np.isfinite(t)
    at = np.where(known, t, 0.0)
    bounds = []
    for probability in (0.5 + confidence / 2, 0.5 - confidence / 2):
        low, high = -10 * np.abs(at) - 40, 10 * np.abs(at) + 40
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            below = stats.nct.cdf(at, df, middle)
            # scipy has NaN in the far tails, where the chance is 0 or 1 in all but name
            below = np.where(np.isnan(below), middle < at, below)
            above = below < probability  # it falls as nc grows
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        bounds.append(np.where(known, (low + high) / 2, np.nan))
    return bounds[0], bounds[1]


def resampled_dz(scores: FloatArray, counts: FloatArray) -> FloatArray:
    """`cohen_dz` of `scores` (S,) or (S, C) in each resample of `counts` (B, S)."""
    n = counts.sum(axis=1).reshape(-1, *[1] * (scores.ndim - 1))
    centre = scores.mean(axis=0)  # taken out and put back: no cancellation in the squares
    mean = resampled_mean(scores - centre, counts)
    square = resampled_mean((scores - centre) ** 2, counts)
    spread = square - mean**2
    # seeds with equal scores have no spread; what rounding leaves must not look like one
    variance = np.where(spread <= 1e-13 * square, 0.0, spread) * n / (n - 1)
    return np.asarray((centre + mean) / np.sqrt(variance))


def resampled_eta_squared(values: FloatArray, counts: FloatArray) -> FloatArray:
    """Generalised eta squared of one repeated factor in each resample of `counts` (B, S).

    SS_within / (SS_within + SS_subject + SS_error), whose denominator is the total sum of squares.

    Parameters
    ----------
    values : ndarray of shape (S, K) or (S, K, Q)
        Of one study, or of Q studies that are resampled alike.

    Returns
    -------
    ndarray of shape (B,) or (B, Q)
    """
    centred = values - values.mean(axis=(0, 1))
    shares = counts / counts.sum(axis=1, keepdims=True)
    levels = np.tensordot(shares, centred, axes=1)  # (B, K) or (B, K, Q)
    squares = np.tensordot(shares, (centred**2).mean(axis=1), axes=1)  # (B,) or (B, Q)
    grand = levels.mean(axis=1)
    within = ((levels - grand[:, None]) ** 2).mean(axis=1)
    return np.asarray(within / (squares - grand**2))
