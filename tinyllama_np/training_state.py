"""What a checkpoint must say, and the telemetry hold, for a run to go on from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tinyllama_np.checkpoint import CheckpointError
from tinyllama_np.config import TrainConfig
from tinyllama_np.safe_files import shown
from tinyllama_np.telemetry import (
    RECOVERY_COLUMNS,
    GrowingFile,
    Mark,
    TelemetryError,
    read_rows,
)

# What a run writes that its configuration decides to the byte: a checkpoint knows how far each is.
MARKED_FILES = ("steps.csv", "intervals.csv", "samples.jsonl")
# What a run reads of its study: a checkpoint has the SHA-256 of the part that it trains on.
DATA_FILES = ("tokenizer.json", "data/train.bin", "data/valid.bin")


def marks_of(state: Mapping[str, Any], train: TrainConfig) -> dict[str, Mark]:
    """How far the telemetry had come at a checkpoint, by the name of the file.

    Raises
    ------
    CheckpointError
        If the state is none of a run with these settings.
    """
    if "telemetry" not in state or "data" not in state:
        raise CheckpointError(
            f"the checkpoint at step {shown(state.get('step'))} was written by an older version, "
            "which did not record its telemetry and data; finish the run with that version, or "
            "begin anew"
        )
    step, interval = (_count(state, name) for name in ("step", "interval"))
    measured = sum(train.interval_step(i) <= step for i in range(train.intervals))
    due = measured and train.interval_step(measured - 1) == step  # and perhaps not measured yet
    if step > train.steps or interval not in (measured, measured - 1 if due else measured):
        raise _wrong(f"step={step} and interval={interval}, which is no place of a run", train)
    if not isinstance(state.get("train"), dict):
        raise _wrong(f"train={shown(state.get('train'))}, expected settings by name", train)
    recoveries = state.get("recoveries")
    if not isinstance(recoveries, list) or not all(map(_is_recovery, recoveries)):
        raise _wrong(f"recoveries={shown(recoveries)}, expected rows of recoveries.csv", train)
    data, telemetry = state["data"], state["telemetry"]
    if not is_data(data):
        raise _wrong(f"data={shown(data)}, expected SHA-256 of {', '.join(DATA_FILES)}", train)
    if not isinstance(telemetry, dict) or set(telemetry) != set(MARKED_FILES):
        raise _wrong(f"telemetry={shown(telemetry)}, expected {', '.join(MARKED_FILES)}", train)
    return {name: _mark(name, telemetry[name], train) for name in MARKED_FILES}


def shorter_than(
    marks: Mapping[str, Mark], telemetry: Mapping[str, GrowingFile], step: int, run: str
) -> str:
    """Which file of a run has lost bytes that it had at its checkpoint of `step`; "" if none.

    Raises
    ------
    TelemetryError
        If a file has other bytes than the run wrote.
    """
    for name, mark in marks.items():
        found = telemetry[name].compare(mark)
        if found == "changed":
            raise TelemetryError(
                f"{name} of {run} is not what the run wrote up to its checkpoint at step {step}: "
                f"it was edited or damaged; put the file back, or remove runs/{run} to begin the "
                "run again"
            )
        if found == "short":
            there = telemetry[name].path.exists()
            return f"{name} of {run} is {'too short' if there else 'missing'}"
    return ""


def past_of(
    steps: Path, intervals: Path, run: str
) -> tuple[dict[int, float], list[tuple[float, float]]]:
    """What a run that goes on needs of its telemetry, once that is cut to its checkpoint.

    Returns
    -------
    losses : dict of int to float
        Validation loss by step, of the intervals measured.
    recent : list of (float, float)
        Loss and gradient norm of the steps since the last of them.

    Raises
    ------
    TelemetryError
        If there are rows that no run writes.
    """
    try:
        losses = {int(row["step"]): float(row["val_loss"] or "nan") for row in read_rows(intervals)}
        measured = max(losses, default=0)
        recent = [
            (float(row["train_loss"]), float(row["grad_norm"]))
            for row in read_rows(steps)
            if int(row["step"]) > measured
        ]
    except (KeyError, TypeError, ValueError):  # the checkpoint's marks say that it wrote this
        raise TelemetryError(
            f"steps.csv or intervals.csv of {run} has rows that no run writes; remove "
            f"runs/{run} to begin the run again"
        ) from None
    return losses, recent


def is_data(entry: Any) -> bool:
    """Whether a state's `data` is what a run writes: a SHA-256 for each of DATA_FILES."""
    return (
        isinstance(entry, dict)
        and set(entry) == set(DATA_FILES)
        and all(map(_is_hash, entry.values()))
    )


def _count(state: Mapping[str, Any], name: str) -> int:
    value = state.get(name)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise CheckpointError(
            f"training_state.json has {name}={shown(value)}, expected a whole number of at least 0"
        )
    return value


def _is_recovery(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and set(entry) == set(RECOVERY_COLUMNS)
        and all(isinstance(value, (int, float, str)) for value in entry.values())
    )


def _mark(name: str, entry: Any, train: TrainConfig) -> Mark:
    whole = isinstance(entry, dict) and set(entry) == {"size", "sha256"}
    if whole and type(entry["size"]) is int and entry["size"] >= 0 and _is_hash(entry["sha256"]):
        return Mark(**entry)
    raise _wrong(f"{name}: {shown(entry)}, expected its size and SHA-256", train)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _wrong(what: str, train: TrainConfig) -> CheckpointError:
    return CheckpointError(
        f"training_state.json of seed {train.seed} has {what}; use an older checkpoint"
    )
