"""What `study` and `resume` share once the study's folder is there: train, collect, analyse."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tinyllama_np.checkpoint import checkpoint_folders
from tinyllama_np.commands import complain, resume_command, say
from tinyllama_np.commands.options import parse_duration
from tinyllama_np.config import ConfigError, StudyConfig
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.disk_need import check_free_space, disk_need
from tinyllama_np.environment import current_environment
from tinyllama_np.environment_record import EnvironmentMismatch, check_environment
from tinyllama_np.interrupts import Interrupted, StopSignals, break_off, end_at_once
from tinyllama_np.job import (
    DIVERGED,
    FAILED,
    FINISHED,
    KEEP,
    STOPPED,
    RunJob,
    finished_outcome,
    last_checkpoint_problem,
)
from tinyllama_np.lanes import default_threads
from tinyllama_np.os_errors import explain
from tinyllama_np.progress import Progress
from tinyllama_np.safe_files import UnsafeFileError, read_bounded
from tinyllama_np.storage import FolderInUseError, remove_file, sole_owner, write_text_atomic
from tinyllama_np.study import collect_intervals, run_jobs, run_study
from tinyllama_np.telemetry import TelemetryError
from tinyllama_np.warmup import COMPILING, compile_kernels, kernels_are_compiled
from tinyllama_np.workers import Workers

_KEEP_FILE = ".keep"  # so that a study that keeps all is not thinned by a command without --keep


_WHERE_RUNS_DIVERGE = (
    "; take a lower --learning-rate, or let runs go back at half of it (--divergence-retries 3), "
    "and name another --out"
)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how runs are carried out, none of which changes a number."""
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="runs at the same time (processors / threads)"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads a run (1)")
    parser.add_argument(
        "--time-limit",
        metavar="TIME",
        help="stop at a checkpoint after 90s, 150m, 2.5h, 1h30m (none)",
    )
    parser.add_argument(
        "--keep",
        choices=KEEP,
        help="which checkpoints of a run stay: the last, also that of the lowest validation loss, "
        "or all (as the study was begun or continued before; at first: last)",
    )
    parser.add_argument(
        "--accept-environment",
        action="store_true",
        help="continue runs that were begun with other versions or on another kind of machine, "
        "where the bytes may differ (refuse)",
    )


def check_run_options(arguments: argparse.Namespace) -> float | None:
    """Refuse what cannot work; returns the time limit in seconds, or None."""
    for name in ("jobs", "threads"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ConfigError(f"--{name} {value} must be at least 1")
    return None if arguments.time_limit is None else parse_duration(arguments.time_limit)


def runs_at_once(arguments: argparse.Namespace) -> int:
    """The runs that go on at the same time, if there are so many."""
    jobs: int | None = arguments.jobs
    return jobs or max(1, default_threads() // int(arguments.threads))


def interruptible(command: Callable[[], int]) -> int:
    """Carry out a command; a signal (`STOP_SIGNALS`) ends it with a line, wherever it is.

    Returns
    -------
    int
        The command's exit code; 2 where what was given or found cannot work.
    """
    try:
        with StopSignals(on_first=break_off, on_second=end_at_once) as signals:
            code = command()
        if signals.received:  # a library may swallow what a handler raises
            break_off(signals.received)
        return code
    except Interrupted as stop:
        say("stopped; give the same command again to continue")
        return 128 + stop.number
    except (
        ConfigError,
        CorpusError,
        EnvironmentMismatch,
        FolderInUseError,
        TelemetryError,
    ) as error:
        return complain(error)


def carry_out(
    config: StudyConfig,
    out: Path,
    arguments: argparse.Namespace,
    started: float,
    limit: float | None,
) -> int:
    """Train the study in `out` to its end, or until stopped, and analyse; returns the exit code.

    The command was `started` at that `time.time()`, and has `limit` seconds from then on, if any.
    """
    workers = min(runs_at_once(arguments), len(config.conditions) * len(config.seeds))
    with ExitStack() as held:
        try:
            held.enter_context(sole_owner(out))
            keep = arguments.keep or _kept_before(out)
            jobs = run_jobs(
                config,
                out,
                threads=arguments.threads,
                keep_checkpoints=keep,
                deadline=started + limit if limit else None,
                accept_environment=arguments.accept_environment,
            )
            _check_environments(jobs)
            ended = any(finished_outcome(job) is not None for job in jobs)
            if ended and arguments.keep not in (None, _recorded_keep(out)):
                say("--keep acts while a run goes on: ended ones keep the checkpoints they have")
            need = disk_need(jobs, workers)
            if need.runs:
                say(check_free_space(need, out))
                if keep != _recorded_keep(out):
                    write_text_atomic(out / _KEEP_FILE, keep + "\n")
        except OSError as error:  # read-only, or full: nothing was begun
            return complain(explain(error, out))
        try:
            places = [_place(job) for job in jobs]
            outcomes, stop = _train(jobs, workers, _asked_to_stop(jobs[0].stop_file, started))
            if stop.number == 0 and stop.reason and places == [_place(job) for job in jobs]:
                stop = replace(stop, reason=f"{stop.reason}, without one step done since the start")
            return _conclude(jobs, outcomes, out, stop)
        except OSError as error:  # a full disk, a folder that went away
            say(f"error: {explain(error, out)}")
            return 1


def _check_environments(jobs: Sequence[RunJob]) -> None:
    """Refuse at once what each run would refuse; workers elsewhere see for themselves."""
    for job in jobs:
        saved = checkpoint_folders(job.folder / "checkpoints")
        if saved and finished_outcome(job) is None:
            step = int(saved[-1].name.removeprefix("step-"))
            current = current_environment(job.train.backend)
            check_environment(job.folder, step, current, job.accept_environment)


def _kept_before(out: Path) -> str:
    """The --keep that the last command in this folder worked under, or the default."""
    keep = _recorded_keep(out) or KEEP[0]
    if keep not in KEEP:
        raise ConfigError(
            f"{out / _KEEP_FILE} says {keep[:20]!r}, not {', '.join(KEEP)}; give --keep"
        )
    return keep


def _recorded_keep(out: Path) -> str:
    path = out / _KEEP_FILE
    try:
        found = read_bounded(path, 100) if path.exists() else b""
    except UnsafeFileError as error:
        raise ConfigError(f"{path} cannot be read: {error}; remove it") from None
    return found.decode("utf-8", errors="replace").strip()


@dataclass(frozen=True)
class _Stop:
    """What stopped the runs: a signal by its number, or something else that somebody asked for."""

    number: int = 0
    reason: str = ""


def _place(job: RunJob) -> tuple[str, bool]:
    """How far a run is for good: the name of its newest checkpoint, and whether it has ended."""
    saved = checkpoint_folders(job.folder / "checkpoints")
    return saved[-1].name if saved else "", finished_outcome(job) is not None


def _asked_to_stop(stop_file: Path, started: float) -> _Stop:
    """What a stop file says that was there before the runs began, which is removed.

    One that is younger than the command was made while the text was prepared, for this command;
    an older one is of a process that was killed while it stopped.
    """
    try:
        made = stop_file.stat().st_mtime
    except FileNotFoundError:
        return _Stop()
    remove_file(stop_file)
    return _stopped_by(stop_file) if made >= started else _Stop()


def _stopped_by(stop_file: Path) -> _Stop:
    return _Stop(reason=f"by the file {stop_file.name}")


def _train(jobs: Sequence[RunJob], count: int, stop: _Stop) -> tuple[list[dict[str, Any]], _Stop]:
    """Run the jobs, `count` at a time, unless there is a reason to stop before.

    Returns their outcomes and what stopped them.
    """
    ended = [outcome for job in jobs if (outcome := finished_outcome(job)) is not None]
    if len(ended) == len(jobs):
        say("all runs ended before: nothing to train")
        _warn_of_last_checkpoints(jobs, ended)
        return ended, _Stop()
    stop_file, deadline = jobs[0].stop_file, jobs[0].deadline
    with Workers(count) as workers:

        def on_first(_: int) -> None:
            below_the_bar = "\n" * sys.stderr.isatty()
            say(f"{below_the_bar}stopping at a checkpoint (once more to stop at once)")
            workers.interrupt()

        def on_second(number: int) -> None:
            say("stopped at once; give the same command again to go on from the last checkpoints")
            workers.kill()
            end_at_once(number)

        with StopSignals(on_first, on_second) as signals:

            def stop_requested() -> bool:
                nonlocal stop
                if signals.received:
                    stop = _Stop(number=signals.received)
                elif deadline is not None and time.time() >= deadline:
                    stop = _Stop(reason="by the time limit")
                elif stop == _Stop() and stop_file.exists():
                    stop = _stopped_by(stop_file)
                return stop != _Stop()

            to_do = [job for job in jobs if finished_outcome(job) is None]
            begun = stop == _Stop()
            if begun and any(job.train.backend == "numba" for job in to_do):
                _compile(workers, deadline)
                if stop_requested():
                    workers.interrupt()
            total = sum(job.train.steps * job.train.tokens_per_step for job in jobs)
            runs = "1 run" if len(jobs) == 1 else f"{len(jobs)} runs, {count} at a time"
            if begun and not signals.received:
                say(f"training {runs}: {total:,} tokens in all")
            with Progress(jobs, total) as progress:
                outcomes = run_study(
                    jobs,
                    workers,
                    report=progress.update,
                    stop_requested=stop_requested,
                    say=progress.say,
                )
            stop_requested()  # also a signal, or the end of the time, that came last
    return outcomes, stop


def _warn_of_last_checkpoints(jobs: Sequence[RunJob], outcomes: Sequence[dict[str, Any]]) -> None:
    """Tell of finished runs whose model is damaged or gone."""
    for job, outcome in zip(jobs, outcomes, strict=True):
        problem = last_checkpoint_problem(job) if outcome["status"] == FINISHED else ""
        if problem:
            say(f"warning: {problem}")


def _compile(workers: Executor, deadline: float | None) -> None:
    """Let one worker compile what all would compile at once; of other trouble the runs tell."""
    ready = workers.submit(kernels_are_compiled)  # by a worker: it needs Numba, this process not
    if ready.exception() is not None or ready.result():
        return
    say(COMPILING)
    compiled = workers.submit(compile_kernels)
    wait([compiled], None if deadline is None else max(0.0, deadline - time.time()))
    if compiled.done() and compiled.exception() is None:
        say(f"compiled in {compiled.result():.0f} s")


def _failures(jobs: Sequence[RunJob], outcomes: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each reason why runs failed or diverged, with the runs that it ended."""
    runs: dict[tuple[str, str], list[str]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        if outcome["status"] in (FAILED, DIVERGED):
            reason = (outcome["status"], outcome["message"])
            runs.setdefault(reason, []).append(job.name)
    lines = []
    for (status, message), names in runs.items():
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        lines.append(f"run{'s' * (len(names) > 1)} {shown} {status}: {message}")
    return lines


def _diverged(outcomes: Sequence[dict[str, Any]]) -> bool:
    return any(outcome["status"] == DIVERGED for outcome in outcomes)


def _conclude(
    jobs: Sequence[RunJob], outcomes: Sequence[dict[str, Any]], out: Path, stop: _Stop
) -> int:
    """Say how it ended, and analyse what is complete."""
    for line in _failures(jobs, outcomes):
        say(line)
    failures = sum(outcome["status"] in (FAILED, DIVERGED) for outcome in outcomes)
    if not out.exists():  # removed meanwhile: do not begin it again
        return 1
    collect_intervals(jobs, out)
    if any(outcome["status"] == STOPPED for outcome in outcomes):
        done = sum(outcome["tokens_seen"] for outcome in outcomes)
        total = sum(job.train.steps * job.train.tokens_per_step for job in jobs)
        say(
            f"stopped at {done / total:.0%} of the study's tokens{' ' * bool(stop.reason)}"
            f"{stop.reason}; "
            f"give the same command again to continue, or: {resume_command(out)}"
        )
        if stop.number:
            return 128 + stop.number
        return int(failures > 0 or not stop.reason)  # without a reason none was to stop
    if failures == len(jobs):
        say("no run finished, so there is no report" + _WHERE_RUNS_DIVERGE * _diverged(outcomes))
        return 1

    # imported here: pandas, SciPy and Matplotlib take a second
    from stats import RunFolderError, analyse

    say("analysing")
    try:
        print(analyse(out).text())
    except RunFolderError as error:  # losses that no statistic can take
        say(f"error: the runs cannot be analysed: {error}")
        return 1
    return int(failures > 0)
