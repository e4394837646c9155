"""Two sets of seeds, interval by interval: mean difference, t interval, effect size, equivalence.

Shapes: n_a and n_b seeds, K intervals. `a` is (n_a, K), `b` is (n_b, K), a row a seed. A difference
is always B minus A. Paired means that row s of both is the same seed, so that n_a = n_b = n and
only the n differences count.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from stats.descriptives import check_confidence
from stats.effect_sizes import hedges_correction
from stats.flips import sign_patterns

FloatArray = NDArray[np.float64]
BLOCK = 2048  # sign patterns at once
NO_SPREAD = 1e-12  # a standard error below this fraction of the values is rounding


def differences(
    a: FloatArray, b: FloatArray, *, paired: bool, confidence: float = 0.95
) -> pd.DataFrame:
    """Mean of B minus mean of A at each interval, each interval taken alone.

    Parameters
    ----------
    a, b : ndarray of shape (n_a, K) and (n_b, K)
    paired : bool
        Student's t of the n differences; otherwise Welch's, which lets the variances differ.
    confidence : float
        Level of `low` and `high`.

    Returns
    -------
    DataFrame
        A row an interval: n_a, n_b, mean_a, mean_b, difference, low, high, t, ddof, p, g,
        p_sign_flip (paired only). Without a second seed nothing but means and difference is known;
        where all seeds differ by the same, t, p and g have no value and low = high = difference.

    Raises
    ------
    ValueError
        Shapes do not fit, or the level is not between 0 and 1.

    Notes
    -----
    Paired, d_s = b_s - a_s: t = mean(d) / (SD(d) / sqrt(n)) on n - 1 degrees of freedom, and
    g_z = J(n - 1) mean(d) / SD(d). Unpaired: standard error sqrt(s_a^2 / n_a + s_b^2 / n_b),
    degrees of freedom by Welch (1947, Biometrika 34) and Satterthwaite, and g_s =
    J(n_a + n_b - 2) times the difference over the pooled SD (Lakens, 2013, Front. Psychol. 4).
    J: `stats.effect_sizes.hedges_correction`.
    """
    a, b = _checked(a, b, paired)
    check_confidence(confidence)
    difference, error, ddof, sd, df_sd = _standard_error(a, b, paired)
    known = error > 0
    t = _divide(difference, error, known)
    half = np.where(known, special.stdtrit(ddof, 0.5 + confidence / 2), 0.0) * error
    if df_sd > 0:
        g = hedges_correction(df_sd) * _divide(difference, sd, known)
    else:
        g = np.full(len(difference), np.nan)
    return pd.DataFrame(
        {
            "n_a": len(a),
            "n_b": len(b),
            "mean_a": a.mean(axis=0),
            "mean_b": b.mean(axis=0),
            "difference": difference,
            "low": difference - half,
            "high": difference + half,
            "t": t,
            "ddof": ddof,
            "p": 2 * special.stdtr(ddof, -np.abs(t)),
            "g": g,
            "p_sign_flip": sign_flip_p(b - a) if paired and len(a) > 1 else np.nan,
        }
    )


def equivalence(
    a: FloatArray, b: FloatArray, margin: float, *, paired: bool, alpha: float = 0.05
) -> pd.DataFrame:
    """Two one-sided t tests at each interval: is the true difference within +- `margin`?

    Schuirmann (1987, J. Pharmacokinet. Biopharm. 15). p is the larger of p_low (of "the difference
    is at most -margin") and p_high (of "it is at least margin"); p < alpha exactly where the
    1 - 2 alpha interval [low, high] lies inside the margin.

    Returns
    -------
    DataFrame
        margin, difference, low, high, p_low, p_high, p. NaN where there is no spread to judge by.

    Raises
    ------
    ValueError
        The margin is not a positive number.
    """
    a, b = _checked(a, b, paired)
    if not (np.isfinite(margin) and margin > 0):
        raise ValueError(f"margin={margin} must be a positive number, in the unit of the measure")
    difference, error, ddof, _, _ = _standard_error(a, b, paired)
    known = error > 0
    half = np.where(known, special.stdtrit(ddof, 1 - alpha), 0.0) * error
    p_low = special.stdtr(ddof, -_divide(difference + margin, error, known))
    p_high = special.stdtr(ddof, _divide(difference - margin, error, known))
    return pd.DataFrame(
        {
            "margin": margin,
            "difference": difference,
            "low": difference - half,
            "high": difference + half,
            "p_low": p_low,
            "p_high": p_high,
            "p": np.maximum(p_low, p_high),
        }
    )


def sign_flip_p(scores: FloatArray, *, together: bool = False) -> FloatArray:
    """Sign-flip p of the hypothesis that the seeds' differences are symmetric about 0.

    The sign of a seed's whole row is flipped. The statistic is the squared mean over seeds, of each
    interval alone (K,), or with `together` the mean of it over the intervals (1,), so that one test
    covers the whole trajectory. All 2^(n - 1) patterns up to 16 seeds, beyond it 20,000 drawn with
    a fixed seed and the observed one.

    Parameters
    ----------
    scores : ndarray of shape (n, K)
        Each seed's differences.
    """
    scores = np.asarray(scores, dtype=np.float64)
    observed = _flipped(np.ones((1, len(scores))), scores, together)[0]
    reached, total = np.zeros(observed.shape), 0
    for signs in sign_patterns(len(scores), BLOCK, cells=scores.size):
        statistic = _flipped(signs, scores, together)
        reached += (statistic >= observed * (1 - 1e-12)).sum(axis=0)
        total += len(signs)
    return np.asarray(reached / total)


def _flipped(signs: FloatArray, scores: FloatArray, together: bool) -> FloatArray:
    squares = (signs @ scores) ** 2
    return np.asarray(squares.sum(axis=1, keepdims=True) if together else squares)


def _checked(a: FloatArray, b: FloatArray, paired: bool) -> tuple[FloatArray, FloatArray]:
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    fits = a.ndim == b.ndim == 2 and a.shape[1] == b.shape[1] and min(len(a), len(b)) > 0
    if not fits or (paired and len(a) != len(b)):
        raise ValueError(
            f"shapes {a.shape} and {b.shape} must be (seeds, intervals) with the same intervals"
            + (" and, for pairs, the same seeds" if paired else "")
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a value to be compared is missing or not finite; leave its seed out")
    return a, b


def _standard_error(
    a: FloatArray, b: FloatArray, paired: bool
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, int]:
    """Difference, its standard error, degrees of freedom (K,), the SD of g and that SD's d.f.

    The standard error is 0 where the values have no spread beyond rounding, NaN where a seed stands
    alone.
    """
    n_a, n_b = len(a), len(b)
    if paired:
        d = b - a
        difference, df = d.mean(axis=0), n_a - 1
        sd = d.std(axis=0, ddof=1) if df > 0 else np.full(d.shape[1], np.nan)
        error, ddof = sd / np.sqrt(n_a), np.full(d.shape[1], max(df, 1), dtype=np.float64)
    else:
        difference, df = b.mean(axis=0) - a.mean(axis=0), n_a + n_b - 2
        if min(n_a, n_b) < 2:
            nothing = np.full(a.shape[1], np.nan)
            return difference, nothing, nothing, nothing, 0
        part_a, part_b = a.var(axis=0, ddof=1) / n_a, b.var(axis=0, ddof=1) / n_b
        error = np.sqrt(part_a + part_b)
        below = part_a**2 / (n_a - 1) + part_b**2 / (n_b - 1)
        ddof = _divide((part_a + part_b) ** 2, below, below > 0)
        sd = np.sqrt(((n_a - 1) * part_a * n_a + (n_b - 1) * part_b * n_b) / df)
    scale = np.maximum(np.abs(a).max(axis=0), np.abs(b).max(axis=0))
    rounding = error <= NO_SPREAD * scale
    return difference, np.where(rounding, 0.0, error), ddof, sd, df


def _divide(above: FloatArray, below: FloatArray, where: NDArray[np.bool_]) -> FloatArray:
    out = np.full(above.shape, np.nan)
    np.divide(above, below, out=out, where=where)
    return out
