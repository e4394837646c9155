"""Rotary position embedding: turn each pair of a head's coordinates by an angle ~ position.

Coordinate j is paired with j + E/2 ("rotate half", the layout of Hugging Face files).
Derivation: docs/ops/rope.md. Numba twin: inside kernels/attention.py.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from tinyllama_np.ops import FloatArray


class RopeCache(NamedTuple):
    cos: FloatArray  # (T, E/2)
    sin: FloatArray  # (T, E/2)


def rope_tables(
    sequence_length: int, head_size: int, theta: float, dtype: DTypeLike, start: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Cosines and sines of the angles, each of shape (T, E/2).

    Pair j turns by position * theta^(-2j/E). The angles are computed in float64 whatever the
    dtype: in float32 the angle of position 1000 would already be wrong in the fifth decimal.

    Notes
    -----
    Su et al. (2021), https://arxiv.org/abs/2104.09864, section 3.2.2.
    """
    frequencies = theta ** (-np.arange(0, head_size, 2, dtype=np.float64) / head_size)
    angles = np.outer(np.arange(start, start + sequence_length), frequencies)
    return np.cos(angles).astype(dtype), np.sin(angles).astype(dtype)


def rope_forward(x: FloatArray, cos: FloatArray, sin: FloatArray) -> tuple[FloatArray, RopeCache]:
    """Rotate every head at every position.

    Parameters
    ----------
    x : ndarray of shape (B, T, heads, E)
    cos, sin : ndarray of shape (T, E/2)

    Returns
    -------
    out : ndarray of shape (B, T, heads, E)
    cache : RopeCache
    """
    return _rotate(x, cos, sin), RopeCache(cos, sin)


def rope_backward(dout: FloatArray, cache: RopeCache) -> FloatArray:
    """Gradient of `rope_forward` with respect to x.

    A rotation's transpose is its inverse: turn the gradient back by the same angle.
    """
    cos, sin = cache
    return _rotate(dout, cos, -sin)


def _rotate(x: FloatArray, cos: FloatArray, sin: FloatArray) -> np.ndarray[Any, Any]:
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    cos, sin = cos[:, None, :], sin[:, None, :]  # the same for all heads
    return np.concatenate((first * cos - second * sin, second * cos + first * sin), axis=-1)
