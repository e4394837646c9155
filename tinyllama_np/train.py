"""One run: a model of one seed trained on its budget, measured at every interval.

The state between two steps is (step, weights, moments) alone: batches and learning rate are
functions of the step, and what a resumed run needs of its own past telemetry it reads back from the
CSV files, in which numbers lose no bits.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from tinyllama_np.backend import get_backend
from tinyllama_np.checkpoint import (
    CheckpointError,
    checkpoint_folders,
    latest_checkpoint,
    restore,
    save_checkpoint,
)
from tinyllama_np.config import ModelConfig, TrainConfig
from tinyllama_np.corpus.batches import BatchSource, consecutive_windows
from tinyllama_np.corpus.tokens import TokenArray, open_token_file
from tinyllama_np.evaluate import Evaluation, evaluate
from tinyllama_np.generate import generate
from tinyllama_np.interrupts import StopSignals
from tinyllama_np.lanes import Lanes, mean_loss, single_threaded_blas
from tinyllama_np.ops import IntArray
from tinyllama_np.optimizer import Optimizer
from tinyllama_np.parameters import Parameters
from tinyllama_np.schedule import learning_rate
from tinyllama_np.storage import (
    append_text,
    flush_file,
    remove_folder,
    remove_leftovers,
    sha256_file,
    write_text_atomic,
)
from tinyllama_np.telemetry import INTERVAL_COLUMNS, STEP_COLUMNS, TIMING_COLUMNS, CsvLog
from tokenizer import Tokenizer

FINISHED, STOPPED, DIVERGED, FAILED = "finished", "stopped", "diverged", "failed"


@dataclass(frozen=True)
class RunJob:
    """All that a worker process needs to carry out one run."""

    study_folder: Path
    condition: str
    model: ModelConfig
    train: TrainConfig
    threads: int = 1
    keep_checkpoints: str = "last"
    deadline: float | None = None  # time.time() at which to stop at a checkpoint

    @property
    def folder(self) -> Path:
        """Where the run's files go."""
        return run_folder(self.study_folder, self.condition, self.train.seed)

    @property
    def stop_file(self) -> Path:
        """While this file exists, runs stop at their next step."""
        return self.study_folder / ".stop"


def run_folder(study_folder: Path, condition: str, seed: int) -> Path:
    """runs/<condition>/seed-<k> of a study."""
    return study_folder / "runs" / condition / f"seed-{seed}"


def training_ring(tokens: IntArray, train_tokens: int | None, end_of_text: int) -> TokenArray:
    """The first `train_tokens` tokens (all if None), closed by an end of text.

    So a condition with fewer unique tokens trains on what a study of its own would have.
    """
    ring: TokenArray = np.array(tokens[:train_tokens])
    ring[-1] = end_of_text
    return ring


@dataclass
class _Clock:
    """Seconds spent since the last interval, by what they were spent on."""

    started: float = field(default_factory=time.perf_counter)
    forward_backward: float = 0.0
    optimizer: float = 0.0


def finished_outcome(job: RunJob) -> dict[str, Any] | None:
    """The outcome of a run that has ended and would not go on if asked; None for any other."""
    path = job.folder / "outcome.json"
    if not path.exists():
        return None
    outcome: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return outcome if outcome["status"] in (FINISHED, DIVERGED) else None


def train_run(job: RunJob) -> dict[str, Any]:
    """Carry out a run from where its newest checkpoint left it.

    Returns
    -------
    dict
        The outcome, as in the run's outcome.json: status "finished", "stopped" (by request or time
        limit; run it again to go on) or "diverged" (a loss or gradient was not finite), the step
        and tokens reached and a message.
    """
    ended = finished_outcome(job)
    if ended is not None:
        return ended
    with _Run(job) as run:
        outcome = run.carry_out()
    write_text_atomic(job.folder / "outcome.json", json.dumps(outcome, indent=2) + "\n")
    return outcome


class _Run:
    """A run in progress."""

    def __init__(self, job: RunJob) -> None:
        self.job, self.train, self.model = job, job.train, job.model
        t = self.train
        folder = job.folder
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoints = folder / "checkpoints"
        remove_leftovers(folder)
        remove_leftovers(self.checkpoints)

        data = job.study_folder / "data"
        tokenizer_path = job.study_folder / "tokenizer.json"
        self.tokenizer = Tokenizer.load(tokenizer_path)
        made_with = sha256_file(tokenizer_path)
        self.byte_lengths = self.tokenizer.token_byte_lengths()
        ring = training_ring(
            open_token_file(data / "train.bin", made_with).tokens,
            t.train_tokens,
            self.tokenizer.end_of_text,
        )
        valid = open_token_file(data / "valid.bin", made_with).tokens
        self.ring_tokens = len(ring)
        data_seed = t.seed if t.data_seed is None else t.data_seed
        self.batches = BatchSource(ring, t.batch_size, t.sequence_length, data_seed)
        self.valid_windows = consecutive_windows(valid, t.valid_tokens, t.sequence_length)
        self.sample_windows = consecutive_windows(ring, t.valid_tokens, t.sequence_length)

        self.lanes = Lanes(
            self.model,
            time=t.sequence_length,
            micro_batch=t.micro_batch_size,
            lanes=t.gradient_lanes,
            threads=job.threads,
            backend=get_backend(t.backend, matmul=t.matmul),
        )
        init_seed = t.seed if t.init_seed is None else t.init_seed
        self.weights = Parameters.initial(self.model, init_seed)
        self.optimizer = Optimizer(self.model, t)
        self.step = -1  # nothing measured yet
        checkpoint = latest_checkpoint(self.checkpoints)
        if checkpoint is not None:
            restore(checkpoint, self.weights, self.optimizer)
            self.step = checkpoint.state["step"]
        self.saved_step = self.step
        self.lanes.use_weights(self.weights.views)
        self._open_logs()
        self.clock = _Clock()

    def __enter__(self) -> _Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.lanes.close()

    def _open_logs(self) -> None:
        folder = self.job.folder
        self.steps_log = CsvLog(folder / "steps.csv", STEP_COLUMNS)
        self.intervals_log = CsvLog(folder / "intervals.csv", INTERVAL_COLUMNS)
        self.timing_log = CsvLog(folder / "timing.csv", TIMING_COLUMNS)
        self.samples_file = folder / "samples.jsonl"
        steps = self.steps_log.restart(self.step)
        intervals = self.intervals_log.restart(self.step)
        self.timing_log.restart(self.step)
        self._restart_samples()
        due = [i for i in range(self.train.intervals) if self.train.interval_step(i) <= self.step]
        for log, found, expected in (
            (self.steps_log, len(steps), max(0, self.step)),
            (self.intervals_log, len(intervals), len(due)),
        ):
            if found != expected:
                raise CheckpointError(
                    f"{log.path.name} of {self.job.condition}/{folder.name} has {found} rows up to "
                    f"the checkpoint at step {self.step}, expected {expected}; "
                    "remove the run's folder to begin the run again"
                )
        self.interval = len(intervals)  # the next to be measured
        measured = int(intervals[-1]["step"]) if intervals else 0
        # (loss, gradient norm) of the steps since the last interval, for its means
        self.recent = [
            (float(row["train_loss"]), float(row["grad_norm"]))
            for row in steps
            if int(row["step"]) > measured
        ]

    def _restart_samples(self) -> None:
        def stays(line: str) -> bool:
            try:
                return bool(json.loads(line)["step"] <= self.step)
            except (ValueError, KeyError, TypeError):  # damaged by a power cut
                return False

        data = self.samples_file.read_bytes() if self.samples_file.exists() else b""
        lines = data.decode("utf-8", errors="replace").split("\n")[:-1]
        kept = "".join(line + "\n" for line in takewhile(stays, lines))
        write_text_atomic(self.samples_file, kept)

    def carry_out(self) -> dict[str, Any]:
        """Train to the end, or until asked to stop."""
        with StopSignals() as signals:
            while self.step < self.train.steps:
                if self._should_stop(signals):
                    self.save()
                    return self.outcome(STOPPED, "stopped on request; run again to go on")
                if self.step < 0:
                    self.step = 0  # interval 0 comes before the first update
                elif problem := self.take_step():
                    return self.outcome(DIVERGED, problem)
                if self.step == self.train.interval_step(self.interval):
                    self.measure_interval()
        self.save()  # where a crash came after the last checkpoint: removes the older ones
        return self.outcome(FINISHED, "")

    def take_step(self) -> str:
        """One update; returns a message if loss or gradient are not finite, else ""."""
        t, clock = self.train, self.clock
        started = time.perf_counter()
        inputs, targets = self.batches.batch(self.step)
        loss = mean_loss(self.lanes.loss_and_gradient(inputs, targets))
        backward_done = time.perf_counter()
        norm = self.optimizer.gradient_norm(self.lanes)
        step = self.step + 1
        rate = learning_rate(step, t)
        finite = math.isfinite(loss) and math.isfinite(norm)
        clipped = False
        if finite:
            clipped = self.optimizer.update(
                self.weights, self.lanes, step=step, learning_rate=rate, norm=norm
            )
            self.lanes.use_weights(self.weights.views)
        clock.forward_backward += backward_done - started
        clock.optimizer += time.perf_counter() - backward_done
        self.step = step
        self.recent.append((loss, norm))
        self.steps_log.add(
            **self._position(), lr=rate, train_loss=loss, grad_norm=norm, clipped=int(clipped)
        )
        if finite:
            return ""
        return (
            f"step {step}: training loss {loss} and gradient norm {norm} must be finite; the step "
            "was not applied. Lower the learning rate or clip harder"
        )

    def measure_interval(self) -> None:
        """Evaluate, write the interval's rows and sample texts, and checkpoint."""
        started = time.perf_counter()
        valid = self._evaluate(self.valid_windows)
        train_sample = self._evaluate(self.sample_windows)
        losses, norms = zip(*self.recent, strict=True) if self.recent else ((), ())
        self.intervals_log.add(
            condition=self.job.condition,
            seed=self.train.seed,
            interval=self.interval,
            **self._position(),
            lr=learning_rate(self.step, self.train) if self.step else None,
            train_loss=math.fsum(losses) / len(losses) if losses else None,
            train_sample_loss=train_sample.loss,
            val_loss=valid.loss,
            val_perplexity=valid.perplexity,
            bits_per_byte=valid.bits_per_byte,
            grad_norm=math.fsum(norms) / len(norms) if norms else None,
            flops=self.step
            * self.train.tokens_per_step
            * self.model.training_flops_per_token(self.train.sequence_length),
        )
        self._write_samples()
        self._write_timing(time.perf_counter() - started)
        self.interval += 1
        self.recent = []
        self.clock = _Clock()
        self.save()

    def save(self) -> None:
        """Checkpoint the state after `step`, once the telemetry up to it is on the disk.

        A state that is saved already is left alone: it may be the only checkpoint there is.
        """
        folder = self.checkpoints / f"step-{self.step:06d}"
        if self.step != self.saved_step:
            for log in (self.steps_log, self.intervals_log, self.timing_log):
                log.flush()
            flush_file(self.samples_file)
            save_checkpoint(
                folder,
                config=self.model,
                tokenizer=self.tokenizer,
                weights=self.weights,
                optimizer=self.optimizer,
                state={**self._position(), "seed": self.train.seed, "train": self.train.to_dict()},
            )
            self.saved_step = self.step
        if self.job.keep_checkpoints == "last":
            for other in checkpoint_folders(self.checkpoints):
                if other != folder:
                    remove_folder(other)

    def outcome(self, status: str, message: str) -> dict[str, Any]:
        """What outcome.json says."""
        step = max(0, self.step)
        tokens = step * self.train.tokens_per_step
        return {"status": status, "step": step, "tokens_seen": tokens, "message": message}

    def _position(self) -> dict[str, Any]:
        tokens = self.step * self.train.tokens_per_step
        return {"step": self.step, "tokens_seen": tokens, "epoch": tokens / self.ring_tokens}

    def _evaluate(self, windows: tuple[Any, Any]) -> Evaluation:
        return evaluate(self.lanes, *windows, self.byte_lengths)

    def _write_samples(self) -> None:
        t = self.train
        for number, prompt in enumerate(t.sample_prompts if t.sample_tokens else ()):
            context = self.model.max_position_embeddings
            ids = self.tokenizer.encode(prompt)[:context] or [self.tokenizer.end_of_text]
            with single_threaded_blas():  # else the last bits depend on the number of cores
                new = generate(
                    self.weights.views,
                    ids,
                    self.model,
                    max_new_tokens=min(t.sample_tokens, context - len(ids)),
                    temperature=t.sample_temperature,
                    stop_token=self.tokenizer.end_of_text,
                    rng=np.random.default_rng([t.seed, self.step, number]),
                )
            entry = {
                "interval": self.interval,
                "step": self.step,
                "tokens_seen": self.step * t.tokens_per_step,
                "prompt": prompt,
                "text": self.tokenizer.decode([i for i in new if i != self.tokenizer.end_of_text]),
            }
            append_text(self.samples_file, json.dumps(entry, ensure_ascii=False) + "\n")

    def _write_timing(self, evaluation: float) -> None:
        training = self.clock.forward_backward + self.clock.optimizer
        tokens = len(self.recent) * self.train.tokens_per_step
        self.timing_log.add(
            step=self.step,
            wall_s=round(time.perf_counter() - self.clock.started, 4),
            tokens_per_s=round(tokens / training, 1) if training else None,
            forward_backward_s=round(self.clock.forward_backward, 4),
            optimizer_s=round(self.clock.optimizer, 4),
            evaluation_s=round(evaluation, 4),
            threads=self.lanes.threads,
        )

    def _should_stop(self, signals: StopSignals) -> bool:
        deadline = self.job.deadline
        late = deadline is not None and time.time() >= deadline
        return late or signals.received != 0 or self.job.stop_file.exists()
