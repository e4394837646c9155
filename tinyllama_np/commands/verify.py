"""`tinyllama-np verify`: train a stretch of a run again and say whether the bytes agree."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tinyllama_np.checkpoint import CheckpointError
from tinyllama_np.commands import complain, resume_command
from tinyllama_np.config import ConfigError
from tinyllama_np.job import RunJob
from tinyllama_np.lanes import default_threads
from tinyllama_np.progress import SECONDS_BETWEEN_LINES
from tinyllama_np.study import run_jobs
from tinyllama_np.study_file import STUDY_DATA_FILES, read_study
from tinyllama_np.trainer import RunData, open_run_data
from tinyllama_np.verify.comparison import Verification
from tinyllama_np.verify.joined import compare_joined
from tinyllama_np.verify.places import Place, place_of
from tinyllama_np.verify.record import EditedError, NothingRecordedError, RunRecord
from tinyllama_np.verify.report import as_json, as_text, told_joined, told_seconds, told_together
from tinyllama_np.verify.retrain import verify_stretch
from tinyllama_np.verify.stretch import (
    Stretch,
    choose_stretch,
    expected_seconds,
    failed_steps,
)
from tinyllama_np.verify.vouched import check_readable, plainly, read_record
from tinyllama_np.warmup import COMPILING, compile_kernels, kernels_are_compiled

_OF_THE_STUDY = "put the study's own file back; without it no run can be trained again"


class StudyDamageError(EditedError):
    """What is damaged is none of a run's files but what all runs train on."""


def add_parser(commands: Any) -> None:
    """Add the command `verify` to the command line."""
    parser = commands.add_parser(
        "verify",
        help="train a stretch of a run again and say whether the bytes agree",
        description="Train a stretch of a run again, from a checkpoint or from the initial "
        "weights, and compare every row of its telemetry and every checkpoint on the way, byte for "
        "byte. Nothing is written, and a run that is being trained is not disturbed: it is "
        "verified up to its newest checkpoint. Ends with 0 where all agrees, 1 where not, 2 where "
        "there is nothing to verify.",
    )
    parser.add_argument(
        "folder",
        type=Path,
        metavar="RUN_FOLDER",
        help="a run's folder (STUDY/runs/baseline/seed-0), a checkpoint's in it "
        "(checkpoints/step-000100: up to there), or a study's, whose intervals.csv is compared too",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--run",
        dest="chosen",
        metavar="CONDITION/SEED",
        help="which run of a study (the first that has something to verify)",
    )
    which.add_argument("--all", action="store_true", help="every run of a study, one by one")
    parser.add_argument(
        "--from",
        dest="start",
        type=int,
        metavar="STEP",
        help="a checkpoint's step, or 0 for the initial weights (the newest checkpoint that has "
        "recorded steps after it, else 0)",
    )
    how_far = parser.add_mutually_exclusive_group()
    how_far.add_argument(
        "--steps", type=int, metavar="N", help="how many steps (to the next interval)"
    )
    how_far.add_argument("--to-end", action="store_true", help="to the end of what is recorded")
    parser.add_argument(
        "--threads",
        type=int,
        metavar="N",
        help="threads; the bytes do not depend on it (all processors)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code."""
    try:
        for name, least in (("start", 0), ("steps", 1), ("threads", 1)):
            value = getattr(arguments, name)
            if value is not None and value < least:
                option = "from" if name == "start" else name
                raise ConfigError(f"--{option} {value} must be at least {least}")
        place = place_of(arguments.folder)
        jobs = run_jobs(read_study(place.study).config, place.study)
        chosen = _choose(jobs, place, arguments)
        results = _verify_all(chosen, place.checkpoint, arguments)
        whole_study = len(chosen) == len(jobs) and place.run is None
        joined = compare_joined(jobs, place.study) if whole_study else None
    except (ConfigError, NothingRecordedError) as error:
        return complain(error)
    except OSError as error:
        where = error.filename or arguments.folder
        return complain(f"{where} cannot be read: {error.strerror or error}")
    if arguments.json:
        print(json.dumps(as_json(results, len(jobs), joined), indent=2, ensure_ascii=False))
    elif whole_study:
        print()
        if len(jobs) > 1:
            print(told_together(results, len(jobs), arguments.all))
        print("\n".join(told_joined(joined, resume_command(place.study))))
    agrees = all(result.verdict == "agrees" for result in results)
    return int(not agrees or bool(joined and joined.problems))


def _choose(jobs: Sequence[RunJob], place: Place, arguments: argparse.Namespace) -> list[RunJob]:
    """The runs that are asked for, or may be, if none is named."""
    named = place.run
    if place.checkpoint is not None and (arguments.to_end or arguments.steps):
        option = "--to-end" if arguments.to_end else "--steps"
        raise ConfigError(
            f"{option} says how far, and so does {arguments.folder}; name the run's folder instead"
        )
    if named and (arguments.chosen or arguments.all):
        option = "--all" if arguments.all else "--run"
        raise ConfigError(
            f"{option} chooses among the runs of a study, but {arguments.folder} is one run's"
        )
    wanted = named or arguments.chosen
    if wanted is None:
        return list(jobs)
    by_name = {f"{job.condition}/{job.train.seed}": job for job in jobs}
    condition, _, seed = wanted.rpartition("/")
    found = by_name.get(f"{condition}/{seed.removeprefix('seed-')}")
    if found is None:
        raise ConfigError(f"--run {wanted} is no run of the study; there are {', '.join(by_name)}")
    return [found]


def _verify_all(
    jobs: Sequence[RunJob], checkpoint_step: int | None, arguments: argparse.Namespace
) -> list[Verification]:
    """Verify every job, or without --all the first one that has something to verify."""
    results: list[Verification] = []
    reasons = []
    for job in jobs:
        try:
            result = _verify(job, checkpoint_step, arguments)
        except NothingRecordedError as error:
            reasons.append(str(error))
            if arguments.all:
                say(f"left out: {error}")
            continue
        results.append(result)
        if not arguments.json:
            print(("\n" if results[1:] else "") + "\n".join(as_text(result)), flush=True)
        if not arguments.all:
            break
    if not results:
        more = f" (and likewise {len(reasons) - 1} more)" if reasons[1:] else ""
        raise NothingRecordedError(f"{reasons[0]}{more}")
    return results


def _verify(
    job: RunJob, checkpoint_step: int | None, arguments: argparse.Namespace
) -> Verification:
    threads = arguments.threads or min(default_threads(), job.train.gradient_lanes)
    try:
        record = read_record(job)
        stretch = choose_stretch(
            record, arguments.start, arguments.steps, arguments.to_end, checkpoint_step
        )
        for name in STUDY_DATA_FILES:
            check_readable(job.study_folder / name)
        data = _open_data(job)
        if job.train.backend == "numba" and not kernels_are_compiled():
            say(COMPILING)
            compile_kernels()
        say(_announcement(record, stretch, threads))
        with _Progress(record, stretch) as progress:
            return verify_stretch(record, data, stretch, threads, progress.update)
    except (EditedError, CheckpointError) as error:
        name = f"{job.condition}/{job.folder.name}"
        damage = [plainly(error) if isinstance(error, CheckpointError) else str(error)]
        remedy = _OF_THE_STUDY if isinstance(error, StudyDamageError) else ""
        return Verification(name, 0, 0, False, threads, None, damage=damage, remedy=remedy)


def _open_data(job: RunJob) -> RunData:
    try:
        return open_run_data(job.study_folder, job.train.train_tokens)
    except ValueError as error:  # the tokenizer's too
        raise StudyDamageError(f"tokenizer.json or data/ of the study: {error}") from None


def _announcement(record: RunRecord, stretch: Stretch, threads: int) -> str:
    """What is about to be done, and how long it may take."""
    begin = "the initial weights" if stretch.checkpoint is None else f"step {stretch.start}"
    line = f"training {record.name} again from {begin} to step {stretch.end}"
    failed = failed_steps(record, stretch)
    if failed:
        line += f", and {failed} steps that were undone"
    line += f", {threads} thread{'s' * (threads != 1)}"
    known = expected_seconds(record, stretch)
    if known is None:
        return line
    seconds, then = known
    return line + f"; the run itself took {told_seconds(seconds)} with {then}"


class _Progress:
    """A bar on a terminal, a line every few seconds elsewhere."""

    def __init__(self, record: RunRecord, stretch: Stretch) -> None:
        self._total = stretch.end - stretch.start + failed_steps(record, stretch)
        self._shown = time.monotonic()
        self._bar = tqdm(
            total=self._total,
            unit="step",
            disable=not sys.stderr.isatty(),
            file=sys.stderr,
            dynamic_ncols=True,
            leave=False,
        )

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def update(self, steps: int) -> None:
        """Show that so many steps are taken."""
        if not self._bar.disable:
            self._bar.update(steps - self._bar.n)
        elif time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            say(f"{steps / self._total:4.0%}  {steps:,} of {self._total:,} steps")


def say(message: str) -> None:
    """A line of progress on stderr."""
    print(message, file=sys.stderr, flush=True)
