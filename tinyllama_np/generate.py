"""Continue a text token by token, keeping the keys and values of what was read (KV cache).

One token at a time leaves nothing for the kernels to block, so this works with `ops` directly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinyllama_np.config import ModelConfig
from tinyllama_np.ops import FloatArray
from tinyllama_np.ops.linear import linear_forward
from tinyllama_np.ops.rmsnorm import rmsnorm_forward
from tinyllama_np.ops.rope import rope_forward, rope_tables
from tinyllama_np.ops.swiglu import swiglu_forward
from tinyllama_np.parameters import LayerTensors, ModelTensors, arrange, check_params


class KVCache(NamedTuple):
    """Keys (rotated) and values of the positions read so far, for all layers."""

    keys: FloatArray  # (L, T_max, K, E)
    values: FloatArray  # (L, T_max, K, E)


def generate(
    params: Mapping[str, FloatArray],
    prompt_tokens: Sequence[int],
    config: ModelConfig,
    max_new_tokens: int = 100,
    temperature: float = 0.0,
    *,
    stop_token: int | None = None,
    rng: np.random.Generator | None = None,
) -> list[int]:
    """Continue `prompt_tokens`.

    Parameters
    ----------
    params : mapping of str to ndarray
        Weights under Hugging Face's names, all of one float dtype.
    prompt_tokens : sequence of int
        At least one token.
    config : ModelConfig
    max_new_tokens : int
        Prompt and new tokens together fit into `config.max_position_embeddings`.
    temperature : float
        0 takes the likeliest token; otherwise logits are divided by it and a token is drawn.
    stop_token : int, optional
        Generation ends after this token, which is the last one returned.
    rng : numpy.random.Generator, optional
        For drawing; a new one of seed 0 if not given.

    Returns
    -------
    list of int
        The new tokens only.

    Raises
    ------
    ValueError
        If weights do not fit the configuration, a token is outside the vocabulary, the prompt is
        empty or the text would not fit into the context.
    """
    dtype = check_params(params, config)
    prompt = [int(token) for token in prompt_tokens]
    _check_request(prompt, config, max_new_tokens, temperature)
    rng = rng if rng is not None else np.random.default_rng(0)
    weights = arrange(params, config)
    shape = (
        config.num_hidden_layers,
        len(prompt) + max_new_tokens,
        config.num_key_value_heads,
        config.head_size,
    )
    cache = KVCache(np.empty(shape, dtype), np.empty(shape, dtype))

    new: list[int] = []
    logits = _next_logits(np.array(prompt), 0, weights, config, cache)
    while len(new) < max_new_tokens:
        token = _choose(logits, temperature, rng)
        new.append(token)
        if token == stop_token or len(new) == max_new_tokens:
            break
        logits = _next_logits(np.array([token]), len(prompt) + len(new) - 1, weights, config, cache)
    return new


def _check_request(
    prompt: list[int], config: ModelConfig, max_new_tokens: int, temperature: float
) -> None:
    if not prompt:
        raise ValueError("prompt_tokens must hold at least one token; begin with <|endoftext|>")
    for token in prompt:
        if not 0 <= token < config.vocab_size:
            raise ValueError(
                f"prompt_tokens holds the id {token}; vocab_size={config.vocab_size} allows 0 to "
                f"{config.vocab_size - 1}"
            )
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens={max_new_tokens} must not be negative")
    if not temperature >= 0:
        raise ValueError(f"temperature={temperature} must be 0 (greedy) or positive")
    if len(prompt) + max_new_tokens > config.max_position_embeddings:
        raise ValueError(
            f"{len(prompt)} prompt tokens and max_new_tokens={max_new_tokens} exceed "
            f"max_position_embeddings={config.max_position_embeddings}; ask for fewer"
        )


def _choose(logits: FloatArray, temperature: float, rng: np.random.Generator) -> int:
    if temperature == 0:
        return int(logits.argmax())
    scaled = logits.astype(np.float64) / temperature
    cumulative = np.exp(scaled - scaled.max()).cumsum()
    return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))


def _next_logits(
    tokens: np.ndarray[Any, Any],
    start: int,
    weights: ModelTensors,
    config: ModelConfig,
    cache: KVCache,
) -> FloatArray:
    """Read `tokens` at positions start, start + 1, ...; scores of what follows, shape (V,)."""
    x: FloatArray = weights.embed_tokens[tokens]  # (N, D)
    eps = config.rms_norm_eps
    for number, layer in enumerate(weights.layers):
        normed, _ = rmsnorm_forward(x, layer.input_layernorm, eps)
        x = x + _attend(normed, start, layer, config, cache.keys[number], cache.values[number])
        normed, _ = rmsnorm_forward(x, layer.post_attention_layernorm, eps)
        gate, _ = linear_forward(normed, layer.gate_proj)
        up, _ = linear_forward(normed, layer.up_proj)
        hidden, _ = swiglu_forward(gate, up)
        x = x + linear_forward(hidden, layer.down_proj)[0]
    last, _ = rmsnorm_forward(x[-1:], weights.norm, eps)
    logits, _ = linear_forward(last, weights.head)
    return logits.reshape(-1)


def _attend(
    x: FloatArray,
    start: int,
    layer: LayerTensors,
    config: ModelConfig,
    keys: FloatArray,
    values: FloatArray,
) -> FloatArray:
    """Attention of the new positions to all positions up to their own; (N, D)."""
    n, end, size = len(x), start + len(x), config.head_size
    heads, kv_heads = config.num_attention_heads, config.num_key_value_heads
    cos, sin = rope_tables(n, size, config.rope_theta, x.dtype, start)

    def project(weight: FloatArray, count: int) -> FloatArray:
        return linear_forward(x, weight)[0].reshape(1, n, count, size)

    q, _ = rope_forward(project(layer.q_proj, heads), cos, sin)
    keys[start:end] = rope_forward(project(layer.k_proj, kv_heads), cos, sin)[0][0]
    values[start:end] = project(layer.v_proj, kv_heads)[0]
    q_grouped = q.reshape(n, kv_heads, heads // kv_heads, size)
    scores = np.einsum("tkge,ske->kgts", q_grouped, keys[:end]) / x.dtype.type(np.sqrt(size))
    positions = np.arange(start, end)
    scores[..., positions[:, None] < np.arange(end)] = -np.inf  # the future
    probs = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probs /= probs.sum(axis=-1, keepdims=True)
    out = np.einsum("kgts,ske->tkge", probs, values[:end]).reshape(n, heads * size)
    return linear_forward(out, layer.o_proj)[0]
