"""A study so small that it runs in a moment: a text of our own, a model of 3,240 weights."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
from concurrent.futures import Executor, Future
from pathlib import Path

from tinyllama_np.config import Condition, ModelConfig, StudyConfig, TrainConfig
from tinyllama_np.job import RunJob
from tinyllama_np.prepare import Texts, prepare_study
from tinyllama_np.study import run_jobs, run_study
from tinyllama_np.train import train_run

WHO = ("Mia", "Old Tom", "A grey cat", "The baker", "Zoë", "A tall girl", "My aunt", "The duck")
DID = ("found", "lost", "painted", "hid", "carried", "sang to", "dreamt of", "forgot")
WHAT = ("a red kite", "two eggs", "the moon", "a wet boot", "some jam", "the big bell", "a map")
WHERE = ("by the river", "under the bed", "in the rain", "at noon", "on the roof", "far from home")
END = ("It was fun.", "Nobody knew why!", "So they laughed.", "Then all was still…", "What a day.")

MODEL = ModelConfig(
    vocab_size=280,
    hidden_size=8,
    intermediate_size=12,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    max_position_embeddings=16,
)
TRAIN = TrainConfig(
    budget_tokens=13 * 32 - 5,  # rounded up to 13 steps: intervals end after 3, 6, 8, 11, 13
    batch_size=4,
    sequence_length=8,
    train_tokens=200,
    valid_tokens=64,
    intervals=6,
    learning_rate=1e-2,
    warmup_steps=2,
    backend="numpy",
    sample_prompts=("Mia", "The duck sang"),
    sample_tokens=3,
)
BASELINE = Condition("baseline")
INTERVAL_STEPS = (0, 3, 6, 8, 11, 13)
DETERMINISTIC = (
    "steps.csv",
    "intervals.csv",
    "samples.jsonl",
    "recoveries.csv",
    "environment.json",
    "outcome.json",
)


def stories(count: int = 200) -> list[str]:
    """Different short stories, the same ones every time."""
    made = []
    for n in range(count):
        parts = [
            f"{WHO[(n + k) % 8]} {DID[(3 * n + k * k) % 8]} {WHAT[(n // 8 + 2 * k) % 7]} "
            f"{WHERE[(n // 5 + k) % 6]}."
            for k in range(2 + n % 3)
        ]
        made.append(" ".join([*parts, END[n % 5], f"That was day {n}."]))
    return made


def write_text(path: Path, count: int = 200) -> Path:
    """The stories as a text file."""
    path.write_text("\n<|endoftext|>\n".join(stories(count)), encoding="utf-8", newline="\n")
    return path


def tiny_config(seeds=(0,), conditions=(BASELINE,), model=None, **train) -> StudyConfig:
    """The tiny study with some settings changed."""
    return StudyConfig(
        preset="tiny",
        model=dataclasses.replace(MODEL, **(model or {})),
        train=dataclasses.replace(TRAIN, **train),
        seeds=tuple(seeds),
        conditions=tuple(conditions),
    )


def make_study(folder: Path, config: StudyConfig | None = None, **changes) -> Path:
    """Prepare a study of the tiny text in `folder` / "study"; returns that folder."""
    text = folder / "text.txt"
    if not text.exists():
        folder.mkdir(exist_ok=True)
        write_text(text)
    texts = Texts(files=(text,))
    config = config or tiny_config(**changes)
    config = dataclasses.replace(config, corpus=texts.describe(config.corpus))
    out = folder / "study"
    prepare_study(config, texts, out, say=lambda message: None)
    return out


def write_study_json(out, values):
    """Give a study's folder another study.json, whose hash is right."""
    text = json.dumps(values["config"], sort_keys=True)
    values["config_hash"] = hashlib.sha256(text.encode()).hexdigest()
    (out / "study.json").write_text(json.dumps(values), encoding="utf-8")


def tiny_job(out: Path, config: StudyConfig | None = None, **settings) -> RunJob:
    """The first run of the study in `out`."""
    return run_jobs(config or tiny_config(), out, **settings)[0]


def finished_run(folder: Path, **changes) -> RunJob:
    """A tiny run carried out without a break."""
    config = tiny_config(**changes)
    job = tiny_job(make_study(folder, config), config)
    assert train_run(job)["status"] == "finished"
    return job


def run_bytes(job: RunJob) -> dict[str, bytes]:
    """Content of every file of a run that may not differ between equal runs."""
    checkpoints = sorted((job.folder / "checkpoints").rglob("*.*"))
    files = [job.folder / name for name in DETERMINISTIC] + checkpoints
    return {str(p.relative_to(job.folder)): p.read_bytes() for p in files if p.is_file()}


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder: names, and the content of the files (but who locked it last)."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() and p.name != ".lock" else None
        for p in sorted(folder.rglob("*"))
    }


def rows(path):
    with open(path, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def end_of(job):
    """The run's files, once a second call has found it finished."""
    assert train_run(job)["status"] == "finished"
    return run_bytes(job)


def options_of(config):
    """A configuration as command line options."""
    options = {}
    for name, value in config.to_dict().items():
        if name != "seed" and value is not None:
            text = "|".join(value) if isinstance(value, list) else str(value)
            options["--" + name.replace("_", "-")] = text
    return options


TINY_OPTIONS = {**options_of(MODEL), **options_of(TRAIN)}


def study_arguments(text, out, **changes):
    """A tiny study's command; `changes` replace options, None removes one."""
    options = {"--preset": "smoke", "--corpus": text, "--out": out, "--seeds": "1", **TINY_OPTIONS}
    options |= {"--" + name.replace("_", "-"): value for name, value in changes.items()}
    arguments = ["study"]
    for name, value in options.items():
        if value is not None:
            arguments += [f"{name}={value}"]
    return arguments


class InlineExecutor(Executor):
    """Does the work at once, in this process; takes and ignores a process pool's arguments."""

    def __init__(self, *_, **__):
        self.submitted = 0
        self._processes: dict = {}

    def submit(self, function, /, *args, **kwargs):
        self.submitted += 1
        future: Future = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class CrashError(Exception):
    """What the tests throw where a machine would lose its power."""


def prepared(folder: Path, config: StudyConfig) -> tuple[Path, list[RunJob]]:
    """A study made in `folder`, and its runs."""
    out = make_study(folder, config)
    return out, run_jobs(config, out)


def finish(jobs, executor: Executor | None = None):
    """Carry out runs, all of which have to finish; returns `run_bytes` of each."""
    outcomes = run_study(jobs, executor or InlineExecutor(), poll_seconds=0.01)
    assert [outcome["status"] for outcome in outcomes] == ["finished"] * len(jobs)
    return [run_bytes(job) for job in jobs]
