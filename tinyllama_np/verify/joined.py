"""Compare the study's intervals.csv, which is put together from the runs' own, with these."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyllama_np.job import RunJob, finished_outcome
from tinyllama_np.safe_files import UnsafeFileError, printable, read_bounded
from tinyllama_np.telemetry import INTERVAL_COLUMNS, LARGEST_TABLE, TelemetryError
from tinyllama_np.verify.comparison import line_difference
from tinyllama_np.verify.record import INTERVALS, split_lines


@dataclass
class JoinedIntervals:
    """How the study's file compares: its rows, and what is wrong with it, in a line each."""

    rows: int = 0
    problems: list[str] = field(default_factory=list)


def compare_joined(jobs: Sequence[RunJob], study_folder: Path) -> JoinedIntervals | None:
    """Compare each row with that of its run; None where there is no such file (yet).

    The file is written when all runs have ended or were stopped. While one goes on it may have
    fewer rows than the runs have by now.

    Parameters
    ----------
    jobs : sequence of RunJob
        All runs of the study.
    study_folder : Path

    Raises
    ------
    OSError
        If a file cannot be read.
    """
    path = study_folder / INTERVALS
    if not path.exists():
        return None
    result = JoinedIntervals()
    try:
        lines = split_lines(bytes(read_bounded(path, LARGEST_TABLE)))
        own = {_key(job): _rows(job) for job in jobs}
    except UnsafeFileError as error:
        result.problems.append(f"cannot be read: {error}")
        return result
    if not lines or lines.pop(0) != (",".join(INTERVAL_COLUMNS) + "\n").encode():
        result.problems.append("has other columns than this version writes")
        return result
    result.rows = len(lines)
    found: dict[tuple[str, str], list[bytes]] = {key: [] for key in own}
    for number, line in enumerate(lines, 2):
        key = _key_of(line)
        if key in found:
            found[key].append(line)
        else:
            result.problems.append(f"line {number} is of no run of the study")
    for job in jobs:
        result.problems += _differences(job, found[_key(job)], own[_key(job)])
    ended = all(map(_has_ended, jobs))
    if ended and not result.problems and lines != [row for rows in own.values() for row in rows]:
        result.problems.append("has its rows in another order than the runs")
    return result


def _differences(job: RunJob, found: Sequence[bytes], own: Sequence[bytes]) -> Iterable[str]:
    """The first thing that is wrong with a run's rows."""
    name = f"{job.condition}/{job.folder.name}"
    for interval, (there, here) in enumerate(zip(found, own, strict=False)):
        difference = line_difference(there, here, INTERVAL_COLUMNS)
        if difference:
            values = f"{difference['recorded']} there, {difference['computed']} in the run's own"
            return [printable(f"{name}, interval {interval}, {difference['what']}: {values}")]
    if len(found) != len(own) and _has_ended(job):
        return [f"{name}: {len(found)} rows there, {len(own)} in the run's own"]
    return []


def _has_ended(job: RunJob) -> bool:
    try:
        return finished_outcome(job) is not None
    except TelemetryError:  # told where the run itself is verified
        return False


def _rows(job: RunJob) -> list[bytes]:
    path = job.folder / INTERVALS
    lines = split_lines(bytes(read_bounded(path, LARGEST_TABLE))) if path.exists() else []
    return [line for line in lines[1:] if line.endswith(b"\n")]


def _key(job: RunJob) -> tuple[str, str]:
    return job.condition, str(job.train.seed)


def _key_of(line: bytes) -> tuple[str, str] | None:
    try:
        (cells,) = csv.reader([line.decode("utf-8")])
        condition, seed, *_ = cells
        return condition, seed
    except (ValueError, csv.Error):
        return None
