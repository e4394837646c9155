"""A study: every condition with every seed, on one text, over any `concurrent.futures` executor.

A run is a pure function of its job, so the runs may go on in any order, on any number of workers.
The parent learns of their progress from the files they write, which works across machines too.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from tinyllama_np.checkpoint import STATE_FILE, CheckpointError, checkpoint_folders
from tinyllama_np.config import StudyConfig
from tinyllama_np.job import (
    FAILED,
    STOPPED,
    RunJob,
    check_ended_telemetry,
    finished_outcome,
)
from tinyllama_np.os_errors import explain
from tinyllama_np.safe_files import UnsafeFileError, read_json_object
from tinyllama_np.storage import (
    TEMPORARY_SUFFIX,
    FolderInUseError,
    append_text,
    make_folder,
    remove_file,
    remove_leftovers,
    sole_owner,
    write_text_atomic,
)
from tinyllama_np.telemetry import (
    INTERVAL_COLUMNS,
    GrowingFile,
    TelemetryError,
    format_row,
    is_whole,
    last_row,
    read_rows,
)
from tinyllama_np.train import train_run
from tinyllama_np.training_state import marks_of

Say = Callable[[str], None]


def run_jobs(
    config: StudyConfig,
    out: Path,
    *,
    threads: int = 1,
    keep_checkpoints: str = "last",
    deadline: float | None = None,
    accept_environment: bool = False,
) -> list[RunJob]:
    """The study's runs: all seeds of a condition, then the next condition."""
    return [
        RunJob(
            study_folder=out,
            condition=condition.name,
            model=model,
            train=train,
            threads=threads,
            keep_checkpoints=keep_checkpoints,
            deadline=deadline,
            accept_environment=accept_environment,
        )
        for condition in config.conditions
        for seed in config.seeds
        for model, train in [config.run_config(condition, seed)]
    ]


def run_study(
    jobs: Sequence[RunJob],
    executor: Executor,
    *,
    report: Callable[[int], None] = lambda tokens: None,
    stop_requested: Callable[[], bool] = lambda: False,
    say: Say = lambda line: None,
    poll_seconds: float = 0.5,
) -> list[dict[str, Any]]:
    """Carry out all runs.

    A run whose process ended, or was told to stop by somebody else, is continued once. A stop file
    that somebody makes meanwhile (`RunJob.stop_file`) stops all of them, as `stop_requested` does.

    Parameters
    ----------
    jobs : sequence of RunJob
    executor : concurrent.futures.Executor
        Its workers see the study's folder.
    report : callable
        Called every `poll_seconds` with the tokens that all runs have seen.
    stop_requested : callable
        When it returns True, the runs are asked to stop at a checkpoint.
    say : callable
        Called with a line where a run is continued.

    Returns
    -------
    list of dict
        The outcomes, in the order of the jobs. A run that raised has the status "failed" and the
        others go on.
    """
    stop_file = jobs[0].stop_file
    with suppress(OSError):  # of a process that was killed while it stopped
        remove_file(stop_file)
    _remove_leftovers(jobs)
    stopping = stop_requested()
    if stopping:
        return [_stopped(job) for job in jobs]
    futures = [_submit(executor, job) for job in jobs]
    continued: set[int] = set()
    pending: set[Future[dict[str, Any]]] = set(futures)
    while pending:
        ended, pending = wait(pending, timeout=poll_seconds, return_when=FIRST_COMPLETED)
        report(sum(tokens_seen(job) for job in jobs))
        # After `ended` is known: what let one of those runs stop is seen here.
        if not stopping and (os.path.exists(stop_file) | stop_requested()):
            stopping = True
            with suppress(OSError):  # a full disk: then the workers' signals alone stop them
                append_text(stop_file, "")
            for future in pending:
                future.cancel()
        for number, (future, job) in enumerate(zip(futures, jobs, strict=True)):
            passed_over = stopping or number in continued or future not in ended
            if reason := "" if passed_over else _cut_off(future, job):
                say(f"run {job.name}: {reason}; continuing it")
                continued.add(number)
                futures[number] = _submit(executor, job)
                pending.add(futures[number])
    _remove_leftovers(jobs)
    with suppress(OSError):
        remove_file(stop_file)
    return [_outcome(future, job, stopping) for future, job in zip(futures, jobs, strict=True)]


def _submit(executor: Executor, job: RunJob) -> Future[dict[str, Any]]:
    try:
        return executor.submit(train_run, job)
    except BrokenExecutor as error:  # its workers are gone already; later ones meet the same end
        future: Future[dict[str, Any]] = Future()
        future.set_exception(error)
        return future


def _cut_off(future: Future[dict[str, Any]], job: RunJob) -> str:
    """Why a run ended that nobody here wanted to end; "" for every other run."""
    if future.cancelled():
        return ""
    error = future.exception()
    if error is not None:
        return str(error) if isinstance(error, BrokenExecutor) else ""
    late = job.deadline is not None and time.time() >= job.deadline
    if future.result()["status"] == STOPPED and not late:
        return "its process was told to stop"
    return ""


def _outcome(future: Future[dict[str, Any]], job: RunJob, stopping: bool) -> dict[str, Any]:
    error = None if future.cancelled() else future.exception()
    if error is None and not future.cancelled():
        return future.result()
    # A worker that is starting does not survive a signal, and has nothing to lose.
    if future.cancelled() or (stopping and isinstance(error, BrokenExecutor)):
        return _stopped(job)
    # A run that another process is at work on, or was just now, is that one's to tell of.
    return _record(job, FAILED, _message(error), write=not isinstance(error, FolderInUseError))


def _message(error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.strerror:
        return explain(error)
    # What this program refuses says all in its message; of other errors the kind tells most.
    if isinstance(error, BrokenExecutor) or type(error).__module__.startswith("tinyllama_np."):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _stopped(job: RunJob) -> dict[str, Any]:
    return _record(job, STOPPED, "stopped on request; run again to go on")


def _record(job: RunJob, status: str, message: str, write: bool = True) -> dict[str, Any]:
    """The outcome of a run that could not write its own, written if it began.

    A run that another process has brought to its end meanwhile keeps that outcome.
    """
    tokens = tokens_seen(job)
    outcome = {
        "status": status,
        "step": tokens // job.train.tokens_per_step,
        "tokens_seen": tokens,
        "message": message,
    }
    # never into a study's folder that was removed, nor for a run that has still to begin
    write = write and (job.folder if status == STOPPED else job.study_folder).is_dir()
    # What made the run fail may well forbid this too; and what is damaged, or at work, is left.
    with suppress(OSError, FolderInUseError, TelemetryError):
        if not write:
            return finished_outcome(job) or outcome
        make_folder(job.folder)
        with sole_owner(job.folder):
            if (ended := finished_outcome(job)) is not None:
                return ended
            write_text_atomic(job.folder / "outcome.json", json.dumps(outcome, indent=2) + "\n")
    return outcome


def _remove_leftovers(jobs: Sequence[RunJob]) -> None:
    """Remove what processes left half written that were ended, as at the begin of a run."""
    for job in jobs:
        folders = (job.folder, job.folder / "checkpoints")
        with suppress(OSError, FolderInUseError):
            if any(list(folder.glob(f".*{TEMPORARY_SUFFIX}")) for folder in folders):
                with sole_owner(job.folder):
                    for folder in folders:
                        remove_leftovers(folder)


def tokens_seen(job: RunJob) -> int:
    """Tokens that a run has trained on so far, by its steps.csv."""
    row = last_row(job.folder / "steps.csv") or {}
    tokens = row.get("tokens_seen", "")
    return int(tokens) if re.fullmatch("[0-9]{1,18}", tokens) else 0


def collect_intervals(jobs: Sequence[RunJob], out: Path) -> Path:
    """Write the study's intervals.csv from those of its runs.

    Raises
    ------
    TelemetryError
        If the telemetry of a run that has ended was changed since, or has rows that no run writes.
    """
    remove_leftovers(out)  # of a process that was killed while it wrote this file
    lines = [",".join(INTERVAL_COLUMNS) + "\n"]
    for job in jobs:
        for row in _vouched_intervals(job):
            if not is_whole(row, INTERVAL_COLUMNS):
                raise TelemetryError(
                    f"intervals.csv of {job.name} has rows that no run "
                    f"writes; put the file back, or remove runs/{job.name} "
                    "to train the run again"
                )
            lines.append(format_row(row, INTERVAL_COLUMNS))
    path = out / "intervals.csv"
    write_text_atomic(path, "".join(lines))
    return path


def _vouched_intervals(job: RunJob) -> list[dict[str, str]]:
    """The rows of a run's intervals.csv that its outcome or a checkpoint says it wrote."""
    path = job.folder / "intervals.csv"
    if finished_outcome(job) is not None:
        check_ended_telemetry(job)
        return read_rows(path)
    # A run that is not at its end is analysed by nobody; where it was refused since somebody
    # edited the file, what no checkpoint knows stays out, and the other runs are not held up.
    for folder in reversed(checkpoint_folders(job.folder / "checkpoints")):
        try:
            state = read_json_object(folder / STATE_FILE)
            mark = marks_of(state, job.train)[path.name]
        except (OSError, UnsafeFileError, CheckpointError):
            continue  # the one before it is as good, only older
        if GrowingFile(path).compare(mark) == "whole":
            return read_rows(path, mark.size)
    return []
