"""Every buffer that one micro-batch needs on its way through the model, allocated once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyllama_np.config import ModelConfig
from tinyllama_np.ops import FloatArray
from tinyllama_np.ops.rope import rope_tables


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
    logits: FloatArray  # (N, V)
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

        def new(*shape: int) -> FloatArray:
            return np.empty(shape, dtype=dtype)

        layers = tuple(
            LayerBuffers(
                x=new(n, d),
                x_normed=new(n, d),
                x_rstd=new(n),
                q=new(n, d),
                k=new(n, kv),
                v=new(n, kv),
                attn_out=new(n, d),
                lse=new(batch, config.num_attention_heads, time),
                mid=new(n, d),
                mid_normed=new(n, d),
                mid_rstd=new(n),
                gate=new(n, f),
                up=new(n, f),
                hidden=new(n, f),
            )
            for _ in range(config.num_hidden_layers)
        )
        cos, sin = rope_tables(time, config.head_size, config.rope_theta, dtype)
        return cls(
            batch=batch,
            time=time,
            cos=cos,
            sin=sin,
            layers=layers,
            x_final=new(n, d),
            final_normed=new(n, d),
            final_rstd=new(n),
            logits=new(n, config.vocab_size),
            losses=new(n),
            dx=new(n, d),
            dnormed=new(n, d),
            dattn_out=new(n, d),
            dq=new(n, d),
            dk=new(n, kv),
            dv=new(n, kv),
            dhidden=new(n, f),
            dgate=new(n, f),
            dup=new(n, f),
        )

    def heads(self, flat: FloatArray, heads: int) -> FloatArray:
        """(N, heads E) seen as (b, T, heads, E)."""
        return flat.reshape(self.batch, self.time, heads, -1)
