"""How far the runs of a study are, and what they need to go on: read from their files alone.

Nothing here writes, locks, or stops at damage: a file may be growing, cut short or not ours.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyllama_np.checkpoint import MANIFEST_FILE, checkpoint_folders
from tinyllama_np.config import ConfigError, StudyConfig
from tinyllama_np.job import DIVERGED, FAILED, FINISHED, STOPPED, RunJob
from tinyllama_np.owner import owner
from tinyllama_np.study import run_jobs
from tinyllama_np.study_file import STUDY_FILE, read_study
from tinyllama_np.telemetry import last_row, read_rows

RUNNING, INTERRUPTED, NOT_BEGUN = "running", "interrupted", "not begun"
_MOST_BYTES = 1 << 24  # of a file that is read whole; the real ones have some KB
_LEVELS = 3  # folders below the one that is named


@dataclass(frozen=True)
class BestInterval:
    """The interval of the lowest validation loss so far, the first of equal ones."""

    interval: int
    tokens_seen: int
    val_loss: float


@dataclass(frozen=True)
class RunState:
    """A run as its files show it. Times are in seconds, sizes in bytes."""

    condition: str
    seed: int
    state: str
    step: int
    steps: int  # planned
    tokens_seen: int
    tokens: int  # planned
    tokens_left: int  # from the newest checkpoint on; 0 for a run that would not go on
    tokens_per_s: float | None = None  # so far, evaluations included
    best: BestInterval | None = None
    checkpoint: int | None = None  # step of the newest
    written: float | None = None  # time.time() of the newest file
    size: int = 0
    message: str = ""  # the outcome's
    process: str | None = None  # the one that works on it
    damage: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`<condition>/seed-<k>`."""
        return f"{self.condition}/seed-{self.seed}"


@dataclass(frozen=True)
class StudyState:
    """A study and its runs."""

    folder: Path
    config: StudyConfig
    config_hash: str
    process: str | None  # the one that works in the folder
    runs: tuple[RunState, ...]
    damage: tuple[str, ...] = ()

    @property
    def tokens_left(self) -> int:
        """Of all runs that would go on."""
        return sum(run.tokens_left for run in self.runs)


@dataclass(frozen=True)
class UnreadableStudy:
    """A study whose study.json says nothing that can be used."""

    folder: Path
    error: str


def find_studies(folder: Path, levels: int = _LEVELS) -> list[Path]:
    """The folders with a study.json: `folder`, or those some levels below it, by name.

    Hidden folders and links are passed over; nothing is looked for inside a study.
    """
    if os.path.isfile(folder / STUDY_FILE):
        return [folder]
    try:
        with os.scandir(folder) as entries:
            below = sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )
    except OSError:  # not ours to read
        return []
    return [found for name in below if levels for found in find_studies(folder / name, levels - 1)]


def study_state(folder: Path) -> StudyState | UnreadableStudy:
    """What the study in `folder` has done."""
    try:
        study = read_study(folder)
        jobs = run_jobs(study.config, folder)
    except ConfigError as error:
        return UnreadableStudy(folder, str(error))
    process = owner(folder)
    needed = ("tokenizer.json", "data/train.bin", "data/valid.bin")
    damage = tuple(
        f"{name} is missing: no run can go on"
        for name in needed
        if not os.path.isfile(folder / name)
    )
    runs = tuple(run_state(job, process) for job in jobs)
    return StudyState(folder, study.config, study.config_hash, process, runs, damage)


def run_state(job: RunJob, study_process: str | None = None) -> RunState:
    """What a run has done; `study_process` is the one that works in the study's folder."""
    try:
        return _run_state(job, study_process)
    except OSError as error:  # a name too long for the disk, a folder that goes away
        return _not_begun(job, f"cannot be read: {error.strerror or error}")


def _not_begun(job: RunJob, *damage: str) -> RunState:
    steps, tokens = job.train.steps, job.train.steps * job.train.tokens_per_step
    return RunState(
        job.condition, job.train.seed, NOT_BEGUN, 0, steps, 0, tokens, tokens, damage=damage
    )


def _run_state(job: RunJob, study_process: str | None) -> RunState:
    folder, train, damage = job.folder, job.train, list[str]()
    written, size = _extent(folder)
    if written is None:
        return _not_begun(job)
    step = _steps_done(job, damage)
    checkpoint = _newest_checkpoint(folder, damage)
    if step < (checkpoint or 0):
        damage.append(f"steps.csv ends at step {step}, before the checkpoint of step {checkpoint}")
    outcome = _outcome(folder, damage)
    state, process = _state(outcome, step, folder, study_process)
    goes_on_from = step if state == RUNNING else checkpoint or 0
    steps_left = 0 if state in (FINISHED, DIVERGED) else train.steps - goes_on_from
    return RunState(
        condition=job.condition,
        seed=train.seed,
        state=state,
        step=step,
        steps=train.steps,
        tokens_seen=step * train.tokens_per_step,
        tokens=train.steps * train.tokens_per_step,
        tokens_left=steps_left * train.tokens_per_step,
        tokens_per_s=_speed(job, damage),
        best=_best_interval(job, damage),
        checkpoint=checkpoint,
        written=written,
        size=size,
        message=str(outcome.get("message", "")),
        process=process,
        damage=tuple(damage),
    )


def _state(
    outcome: Mapping[str, Any], step: int, folder: Path, study_process: str | None
) -> tuple[str, str | None]:
    """The run's state, and the process that works on it."""
    process = owner(folder)
    if process is not None:
        return RUNNING, process
    status = outcome.get("status", INTERRUPTED)
    if status in (STOPPED, FAILED) and outcome["step"] < step:  # it went on after that
        status = INTERRUPTED
    # Where runs have locks of their own, one whose lock is free waits for its turn.
    if status == INTERRUPTED and study_process and not os.path.exists(folder / ".lock"):
        return RUNNING, study_process
    return status, None


def _extent(folder: Path) -> tuple[float | None, int]:
    """When a file in the folder was last written to (None: there is no file), and bytes of all."""
    written, size = None, 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                status = os.lstat(os.path.join(parent, name))
            except OSError:  # removed while we look: an older checkpoint, a temporary file
                continue
            size += status.st_size
            written = max(written or 0.0, status.st_mtime)
    return written, size


def _steps_done(job: RunJob, damage: list[str]) -> int:
    row = last_row(job.folder / "steps.csv")
    if row is None:
        return 0
    try:
        step = int(row["step"])
        if 0 < step <= job.train.steps:
            return step
    except (KeyError, ValueError):
        pass
    damage.append(f"steps.csv ends with a row of no step from 1 to {job.train.steps}")
    return 0


def _newest_checkpoint(folder: Path, damage: list[str]) -> int | None:
    """Step of the newest checkpoint that has its manifest; files are not compared with it here."""
    for path in reversed(checkpoint_folders(folder / "checkpoints")):
        if os.path.isfile(path / MANIFEST_FILE):
            return int(path.name.removeprefix("step-"))
        damage.append(f"checkpoint {path.name} has no {MANIFEST_FILE}: an older one counts")
    return None


def _outcome(folder: Path, damage: list[str]) -> dict[str, Any]:
    """What outcome.json says; nothing if it is missing or damaged."""
    path = folder / "outcome.json"
    if not path.exists():
        return {}
    try:
        outcome = json.loads(_bounded(path).read_text(encoding="utf-8"))
        if outcome["status"] in (FINISHED, STOPPED, DIVERGED, FAILED):
            return {**outcome, "step": int(outcome["step"])}
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError):
        pass
    damage.append("outcome.json says nothing that can be used; remove it to let the run go on")
    return {}


def _best_interval(job: RunJob, damage: list[str]) -> BestInterval | None:
    found = []
    try:
        for row in read_rows(_bounded(job.folder / "intervals.csv")):
            interval, loss = int(row["interval"]), float(row["val_loss"] or "nan")
            tokens = job.train.interval_step(interval) * job.train.tokens_per_step
            if not (0 <= interval < job.train.intervals and int(row["tokens_seen"]) == tokens):
                raise ValueError
            if math.isfinite(loss):
                found.append(BestInterval(interval, tokens, loss))
    except (ValueError, LookupError, TypeError):
        damage.append("intervals.csv has a row that is none")
    return min(found, key=lambda best: best.val_loss, default=None)


def _speed(job: RunJob, damage: list[str]) -> float | None:
    """Tokens a second of the whole run, if all goes on like the median interval so far.

    The median, since the first row after a stop is too fast.
    """
    speeds, evaluations = [], []
    try:
        for row in read_rows(_bounded(job.folder / "timing.csv")):
            evaluations.append(float(row["evaluation_s"]))
            if row["tokens_per_s"]:
                speeds.append(float(row["tokens_per_s"]))
        if not speeds:  # no interval of training has ended yet
            return None
        tokens = job.train.steps * job.train.tokens_per_step
        training = tokens / statistics.median(speeds)
        speed = tokens / (training + job.train.intervals * statistics.median(evaluations))
    except (ValueError, LookupError, TypeError, ArithmeticError):
        damage.append("timing.csv has a row that is none")
        return None
    return speed if 0 < speed < math.inf else None


def _bounded(path: Path) -> Path:
    """`path`, if it is not so large that reading it whole would be a mistake."""
    if path.exists() and path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{path} is too large")
    return path
