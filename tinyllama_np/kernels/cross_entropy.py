"""Cross-entropy, and the head of the model fused with it (twin of ops/cross_entropy.py).

Shapes: N tokens, D hidden size, V vocabulary. Losses are -log p[target], in nats.
"""

import numpy as np

from .linear import linear, linear_backward_input, linear_backward_weight
from .simd import ZERO, exp, kernel, largest


@kernel
def cross_entropy(logits, targets, losses):
    """Losses (N,) <- logits (N, V) and targets (N,)."""
    for i in range(targets.size):
        row = logits[i]
        peak = largest(row, row.size)
        total = ZERO
        for j in range(row.size):
            total += exp(row[j] - peak)
        losses[i] = peak + np.log(total) - row[targets[i]]


@kernel
def softmax_cross_entropy(logits, targets, dloss_scale, losses):
    """Losses (N,) <-; logits (N, V) <- dloss_scale * (softmax(logits) - onehot(targets))."""
    for i in range(targets.size):
        row = logits[i]
        peak = largest(row, row.size)
        target_logit = row[targets[i]]
        total = ZERO
        for j in range(row.size):
            weight = exp(row[j] - peak)
            row[j] = weight
            total += weight
        losses[i] = peak + np.log(total) - target_logit
        factor = dloss_scale / total
        for j in range(row.size):
            row[j] *= factor
        row[targets[i]] -= dloss_scale


@kernel
def head_losses(x, weight, targets, logits, losses):
    """Losses (N,) <- x (N, D) and the head's prepared weight (V, D); logits (N, V) <-."""
    linear(x, weight, logits, False)
    cross_entropy(logits, targets, losses)


@kernel
def head_loss(x, weight, targets, dloss_scale, logits, losses, dx, dweight):
    """Losses and dx <-, dweight +=: forward and backward pass of the head.

    `dloss_scale` is the gradient of the total with respect to each token's loss; `logits` is
    scratch, and left as dlogits.
    """
    linear(x, weight, logits, False)
    softmax_cross_entropy(logits, targets, dloss_scale, losses)
    linear_backward_input(logits, weight, dx, False)
    linear_backward_weight(logits, x, dweight)
