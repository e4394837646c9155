"""One run on the disk: its telemetry, its checkpoints, and how it goes on from them.

A checkpoint holds the state of the `Trainer` and says how far each telemetry file had come. A run
that was broken off goes back to its newest checkpoint, cuts its files there, and takes the same
steps again; numbers lose no bits in the CSV files, so what a resumed run needs of its past
telemetry it reads back from them.
"""

from __future__ import annotations

import json
import math
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tinyllama_np.checkpoint import (
    Checkpoint,
    CheckpointError,
    UnreadableCheckpointError,
    checkpoint_folders,
    load_checkpoint,
    save_checkpoint,
    steps_to_keep,
    whole_checkpoints,
)
from tinyllama_np.environment import current_environment
from tinyllama_np.environment_record import begin_or_continue
from tinyllama_np.interrupts import StopSignals
from tinyllama_np.job import (
    DIVERGED,
    FINISHED,
    RECOVERIES_FILE,
    STOPPED,
    RunJob,
    finished_outcome,
)
from tinyllama_np.lanes import StopRequested
from tinyllama_np.storage import (
    append_text,
    keep_folder,
    remove_folder,
    remove_leftovers,
    sha256_file,
    sole_owner,
    write_text_atomic,
)
from tinyllama_np.telemetry import (
    INTERVAL_COLUMNS,
    RECOVERY_COLUMNS,
    STEP_COLUMNS,
    TIMING_COLUMNS,
    CsvLog,
    GrowingFile,
    TelemetryError,
    format_row,
    last_row,
)
from tinyllama_np.trainer import Row, RunData, Trainer, open_run_data
from tinyllama_np.training_state import marks_of, past_of, shorter_than

SHOWN_RECOVERIES = 3  # of a run; more lines would hide what else is said
PATIENCE = 20.0  # seconds that a killed command's workers have to end


@dataclass
class _Clock:
    """Seconds spent since the last interval, by what they were spent on."""

    started: float = field(default_factory=time.perf_counter)
    forward_backward: float = 0.0
    optimizer: float = 0.0


def train_run(job: RunJob) -> dict[str, Any]:
    """Carry out a run from where its newest checkpoint left it.

    Returns
    -------
    dict
        The outcome, as in the run's outcome.json: status "finished", "stopped" (by request or time
        limit; run it again to go on) or "diverged" (a loss or gradient was not finite), the step
        and tokens reached, a message, and the SHA-256 of the telemetry.

    Raises
    ------
    CheckpointError, TelemetryError
        If what is there cannot be gone on from: another run's, edited, or cut too short.
    FolderInUseError
        If another process carries out the run.
    EnvironmentMismatch
        If the run was begun where its numbers may have come out otherwise, and the job does not
        accept that.
    """
    ended = finished_outcome(job)
    if ended is not None:
        return ended
    # First, since a study that was removed must not be begun again in part.
    data = open_run_data(job.study_folder, job.train.train_tokens)
    keep_folder(job.folder)
    with sole_owner(job.folder, patience=PATIENCE):
        with _Run(job, data) as run:
            outcome = run.carry_out()
        write_text_atomic(job.folder / "outcome.json", json.dumps(outcome, indent=2) + "\n")
    return outcome


class _Run:
    """A run in progress."""

    def __init__(self, job: RunJob, data: RunData) -> None:
        self.job, self.train = job, job.train
        self.name = f"{job.condition}/{job.folder.name}"  # for messages
        folder = job.folder
        self.checkpoints = folder / "checkpoints"
        remove_leftovers(folder)
        remove_leftovers(self.checkpoints)
        self.trainer = Trainer(job.model, job.train, data, job.condition, job.threads)
        self.steps_log = CsvLog(folder / "steps.csv", STEP_COLUMNS)
        self.intervals_log = CsvLog(folder / "intervals.csv", INTERVAL_COLUMNS)
        self.samples_log = GrowingFile(folder / "samples.jsonl")
        self.timing_log = CsvLog(folder / "timing.csv", TIMING_COLUMNS)
        # What is a function of the configuration, of which a checkpoint knows every byte.
        self.telemetry: dict[str, GrowingFile] = {
            log.path.name: log for log in (self.steps_log, self.intervals_log, self.samples_log)
        }
        self.losses: dict[int, float] = {}  # validation loss by step, of the intervals measured
        self.saved: tuple[int, int] = (0, 0)  # step and interval of the newest checkpoint
        self.retrains = False  # since a checkpoint to go back to was damaged
        try:
            self._go_on_from_newest_checkpoint()
        except BaseException:
            self.trainer.close()
            raise
        self.clock = _Clock()

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.trainer.close()

    # ----------------------------------------------------------------------------- where to begin

    def _go_on_from_newest_checkpoint(self) -> None:
        """Take over the newest checkpoint that is whole and that the telemetry reaches.

        Nothing is written before it is known that the run may go on.
        """
        damaged: list[CheckpointError] = []
        too_short = ""
        for folder, checkpoint in whole_checkpoints(self.checkpoints, damaged.append):
            marks = marks_of(checkpoint.state, self.train)
            problem = shorter_than(marks, self.telemetry, checkpoint.state["step"], self.name)
            if not problem:
                self.trainer.check_settings(checkpoint)
                self._check_environment(checkpoint.state["step"])
                self._take_over(checkpoint)
                for trouble in (*damaged, *filter(None, [too_short])):
                    self.say(f"{trouble}; goes on from step {self.trainer.step}")
                return
            too_short = f"{problem} for checkpoint {folder.name}"
        if too_short:
            raise TelemetryError(
                f"{too_short}, and there is no older one; put the file back, or remove "
                f"runs/{self.name} to begin the run again"
            )
        for trouble in damaged:
            if isinstance(trouble, UnreadableCheckpointError):  # it may be as good as it was
                raise CheckpointError(
                    f"{trouble}, and no other checkpoint is whole; let it be read, or remove "
                    f"runs/{self.name} to begin the run again"
                )
        self._check_environment(-1)
        for trouble in damaged:
            self.say(str(trouble))
        if damaged or last_row(self.steps_log.path):  # no step is taken before the first checkpoint
            self.say("no checkpoint is left: the run begins again")
        for log in self.telemetry.values():
            log.begin()
        self.timing_log.restart(-1)
        self._write_recoveries()

    def _check_environment(self, step: int) -> None:
        """See that this is where the run was begun, or that it may go on elsewhere."""
        current = current_environment(self.train.backend)
        note = begin_or_continue(self.job.folder, step, current, self.job.accept_environment)
        if note:
            self.say(note)

    def _take_over(self, checkpoint: Checkpoint) -> None:
        for name, mark in marks_of(checkpoint.state, self.train).items():
            self.telemetry[name].back_to(mark)
        self.losses, recent = past_of(self.steps_log.path, self.intervals_log.path, self.name)
        self.trainer.restore(checkpoint, recent)
        self.timing_log.restart(self.trainer.step)
        self._write_recoveries()
        self.saved = self._position()

    def _write_recoveries(self) -> None:
        if self.train.divergence_retries:
            rows = [format_row(row, RECOVERY_COLUMNS) for row in self.trainer.recoveries]
            text = ",".join(RECOVERY_COLUMNS) + "\n" + "".join(rows)
            write_text_atomic(self.job.folder / RECOVERIES_FILE, text)

    # ----------------------------------------------------------------------------------- the loop

    def carry_out(self) -> dict[str, Any]:
        """Train to the end, or until asked to stop."""
        trainer = self.trainer
        with StopSignals() as signals:
            trainer.lanes.stop = lambda: self._should_stop(signals)
            while not trainer.finished:
                try:
                    if trainer.lanes.stop():
                        raise StopRequested
                    if trainer.interval_is_due:
                        self.measure_interval()
                    elif problem := self.take_step():
                        return self.outcome(DIVERGED, problem)
                except StopRequested:  # the step or the interval was not begun, or is dropped
                    self.save()
                    return self.outcome(STOPPED, "stopped on request; run again to go on")
        self.save()
        self._remove_checkpoints(finished=True)
        times = len(trainer.recoveries)
        return self.outcome(FINISHED, f"went back {times} times; see recoveries.csv" * bool(times))

    def take_step(self) -> str:
        """One update; returns a message if the run cannot go on after it, else ""."""
        result = self.trainer.take_step()
        self.clock.forward_backward += result.forward_backward_s
        self.clock.optimizer += result.optimizer_s
        self.steps_log.add(**result.row)
        return "" if result.finite else self._go_back(result.row)

    def _go_back(self, failed: Row) -> str:
        """After a step that was not finite: back to the last interval, if that is asked for.

        What is written from here on depends on the checkpoint alone, so a run that is killed in
        between comes to the same step and goes back once more.
        """
        problem = (
            f"step {failed['step']}: training loss {failed['train_loss']:g} and gradient norm "
            f"{failed['grad_norm']:g} must be finite; the step was not applied. Lower the learning "
            "rate or clip harder"
        )
        retries = self.train.divergence_retries
        if len(self.trainer.recoveries) >= retries:
            return problem + (f" (went back {retries} times before)" if retries else "")
        step = self.train.interval_step(self.trainer.interval - 1)
        for other in checkpoint_folders(self.checkpoints):
            if _step_of(other) > step:  # its telemetry is about to be cut
                remove_folder(other)
        try:
            checkpoint = load_checkpoint(self._checkpoint_folder(step))
        except CheckpointError:
            if self.retrains:  # what was just written is damaged again
                raise
            self.retrains = True
            self.say(f"step {failed['step']} was not finite, and there is no going back to {step}")
            self._train_to_here_again()
            return ""
        recoveries = self.trainer.recoveries
        self._take_over(checkpoint)
        self.trainer.recoveries = recoveries
        self.trainer.went_back(failed)
        self._write_recoveries()
        times = len(self.trainer.recoveries)
        self.say(
            f"step {failed['step']} was not finite: back to step {self.trainer.step} with "
            f"{self.trainer.learning_rate_scale:g} of the scheduled learning rate"
            + "; the next times are in log.txt and recoveries.csv alone"
            * (times == SHOWN_RECOVERIES),
            show=times <= SHOWN_RECOVERIES,
        )
        return ""

    def _train_to_here_again(self) -> None:
        """Go on as the next start would: the checkpoint to go back to is damaged.

        From an older interval the run would go on with another rate than from this one. So it is
        trained from there to this place again, as if it had not yet been here.
        """
        self.trainer.begin()
        self.trainer.recoveries = []
        self.losses, self.saved = {}, (0, 0)
        self._go_on_from_newest_checkpoint()

    def measure_interval(self) -> None:
        """Evaluate, write the interval's rows and sample texts, and checkpoint."""
        steps = len(self.trainer.recent)
        found = self.trainer.measure()
        self.intervals_log.add(**found.row)
        lines = [json.dumps(sample, ensure_ascii=False) + "\n" for sample in found.samples]
        self.samples_log.append("".join(lines))
        self._write_timing(steps, found.seconds)
        self.losses[self.trainer.step] = float(found.row["val_loss"] or "nan")
        self.clock = _Clock()
        self.save()

    # -------------------------------------------------------------------------------- what is kept

    def save(self) -> None:
        """Checkpoint, once the telemetry is on the disk.

        A state that is saved already is left alone: it may be the only checkpoint there is.
        """
        if self._position() == self.saved:
            return
        self._flush_telemetry()
        marks = {name: asdict(log.mark()) for name, log in self.telemetry.items()}
        save_checkpoint(
            self._checkpoint_folder(self.trainer.step),
            config=self.job.model,
            tokenizer=self.trainer.tokenizer,
            weights=self.trainer.weights,
            optimizer=self.trainer.optimizer,
            state={**self.trainer.state(), "telemetry": marks},
        )
        self.saved = self._position()
        self._remove_checkpoints()

    def _flush_telemetry(self) -> None:
        for log in (*self.telemetry.values(), self.timing_log):
            log.flush()

    def _remove_checkpoints(self, finished: bool = False) -> None:
        found = {_step_of(folder): folder for folder in checkpoint_folders(self.checkpoints)}
        known = {step: loss for step, loss in self.losses.items() if math.isfinite(loss)}
        kept = steps_to_keep(
            found,
            self.trainer.step,
            {self.train.interval_step(i) for i in range(self.train.intervals)},
            self.job.keep_checkpoints,
            best=min(known, key=lambda step: known[step], default=None),
            finished=finished,
        )
        for step, folder in found.items():
            if step not in kept:
                remove_folder(folder)

    def outcome(self, status: str, message: str) -> dict[str, Any]:
        """What outcome.json says; the telemetry whose SHA-256 it names is on the disk by then."""
        self._flush_telemetry()
        hashes = {name: log.mark().sha256 for name, log in self.telemetry.items()}
        if self.train.divergence_retries:
            hashes[RECOVERIES_FILE] = sha256_file(self.job.folder / RECOVERIES_FILE)
        return {
            "status": status,
            "step": self.trainer.step,
            "tokens_seen": self.trainer.step * self.train.tokens_per_step,
            "message": message,
            "sha256": hashes,
        }

    def say(self, message: str, show: bool = True) -> None:
        """Tell whoever watches, and whoever asks later."""
        if show:
            with suppress(OSError):  # a terminal that was closed costs no run
                print(f"{self.name}: {message}", file=sys.stderr, flush=True)
        now = datetime.now().isoformat(" ", "seconds")
        append_text(self.job.folder / "log.txt", f"{now} {message}\n")

    def _checkpoint_folder(self, step: int) -> Path:
        return self.checkpoints / f"step-{step:06d}"

    def _position(self) -> tuple[int, int]:
        return self.trainer.step, self.trainer.interval

    def _write_timing(self, steps: int, evaluation: float) -> None:
        training = self.clock.forward_backward + self.clock.optimizer
        tokens = steps * self.train.tokens_per_step
        self.timing_log.add(
            step=self.trainer.step,
            wall_s=round(time.perf_counter() - self.clock.started, 4),
            tokens_per_s=round(tokens / training, 1) if training else None,
            forward_backward_s=round(self.clock.forward_backward, 4),
            optimizer_s=round(self.clock.optimizer, 4),
            evaluation_s=round(evaluation, 4),
            threads=self.trainer.lanes.threads,
        )

    def _should_stop(self, signals: StopSignals) -> bool:
        deadline = self.job.deadline
        late = deadline is not None and time.time() >= deadline
        return late or signals.received != 0 or self.job.stop_file.exists()


def _step_of(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))
