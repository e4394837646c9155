"""From the first interval to the best one, and from there to the last: what choosing does to tests.

The best interval is not planned but found in the data, and its mean is too low for that reason.
Two remedies: the other seeds choose, for an estimate and its interval; and the choice is repeated
under sign flips, for a p value. docs/contrasts.md has the simulated levels of each.

Shapes: S seeds, K intervals, P sign patterns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.bootstrap import NUMBERS_AT_ONCE, ROUNDING
from stats.contrasts import contrast_table
from stats.descriptives import rise_from_best
from stats.flips import sign_patterns
from stats.matrix import Names, seed_matrix
from stats.measures import best_interval

FloatArray = NDArray[np.float64]
# profiles (..., S, K) to (..., Q): statistics that are large where the loss rises
FlipStatistic: TypeAlias = Callable[[FloatArray], FloatArray]


def best_contrasts(
    frame: pd.DataFrame,
    column: str = "val_loss",
    names: Names | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    rng: np.random.Generator | None = None,
) -> pd.DataFrame:
    """The fall from the first interval to the best and the rise from there to the last.

    For seed s the best interval is that with the lowest mean over the *other* seeds (see
    `stats.descriptives.rise_from_best`); fall = first - best, rise = last - best, so that both are
    positive where the name says so. The best is the lowest: `column` should be a loss.

    Returns
    -------
    DataFrame
        contrast ("fall: first - best", "rise: last - best"), from, to (numbers of the intervals, or
        "best"), chosen (the seeds' best intervals, in the order of the seeds), the columns of
        `contrast_table` (Holm over the two; intervals and bootstrap take the choice as given), and
        p_flip: `flip_test` of `own_best_t`, one-sided (a fall to the best or a rise from it is
        larger than by chance). p_flip is the test to read; p and p_holm reject too often.

    Raises
    ------
    ValueError
        Fewer than three seeds or two intervals, a bad confidence, or what `seed_matrix` refuses.
    """
    matrix = seed_matrix(frame, column, names, least_seeds=3)
    if len(matrix.intervals) < 2:
        raise ValueError(f"{len(matrix.intervals)} interval(s) in the frame; a contrast takes two")
    values = matrix.values
    rise, chosen = rise_from_best(values)
    fall = values[:, 0] - values[np.arange(len(values)), chosen]
    first, last = matrix.intervals[0], matrix.intervals[-1]
    labels = {
        "contrast": ["fall: first - best", "rise: last - best"],
        "from": [str(first), "best"],
        "to": ["best", str(last)],
        "chosen": [", ".join(str(matrix.intervals[i]) for i in chosen)] * 2,
    }
    table = contrast_table(
        np.column_stack([fall, rise]),
        labels,
        size=np.abs(values).max(),
        confidence=confidence,
        resamples=resamples,
        rng=rng,
    )
    table["p_flip"] = flip_test(values, own_best_t, rng)
    return table


def own_best_t(profiles: FloatArray) -> FloatArray:
    """t of fall and rise (..., 2) of `profiles` (..., S, K), from the best interval of their mean.

    Never negative. As a t value it is too large, for choosing; `flip_test` chooses alike.
    """
    best = best_interval(profiles.mean(axis=-2))[..., None, None]
    at_best = np.take_along_axis(profiles, best, axis=-1)[..., 0]
    return t_of(np.stack([profiles[..., 0] - at_best, profiles[..., -1] - at_best], axis=-1))


def t_of(scores: FloatArray) -> FloatArray:
    """One-sample t (..., Q) of `scores` (..., S, Q); with no spread 0 or infinite."""
    mean = scores.mean(axis=-2)
    se = scores.std(axis=-2, ddof=1) / np.sqrt(scores.shape[-2])
    flat = se <= ROUNDING * np.abs(scores).max(axis=-2)
    infinite = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
    return np.asarray(np.where(flat, infinite, mean / np.where(flat, 1.0, se)))


def flip_test(
    values: FloatArray, statistic: FlipStatistic, rng: np.random.Generator | None = None
) -> FloatArray:
    """One-sided p of "no interval differs from another", the statistic formed anew for every flip.

    If the intervals do not differ and each seed's profile about its own level is as likely as its
    negative, then every pattern of signs of the S centred profiles was as likely as what was seen,
    whatever the correlation between intervals. So the share of patterns with a statistic at least
    as large is a p value, exact also for a statistic that chooses an interval first. All 2^S
    patterns are visited up to 16 seeds, else drawn ones (`sign_patterns`). Unlike in
    `stats.anova.sign_flip_test` a pattern and its negative differ: turned over, a rise is a fall.

    Parameters
    ----------
    values : ndarray of shape (S, K)
    statistic : callable
        (..., S, K) to (..., Q); large values speak against the null.
    rng : Generator, optional
        For drawn patterns; a fixed one by default.

    Returns
    -------
    ndarray of shape (Q,)
    """
    centred = values - values.mean(axis=1, keepdims=True)
    observed = statistic(centred)
    slack = 1e-9 * np.where(np.isfinite(observed), np.abs(observed), 0)  # equal but for rounding
    count, total = np.zeros(observed.shape), 0
    at_once = max(1, NUMBERS_AT_ONCE // values.size)
    for signs in sign_patterns(len(values), at_once, cells=values.size, both=True, rng=rng):
        flipped = statistic(signs[:, :, None] * centred)
        count += (flipped >= observed - slack).sum(axis=0)
        total += len(signs)
    return np.asarray(count / total)
