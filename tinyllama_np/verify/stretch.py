"""Which stretch of a run is trained again, how long it may take, what it was computed with."""

from __future__ import annotations

import statistics
from dataclasses import dataclass

from tinyllama_np.checkpoint import Checkpoint, CheckpointError
from tinyllama_np.environment import Difference, current_environment, differences
from tinyllama_np.environment_record import read_environments
from tinyllama_np.telemetry import read_rows
from tinyllama_np.verify.record import EditedError, NothingRecordedError, RunRecord
from tinyllama_np.verify.vouched import load_vouched, plainly


@dataclass(frozen=True)
class Stretch:
    """What is to be trained again: the steps after `start`, up to `end`."""

    start: int
    end: int
    checkpoint: Checkpoint | None  # None: from the initial weights
    damage: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def choose_stretch(
    record: RunRecord,
    start: int | None = None,
    steps: int | None = None,
    to_end: bool = False,
    checkpoint_step: int | None = None,
) -> Stretch:
    """What to train again.

    Parameters
    ----------
    record : RunRecord
    start : int, optional
        A checkpoint's step, or 0 for the initial weights; by default the newest checkpoint that
        has recorded steps after it, else 0.
    steps : int, optional
        How many, at most to the end of the record; by default to the next interval.
    to_end : bool
        To the end of the record.
    checkpoint_step : int, optional
        To this checkpoint.

    Raises
    ------
    CheckpointError
        If the checkpoint asked for is damaged.
    EditedError
        If less is recorded than the checkpoint asked for speaks of.
    NothingRecordedError
        If there is no such checkpoint, or nothing is recorded after it.
    """
    damage: list[str] = []
    checkpoint, last = None, record.step
    if checkpoint_step is not None:
        load_vouched(record.checkpoints[checkpoint_step])  # a damaged one needs no training
        if checkpoint_step > record.step:
            raise EditedError(
                f"{'; '.join(record.damage) or 'the record'}: of run {record.name} "
                f"{record.step} steps are vouched for, too few for the checkpoint"
            )
        last, to_end = checkpoint_step, True
    if start is None:
        start = 0
        for step in sorted(record.checkpoints, reverse=True):
            if 0 < step < last:
                try:
                    checkpoint = load_vouched(record.checkpoints[step])
                except CheckpointError as error:
                    if record.checkpoints[step].exists():  # else the run has removed it by now
                        damage.append(plainly(error))
                    continue
                except FileNotFoundError:
                    continue
                start = step
                break
    elif start > 0:
        if start not in record.checkpoints:
            there = ", ".join(str(step) for step in sorted(record.checkpoints) if step > 0)
            raise NothingRecordedError(
                f"run {record.name} has no checkpoint of step {start}; name one of its "
                f"checkpoints ({there or 'there is none'}), or 0 for the initial weights"
            )
        if start >= last and checkpoint_step is not None:
            raise NothingRecordedError(
                f"no step lies between --from {start} and the checkpoint of step {last}; name an "
                "older checkpoint, or 0 for the initial weights"
            )
        if start >= last:
            raise NothingRecordedError(
                f"no step after {start} is recorded of run {record.name}; name an older "
                "checkpoint, or 0 for the initial weights"
            )
        checkpoint = load_vouched(record.checkpoints[start])
    train = record.job.train
    if steps is not None:
        end = start + steps
    elif to_end:
        end = last
    else:
        ends = (train.interval_step(i) for i in range(train.intervals))
        end = next((step for step in ends if step > start), record.step)
    notes = []
    if end > record.step:
        end = record.step
        if steps is not None:
            notes.append(f"--steps {steps} is more than is recorded: to the end, step {end}")
    return Stretch(start, end, checkpoint, tuple(damage), tuple(notes))


def expected_seconds(record: RunRecord, stretch: Stretch) -> tuple[float, int] | None:
    """Seconds that the run itself took for such a stretch, and its threads; None if not known."""
    try:
        rows = read_rows(record.job.folder / "timing.csv")
        speeds = [float(row["tokens_per_s"]) for row in rows if row["tokens_per_s"]]
        evaluations = [float(row["evaluation_s"]) for row in rows]
        threads = int(rows[-1]["threads"])
        train = record.job.train
        steps = stretch.end - stretch.start + failed_steps(record, stretch)
        measured = sum(
            stretch.start < train.interval_step(i) <= stretch.end for i in range(train.intervals)
        ) + (stretch.start == 0)
        training = steps * train.tokens_per_step / statistics.median(speeds)
        seconds = training + measured * statistics.median(evaluations)
        return (seconds, threads) if 0 <= seconds < 1e9 else None
    except (ValueError, LookupError, TypeError, ArithmeticError, OSError):
        return None


def failed_steps(record: RunRecord, stretch: Stretch) -> int:
    """Steps that were undone by going back, which are taken again too."""
    return sum(
        entry["step"] - entry["back_to_step"]
        for entry in record.recoveries
        if stretch.start <= entry["back_to_step"] < stretch.end
    )


def environment_differences(record: RunRecord, stretch: Stretch) -> list[Difference] | None:
    """In what this environment differs from those that computed the stretch; None: not recorded.

    Raises
    ------
    EnvironmentMismatch
        If the record is damaged.
    """
    entries = read_environments(record.job.folder)
    current = current_environment(record.job.train.backend)
    ends = [*(entry.from_step for entry in entries[1:]), record.step + 1][: len(entries)]
    found, known = list[Difference](), False
    for entry, end in zip(entries, ends, strict=True):
        if entry.from_step < max(stretch.end, 1) and end > stretch.start:
            known = True
            new = differences(entry.environment, current)
            found += [difference for difference in new if difference not in found]
    return found if known else None
