"""Causal grouped-query attention with RoPE (twin of ops/rope.py and ops/attention.py).

No T x T array is ever made. The queries of a head are taken in strips of STRIP_ROWS rows; a strip
sees the keys up to its last row, so its scores (STRIP_ROWS x T at most) stay in the cache, its
softmax needs no running maximum, and keys in the future cost nothing. All products use the tile of
tile.py: panels of K^T, V (and V^T, K in the backward pass) are packed once a key head.

Shapes: b sequences, T time, H query heads, K key/value heads (query head h reads key head
h // (H / K)), E head size.
"""

import numpy as np

from .simd import BLOCK, MINUS_INFINITY, ONE, ZERO, exp, kernel, largest
from .tile import (
    TILE_COLUMNS,
    TILE_ROWS,
    aligned_floats,
    copy_block,
    multiply_panel,
    n_panels,
    pack,
    pack_transposed,
)

# Whole tiles (a rest of rows is slower), and for AVX2 48 x 256 scores: 48 KB.
STRIP_ROWS = max(1, 48 // TILE_ROWS) * TILE_ROWS


@kernel
def _check(q, k, v, out, lse, cos, sin):
    """Nothing below is checked again, and a wrong size would write beyond an array."""
    b, time, n_heads, e = q.shape
    n_key_heads = k.shape[2]
    good = k.shape == (b, time, n_key_heads, e) and n_heads % n_key_heads == 0 and e % 2 == 0
    good = good and v.shape == k.shape and out.shape == q.shape and lse.shape == (b, n_heads, time)
    if not good or cos.shape != (time, e // 2) or sin.shape != cos.shape:
        raise ValueError("q and out must be (b, T, H, E), k and v (b, T, K, E), cos (T, E / 2)")


@kernel
def rotate(x, cos, sin, direction):
    """x (b, T, heads, E) <- its pairs (j, j + E/2) turned by +-(the angle of t and j)."""
    b, time, heads, e = x.shape
    half = e // 2
    for i in range(b):
        for t in range(time):
            for h in range(heads):
                row = x[i, t, h]
                for j in range(half):
                    sin_j = direction * sin[t, j]
                    first = row[j]
                    second = row[j + half]
                    row[j] = first * cos[t, j] - second * sin_j
                    row[j + half] = second * cos[t, j] + first * sin_j


@kernel
def _padded(last):
    """Floats of a strip's row that is filled up to `last`: whole blocks, zeros behind."""
    return (last + BLOCK - 1) // BLOCK * BLOCK


@kernel
def _strip_stride(time):
    """Floats from one row of a strip to the next: padded, and no power of two.

    At a distance of 1 KB all rows would compete for the same few sets of the cache.
    """
    return max(_padded(time + TILE_ROWS), n_panels(time) * TILE_COLUMNS) + 16


@kernel
def _row_end(first, row):
    """Where the products stop to read a strip's row: at the last position of its tile."""
    return first + (row // TILE_ROWS + 1) * TILE_ROWS


@kernel
def _scores(queries, n_rows, first, key_panels, e, strip, stride):
    """Strip (n_rows, keys up to the last row) <- queries (n_rows, E) K^T.

    A panel of keys is wanted by the rows that are not before all of its keys.
    """
    for p in range(n_panels(first + n_rows)):
        row = max(0, p * TILE_COLUMNS - first) // TILE_ROWS * TILE_ROWS
        multiply_panel(
            queries, row * e, e, 1, n_rows - row,
            key_panels, p * e * TILE_COLUMNS, e,
            strip, row * stride + p * TILE_COLUMNS, stride, False,
        )  # fmt: skip


@kernel
def _weighted_rows(strip, stride, n_rows, first, panels, time, width, out):
    """Out (n_rows, width) <- strip (n_rows, keys) times rows of `panels`, causally.

    The strip must be zero from behind a row's own position to the end of its tile.
    """
    for p in range(width // TILE_COLUMNS):
        for row in range(0, n_rows, TILE_ROWS):
            n = min(TILE_ROWS, n_rows - row)
            multiply_panel(
                strip, row * stride, stride, 1, n,
                panels, p * time * TILE_COLUMNS, first + row + n,
                out, row * width + p * TILE_COLUMNS, width, False,
            )  # fmt: skip


@kernel
def _add_transposed(strip, stride, n_rows, first, panels, width, out):
    """Out (T, width) += strip^T (keys, n_rows) times rows of `panels`, causally."""
    for p in range(width // TILE_COLUMNS):
        at = p * STRIP_ROWS * TILE_COLUMNS
        multiply_panel(
            strip, 0, 1, stride, first, panels, at, n_rows,
            out, p * TILE_COLUMNS, width, True,
        )  # fmt: skip
        for row in range(0, n_rows, TILE_ROWS):  # the keys among the strip's own positions
            n = min(TILE_ROWS, n_rows - row)
            multiply_panel(
                strip, first + row + row * stride, 1, stride, n,
                panels, at + row * TILE_COLUMNS, n_rows - row,
                out, (first + row) * width + p * TILE_COLUMNS, width, True,
            )  # fmt: skip


@kernel
def _strip_softmax(strip, n_rows, first, scale, lse, normalisers):
    """Strip <- exp(scale (products - the row's largest)), 0 for later keys.

    Also lse of the scaled scores, and 1 / the row's sum.
    """
    for row in range(n_rows):
        weights = strip[row]
        n = _padded(_row_end(first, row))
        for j in range(first + row + 1, n):
            weights[j] = MINUS_INFINITY
        peak = scale * largest(weights, n)
        total = ZERO
        for j in range(n):
            weight = exp(scale * weights[j] - peak)
            weights[j] = weight
            total += weight
        lse[first + row] = peak + np.log(total)
        normalisers[row] = ONE / total


@kernel
def attention(q, k, v, cos, sin, out, lse):
    """Out, lse <-; q and k are rotated in place.

    Parameters
    ----------
    q : float32 array of shape (b, T, H, E)
    k, v : float32 arrays of shape (b, T, K, E)
    cos, sin : float32 arrays of shape (T, E / 2)
    out : float32 array of shape (b, T, H, E)
    lse : float32 array of shape (b, H, T)
        log sum exp of a query's scaled scores, kept for the backward pass.
    """
    _check(q, k, v, out, lse, cos, sin)
    b, time, n_heads, e = q.shape
    n_key_heads = k.shape[2]
    group = n_heads // n_key_heads
    scale = ONE / np.sqrt(np.float32(e))
    rotate(q, cos, sin, ONE)
    rotate(k, cos, sin, ONE)
    width = n_panels(e) * TILE_COLUMNS
    stride = _strip_stride(time)
    key_panels = aligned_floats(n_panels(time) * TILE_COLUMNS * e)  # of K^T (E, T)
    value_panels = aligned_floats(width * time)  # of V (T, E)
    queries = np.empty((STRIP_ROWS, e), dtype=np.float32)
    strip = aligned_floats(STRIP_ROWS * stride).reshape((STRIP_ROWS, stride))
    mixed = aligned_floats(STRIP_ROWS * width).reshape((STRIP_ROWS, width))
    normalisers = np.empty(STRIP_ROWS, dtype=np.float32)
    for i in range(b):
        for key_head in range(n_key_heads):
            row_stride = n_key_heads * e
            start = i * time * row_stride + key_head * e
            pack_transposed(k, start, row_stride, e, time, key_panels, e)
            pack(v, start, row_stride, time, e, value_panels, time)
            for h in range(key_head * group, (key_head + 1) * group):
                for first in range(0, time, STRIP_ROWS):
                    n_rows = min(STRIP_ROWS, time - first)
                    at = ((i * time + first) * n_heads + h) * e
                    copy_block(q, at, n_heads * e, n_rows, e, queries, e)
                    _scores(queries, n_rows, first, key_panels, e, strip, stride)
                    _strip_softmax(strip, n_rows, first, scale, lse[i, h], normalisers)
                    _weighted_rows(strip, stride, n_rows, first, value_panels, time, width, mixed)
                    for row in range(n_rows):
                        out_row = out[i, first + row, h]
                        mixed_row = mixed[row]
                        for j in range(e):
                            out_row[j] = mixed_row[j] * normalisers[row]


@kernel
def _strip_dscores(strip, dstrip, n_rows, first, scale, lse, out_dot_dout):
    """Strip <- probabilities, dstrip <- gradients of the scores; 0 for later keys.

    With p the softmax of the scores: dscores = p (dp - sum(p dp)), and sum(p dp) = out . dout.
    """
    for row in range(n_rows):
        probabilities = strip[row]
        dscores = dstrip[row]
        n = _padded(_row_end(first, row))
        for j in range(first + row + 1, n):
            probabilities[j] = MINUS_INFINITY
            dscores[j] = ZERO
        lse_row = lse[first + row]
        expected = out_dot_dout[row]
        for j in range(n):
            p = exp(scale * probabilities[j] - lse_row)
            probabilities[j] = p
            dscores[j] = p * (dscores[j] - expected)


@kernel
def _write_head(source, first, n_rows, head, factor, target):
    """target[first : first + n_rows, head] of (T, heads, E) <- factor * source (n_rows, E)."""
    e = target.shape[2]
    for row in range(n_rows):
        source_row = source[row]
        target_row = target[first + row, head]
        for j in range(e):
            target_row[j] = factor * source_row[j]


@kernel
def attention_backward(dout, q, k, v, out, lse, cos, sin, dq, dk, dv):
    """dq, dk, dv <- gradients with respect to the inputs of `attention`, before its rotation.

    `q` and `k` are as `attention` left them: rotated. Shapes as there.
    """
    _check(q, k, v, out, lse, cos, sin)
    b, time, n_heads, e = q.shape
    n_key_heads = k.shape[2]
    group = n_heads // n_key_heads
    scale = ONE / np.sqrt(np.float32(e))
    width = n_panels(e) * TILE_COLUMNS
    stride = _strip_stride(time)
    key_columns = aligned_floats(n_panels(time) * TILE_COLUMNS * e)  # of K^T (E, T)
    value_columns = aligned_floats(n_panels(time) * TILE_COLUMNS * e)  # of V^T (E, T)
    key_rows = aligned_floats(width * time)  # of K (T, E)
    dkey = aligned_floats(time * width).reshape((time, width))
    dvalue = aligned_floats(time * width).reshape((time, width))
    strip = aligned_floats(STRIP_ROWS * stride).reshape((STRIP_ROWS, stride))
    dstrip = aligned_floats(STRIP_ROWS * stride).reshape((STRIP_ROWS, stride))
    queries = np.empty((STRIP_ROWS, e), dtype=np.float32)
    douts = np.empty((STRIP_ROWS, e), dtype=np.float32)
    query_rows = aligned_floats(STRIP_ROWS * width)
    dout_rows = aligned_floats(STRIP_ROWS * width)
    dqueries = aligned_floats(STRIP_ROWS * width).reshape((STRIP_ROWS, width))
    out_dot_dout = np.empty(STRIP_ROWS, dtype=np.float32)
    for i in range(b):
        for key_head in range(n_key_heads):
            row_stride = n_key_heads * e
            start = i * time * row_stride + key_head * e
            pack_transposed(k, start, row_stride, e, time, key_columns, e)
            pack_transposed(v, start, row_stride, e, time, value_columns, e)
            pack(k, start, row_stride, time, e, key_rows, time)
            dkey[:, :] = ZERO
            dvalue[:, :] = ZERO
            for h in range(key_head * group, (key_head + 1) * group):
                for first in range(0, time, STRIP_ROWS):
                    n_rows = min(STRIP_ROWS, time - first)
                    at = ((i * time + first) * n_heads + h) * e
                    copy_block(q, at, n_heads * e, n_rows, e, queries, e)
                    copy_block(dout, at, n_heads * e, n_rows, e, douts, e)
                    pack(q, at, n_heads * e, n_rows, e, query_rows, STRIP_ROWS)
                    pack(dout, at, n_heads * e, n_rows, e, dout_rows, STRIP_ROWS)
                    for row in range(n_rows):
                        total = ZERO
                        out_row = out[i, first + row, h]
                        for j in range(e):
                            total += out_row[j] * douts[row, j]
                        out_dot_dout[row] = total
                    _scores(queries, n_rows, first, key_columns, e, strip, stride)
                    _scores(douts, n_rows, first, value_columns, e, dstrip, stride)
                    _strip_dscores(strip, dstrip, n_rows, first, scale, lse[i, h], out_dot_dout)
                    _add_transposed(strip, stride, n_rows, first, dout_rows, width, dvalue)
                    _add_transposed(dstrip, stride, n_rows, first, query_rows, width, dkey)
                    _weighted_rows(dstrip, stride, n_rows, first, key_rows, time, width, dqueries)
                    _write_head(dqueries, first, n_rows, h, scale, dq[i])
            _write_head(dkey, 0, time, key_head, scale, dk[i])
            _write_head(dvalue, 0, time, key_head, ONE, dv[i])
    rotate(dq, cos, sin, -ONE)  # the transpose of a rotation turns back
    rotate(dk, cos, sin, -ONE)
