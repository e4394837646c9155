"""Twin of ops/rmsnorm.py. Shapes: N tokens, D hidden size."""

import numpy as np

from .simd import ONE, ZERO, kernel


@kernel
def rmsnorm(x, weight, eps, out, rstd):
    """Out, rstd <- x (N, D): out = x * rstd * weight, rstd = 1 / sqrt(mean(x^2) + eps)."""
    n_tokens, d = x.shape
    inverse_d = ONE / np.float32(d)
    for i in range(n_tokens):
        x_row = x[i]
        out_row = out[i]
        squares = ZERO
        for j in range(d):
            squares += x_row[j] * x_row[j]
        rstd_i = ONE / np.sqrt(squares * inverse_d + np.float32(eps))
        rstd[i] = rstd_i
        for j in range(d):
            out_row[j] = x_row[j] * rstd_i * weight[j]


@kernel
def rmsnorm_backward(dout, x, weight, rstd, dx, dweight):
    """Dx +=, dweight +=. With x_normed = x rstd and dx_normed = dout weight:

    dx = rstd (dx_normed - x_normed mean(dx_normed x_normed)).
    """
    n_tokens, d = x.shape
    inverse_d = ONE / np.float32(d)
    for i in range(n_tokens):
        dout_row = dout[i]
        x_row = x[i]
        dx_row = dx[i]
        rstd_i = rstd[i]
        along = ZERO
        for j in range(d):
            along_j = dout_row[j] * x_row[j]
            along += along_j * weight[j]
            dweight[j] += along_j * rstd_i
        # mean(dx_normed x_normed) rstd, times the rstd of x_normed
        shrink = along * inverse_d * rstd_i * rstd_i * rstd_i
        for j in range(d):
            dx_row[j] += rstd_i * dout_row[j] * weight[j] - shrink * x_row[j]
