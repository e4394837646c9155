"""Products with a weight matrix (twin of ops/linear.py), and the packing of weights.

Weights are (O, I): out_features, in_features. A weight is packed once a step, in both
orientations, for all micro-batches; the products then need no packing of their own. The gradient
of the weight sums over tokens, and packs both of its operands by blocks of tokens.
"""

from typing import NamedTuple

import numpy as np

from .packing import aligned_floats, copy_block, n_panels, pack, pack_transposed
from .simd import kernel
from .tile import BLOCK_K, BLOCK_STRIDE, TILE_COLUMNS, TILE_ROWS, multiply_panel

# Rows of a block of A: whole tiles, and with BLOCK_K floats a row (140 KB) a part of a
# second-level cache, where it stays while all panels of B pass by.
BLOCK_ROWS = 140 // TILE_ROWS * TILE_ROWS


class PreparedWeight(NamedTuple):
    """A weight (O, I) and its panels."""

    weight: np.ndarray  # (O, I)
    forward_panels: np.ndarray  # of W^T (I, O), flat
    backward_panels: np.ndarray  # of W (O, I), flat


def prepare_weight(weight, previous=None):
    """Pack a weight in both orientations, into the buffers of `previous` if it fits."""
    o, i = weight.shape
    if previous is not None and previous.weight.shape == weight.shape:
        forward_panels, backward_panels = previous.forward_panels, previous.backward_panels
    else:
        forward_panels = aligned_floats(n_panels(o) * TILE_COLUMNS * i)
        backward_panels = aligned_floats(n_panels(i) * TILE_COLUMNS * o)
    _pack_both(weight, forward_panels, backward_panels)
    return PreparedWeight(weight, forward_panels, backward_panels)


@kernel
def _pack_both(weight, forward_panels, backward_panels):
    o, i = weight.shape
    pack_transposed(weight, 0, i, i, o, forward_panels, i)
    pack(weight, 0, i, o, i, backward_panels, o)


@kernel
def block_size(n, largest, multiple):
    """Cut n into equal blocks of at most `largest`, each (the last aside) of whole `multiple`s."""
    n_blocks = max(1, (n + largest - 1) // largest)
    size = (n + n_blocks - 1) // n_blocks
    return max(1, (size + multiple - 1) // multiple * multiple)


@kernel
def multiply_panels(
    block, columns, n_rows, panels, panels_start, panel_rows, n_k, n_columns, c, c_start, c_stride,
    add,
):  # fmt: skip
    """C (n_rows x n_columns) = or += A (n_rows x n_k) times consecutive panels of B.

    The rows of A are those of `block`, or its columns if `columns`.
    """
    whole = n_columns // TILE_COLUMNS
    ahead = panel_rows * TILE_COLUMNS
    for p in range(whole):
        at = panels_start + p * panel_rows * TILE_COLUMNS
        to = c_start + p * TILE_COLUMNS
        multiply_panel(block, 0, columns, n_rows, panels, at, n_k, ahead, c, to, c_stride, add)
    rest = n_columns - whole * TILE_COLUMNS
    if rest > 0:  # a whole tile would write beyond the row
        edge = np.empty((n_rows, TILE_COLUMNS), dtype=np.float32)
        at = panels_start + whole * panel_rows * TILE_COLUMNS
        multiply_panel(block, 0, columns, n_rows, panels, at, n_k, 0, edge, 0, TILE_COLUMNS, False)
        flat = c.reshape(-1)
        for row in range(n_rows):
            to = c_start + row * c_stride + whole * TILE_COLUMNS
            for column in range(rest):
                before = flat[to + column] if add else np.float32(0)
                flat[to + column] = before + edge[row, column]


@kernel
def _multiply(a, panels, c, accumulate):
    """C (m, n) = or += A (m, k) B, B in panels."""
    m, k = a.shape
    n = c.shape[1]
    if c.shape[0] != m or panels.size != n_panels(n) * TILE_COLUMNS * k:
        raise ValueError("operands of different sizes; shapes are (N, I), (O, I) and (N, O)")
    if k == 0 and not accumulate:
        c[:, :] = 0
    k_step = block_size(k, BLOCK_K, 4)
    row_step = block_size(m, BLOCK_ROWS, TILE_ROWS)
    block = aligned_floats(row_step * BLOCK_STRIDE)
    for row in range(0, m, row_step):
        n_rows = min(row_step, m - row)
        for first in range(0, k, k_step):
            n_k = min(k_step, k - first)
            copy_block(a, row * k + first, k, n_rows, n_k, block)
            multiply_panels(
                block, False, n_rows, panels, first * TILE_COLUMNS, k, n_k, n,
                c, row * n, n, accumulate or first > 0,
            )  # fmt: skip


@kernel
def linear(x, weight, out, accumulate):
    """Out (N, O) = or += x (N, I) W^T."""
    _multiply(x, weight.forward_panels, out, accumulate)


@kernel
def linear_backward_input(dout, weight, dx, accumulate):
    """Dx (N, I) = or += dout (N, O) W."""
    _multiply(dout, weight.backward_panels, dx, accumulate)


@kernel
def linear_backward_weight(dout, x, dweight):
    """Dweight (O, I) += dout^T (O, N) x (N, I): by blocks of tokens, and of columns of dout."""
    n, o = dout.shape
    i = x.shape[1]
    if x.shape[0] != n or dweight.shape != (o, i):
        raise ValueError("operands of different sizes; shapes are (N, O), (N, I) and (O, I)")
    k_step = block_size(n, BLOCK_K, 4)
    row_step = block_size(o, BLOCK_ROWS, TILE_ROWS)
    x_panels = aligned_floats(n_panels(i) * TILE_COLUMNS * k_step)
    block = aligned_floats(k_step * BLOCK_STRIDE)
    for first in range(0, n, k_step):
        n_k = min(k_step, n - first)
        pack(x, first * i, i, n_k, i, x_panels, k_step)
        for row in range(0, o, row_step):
            n_rows = min(row_step, o - row)
            copy_block(dout, first * o + row, o, n_k, n_rows, block)
            multiply_panels(
                block, True, n_rows, x_panels, 0, k_step, n_k, i, dweight, row * i, i, True
            )
