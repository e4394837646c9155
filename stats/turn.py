"""Can the turn of the validation loss be told from the first part of a run? Scored, not assumed.

The turn of a seed is its best interval, if a later one was measured: the lowest loss at the very
end is no turn, only the end of the budget. At interval c, with 0..c seen, four forecasts are made:

quadratic
    L = a + b x + d x², x = log tokens, fitted to the seed's own seen intervals; the turn is the
    vertex. No parameter comes from elsewhere.
gap
    The seed's own gap between validation and training sample loss, a straight line in tokens
    through the later half of the seen intervals, prolonged until it reaches the gap at which the
    *other* seeds turned (their mean).
median_of_others
    Baseline: the median turn of the other seeds.
now
    Baseline: c itself.

Each is moved into c..last, for what is asked at c is when from now on. Only seeds that turn at c or
later are scored: for the others there is nothing left to forecast. Knowing that takes the future,
so the errors answer "given that it has not turned before c, how far off", alike for all four.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.matrix import Names, seed_matrix, token_matrix

FloatArray = NDArray[np.float64]
BASELINES = ("median_of_others", "now")
LEAST_FITTED = 3


def turn_of(loss: FloatArray) -> int | None:
    """Position of the lowest value of (K,), the earliest of equals; None if that is the last."""
    best = int(loss.argmin())
    return best if best < len(loss) - 1 else None


def quadratic_turn(loss: FloatArray, tokens: FloatArray) -> float:
    """Log tokens at the vertex of the parabola through (log tokens, loss), both of shape (N,).

    Infinite where the parabola has no minimum.
    """
    x = np.log(tokens)
    shift, scale = x.mean(), x.std()
    slope, curvature = np.polynomial.polynomial.polyfit((x - shift) / scale, loss, 2)[1:]
    if curvature <= 0:
        return np.inf
    return float(shift - scale * slope / (2 * curvature))


def gap_turn(gap: FloatArray, tokens: FloatArray, target: float) -> float:
    """Tokens at which the least-squares line through (tokens, gap), both (N,), reaches `target`.

    Infinite where the gap does not grow.
    """
    centred = tokens - tokens.mean()
    slope = float(centred @ (gap - gap.mean()) / (centred @ centred))
    if slope <= 0:
        return np.inf
    return float(tokens.mean() + (target - gap.mean()) / slope)


def predict_turns(
    frame: pd.DataFrame,
    fractions: Sequence[float] = (0.25, 0.35, 0.5),
    names: Names | None = None,
) -> pd.DataFrame:
    """Every forecast for every seed of one condition, from the first part of its intervals.

    Parameters
    ----------
    frame : DataFrame
        A row a (seed, interval), in any order.
    fractions : sequence of float
        Parts p of the intervals that are seen, between 0 and 1: the first floor(p K).
    names : Names, optional
        The frame's columns.

    Returns
    -------
    DataFrame
        A row a (fraction, seed, predictor): fraction, last_seen (interval c), seed, predictor,
        predicted (an interval, with decimals), turn (missing if the seed never turns), scored,
        error (|predicted - turn| in intervals, NaN where not scored).

    Raises
    ------
    ValueError
        No fraction or a bad one, too few intervals in it for a fit, fewer than three seeds that
        turn (one to judge, two to learn from), or a frame that `seed_matrix` refuses.
    """
    names = names or Names()
    if not len(fractions):
        raise ValueError("fractions is empty: give at least one number between 0 and 1")
    loss = seed_matrix(frame, names.loss, names, positive=True)
    train = seed_matrix(frame, names.train, names, skip=1)
    tokens = token_matrix(frame, names)
    gap = loss.values - train.values
    turns = [turn_of(own) for own in loss.values]
    turned = sum(turn is not None for turn in turns)
    if turned < 3:
        raise ValueError(f"{turned} seed(s) turn before their last interval; this takes 3")
    learnt = [_learn_from_others(gap, turns, i) for i in range(len(turns))]
    rows: list[dict[str, Any]] = []
    for fraction in fractions:
        c = _last_seen(fraction, len(loss.intervals))
        for i, seed in enumerate(loss.seeds):
            forecasts = _forecasts(loss.values[i, : c + 1], gap[i, : c + 1], tokens[i], *learnt[i])
            turn = turns[i]
            scored = turn is not None and turn >= c
            for predictor, position in forecasts.items():
                predicted = float(
                    np.interp(position, np.arange(len(loss.intervals)), loss.intervals)
                )
                actual = np.nan if turn is None else float(loss.intervals[turn])
                rows.append(
                    {
                        "fraction": fraction,
                        "last_seen": loss.intervals[c],
                        "seed": seed,
                        "predictor": predictor,
                        "predicted": predicted,
                        "turn": actual,
                        "scored": scored,
                        "error": abs(predicted - actual) if scored else np.nan,
                    }
                )
    return pd.DataFrame(rows)


def turn_errors(predictions: pd.DataFrame) -> pd.DataFrame:
    """Absolute errors of `predict_turns` over the seeds that could be scored.

    Returns
    -------
    DataFrame
        A row a (fraction, predictor): fraction, last_seen, predictor, seeds (scored), mean_error,
        median_error, largest_error (intervals; NaN if no seed could be scored), beats_baselines
        (whether the mean error is below that of both baselines; never so for a baseline).
    """
    keys = ["fraction", "last_seen", "predictor"]
    errors = predictions.groupby(keys, sort=False)["error"]
    table = errors.agg(
        seeds="count", mean_error="mean", median_error="median", largest_error="max"
    ).reset_index()
    is_baseline = table["predictor"].isin(BASELINES)
    bar = table[is_baseline].groupby("fraction")["mean_error"].min()
    beats = table["mean_error"] < table["fraction"].map(bar)
    return table.assign(beats_baselines=beats & ~is_baseline)


def _learn_from_others(
    gap: FloatArray, turns: Sequence[int | None], seed: int
) -> tuple[float, float]:
    """The gap at which the seeds other than the one at position `seed` turned (their mean), and
    their median turn.
    """
    others = [(j, t) for j, t in enumerate(turns) if t is not None and j != seed]
    rows, places = np.array(others, dtype=np.intp).T
    return float(gap[rows, places].mean()), float(np.median(places))


def _last_seen(fraction: float, intervals: int) -> int:
    """Position of the last of the first floor(p K) intervals."""
    if not 0 < fraction < 1:
        raise ValueError(f"fraction={fraction} must lie between 0 and 1")
    seen = int(np.floor(round(fraction * intervals, 9)))  # .29 x 100 is 28.999999999999996
    if seen - 1 < LEAST_FITTED:
        raise ValueError(
            f"fraction={fraction} of {intervals} intervals leaves {max(seen - 1, 0)} after the "
            f"first; a fit takes {LEAST_FITTED}"
        )
    return seen - 1


def _forecasts(
    loss: FloatArray, gap: FloatArray, tokens: FloatArray, target: float, median: float
) -> dict[str, float]:
    """Positions, from `loss` and `gap` of the seen intervals 0..c and the tokens of all (K,)."""
    c = len(loss) - 1
    seen = tokens[: c + 1]
    later = slice(1 + (c - 1) // 2, None)  # the later half of 1..c; interval 0 is untrained
    # bounds before the exponential: a vertex may lie beyond what a float can hold
    vertex = np.clip(quadratic_turn(loss[1:], seen[1:]), np.log(seen[-1]), np.log(tokens[-1]))
    reached = gap_turn(gap[later], seen[later], target)
    positions = np.arange(len(tokens))
    raw = {
        "quadratic": np.interp(np.exp(vertex), tokens, positions),
        "gap": np.interp(reached, tokens, positions),
        "median_of_others": median,
        "now": c,
    }
    return {name: float(np.clip(value, c, len(tokens) - 1)) for name, value in raw.items()}
