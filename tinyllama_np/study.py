"""A study: every condition with every seed, on one text, over any `concurrent.futures` executor.

A run is a pure function of its job, so the runs may go on in any order, on any number of workers.
The parent learns of their progress from the files they write, which works across machines too.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tinyllama_np.config import ConfigError, CorpusConfig, StudyConfig
from tinyllama_np.corpus.sources import iter_stories, open_source
from tinyllama_np.corpus.synthetic import generate_stories
from tinyllama_np.corpus.text import CorpusError, SelectedStories, select_stories
from tinyllama_np.corpus.tokens import open_token_file, unfinished, write_token_file
from tinyllama_np.environment import package_version
from tinyllama_np.os_errors import explain
from tinyllama_np.parameters import parameter_count
from tinyllama_np.storage import (
    TEMPORARY_SUFFIX,
    FolderInUseError,
    append_text,
    make_folder,
    move_folder,
    remove_empty_folder,
    remove_file,
    remove_leftovers,
    remove_tree,
    sha256_file,
    sole_owner,
    write_text_atomic,
)
from tinyllama_np.study_file import STUDY_FILE, check_same_study, read_study
from tinyllama_np.telemetry import INTERVAL_COLUMNS, format_row, last_row, read_rows
from tinyllama_np.train import (
    FAILED,
    STOPPED,
    RunJob,
    check_ended_telemetry,
    finished_outcome,
    run_folder,
    train_run,
)
from tokenizer import Tokenizer

Say = Callable[[str], None]


@dataclass(frozen=True)
class Texts:
    """Where the text files lie on this machine; the study itself knows only names and hashes."""

    files: tuple[Path, ...] = ()
    valid_files: tuple[Path, ...] = ()

    def describe(self, corpus: CorpusConfig) -> CorpusConfig:
        """`corpus` with base name and SHA-256 of the files."""
        return dataclasses.replace(
            corpus, files=_identify(self.files), valid_files=_identify(self.valid_files)
        )


def _identify(paths: Sequence[Path]) -> tuple[tuple[str, str], ...]:
    for path in paths:
        open_source(path).close()  # its messages say what is wrong with a path
    return tuple((path.name, sha256_file(path)) for path in paths)


def versions() -> dict[str, str]:
    """What tokenizer and token files were made with; each run records what it is computed with."""
    packages = ("tinyllama-np", "numpy", "numba", "llvmlite", "regex")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        **{name: package_version(name) for name in packages},
    }


def prepare_study(config: StudyConfig, texts: Texts, out: Path, say: Say, workers: int = 1) -> None:
    """Make the folder of a study: tokenizer, token files and study.json; or find it made already.

    Everything is built in a folder beside `out` first, so that a text that cannot serve leaves
    nothing behind. Where a process was killed while it encoded the text, its finished part is
    taken over.

    Parameters
    ----------
    config : StudyConfig
        Its `corpus` describes `texts`.
    texts : Texts
    out : Path
    say : callable
        Called with a line at each stage, and with what was found in the text.
    workers : int
        Threads that encode the text; nothing that is written depends on it.

    Raises
    ------
    ConfigError
        If `out` holds another study or something else.
    CorpusError
        If the text cannot serve.
    FolderInUseError
        If another process makes the same study.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is a file; name a folder for the study")
    if (out / STUDY_FILE).exists():
        check_same_study(config, out)
        check_token_files(out)
        return
    if out.exists() and any(out.iterdir()):
        raise ConfigError(
            f"folder {out} holds files but no study.json; name a new or an empty folder"
        )
    staging = staging_folder(out)
    new_parents = [parent for parent in staging.parents if not parent.exists()]
    owned = False
    try:
        make_folder(staging)
        with sole_owner(staging):
            owned = True
            if (out / "study.json").exists():  # made by another process since we looked
                raise FolderInUseError(f"folder {out} is in use by another process; wait for it")
            _keep_only_shards(staging)
            _build(config, texts, staging, say, workers)
            if os.name != "nt":  # with the lock, so that no other process comes between
                _publish(staging, out)
        if os.name == "nt":  # which moves no folder with an open file
            _publish(staging, out)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        if owned and not (interrupted and _holds_shards(staging)):
            remove_tree(staging)
        raise
    finally:
        for parent in new_parents:
            with suppress(OSError):  # not empty: the study is in it
                remove_empty_folder(parent)


def check_token_files(out: Path) -> None:
    """Refuse a study's folder whose token files are damaged or were made with another tokenizer.

    Raises
    ------
    CorpusError
    OSError
        If there is no tokenizer.
    """
    tokenizer_sha256 = sha256_file(out / "tokenizer.json")
    for name in ("train.bin", "valid.bin"):
        open_token_file(out / "data" / name, tokenizer_sha256)


def open_study(out: Path) -> StudyConfig:
    """The configuration of the study in the folder `out`, whose data is checked.

    Raises
    ------
    ConfigError
        If the folder holds no study, or one whose preparation never ended.
    CorpusError
        If the token files are damaged.
    """
    if not (out / STUDY_FILE).exists():
        if staging_folder(out).exists():
            raise ConfigError(
                f"the study {out} was never prepared to its end; give the `study` command that "
                "began it again, which takes over what was encoded"
            )
        raise ConfigError(
            f"folder {out} holds no {STUDY_FILE}; name a study's folder "
            "(`tinyllama-np runs FOLDER` lists those in a folder)"
        )
    config = read_study(out).config
    check_token_files(out)
    return config


def staging_folder(out: Path) -> Path:
    """Where a study is built before it becomes the folder `out`."""
    return out.parent / f".{out.name}{TEMPORARY_SUFFIX}"


def _publish(staging: Path, out: Path) -> None:
    if out.exists():
        remove_empty_folder(out)  # gives way to the new one
    move_folder(staging, out)
    remove_file(out / ".lock")


def _holds_shards(staging: Path) -> bool:
    """Whether a part of the text is encoded, which the same command takes over."""
    data = staging / "data"
    return unfinished(data / "train.bin").exists() or unfinished(data / "valid.bin").exists()


def _keep_only_shards(staging: Path) -> None:
    """Of what a killed process left, keep what encoding can take over, and nothing else."""
    data = staging / "data"
    kept = {staging / ".lock", data, unfinished(data / "train.bin"), unfinished(data / "valid.bin")}
    there = [*staging.iterdir(), *(data.iterdir() if data.is_dir() else ())]
    for path in set(there) - kept:
        remove_tree(path) if path.is_dir() else remove_file(path)


def _build(config: StudyConfig, texts: Texts, folder: Path, say: Say, workers: int) -> None:
    train, valid = _stories(config.corpus, texts, say)
    say(f"training the tokenizer ({config.model.vocab_size} tokens) on {len(train):,} stories")
    tokenizer = _train_tokenizer(train, config.model.vocab_size)
    say("encoding the text")
    runs = [c.apply(config.model, config.train)[1] for c in config.conditions]
    limits = [run.train_tokens for run in runs]
    most = max((n for n in limits if n is not None), default=0)
    limit = None if None in limits else most
    data = folder / "data"
    # The small file first: after a kill, the large one goes on from its last shard.
    held_out = write_token_file(data / "valid.bin", valid, tokenizer, workers=workers)
    ring = write_token_file(data / "train.bin", train, tokenizer, max_tokens=limit, workers=workers)
    if ring.tokens < most:
        raise ConfigError(
            f"train_tokens={most} exceeds the {ring.tokens} tokens of the training text; "
            "give more text or ask for fewer"
        )
    longest = max(run.sequence_length for run in runs)
    for name, info in (("training", ring), ("validation", held_out)):
        if info.tokens <= longest:
            raise ConfigError(
                f"the {name} text has {info.tokens} tokens, but sequence_length={longest} needs "
                f"at least {longest + 1}; give more text or shorter sequences"
            )
    asked = max(run.valid_tokens for run in runs)
    if held_out.tokens <= asked:
        say(
            f"the validation text has {held_out.tokens:,} tokens, fewer than "
            f"valid_tokens={asked:,}: all of it is measured"
        )
    write_text_atomic(folder / "tokenizer.json", tokenizer.to_json())
    study = {
        "config": config.to_dict(),
        "config_hash": config.sha256,
        "parameters": parameter_count(config.model),
        "data": {
            "train": {"stories": ring.stories, "tokens": ring.tokens, "bytes": ring.text_bytes},
            "valid": {
                "stories": held_out.stories,
                "tokens": held_out.tokens,
                "bytes": held_out.text_bytes,
            },
        },
        "versions": versions(),
    }
    write_text_atomic(folder / STUDY_FILE, json.dumps(study, indent=2) + "\n")
    say(
        f"text: {ring.tokens:,} training tokens in {ring.stories:,} stories, "
        f"{held_out.tokens:,} validation tokens"
    )


def _train_tokenizer(stories: Iterable[str], vocab_size: int) -> Tokenizer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of too little text: an error here
        try:
            tokenizer = Tokenizer.train(stories, vocab_size)
        except CorpusError:  # the text could not be read again
            raise
        except ValueError as error:
            raise ConfigError(str(error)) from None
    if tokenizer.vocab_size < vocab_size:  # the model would generate ids that stand for nothing
        raise ConfigError(
            f"vocab_size={vocab_size} exceeds the {tokenizer.vocab_size} tokens that the training "
            "text has pairs for; give more text or a smaller vocabulary"
        )
    return tokenizer


def _stories(
    corpus: CorpusConfig, texts: Texts, say: Say
) -> tuple[SelectedStories, SelectedStories]:
    if texts.files:
        read: Callable[[], Iterator[str]] = partial(iter_stories, texts.files, corpus.text_field)
    else:
        say(f"writing {corpus.synthetic_stories:,} stories (the embedded corpus)")
        stories = generate_stories(corpus.synthetic_stories, corpus.synthetic_seed)
        read = partial(iter, stories)
    train, valid = select_stories(
        read,
        partial(iter_stories, texts.valid_files, corpus.text_field) if texts.valid_files else None,
        valid_fraction=corpus.valid_fraction,
        seed=0,
        deduplicate=corpus.deduplicate,
    )
    if valid.overlap:
        say(f"{valid.overlap:,} validation stories left out: they stand in the training text too")
    for name, side in (("training", train), ("validation", valid)):
        if side.duplicates:
            done = "left out" if corpus.deduplicate else "kept (--deduplicate leaves them out)"
            say(f"{side.duplicates:,} {name} stories occurred before in that text: {done}")
    return train, valid


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
        If the telemetry of a run that has ended was changed since.
    """
    remove_leftovers(out)  # of a process that was killed while it wrote this file
    lines = [",".join(INTERVAL_COLUMNS) + "\n"]
    for job in jobs:
        check_ended_telemetry(job)
        for row in read_rows(run_folder(out, job.condition, job.train.seed) / "intervals.csv"):
            lines.append(format_row(row, INTERVAL_COLUMNS))
    path = out / "intervals.csv"
    write_text_atomic(path, "".join(lines))
    return path
