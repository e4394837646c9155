"""In plain sentences: does a verdict hold over the whole grid of its thresholds?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pandas as pd

from stats.wording import count, joined


def robustness_sentences(grids: Mapping[str, pd.DataFrame]) -> list[str]:
    """One sentence or two for each grid of `stats.sensitivity.sensitivity_grids`."""
    writers = {
        "best_interval": _best,
        "backslides": _backslides,
        "interval_spikes": _interval_spikes,
        "step_spikes": _step_spikes,
        "stable_phase": _stable_phase,
        "diminishing_returns": _returns,
    }
    return [
        sentence
        for name, write in writers.items()
        if name in grids
        for sentence in write(grids[name])
    ]


def _best(grid: pd.DataFrame) -> list[str]:
    used = int(grid.loc[grid["in_use"], "best_interval"].iloc[0])
    whole = grid[~grid["left_out"] & (grid["definition"] != "seed")]
    agree = int((whole["best_interval"] == used).sum())
    text = f"The best interval is {used} under {agree} of {len(whole)} definitions"
    if agree == len(whole):
        text = f"The best interval is {used} under all {len(whole)} definitions"
    others = [
        f"{row.best_interval} for the {_definition(row.definition, row.delta)}"
        for row in whole.itertuples()
        if row.best_interval != used
    ]
    sentences = ["; ".join([text, *others]) + "."]
    without = grid[grid["left_out"] & (grid["definition"] == "mean") & (grid["delta"] == 0)]
    moved = without[without["best_interval"] != used]
    if len(without) and moved.empty:
        sentences.append(f"No single seed decides it: without any one it stays interval {used}.")
    elif len(moved):
        shown = [
            f"{row.best_interval} without seed {row.seed}" for row in moved.head(5).itertuples()
        ]
        more = f" and elsewhere without {len(moved) - 5} others" if len(moved) > 5 else ""
        sentences.append(
            f"It hangs on single seeds: leaving one out moves the mean's best interval in "
            f"{len(moved)} of {len(without)} cases ({joined(shown)}{more})."
        )
    return sentences


def _definition(definition: str, delta: float) -> str:
    if delta == 0:
        return f"lowest {definition}"
    return f"earliest within {delta:g} nats of the lowest {definition}"


def _backslides(grid: pd.DataFrame) -> list[str]:
    return _counts(grid, "backslides", "backslide_tolerance", "backslide", "tolerances", " nats")


def _interval_spikes(grid: pd.DataFrame) -> list[str]:
    return _counts(grid, "interval_spikes", "spike_ratio", "interval spike", "ratios", "")


def _counts(
    grid: pd.DataFrame, column: str, threshold: str, word: str, words: str, unit: str
) -> list[str]:
    """A count that falls as its threshold rises."""
    low, high = grid[threshold].min(), grid[threshold].max()
    span = f"the {len(grid)} {words} tried ({low:g} to {high:g}{unit})"
    used = grid[grid["in_use"]].iloc[0]
    if (grid[column] == 0).all():
        return [f"There is no {word} at any of {span}."]
    most, least = int(grid[column].max()), int(grid[column].min())
    reach = count(most, word) if most == least else f"{least:,} to {count(most, word)}"
    now = f"{int(used[column]):,} at the {used[threshold]:g}{unit} in use"
    seeds = f"{int(used['seeds_with'])} of {count(int(used['seeds']), 'seed')}"
    text = f"There are {reach} over {span}, {now} (in {seeds})"
    gone = grid[grid[column] == 0]
    if gone.empty:
        return [f"{text}; there is at least one at each."]
    return [f"{text}; there is none from {gone[threshold].min():g}{unit} on."]


def _step_spikes(grid: pd.DataFrame) -> list[str]:
    tried = f"{len(grid)} settings of window and SD tried"
    if (grid["step_spikes"] == 0).all():
        return [f"There is no step spike at any of the {tried}."]
    used = grid[grid["in_use"]].iloc[0]
    now = int(used["step_spikes"])
    text = (
        f"There are {int(grid['step_spikes'].min())} to {int(grid['step_spikes'].max())} step "
        f"spikes over the {tried}, {now} at those in use"
    )
    some = int((grid["step_spikes"] > 0).sum())
    return [f"{text}; there is at least one at {some} of {len(grid)}."]


def _stable_phase(grid: pd.DataFrame) -> list[str]:
    judged = grid[grid["can_be_judged"]]
    if judged.empty:
        return [f"A stable phase cannot be judged at any of the {len(grid)} settings tried."]
    having = int((judged["seeds_with"] > 0).sum())
    tried = f"{len(judged)} settings tried"
    if having == 0:
        return [f"There is no stable phase at any of the {tried}."]
    everyone = int((judged["seeds_with"] == judged["seeds"]).sum())
    if everyone == len(judged):
        return [f"Every seed has a stable phase at each of the {tried}."]
    used = grid[grid["in_use"]].iloc[0]
    now = f"{int(used['seeds_with'])} of {count(int(used['seeds']), 'seed')} at those in use"
    places = judged["first_interval"].dropna()
    first, last = int(places.min()), int(places.max())
    begin = f"interval {first}" if first == last else f"intervals {first} to {last}"
    return [
        f"Some seed has a stable phase at {having} of the {tried}, every seed at {everyone} "
        f"({now}); the earliest begins at {begin}."
    ]


def _returns(grid: pd.DataFrame) -> list[str]:
    low, high = grid["gain_threshold"].min(), grid["gain_threshold"].max()
    span = f"the {len(grid)} thresholds tried ({low:g} to {high:g} nats a million tokens)"
    if grid["first"].isna().all():
        return [f"Returns do not diminish at any of {span}."]
    said = "; ".join(
        f"{words} {_places(grid[column])}"
        for column, words in (("first", "for the first time"), ("for_good", "for good"))
    )
    return [f"Over {span} returns diminish {said}."]


def _places(intervals: pd.Series) -> str:
    """ "at interval 3", or where at how many of the thresholds."""
    never, n = int(intervals.isna().sum()), len(intervals)
    places = sorted(Counter(int(i) for i in intervals.dropna()).items())
    if len(places) == 1 and not never:
        return f"at interval {places[0][0]}"
    parts = [f"at interval {i} ({times} of {n})" for i, times in places]
    parts += [f"nowhere ({never} of {n})"] if never else []
    return joined(parts)
