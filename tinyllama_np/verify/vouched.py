"""Read what a run's folder holds, as far as its checkpoints or its outcome vouch for it.

The newest checkpoint records length and SHA-256 of the telemetry at its step; rows behind it may be
gone after a kill and are no promise. A run that has ended vouches for whole files in outcome.json.
A folder that is being trained in may be read: what was vouched for stays as it is. Nothing here
writes.
"""

from __future__ import annotations

import csv
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyllama_np.checkpoint import Checkpoint, CheckpointError, checkpoint_folders, load_checkpoint
from tinyllama_np.config import TrainConfig
from tinyllama_np.job import FINISHED, RunJob, finished_outcome
from tinyllama_np.safe_files import LARGEST_JSON, UnsafeFileError, read_bounded
from tinyllama_np.storage import sha256_bytes, sha256_file
from tinyllama_np.telemetry import RECOVERY_COLUMNS, TelemetryError, format_row, last_row
from tinyllama_np.training_state import is_data
from tinyllama_np.verify.record import (
    RECOVERIES,
    STEPS,
    TELEMETRY,
    EditedError,
    NothingRecordedError,
    RunRecord,
    check_shape,
    split_lines,
)


def read_record(job: RunJob) -> RunRecord:
    """Read and check what a run has left.

    Raises
    ------
    EditedError
        If a file has other bytes than when it was vouched for.
    NothingRecordedError
        If there is neither a checkpoint nor an outcome to vouch for anything.
    OSError
        If a file cannot be read, which says nothing of its content.
    """
    for _ in range(4):
        before = checkpoint_folders(job.folder / "checkpoints")
        problem: ValueError | OSError
        try:
            return _read_once(job)
        except (EditedError, NothingRecordedError) as error:
            problem = error
        except FileNotFoundError as error:
            problem = EditedError(f"{error.filename or job.folder}: {error.strerror or error}")
        except OSError as error:
            problem = error
        if checkpoint_folders(job.folder / "checkpoints") == before:
            break  # otherwise the run is at work, and its files changed while they were read
    raise problem


def load_vouched(folder: Path) -> Checkpoint:
    """Load a checkpoint whose training_state.json has what a verification needs of it.

    Raises
    ------
    CheckpointError
        If a file has changed since it was written, or the state is not one of this step.
    OSError
        If a file cannot be read.
    """
    for path in sorted(folder.iterdir()):
        check_readable(path)
    checkpoint = load_checkpoint(folder)
    state = checkpoint.state
    try:
        numbers = [state["step"], state["interval"]]
        for entry in state["recoveries"]:
            numbers += [entry["step"], entry["back_to_step"]]
            format_row(entry, RECOVERY_COLUMNS)
        if {"telemetry", "data"} <= state.keys():  # older versions did not record them
            marks = [state["telemetry"][name] for name in TELEMETRY]
            numbers += [mark["size"] for mark in marks if mark["sha256"]]
        whole = state["step"] == step_of(folder) and all(type(n) is int for n in numbers)
        whole = whole and isinstance(state["train"], dict) and is_data(state["data"])
    except (LookupError, TypeError, ValueError):
        whole = False
    if not whole and not {"telemetry", "data"} <= state.keys():
        raise NothingRecordedError(
            f"checkpoint {folder.name} was written by an older version, which did not record the "
            "SHA-256 of telemetry and data; train the run again with this one"
        )
    if not whole:
        raise CheckpointError(f"training_state.json of checkpoint {folder.name} was edited")
    return checkpoint


def check_readable(path: Path) -> None:
    """See that a file may be read; what is no file is left to whoever reads it.

    Raises
    ------
    OSError
    """
    try:
        regular = stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return
    if regular:
        with open(path, "rb"):
            pass


def plainly(error: ValueError) -> str:
    """What is wrong with a file, without what a run would do about it."""
    return str(error).partition("; ")[0]


def _read_once(job: RunJob) -> RunRecord:
    outcome = _ended(job)
    damage: list[str] = []
    checkpoints = {step_of(path): path for path in checkpoint_folders(job.folder / "checkpoints")}
    vouched: dict[str, bytes] = {}
    newest: Checkpoint | None = None
    for step in sorted(checkpoints, reverse=True):
        try:
            newest = load_vouched(checkpoints[step])
        except CheckpointError as error:
            damage.append(plainly(error))
            continue
        short = "" if outcome is not None else _read_up_to(job, newest, vouched)
        if not short:
            break
        damage.append(f"{short} is shorter than when checkpoint {checkpoints[step].name} was made")
        newest = None
    if outcome is not None:
        damage += _missing_checkpoint(job, outcome, checkpoints)
        vouched = {name: _whole(job, name, outcome["sha256"][name]) for name in TELEMETRY}
        step, interval = outcome["step"], _intervals_at_the_end(job.train, outcome)
    elif newest is not None:
        step, interval = newest.state["step"], newest.state["interval"]
    elif damage:
        raise EditedError(f"{'; '.join(damage)}; nothing else vouches for run {job.name}")
    elif last_row(job.folder / STEPS) is not None:  # the first checkpoint is that of step 0
        raise EditedError(f"no checkpoint of run {job.name} is left, though it has taken steps")
    else:
        raise NothingRecordedError(f"run {job.name} has no checkpoint yet: nothing to verify")
    if outcome is not None and job.train.divergence_retries:
        _whole(job, RECOVERIES, outcome["sha256"][RECOVERIES])
    recoveries = _recoveries(job, newest, outcome is not None)
    state = newest.state if newest is not None else None
    record = RunRecord(job, step, interval, vouched, recoveries, checkpoints, tuple(damage), state)
    check_shape(record)
    return record


def _ended(job: RunJob) -> dict[str, Any] | None:
    """outcome.json of a run that has ended; None of any other, which its checkpoint vouches for."""
    try:
        return finished_outcome(job)
    except TelemetryError as error:
        raise EditedError(plainly(error)) from None


def _missing_checkpoint(
    job: RunJob, outcome: Mapping[str, Any], checkpoints: Mapping[int, Path]
) -> list[str]:
    """What a run that has ended must have kept and has not."""
    if outcome["status"] == FINISHED and job.train.steps not in checkpoints:
        return [f"checkpoint step-{job.train.steps:06d}, which the finished run kept, is missing"]
    if not checkpoints:
        return ["no checkpoint of the run is left"]
    return []


def _intervals_at_the_end(train: TrainConfig, outcome: Mapping[str, Any]) -> int:
    if outcome["status"] == FINISHED:
        return train.intervals
    # The step that was not finite is the last row; the interval it may end was not measured.
    return sum(train.interval_step(i) < outcome["step"] for i in range(train.intervals))


def _whole(job: RunJob, name: str, expected: str) -> bytes:
    path = job.folder / name
    # in pieces first: a file that is not the run's may be of any size
    if not path.is_file() or sha256_file(path) != expected:
        raise EditedError(
            f"{name} of {job.name} was edited or damaged: its SHA-256 is not the one that "
            "outcome.json recorded when the run ended"
        )
    return path.read_bytes()


def _read_up_to(job: RunJob, checkpoint: Checkpoint, vouched: dict[str, bytes]) -> str:
    """Fill `vouched` up to a checkpoint's marks; returns the name of a file that is shorter."""
    marks = checkpoint.state.get("telemetry")
    if marks is None:
        raise NothingRecordedError(
            f"run {job.name} was written by an older version, whose checkpoints do not record "
            "the SHA-256 of the telemetry; train it again with this one"
        )
    for name in TELEMETRY:
        path, mark = job.folder / name, marks[name]
        if not path.is_file() or path.stat().st_size < mark["size"]:
            return name
        with open(path, "rb") as stream:
            data = stream.read(mark["size"])
        if len(data) < mark["size"]:
            return name
        if sha256_bytes(data) != mark["sha256"]:
            raise EditedError(
                f"{name} of {job.name} was edited or damaged: up to the checkpoint of step "
                f"{checkpoint.state['step']} its SHA-256 is not the one recorded there"
            )
        vouched[name] = data
    return ""


def _recoveries(job: RunJob, newest: Checkpoint | None, ended: bool) -> list[dict[str, Any]]:
    """The times the run went back.

    recoveries.csv may be ahead of the newest checkpoint; of a run that ended it is the last word.
    """
    if not job.train.divergence_retries:
        return []
    vouched = list(newest.state["recoveries"]) if newest is not None else []
    path = job.folder / RECOVERIES
    try:
        lines = split_lines(bytes(read_bounded(path, LARGEST_JSON)) if path.exists() else b"")
    except UnsafeFileError as error:
        raise EditedError(f"{RECOVERIES} of {job.name} cannot be read: {error}") from None
    expected = [",".join(RECOVERY_COLUMNS) + "\n"]
    expected += [format_row(entry, RECOVERY_COLUMNS) for entry in vouched]
    if [line.decode("utf-8", "replace") for line in lines[: len(expected)]] != expected:
        raise EditedError(
            f"{RECOVERIES} of {job.name} was edited or damaged: it does not begin with what the "
            "newest checkpoint says"
        )
    return [*vouched, *map(_recovery, lines[len(expected) :])] if ended else vouched


def _recovery(line: bytes) -> dict[str, Any]:
    try:
        (cells,) = csv.reader([line.decode("utf-8")])
        row: dict[str, Any] = dict(zip(RECOVERY_COLUMNS, cells, strict=True))
        whole = {name: int(row[name]) for name in ("step", "back_to_step")}
        return {**row, **whole, "learning_rate_scale": float(row["learning_rate_scale"])}
    except ValueError as error:
        raise EditedError(f"{RECOVERIES} was edited or damaged: {error}") from None


def step_of(folder: Path) -> int:
    """The step of a checkpoint, by its folder's name."""
    return int(folder.name.removeprefix("step-"))
