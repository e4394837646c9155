"""What `study` and `resume` share once the study's folder is there: train, collect, analyse."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tinyllama_np.commands import complain, resume_command
from tinyllama_np.commands.options import parse_duration
from tinyllama_np.config import ConfigError, StudyConfig
from tinyllama_np.disk_need import check_free_space, disk_need
from tinyllama_np.interrupts import StopSignals, worker_started
from tinyllama_np.lanes import default_threads
from tinyllama_np.progress import Progress
from tinyllama_np.storage import FolderInUseError, sole_owner, write_text_atomic
from tinyllama_np.study import collect_intervals, run_jobs, run_study
from tinyllama_np.telemetry import TelemetryError
from tinyllama_np.train import DIVERGED, FAILED, KEEP, STOPPED, RunJob, finished_outcome
from tinyllama_np.warmup import COMPILING, compile_kernels, kernels_are_compiled

_KEEP_FILE = ".keep"  # so that a study that keeps all is not thinned by a command without --keep


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how runs are carried out, none of which changes a number."""
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="runs at the same time (processors / threads)"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads a run (1)")
    parser.add_argument(
        "--time-limit", metavar="TIME", help="stop at a checkpoint after 90s, 150m, 2.5h (none)"
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


def carry_out(
    config: StudyConfig, out: Path, arguments: argparse.Namespace, deadline: float | None
) -> int:
    """Train the study in `out` to its end, or until stopped, and analyse; returns the exit code."""
    workers = min(runs_at_once(arguments), len(config.conditions) * len(config.seeds))
    try:
        with sole_owner(out):
            keep = arguments.keep or _kept_before(out)
            jobs = run_jobs(
                config,
                out,
                threads=arguments.threads,
                keep_checkpoints=keep,
                deadline=deadline,
                accept_environment=arguments.accept_environment,
            )
            need = disk_need(jobs, workers)
            if need.runs:
                say(check_free_space(need, out))
                write_text_atomic(out / _KEEP_FILE, keep + "\n")
            outcomes, stopped_by = _train(jobs, workers)
            collect_intervals(jobs, out)
            return _conclude(jobs, outcomes, out, stopped_by)
    except (ConfigError, FolderInUseError, TelemetryError) as error:
        return complain(error)
    except OSError as error:  # a full disk, a folder that went away
        say(f"error: {error.filename or out}: {error.strerror or error}")
        return 1


def _kept_before(out: Path) -> str:
    """The --keep that the last command in this folder worked under."""
    path = out / _KEEP_FILE
    keep = path.read_text(encoding="utf-8", errors="replace").strip() if path.exists() else KEEP[0]
    if keep not in KEEP:
        raise ConfigError(f"{path} says {keep[:20]!r}, not {', '.join(KEEP)}; give --keep")
    return keep


def _train(jobs: Sequence[RunJob], workers: int) -> tuple[list[dict[str, Any]], int]:
    """Run the jobs; returns their outcomes and the signal that stopped them, or 0."""
    ended = [outcome for job in jobs if (outcome := finished_outcome(job)) is not None]
    if len(ended) == len(jobs):
        say("all runs ended before: nothing to train")
        return ended, 0
    # Fresh processes: a fork would copy the state of whatever threads exist at that moment.
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(workers, mp_context=context, initializer=worker_started) as executor,
        StopSignals(
            on_first=lambda _: say("stopping at the next step (once more to stop at once)"),
            on_second=lambda number: _end_at_once(executor, number),
        ) as signals,
    ):
        if jobs[0].train.backend == "numba":
            _compile(executor)
        total = sum(job.train.steps * job.train.tokens_per_step for job in jobs)
        runs = "1 run" if len(jobs) == 1 else f"{len(jobs)} runs, {workers} at a time"
        say(f"training {runs}: {total:,} tokens in all")
        with Progress(jobs, total) as progress:
            outcomes = run_study(
                jobs,
                executor,
                report=progress.update,
                stop_requested=lambda: signals.received != 0,
            )
    return outcomes, signals.received


def _compile(executor: ProcessPoolExecutor) -> None:
    """Let one worker compile what all would compile at once; of other trouble the runs tell."""
    ready = executor.submit(kernels_are_compiled)  # by a worker: it needs Numba, this process not
    if ready.exception() is not None or ready.result():
        return
    say(COMPILING)
    compiled = executor.submit(compile_kernels)
    if compiled.exception() is None:
        say(f"compiled in {compiled.result():.0f} s")


def _end_at_once(executor: ProcessPoolExecutor, number: int) -> None:
    for process in list((executor._processes or {}).values()):
        process.kill()
    os._exit(128 + number)  # what the last checkpoints hold is safe


def _conclude(
    jobs: Sequence[RunJob], outcomes: Sequence[dict[str, Any]], out: Path, stopped_by: int
) -> int:
    """Say how it ended, and analyse what is complete."""
    failures = 0
    for job, outcome in zip(jobs, outcomes, strict=True):
        if outcome["status"] in (FAILED, DIVERGED):
            failures += 1
            say(
                f"run {job.condition}/seed-{job.train.seed} {outcome['status']}: "
                f"{outcome['message']}"
            )
    if any(outcome["status"] == STOPPED for outcome in outcomes):
        done = sum(outcome["tokens_seen"] for outcome in outcomes)
        total = sum(job.train.steps * job.train.tokens_per_step for job in jobs)
        say(
            f"stopped at {done / total:.0%} of the study's tokens; "
            f"give the same command again to continue, or: {resume_command(out)}"
        )
        return 128 + stopped_by if stopped_by else int(failures > 0)
    if failures == len(jobs):
        return 1

    from stats import analyse  # pandas, SciPy and Matplotlib take a second to import

    say("analysing")
    print(analyse(out).text())
    return int(failures > 0)


def say(message: str) -> None:
    """A line of progress on stderr."""
    print(message, file=sys.stderr, flush=True)
