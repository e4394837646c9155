"""AdamW (twin of ops/adamw.py) and sums over flat buffers."""

import numpy as np

from .simd import ONE, kernel

# Terms of one partial sum of `sum_of_squares`; fixed, so that the order of the sum is.
CHUNK = 4096


@kernel
def adamw(
    weight, grad, m, v, learning_rate, beta1, beta2, epsilon, weight_decay,
    bias_correction1, bias_correction2, grad_scale,
):  # fmt: skip
    """Weight, m, v (n,): one step in place, decoupled decay first.

    bias_correction = 1 - beta^t, float32 like all scalars. Loshchilov & Hutter (2019),
    https://arxiv.org/abs/1711.05101, algorithm 2, with the decay scaled by the rate as in PyTorch.
    """
    keep = ONE - learning_rate * weight_decay
    step_size = learning_rate / bias_correction1
    inverse_root2 = ONE / np.sqrt(bias_correction2)
    rest1 = ONE - beta1
    rest2 = ONE - beta2
    for i in range(weight.size):
        g = grad[i] * grad_scale
        m_i = beta1 * m[i] + rest1 * g
        v_i = beta2 * v[i] + rest2 * g * g
        m[i] = m_i
        v[i] = v_i
        root = np.sqrt(v_i) * inverse_root2  # sqrt(v / bias_correction2)
        weight[i] = weight[i] * keep - step_size * m_i / (root + epsilon)


@kernel
def sum_of_squares(x):
    """Sum of x^2 in float64, over chunks in order."""
    total = 0.0
    for first in range(0, x.size, CHUNK):
        chunk = x[first : first + CHUNK]
        part = 0.0
        for i in range(chunk.size):
            x_i = np.float64(chunk[i])
            part += x_i * x_i
        total += part
    return total


@kernel
def accumulate(total, part):
    """Total (n,) += part (n,)."""
    for i in range(total.size):
        total[i] += part[i]
