"""A training step as train.py takes it, validation, and where the time of a step goes."""

from __future__ import annotations

import dataclasses
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyllama_np.backend import Backend, get_backend
from tinyllama_np.bench.timing import Repeats, Spread, time_alternating
from tinyllama_np.config import ModelConfig, TrainConfig
from tinyllama_np.lanes import Lanes, mean_loss
from tinyllama_np.ops import IntArray
from tinyllama_np.optimizer import Optimizer
from tinyllama_np.parameters import Parameters
from tinyllama_np.schedule import learning_rate

# What a person wants to know -> the entries of the backend table that do it.
PARTS = {
    "products, forward": ("linear",),
    "products, input gradient": ("linear_backward_input",),
    "products, weight gradient": ("linear_backward_weight",),
    "head and its gradients": ("head_loss", "head_losses"),
    "attention, forward": ("attention",),
    "attention, backward": ("attention_backward",),
    "SwiGLU": ("swiglu", "swiglu_backward"),
    "RMSNorm": ("rmsnorm", "rmsnorm_backward"),
    "embedding": ("embed", "embed_backward"),
    "optimizer": ("adamw", "accumulate", "sum_of_squares"),
    "packing weights": ("prepare_weight",),
}
STEP_REPEATS = Repeats(least=3, most=9, seconds=6.0)
VALIDATION_REPEATS = Repeats(least=5, most=9, seconds=1.0)
PROFILE_REPEATS = Repeats(least=3, most=5, seconds=5.0)
OTHER, REST = "other kernels", "rest: copies and Python"


@dataclass(frozen=True)
class Part:
    """One part of a training step."""

    name: str
    milliseconds: float
    share: float
    gflops: float | None  # GFLOP/s, where the part is products

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def measure_step(
    model: ModelConfig,
    train: TrainConfig,
    threads: int,
    repeats: Repeats = STEP_REPEATS,
    backend: Backend | None = None,
) -> Spread:
    """Tokens/s of whole training steps: forward, backward, clipping, AdamW, packing.

    Parameters
    ----------
    model : ModelConfig
    train : TrainConfig
        Gives the batch, the lanes and the optimizer's settings. A run cannot use more threads than
        `gradient_lanes`.
    threads : int
    repeats : Repeats
    backend : Backend, optional
        The table named in `train` if not given.

    Returns
    -------
    Spread
        Tokens/s of each step.
    """
    with _steps(model, train, threads, backend or backend_of(train)) as step:
        (seconds,) = time_alternating(repeats, step)
    return seconds.rate(train.tokens_per_step)


def measure_validation(
    model: ModelConfig, train: TrainConfig, threads: int, repeats: Repeats = VALIDATION_REPEATS
) -> Spread:
    """Tokens/s of the losses of a batch without gradients, as in validation."""
    tokens, targets = random_batches(model, train, 1)[0]
    with _lanes(model, train, threads, backend_of(train), training=False) as lanes:
        lanes.use_weights(Parameters.initial(model, seed=0).views)
        (seconds,) = time_alternating(repeats, lambda: lanes.losses(tokens, targets))
    return seconds.rate(tokens.size)


def profile_step(
    model: ModelConfig, train: TrainConfig, repeats: Repeats = PROFILE_REPEATS
) -> list[Part]:
    """Where the time of a training step goes, on one thread.

    Every entry of the backend table is wrapped in a timer. Of the steps taken, the one of median
    duration is shown: its parts and the rest add up to it exactly.

    Returns
    -------
    list of Part
        In the order of PARTS; last what was spent outside of the table's entries.
    """
    spent: dict[str, float] = defaultdict(float)
    taken: list[tuple[float, dict[str, float]]] = []
    backend = timed_backend(backend_of(train), spent)
    with _steps(model, train, 1, backend) as step:

        def profiled() -> None:
            spent.clear()
            started = time.perf_counter()
            step()
            taken.append((time.perf_counter() - started, dict(spent)))

        time_alternating(repeats, profiled)
    counted = sorted(taken[1:], key=lambda pair: pair[0])
    seconds, by_entry = counted[(len(counted) - 1) // 2]
    return parts_of_step(seconds, by_entry, part_flops(model, train))


def timed_backend(backend: Backend, spent: dict[str, float]) -> Backend:
    """`backend` with the seconds of every entry added up in `spent`, by the entry's name."""

    def timed(name: str, entry: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = entry(*arguments)
            spent[name] += time.perf_counter() - started
            return result

        return call

    entries: dict[str, Any] = {}
    for field in dataclasses.fields(backend):
        entry = getattr(backend, field.name)
        if callable(entry):
            entries[field.name] = timed(field.name, entry)
    return dataclasses.replace(backend, **entries)


def parts_of_step(
    seconds: float, by_entry: dict[str, float], flops: dict[str, float]
) -> list[Part]:
    """Group the seconds of the table's entries; `seconds` is the whole step."""
    groups = {name: sum(by_entry.get(e, 0.0) for e in entries) for name, entries in PARTS.items()}
    known = {entry for entries in PARTS.values() for entry in entries}
    other = sum(spent for entry, spent in by_entry.items() if entry not in known)
    if other:
        groups[OTHER] = other
    groups[REST] = seconds - sum(groups.values())
    return [
        Part(
            name,
            1e3 * spent,
            spent / seconds,
            1e-9 * flops[name] / spent if name in flops and spent else None,
        )
        for name, spent in groups.items()
    ]


def part_flops(model: ModelConfig, train: TrainConfig) -> dict[str, float]:
    """FLOP of a step by part; the sum is that of `training_flops_per_token`."""
    tokens = train.tokens_per_step
    head = model.vocab_size * model.hidden_size
    layers = 2 * tokens * (model.matmul_weights - head)
    attention = 2 * tokens * model.num_hidden_layers * train.sequence_length * model.hidden_size
    return {
        "products, forward": layers,
        "products, input gradient": layers,
        "products, weight gradient": layers,
        "head and its gradients": 6 * tokens * head,
        "attention, forward": attention,
        "attention, backward": 2 * attention,
    }


def random_batches(
    model: ModelConfig, train: TrainConfig, count: int
) -> list[tuple[IntArray, IntArray]]:
    """Tokens and targets of shape (B, T), drawn evenly: their values do not change the speed."""
    rng = np.random.default_rng(0)
    shape = (count, 2, train.batch_size, train.sequence_length)
    drawn = rng.integers(model.vocab_size, size=shape, dtype=np.int32)
    return [(tokens, targets) for tokens, targets in drawn]


def backend_of(train: TrainConfig) -> Backend:
    """The table that the settings name."""
    return get_backend(train.backend, matmul=train.matmul)


def _lanes(
    model: ModelConfig, train: TrainConfig, threads: int, backend: Backend, training: bool = True
) -> Lanes:
    return Lanes(
        model,
        time=train.sequence_length,
        micro_batch=train.micro_batch_size,
        lanes=train.gradient_lanes,
        threads=threads,
        backend=backend,
        training=training,
    )


@contextmanager
def _steps(
    model: ModelConfig, train: TrainConfig, threads: int, backend: Backend
) -> Iterator[Callable[[], float]]:
    """A function that takes the next training step and returns its loss, as `train.py` does."""
    weights = Parameters.initial(model, seed=0)
    optimizer = Optimizer(model, train)
    batches = random_batches(model, train, 4)
    taken = 0
    with _lanes(model, train, threads, backend) as lanes:
        lanes.use_weights(weights.views)

        def step() -> float:
            nonlocal taken
            loss = mean_loss(lanes.loss_and_gradient(*batches[taken % len(batches)]))
            taken += 1
            norm = optimizer.gradient_norm(lanes)
            rate = learning_rate(taken, train)
            optimizer.update(weights, lanes, step=taken, learning_rate=rate, norm=norm)
            lanes.use_weights(weights.views)
            return loss

        yield step
