"""Train a stretch again and compare each row and checkpoint with what the run has written.

From a checkpoint, or from the initial weights, the `Trainer` takes the same steps once more.
Where the run went back after numbers that were not finite, so does this: the steps that failed are
taken again as well. It writes nothing and takes no lock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from tinyllama_np.checkpoint import CheckpointError, load_checkpoint
from tinyllama_np.environment_record import EnvironmentMismatch
from tinyllama_np.telemetry import INTERVAL_COLUMNS, RECOVERY_COLUMNS, STEP_COLUMNS, format_row
from tinyllama_np.trainer import RunData, StepResult, Trainer
from tinyllama_np.verify.comparison import (
    MODEL,
    OPTIMIZER,
    STATE,
    Count,
    Difference,
    Verification,
    line_difference,
    tensor_difference,
    value_difference,
)
from tinyllama_np.verify.record import INTERVALS, RECOVERIES, SAMPLES, STEPS, RunRecord
from tinyllama_np.verify.stretch import Stretch, environment_differences
from tinyllama_np.verify.vouched import check_readable, plainly

_COLUMNS = {STEPS: STEP_COLUMNS, INTERVALS: INTERVAL_COLUMNS, RECOVERIES: RECOVERY_COLUMNS}


def verify_stretch(
    record: RunRecord,
    data: RunData,
    stretch: Stretch,
    threads: int = 1,
    progress: Callable[[int], None] = lambda steps: None,
) -> Verification:
    """Train a stretch again and compare.

    Parameters
    ----------
    record : RunRecord
    data : RunData
        The study's texts.
    stretch : Stretch
    threads : int
        The bytes do not depend on it.
    progress : callable
        Called with the number of steps taken, after each.

    Raises
    ------
    CheckpointError
        If the checkpoint was made with other settings than those of study.json, or the run with
        other data than that of the folder.
    EditedError
        If it does not stand where the run's record has it.
    """
    job = record.job
    damage, environment = [*record.damage, *stretch.damage], None
    try:
        environment = environment_differences(record, stretch)
    except EnvironmentMismatch as error:
        damage.append(str(error).partition(";")[0])
    result = Verification(
        record.name,
        stretch.start,
        stretch.end,
        stretch.checkpoint is not None,
        threads,
        environment,
        damage=list(dict.fromkeys(damage)),
        notes=list(stretch.notes),
        kept=sorted(record.checkpoints),
    )
    trainer = Trainer(job.model, job.train, data, job.condition, threads)
    try:
        if record.newest is not None:
            trainer.check_data(record.newest)
        if stretch.checkpoint is not None:
            at = stretch.checkpoint.state
            record.check_position(at)
            trainer.restore(stretch.checkpoint, record.recent(at["step"], at["interval"]))
        started = time.perf_counter()
        _Retraining(record, trainer, result, progress).carry_out()
        result.seconds = time.perf_counter() - started
    finally:
        trainer.close()
    return result


class _Retraining:
    """Goes through a stretch and notes in `result` what it finds."""

    def __init__(
        self,
        record: RunRecord,
        trainer: Trainer,
        result: Verification,
        progress: Callable[[int], None],
    ) -> None:
        self.record, self.trainer, self.result = record, trainer, result
        self._progress, self._taken = progress, 0

    def carry_out(self) -> None:
        trainer = self.trainer
        while True:
            if trainer.interval_is_due and trainer.interval < self.record.interval:
                self._measure()
                continue
            if trainer.step > self.result.start or not self.result.from_checkpoint:
                self._compare_checkpoint()
            if trainer.step >= self.result.end:
                return
            self._follow_recoveries()
            result = self._step()
            row = format_row(result.row, STEP_COLUMNS).encode()
            self._compare_line(STEPS, trainer.step - 1, row)
            if not result.finite and trainer.step < self.record.step:
                if STEPS not in {difference.file for difference in self.result.differences}:
                    self._note(STEPS, "row", "more rows", "the end: this step is not finite")
                return

    def _step(self) -> StepResult:
        result = self.trainer.take_step()
        self._taken += 1
        self._progress(self._taken)
        return result

    def _measure(self) -> None:
        interval = self.trainer.interval
        found = self.trainer.measure()
        self._compare_line(INTERVALS, interval, format_row(found.row, INTERVAL_COLUMNS).encode())
        for number, sample in enumerate(found.samples):
            line = json.dumps(sample, ensure_ascii=False) + "\n"
            self._compare_line(SAMPLES, interval * len(found.samples) + number, line.encode())

    # ------------------------------------------------------------------------- where it went back

    def _follow_recoveries(self) -> None:
        """Go on from here at the learning rate that the run went on with at last.

        A row that is left after the run went back to a step before it was computed after that.
        """
        trainer, entries = self.trainer, self.record.recoveries
        known = len(trainer.recoveries)
        earlier = [k for k, e in enumerate(entries, 1) if e["back_to_step"] <= trainer.step]
        wanted = max(earlier, default=0)
        if all(entry["back_to_step"] == trainer.step for entry in entries[known:wanted]):
            for number in range(known, wanted):
                self._repeat_failed_steps(number)
        elif wanted > known:  # one of them went back further than the one before it
            self.result.notes.append(
                f"{wanted - known} rows of {RECOVERIES} could not be trained again: later ones "
                "undid where they began"
            )
            trainer.recoveries = list(entries[:wanted])

    def _repeat_failed_steps(self, number: int) -> None:
        """Take the steps that were undone, to the one that was not finite, and come back."""
        trainer, entry = self.trainer, self.record.recoveries[number]
        buffers = (trainer.weights.flat, trainer.optimizer.m.flat, trainer.optimizer.v.flat)
        kept = [buffer.copy() for buffer in buffers]
        step, recent = trainer.step, list(trainer.recent)
        result = self._step()
        while result.finite and trainer.step < min(entry["step"], trainer.train.steps):
            result = self._step()
        for buffer, values in zip(buffers, kept, strict=True):
            buffer[...] = values
        trainer.lanes.use_weights(trainer.weights.views)
        trainer.step, trainer.recent = step, recent
        trainer.went_back(result.row)
        recorded, computed = entry, trainer.recoveries[-1]
        lines = [format_row(row, RECOVERY_COLUMNS).encode() for row in (recorded, computed)]
        self._compare(RECOVERIES, *lines)
        trainer.recoveries = list(self.record.recoveries[: number + 1])

    # ------------------------------------------------------------------------------------ compare

    def _compare_line(self, name: str, index: int, computed: bytes) -> None:
        self._compare(name, self.record.lines[name][index], computed)

    def _compare(self, name: str, recorded: bytes, computed: bytes) -> None:
        difference = line_difference(recorded, computed, _COLUMNS.get(name))
        self.result.rows.setdefault(name, Count()).add(not difference)
        if difference:
            self._note(name, **difference)

    def _compare_checkpoint(self) -> None:
        trainer = self.trainer
        folder = self.record.checkpoints.get(trainer.step)
        if folder is None:
            return
        name = f"checkpoint {folder.name}"
        try:
            for path in folder.iterdir():
                check_readable(path)
            found = load_checkpoint(folder)
        except (CheckpointError, FileNotFoundError) as error:
            damage = plainly(error) if isinstance(error, CheckpointError) else str(error)
            if not folder.exists():
                self.result.notes.append(f"{name} was removed by the run meanwhile")
            elif damage not in self.result.damage:
                self.result.damage.append(damage)
            return
        moments = {f"m.{key}": view for key, view in trainer.optimizer.m.views.items()}
        moments |= {f"v.{key}": view for key, view in trainer.optimizer.v.views.items()}
        marks = self.record.marks(trainer.step, trainer.interval)
        parts = {
            MODEL: tensor_difference(found.params, trainer.weights.views),
            OPTIMIZER: tensor_difference(found.moments, moments),
            STATE: value_difference(found.state, {**trainer.state(), "telemetry": marks}),
        }
        self.result.checkpoints[folder.name] = {part: not parts[part] for part in parts}
        for part, difference in parts.items():
            if difference:
                self._note(f"{part} of {name}", **difference)

    def _note(self, file: str, what: str, recorded: str, computed: str, **more: int) -> None:
        """Keep the first difference of each file."""
        if file not in {difference.file for difference in self.result.differences}:
            step = self.trainer.step
            self.result.differences.append(Difference(file, step, what, recorded, computed, **more))
