"""Every buffer that one micro-batch needs on its way through the model, allocated once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyllama_np.config import ModelConfig
from tinyllama_np.ops import FloatArray
from tinyllama_np.ops.rope import rope_tables

# Tokens whose logits exist at the same time: all logits of a large vocabulary would be the largest
# array of all by far. As many as the kernels take at once.
HEAD_TOKENS = 140


@dataclass(frozen=True)
class LayerBuffers:
    """What a layer's forward pass leaves for its backward pass."""

    x: FloatArray  # (N, D), the residual stream as it comes in
    x_normed: FloatArray  # (N, D)
    x_rstd: FloatArray  # (N,)
    q: FloatArray  # (N, H E), rotated by the attention
    k: FloatArray  # (N, K E), rotated by the attention
    v: FloatArray  # (N, K E)
    attn_out: FloatArray  # (N, H E)
    lse: FloatArray  # (b, H, T)
    mid: FloatArray  # (N, D), the residual stream after the attention
    mid_normed: FloatArray  # (N, D)
    mid_rstd: FloatArray  # (N,)
    gate: FloatArray  # (N, F)
    up: FloatArray  # (N, F)
    hidden: FloatArray  # (N, F)


@dataclass(frozen=True)
class Workspace:
    """The buffers of a micro-batch of b sequences of T tokens, N = b T.

    Gradients of activations are scratch, shared by all layers.
    """

    batch: int
    time: int
    cos: FloatArray  # (T, E/2)
    sin: FloatArray  # (T, E/2)
    layers: tuple[LayerBuffers, ...]
    x_final: FloatArray  # (N, D)
    final_normed: FloatArray  # (N, D)
    final_rstd: FloatArray  # (N,)
    logits: FloatArray  # (min(N, HEAD_TOKENS), V)
    losses: FloatArray  # (N,)
    dx: FloatArray  # (N, D), gradient of the residual stream
    dnormed: FloatArray  # (N, D)
    dattn_out: FloatArray  # (N, H E)
    dq: FloatArray  # (N, H E)
    dk: FloatArray  # (N, K E)
    dv: FloatArray  # (N, K E)
    dhidden: FloatArray  # (N, F)
    dgate: FloatArray  # (N, F)
    dup: FloatArray  # (N, F)

    @classmethod
    def allocate(
        cls, config: ModelConfig, batch: int, time: int, dtype: np.dtype[Any] | type[Any]
    ) -> Workspace:
        """Buffers for `batch` sequences of `time` tokens in the model `config`."""
        n, d, f, kv = batch * time, config.hidden_size, config.intermediate_size, config.kv_size
        layer = {
            "x": (n, d),
            "x_normed": (n, d),
            "x_rstd": (n,),
            "q": (n, d),
            "k": (n, kv),
            "v": (n, kv),
            "attn_out": (n, d),
            "lse": (batch, config.num_attention_heads, time),
            "mid": (n, d),
            "mid_normed": (n, d),
            "mid_rstd": (n,),
            "gate": (n, f),
            "up": (n, f),
            "hidden": (n, f),
        }
        shared = {
            "x_final": (n, d),
            "final_normed": (n, d),
            "final_rstd": (n,),
            "logits": (min(n, HEAD_TOKENS), config.vocab_size),
            "losses": (n,),
            "dx": (n, d),
            "dnormed": (n, d),
            "dattn_out": (n, d),
            "dq": (n, d),
            "dk": (n, kv),
            "dv": (n, kv),
            "dhidden": (n, f),
            "dgate": (n, f),
            "dup": (n, f),
        }
        *of_layers, of_all = _allocate([*[layer] * config.num_hidden_layers, shared], dtype)
        cos, sin = rope_tables(time, config.head_size, config.rope_theta, dtype)
        layers = tuple(LayerBuffers(**buffers) for buffers in of_layers)
        return cls(batch=batch, time=time, cos=cos, sin=sin, layers=layers, **of_all)

    def heads(self, flat: FloatArray, heads: int) -> FloatArray:
        """(N, heads E) seen as (b, T, heads, E)."""
        return flat.reshape(self.batch, self.time, heads, -1)


def _allocate(
    groups: Sequence[Mapping[str, tuple[int, ...]]], dtype: np.dtype[Any] | type[Any]
) -> list[dict[str, FloatArray]]:
    """Arrays of the given shapes, side by side in one piece of memory.

    In one piece, since the operating system serves large ones with large pages: of small pages the
    products touch more than the processor can translate quickly, and their places in the cache are
    a matter of luck (docs/performance.md has what was measured).
    """
    line = 64 // np.dtype(dtype).itemsize
    sizes = [[-(-math.prod(shape) // line) * line for shape in group.values()] for group in groups]
    memory: FloatArray = np.empty(sum(map(sum, sizes)) + line, dtype=dtype)
    position = -(memory.ctypes.data // memory.itemsize) % line  # the next cache line
    arrays = []
    for group, group_sizes in zip(groups, sizes, strict=True):
        views = {}
        for (name, shape), size in zip(group.items(), group_sizes, strict=True):
            views[name] = memory[position : position + math.prod(shape)].reshape(shape)
            position += size
        arrays.append(views)
    return arrays
