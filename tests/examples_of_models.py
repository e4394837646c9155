"""Small models with random weights, and their gradients through the lanes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinyllama_np import ModelConfig, gradient_errors
from tinyllama_np.backend import NUMPY, Backend
from tinyllama_np.lanes import Lanes, mean_loss
from tinyllama_np.parameters import Parameters, parameter_shapes


def model_config(**changes) -> ModelConfig:
    """Two layers, grouped-query, tied; the sizes differ from each other, K and L aside."""
    sizes = {
        "vocab_size": 13,
        "hidden_size": 24,
        "intermediate_size": 10,
        "num_hidden_layers": 2,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "max_position_embeddings": 16,
        "rms_norm_eps": 1e-3,
        "rope_theta": 100.0,
    }
    return ModelConfig(**{**sizes, **changes})


def random_params(
    config: ModelConfig, dtype=np.float64, seed: int = 0, std: float = 0.3
) -> dict[str, np.ndarray]:
    """Weights large enough that every part of the model matters, gains not 1; no flat buffer."""
    rng = np.random.default_rng(seed)
    return {
        name: ((len(shape) == 1) + std * rng.standard_normal(shape)).astype(dtype)
        for name, shape in parameter_shapes(config).items()
    }


def random_batch(config: ModelConfig, batch: int, time: int, seed: int = 1):
    """Tokens and targets of shape (B, T)."""
    rng = np.random.default_rng(seed)
    return rng.integers(config.vocab_size, size=(2, batch, time), dtype=np.int32)


def lanes_for(
    config: ModelConfig,
    time: int,
    *,
    backend: Backend = NUMPY,
    dtype=np.float64,
    micro_batch: int = 2,
    lanes: int = 3,
    threads: int = 1,
) -> Lanes:
    """By default micro-batches and lanes that do not divide the batches of the tests."""
    return Lanes(
        config,
        time=time,
        micro_batch=micro_batch,
        lanes=lanes,
        threads=threads,
        backend=backend,
        dtype=dtype,
    )


def gradients(
    lanes: Lanes, params: Mapping[str, np.ndarray], tokens: np.ndarray, targets: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    """Mean loss and a copy of its gradients."""
    lanes.use_weights(params)
    losses = lanes.loss_and_gradient(tokens, targets)
    return mean_loss(losses), {n: g.copy() for n, g in lanes.gradient.views.items()}


def model_errors(
    config: ModelConfig,
    *,
    backend: Backend = NUMPY,
    batch: int = 7,
    time: int = 5,
    micro_batch: int = 2,
    lanes: int = 3,
    max_elements: int | None = 12,
) -> dict[str, float]:
    """Relative error of every parameter's gradient against central differences.

    Seven sequences in micro-batches of 2 are four micro-batches, the last one short, over three
    lanes: the first lane accumulates over two.
    """
    params = Parameters.zeros(config, np.float64).views
    for name, array in random_params(config).items():
        params[name][...] = array
    tokens, targets = random_batch(config, batch, time)
    with lanes_for(
        config, time, backend=backend, micro_batch=micro_batch, lanes=lanes
    ) as all_lanes:
        _, grads = gradients(all_lanes, params, tokens, targets)

    with lanes_for(config, time, backend=backend, micro_batch=batch, lanes=1) as one_lane:
        one_lane.use_weights(params)
        return gradient_errors(
            lambda: mean_loss(one_lane.losses(tokens, targets)),
            params,
            grads,
            max_elements=max_elements,
            rng=np.random.default_rng(2),
        )


def relative_error(actual: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference, relative to the largest entry."""
    return float(np.abs(actual - wanted).max() / np.abs(wanted).max())
