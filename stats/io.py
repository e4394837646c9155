"""Read and check a run folder: what was measured, and which runs may be compared.

A repeated-measures analysis needs every (condition, seed, interval) cell exactly once. A folder
that has holes is refused with the holes named; a run that did not finish is left out and said so.
Nothing here computes a measure.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

INTERVAL_COLUMNS = (
    "condition",
    "seed",
    "interval",
    "step",
    "tokens_seen",
    "epoch",
    "lr",
    "train_loss",
    "train_sample_loss",
    "val_loss",
    "val_perplexity",
    "bits_per_byte",
    "grad_norm",
    "flops",
)
KEY = ["condition", "seed", "interval"]
INTEGER_COLUMNS = ("seed", "interval", "step", "tokens_seen")
REQUIRED_COLUMNS = (*KEY, "step", "tokens_seen", "val_loss")
MAX_NAMED_CELLS = 8

RunKey = tuple[str, int]


class RunFolderError(ValueError):
    """The run folder cannot be analysed; the message names the file, the cell and the way out."""


@dataclass(frozen=True)
class RunFolder:
    """The measured values of a study, checked.

    Attributes
    ----------
    path : Path
    study : dict
        study.json, or empty when the file is absent.
    intervals : DataFrame
        The rows of intervals.csv of the runs that count, sorted by condition (in the study's
        order), seed and interval; balanced within each condition.
    steps, timing : dict of (condition, seed) -> DataFrame
    samples : dict of (condition, seed) -> list of dict
        All three empty for a run whose folder is absent.
    notices : tuple of str
        What was left out and why; the report prints each.
    """

    path: Path
    study: dict[str, Any]
    intervals: pd.DataFrame
    steps: dict[RunKey, pd.DataFrame]
    timing: dict[RunKey, pd.DataFrame]
    samples: dict[RunKey, list[dict[str, Any]]]
    notices: tuple[str, ...]

    @property
    def conditions(self) -> list[str]:
        return [str(name) for name in self.intervals["condition"].unique()]


def read_run_folder(path: str | Path, *, drop_incomplete: bool = False) -> RunFolder:
    """Read and validate a run folder.

    Parameters
    ----------
    path : path of the folder that holds intervals.csv
    drop_incomplete : bool
        Leave out seeds with missing cells (with a notice) where the default is to refuse.

    Raises
    ------
    RunFolderError
        A file is absent or malformed, a cell is missing or duplicated, or no run is left.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise RunFolderError(f"run folder {str(path)!r} is not a folder; give a study's --out")
    study = _read_json(folder / "study.json") if (folder / "study.json").exists() else {}
    frame = read_intervals(folder / "intervals.csv")
    notices: list[str] = []
    frame = _drop_unfinished(folder, frame, notices)
    _refuse_duplicates(frame)
    frame = _complete_cells(frame, notices, drop_incomplete)
    _refuse_uneven_positions(frame)
    frame = _sorted(frame, study)
    notices += _not_run(study, frame, notices)
    runs = [(str(c), int(s)) for c, s in frame[["condition", "seed"]].drop_duplicates().to_numpy()]
    return RunFolder(
        path=folder,
        study=study,
        intervals=frame,
        steps=_read_run_tables(folder, runs, "steps.csv"),
        timing=_read_run_tables(folder, runs, "timing.csv"),
        samples={run: samples for run in runs if (samples := _read_samples(folder, run))},
        notices=tuple(notices),
    )


def read_intervals(path: Path) -> pd.DataFrame:
    """intervals.csv with its types checked; an empty cell is NaN, an absent optional column too."""
    if not path.exists():
        raise RunFolderError(f"{path.name} is missing: has the study measured an interval yet?")
    raw = _read_table(path, dtype=str, keep_default_na=False, encoding="utf-8")
    absent = [name for name in REQUIRED_COLUMNS if name not in raw.columns]
    if absent:
        raise RunFolderError(f"{path.name} lacks the column(s) {', '.join(absent)}")
    if raw.empty:
        raise RunFolderError(f"{path.name} has a header and no rows: nothing to analyse yet")
    frame = pd.DataFrame({"condition": raw["condition"]})
    for name in INTERVAL_COLUMNS[1:]:
        values = raw[name] if name in raw.columns else pd.Series([""] * len(raw))
        frame[name] = [_number(path, name, row, text) for row, text in enumerate(values)]
    for name in INTEGER_COLUMNS:
        bad = frame[name].isna() | (frame[name] % 1 != 0)
        if bad.any():
            line = int(bad.to_numpy().argmax()) + 2
            raise RunFolderError(f"{path.name} line {line}: {name} must be a whole number")
        frame[name] = frame[name].astype("int64")
    return frame


def run_folder_of(folder: Path, run: RunKey) -> Path:
    """Where a run of a study keeps its own files."""
    return folder / "runs" / run[0] / f"seed-{run[1]}"


def _number(path: Path, column: str, row: int, text: str) -> float:
    if text == "":
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise RunFolderError(
            f"{path.name} line {row + 2}: {column}={text!r} is not a number"
        ) from None


def _read_table(path: Path, **options: Any) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pd.read_csv(path, **options)
        return table
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise RunFolderError(f"{path.name} is not a readable CSV file: {reason}") from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFolderError(f"{path.name} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise RunFolderError(f"{path.name} must hold a JSON object, not a {type(value).__name__}")
    return value


def _cells(frame: pd.DataFrame) -> str:
    """Name the first few (condition, seed, interval) cells of `frame`."""
    keys = [tuple(row) for row in frame[KEY].to_numpy().tolist()]
    named = ", ".join(f"({c}, {s}, {i})" for c, s, i in keys[:MAX_NAMED_CELLS])
    more = f" and {len(keys) - MAX_NAMED_CELLS} more" if len(keys) > MAX_NAMED_CELLS else ""
    return named + more


def _drop_unfinished(folder: Path, frame: pd.DataFrame, notices: list[str]) -> pd.DataFrame:
    """Leave out runs whose outcome is not "finished"; a run without a folder is taken as it is."""
    keep = pd.Series(True, index=frame.index)
    for (condition, seed), rows in frame.groupby(["condition", "seed"], sort=True):
        run = run_folder_of(folder, (str(condition), int(seed)))
        if not run.is_dir():
            continue
        if (run / "outcome.json").exists():
            outcome = _read_json(run / "outcome.json")
            status = str(outcome.get("status", "unknown"))
            message = str(outcome.get("message") or "").strip()
        else:
            status, message = "unfinished (no outcome.json: still running, or killed)", ""
        if status == "finished":
            continue
        keep[rows.index] = False
        last = int(rows["step"].max())
        detail = f": {message}" if message else ""
        notices.append(
            f"Left out: condition {condition}, seed {seed}, is {status} at step {last:,}{detail}."
        )
    kept = frame[keep]
    if kept.empty:
        raise RunFolderError("no run has finished: " + " ".join(notices))
    return kept


def _refuse_duplicates(frame: pd.DataFrame) -> None:
    double = frame[frame.duplicated(KEY)].drop_duplicates(KEY)
    if not double.empty:
        raise RunFolderError(
            f"intervals.csv has duplicated (condition, seed, interval) cells: {_cells(double)}; "
            "remove the wrong rows"
        )


def _complete_cells(frame: pd.DataFrame, notices: list[str], drop_incomplete: bool) -> pd.DataFrame:
    """Every run of a condition must have a finite loss at every interval 0..K of it."""
    missing = []
    for condition, rows in frame.groupby("condition", sort=False):
        wanted = pd.MultiIndex.from_product(
            [[condition], sorted(rows["seed"].unique()), range(int(rows["interval"].max()) + 1)],
            names=KEY,
        )
        have = rows[rows["val_loss"].abs() < math.inf].set_index(KEY).index
        missing.append(wanted.difference(have).to_frame(index=False))
    holes = pd.concat(missing, ignore_index=True)
    if holes.empty:
        return frame
    if not drop_incomplete:
        raise RunFolderError(
            f"intervals.csv lacks a finite val_loss in the (condition, seed, interval) cells "
            f"{_cells(holes)}; finish those runs, or leave the seeds out with --drop-incomplete"
        )
    for (condition, seed), cells in holes.groupby(["condition", "seed"]):
        count = len(cells)
        notices.append(
            f"Left out on request: condition {condition}, seed {seed}, "
            f"which lacks {count} interval{'s' if count > 1 else ''}."
        )
        frame = frame[(frame["condition"] != condition) | (frame["seed"] != seed)]
    if frame.empty:
        raise RunFolderError("no complete run is left: " + " ".join(notices))
    return frame


def _refuse_uneven_positions(frame: pd.DataFrame) -> None:
    """The seeds of a condition must be measured at the same places."""
    places = frame.groupby(["condition", "interval"])["tokens_seen"].nunique()
    uneven = places[places > 1]
    if not uneven.empty:
        condition, interval = uneven.index[0]
        raise RunFolderError(
            f"condition {condition}, interval {interval}: the seeds differ in tokens_seen; "
            "their intervals cannot be compared (were they run with the same budget?)"
        )


def _sorted(frame: pd.DataFrame, study: dict[str, Any]) -> pd.DataFrame:
    planned = [name for name, _ in _planned_runs(study)]
    found = [str(name) for name in frame["condition"].unique()]
    order = {name: rank for rank, name in enumerate(dict.fromkeys([*planned, *found]))}
    ranks = frame["condition"].map(order)
    ordered = frame.assign(_rank=ranks).sort_values(["_rank", "seed", "interval"], kind="stable")
    return ordered.drop(columns="_rank").reset_index(drop=True)


def _planned_runs(study: dict[str, Any]) -> list[RunKey]:
    """(condition, seed) of every run that study.json asks for; empty where it does not say."""
    config = study.get("config")
    if not isinstance(config, dict):
        return []
    seeds = config.get("seeds")
    conditions = config.get("conditions")
    if not isinstance(seeds, list) or not isinstance(conditions, list):
        return []
    names = [str(c.get("name")) if isinstance(c, dict) else str(c) for c in conditions]
    return [(name, int(seed)) for name in names for seed in seeds]


def _not_run(study: dict[str, Any], frame: pd.DataFrame, notices: list[str]) -> list[str]:
    """A notice for every planned run without rows that no earlier notice explains."""
    have = {(str(c), int(s)) for c, s in frame[["condition", "seed"]].to_numpy()}
    told = " ".join(notices)
    return [
        f"Planned but without rows in intervals.csv: condition {condition}, seed {seed}."
        for condition, seed in _planned_runs(study)
        if (condition, seed) not in have and f"condition {condition}, seed {seed}," not in told
    ]


def _read_run_tables(folder: Path, runs: list[RunKey], name: str) -> dict[RunKey, pd.DataFrame]:
    tables = {}
    for run in runs:
        path = run_folder_of(folder, run) / name
        if path.exists():
            tables[run] = _read_table(path, encoding="utf-8")
    return tables


def _read_samples(folder: Path, run: RunKey) -> list[dict[str, Any]]:
    path = run_folder_of(folder, run) / "samples.jsonl"
    if not path.exists():
        return []
    samples = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            sample = json.loads(line)
        except ValueError:
            raise RunFolderError(
                f"{path.parent.name}/{path.name} line {number} is not valid JSON"
            ) from None
        if isinstance(sample, dict):
            samples.append(sample)
    return samples
