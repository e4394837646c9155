"""What would the estimate be with other seeds? The seeds resampled whole, and intervals from that.

Shapes: S seeds, Q quantities estimated at once, B resamples. A resample is S seeds drawn from the S
with replacement; its order says nothing, so it is a row of `counts` (B, S): how often each seed was
drawn. Up to 8 seeds all C(2S - 1, S) rows (462 for six) are visited with their probabilities, which
is what infinitely many random resamples would give.

Sources: Efron (1987), J. Am. Statist. Assoc. 82 (BCa); Efron & Tibshirani (1993), An Introduction
to the Bootstrap, sections 6, 13, 14; Hall (1992), The Bootstrap and Edgeworth Expansion, appendix I
(number of distinct resamples).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from stats.descriptives import check_confidence

FloatArray = NDArray[np.float64]
# (values (S, ...), counts (B, S)) to (B,) or (B, Q)
Statistic: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]

MAX_EXACT_SEEDS = 8  # 6,435 distinct resamples; nine seeds have 24,310
NUMBERS_AT_ONCE = 2_000_000  # of one chunk of resamples, 16 MB
ROUNDING = 1e-12  # replicates closer than this, relative to the largest, count as equal


@dataclass(frozen=True)
class BootstrapIntervals:
    """Intervals of Q quantities, each array (Q,); or of one, then each is a single number ().

    Attributes
    ----------
    estimate : ndarray
        The statistic of the seeds as they are.
    standard_error : ndarray
        SD of the replicates (divisor B, or their probabilities); NaN where one is not finite.
    low, high : ndarray
        The BCa interval.
    percentile_low, percentile_high : ndarray
        The quantiles of the replicates.
    bias_correction, acceleration : ndarray
        z0 and a of BCa.
    reason : ndarray of str
        Why low and high are NaN; "" where they are not.
    resamples : int
        Distinct resamples visited, or resamples drawn.
    exact : bool
        Whether all were visited.
    """

    estimate: FloatArray
    standard_error: FloatArray
    low: FloatArray
    high: FloatArray
    percentile_low: FloatArray
    percentile_high: FloatArray
    bias_correction: FloatArray
    acceleration: FloatArray
    reason: NDArray[Any]
    resamples: int
    exact: bool


def bca_interval(
    values: FloatArray,
    statistic: Statistic,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | None = None,
    exact: bool | None = None,
) -> BootstrapIntervals:
    """BCa and percentile intervals of a statistic of seeds, the seeds resampled whole.

    Parameters
    ----------
    values : ndarray of shape (S,) or (S, ...)
        A row a seed.
    statistic : callable
        `statistic(values, counts)` with counts (B, S), whole numbers as floats, gives (B,) or
        (B, Q): the statistic of each resample, in which seed s stands counts[b, s] times. Every
        row sums to S, or to S - 1 where a seed is left out; see `resampled_mean`.
    confidence : float
    resamples : int
        How many to draw where not all are visited.
    rng : Generator, optional
        For the draws; a fixed one by default, so that the same data give the same interval.
    exact : bool, optional
        Whether to visit all resamples; by default up to 8 seeds.

    Returns
    -------
    BootstrapIntervals
        Bounds that do not exist are NaN with a reason: the statistic is not defined in some
        resample, is the same in all, or all lie on one side of the estimate. A bound may be
        infinite where the statistic can be.

    Raises
    ------
    ValueError
        One seed, values that are not finite, a bad confidence or number of resamples, or
        exact=True for more than 8 seeds.

    Notes
    -----
    With G the distribution of the replicates and Phi the normal one,

        z0 = Phi^-1(G(below the estimate) + G(equal to it) / 2)
        a = sum d_s^3 / (6 (sum d_s^2)^(3/2)),   d_s = mean of the jackknife - value without seed s
        bound = G^-1(Phi(z0 + (z0 + z) / (1 - a (z0 + z)))),   z the normal quantile of that bound

    G^-1(p) is the smallest replicate with G >= p.
    """
    values = np.asarray(values, dtype=np.float64)
    exact = _checked(values, confidence, resamples, exact)
    n = len(values)
    rng = rng or np.random.default_rng(0)
    chunk = max(1, NUMBERS_AT_ONCE // (n + values[0].size))
    if exact:
        counts, weights = distinct_resamples(n)
        chunks = iter([counts[start : start + chunk] for start in range(0, len(counts), chunk)])
    else:
        weights = np.full(resamples, 1 / resamples)
        chunks = _drawn(rng, n, resamples, chunk)
    with np.errstate(divide="ignore", invalid="ignore"):  # undefined replicates are looked for
        parts = [np.asarray(statistic(values, part)) for part in chunks]
        estimate = np.asarray(statistic(values, np.ones((1, n)))[0], dtype=np.float64)
        jackknife = np.asarray(statistic(values, 1 - np.eye(n)))
    replicates = np.concatenate(parts)
    q = int(np.prod(replicates.shape[1:]))
    columns = [
        _one_quantity(estimate.reshape(q)[i], column, weights, knife, confidence)
        for i, (column, knife) in enumerate(
            zip(replicates.reshape(-1, q).T, jackknife.reshape(-1, q).T, strict=True)
        )
    ]
    shape = estimate.shape
    error, low, high, percentile_low, percentile_high, z0, a = (
        np.array([column[i] for column in columns]).reshape(shape) for i in range(7)
    )
    return BootstrapIntervals(
        estimate=estimate,
        standard_error=error,
        low=low,
        high=high,
        percentile_low=percentile_low,
        percentile_high=percentile_high,
        bias_correction=z0,
        acceleration=a,
        reason=np.array([column[7] for column in columns], dtype=object).reshape(shape),
        resamples=len(weights),
        exact=exact,
    )


def resampled_mean(values: FloatArray, counts: FloatArray) -> FloatArray:
    """Means over seeds of `values` (S,) or (S, Q) in each resample of `counts` (B, S)."""
    return np.asarray(counts @ values / counts.sum(axis=1).reshape(-1, *[1] * (values.ndim - 1)))


def distinct_resamples(n: int) -> tuple[FloatArray, FloatArray]:
    """Every resample of n seeds as counts (C(2n - 1, n), n), and its probability.

    Of the n^n ordered draws, n! / (c_1! ... c_n!) have the counts c.
    """
    # n stars and n - 1 bars: where the bars stand among 2n - 1 places says how many stars lie
    # between two of them
    rows = np.zeros((1, 0), dtype=np.int64)
    left = np.array([n])
    for _ in range(n - 1):
        repeat = left + 1
        take = np.concatenate([np.arange(r) for r in repeat])
        rows = np.column_stack([np.repeat(rows, repeat, axis=0), take])
        left = np.repeat(left, repeat) - take
    counts = np.column_stack([rows, left]).astype(np.float64)
    log_ways = special.gammaln(n + 1) - special.gammaln(counts + 1).sum(axis=1)
    return counts, np.exp(log_ways - n * np.log(n))


def _drawn(rng: np.random.Generator, n: int, resamples: int, chunk: int) -> Iterator[FloatArray]:
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        draws = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        counts = np.bincount(draws.ravel(), minlength=size * n).reshape(size, n)
        yield counts.astype(np.float64)


def _one_quantity(
    estimate: float,
    replicates: FloatArray,
    weights: FloatArray,
    jackknife: FloatArray,
    level: float,
) -> tuple[float, float, float, float, float, float, float, str]:
    """standard_error, low, high, percentile_low, percentile_high, z0, a, reason of one quantity."""
    nothing = (np.nan,) * 7
    if not np.isfinite(estimate):
        return (*nothing, "the statistic is not defined for these seeds")
    if np.isnan(replicates).any():
        return (*nothing, "the statistic is not defined in some resamples")
    finite = replicates[np.isfinite(replicates)]
    rounding = ROUNDING * float(np.abs(finite).max(initial=0.0))
    error = np.nan
    if len(finite) == len(replicates):
        centre = weights @ replicates
        error = float(np.sqrt(weights @ (replicates - centre) ** 2))
    if len(finite) == len(replicates) and np.ptp(finite) <= rounding:
        return (0.0, *nothing[1:], "the statistic is the same in every resample")
    z = float(special.ndtri(0.5 + level / 2))
    order = replicates.argsort()
    ordered, cumulated = replicates[order], weights[order].cumsum()
    percentile = _quantiles(ordered, cumulated, special.ndtr([-z, z]))
    below = float(weights[replicates < estimate - rounding].sum())
    equal = float(weights[np.abs(replicates - estimate) <= rounding].sum())
    share = below + equal / 2
    spread = jackknife.mean() - jackknife if np.isfinite(jackknife).all() else np.zeros(1)
    squares = float((spread**2).sum())
    if min(share, 1 - share) <= ROUNDING:
        reason = "all resamples lie on one side of the estimate"
    elif not np.isfinite(jackknife).all():
        reason = "the statistic is not defined with one seed left out"
    elif np.ptp(jackknife) <= rounding:
        reason = "the statistic is the same whichever seed is left out"
    else:
        z0 = float(special.ndtri(share))
        a = float((spread**3).sum()) / (6 * squares**1.5)
        shifted = z0 + np.array([-z, z])
        if (a * shifted >= 1).any():
            return (error, np.nan, np.nan, *percentile, z0, a, "the acceleration is too large")
        bounds = _quantiles(ordered, cumulated, special.ndtr(z0 + shifted / (1 - a * shifted)))
        return (error, *bounds, *percentile, z0, a, "")
    return (error, np.nan, np.nan, *percentile, np.nan, np.nan, reason)


def _quantiles(
    ordered: FloatArray, cumulated: FloatArray, probabilities: FloatArray
) -> tuple[float, float]:
    """The smallest replicates whose cumulated weight reaches each of two probabilities."""
    # a sum of weights falls short of its true value by rounding; do not step over a replicate
    at = np.searchsorted(cumulated, probabilities - ROUNDING)
    low, high = ordered[np.minimum(at, len(ordered) - 1)]
    return float(low), float(high)


def _checked(values: FloatArray, confidence: float, resamples: int, exact: bool | None) -> bool:
    if values.ndim < 1 or len(values) < 2:
        n = len(values) if values.ndim else 1
        raise ValueError(f"{n} seed(s): resampling takes at least 2")
    if not np.isfinite(values).all():
        raise ValueError("values has a NaN or infinite number: leave its seed out, and say so")
    check_confidence(confidence)
    if resamples < 1:
        raise ValueError(f"resamples={resamples} must be at least 1")
    if exact and len(values) > MAX_EXACT_SEEDS:
        raise ValueError(
            f"exact=True with {len(values)} seeds: all resamples are visited up to "
            f"{MAX_EXACT_SEEDS} seeds; leave it out to draw them"
        )
    return len(values) <= MAX_EXACT_SEEDS if exact is None else exact
