"""What is recorded of a run, as far as something vouches for it (`vouched.py` reads it)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tinyllama_np.job import RunJob
from tinyllama_np.storage import sha256_bytes
from tinyllama_np.telemetry import INTERVAL_COLUMNS, STEP_COLUMNS

STEPS, INTERVALS, SAMPLES, RECOVERIES = (
    "steps.csv",
    "intervals.csv",
    "samples.jsonl",
    "recoveries.csv",
)
TELEMETRY = (STEPS, INTERVALS, SAMPLES)
_COLUMNS = {STEPS: STEP_COLUMNS, INTERVALS: INTERVAL_COLUMNS}


class EditedError(ValueError):
    """A file is not what the run wrote; that says nothing of the training."""


class NothingRecordedError(ValueError):
    """A run of which nothing is recorded that could be trained again."""


@dataclass(frozen=True)
class RunRecord:
    """A run up to where its files are vouched for.

    Attributes
    ----------
    job : RunJob
    step, interval : int
        Steps taken and intervals measured.
    telemetry : dict of str to bytes
        The vouched part of steps.csv, intervals.csv and samples.jsonl.
    recoveries : list of dict
        The times the run went back, as training_state.json tells them.
    checkpoints : dict of int to Path
        By step, also those that turn out to be damaged when they are loaded.
    damage : tuple of str
        What had to be passed over to come here.
    newest : dict, optional
        training_state.json of the newest checkpoint, which says what the run trains on.
    """

    job: RunJob
    step: int
    interval: int
    telemetry: Mapping[str, bytes]
    recoveries: list[dict[str, Any]]
    checkpoints: Mapping[int, Path]
    damage: tuple[str, ...] = ()
    newest: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        """`<condition>/seed-<k>`."""
        return f"{self.job.condition}/seed-{self.job.train.seed}"

    @cached_property
    def lines(self) -> dict[str, list[bytes]]:
        """The telemetry's lines with their line ends, without the header."""
        return {
            name: split_lines(data)[name in _COLUMNS :] for name, data in self.telemetry.items()
        }

    @property
    def samples_per_interval(self) -> int:
        """Lines of samples.jsonl that an interval has."""
        train = self.job.train
        return len(train.sample_prompts) if train.sample_tokens else 0

    def check_position(self, state: Mapping[str, Any]) -> None:
        """See that a checkpoint's training_state.json stands where the record has its step.

        Raises
        ------
        EditedError
            If it does not.
        """
        train, step = self.job.train, state["step"]
        steps = [train.interval_step(i) for i in range(train.intervals)]
        possible = (sum(s < step for s in steps), sum(s <= step for s in steps))
        known = state["recoveries"] == self.recoveries[: len(state["recoveries"])]
        if step not in self.checkpoints or state["interval"] not in possible or not known:
            raise EditedError(
                f"training_state.json of the checkpoint of step {step} of {self.name} was edited: "
                "its interval or its recoveries are not those that the run has recorded"
            )

    def recent(self, step: int, interval: int) -> list[tuple[float, float]]:
        """Loss and gradient norm of the steps since the last interval, up to a checkpoint."""
        measured = self.job.train.interval_step(interval - 1) if interval else 0
        rows = csv.DictReader(
            (line.decode("utf-8", "replace") for line in self.lines[STEPS][measured:step]),
            STEP_COLUMNS,
        )
        try:
            return [(float(row["train_loss"]), float(row["grad_norm"])) for row in rows]
        except (ValueError, TypeError):  # a cell that is empty, or missing
            raise EditedError(
                f"{STEPS} of {self.name} was edited: a step before the checkpoint of step {step} "
                "has no number"
            ) from None

    def marks(self, step: int, interval: int) -> dict[str, dict[str, Any]]:
        """What a checkpoint at this position has to say of the telemetry."""
        counts = (step, interval, interval * self.samples_per_interval)
        found = {}
        for name, count in zip(TELEMETRY, counts, strict=True):
            data = b"".join(split_lines(self.telemetry[name])[: count + (name in _COLUMNS)])
            found[name] = {"size": len(data), "sha256": sha256_bytes(data)}
        return found


def check_shape(record: RunRecord) -> None:
    """See that there are as many rows as steps and intervals, under the columns of this version.

    Raises
    ------
    EditedError
        If not.
    """
    for name, columns in _COLUMNS.items():
        header = ",".join(columns) + "\n"
        if not record.telemetry[name].startswith(header.encode()):
            raise EditedError(
                f"{name} of {record.name} has other columns than this version writes; "
                "verify it with the version that trained it"
            )
    expected = (record.step, record.interval, record.interval * record.samples_per_interval)
    for name, count in zip(TELEMETRY, expected, strict=True):
        found = len(record.lines[name])
        if found != count:
            raise EditedError(
                f"{name} of {record.name} was edited: {found} rows are vouched for, where "
                f"{record.step} steps and {record.interval} intervals make {count}"
            )


def split_lines(data: bytes) -> list[bytes]:
    """Lines with their ends; only a line feed ends one (texts may hold other separators)."""
    parts = data.split(b"\n")
    return [part + b"\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
