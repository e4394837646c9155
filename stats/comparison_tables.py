"""The frames of a comparison, each a plain function of the aligned values.

Shapes: n_a and n_b seeds, K places. A difference is B minus A; below 0 means that B's is lower.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.anova import rm_anova
from stats.contrasts import holm
from stats.descriptives import rise_from_best
from stats.measures import backslide, best_interval
from stats.pairing import Aligned, Side
from stats.two_samples import differences, equivalence, sign_flip_p

FloatArray = NDArray[np.float64]
ALPHA = 0.05
SUMMARY = {
    "final": "at the last place",
    "best_held_out": "at the best place (chosen by the other seeds)",
    "best": "lowest of each seed",
    "best_tokens": "tokens to each seed's lowest",
    "rise": "rise from best to last (best chosen by the other seeds)",
    "backslides": "backslides",
    "bits_per_byte": "bits per byte at the last place",
    "wall_hours": "wall time, hours (not a function of the configuration)",
    "tokens_per_s": "tokens a second, median (not a function of the configuration)",
}


def holm_of_known(p: FloatArray) -> FloatArray:
    """`stats.contrasts.holm` of the p values that there are; NaN stays NaN and is no test."""
    out = np.full(p.shape, np.nan)
    known = np.isfinite(p)
    out[known] = holm(p[known])
    return out


def interval_differences(aligned: Aligned, confidence: float = 0.95) -> pd.DataFrame:
    """`differences` at each place, with Holm's adjustment over the places.

    Returns
    -------
    DataFrame
        interval (A's number), interval_b (B's, -1 where interpolated), tokens_seen, then n_a, n_b,
        mean_a, mean_b, difference, low, high, t, ddof, p, p_holm, g, p_sign_flip. A place where all
        seeds differ by the same has no p and does not count among those that Holm adjusts for.
    """
    table = differences(aligned.a, aligned.b, paired=aligned.paired, confidence=confidence)
    table.insert(0, "interval", aligned.intervals_a)
    table.insert(1, "interval_b", aligned.intervals_b)
    table.insert(2, "tokens_seen", aligned.tokens.astype("int64"))
    table.insert(table.columns.get_loc("p") + 1, "p_holm", holm_of_known(table["p"].to_numpy()))
    return table


def long_rows(aligned: Aligned, names: tuple[str, str], measure: str) -> pd.DataFrame:
    """Every compared value: study (name), seed, tokens_seen, interval (A's), `measure`."""
    pieces = []
    for name, values, seeds in zip(
        names, (aligned.a, aligned.b), (aligned.seeds_a, aligned.seeds_b), strict=True
    ):
        n, k = values.shape
        pieces.append(
            pd.DataFrame(
                {
                    "study": name,
                    "seed": np.repeat(seeds, k),
                    "tokens_seen": np.tile(aligned.tokens.astype("int64"), n),
                    "interval": np.tile(aligned.intervals_a, n),
                    measure: values.ravel(),
                }
            )
        )
    return pd.concat(pieces, ignore_index=True)


def trajectory_tests(
    rows: pd.DataFrame, measure: str, *, paired: bool, ss_type: int = 2
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Analysis of variance of study x interval, with and without the place before training.

    Parameters
    ----------
    rows : DataFrame
        `long_rows`.
    paired : bool
        Both factors repeated over the seeds; otherwise seeds are grouped by study.
    ss_type : {2, 3}
        For unpaired sides of different size, see `stats.rm_anova`.

    Returns
    -------
    table : DataFrame
        intervals, with_interval_0, effect ("study", "interval", "study x interval"), then the
        columns of `rm_anova`.
    refusals : tuple of str
        Why an analysis could not be done.
    """
    starts = [True, False] if (rows["tokens_seen"] == 0).any() else [True]
    tables, refusals = [], []
    for with_0 in starts:
        cells = rows if with_0 else rows[rows["tokens_seen"] > 0]
        span = f"{cells['interval'].min()}..{cells['interval'].max()}"
        try:
            if paired:
                found = rm_anova(cells, measure, ["study", "interval"], "seed")
            else:
                runs = cells["study"] + "/" + cells["seed"].astype(str)
                found = rm_anova(
                    cells.assign(run=runs), measure, "interval", "run", "study", ss_type=ss_type
                )
        except ValueError as error:
            refusals.append(f"No analysis of variance over intervals {span}: {error}.")
            continue
        effects = found.iloc[:3].assign(effect=["study", "interval", "study x interval"])
        tables.append(effects.assign(intervals=span, with_interval_0=with_0))
    if not tables:
        return pd.DataFrame(), tuple(refusals)
    table = pd.concat(tables, ignore_index=True).astype({"ddof1": "int64", "ddof2": "int64"})
    first = ["intervals", "with_interval_0", "effect"]
    rest = [name for name in table.columns if name not in [*first, "Source"]]
    return table[[*first, *rest]], tuple(refusals)


def trajectory_sign_flip(aligned: Aligned) -> pd.DataFrame:
    """One sign-flip test of the whole trajectory: with_interval_0, mean_square, p_sign_flip, n.

    The statistic is the mean over the places of the squared mean difference; a seed's differences
    at all places change their sign together, so that no two places need be independent.
    """
    columns = ["with_interval_0", "mean_square", "p_sign_flip", "n"]
    if not aligned.paired:
        return pd.DataFrame(columns=columns)
    rows = []
    for with_0 in [True, False] if aligned.tokens[0] == 0 else [True]:
        scores = (aligned.b - aligned.a)[:, int(not with_0) :]
        if scores.shape[1] == 0:
            continue
        p = float(sign_flip_p(scores, together=True)[0])
        rows.append((with_0, float((scores.mean(axis=0) ** 2).mean()), p, len(scores)))
    return pd.DataFrame(rows, columns=columns)


def seed_measures(
    aligned: Aligned,
    sides: tuple[Side, Side],
    *,
    backslide_tolerance: float = 0.0,
    bits_per_byte: Aligned | None = None,
) -> pd.DataFrame:
    """A row a (study, seed): the summary measures over the compared places.

    Returns
    -------
    DataFrame
        study, seed, final, best_held_out (at the place with the lowest mean of the study's *other*
        seeds), best, best_interval (A's number), best_tokens, rise (final - best_held_out),
        backslides, bits_per_byte (at the last place), wall_hours and tokens_per_s (up to the last
        place; only where every compared run has timing.csv). `bits_per_byte`: the same alignment of
        that column, where both have it.
    """
    pieces = []
    for which, side in enumerate(sides):
        values = (aligned.a, aligned.b)[which]
        seeds = (aligned.seeds_a, aligned.seeds_b)[which]
        rise, chosen = rise_from_best(values)
        best = best_interval(values)
        piece = pd.DataFrame(
            {
                "study": side.label,
                "seed": seeds,
                "final": values[:, -1],
                "best_held_out": values[np.arange(len(values)), chosen],
                "best": values.min(axis=1),
                "best_interval": np.array(aligned.intervals_a)[best],
                "best_tokens": aligned.tokens[best].astype("int64"),
                "rise": rise,
                "backslides": backslide(values, backslide_tolerance).sum(axis=1),
            }
        )
        if bits_per_byte is not None:
            piece["bits_per_byte"] = (bits_per_byte.a, bits_per_byte.b)[which][:, -1]
        pieces.append(piece)
    clocks = [
        _speed(side, piece, aligned.tokens[-1]) for side, piece in zip(sides, pieces, strict=True)
    ]
    if all(clock is not None for clock in clocks):
        pieces = [pd.concat([p, c], axis=1) for p, c in zip(pieces, clocks, strict=True)]
    return pd.concat(pieces, ignore_index=True)


def summary_differences(
    seeds: pd.DataFrame, names: tuple[str, str], *, paired: bool, confidence: float = 0.95
) -> pd.DataFrame:
    """`differences` of each summary measure: measure, description, then their columns.

    These are several comparisons of the same runs and are not adjusted for being several.
    """
    there = [name for name in SUMMARY if name in seeds.columns]
    a, b = (seeds.loc[seeds["study"] == name, there].to_numpy(dtype=np.float64) for name in names)
    table = differences(a, b, paired=paired, confidence=confidence)
    table.insert(0, "measure", there)
    table.insert(1, "description", [SUMMARY[name] for name in there])
    return table


def reach(aligned: Aligned, names: tuple[str, str], target: float | None = None) -> pd.DataFrame:
    """Tokens each study needs to come down to one loss, straight lines between the places.

    Parameters
    ----------
    target : float, optional
        Default: the lowest mean of the study whose lowest mean is higher, which both reach.

    Returns
    -------
    DataFrame
        A row a study: study, target, tokens (of the mean trajectory; NaN where it never gets
        there), seeds_reaching, n, share (tokens over the larger tokens of the two).
    """
    means = [values.mean(axis=0) for values in (aligned.a, aligned.b)]
    if target is None:
        target = max(float(mean.min()) for mean in means)
    tokens = np.array([tokens_to_reach(mean, aligned.tokens, target) for mean in means])
    largest = tokens.max() if np.isfinite(tokens).all() and tokens.max() > 0 else np.nan
    return pd.DataFrame(
        {
            "study": names,
            "target": target,
            "tokens": tokens,
            "seeds_reaching": [
                int((v.min(axis=1) <= target).sum()) for v in (aligned.a, aligned.b)
            ],
            "n": [len(aligned.a), len(aligned.b)],
            "share": tokens / largest,
        }
    )


def tokens_to_reach(loss: FloatArray, tokens: FloatArray, target: float) -> float:
    """Where straight lines between the places (K,) first come down to `target`, else NaN."""
    below = np.flatnonzero(loss <= target)
    if not len(below):
        return float("nan")
    at = int(below[0])
    if at == 0:
        return float(tokens[0])
    fraction = (loss[at - 1] - target) / (loss[at - 1] - loss[at])
    return float(tokens[at - 1] + fraction * (tokens[at] - tokens[at - 1]))


def equivalence_tests(
    seeds: pd.DataFrame, names: tuple[str, str], margin: float, *, paired: bool
) -> pd.DataFrame:
    """`equivalence` of the losses at the last and at the best place; column `measure` first."""
    there = ["final", "best_held_out"]
    a, b = (seeds.loc[seeds["study"] == name, there].to_numpy(dtype=np.float64) for name in names)
    table = equivalence(a, b, margin, paired=paired, alpha=ALPHA)
    table.insert(0, "measure", there)
    return table


def _speed(side: Side, piece: pd.DataFrame, last_tokens: float) -> pd.DataFrame | None:
    """wall_hours and tokens_per_s of each seed, None where one of them has no usable timing."""
    within = side.rows["tokens_seen"] <= last_tokens
    last_step = int(side.rows.loc[within, "step"].max())
    rows: list[Mapping[str, float]] = []
    for seed in piece["seed"]:
        clock = side.run.timing.get((side.condition, int(seed)))
        if clock is None or not {"step", "wall_s", "tokens_per_s"} <= set(clock.columns):
            return None
        # a resumed run may have measured an interval twice: the last row is the one that counts
        clock = clock.drop_duplicates("step", keep="last")
        clock = clock[clock["step"] <= last_step]
        hours, speed = clock["wall_s"].sum() / 3600, clock["tokens_per_s"].median()
        if not (np.isfinite(hours) and np.isfinite(speed)):
            return None
        rows.append({"wall_hours": float(hours), "tokens_per_s": float(speed)})
    return pd.DataFrame(rows)
