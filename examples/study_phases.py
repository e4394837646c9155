"""What a study at work is doing, seen from outside: read from the files in its folder.

For kill_study.py, which names by it the phase in which a kill fell. Files that an earlier start
left are told from those of this one by their time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PREPARING = "preparing the text"
STARTING = "starting, or between two runs"
OPENING = "opening a run"
TRAINING = "training"
ROW = "just after a step's row"
EVALUATING = "evaluating"
INTERVAL = "writing an interval's rows"
CHECKPOINT = "writing a checkpoint"
REMOVING = "removing the one before"
ENDING = "ending a run"
COLLECTING = "collecting the intervals"
ANALYSING = "analysing"
TABLES = "writing tables"
FIGURES = "drawing figures"
REPORT = "writing the report"
BEFORE = (PREPARING, STARTING)
OF_TRAINING = (OPENING, TRAINING, ROW, EVALUATING, INTERVAL, CHECKPOINT, REMOVING, ENDING)
OF_ANALYSIS = (COLLECTING, ANALYSING, TABLES, FIGURES, REPORT)
# Where the runs are in different phases, the kill counts for the shortest.
SHORTEST = (REMOVING, CHECKPOINT, ENDING, OPENING, INTERVAL, ROW, EVALUATING, TRAINING)


def entries(folder: Path) -> dict[str, float]:
    """Names in a folder with the time of their last change; none where there is no folder."""
    found = {}
    with contextlib.suppress(OSError), os.scandir(folder) as scan:
        for entry in scan:
            with contextlib.suppress(OSError):  # gone meanwhile
                found[entry.name] = entry.stat().st_mtime
    return found


def last_cells(path: Path) -> list[str]:
    """The cells of a CSV file's last whole line."""
    with contextlib.suppress(OSError), open(path, "rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - 1000))
        lines = stream.read().decode("utf-8", errors="replace").split("\n")
        return lines[-2].split(",") if len(lines) > 1 else []
    return []


def number(cells: Sequence[str], column: int) -> int:
    """A cell as a number; -1 in a header or where there is none."""
    return int(cells[column]) if len(cells) > column and cells[column].isdecimal() else -1


@dataclass
class Watch:
    """Looks at a study that is at work and tells the phases its processes are in."""

    out: Path
    undisturbed: Path
    since: float  # what is older was left by an earlier start
    steps: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        runs = sorted((self.undisturbed / "runs").glob("*/*"))
        self.runs = [self.out / run.relative_to(self.undisturbed) for run in runs]
        lines = (runs[0] / "intervals.csv").read_text(encoding="utf-8").splitlines()
        self.interval_steps = {number(line.split(","), 3) for line in lines[1:]}
        self.last_step = max(self.interval_steps)
        self.written = {
            name: len(entries(self.undisturbed / name)) for name in ("tables", "figures")
        }

    def phases(self) -> set[str]:
        """All phases at this moment."""
        if any(self._new(entries(self.out / ".study.partial")).values()):
            return {PREPARING}
        if not self.trained():
            return {self._phase(run) for run in self.runs}
        there = self._new(entries(self.out))
        if not there.get("intervals.csv"):
            at_work = any(self._new(entries(run)).get("outcome.json") for run in self.runs)
            collecting = at_work or any(n.startswith(".intervals") for n in there if there[n])
            return {COLLECTING if collecting else STARTING}
        if not there.get("telemetry.csv"):
            return {ANALYSING}
        for name, phase in (("tables", TABLES), ("figures", FIGURES)):
            if sum(self._new(entries(self.out / name)).values()) < self.written[name]:
                return {phase}
        return {REPORT}

    def furthest(self) -> int:
        """The most steps that a run was seen to have made."""
        return max(self.steps.values(), default=0)

    def trained(self) -> bool:
        """Whether all runs are finished."""
        return all(finished(run) for run in self.runs)

    def _new(self, found: dict[str, float]) -> dict[str, bool]:
        return {name: changed > self.since for name, changed in found.items()}

    def _phase(self, run: Path) -> str:
        there, saved = self._new(entries(run)), self._new(entries(run / "checkpoints"))
        partial = [name for name in there if name.endswith(".partial") and there[name]]
        if partial:
            return ENDING if partial[0].startswith(".outcome") else OPENING
        for name in (name for name in saved if name.endswith(".partial") and saved[name]):
            # A folder to be removed has the number of a process behind its own.
            return CHECKPOINT if name.count(".") == 2 else REMOVING
        if not there.get("steps.csv") or finished(run):
            return STARTING
        step = max(0, number(last_cells(run / "steps.csv"), 0))
        before = self.steps.get(run)
        self.steps[run] = step
        measured = number(last_cells(run / "intervals.csv"), 3)
        if step in self.interval_steps and measured < step:
            return EVALUATING
        if f"step-{step:06d}" in saved:
            return ENDING if step == self.last_step else TRAINING
        if step in self.interval_steps:
            return INTERVAL
        return ROW if before is not None and step > before else TRAINING


def finished(run: Path) -> bool:
    """Whether the run's outcome says so."""
    with contextlib.suppress(OSError):
        return '"finished"' in (run / "outcome.json").read_text(encoding="utf-8")
    return False
