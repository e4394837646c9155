"""A study: every condition with every seed, on one text, over any `concurrent.futures` executor.

A run is a pure function of its job, so the runs may go on in any order, on any number of workers.
The parent learns of their progress from the files they write, which works across machines too.
"""

from __future__ import annotations

import json
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
    append_text,
    remove_file,
    remove_leftovers,
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

    A run whose process ended, or was told to stop by somebody else, is continued once.

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
    remove_file(stop_file)
    stopping = stop_requested()
    if stopping:
        return [_stopped(job) for job in jobs]
    futures = [_submit(executor, job) for job in jobs]
    continued: set[int] = set()
    pending: set[Future[dict[str, Any]]] = set(futures)
    while pending:
        _, pending = wait(pending, timeout=poll_seconds, return_when=FIRST_COMPLETED)
        report(sum(tokens_seen(job) for job in jobs))
        if stop_requested() and not stopping:
            stopping = True
            with suppress(OSError):  # a full disk: then the workers' signals alone stop them
                append_text(stop_file, "")
            for future in pending:
                future.cancel()
        for number, (future, job) in enumerate(zip(futures, jobs, strict=True)):
            reason = "" if stopping or number in continued else _cut_off(future, job)
            if reason:
                say(f"run {job.condition}/seed-{job.train.seed}: {reason}; continuing it")
                continued.add(number)
                futures[number] = _submit(executor, job)
                pending.add(futures[number])
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
    if not future.done() or future.cancelled():
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
    return _record(job, FAILED, _message(error))


def _message(error: BaseException | None) -> str:
    if isinstance(error, OSError) and error.strerror:
        return explain(error)
    if isinstance(error, BrokenExecutor):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _stopped(job: RunJob) -> dict[str, Any]:
    message = "stopped on request; run again to go on"
    return finished_outcome(job) or _record(job, STOPPED, message)


def _record(job: RunJob, status: str, message: str) -> dict[str, Any]:
    """The outcome of a run that could not write its own, written if it began."""
    tokens = tokens_seen(job)
    outcome = {
        "status": status,
        "step": tokens // job.train.tokens_per_step,
        "tokens_seen": tokens,
        "message": message,
    }
    # never into a study's folder that was removed, nor for a run that has still to begin
    if (job.folder if status == STOPPED else job.study_folder).is_dir():
        with suppress(OSError):  # what made the run fail may well forbid this
            write_text_atomic(job.folder / "outcome.json", json.dumps(outcome, indent=2) + "\n")
    return outcome


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
                    f"intervals.csv of {job.condition}/{job.folder.name} has rows that no run "
                    f"writes; put the file back, or remove runs/{job.condition}/{job.folder.name} "
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
