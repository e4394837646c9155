"""The inner part of every matrix product: a tile of the result that stays in registers.

    C (rows x TILE_COLUMNS) = or += A (rows x n_k) B (n_k x TILE_COLUMNS)

Each step over k loads one row of B (a few vectors), and for each row of A broadcasts one float
and multiplies it into that row's accumulators. The tile is as large as the registers allow, so
that loads cost less than the arithmetic, and the accumulators are enough to hide the latency of
fused multiply-add (AVX2: 2 a cycle, each 5 cycles, so at least 10 must be under way):

    AVX-512  32 registers of 16 floats:  14 rows x 2 vectors = 28 accumulators, 2 for B, 1 for A
    AVX2     16 registers of 8 floats:    6 rows x 2 vectors = 12 accumulators, 2 for B, 1 for A
    NEON     32 registers of 4 floats:    6 rows x 4 vectors = 24 accumulators, 4 for B, 1 for A

A is read where it lies, with any two strides (so a transposed matrix serves as well); B must be
packed in panels: TILE_COLUMNS columns wide, row by row without gaps, so that a panel of a few
hundred rows stays in the first-level cache while all rows of A pass by.

Positions are offsets in floats from an array's first element; nothing is checked.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .simd import (
    INT32,
    LANES,
    VECTOR,
    data_pointer,
    emit_broadcast,
    emit_fma,
    emit_load,
    emit_loop,
    emit_prefetch,
    emit_store,
    kernel,
    pairs,
)

TILE_ROWS, TILE_VECTORS = {16: (14, 2), 8: (6, 2), 4: (6, 4)}[LANES]
TILE_COLUMNS = TILE_VECTORS * LANES
UNROLL = 4  # steps over k in one turn of the loop


def _emit_steps(builder, n_steps, accumulators, a_rows, a_k_stride, b):
    """Multiply-adds of `n_steps` steps over k; `a_rows` point to A's first column."""
    for step in range(n_steps):
        b_row = [
            emit_load(builder, builder.gep(b, [ir.IntType(64)(step * TILE_COLUMNS + v * LANES)]))
            for v in range(TILE_VECTORS)
        ]
        a_offset = builder.mul(a_k_stride, ir.IntType(64)(step))
        for row, a_row in enumerate(a_rows):
            a = emit_broadcast(builder, builder.gep(a_row, [a_offset]))
            for v in range(TILE_VECTORS):
                accumulators[row][v] = emit_fma(builder, a, b_row[v], accumulators[row][v])


def make_tile(rows):
    """The tile for that many rows, to be called from a kernel."""

    def codegen(context, builder, signature, args):
        a, a_start, a_row_stride, a_k_stride, b, b_start, n_k, c, c_start, c_stride, add = args
        int64 = n_k.type
        a, b, c = (
            builder.gep(data_pointer(context, builder, signature.args[i], array), [start])
            for i, array, start in ((0, a, a_start), (4, b, b_start), (7, c, c_start))
        )
        a_rows = [builder.gep(a, [builder.mul(a_row_stride, int64(row))]) for row in range(rows)]
        c_tile = [
            [
                builder.gep(c, [builder.add(builder.mul(c_stride, int64(row)), int64(v * LANES))])
                for v in range(TILE_VECTORS)
            ]
            for row in range(rows)
        ]

        # C may come from memory: asked for now, it is there when the sum is done. So C is added at
        # the end, where loading it into the accumulators would wait for it at the beginning.
        for row in c_tile:
            emit_prefetch(builder, row[0])
        accumulators = [[ir.Constant(VECTOR, None)] * TILE_VECTORS for _ in c_tile]

        def steps(n_steps):
            def body(k, current):
                a_offset = builder.mul(k, a_k_stride)
                rows_at_k = [builder.gep(row, [a_offset]) for row in a_rows]
                b_at_k = builder.gep(b, [builder.mul(k, int64(TILE_COLUMNS))])
                _emit_steps(builder, n_steps, current, rows_at_k, a_k_stride, b_at_k)

            return body

        whole = builder.and_(n_k, int64(-UNROLL))
        turns = (int64(0), whole, int64(UNROLL))
        accumulators = emit_loop(builder, "turns", *turns, accumulators, steps(UNROLL))
        rest = (whole, n_k, int64(1))
        accumulators = emit_loop(builder, "rest", *rest, accumulators, steps(1))
        with builder.if_else(add) as (then, otherwise):
            with then:
                for pointer, value in pairs(c_tile, accumulators):
                    emit_store(builder, builder.fadd(emit_load(builder, pointer), value), pointer)
            with otherwise:
                for pointer, value in pairs(c_tile, accumulators):
                    emit_store(builder, value, pointer)
        return context.get_dummy_value()

    @intrinsic
    def tile(typingctx, a, a_start, a_row_stride, a_k_stride, b, b_start, n_k, c, c_start, c_row_stride, add):  # noqa: E501  # fmt: skip
        i = types.intp
        return types.void(a, i, i, i, b, i, i, c, i, i, types.boolean), codegen

    return tile


tile_full = make_tile(TILE_ROWS)
tile_less = make_tile(TILE_ROWS - 1)
tile_8 = make_tile(min(8, TILE_ROWS))  # called where TILE_ROWS is larger
tile_4 = make_tile(4)
tile_2 = make_tile(2)
tile_1 = make_tile(1)


@kernel
def split_rows(n_rows):
    """How many full tiles, and tiles of one row less, to cut `n_rows` into; a rest may remain.

    A small tile hides less latency: rather 41 x 6 + 2 x 5 than 42 x 6 + 4.
    """
    less = -n_rows % TILE_ROWS
    full = n_rows // TILE_ROWS + 1 - less if less else n_rows // TILE_ROWS
    if full >= 0:
        return full, less
    return n_rows // TILE_ROWS, 0


@kernel
def multiply_panel(
    a, a_start, a_row_stride, a_k_stride, n_rows, b, b_start, n_k, c, c_start, c_row_stride, add
):
    """C (n_rows x TILE_COLUMNS) = or += A (n_rows x n_k) times one panel (n_k x TILE_COLUMNS)."""
    full, less = split_rows(n_rows)
    a_at = a_start
    c_at = c_start
    for _ in range(full):
        tile_full(a, a_at, a_row_stride, a_k_stride, b, b_start, n_k, c, c_at, c_row_stride, add)
        a_at += TILE_ROWS * a_row_stride
        c_at += TILE_ROWS * c_row_stride
    for _ in range(less):
        tile_less(a, a_at, a_row_stride, a_k_stride, b, b_start, n_k, c, c_at, c_row_stride, add)
        a_at += (TILE_ROWS - 1) * a_row_stride
        c_at += (TILE_ROWS - 1) * c_row_stride
    rest = n_rows - full * TILE_ROWS - less * (TILE_ROWS - 1)
    if rest >= 8:  # AVX-512 alone
        tile_8(a, a_at, a_row_stride, a_k_stride, b, b_start, n_k, c, c_at, c_row_stride, add)
        a_at += 8 * a_row_stride
        c_at += 8 * c_row_stride
        rest -= 8
    if rest >= 4:
        tile_4(a, a_at, a_row_stride, a_k_stride, b, b_start, n_k, c, c_at, c_row_stride, add)
        a_at += 4 * a_row_stride
        c_at += 4 * c_row_stride
        rest -= 4
    if rest >= 2:
        tile_2(a, a_at, a_row_stride, a_k_stride, b, b_start, n_k, c, c_at, c_row_stride, add)
        a_at += 2 * a_row_stride
        c_at += 2 * c_row_stride
        rest -= 2
    if rest == 1:
        tile_1(a, a_at, a_row_stride, a_k_stride, b, b_start, n_k, c, c_at, c_row_stride, add)


# ----------------------------------------------------------------------------------------- packing


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
        int64 = source_start.type
        source = data_pointer(context, builder, signature.args[0], source)
        source = builder.gep(source, [source_start])
        target = data_pointer(context, builder, signature.args[3], target)
        target = builder.gep(target, [target_start])
        rows = [
            emit_load(builder, builder.gep(source, [builder.mul(source_stride, int64(i))]))
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
            emit_store(builder, row, builder.gep(target, [builder.mul(target_stride, int64(i))]))
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
    skip = (-buffer.ctypes.data // 4) % 16
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
def transpose(source, start, row_stride, n_rows, n_columns, target, target_stride):
    """target[column * target_stride + row] = source[start + row * row_stride + column]."""
    row_squares = n_rows // LANES * LANES
    column_squares = n_columns // LANES * LANES
    for row in range(0, row_squares, LANES):
        for column in range(0, column_squares, LANES):
            from_ = start + row * row_stride + column
            to = column * target_stride + row
            transpose_square(source, from_, row_stride, target, to, target_stride)
    for column in range(n_columns):
        for row in range(row_squares if column < column_squares else 0, n_rows):
            value = _load_float(source, start + row * row_stride + column)
            _store_float(target, column * target_stride + row, value)


@kernel
def copy_block(source, start, row_stride, n_rows, n_columns, target, target_stride):
    """target[row * target_stride + column] = source[start + row * row_stride + column]."""
    whole = n_columns // LANES * LANES
    for row in range(n_rows):
        from_ = start + row * row_stride
        to = row * target_stride
        for column in range(0, whole, LANES):
            copy_vector(source, from_ + column, target, to + column)
        for column in range(whole, n_columns):
            _store_float(target, to + column, _load_float(source, from_ + column))
