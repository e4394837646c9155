"""Causal grouped-query attention: each position gathers values from itself and the past.

The whole T x T square of every head is written out here, masked, because it is easiest to read;
the Numba twin, kernels/attention.py, never forms it. Derivation: docs/ops/attention.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinyllama_np.ops import FloatArray


class AttentionCache(NamedTuple):
    q: FloatArray  # (B, T, H, E)
    k: FloatArray  # (B, T, K, E)
    v: FloatArray  # (B, T, K, E)
    out: FloatArray  # (B, T, H, E)
    lse: FloatArray  # (B, H, T), log of the softmax's denominator


def attention_forward(
    q: FloatArray, k: FloatArray, v: FloatArray
) -> tuple[FloatArray, AttentionCache]:
    """softmax(q k^T / sqrt(E)) v over the positions s <= t.

    Parameters
    ----------
    q : ndarray of shape (B, T, H, E)
    k, v : ndarray of shape (B, T, K, E)
        K divides H; query head h reads key/value head h // (H / K).

    Returns
    -------
    out : ndarray of shape (B, T, H, E)
    cache : AttentionCache

    Notes
    -----
    Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, equation 1; the grouping of heads:
    Ainslie et al. (2023), https://arxiv.org/abs/2305.13245.
    """
    scores = _masked_scores(q, k)  # (B, K, G, T, T)
    top = scores.max(axis=-1, keepdims=True)
    lse = top + np.log(np.exp(scores - top).sum(axis=-1, keepdims=True))
    probs = np.exp(scores - lse)
    out = np.einsum("bkgts,bske->btkge", probs, v).reshape(q.shape)
    batch, time, heads, _ = q.shape
    return out, AttentionCache(q, k, v, out, lse.reshape(batch, heads, time))


def attention_backward(
    dout: FloatArray, cache: AttentionCache
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Gradients of `attention_forward`: (dq, dk, dv), shaped like q, k, v."""
    q, k, v, out, lse = cache
    batch, time, heads, size = q.shape
    grouped = (batch, time, k.shape[2], heads // k.shape[2], size)  # (B, T, K, G, E)
    dout_grouped, q_grouped = dout.reshape(grouped), q.reshape(grouped)
    # The probabilities are computed again: cheaper than to keep T x T of them a layer.
    scores = _masked_scores(q, k)
    probs = np.exp(scores - lse.reshape(scores.shape[:-1])[..., None])
    # forward: out = probs @ v. The query heads of a group share v and k: their gradients add up.
    dv = np.einsum("bkgts,btkge->bske", probs, dout_grouped)
    dprobs = np.einsum("btkge,bske->bkgts", dout_grouped, v)
    # forward: probs = softmax(scores). sum_s probs dprobs equals sum_e dout out, which is cheaper.
    row_dot = np.einsum("btkge,btkge->bkgt", dout_grouped, out.reshape(grouped))
    dscores = probs * (dprobs - row_dot[..., None])  # 0 where masked, as probs is
    # forward: scores = q @ k^T / sqrt(E)
    dscores *= 1 / q.dtype.type(np.sqrt(size))
    dq = np.einsum("bkgts,bske->btkge", dscores, k).reshape(q.shape)
    dk = np.einsum("bkgts,btkge->bske", dscores, q_grouped)
    return dq, dk, dv


def _masked_scores(q: FloatArray, k: FloatArray) -> FloatArray:
    """q k^T / sqrt(E), -inf above the diagonal; shape (B, K, G, T, T) with G = H / K."""
    batch, time, heads, size = q.shape
    q_grouped = q.reshape(batch, time, k.shape[2], heads // k.shape[2], size)
    scores = np.einsum("btkge,bske->bkgts", q_grouped, k) * (1 / q.dtype.type(np.sqrt(size)))
    future = np.triu(np.ones((time, time), dtype=bool), k=1)  # s > t
    scores[..., future] = -np.inf
    return np.asarray(scores)
