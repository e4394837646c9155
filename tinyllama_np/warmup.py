"""Compile every kernel before work begins, in one process instead of in all workers at once.

That takes half a minute or so, once for a version of the kernels on a processor; afterwards a
process loads them from the disk, in less than a second (`kernels_are_compiled`).
"""

from __future__ import annotations

import time

import numpy as np

from tinyllama_np.backend import (
    get_backend,
    kernels_are_compiled,
    remember_kernels_are_compiled,
)
from tinyllama_np.config import MATMULS, ModelConfig, TrainConfig
from tinyllama_np.lanes import Lanes
from tinyllama_np.optimizer import Optimizer
from tinyllama_np.parameters import Parameters

__all__ = ["COMPILING", "compile_kernels", "kernels_are_compiled"]

# What a command says before it waits for `compile_kernels`.
COMPILING = "compiling the kernels for this processor (once, up to a minute)"


def compile_kernels(backend: str = "numba") -> float:
    """Take one tiny step, which compiles every kernel or loads it from the disk.

    Returns
    -------
    float
        Seconds.
    """
    started = time.perf_counter()
    config = ModelConfig(
        vocab_size=8,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=4,
    )
    train = TrainConfig(batch_size=2, sequence_length=4, budget_tokens=160)
    weights = Parameters.initial(config, seed=0)
    optimizer = Optimizer(config, train)
    tokens = np.zeros((2, 4), dtype=np.int32)
    for matmul in MATMULS if backend == "numba" else MATMULS[:1]:
        table = get_backend(backend, matmul=matmul)
        with Lanes(config, time=4, micro_batch=1, lanes=2, threads=1, backend=table) as lanes:
            for _ in range(2):  # the second time takes the path that reuses packed weights
                lanes.use_weights(weights.views)
                lanes.loss_and_gradient(tokens, tokens)
                norm = optimizer.gradient_norm(lanes)
                optimizer.update(weights, lanes, step=1, learning_rate=0.0, norm=norm)
            lanes.losses(tokens, tokens)
            lanes.logits(tokens)
    if backend == "numba":
        remember_kernels_are_compiled()
    return time.perf_counter() - started
