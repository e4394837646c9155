"""Copies that make a matrix ready for the tile: blocks of A, panels of B (see tile.py)."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .simd import (
    INT32,
    INT64,
    LANES,
    data_pointer,
    emit_load,
    emit_store,
    kernel,
)
from .tile import BLOCK_K, BLOCK_STRIDE, TILE_COLUMNS, TILE_VECTORS


@intrinsic
def copy_vector(typingctx, source, source_start, target, target_start):
    """target[target_start:][:LANES] = source[source_start:][:LANES]."""

    def codegen(context, builder, signature, args):
        source, source_start, target, target_start = args
        source = data_pointer(context, builder, signature.args[0], source)
        target = data_pointer(context, builder, signature.args[2], target)
        vector = emit_load(builder, builder.gep(source, [source_start]))
        emit_store(builder, vector, builder.gep(target, [target_start]))
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), codegen


@intrinsic
def transpose_square(
    typingctx, source, source_start, source_stride, target, target_start, target_stride
):
    """Transpose a square of LANES x LANES floats in registers.

    Swaps the off-diagonal blocks of pairs of rows at distance 1, then 2, 4, ...: log2(LANES)
    shuffles a row, where a loop over elements costs LANES loads.
    """

    def codegen(context, builder, signature, args):
        source, source_start, source_stride, target, target_start, target_stride = args
        source = data_pointer(context, builder, signature.args[0], source)
        source = builder.gep(source, [source_start])
        target = data_pointer(context, builder, signature.args[3], target)
        target = builder.gep(target, [target_start])
        rows = [
            emit_load(builder, builder.gep(source, [builder.mul(source_stride, INT64(i))]))
            for i in range(LANES)
        ]

        def shuffle(x, y, lanes):
            mask = ir.Constant(ir.VectorType(INT32, LANES), [INT32(lane) for lane in lanes])
            return builder.shuffle_vector(x, y, mask)

        distance = 1
        while distance < LANES:
            upper = [j if not j & distance else LANES + j - distance for j in range(LANES)]
            lower = [j + distance if not j & distance else LANES + j for j in range(LANES)]
            for i in range(LANES):
                if not i & distance:
                    x, y = rows[i], rows[i + distance]
                    rows[i], rows[i + distance] = shuffle(x, y, upper), shuffle(x, y, lower)
            distance *= 2
        for i, row in enumerate(rows):
            emit_store(builder, row, builder.gep(target, [builder.mul(target_stride, INT64(i))]))
        return context.get_dummy_value()

    i = types.intp
    return types.void(source, i, i, target, i, i), codegen


@intrinsic
def _load_float(typingctx, array, position):
    """array[position], flat, without Python's meaning of a negative index."""

    def codegen(context, builder, signature, args):
        pointer = data_pointer(context, builder, signature.args[0], args[0])
        return builder.load(builder.gep(pointer, [args[1]]))

    return types.float32(array, types.intp), codegen


@intrinsic
def _store_float(typingctx, array, position, value):
    """array[position] = value, flat."""

    def codegen(context, builder, signature, args):
        pointer = data_pointer(context, builder, signature.args[0], args[0])
        builder.store(args[2], builder.gep(pointer, [args[1]]))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.float32), codegen


@kernel
def n_panels(n_columns):
    """Panels that hold so many columns."""
    return (n_columns + TILE_COLUMNS - 1) // TILE_COLUMNS


@kernel
def aligned_floats(size):
    """An uninitialised float32 array that begins at a cache line."""
    buffer = np.empty(size + 16, dtype=np.float32)
    address = np.int64(buffer.ctypes.data)  # unsigned: its negative would be a float
    skip = (-address // 4) % 16
    return buffer[skip : skip + size]


@kernel
def pack(source, start, row_stride, n_k, n_columns, panels, panel_rows):
    """Panels of B[k, column] = source[start + k * row_stride + column].

    Panel p begins at p * panel_rows * TILE_COLUMNS of `panels`; missing columns become zeros.
    """
    whole = n_columns // TILE_COLUMNS
    for p in range(whole):
        for k in range(n_k):
            from_ = start + k * row_stride + p * TILE_COLUMNS
            to = (p * panel_rows + k) * TILE_COLUMNS
            for v in range(TILE_VECTORS):
                copy_vector(source, from_ + v * LANES, panels, to + v * LANES)
    rest = n_columns - whole * TILE_COLUMNS
    if rest > 0:
        for k in range(n_k):
            from_ = start + k * row_stride + whole * TILE_COLUMNS
            to = (whole * panel_rows + k) * TILE_COLUMNS
            for column in range(rest):
                _store_float(panels, to + column, _load_float(source, from_ + column))
            for column in range(rest, TILE_COLUMNS):
                _store_float(panels, to + column, np.float32(0))


@kernel
def pack_transposed(source, start, row_stride, n_k, n_columns, panels, panel_rows):
    """Panels of B[k, column] = source[start + column * row_stride + k]."""
    squares = n_k // LANES * LANES
    for p in range(n_panels(n_columns)):
        to = p * panel_rows * TILE_COLUMNS
        for column in range(0, TILE_COLUMNS, LANES):
            first = p * TILE_COLUMNS + column
            from_ = start + first * row_stride
            n = min(LANES, n_columns - first)
            done = 0
            if n == LANES:
                done = squares
                for k in range(0, squares, LANES):
                    at = to + k * TILE_COLUMNS + column
                    transpose_square(source, from_ + k, row_stride, panels, at, TILE_COLUMNS)
            for k in range(done, n_k):
                at = to + k * TILE_COLUMNS + column
                for c in range(LANES):
                    value = np.float32(0)
                    if c < n:
                        value = _load_float(source, from_ + c * row_stride + k)
                    _store_float(panels, at + c, value)


@kernel
def copy_block(source, start, row_stride, n_rows, n_columns, block):
    """block[row * BLOCK_STRIDE + column] = source[start + row * row_stride + column]."""
    whole = n_columns // LANES * LANES
    for row in range(n_rows):
        from_ = start + row * row_stride
        to = row * BLOCK_STRIDE
        for column in range(0, whole, LANES):
            copy_vector(source, from_ + column, block, to + column)
        for column in range(whole, n_columns):
            _store_float(block, to + column, _load_float(source, from_ + column))


@kernel
def new_block(n_rows):
    """An uninitialised block of A, of n_rows rows."""
    return aligned_floats(n_rows * BLOCK_STRIDE).reshape((n_rows, BLOCK_STRIDE))


@kernel
def new_blocks(n_rows, n_columns):
    """Uninitialised blocks of A beside each other, for n_columns columns, BLOCK_K in each."""
    n_blocks = max(1, (n_columns + BLOCK_K - 1) // BLOCK_K)
    size = n_rows * BLOCK_STRIDE
    return aligned_floats(n_blocks * size).reshape((n_blocks, size))


@kernel
def copy_blocks(source, start, row_stride, n_rows, n_columns, blocks):
    """Blocks (of `new_blocks`) <- source[start + row * row_stride + column]."""
    for i in range(blocks.shape[0]):
        first = i * BLOCK_K
        n = min(BLOCK_K, n_columns - first)
        copy_block(source, start + first, row_stride, n_rows, n, blocks[i])
