"""`tinyllama-np study`: the main job, from nothing to the report."""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from tinyllama_np.commands import complain
from tinyllama_np.commands.options import (
    add_settings,
    given_settings,
    parse_condition,
    parse_duration,
    parse_seeds,
    with_settings,
)
from tinyllama_np.config import ConfigError, StudyConfig
from tinyllama_np.corpus.sources import expand_sources
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.interrupts import StopSignals, worker_started
from tinyllama_np.lanes import default_threads
from tinyllama_np.presets import PRESETS, preset
from tinyllama_np.progress import Progress
from tinyllama_np.storage import FolderInUseError, sole_owner
from tinyllama_np.study import Texts, collect_intervals, prepare_study, run_jobs, run_study
from tinyllama_np.telemetry import TelemetryError
from tinyllama_np.train import DIVERGED, FAILED, STOPPED, RunJob, finished_outcome
from tinyllama_np.warmup import COMPILING, compile_kernels, kernels_are_compiled


def add_parser(commands: Any) -> None:
    """Add the command `study` to the command line."""
    parser = commands.add_parser(
        "study",
        help="train over several seeds, measure, and write the report",
        description="Train a model over several seeds under a fixed token budget, measure it at "
        "regular intervals, and end with tables, figures and a report. Give the same command "
        "again to continue what was interrupted.",
    )
    parser.add_argument(
        "--preset",
        default="quick",
        metavar="NAME",
        help=f"where the settings come from: {', '.join(PRESETS)} (quick)",
    )
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="study folder (runs/PRESET)")
    parser.add_argument(
        "--corpus",
        nargs="+",
        default=[],
        metavar="FILE",
        help="training text: files, folders or patterns; plain text with <|endoftext|> between "
        "stories, .jsonl, both also .gz, .parquet (embedded stories)",
    )
    parser.add_argument(
        "--valid",
        nargs="+",
        default=[],
        metavar="FILE",
        help="validation text, likewise (a share of the corpus's stories)",
    )
    parser.add_argument(
        "--valid-fraction", type=float, metavar="X", help="that share, without --valid (0.1)"
    )
    parser.add_argument(
        "--text-field", metavar="NAME", help="field of .jsonl, column of .parquet (text)"
    )
    parser.add_argument(
        "--deduplicate",
        action="store_true",
        help="leave out stories that occurred before (they are counted and kept)",
    )
    parser.add_argument(
        "--stories", type=int, metavar="N", help="embedded stories, without --corpus (paper 12000)"
    )
    parser.add_argument(
        "--seeds", metavar="N|LIST", help="how many seeds, or which: 3,5,8 (6, smoke 3)"
    )
    parser.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="NAME:FIELD=VALUE,...",
        help="train every seed under these settings; may be given several times (baseline)",
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="runs at the same time (processors / threads)"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads a run (1)")
    parser.add_argument(
        "--time-limit", metavar="TIME", help="stop at a checkpoint after 90s, 150m, 2.5h (none)"
    )
    parser.add_argument(
        "--keep",
        choices=("last", "all"),
        default="last",
        help="which checkpoints of a run stay (last)",
    )
    add_settings(parser)
    parser.set_defaults(run=run)


def study_config(arguments: argparse.Namespace, texts: Texts) -> StudyConfig:
    """The configuration that the command line describes."""
    config = with_settings(preset(arguments.preset), given_settings(arguments))
    corpus = config.corpus
    if arguments.valid_fraction is not None:
        corpus = dataclasses.replace(corpus, valid_fraction=arguments.valid_fraction)
    if arguments.stories is not None:
        corpus = dataclasses.replace(corpus, synthetic_stories=arguments.stories)
    if arguments.text_field is not None:
        corpus = dataclasses.replace(corpus, text_field=arguments.text_field)
    if arguments.deduplicate:
        corpus = dataclasses.replace(corpus, deduplicate=True)
    config = dataclasses.replace(config, corpus=texts.describe(corpus))
    if arguments.seeds is not None:
        config = dataclasses.replace(config, seeds=parse_seeds(arguments.seeds))
    if arguments.condition:
        conditions = tuple(parse_condition(text) for text in arguments.condition)
        config = dataclasses.replace(config, conditions=conditions)
    return config


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code."""
    started = time.time()
    try:
        for name in ("jobs", "threads"):
            value = getattr(arguments, name)
            if value is not None and value < 1:
                raise ConfigError(f"--{name} {value} must be at least 1")
        limit = None if arguments.time_limit is None else parse_duration(arguments.time_limit)
        texts = Texts(expand_sources(arguments.corpus), expand_sources(arguments.valid))
        config = study_config(arguments, texts)
        out = arguments.out or Path("runs") / config.preset
        prepare_study(config, texts, out, say, workers=default_threads())
    except (ConfigError, CorpusError, FolderInUseError) as error:
        return complain(error)
    except OSError as error:
        return complain(f"{error.filename or 'the study'}: {error.strerror or error}")
    jobs = run_jobs(
        config,
        out,
        threads=arguments.threads,
        keep_checkpoints=arguments.keep,
        deadline=started + limit if limit else None,
    )
    workers = arguments.jobs or max(1, default_threads() // arguments.threads)
    try:
        with sole_owner(out):
            outcomes, stopped_by = _train(jobs, min(workers, len(jobs)))
            collect_intervals(jobs, out)
            return _conclude(jobs, outcomes, out, stopped_by)
    except (FolderInUseError, TelemetryError) as error:
        return complain(error)
    except OSError as error:  # a full disk, a folder that went away
        say(f"error: {error.filename or out}: {error.strerror or error}")
        return 1


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
            "give the same command again to continue"
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
