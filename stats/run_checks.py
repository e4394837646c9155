"""Which runs of a study may be compared: every cell there once, measured at the same places.

A run that did not finish is left out, a seed with holes only on request; each with a notice that
names it and says how many of how many seeds are left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.cells import MAX_NAMED, named
from stats.wording import span

KEY = ["condition", "seed", "interval"]
LARGEST_LOSS = 700.0  # nats a token; exp of 710 is more than a float can hold
PERPLEXITY_ROUNDING = 1e-3  # relative: some write it with few digits
RunKey = tuple[str, int]
_NUMBER = re.compile(r"[-+]?\b(?:\d[\d.,]*(?:e[-+]?\d+)?|nan|inf)\b")  # in a message
# Outcome of a run: its status, and a message that may be empty; None for a run without a folder.
OutcomeOf = Callable[[RunKey], tuple[str, str] | None]


class RunFolderError(ValueError):
    """The run folder cannot be analysed; the message names the file, the cell and the way out."""


def comparable(
    frame: pd.DataFrame, outcome_of: OutcomeOf, drop_incomplete: bool
) -> tuple[pd.DataFrame, list[str]]:
    """The rows of intervals.csv that may be compared, and a notice for all that is left out.

    Raises
    ------
    RunFolderError
        Cells are doubled or missing, a loss is none, the seeds of a condition differ in where they
        were measured, or no run is left.
    """
    before, notices = frame, list[str]()
    frame = _finished(frame, outcome_of, notices)
    _refuse_duplicates(frame)
    _refuse_impossible(frame)
    frame = _complete(frame, notices, drop_incomplete)
    _refuse_uneven_positions(frame)
    notices += _seeds_left(before, frame)
    notices += _unlike_conditions(frame)
    notices += _partly_blank(frame)
    notices += _without_differences(frame)
    return frame, notices


def _finished(frame: pd.DataFrame, outcome_of: OutcomeOf, notices: list[str]) -> pd.DataFrame:
    """Leave out runs whose outcome is not "finished"; a run without a folder is taken as it is."""
    out = pd.Series(False, index=frame.index)
    last_steps = frame.groupby(["condition", "seed"], sort=True)["step"].max()
    left_out: dict[tuple[str, str, str], list[tuple[int, int, str]]] = {}
    for (condition, seed), last in last_steps.items():
        outcome = outcome_of((str(condition), int(seed)))
        if outcome is None:
            continue
        status, message = outcome
        if status == "finished":
            if message:
                notices.append(f"Condition {condition}, seed {seed}, finished: {message}.")
            continue
        alike = (str(condition), status, _NUMBER.sub("0", message))
        left_out.setdefault(alike, []).append((int(seed), int(last), message))
        out |= (frame["condition"] == condition) & (frame["seed"] == seed)
    notices += [_left_out(*alike[:2], runs) for alike, runs in left_out.items()]
    if out.all():
        raise RunFolderError("no run has finished: " + " ".join(notices))
    return frame[~out] if out.any() else frame


def _left_out(condition: str, status: str, runs: Sequence[tuple[int, int, str]]) -> str:
    """One notice for the runs of a condition that ended alike; the reason is the first run's.

    `runs` holds seed, last measured step and message of each.
    """
    seeds = [seed for seed, _, _ in runs]
    who = f"seed{'s' if len(seeds) > 1 else ''} {_few(seeds)}"
    steps = [step for _, step, _ in runs]
    at = f"step {span(min(steps), max(steps))}"
    reason = runs[0][2]
    detail = f": {reason}" if reason else ""
    if reason and any(message != reason for _, _, message in runs):
        detail = f"; seed {seeds[0]}: {reason}"
    return f"Left out: condition {condition}, {who}, {status}, last measured at {at}{detail}."


def _cells(frame: pd.DataFrame) -> str:
    """Name the first few (condition, seed, interval) cells of `frame`."""
    return named(frame[KEY].head(MAX_NAMED).itertuples(index=False, name=None), len(frame))


def _refuse_duplicates(frame: pd.DataFrame) -> None:
    double = frame[frame.duplicated(KEY)].drop_duplicates(KEY)
    if not double.empty:
        raise RunFolderError(
            f"intervals.csv has duplicated (condition, seed, interval) cells: {_cells(double)}; "
            "remove the wrong rows"
        )


def _refuse_impossible(frame: pd.DataFrame) -> None:
    """Values that no finished run can have; an empty cell is another matter."""
    bad = frame[frame["val_loss"] <= 0]
    if not bad.empty:
        raise RunFolderError(
            f"intervals.csv has a val_loss of 0 or below in the (condition, seed, interval) cells "
            f"{_cells(bad)} (the first is {bad['val_loss'].iloc[0]:g}); a mean negative log "
            "likelihood is above 0: is another quantity in the column?"
        )
    large = frame[(frame["val_loss"] > LARGEST_LOSS) & np.isfinite(frame["val_loss"])]
    if not large.empty:
        raise RunFolderError(
            f"intervals.csv has a val_loss above {LARGEST_LOSS:g} nats in the (condition, seed, "
            f"interval) cells {_cells(large)} (the first is {large['val_loss'].iloc[0]:g}); its "
            "perplexity is no finite number: remove that run if it diverged"
        )
    known = frame[frame["val_perplexity"].notna() & np.isfinite(frame["val_loss"])]
    wanted = np.exp(known["val_loss"])
    bad = known[(known["val_perplexity"] / wanted - 1).abs() > PERPLEXITY_ROUNDING]
    if not bad.empty:
        raise RunFolderError(
            "intervals.csv has a val_perplexity that is not exp(val_loss) in the (condition, seed, "
            f"interval) cells {_cells(bad)} (the first is {bad['val_perplexity'].iloc[0]:g}, "
            f"expected {wanted[bad.index[0]]:g}); mend the wrong column, or leave val_perplexity "
            "empty and it is computed"
        )
    for column in frame.columns.drop([*KEY, "val_loss"]):
        sizes = frame[column].abs()
        bad = frame[sizes > 1e75]  # infinite ones too
        if not bad.empty:
            raise RunFolderError(
                f"intervals.csv has {column}={bad[column].iloc[0]:g} in the (condition, seed, "
                f"interval) cells {_cells(bad)}; write a finite number of sensible size, or "
                "leave the cell empty if it was not measured"
            )


def _complete(frame: pd.DataFrame, notices: list[str], drop_incomplete: bool) -> pd.DataFrame:
    """Every run of a condition must have a finite loss at every interval 0..K of it."""
    usable = frame[np.isfinite(frame["val_loss"])]
    last = frame.groupby("condition", sort=False)["interval"].max()
    found = usable.groupby(["condition", "seed"], sort=False).size()
    runs = list(frame.groupby(["condition", "seed"], sort=False).size().index)
    lacking = {run: int(last[run[0]]) + 1 - int(found.get(run, 0)) for run in runs}
    lacking = {run: count for run, count in lacking.items() if count}
    if not lacking:
        return frame
    if not drop_incomplete:
        holes, ends = list[tuple[object, ...]](), list[str]()
        for condition, seed in list(lacking)[:MAX_NAMED]:
            rows = usable[(usable["condition"] == condition) & (usable["seed"] == seed)]
            have = rows["interval"].to_numpy()
            # of the first len(have) + MAX_NAMED intervals at least MAX_NAMED are holes
            wanted = np.arange(min(int(last[condition]) + 1, len(have) + MAX_NAMED))
            missing = np.setdiff1d(wanted, have)
            holes += [(condition, seed, int(i)) for i in missing]
            if len(have) and missing[0] == have.max() + 1:
                ends.append(
                    f"condition {condition}, seed {seed}, stops at interval {have.max()} of "
                    f"{last[condition]} (step {rows['step'].max():,})"
                )
        stopped = f" ({'; '.join(ends)})" if ends else ""
        raise RunFolderError(
            f"intervals.csv lacks a finite val_loss in the (condition, seed, interval) cells "
            f"{named(holes, sum(lacking.values()))}{stopped}; finish those runs, or leave the "
            "seeds out with --drop-incomplete"
        )
    for (condition, seed), count in sorted(lacking.items()):
        notices.append(
            f"Left out on request: condition {condition}, seed {seed}, "
            f"which lacks {count} interval{'s' if count > 1 else ''}."
        )
        frame = frame[(frame["condition"] != condition) | (frame["seed"] != seed)]
    if frame.empty:
        raise RunFolderError("no complete run is left: " + " ".join(notices))
    return frame


def _refuse_uneven_positions(frame: pd.DataFrame) -> None:
    """The seeds of a condition must be measured at the same places, one after the other."""
    ordered = frame.sort_values(KEY, kind="stable")
    same_run = (ordered[["condition", "seed"]] == ordered[["condition", "seed"]].shift()).all(
        axis=1
    )
    for column in ("tokens_seen", "step"):
        falls = ordered[same_run & (ordered[column].diff() < 0)]
        if not falls.empty:
            raise RunFolderError(
                f"intervals.csv: {column} is smaller than at the interval before in the "
                f"(condition, seed, interval) cells {_cells(falls)}; are the rows labelled rightly?"
            )
    places = ordered.groupby(["condition", "interval"], sort=False)["tokens_seen"]
    uneven = ordered[places.transform("min") != places.transform("max")]
    if not uneven.empty:
        first = uneven.iloc[0]
        same_place = (uneven["condition"] == first["condition"]) & (
            uneven["interval"] == first["interval"]
        )
        rows = uneven[same_place].drop_duplicates("tokens_seen").head(MAX_NAMED)
        pairs = ", ".join(
            f"seed {seed}: {tokens:,}"
            for seed, tokens in rows[["seed", "tokens_seen"]].itertuples(index=False, name=None)
        )
        raise RunFolderError(
            f"condition {first['condition']}, interval {first['interval']}: the seeds differ in "
            f"tokens_seen ({pairs}); their intervals cannot be compared (were they run with the "
            "same budget?)"
        )


def _seeds_left(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    """How many seeds of each condition are left, and which, where any was left out."""
    out = []
    left = after.groupby("condition")["seed"].unique()
    for condition, seeds in before.groupby("condition", sort=False)["seed"].unique().items():
        kept = sorted(left.get(condition, []))
        if len(kept) == len(seeds):
            continue
        if not kept:
            out.append(f"No seed of the {len(seeds)} of condition {condition} is left.")
            continue
        out.append(
            f"Condition {condition} rests on {len(kept)} of {len(seeds)} seeds: {_few(kept)}."
        )
    return out


def _few(seeds: Sequence[int]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(seeds) - MAX_NAMED} more" if len(seeds) > MAX_NAMED else ""
    return ", ".join(map(str, seeds[:MAX_NAMED])) + more


def _unlike_conditions(frame: pd.DataFrame) -> list[str]:
    sizes = frame.groupby("condition", sort=False)["interval"].max() + 1
    if sizes.nunique() < 2:
        return []
    each = ", ".join(f"{condition} has {size}" for condition, size in sizes.items())
    return [
        f"The conditions differ in their number of intervals ({each}): each is analysed over its "
        "own, and they cannot be compared interval by interval."
    ]


def _partly_blank(frame: pd.DataFrame) -> list[str]:
    """Columns that some seeds have at an interval and others lack: their means differ in seeds."""
    out = []
    for column in frame.columns.drop([*KEY, "val_loss"]):
        blank = frame[column].isna()
        if not blank.any() or blank.all():
            continue
        share = blank.groupby([frame["condition"], frame["interval"]], sort=False).transform("mean")
        holes = frame[blank & (share < 1)]
        if not holes.empty:
            out.append(
                f"{column} is blank in the (condition, seed, interval) cells {_cells(holes)}: its "
                "means there are over the seeds that have it."
            )
    return out


def _without_differences(frame: pd.DataFrame) -> list[str]:
    """Loud where there is nothing to judge by: one number everywhere, or seeds that are copies."""
    found = []
    for condition, rows in frame.groupby("condition", sort=False):
        seeds = rows["seed"].nunique()
        if len(rows) > 1 and rows["val_loss"].nunique() == 1:
            found.append(
                f"Condition {condition}: val_loss is {rows['val_loss'].iloc[0]:g} in every cell; "
                "no statistic can say anything about a constant. Was the right column written?"
            )
        elif seeds > 1 and rows.groupby("interval")["val_loss"].nunique().max() == 1:
            found.append(
                f"Condition {condition}: all {seeds} seeds hold the same losses. Copies of one run "
                "have no disagreement to judge differences by; every p and interval is void."
            )
    return found


def planned_runs(study: dict[str, Any]) -> list[RunKey]:
    """(condition, seed) of every run that study.json asks for; empty where it does not say."""
    config = study.get("config")
    if not isinstance(config, dict):
        return []
    seeds = config.get("seeds")
    conditions = config.get("conditions")
    if not isinstance(seeds, list) or not isinstance(conditions, list):
        return []
    names = [str(c.get("name")) if isinstance(c, dict) else str(c) for c in conditions]
    try:
        return [(name, int(seed)) for name in names for seed in seeds]
    except (TypeError, ValueError, OverflowError):  # the last of an infinite one
        raise RunFolderError(f"study.json: seeds={seeds!r:.200} must be whole numbers") from None


def not_run(study: dict[str, Any], runs: Sequence[RunKey]) -> list[str]:
    """A notice for every planned run that is not among `runs`, those that have rows."""
    have = set(runs)
    return [
        f"Planned but without rows in intervals.csv: condition {condition}, seed {seed}."
        for condition, seed in planned_runs(study)
        if (condition, seed) not in have
    ]


def run_keys(frame: pd.DataFrame) -> list[RunKey]:
    """(condition, seed) of every run, in the order of the rows."""
    pairs = frame[["condition", "seed"]].drop_duplicates()
    return [(str(c), int(s)) for c, s in pairs.itertuples(index=False, name=None)]


def whole_numbers(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which values are whole numbers that int64 and float64 both hold exactly."""
    with np.errstate(invalid="ignore"):  # an infinity has no remainder
        return np.asarray((np.abs(values) <= 2**53) & (values % 1 == 0), dtype=bool)
