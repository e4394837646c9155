"""SwiGLU: an input multiplied by a smooth gate, silu(gate) * up.

Derivation: docs/ops/swiglu.md. Numba twin: kernels/swiglu.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinyllama_np.ops import FloatArray


class SwiGLUCache(NamedTuple):
    gate: FloatArray  # (N, F)
    up: FloatArray  # (N, F)


def swiglu_forward(gate: FloatArray, up: FloatArray) -> tuple[FloatArray, SwiGLUCache]:
    """silu(gate) * up, with silu(x) = x * sigmoid(x).

    Parameters
    ----------
    gate, up : ndarray of shape (N, F)

    Returns
    -------
    out : ndarray of shape (N, F)
    cache : SwiGLUCache

    Notes
    -----
    Shazeer (2020), https://arxiv.org/abs/2002.05202, equation 6, without biases.
    """
    return gate * _sigmoid(gate) * up, SwiGLUCache(gate, up)


def swiglu_backward(dout: FloatArray, cache: SwiGLUCache) -> tuple[FloatArray, FloatArray]:
    """Gradients of `swiglu_forward`: (dgate, dup), each of shape (N, F)."""
    gate, up = cache
    sigmoid = _sigmoid(gate)
    # forward: out = silu(gate) * up
    dup = dout * gate * sigmoid
    # forward: silu(gate) = gate * sigmoid(gate), and sigmoid' = sigmoid (1 - sigmoid)
    dgate = dout * up * sigmoid * (1 + gate * (1 - sigmoid))
    return dgate, dup


def _sigmoid(x: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)) without overflow: exp is taken of -|x| only."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)))
