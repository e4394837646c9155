"""AdamW: a step of the size of the learning rate in every coordinate, and a decay of its own.

Derivation: docs/ops/adamw.md. Numba twin: kernels/adamw.py.
"""

from __future__ import annotations

from tinyllama_np.ops import FloatArray


def adamw_step(
    weight: FloatArray,
    grad: FloatArray,
    m: FloatArray,
    v: FloatArray,
    *,
    step: int,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """One update; returns the new (weight, m, v), all shaped like `weight`.

    Parameters
    ----------
    weight, grad, m, v : ndarray, all of one shape
        m and v are the running means of the gradient and of its square.
    step : int
        1 for the first update.

    Notes
    -----
    Loshchilov & Hutter (2019), https://arxiv.org/abs/1711.05101, algorithm 2, with the decay
    multiplied by the learning rate as in PyTorch.
    """
    scalar = weight.dtype.type
    m = scalar(beta1) * m + scalar(1 - beta1) * grad
    v = scalar(beta2) * v + scalar(1 - beta2) * grad * grad
    # Both means began at 0; dividing by the weights that they have collected so far corrects that.
    m_hat = m * scalar(1 / (1 - beta1**step))
    v_hat = v * scalar(1 / (1 - beta2**step))
    decayed = weight * scalar(1 - learning_rate * weight_decay)
    weight = decayed - scalar(learning_rate) * m_hat / (v_hat**0.5 + scalar(epsilon))
    return weight, m, v
