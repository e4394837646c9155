"""What reads a file that may come from anyone, and the real files that are given to it damaged.

A reader refuses a file with an error of its own kind, in one line, or returns what passes the
checks below. Anything else is a bug: `run_case` lets it through.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mutated_files import mutated
from tiny_study import make_study, tiny_config, tiny_job

from stats.io import RunFolderError, read_run_folder
from tinyllama_np.checkpoint import (
    CheckpointError,
    checkpoint_folders,
    load_checkpoint,
    load_model,
)
from tinyllama_np.config import ConfigError
from tinyllama_np.corpus.record import open_token_file
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.job import finished_outcome
from tinyllama_np.parameters import check_params, parameter_count
from tinyllama_np.prepare import Texts, prepare_study
from tinyllama_np.storage import sha256_file
from tinyllama_np.study import collect_intervals, run_jobs
from tinyllama_np.telemetry import TelemetryError
from tinyllama_np.train import train_run
from tokenizer import Tokenizer

LONGEST_MESSAGE = 1500  # characters, a path of the machine included
CONFIG = tiny_config(seeds=(0, 1))
SAMPLE = "Once upon a time, 12 grey cats\n lost  the moon… <|endoftext|> Zoë's"


@dataclass(frozen=True)
class Target:
    """A reader and the file of the work folder that is damaged for it.

    `seal`: the manifest gets the damaged file's hash, as whoever means harm would write it.
    `fresh`: a folder that reading changes; it is put back after every case.
    `share`: of the cases, relative to the others.
    """

    name: str
    kind: str
    file: str
    errors: tuple[type[Exception], ...]
    read: Callable[[Path], object]
    seal: bool = False
    fresh: str = ""
    share: float = 1.0


class MessageError(AssertionError):
    """The right kind of error, with a message that is none."""


def make_workspace(root: Path) -> Path:
    """Real files of every kind: a finished study, its checkpoint, a run that can go on."""
    study = make_study(root, CONFIG)
    jobs = run_jobs(CONFIG, study, keep_checkpoints="all")
    for job in jobs:
        train_run(job)
    collect_intervals(jobs, study)
    tokenizer = Tokenizer.load(study / "tokenizer.json")
    tokenizer.save_tiktoken(root / "ranks.tiktoken")
    text = json.loads(tokenizer.to_json())
    text["model"]["merges"] = [merge.split(" ") for merge in text["model"]["merges"]]
    text["post_processor"] = {"type": "TemplateProcessing", "special_tokens": {"a": {"ids": [1]}}}
    (root / "foreign.json").write_text(json.dumps(text), encoding="utf-8", newline="\n")
    shutil.copytree(checkpoint_folders(jobs[0].folder / "checkpoints")[-1], root / "checkpoint")

    shutil.copytree(study, root / "unhashed")  # as of another program: all of it is looked at
    for path in (root / "unhashed" / "runs").rglob("outcome.json"):
        outcome = json.loads(path.read_text(encoding="utf-8"))
        del outcome["sha256"]
        path.write_text(json.dumps(outcome), encoding="utf-8")

    shutil.copytree(study, root / "resume")
    for job in run_jobs(CONFIG, root / "resume"):
        *_, before, last = checkpoint_folders(job.folder / "checkpoints")
        shutil.rmtree(last)
        (job.folder / "outcome.json").unlink()
        before.rename(job.folder / "checkpoints" / "here")  # of the others none is left to go to
        for folder in checkpoint_folders(job.folder / "checkpoints"):
            shutil.rmtree(folder)
        (job.folder / "checkpoints" / "here").rename(before)
    shutil.copytree(root / "resume" / "runs", root / "runs as they were")
    return root


def _model(root: Path) -> None:
    config, params = load_model(root / "checkpoint")
    check_params(params, config)
    assert sum(array.size for array in params.values()) == parameter_count(config)


def _checkpoint(root: Path) -> None:
    found = load_checkpoint(root / "checkpoint")
    assert check_params(found.params, found.config) == np.float32
    assert sum(array.size for array in found.moments.values()) == 2 * parameter_count(found.config)
    json.dumps(found.state, allow_nan=False).encode("utf-8")


def _tokenizer(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of tokens that a post-processor would add
        tokenizer = Tokenizer.load(path)
    _use(tokenizer)
    assert Tokenizer.load(_saved(tokenizer, path)) == tokenizer


def _saved(tokenizer: Tokenizer, path: Path) -> Path:
    again = path.with_name("again.json")
    tokenizer.save(again)
    return again


def _ranks(path: Path) -> None:
    _use(Tokenizer.load_tiktoken(path))


def _use(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode(SAMPLE)
    assert tokenizer.decode(ids) == SAMPLE
    assert len(tokenizer.token_byte_lengths()) == tokenizer.vocab_size


def _tokens(root: Path) -> None:
    found = open_token_file(root / "study" / "data" / "train.bin")
    assert len(found.tokens) == found.info.tokens > int(found.tokens.max()) * 0


def _run_folder(root: Path, name: str = "unhashed") -> None:
    run = read_run_folder(root / name)
    assert np.isfinite(run.intervals["val_loss"]).all()
    json.dumps([run.study, *run.samples.values()], ensure_ascii=False).encode("utf-8")


def _same_study(root: Path) -> None:
    texts = Texts(files=(root / "text.txt",))
    config = CONFIG.__class__(
        **{**vars(CONFIG), "corpus": texts.describe(CONFIG.corpus)},
    )
    prepare_study(config, texts, root / "study", say=lambda message: None)


def _outcome(root: Path) -> None:
    outcome = finished_outcome(run_jobs(CONFIG, root / "study")[0])
    assert outcome is None or outcome["status"] in ("finished", "diverged")


def _resume(root: Path) -> None:
    outcome = train_run(tiny_job(root / "resume", CONFIG))
    assert outcome["status"] in ("finished", "diverged")
    assert math.isfinite(outcome["tokens_seen"])


RUN = "runs/baseline/seed-0"
LAST = f"resume/{RUN}/checkpoints/step-000011"
RESUMING = (CheckpointError, CorpusError, ConfigError, TelemetryError)
MODEL = (CheckpointError,)
PREPARING = (ConfigError, CorpusError)
TABLES = (RunFolderError,)

TARGETS = [
    Target("config.json, model", "json", "checkpoint/config.json", MODEL, _model, seal=True),
    Target(
        "model.safetensors",
        "safetensors",
        "checkpoint/model.safetensors",
        MODEL,
        _model,
        seal=True,
    ),
    Target("config.json, sealed", "json", "checkpoint/config.json", MODEL, _checkpoint, seal=True),
    Target("manifest.json", "json", "checkpoint/manifest.json", MODEL, _checkpoint),
    Target(
        "training_state.json", "json", "checkpoint/training_state.json", MODEL, _checkpoint, True
    ),
    Target(
        "optimizer.safetensors",
        "safetensors",
        "checkpoint/optimizer.safetensors",
        MODEL,
        _checkpoint,
        seal=True,
    ),
    Target(
        "tokenizer.json",
        "json",
        "study/tokenizer.json",
        (ValueError,),
        lambda root: _tokenizer(root / "study" / "tokenizer.json"),
    ),
    Target(
        "tokenizer.json, foreign",
        "json",
        "foreign.json",
        (ValueError,),
        lambda root: _tokenizer(root / "foreign.json"),
    ),
    Target(
        "ranks.tiktoken",
        "ranks",
        "ranks.tiktoken",
        (ValueError,),
        lambda root: _ranks(root / "ranks.tiktoken"),
    ),
    Target("train.json", "json", "study/data/train.json", (CorpusError,), _tokens),
    Target("train.bin", "bytes", "study/data/train.bin", (CorpusError,), _tokens),
    Target("study.json, stats", "json", "unhashed/study.json", TABLES, _run_folder, share=0.1),
    Target("study.json, study", "json", "study/study.json", PREPARING, _same_study),
    Target(
        "outcome.json, stats",
        "json",
        f"study/{RUN}/outcome.json",
        TABLES,
        lambda root: _run_folder(root, "study"),
        share=0.1,
    ),
    Target("outcome.json, study", "json", f"study/{RUN}/outcome.json", RESUMING, _outcome),
    Target(
        "samples.jsonl", "lines", f"unhashed/{RUN}/samples.jsonl", TABLES, _run_folder, share=0.1
    ),
    Target("intervals.csv", "csv", "unhashed/intervals.csv", TABLES, _run_folder),
    Target("steps.csv", "csv", f"unhashed/{RUN}/steps.csv", TABLES, _run_folder, share=0.1),
    Target("timing.csv", "csv", f"unhashed/{RUN}/timing.csv", TABLES, _run_folder, share=0.1),
    *(
        Target(f"{name}, resume", kind, file, RESUMING, _resume, seal, "resume/runs", 0.02)
        for name, kind, file, seal in (
            ("config.json", "json", f"{LAST}/config.json", True),
            ("training_state.json", "json", f"{LAST}/training_state.json", True),
            ("manifest.json", "json", f"{LAST}/manifest.json", False),
            ("model.safetensors", "safetensors", f"{LAST}/model.safetensors", True),
            ("steps.csv", "csv", f"resume/{RUN}/steps.csv", False),
            ("intervals.csv", "csv", f"resume/{RUN}/intervals.csv", False),
            ("timing.csv", "csv", f"resume/{RUN}/timing.csv", False),
            ("samples.jsonl", "lines", f"resume/{RUN}/samples.jsonl", False),
        )
    ),
]
BY_NAME = {target.name: target for target in TARGETS}


def cases_of(total: int) -> dict[str, int]:
    """How many of `total` cases each target gets, at least one."""
    shares = sum(target.share for target in TARGETS)
    return {t.name: max(1, round(total * t.share / shares)) for t in TARGETS}


def run_case(root: Path, target: Target, seed: int, number: int) -> str:
    """Give the reader the file of case `number`; returns the message of its refusal, or "".

    Raises
    ------
    Exception
        Whatever the reader raises that is none of its errors, and MessageError.
    """
    path = root / target.file
    original = path.read_bytes()
    rng = random.Random(f"{seed}/{target.name}/{number}")
    return give(root, target, mutated(original, target.kind, rng))


def give(root: Path, target: Target, data: bytes) -> str:
    """Give the reader this content in the place of its file, and put everything back."""
    path = root / target.file
    original = path.read_bytes()
    manifest = path.with_name("manifest.json")
    sealed = manifest.read_bytes() if target.seal else b""
    path.write_bytes(data)
    try:
        if target.seal:
            hashes = {**json.loads(sealed), path.name: sha256_file(path)}
            manifest.write_text(json.dumps(hashes), encoding="utf-8", newline="\n")
        try:
            target.read(root)
        except target.errors as error:
            _check_message(str(error))
            return str(error)
        return ""
    finally:
        if target.fresh:
            shutil.rmtree(root / target.fresh)
            shutil.copytree(root / "runs as they were", root / target.fresh)
        else:
            path.write_bytes(original)
            if target.seal:
                manifest.write_bytes(sealed)


def _check_message(message: str) -> None:
    if not message or not message.isprintable():
        raise MessageError(f"not one line that can be printed: {message[:300]!r}")
    if len(message) > LONGEST_MESSAGE:
        raise MessageError(f"{len(message)} characters: {message[:300]!r}...")
