"""RMSNorm: scale each token's vector to root mean square 1, then apply a gain.

Derivation: docs/ops/rmsnorm.md. Numba twin: kernels/rmsnorm.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinyllama_np.ops import FloatArray


class RMSNormCache(NamedTuple):
    x: FloatArray  # (N, D)
    rstd: FloatArray  # (N, 1), 1 / sqrt(mean square + eps)
    weight: FloatArray  # (D,)


def rmsnorm_forward(
    x: FloatArray, weight: FloatArray, eps: float
) -> tuple[FloatArray, RMSNormCache]:
    """Normalise over the last axis.

    Parameters
    ----------
    x : ndarray of shape (N, D)
    weight : ndarray of shape (D,)
    eps : float
        Added to the mean square, so that a zero vector stays zero.

    Returns
    -------
    out : ndarray of shape (N, D)
    cache : RMSNormCache

    Notes
    -----
    Zhang & Sennrich (2019), https://arxiv.org/abs/1910.07467, equation 4.
    """
    rstd = 1 / np.sqrt((x * x).mean(axis=-1, keepdims=True) + x.dtype.type(eps))
    return x * rstd * weight, RMSNormCache(x, rstd, weight)


def rmsnorm_backward(dout: FloatArray, cache: RMSNormCache) -> tuple[FloatArray, FloatArray]:
    """Gradients of `rmsnorm_forward`: dx of shape (N, D), dweight of shape (D,)."""
    x, rstd, weight = cache
    x_normed = x * rstd
    # forward: out = x_normed * weight
    dweight = (dout * x_normed).sum(axis=0)
    dx_normed = dout * weight
    # forward: x_normed = x * rstd(x). A longer x changes nothing in x_normed: what rstd passes on
    # takes away the component of dx_normed along x_normed.
    along = (dx_normed * x_normed).mean(axis=-1, keepdims=True)
    dx = rstd * (dx_normed - x_normed * along)
    return dx, dweight
