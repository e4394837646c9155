"""How far a run is, and what it needs to go on: read from its files alone.

Nothing here writes, locks, or stops at damage: a file may be growing, cut short or not ours.
"""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyllama_np.checkpoint import MANIFEST_FILE, checkpoint_folders
from tinyllama_np.environment_record import OPTION, EnvironmentMismatch, read_environments
from tinyllama_np.job import (
    DIVERGED,
    FAILED,
    FINISHED,
    RECOVERIES_FILE,
    STOPPED,
    RunJob,
    read_outcome,
)
from tinyllama_np.owner import owner
from tinyllama_np.safe_files import UnsafeFileError, check_regular
from tinyllama_np.storage import LOCK_FILE
from tinyllama_np.telemetry import TelemetryError, last_row, read_rows
from tinyllama_np.training_state import MARKED_FILES

RUNNING, INTERRUPTED, NOT_BEGUN = "running", "interrupted", "not begun"
UNREADABLE = "unreadable"
_MOST_BYTES = 1 << 24  # of a file that is read whole; the real ones have some KB
MISSING = "missing"
_NEEDED_FILES = (*MARKED_FILES, "timing.csv", "outcome.json")  # to go on, or to be analysed
_RUN_FILES = (*_NEEDED_FILES, RECOVERIES_FILE, "environment.json")


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
    blocked: tuple[str, ...] = ()  # what has to be so before the study can go on

    @property
    def name(self) -> str:
        """`<condition>/seed-<k>`."""
        return f"{self.condition}/seed-{self.seed}"


def run_state(job: RunJob, study_process: str | None = None) -> RunState:
    """What a run has done; `study_process` is the one that works in the study's folder."""
    try:
        return _run_state(job, study_process)
    except OSError as error:  # a name too long for the disk, a folder that goes away
        return replace(
            _not_begun(job),
            state=UNREADABLE,
            damage=(f"cannot be read: {error.strerror or error}",),
            blocked=(f"runs/{job.name} can be read",),
        )


def _not_begun(job: RunJob) -> RunState:
    steps, tokens = job.train.steps, job.train.steps * job.train.tokens_per_step
    return RunState(job.condition, job.train.seed, NOT_BEGUN, 0, steps, 0, tokens, tokens)


def _run_state(job: RunJob, study_process: str | None) -> RunState:
    folder, train, damage, blocked = job.folder, job.train, list[str](), list[str]()
    name = job.name
    written, size = _extent(folder)
    if written is None:
        return _not_begun(job)
    readable = _readable_files(job, damage, blocked)
    outcome = _outcome(job, damage, blocked) if "outcome.json" in readable else {}
    # before the steps, which a run at work writes first
    checkpoints = _checkpoint_steps(folder, damage)
    step = _steps_done(job, damage) if "steps.csv" in readable else 0
    best, intervals = None, 0
    if "intervals.csv" in readable:
        best, intervals = _best_interval(job, damage)
    state, process = _state(outcome, step, folder, study_process)
    goes_on_from = newest = max(checkpoints, default=None)
    if newest is not None and state not in (RUNNING, FINISHED, DIVERGED):
        _check_environments(job, newest, damage, blocked)
    if state == RUNNING:
        goes_on_from = step
    elif state in (FINISHED, DIVERGED):
        reached = (
            step if "steps.csv" in readable else None,
            intervals if "intervals.csv" in readable else None,
            newest,
        )
        _check_end(job, outcome, reached, damage, blocked)
    elif "steps.csv" not in readable:
        pass
    elif newest is None and step:  # the first one is that of step 0
        damage.append("no checkpoint is left: it will begin again from step 0")
    elif newest is not None and step < newest:
        cut = f"steps.csv ends at step {step}, before the checkpoint of step {newest}"
        goes_on_from = max((saved for saved in checkpoints if saved <= step), default=None)
        if goes_on_from is None:
            blocked.append(f"steps.csv of {name} is put back, or runs/{name} removed")
            damage.append(cut)
        else:
            damage.append(f"{cut}: it would go on from that of step {goes_on_from}")
    steps_left = 0 if state in (FINISHED, DIVERGED) else train.steps - (goes_on_from or 0)
    return RunState(
        condition=job.condition,
        seed=train.seed,
        state=state,
        step=step,
        steps=train.steps,
        tokens_seen=step * train.tokens_per_step,
        tokens=train.steps * train.tokens_per_step,
        tokens_left=steps_left * train.tokens_per_step,
        tokens_per_s=_speed(job, damage) if "timing.csv" in readable else None,
        best=best,
        checkpoint=newest,
        written=written,
        size=size,
        message=str(outcome.get("message", "")),
        process=process,
        damage=tuple(damage),
        blocked=tuple(blocked),
    )


def _readable_files(job: RunJob, damage: list[str], blocked: list[str]) -> set[str]:
    """The files of a run that may be read, or are not there."""
    found = set()
    for name in _RUN_FILES:
        reason = unreadable(job.folder / name)
        if reason in ("", MISSING):
            found.add(name)
        else:
            damage.append(f"{name} cannot be read: {reason}")
            if name in _NEEDED_FILES:
                blocked.append(f"{name} of {job.name} can be read")
    return found


def _check_environments(job: RunJob, step: int, damage: list[str], blocked: list[str]) -> None:
    """See that a run that would go on from `step` knows what it was computed with up to there."""
    try:
        entries = read_environments(job.folder)
        if entries and entries[0].from_step <= step:
            return
        damage.append(f"environment.json does not tell what took it to step {step}")
    except EnvironmentMismatch as error:
        damage.append(str(error).replace(f" of run {job.name}", "", 1).partition("; ")[0])
    except OSError:
        pass  # told among the files that cannot be read
    blocked.append(f"environment.json of {job.name} is put back, or {OPTION} given")


def unreadable(path: Path) -> str:
    """Why a file cannot be read, MISSING if there is none; "" if it can."""
    try:
        check_regular(path)
        with open(path, "rb"):
            return ""
    except FileNotFoundError:
        return MISSING
    except OSError as error:
        return error.strerror or str(error)
    except UnsafeFileError as error:
        return str(error)


def _check_end(
    job: RunJob,
    outcome: Mapping[str, Any],
    reached: tuple[int | None, int | None, int | None],
    damage: list[str],
    blocked: list[str],
) -> None:
    """See that a run that has ended has its last step, its intervals and its last checkpoint.

    `reached` has the three, None for what is not known.
    """
    (step, intervals, newest), name, train = reached, job.name, job.train
    if step not in (None, outcome["step"]):
        damage.append(f"steps.csv ends at step {step}, but the run ended at step {outcome['step']}")
        blocked.append(f"steps.csv of {name} is put back, or runs/{name} removed")
    for other in ("samples.jsonl", RECOVERIES_FILE):
        if other in outcome["sha256"] and not (job.folder / other).exists():
            damage.append(f"{other} is missing")
            blocked.append(f"{other} of {name} is put back, or runs/{name} removed")
    if outcome["status"] != FINISHED:
        return
    if intervals not in (None, train.intervals):
        damage.append(f"intervals.csv has {intervals} whole rows of {train.intervals}")
        blocked.append(f"intervals.csv of {name} is put back, or runs/{name} removed")
    if newest != train.steps:
        damage.append("the checkpoint of its last step is missing; its numbers stand without it")


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
    if status == INTERRUPTED and study_process and not os.path.exists(folder / LOCK_FILE):
        return RUNNING, study_process
    return status, None


def _extent(folder: Path) -> tuple[float | None, int]:
    """When a file in the folder was last written to (None: there is no file), and bytes of all.

    Raises
    ------
    OSError
        If a folder cannot be looked into.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):  # else it was removed, or has not begun
            raise error

    written, size = None, 0
    for parent, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            try:
                status = os.lstat(os.path.join(parent, name))
            except FileNotFoundError:  # while we look: an older checkpoint, a temporary file
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


def _checkpoint_steps(folder: Path, damage: list[str]) -> list[int]:
    """Steps of the checkpoints that have their manifest; files are not compared with it here."""
    found = []
    for path in checkpoint_folders(folder / "checkpoints"):
        reason = unreadable(path / MANIFEST_FILE)
        if not reason:
            found.append(int(path.name.removeprefix("step-")))
        elif reason == MISSING:
            if path.exists():  # else the run has removed it by now
                damage.append(f"checkpoint {path.name} has no {MANIFEST_FILE}: an older one counts")
        else:
            damage.append(f"{MANIFEST_FILE} of checkpoint {path.name} cannot be read: {reason}")
    return found


def _outcome(job: RunJob, damage: list[str], blocked: list[str]) -> dict[str, Any]:
    """What outcome.json says; nothing if it is missing or damaged."""
    try:
        return read_outcome(job) or {}
    except TelemetryError as error:
        damage.append(str(error).replace(f" of {job.name}", "", 1))
        blocked.append(f"outcome.json of {job.name} is put back, or removed")
        return {}


def _best_interval(job: RunJob, damage: list[str]) -> tuple[BestInterval | None, int]:
    """The best of the intervals so far, and how many there are."""
    found, count = [], 0
    try:
        for row in read_rows(_bounded(job.folder / "intervals.csv")):
            interval, loss = int(row["interval"]), float(row["val_loss"] or "nan")
            tokens = job.train.interval_step(interval) * job.train.tokens_per_step
            if not (0 <= interval < job.train.intervals and int(row["tokens_seen"]) == tokens):
                raise ValueError
            count += 1
            if math.isfinite(loss):
                found.append(BestInterval(interval, tokens, loss))
    except (ValueError, LookupError, TypeError):
        damage.append("intervals.csv has a row that is none")
    return min(found, key=lambda best: best.val_loss, default=None), count


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
