"""Products with a weight matrix (twin of ops/linear.py), and the packing of weights.

Weights are (O, I): out_features, in_features. A weight is packed once a step, in both
orientations, for all micro-batches; the products then need no packing of their own. The gradient
of the weight sums over tokens, and packs both of its operands by blocks of tokens.
"""

from typing import NamedTuple

import numpy as np

from .simd import kernel
from .tile import (
    TILE_COLUMNS,
    aligned_floats,
    copy_block,
    multiply_panel,
    n_panels,
    pack,
    pack_transposed,
    transpose,
)

# A panel of BLOCK_K rows (AVX2: 256 x 16 floats = 16 KB) fills half of a first-level cache; a
# block of BLOCK_ROWS x BLOCK_K of the left operand (192 KB) less than half of a second-level one.
BLOCK_K = 256
BLOCK_ROWS = 192
# Rows of the left operand that begin so many floats apart (a page) fall on the same few sets of
# the cache; a block of them is copied together first.
FAR_APART = 1024
# Rows of our own copies begin a cache line later than a power of two, for the same reason.
SKEW = 16


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
    a, a_start, a_row_stride, a_k_stride, n_rows, panels, panels_start, panel_rows, n_k, n_columns,
    c, c_start, c_row_stride, add,
):  # fmt: skip
    """C (n_rows x n_columns) = or += A (n_rows x n_k) times consecutive panels of B."""
    whole = n_columns // TILE_COLUMNS
    for p in range(whole):
        multiply_panel(
            a, a_start, a_row_stride, a_k_stride, n_rows,
            panels, panels_start + p * panel_rows * TILE_COLUMNS, n_k,
            c, c_start + p * TILE_COLUMNS, c_row_stride, add,
        )  # fmt: skip
    rest = n_columns - whole * TILE_COLUMNS
    if rest > 0:  # a whole tile would write beyond the row
        edge = np.empty((n_rows, TILE_COLUMNS), dtype=np.float32)
        multiply_panel(
            a, a_start, a_row_stride, a_k_stride, n_rows,
            panels, panels_start + whole * panel_rows * TILE_COLUMNS, n_k,
            edge, 0, TILE_COLUMNS, False,
        )  # fmt: skip
        flat = c.reshape(-1)
        for row in range(n_rows):
            at = c_start + row * c_row_stride + whole * TILE_COLUMNS
            for column in range(rest):
                before = flat[at + column] if add else np.float32(0)
                flat[at + column] = before + edge[row, column]


@kernel
def _multiply(a, panels, c, accumulate):
    """C (M, N) = or += A (M, K) B (K, N), B in panels."""
    m, k = a.shape
    n = c.shape[1]
    if c.shape[0] != m or panels.size != n_panels(n) * TILE_COLUMNS * k:
        raise ValueError("operands of different sizes; shapes are (N, I), (O, I) and (N, O)")
    if k == 0 and not accumulate:
        c[:, :] = 0
    k_step = block_size(k, BLOCK_K, 4)
    row_step = block_size(m, BLOCK_ROWS, 1)
    copied = k >= FAR_APART
    copy_stride = k_step + SKEW
    a_block = aligned_floats(row_step * copy_stride if copied else 0)
    for k_first in range(0, k, k_step):
        n_k = min(k_step, k - k_first)
        add = accumulate or k_first > 0
        for row in range(0, m, row_step):
            n_rows = min(row_step, m - row)
            if copied:
                copy_block(a, row * k + k_first, k, n_rows, n_k, a_block, copy_stride)
                multiply_panels(
                    a_block, 0, copy_stride, 1, n_rows, panels, k_first * TILE_COLUMNS, k, n_k, n,
                    c, row * n, n, add,
                )  # fmt: skip
            else:
                multiply_panels(
                    a, row * k + k_first, k, 1, n_rows, panels, k_first * TILE_COLUMNS, k, n_k, n,
                    c, row * n, n, add,
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
    """Dweight (O, I) += dout^T (O, N) x (N, I)."""
    n, o = dout.shape
    i = x.shape[1]
    if x.shape[0] != n or dweight.shape != (o, i):
        raise ValueError("operands of different sizes; shapes are (N, O), (N, I) and (O, I)")
    k_step = block_size(n, BLOCK_K, 4)
    row_step = block_size(o, BLOCK_ROWS, 1)
    stride = k_step + SKEW
    x_panels = aligned_floats(n_panels(i) * TILE_COLUMNS * n)
    dout_block = aligned_floats(row_step * stride)
    pack(x, 0, i, n, i, x_panels, n)
    for row in range(0, o, row_step):
        n_rows = min(row_step, o - row)
        for first in range(0, n, k_step):
            n_k = min(k_step, n - first)
            transpose(dout, first * o + row, o, n_k, n_rows, dout_block, stride)
            multiply_panels(
                dout_block, 0, stride, 1, n_rows, x_panels, first * TILE_COLUMNS, n, n_k, i,
                dweight, row * i, i, True,
            )  # fmt: skip
