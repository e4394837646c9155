"""Read a run folder: the measured values of a study, typed and checked.

A repeated-measures analysis needs every (condition, seed, interval) cell exactly once; what counts
is decided in `stats.run_checks`. Nothing here computes a measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stats.csv_files import CsvFileError, line_of, read_csv_file
from stats.json_files import LARGEST_SAMPLES, parse_json, read_json_object, read_text_file
from stats.recorded import refuse_edited, vouches
from stats.run_checks import (
    KEY,
    RunKey,
    comparable,
    not_run,
    planned_runs,
    run_keys,
    whole_numbers,
)
from stats.run_checks import (
    RunFolderError as RunFolderError,
)
from stats.writing import explain

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
LONGEST_NAME = 200  # characters of a condition: it stands in every message and caption
INTEGER_COLUMNS = ("seed", "interval", "step", "tokens_seen")
REQUIRED_COLUMNS = (*KEY, "step", "tokens_seen", "val_loss")
# of the files that each run has to itself: what must be there, and what must be numbers
RUN_TABLES = {
    "steps.csv": (("step",), ("step", "train_loss", "grad_norm")),
    "timing.csv": (("step",), ("step", "wall_s", "threads")),
}


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
        A file is absent, malformed, cannot be read, or is not what the run wrote; a cell is
        missing or duplicated, or no run is left; the message names file, line or cell.
    """
    try:
        return _read(Path(path), drop_incomplete)
    except OSError as error:
        raise RunFolderError(explain(error)) from None


def _read(folder: Path, drop_incomplete: bool) -> RunFolder:
    if not folder.is_dir():
        raise RunFolderError(f"study folder {str(folder)!r} is not a folder; give a study's --out")
    _refuse_single_run(folder)
    study = read_json_object(folder / "study.json") if (folder / "study.json").exists() else {}
    frame = read_intervals(folder / "intervals.csv")
    runs = run_keys(frame)
    outcomes = {run: _outcome(folder, run) for run in runs}
    refuse_edited(folder, _ended(folder, outcomes))
    frame, notices = comparable(frame, lambda run: _told(outcomes[run]), drop_incomplete)
    frame = _sorted(frame, study)
    notices += not_run(study, runs)
    runs = run_keys(frame)
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
        raise RunFolderError(_why_no_intervals(path))
    raw = _read_table(path, REQUIRED_COLUMNS, INTERVAL_COLUMNS[1:], texts=("condition",))
    named = raw["condition"].fillna("")
    if (named == "").any():
        line = _line_of(path, int((named == "").to_numpy().argmax()))
        raise RunFolderError(f"{path.name} line {line}: condition is empty; name it")
    for name in named.unique():
        if not str(name).isprintable() or len(str(name)) > LONGEST_NAME:
            raise RunFolderError(
                f"{path.name}: condition {str(name)[:40]!r} is longer than {LONGEST_NAME} "
                "characters or cannot be printed; rename it"
            )
    frame = pd.DataFrame({"condition": named})
    for name in INTERVAL_COLUMNS[1:]:
        values = np.asarray(raw.pop(name)) if name in raw.columns else np.full(len(raw), np.nan)
        if name in INTEGER_COLUMNS:
            bad = ~whole_numbers(values)
            if name != "seed":
                bad |= values < 0
            if bad.any():
                row = int(bad.argmax())
                least = "" if name == "seed" else " of at least 0"
                got = "nothing" if np.isnan(values[row]) else f"{values[row]:g}"
                raise RunFolderError(
                    f"{path.name} line {_line_of(path, row)}: {name} must be a whole "
                    f"number{least}, got {got}"
                )
            values = values.astype(np.int64)
        frame[name] = values
    return frame


def run_folder_of(folder: Path, run: RunKey) -> Path:
    """Where a run of a study keeps its own files.

    Raises
    ------
    RunFolderError
        If the condition's name would lead out of the folder.
    """
    condition = Path(run[0])
    if condition.anchor or ".." in condition.parts:
        raise RunFolderError(
            f"condition {run[0]!r} names a folder outside the run folder; rename the condition"
        )
    return folder / "runs" / run[0] / f"seed-{run[1]}"


def _read_table(
    path: Path,
    needed: Sequence[str],
    numbers: Sequence[str],
    texts: Sequence[str] = (),
    name: str | None = None,
) -> pd.DataFrame:
    try:
        return read_csv_file(path, needed, numbers, texts, name=name)
    except CsvFileError as error:
        raise RunFolderError(str(error)) from error


def _refuse_single_run(folder: Path) -> None:
    """Refuse the folder of a run: what were written there would count as the run's."""
    if not (folder / "steps.csv").exists() or (folder / "study.json").exists():
        return
    study = folder.absolute().parents[2:3]
    place = f", {study[0]}" if study and (study[0] / "study.json").exists() else ""
    raise RunFolderError(f"{folder} is one run; give its study's folder{place}")


def _why_no_intervals(path: Path) -> str:
    missing = f"{path.name} is missing from {path.parent}"
    if not (path.parent / "runs").is_dir():
        return f"{missing}: is this a study's folder? Give the one that was its --out"
    return (
        f"{missing}: the study has not ended, what its runs measured is in runs/; "
        f"`tinyllama-np resume {path.parent}` carries it to its end and analyses it"
    )


def _outcome(folder: Path, run: RunKey) -> dict[str, Any] | None:
    """What a run's outcome.json says, empty for a run that has none; None for one without a folder.

    A run that is still going on has none, nor has one that was killed.
    """
    place = run_folder_of(folder, run)
    if not _there(place):
        return None
    if not (place / "outcome.json").exists():
        return {}
    return read_json_object(place / "outcome.json", _name_in(folder, place / "outcome.json"))


def _told(outcome: dict[str, Any] | None) -> tuple[str, str] | None:
    """Status and message of an outcome."""
    if outcome is None:
        return None
    if not outcome:
        return "unfinished (no outcome.json: still running, or killed)", ""
    return str(outcome.get("status", "unknown")), str(outcome.get("message") or "").strip()


def _ended(folder: Path, outcomes: dict[RunKey, dict[str, Any] | None]) -> dict[RunKey, Path]:
    """Folders of the runs that vouch for what they measured."""
    places = {run: run_folder_of(folder, run) for run, outcome in outcomes.items() if outcome}
    return {
        run: place
        for run, place in places.items()
        if vouches(place, _name_in(folder, place), outcomes[run] or {})
    }


def _sorted(frame: pd.DataFrame, study: dict[str, Any]) -> pd.DataFrame:
    planned = [name for name, _ in planned_runs(study)]
    found = [str(name) for name in frame["condition"].unique()]
    order = {name: rank for rank, name in enumerate(dict.fromkeys([*planned, *found]))}
    ranks = frame["condition"].map(order)
    ordered = frame.assign(_rank=ranks).sort_values(["_rank", "seed", "interval"], kind="stable")
    return ordered.drop(columns="_rank").reset_index(drop=True)


def _read_run_tables(folder: Path, runs: list[RunKey], name: str) -> dict[RunKey, pd.DataFrame]:
    tables = {}
    for run in runs:
        path = run_folder_of(folder, run) / name
        if not _there(path):
            continue
        needed, numbers = RUN_TABLES[name]
        table = _read_table(path, needed, numbers, name=_name_in(folder, path))
        steps = table["step"].to_numpy()
        bad = ~whole_numbers(steps)
        if bad.any():
            line = _line_of(path, int(bad.argmax()))
            raise RunFolderError(
                f"{_name_in(folder, path)} line {line}: step must be a whole number"
            )
        tables[run] = table.assign(step=steps.astype(np.int64))
    return tables


def _read_samples(folder: Path, run: RunKey) -> list[dict[str, Any]]:
    path = run_folder_of(folder, run) / "samples.jsonl"
    if not _there(path):
        return []
    name = _name_in(folder, path)
    samples = []
    for number, line in enumerate(read_text_file(path, LARGEST_SAMPLES, name).split("\n"), start=1):
        if not line.strip():
            continue
        sample = parse_json(line, f"{name} line {number}")
        if isinstance(sample, dict):
            samples.append(sample)
    return samples


def _line_of(path: Path, row: int) -> int:
    try:
        return line_of(path, row)
    except CsvFileError as error:  # what the fast reader let pass
        raise RunFolderError(str(error)) from None


def _there(path: Path) -> bool:
    """Whether there is anything; a condition's name may be none that a file system could have."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _name_in(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
