"""Planned contrasts: questions about single differences, asked of every seed by itself.

A contrast gives each interval a weight; the weights sum to 0. Its score for a seed is the weighted
sum of the seed's values, and the S scores are then one sample: t test, t interval, effect size.
Each contrast is so tested against its own spread between seeds, never against the pooled error of
the analysis of variance, which is right for a single contrast only under sphericity.

Shapes: S seeds, K intervals, C contrasts.

Sources: Maxwell & Delaney (2004), Designing Experiments and Analyzing Data, chapter 13 (own error
term); Holm (1979), Scand. J. Statist. 6; effect sizes and BCa as in `stats.effect_sizes` and
`stats.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from stats.bootstrap import ROUNDING, bca_interval, resampled_mean
from stats.descriptives import check_confidence, t_quantile
from stats.effect_sizes import (
    cohen_dz,
    hedges_correction,
    noncentrality_interval,
    resampled_dz,
)
from stats.matrix import Matrix, Names, seed_matrix, token_matrix

FloatArray = NDArray[np.float64]
Weights: TypeAlias = Mapping[int, float] | Sequence[float]

TREND_NAMES = ("linear", "quadratic", "cubic", "quartic", "quintic")
NO_SPREAD = "the seeds' scores are all the same: there is no spread to test against"


def holm(p: ArrayLike) -> FloatArray:
    """Holm's adjusted p values, in the order of `p` (C,).

    Sorted ascending, the i-th smallest of C is multiplied by C - i + 1, may not fall below the one
    before it, and not exceed 1. Rejecting where the result is at most alpha keeps the chance of any
    false rejection at alpha at most, however the tests depend on each other.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"p of shape {values.shape} must have one axis, a test a number")
    bad = ~((values >= 0) & (values <= 1))
    if bad.any():
        raise ValueError(f"p={values[bad][0]} must lie between 0 and 1: leave out what has no p")
    order = values.argsort(kind="stable")
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def adjacent_contrasts(
    frame: pd.DataFrame,
    column: str = "val_loss",
    names: Names | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Each interval minus the one before it; Holm over all of them.

    Parameters
    ----------
    frame : DataFrame
        One condition, a row a (seed, interval) in any order.
    column : str
    names : Names, optional
    confidence : float
        Of every interval; none is adjusted for their number.
    resamples : int
        Of the bootstrap, where there are more than 8 seeds.
    rng : Generator, optional
        For those; a fixed one by default.

    Returns
    -------
    DataFrame
        contrast, from, to, and the columns of `contrast_table`.

    Raises
    ------
    ValueError
        Fewer than two seeds or intervals, a bad confidence, or what `seed_matrix` refuses.
    """
    matrix = _matrix(frame, column, names)
    before, after = matrix.intervals[:-1], matrix.intervals[1:]
    labels: dict[str, Sequence[Any]] = {
        "contrast": [f"{b} - {a}" for a, b in zip(before, after, strict=True)],
        "from": before,
        "to": after,
    }
    return contrast_table(
        np.diff(matrix.values, axis=1),
        labels,
        size=np.abs(matrix.values).max(),
        confidence=confidence,
        resamples=resamples,
        rng=rng,
    )


def polynomial_trends(
    frame: pd.DataFrame,
    column: str = "val_loss",
    degree: int = 3,
    names: Names | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Linear, quadratic, ... trend over the tokens seen, each with its own error term.

    The spacing is that of `names.tokens` where the frame has it, else the interval's number. The
    weights have sum of squares 1 (`polynomial_weights`); Holm over the degrees.

    Returns
    -------
    DataFrame
        contrast ("linear", "quadratic", "cubic", ...), degree, spacing (the column that gave it),
        and the columns of `contrast_table`.

    Raises
    ------
    ValueError
        As `adjacent_contrasts`; a degree that is not from 1 to K - 1; or tokens that differ between
        seeds at an interval.
    """
    names = names or Names()
    matrix = _matrix(frame, column, names)
    places, spacing = np.array(matrix.intervals, dtype=np.float64), names.interval
    if names.tokens in frame.columns:
        tokens, spacing = token_matrix(frame, names), names.tokens
        differing = np.flatnonzero(np.ptp(tokens, axis=0))
        if len(differing):
            raise ValueError(
                f"{names.tokens} differs between seeds at interval "
                f"{matrix.intervals[differing[0]]}: a common trend needs common places; drop the "
                "column to use the interval's number"
            )
        places = tokens[0]
    weights = polynomial_weights(places, degree)
    degrees = list(range(1, degree + 1))
    labels: dict[str, Sequence[Any]] = {
        "contrast": [*TREND_NAMES, *(f"degree {d}" for d in degrees[5:])][:degree],
        "degree": degrees,
        "spacing": [spacing] * degree,
    }
    return _weighted(matrix, weights, labels, confidence, resamples, rng)


def polynomial_weights(places: ArrayLike, degree: int) -> FloatArray:
    """Orthonormal polynomials of degree 1 to `degree` at `places` (K,), a column each: (K, degree).

    Each column is orthogonal to the constant and to all lower degrees, has length 1, and a positive
    highest coefficient: the same as contr.poly in R.
    """
    x = np.asarray(places, dtype=np.float64)
    k = len(x)
    if not 1 <= degree <= k - 1:
        raise ValueError(f"degree={degree} must be from 1 to {k - 1}, one less than the intervals")
    if len(np.unique(x)) < k:
        raise ValueError("two intervals lie at the same place: no trend tells them apart")
    x = (x - x.mean()) / np.abs(x - x.mean()).max()  # powers of 20 million would lose all digits
    # each column is x times the one before, less what earlier columns explain (twice: rounding)
    basis = np.full((k, 1), 1 / np.sqrt(k))
    for _ in range(degree):
        new = x * basis[:, -1]
        for _ in range(2):
            new = new - basis @ (basis.T @ new)
        basis = np.column_stack([basis, new / np.sqrt(new @ new)])
    return np.asarray(basis[:, 1:])


def planned_contrast(
    frame: pd.DataFrame,
    weights: Weights,
    column: str = "val_loss",
    names: Names | None = None,
    *,
    name: str = "planned",
    confidence: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """One contrast of the caller's choice; see `planned_contrasts`, whose single row this is."""
    return planned_contrasts(
        frame,
        {name: weights},
        column,
        names,
        confidence=confidence,
        resamples=resamples,
        rng=rng,
    )


def planned_contrasts(
    frame: pd.DataFrame,
    weights: Mapping[str, Weights],
    column: str = "val_loss",
    names: Names | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Contrasts of the caller's choice, Holm over all of them.

    Parameters
    ----------
    weights : mapping of name to weights
        Weights by interval, {0: 1, 10: -1}, intervals left out having 0; or one for each interval
        in ascending order. They are used as given, so {20: 1, 10: -0.5, 9: -0.5} is in nats.

    Returns
    -------
    DataFrame
        contrast (the name), weights ("+1 [20] -0.5 [10] ..." in words), and the columns of
        `contrast_table`.

    Raises
    ------
    ValueError
        As `adjacent_contrasts`; or weights that are all 0, do not sum to 0, or name an interval
        that is not there.
    """
    matrix = _matrix(frame, column, names)
    if not weights:
        raise ValueError("weights is empty: name at least one contrast")
    table = np.array([_weights(name, given, matrix) for name, given in weights.items()])
    labels: dict[str, Sequence[Any]] = {
        "contrast": list(weights),
        "weights": [
            " ".join(f"{w:+g} [{i}]" for w, i in zip(row, matrix.intervals, strict=True) if w)
            for row in table
        ],
    }
    return _weighted(matrix, table.T, labels, confidence, resamples, rng)


def contrast_table(
    scores: FloatArray,
    labels: Mapping[str, Sequence[Any]],
    *,
    size: ArrayLike = 0.0,
    confidence: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """Tests, intervals and effect sizes of contrasts, from the seeds' scores (S, C).

    Parameters
    ----------
    size : float or ndarray of shape (C,)
        How large the numbers were that a score was summed from: a spread that is rounding beside
        them is none, so that constant columns get no p.

    Returns
    -------
    DataFrame
        The labels; then estimate (mean score), se (SD / sqrt(S)), t, df (S - 1), p (two-sided),
        p_holm (over the rows), low, high (t interval, not adjusted), low_bca, high_bca (seeds
        resampled), cohen_dz, hedges_gz, dz_low, dz_high (noncentral t interval of the true mean /
        SD), dz_low_bca, dz_high_bca, gz_low_bca, gz_high_bca (Hedges' factor times those of dz),
        note (why a number is NaN). A contrast without spread has no p; it still counts as one of
        the tests that Holm corrects for.
    """
    check_confidence(confidence)
    n = len(scores)
    if n < 2:
        raise ValueError(f"{n} seed(s): a contrast takes at least 2")
    df = n - 1
    rounding = ROUNDING * np.maximum(np.abs(scores).max(axis=0), size)
    flat = np.ptp(scores, axis=0) <= rounding
    mean, se = scores.mean(axis=0), scores.std(axis=0, ddof=1) / np.sqrt(n)
    se[flat] = 0.0
    mean[flat & (np.abs(mean) <= rounding)] = 0.0
    t = np.where(flat, np.nan, mean / np.where(flat, 1.0, se))
    p = 2 * special.stdtr(df, -np.abs(t))
    half = np.where(flat, np.nan, t_quantile(confidence, df) * se)
    dz = np.where(flat, np.nan, cohen_dz(scores))
    correction = hedges_correction(df)
    nc_low, nc_high = noncentrality_interval(t, df, confidence)
    mean_bca, dz_bca = (
        bca_interval(scores, of, confidence=confidence, resamples=resamples, rng=rng)
        for of in (resampled_mean, resampled_dz)
    )
    mean_low, mean_high, dz_low, dz_high = (
        np.where(flat, np.nan, bound)
        for bound in (mean_bca.low, mean_bca.high, dz_bca.low, dz_bca.high)
    )
    return pd.DataFrame(
        {
            **labels,
            "estimate": mean,
            "se": se,
            "t": t,
            "df": df,
            "p": p,
            "p_holm": np.where(flat, np.nan, holm(np.where(flat, 1.0, p))),
            "low": mean - half,
            "high": mean + half,
            "low_bca": mean_low,
            "high_bca": mean_high,
            "cohen_dz": dz,
            "hedges_gz": correction * dz,
            "dz_low": nc_low / np.sqrt(n),
            "dz_high": nc_high / np.sqrt(n),
            "dz_low_bca": dz_low,
            "dz_high_bca": dz_high,
            "gz_low_bca": correction * dz_low,
            "gz_high_bca": correction * dz_high,
            "note": [
                _note(*reasons)
                for reasons in zip(flat, mean_bca.reason, dz_bca.reason, strict=True)
            ],
        }
    )


def _weighted(
    matrix: Matrix,
    weights: FloatArray,
    labels: Mapping[str, Sequence[Any]],
    confidence: float,
    resamples: int,
    rng: np.random.Generator | None,
) -> pd.DataFrame:
    """`contrast_table` of the contrasts whose weights are the columns of (K, C)."""
    return contrast_table(
        matrix.values @ weights,
        labels,
        size=np.abs(matrix.values).max() * np.abs(weights).sum(axis=0),
        confidence=confidence,
        resamples=resamples,
        rng=rng,
    )


def _note(flat: bool, of_mean: str, of_dz: str) -> str:
    if flat:
        return NO_SPREAD
    parts = [f"no BCa of {what}: {why}" for what, why in (("mean", of_mean), ("dz", of_dz)) if why]
    return "; ".join(parts)


def _matrix(frame: pd.DataFrame, column: str, names: Names | None) -> Matrix:
    matrix = seed_matrix(frame, column, names, least_seeds=2)
    if len(matrix.intervals) < 2:
        raise ValueError(f"{len(matrix.intervals)} interval(s) in the frame; a contrast takes two")
    return matrix


def _weights(name: str, given: Weights, matrix: Matrix) -> FloatArray:
    """The weights as (K,), refused where they are no contrast."""
    k = len(matrix.intervals)
    if isinstance(given, Mapping):
        unknown = [i for i in given if i not in matrix.intervals]
        if unknown:
            raise ValueError(f"weights of {name!r} name interval {unknown[0]}, which is not there")
        given = [given.get(i, 0.0) for i in matrix.intervals]
    weights = np.asarray(given, dtype=np.float64)
    if weights.shape != (k,):
        raise ValueError(f"weights of {name!r} have shape {weights.shape}, not ({k},) as intervals")
    size = float(np.abs(weights).sum())
    if not np.isfinite(size) or size == 0:
        raise ValueError(f"weights of {name!r} must be finite and not all 0")
    if abs(weights.sum()) > 1e-9 * size:
        raise ValueError(
            f"weights of {name!r} sum to {weights.sum():g}, not 0: a contrast compares intervals"
        )
    return weights
