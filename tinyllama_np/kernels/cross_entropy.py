"""The model's head: logits, cross-entropy and its gradients (twin of ops/cross_entropy.py).

All logits of a micro-batch (N x V floats: 4 MB in the paper's model) are too many for the cache,
and each pass over them costs as much as a small product. So they are made in pieces of a block
(some 100 tokens x BLOCK_K entries of the vocabulary), which is used up while it is in the cache:

    forward     for each block: logits = x W^T; raise the row's maximum m, bring its sum up,
                and leave exp(logit - m) in a buffer                           (running softmax)
    loss        m + log(sum) - logit of the target
    backward    for each block: dlogits = dloss (exp(logit - m) exp(m - lse) - onehot), then at once
                dx += dlogits W  and, with the same block read by columns,  dW += dlogits^T x

So the buffer is written once and read once, and dlogits never leave the cache.

Shapes: N tokens, D hidden size, V vocabulary. Losses are -log p[target], in nats.
"""

import numpy as np

from .linear import BLOCK_ROWS, block_size, multiply_panels
from .packing import aligned_floats, copy_blocks, n_panels, new_block, new_blocks, pack
from .simd import MINUS_INFINITY, ZERO, exp, kernel, largest, part
from .tile import BLOCK_K, BLOCK_STRIDE, TILE_COLUMNS, TILE_ROWS, multiply_panel


@kernel
def _logits(x_blocks, n_rows, d, panels, first, n, block):
    """Block (n_rows, n) <- logits of the vocabulary's entries from `first` on."""
    for p in range(n_panels(n)):
        panel = (first + p * TILE_COLUMNS) * d
        for i in range(x_blocks.shape[0]):
            n_k = min(BLOCK_K, d - i * BLOCK_K)
            multiply_panel(
                x_blocks[i], 0, False, n_rows, panels, panel + i * BLOCK_K * TILE_COLUMNS, n_k,
                d * TILE_COLUMNS, block, p * TILE_COLUMNS, BLOCK_STRIDE, i > 0,
            )  # fmt: skip


@part
def _add_to_softmax(block, n_rows, first, n, peaks_before, peaks, sums, buffer):
    """Bring the maxima and sums of the rows up; buffer's columns from `first` on <- exp(logit - m).

    A row's m is in `peaks_before`, and raised in `peaks`.
    """
    for r in range(n_rows):
        logits = block[r]
        weights = buffer[r, first : first + n]
        peak = max(peaks_before[r], largest(logits, n))
        added = ZERO
        for j in range(n):
            weight = exp(logits[j] - peak)
            weights[j] = weight
            added += weight
        sums[r] = sums[r] * exp(peaks_before[r] - peak) + added
        peaks[r] = peak


@part
def _forward(x, row, n_rows, weight, targets, x_blocks, block, buffer, peaks, sums, losses):
    """Losses of n_rows tokens from `row` on; `buffer`, `peaks`, `sums` as the backward pass needs.

    `peaks[i]` are the rows' maxima before block i of the vocabulary; the last ones are final.
    """
    d = x.shape[1]
    v = weight.weight.shape[0]
    copy_blocks(x, row * d, d, n_rows, d, x_blocks)
    peaks[0] = MINUS_INFINITY
    sums[:] = ZERO
    for i in range(peaks.shape[0] - 1):
        first = i * BLOCK_K
        n = min(BLOCK_K, v - first)
        _logits(x_blocks, n_rows, d, weight.forward_panels, first, n, block)
        for r in range(n_rows):
            target = targets[row + r] - first
            if 0 <= target < n:
                losses[row + r] = -block[r, target]
        _add_to_softmax(block, n_rows, first, n, peaks[i], peaks[i + 1], sums, buffer)
    for r in range(n_rows):
        losses[row + r] += peaks[-1, r] + np.log(sums[r])


@part
def _dlogits(buffer, first, n, row, n_rows, targets, dloss, peaks, last_peaks, sums, block):
    """Block (n_rows, n) <- gradient of the logits from `first` on."""
    for r in range(n_rows):
        weights = buffer[r, first : first + n]
        dlogits = block[r]
        factor = dloss * exp(peaks[r] - last_peaks[r]) / sums[r]
        for j in range(n):
            dlogits[j] = factor * weights[j]
        target = targets[row + r] - first
        if 0 <= target < n:
            dlogits[target] -= dloss


@kernel
def _check(x, weight, targets, buffer, losses):
    """Nothing below is checked again."""
    good = x.shape[1] == weight.weight.shape[1] and targets.size == losses.size == x.shape[0]
    if not good or buffer.shape[1] != weight.weight.shape[0] or (x.size and buffer.size == 0):
        raise ValueError("x must be (N, D), weight (V, D), targets and losses (N,), logits V wide")


@kernel
def _rows_at_once(n, buffer):
    """Tokens of one turn: equal turns of whole tiles, as many as the buffer has rows for."""
    return min(block_size(n, min(BLOCK_ROWS, buffer.shape[0]), TILE_ROWS), buffer.shape[0])


@kernel
def head_losses(x, weight, targets, logits, losses):
    """Losses (N,) <- x (N, D) and the head's prepared weight (V, D).

    `logits` is scratch: V wide, with a row for each of the tokens that are worked on at once (the
    more the better, up to BLOCK_ROWS).
    """
    _check(x, weight, targets, logits, losses)
    n = x.shape[0]
    v, d = weight.weight.shape
    step = _rows_at_once(n, logits)
    x_blocks = new_blocks(step, d)
    block = new_block(step)
    peaks = np.empty(((v + BLOCK_K - 1) // BLOCK_K + 1, step), dtype=np.float32)
    sums = np.empty(step, dtype=np.float32)
    for row in range(0, n, step):
        n_rows = min(step, n - row)
        _forward(x, row, n_rows, weight, targets, x_blocks, block, logits, peaks, sums, losses)


@kernel
def head_loss(x, weight, targets, dloss, logits, losses, dx, dweight):
    """Losses and dx <-, dweight +=: forward and backward pass of the head.

    `dloss` is the gradient of the total with respect to each token's loss; `logits` as in
    `head_losses`.
    """
    _check(x, weight, targets, logits, losses)
    n = x.shape[0]
    v, d = weight.weight.shape
    if dx.shape != x.shape or dweight.shape != (v, d):
        raise ValueError("dx must be shaped like x, and dweight like the weight")
    step = _rows_at_once(n, logits)
    x_blocks = new_blocks(step, d)
    x_panels = aligned_floats(n_panels(d) * TILE_COLUMNS * step)
    block = new_block(step)
    peaks = np.empty(((v + BLOCK_K - 1) // BLOCK_K + 1, step), dtype=np.float32)
    sums = np.empty(step, dtype=np.float32)
    for row in range(0, n, step):
        n_rows = min(step, n - row)
        _forward(x, row, n_rows, weight, targets, x_blocks, block, logits, peaks, sums, losses)
        pack(x, row * d, d, n_rows, d, x_panels, n_rows)
        for i in range(peaks.shape[0] - 1):
            first = i * BLOCK_K
            n_v = min(BLOCK_K, v - first)
            _dlogits(
                logits, first, n_v, row, n_rows, targets, dloss, peaks[i + 1], peaks[-1], sums,
                block,
            )  # fmt: skip
            multiply_panels(
                block, False, n_rows, weight.backward_panels, first * TILE_COLUMNS, v, n_v, d,
                dx, row * d, d, i > 0,
            )  # fmt: skip
            multiply_panels(
                block, True, n_v, x_panels, 0, n_rows, n_rows, d, dweight, first * d, d, True
            )


# ------------------------------------------------------------- for logits that were made elsewhere


@kernel
def losses_of_logits(logits, targets, losses):
    """Losses (N,) <- logits (N, V) and targets (N,)."""
    for i in range(targets.size):
        row = logits[i]
        peak = largest(row, row.size)
        total = ZERO
        for j in range(row.size):
            total += exp(row[j] - peak)
        losses[i] = peak + np.log(total) - row[targets[i]]


@kernel
def dlogits_of_logits(logits, targets, dloss, losses):
    """Losses (N,) <-; logits (N, V) <- dloss (softmax(logits) - onehot(targets))."""
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
        factor = dloss / total
        for j in range(row.size):
            row[j] *= factor
        row[targets[i]] -= dloss
