"""Linear layer without bias: every output is a weighted sum of the inputs.

Derivation: docs/ops/linear.md. Numba twin: kernels/linear.py.
"""

from __future__ import annotations

from typing import NamedTuple

from tinyllama_np.ops import FloatArray


class LinearCache(NamedTuple):
    x: FloatArray  # (N, I)
    weight: FloatArray  # (O, I)


def linear_forward(x: FloatArray, weight: FloatArray) -> tuple[FloatArray, LinearCache]:
    """Apply `weight` to every token.

    Parameters
    ----------
    x : ndarray of shape (N, I)
    weight : ndarray of shape (O, I)
        One row an output feature, as in PyTorch and Hugging Face files.

    Returns
    -------
    out : ndarray of shape (N, O)
    cache : LinearCache
    """
    return x @ weight.T, LinearCache(x, weight)


def linear_backward(dout: FloatArray, cache: LinearCache) -> tuple[FloatArray, FloatArray]:
    """Gradients of `linear_forward`: dx of shape (N, I), dweight of shape (O, I)."""
    x, weight = cache
    # forward: out = x @ weight.T
    dx = dout @ weight
    dweight = dout.T @ x  # the sum over tokens is inside the product
    return dx, dweight
