"""How much of the disk a study's runs will still need at most, and whether that is free.

Checkpoints are nearly all of it: a weight and AdamW's two means in float32, 12 bytes a weight.
The tables and figures that follow the training (a few MB) are left out: they can be made again.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyllama_np.checkpoint import checkpoint_folders
from tinyllama_np.config import ConfigError, ModelConfig, StudyConfig, TrainConfig
from tinyllama_np.corpus.record import DTYPES, dtype_name
from tinyllama_np.job import RunJob, finished_outcome
from tinyllama_np.parameters import parameter_count, parameter_shapes
from tokenizer import Tokenizer

_BLOCK = 4096  # what most file systems give out at a time
_FLOAT = 24  # the longest repr of a float64
_WHOLE = 20  # an integer of 64 bits
# While a run goes on, besides the checkpoint that is being written: the newest and the newest
# interval's before it; with "best" the interval of the lowest validation loss as well.
_KEPT = {"last": 2, "best": 3}


@dataclass(frozen=True)
class DiskNeed:
    """What runs that have not ended will add to a study's folder, at most."""

    runs: int
    size: int  # bytes; of these a checkpoint has:
    checkpoint: int
    kept: int  # checkpoints of a run

    def __str__(self) -> str:
        runs = "1 run needs" if self.runs == 1 else f"{self.runs} runs need"
        return (
            f"{runs} up to {format_bytes(self.size)} more "
            f"(checkpoints of {format_bytes(self.checkpoint)}, up to {self.kept} a run)"
        )


def disk_need(jobs: Sequence[RunJob], workers: int) -> DiskNeed:
    """The need of a study's runs beyond what its folder holds by now.

    Parameters
    ----------
    jobs : sequence of RunJob
        All runs of one study, whose token files are there; without its tokenizer the need is too
        small by what the tokenizer takes.
    workers : int
        Runs at the same time: so many checkpoints can be in the making.
    """
    jobs = [job for job in jobs if finished_outcome(job) is None]
    if not jobs:
        return DiskNeed(0, 0, 0, 0)
    path = jobs[0].study_folder / "tokenizer.json"
    tokenizer_size, longest = 0, 0
    if path.exists():
        tokenizer_size = path.stat().st_size
        longest = int(Tokenizer.load(path).token_byte_lengths().max())
    sizes = [checkpoint_size(job.model, job.train, tokenizer_size) for job in jobs]
    rows = sum(_interval_rows(job) for job in jobs)  # those of the study's own intervals.csv
    size = min(workers, len(jobs)) * max(sizes) + _on_disk(rows)
    for job, checkpoint in zip(jobs, sizes, strict=True):
        size += _checkpoints_to_come(job, checkpoint) + _logs_to_come(job, longest)
    kept = max(_kept(job) for job in jobs)
    return DiskNeed(len(jobs), size, max(sizes), kept)


def checkpoint_size(model: ModelConfig, train: TrainConfig, tokenizer_size: int) -> int:
    """Bytes of one checkpoint on the disk, at most."""
    # A safetensors header has 50 characters a tensor beside its name, shape and place.
    header = sum(2 + len(name) + 100 for name in parameter_shapes(model))
    weights = 4 * parameter_count(model)
    state = len(json.dumps(train.to_dict(), indent=2)) + 2000
    files = (weights + header, 2 * (weights + header), tokenizer_size, state)
    others = 4  # config, generation_config, tokenizer_config, manifest: less than a block each
    return sum(map(_on_disk, files)) + (others + 1) * _BLOCK  # and the folder's own


def check_free_space(need: DiskNeed, folder: Path) -> str:
    """Compare the need with what is free where `folder` lies or will lie.

    Returns
    -------
    str
        A line that says both.

    Raises
    ------
    ConfigError
        If less is free; the message says what to do.
    """
    there = Path(os.path.realpath(folder))  # where a link leads to
    while not there.exists():
        there = there.parent
    usage = shutil.disk_usage(there)
    if usage.total == 0:  # some network file systems do not say
        return f"disk: {need}, free space unknown"
    if usage.free < need.size:
        raise ConfigError(
            f"folder {folder}: {format_bytes(usage.free)} are free on its disk, but {need}; "
            + ("give --keep last, " if need.kept > _KEPT["last"] else "")
            + "free space or use a folder on another disk"
        )
    return f"disk: {need}, {format_bytes(usage.free)} free"


def token_files_at_least(config: StudyConfig) -> int:
    """Bytes that a study's token files take at least, before its text was read.

    That is known where every condition names its number of tokens. How many a whole text gives is
    known only when a tokenizer was trained on it (and of a compressed one not even the length).
    """
    limits = [c.apply(config.model, config.train)[1].train_tokens for c in config.conditions]
    known = [limit for limit in limits if limit is not None]
    width = DTYPES[dtype_name(config.model.vocab_size)].itemsize
    return width * max(known, default=0)


def format_bytes(size: int) -> str:
    """`0.4 MB`, `51 MB` or `1.2 GB`."""
    unit, divisor = ("GB", 10**9) if size >= 10**9 else ("MB", 10**6)
    value = size / divisor
    return f"{value:.1f} {unit}" if value < 10 else f"{value:,.0f} {unit}"


def _kept(job: RunJob) -> int:
    # With "all": one an interval, and one of a stop or in the making
    return _KEPT.get(job.keep_checkpoints, job.train.intervals + 1)


def _checkpoints_to_come(job: RunJob, size: int) -> int:
    """Bytes of the checkpoints that will stay, beyond those that are there."""
    there = checkpoint_folders(job.folder / "checkpoints")
    if job.keep_checkpoints in _KEPT:
        return max(0, _kept(job) * size - sum(map(_folder_size, there)))
    newest = int(there[-1].name.removeprefix("step-")) if there else -1
    intervals = sum(job.train.interval_step(i) > newest for i in range(job.train.intervals))
    return (intervals + 1) * size


def _logs_to_come(job: RunJob, longest_token: int) -> int:
    """Bytes that the run's other files will grow by."""
    t = job.train
    whole = len(str(t.steps)) + len(str(t.steps * t.tokens_per_step))
    steps = (t.steps + 1) * (whole + 4 * _FLOAT + 8)
    timing = (t.intervals + 1) * 7 * _WHOLE
    sample = 6 * t.sample_tokens * longest_token  # as \u0000, were it all control characters
    prompts = t.sample_prompts if t.sample_tokens else ()
    samples = sum(160 + 6 * len(prompt.encode()) + sample for prompt in prompts)
    expected = {
        "steps.csv": steps,
        "intervals.csv": _interval_rows(job),
        "timing.csv": timing,
        "samples.jsonl": t.intervals * samples,
    }
    small = 6 * _BLOCK  # outcome, recoveries, log, lock, and two folders
    for name, size in expected.items():
        path = job.folder / name
        there = path.stat().st_size if path.exists() else 0
        small += max(0, _on_disk(size) - _on_disk(there))
    return small


def _interval_rows(job: RunJob) -> int:
    row = len(job.condition.encode()) + 4 * _WHOLE + 9 * _FLOAT + 14
    return (job.train.intervals + 1) * row


def _folder_size(folder: Path) -> int:
    return _BLOCK + sum(_on_disk(path.stat().st_size) for path in folder.iterdir())


def _on_disk(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK
