"""Token embedding: look up one row of a table for each token.

Derivation: docs/ops/embedding.md. Numba twin: kernels/embedding.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinyllama_np.ops import FloatArray, IntArray


class EmbeddingCache(NamedTuple):
    tokens: IntArray  # (N,)
    vocab_size: int


def embedding_forward(tokens: IntArray, weight: FloatArray) -> tuple[FloatArray, EmbeddingCache]:
    """The rows of `weight` that `tokens` name.

    Parameters
    ----------
    tokens : ndarray of int, shape (N,)
        Values in 0..V-1.
    weight : ndarray of shape (V, D)

    Returns
    -------
    out : ndarray of shape (N, D)
    cache : EmbeddingCache
    """
    return weight[tokens], EmbeddingCache(tokens, len(weight))


def embedding_backward(dout: FloatArray, cache: EmbeddingCache) -> FloatArray:
    """Gradient of `embedding_forward` with respect to the table: dweight of shape (V, D)."""
    tokens, vocab_size = cache
    # forward: out[n] = weight[tokens[n]]. A row used twice receives both gradients:
    # dweight[tokens] += dout would keep only the last.
    dweight = np.zeros((vocab_size, dout.shape[1]), dtype=dout.dtype)
    np.add.at(dweight, tokens, dout)
    return dweight
