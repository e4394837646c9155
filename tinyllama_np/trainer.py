"""The computing half of a run: model, optimizer and data of one seed. It writes no file.

The state between two steps is small: the step, weights and moments, what was measured since the
last interval, and how often the run went back. Batches and learning rate are functions of the step.
So whoever restores that state and takes the same steps gets the same bytes: a resumed run, or a
check that trains a stretch again.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinyllama_np.backend import get_backend
from tinyllama_np.checkpoint import Checkpoint, CheckpointError, restore
from tinyllama_np.config import ModelConfig, TrainConfig
from tinyllama_np.corpus.batches import BatchSource, consecutive_windows
from tinyllama_np.corpus.tokens import TokenArray
from tinyllama_np.evaluate import evaluate
from tinyllama_np.generate import generate
from tinyllama_np.lanes import Lanes, StopRequested, mean_loss, single_threaded_blas, unwarned
from tinyllama_np.ops import IntArray
from tinyllama_np.optimizer import Optimizer
from tinyllama_np.parameters import Parameters
from tinyllama_np.schedule import learning_rate
from tinyllama_np.storage import sha256_bytes
from tinyllama_np.study_file import open_data
from tinyllama_np.telemetry import Value, cell
from tinyllama_np.training_state import DATA_FILES
from tokenizer import Tokenizer

Row = dict[str, Value]


@dataclass(frozen=True)
class RunData:
    """The texts of a run."""

    tokenizer: Tokenizer
    ring: TokenArray  # (U,), the training text
    valid: TokenArray
    sha256: Mapping[str, str]  # of DATA_FILES; of the training text that of the ring


def open_run_data(study_folder: Path, train_tokens: int | None) -> RunData:
    """Open a study's tokenizer and token files, each checked against study.json.

    Raises
    ------
    ConfigError
        If study.json cannot be used.
    CorpusError
        If a file is missing or is not the one that the study was made with.
    """
    data = open_data(study_folder)
    tokenizer = Tokenizer.load(study_folder / "tokenizer.json")
    tokens = data.train.tokens
    ring = training_ring(tokens, train_tokens, tokenizer.end_of_text)
    # Of a large text the bytes were hashed just now, and a ring of all of it has the same ones.
    is_all = len(ring) == len(tokens) and ring[-1] == tokens[-1]
    ring_hash = data.train.info.sha256 if is_all else sha256_bytes(ring.data)
    hashes = (data.tokenizer_sha256, ring_hash, data.valid.info.sha256)
    return RunData(tokenizer, ring, data.valid.tokens, dict(zip(DATA_FILES, hashes, strict=True)))


def training_ring(tokens: IntArray, train_tokens: int | None, end_of_text: int) -> TokenArray:
    """The first `train_tokens` tokens (all if None), closed by an end of text.

    So a condition with fewer unique tokens trains on what a study of its own would have.
    """
    ring: TokenArray = np.array(tokens[:train_tokens])
    ring[-1] = end_of_text
    return ring


class StepResult(NamedTuple):
    """What `Trainer.take_step` did."""

    row: Row  # of steps.csv
    finite: bool  # loss and gradient; else the step was not applied
    forward_backward_s: float
    optimizer_s: float


class Measurement(NamedTuple):
    """What `Trainer.measure` found."""

    row: Row  # of intervals.csv
    samples: list[dict[str, Any]]  # of samples.jsonl
    seconds: float


class Trainer:
    """Model, optimizer and data of one run.

    Parameters
    ----------
    model : ModelConfig
    train : TrainConfig
    data : RunData
    condition : str
        The condition's name, for the rows.
    threads : int

    Attributes
    ----------
    step : int
        Steps taken.
    interval : int
        The next interval to be measured.
    recent : list of (float, float)
        Loss and gradient norm of the steps since the last interval, for its means.
    recoveries : list of dict
        The times the run went back after numbers that were not finite: rows of recoveries.csv.
    """

    def __init__(
        self,
        model: ModelConfig,
        train: TrainConfig,
        data: RunData,
        condition: str = "baseline",
        threads: int = 1,
    ) -> None:
        self.model, self.train, self.condition = model, train, condition
        self.tokenizer = data.tokenizer
        self._byte_lengths = data.tokenizer.token_byte_lengths()
        self._ring_tokens = len(data.ring)
        self._data_sha256 = data.sha256
        t = train
        data_seed = t.seed if t.data_seed is None else t.data_seed
        self._batches = BatchSource(data.ring, t.batch_size, t.sequence_length, data_seed)
        self._valid = consecutive_windows(data.valid, t.valid_tokens, t.sequence_length)
        self._sample = consecutive_windows(data.ring, t.valid_tokens, t.sequence_length)
        self.lanes = Lanes(
            model,
            time=t.sequence_length,
            micro_batch=t.micro_batch_size,
            lanes=t.gradient_lanes,
            threads=threads,
            backend=get_backend(t.backend, matmul=t.matmul),
        )
        self.recoveries: list[dict[str, Any]] = []
        self.begin()

    def begin(self) -> None:
        """The state before the first step; what happened before is forgotten."""
        t = self.train
        self.weights = Parameters.initial(
            self.model, t.seed if t.init_seed is None else t.init_seed
        )
        self.optimizer = Optimizer(self.model, t)
        self.step, self.interval = 0, 0
        self.recent: list[tuple[float, float]] = []
        self.lanes.use_weights(self.weights.views)

    def close(self) -> None:
        """End the threads."""
        self.lanes.close()

    # ----------------------------------------------------------------------------------- its state

    @property
    def finished(self) -> bool:
        """Whether all steps are taken and the last interval is measured."""
        return self.interval == self.train.intervals

    @property
    def interval_is_due(self) -> bool:
        """Whether the next thing to do is to measure an interval."""
        return not self.finished and self.step == self.train.interval_step(self.interval)

    @property
    def learning_rate_scale(self) -> float:
        """What the scheduled learning rate is multiplied with: halved at each recovery."""
        return float(0.5 ** len(self.recoveries))

    def state(self) -> dict[str, Any]:
        """What training_state.json says of the run's position and settings."""
        return {
            **self._position(self.step),
            "interval": self.interval,
            "seed": self.train.seed,
            "recoveries": self.recoveries,
            "data": dict(self._data_sha256),
            "train": self.train.to_dict(),
        }

    def check_settings(self, checkpoint: Checkpoint) -> None:
        """See that a checkpoint is one of a run with these settings.

        Raises
        ------
        CheckpointError
            If it was made with other settings or trained on other data.
        """
        self.check_data(checkpoint.state)
        ours = json.loads(json.dumps(self.train.to_dict()))
        theirs = checkpoint.state["train"]
        for name in sorted({*ours, *theirs}):
            if ours.get(name) != theirs.get(name):
                raise CheckpointError(
                    f"the checkpoint at step {checkpoint.state['step']} was made with "
                    f"{name}={theirs.get(name)!r}, not {ours.get(name)!r}; give the same settings, "
                    "or train in another folder"
                )
        if checkpoint.config != self.model:
            raise CheckpointError(
                f"the checkpoint at step {checkpoint.state['step']} holds another model; give the "
                "same settings, or train in another folder"
            )

    def restore(self, checkpoint: Checkpoint, recent: Sequence[tuple[float, float]]) -> None:
        """Take over weights, moments and position of a checkpoint.

        Parameters
        ----------
        checkpoint : Checkpoint
        recent : sequence of (float, float)
            Loss and gradient norm of the steps between its last interval and the checkpoint.

        Raises
        ------
        CheckpointError
            As in `check_settings`.
        """
        self.check_settings(checkpoint)
        restore(checkpoint, self.weights, self.optimizer)
        self.step, self.interval = checkpoint.state["step"], checkpoint.state["interval"]
        self.recoveries = list(checkpoint.state["recoveries"])
        self.recent = list(recent)
        self.lanes.use_weights(self.weights.views)

    def check_data(self, state: Mapping[str, Any]) -> None:
        """See that a checkpoint's training_state.json speaks of the data that there is.

        Raises
        ------
        CheckpointError
            If it was trained on other data.
        """
        for name, expected in state["data"].items():
            found = self._data_sha256[name]
            if found != expected:
                raise CheckpointError(
                    f"the checkpoint at step {state['step']} was made with another {name} (SHA-256 "
                    f"{expected[:12]}, now {found[:12]}): put the study's own tokenizer.json, data "
                    "and study.json back, or start the study in a new folder"
                )

    def went_back(self, failed: Row) -> None:
        """Note that the run came back to where it stands from a step that was not finite.

        Parameters
        ----------
        failed : dict
            The step's row of steps.csv.
        """
        entry = {
            "step": failed["step"],
            "back_to_step": self.step,
            "train_loss": cell(failed["train_loss"]),
            "grad_norm": cell(failed["grad_norm"]),
            "learning_rate_scale": self.learning_rate_scale / 2,
        }
        self.recoveries = [*self.recoveries, entry]

    def _position(self, step: int) -> dict[str, Any]:
        tokens = step * self.train.tokens_per_step
        return {"step": step, "tokens_seen": tokens, "epoch": tokens / self._ring_tokens}

    def _learning_rate(self, step: int) -> float:
        return learning_rate(step, self.train) * self.learning_rate_scale

    # ------------------------------------------------------------------------------- what it does

    def take_step(self) -> StepResult:
        """One update; where loss or gradient are not finite, the step is counted, not applied.

        Raises
        ------
        StopRequested
            If `lanes.stop` asked for it; the step was not taken.
        """
        started = time.perf_counter()
        inputs, targets = self._batches.batch(self.step)
        loss = mean_loss(self.lanes.loss_and_gradient(inputs, targets))
        backward_done = time.perf_counter()
        norm = self.optimizer.gradient_norm(self.lanes)
        self.step += 1
        rate = self._learning_rate(self.step)
        finite = math.isfinite(loss) and math.isfinite(norm)
        clipped = False
        if finite:
            clipped = self.optimizer.update(
                self.weights, self.lanes, step=self.step, learning_rate=rate, norm=norm
            )
            self.lanes.use_weights(self.weights.views)
        self.recent.append((loss, norm))
        row = {
            **self._position(self.step),
            "lr": rate,
            "train_loss": loss,
            "grad_norm": norm,
            "clipped": int(clipped),
        }
        return StepResult(row, finite, backward_done - started, time.perf_counter() - backward_done)

    def measure(self) -> Measurement:
        """Evaluate and write sample texts: the interval that is due.

        Raises
        ------
        StopRequested
            If `lanes.stop` asked for it; the interval stays due.
        """
        started = time.perf_counter()
        valid = evaluate(self.lanes, *self._valid, self._byte_lengths)
        train_sample = evaluate(self.lanes, *self._sample, self._byte_lengths)
        losses, norms = zip(*self.recent, strict=True) if self.recent else ((), ())
        row = {
            "condition": self.condition,
            "seed": self.train.seed,
            "interval": self.interval,
            **self._position(self.step),
            "lr": self._learning_rate(self.step) if self.step else None,
            "train_loss": math.fsum(losses) / len(losses) if losses else None,
            "train_sample_loss": train_sample.loss,
            "val_loss": valid.loss,
            "val_perplexity": valid.perplexity,
            "bits_per_byte": valid.bits_per_byte,
            "grad_norm": math.fsum(norms) / len(norms) if norms else None,
            "flops": self.step
            * self.train.tokens_per_step
            * self.model.training_flops_per_token(self.train.sequence_length),
        }
        prompts = self.train.sample_prompts if self.train.sample_tokens else ()
        samples = [self._sample_text(number, prompt) for number, prompt in enumerate(prompts)]
        self.interval += 1
        self.recent = []
        return Measurement(row, samples, time.perf_counter() - started)

    def _sample_text(self, number: int, prompt: str) -> dict[str, Any]:
        t, context, end = self.train, self.model.max_position_embeddings, self.tokenizer.end_of_text
        if self.lanes.stop():
            raise StopRequested
        ids = self.tokenizer.encode(prompt)[:context] or [end]
        # with more threads the last bits depend on the number of cores
        with single_threaded_blas(), unwarned():
            new = generate(
                self.weights.views,
                ids,
                self.model,
                max_new_tokens=min(t.sample_tokens, context - len(ids)),
                temperature=t.sample_temperature,
                stop_token=end,
                rng=np.random.default_rng([t.seed, self.step, number]),
            )
        return {
            "interval": self.interval,
            "step": self.step,
            "tokens_seen": self.step * t.tokens_per_step,
            "prompt": prompt,
            "text": self.tokenizer.decode([i for i in new if i != end]),
        }
