"""Causal grouped-query attention with RoPE (twin of ops/rope.py and ops/attention.py).

No T x T array is ever made. The queries of a head are taken in strips of STRIP_ROWS, its keys in
blocks of BLOCK_K; the scores of one strip against one block are all that exists at a time:

               keys  0 ............ 255 | 256 .......... 511 |
    strip 0   0- 41  ##.                |                    |   # scores that are computed
    strip 1  42- 83  ####.              |                    |   . the rest of the last tile,
      ...                               |                    |     set to zero weight
    strip 7 294-335  ################## | ###.               |     blank: never touched

The softmax of a row needs its largest score, and sees only one block of them. So it keeps a running
maximum m and a running sum: when a block raises the maximum from m to m', what was summed before
is multiplied by exp(m - m'). (Milakov & Gimelshein 2018, https://arxiv.org/abs/1805.02867; with the
backward pass from the saved log-sum-exp: Dao et al. 2022, https://arxiv.org/abs/2205.14135.)

All products use the tile of tile.py: strips are blocks of A; panels of K^T, V (and V^T, K in the
backward pass) are packed once a key head.

Shapes: b sequences, T time, H query heads, K key/value heads (query head h reads key head
h // (H / K)), E head size.
"""

import numpy as np

from .packing import (
    aligned_floats,
    copy_blocks,
    n_panels,
    new_block,
    new_blocks,
    pack,
    pack_transposed,
)
from .simd import BLOCK, MINUS_INFINITY, ONE, ZERO, exp, kernel, largest, part
from .tile import BLOCK_K, BLOCK_STRIDE, TILE_COLUMNS, TILE_ROWS, multiply_panel

# Whole tiles (a rest of rows is slower); a strip of scores is some 50 KB.
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


@part
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
def _keys_seen(first, n_rows, key):
    """Keys of the block that begins at `key` that the last row of a strip sees."""
    return min(BLOCK_K, first + n_rows - key)


@kernel
def _scores(queries, n_rows, first, key_panels, e, key, strip):
    """Strip (n_rows, keys) <- queries (n_rows, E) K^T, for the block of keys from `key` on.

    A panel of keys is wanted by the rows that are not before all of its keys.
    """
    for p in range(n_panels(_keys_seen(first, n_rows, key))):
        row = max(0, key + p * TILE_COLUMNS - first) // TILE_ROWS * TILE_ROWS
        panel = (key + p * TILE_COLUMNS) * e
        to = row * BLOCK_STRIDE + p * TILE_COLUMNS
        for i in range(queries.shape[0]):
            n_e = min(BLOCK_K, e - i * BLOCK_K)
            multiply_panel(
                queries[i], row * BLOCK_STRIDE, False, n_rows - row,
                key_panels, panel + i * BLOCK_K * TILE_COLUMNS, n_e, 0,
                strip, to, BLOCK_STRIDE, i > 0,
            )  # fmt: skip


@kernel
def _tile_end(first, row, n_rows, key):
    """Keys of a block that the last row of a row's tile sees: as far as products read the row."""
    last = min(n_rows, (row // TILE_ROWS + 1) * TILE_ROWS)
    return min(BLOCK_K, max(0, first + last - key))


@kernel
def _weighted_rows(strip, n_rows, first, panels, time, width, key, out):
    """Out (n_rows, width) = (the first block of keys) or += strip (n_rows, keys) rows of `panels`.

    The strip must be zero from behind a row's own position to the end of its tile.
    """
    for p in range(width // TILE_COLUMNS):
        for row in range(0, n_rows, TILE_ROWS):
            multiply_panel(
                strip, row * BLOCK_STRIDE, False, min(TILE_ROWS, n_rows - row),
                panels, (p * time + key) * TILE_COLUMNS, _tile_end(first, row, n_rows, key), 0,
                out, row * width + p * TILE_COLUMNS, width, key > 0,
            )  # fmt: skip


@kernel
def _add_transposed(strip, n_rows, first, panels, width, key, out):
    """Out (T, width) += strip^T (keys, n_rows) times rows of `panels`, causally."""
    n_keys = _keys_seen(first, n_rows, key)
    seen = min(n_keys, max(0, first - key))  # by every row of the strip
    for p in range(width // TILE_COLUMNS):
        at = p * STRIP_ROWS * TILE_COLUMNS
        to = key * width + p * TILE_COLUMNS
        multiply_panel(strip, 0, True, seen, panels, at, n_rows, 0, out, to, width, True)
        for j in range(seen, n_keys, TILE_ROWS):
            row = max(0, key + j - first)  # the first that sees key j
            multiply_panel(
                strip, row * BLOCK_STRIDE + j, True, min(TILE_ROWS, n_keys - j),
                panels, at + row * TILE_COLUMNS, n_rows - row, 0, out, to + j * width, width, True,
            )  # fmt: skip


@part
def _hide_future(row_of_strip, n_seen, n, value):
    """A row's scores of keys from n_seen to n <- value; returns n rounded up to whole BLOCKs."""
    n = (n + BLOCK - 1) // BLOCK * BLOCK
    for j in range(max(0, n_seen), n):
        row_of_strip[j] = value
    return n


@part
def _strip_softmax(strip, n_rows, first, key, scale, peaks, sums, mixed):
    """Strip <- exp(scale products - m), 0 for later keys; m, the sum and `mixed` are brought up.

    m (peaks) is the row's largest scaled score so far, `sums` the sum of exp(score - m), `mixed`
    the sum of exp(score - m) v over the blocks before.
    """
    for row in range(n_rows):
        weights = strip[row]
        n = _tile_end(first, row, n_rows, key)
        n = _hide_future(weights, first + row + 1 - key, n, MINUS_INFINITY)
        peak = scale * largest(weights, n)
        total = ZERO
        if key > 0:
            peak = max(peak, peaks[row])
            correction = exp(peaks[row] - peak)
            total = sums[row] * correction
            mixed_row = mixed[row]
            for j in range(mixed_row.size):
                mixed_row[j] *= correction
        added = ZERO
        for j in range(n):
            weight = exp(scale * weights[j] - peak)
            weights[j] = weight
            added += weight
        peaks[row] = peak
        sums[row] = total + added


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
    key_panels = aligned_floats(n_panels(time) * TILE_COLUMNS * e)  # of K^T (E, T)
    value_panels = aligned_floats(width * time)  # of V (T, E)
    queries = new_blocks(STRIP_ROWS, e)
    strip = new_block(STRIP_ROWS)
    mixed = aligned_floats(STRIP_ROWS * width).reshape((STRIP_ROWS, width))
    peaks = np.empty(STRIP_ROWS, dtype=np.float32)
    sums = np.empty(STRIP_ROWS, dtype=np.float32)
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
                    copy_blocks(q, at, n_heads * e, n_rows, e, queries)
                    for key in range(0, first + n_rows, BLOCK_K):
                        _scores(queries, n_rows, first, key_panels, e, key, strip)
                        _strip_softmax(strip, n_rows, first, key, scale, peaks, sums, mixed)
                        _weighted_rows(strip, n_rows, first, value_panels, time, width, key, mixed)
                    for row in range(n_rows):
                        lse[i, h, first + row] = peaks[row] + np.log(sums[row])
                        _write_row(mixed[row], ONE / sums[row], out[i, first + row, h])


@part
def _strip_dscores(strip, dstrip, n_rows, first, key, scale, lse, out_dot_dout):
    """Strip <- probabilities, dstrip <- gradients of the scores; 0 for later keys.

    With p the softmax of the scores: dscores = p (dp - sum(p dp)), and sum(p dp) = out . dout.
    """
    for row in range(n_rows):
        probabilities = strip[row]
        dscores = dstrip[row]
        n = _tile_end(first, row, n_rows, key)
        _hide_future(probabilities, first + row + 1 - key, n, MINUS_INFINITY)
        n = _hide_future(dscores, first + row + 1 - key, n, ZERO)
        lse_row = lse[first + row]
        expected = out_dot_dout[row]
        for j in range(n):
            p = exp(scale * probabilities[j] - lse_row)
            probabilities[j] = p
            dscores[j] = p * (dscores[j] - expected)


@part
def _dot(x, y):
    """Sum of x (E,) times y (E,)."""
    total = ZERO
    for j in range(x.size):
        total += x[j] * y[j]
    return total


@part
def _write_row(source, factor, target):
    """Target (E,) <- factor * source (E or more,)."""
    for j in range(target.size):
        target[j] = factor * source[j]


@part
def _write_head(source, first, n_rows, head, factor, target):
    """target[first : first + n_rows, head] of (T, heads, E) <- factor * source (n_rows, E)."""
    for row in range(n_rows):
        _write_row(source[row], factor, target[first + row, head])


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
    key_columns = aligned_floats(n_panels(time) * TILE_COLUMNS * e)  # of K^T (E, T)
    value_columns = aligned_floats(n_panels(time) * TILE_COLUMNS * e)  # of V^T (E, T)
    key_rows = aligned_floats(width * time)  # of K (T, E)
    dkey = aligned_floats(time * width).reshape((time, width))
    dvalue = aligned_floats(time * width).reshape((time, width))
    strip = new_block(STRIP_ROWS)
    dstrip = new_block(STRIP_ROWS)
    queries = new_blocks(STRIP_ROWS, e)
    douts = new_blocks(STRIP_ROWS, e)
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
                    copy_blocks(q, at, n_heads * e, n_rows, e, queries)
                    copy_blocks(dout, at, n_heads * e, n_rows, e, douts)
                    pack(q, at, n_heads * e, n_rows, e, query_rows, STRIP_ROWS)
                    pack(dout, at, n_heads * e, n_rows, e, dout_rows, STRIP_ROWS)
                    for row in range(n_rows):
                        out_dot_dout[row] = _dot(out[i, first + row, h], dout[i, first + row, h])
                    for key in range(0, first + n_rows, BLOCK_K):
                        _scores(queries, n_rows, first, key_columns, e, key, strip)
                        _scores(douts, n_rows, first, value_columns, e, key, dstrip)
                        _strip_dscores(
                            strip, dstrip, n_rows, first, key, scale, lse[i, h], out_dot_dout
                        )
                        _add_transposed(strip, n_rows, first, dout_rows, width, key, dvalue)
                        _add_transposed(dstrip, n_rows, first, query_rows, width, key, dkey)
                        _weighted_rows(dstrip, n_rows, first, key_rows, time, width, key, dqueries)
                    _write_head(dqueries, first, n_rows, h, scale, dq[i])
            _write_head(dkey, 0, time, key_head, scale, dk[i])
            _write_head(dvalue, 0, time, key_head, ONE, dv[i])
    rotate(dq, cos, sin, -ONE)  # the transpose of a rotation turns back
    rotate(dk, cos, sin, -ONE)
