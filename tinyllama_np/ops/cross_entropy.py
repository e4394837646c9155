"""Cross-entropy: how surprised the model is by each next token, in nats.

Derivation: docs/ops/cross_entropy.md. Numba twin: kernels/cross_entropy.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tinyllama_np.ops import FloatArray, IntArray


class CrossEntropyCache(NamedTuple):
    probs: FloatArray  # (N, V)
    targets: IntArray  # (N,)


def cross_entropy_forward(
    logits: FloatArray, targets: IntArray
) -> tuple[FloatArray, CrossEntropyCache]:
    """-log softmax(logits)[target] of every token.

    Parameters
    ----------
    logits : ndarray of shape (N, V)
    targets : ndarray of int, shape (N,)

    Returns
    -------
    losses : ndarray of shape (N,)
        In nats; their mean is the training loss.
    cache : CrossEntropyCache
    """
    rows = np.arange(len(targets))
    shifted = logits - logits.max(axis=-1, keepdims=True)  # the largest exponent becomes 0
    exps = np.exp(shifted)
    total = exps.sum(axis=-1, keepdims=True)
    losses: FloatArray = np.log(total[:, 0]) - shifted[rows, targets]
    return losses, CrossEntropyCache(exps / total, targets)


def cross_entropy_backward(dlosses: FloatArray, cache: CrossEntropyCache) -> FloatArray:
    """Gradient of `cross_entropy_forward` with respect to the logits, shape (N, V).

    `dlosses` of shape (N,) is 1/N for the gradient of the mean loss.
    """
    probs, targets = cache
    # forward: loss = log sum exp(logits) - logits[target]; the gradient is probs - onehot
    dlogits: FloatArray = probs.copy()
    dlogits[np.arange(len(targets)), targets] -= 1
    dlogits *= dlosses[:, None]
    return dlogits
