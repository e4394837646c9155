"""The inner part of every matrix product: a tile of the result that stays in registers.

    C (rows x TILE_COLUMNS) = or += A (rows x n_k) B (n_k x TILE_COLUMNS)

Each step over k loads one row of B (a few vectors), and for each row of A broadcasts one float
and multiplies it into that row's accumulators. The tile is as large as the registers allow, so
that loads cost less than the arithmetic, and the accumulators are enough to hide the latency of
fused multiply-add (AVX2: 2 a cycle, each 5 cycles, so at least 10 must be under way):

    AVX-512  32 registers of 16 floats:  14 rows x 2 vectors = 28 accumulators, 2 for B, 1 for A
    AVX2     16 registers of 8 floats:    6 rows x 2 vectors = 12 accumulators, 2 for B, 1 for A
    NEON     32 registers of 4 floats:    6 rows x 4 vectors = 24 accumulators, 4 for B, 1 for A

A lies in a *block*: a copy whose rows are BLOCK_STRIDE floats apart. As this distance is known when
the tile is compiled, all floats that a step broadcasts have one address plus a constant: one
register, where rows at any distance would need a pointer each, more than there are. The rows of A
are the rows of the block, or its columns (A is then the block transposed):

    rows       A[row, k] = block[row * BLOCK_STRIDE + k]
    columns    A[row, k] = block[k * BLOCK_STRIDE + row]

B is packed in panels: TILE_COLUMNS columns wide, row by row without gaps, so that it is read from
the first to the last float. C has any distance between its rows.

Positions are offsets in floats from an array's first element; nothing is checked.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .simd import (
    INT64,
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
    never_inline,
    pairs,
)

TILE_ROWS, TILE_VECTORS = {16: (14, 2), 8: (6, 2), 4: (6, 4)}[LANES]
TILE_COLUMNS = TILE_VECTORS * LANES
# A block's widest row. A panel of so many rows is 16 KB with AVX2, 32 KB with AVX-512.
BLOCK_K = 256
# Rows a power of two apart would compete for the same few sets of the cache.
BLOCK_STRIDE = BLOCK_K + 16
UNROLL = 2  # steps over k in one turn of the loop
CACHE_LINE = 16  # floats


def _emit_step(builder, a, row_stride, b, ahead, accumulators):
    """One step over k: multiply the column of A at `a` into the row of B at `b`."""

    def b_at(column):
        return builder.gep(b, [INT64(column)])

    b_row = [emit_load(builder, b_at(v * LANES)) for v in range(TILE_VECTORS)]
    for column in range(0, TILE_COLUMNS, CACHE_LINE):
        emit_prefetch(builder, builder.gep(b_at(column), [ahead]))
    for row, sums in enumerate(accumulators):
        a_row = emit_broadcast(builder, builder.gep(a, [INT64(row * row_stride)]))
        for v in range(TILE_VECTORS):
            sums[v] = emit_fma(builder, a_row, b_row[v], sums[v])


def _emit_tile(builder, rows, a, row_stride, k_stride, b, n_k, ahead, c, c_stride, add):
    """All steps over k, UNROLL in a turn, and the result into C."""

    def steps(n_steps):
        def body(k, accumulators):
            for step in range(n_steps):
                here = builder.add(k, INT64(step))
                a_here = builder.gep(a, [builder.mul(here, INT64(k_stride))])
                b_here = builder.gep(b, [builder.mul(here, INT64(TILE_COLUMNS))])
                _emit_step(builder, a_here, row_stride, b_here, ahead, accumulators)

        return body

    c_rows = [builder.gep(c, [builder.mul(c_stride, INT64(row))]) for row in range(rows)]
    c_tile = [[builder.gep(row, [INT64(v * LANES)]) for v in range(TILE_VECTORS)] for row in c_rows]
    # C may come from memory: asked for now, it is there when the sum is done. So C is added at the
    # end, where loading it into the accumulators would wait for it at the beginning.
    for row in c_tile:
        for pointer in row:
            emit_prefetch(builder, pointer, for_write=True)
    sums = [[ir.Constant(VECTOR, None)] * TILE_VECTORS for _ in range(rows)]
    whole = builder.and_(n_k, INT64(-UNROLL))
    sums = emit_loop(builder, "turns", INT64(0), whole, INT64(UNROLL), sums, steps(UNROLL))
    sums = emit_loop(builder, "rest", whole, n_k, INT64(1), sums, steps(1))
    with builder.if_else(add) as (then, otherwise):
        with then:
            for pointer, value in pairs(c_tile, sums):
                emit_store(builder, builder.fadd(emit_load(builder, pointer), value), pointer)
        with otherwise:
            for pointer, value in pairs(c_tile, sums):
                emit_store(builder, value, pointer)


def make_tile(rows):
    """The tile for that many rows, to be called from a kernel."""

    def codegen(context, builder, signature, args):
        block, at, columns, panel, panel_start, n_k, ahead, c, c_at, c_stride, add = args
        block, panel, c = (
            builder.gep(data_pointer(context, builder, signature.args[i], array), [start])
            for i, array, start in ((0, block, at), (3, panel, panel_start), (7, c, c_at))
        )
        rest = (panel, n_k, ahead, c, c_stride, add)
        with builder.if_else(columns) as (then, otherwise):
            with then:
                _emit_tile(builder, rows, block, 1, BLOCK_STRIDE, *rest)
            with otherwise:
                _emit_tile(builder, rows, block, BLOCK_STRIDE, 1, *rest)
        return context.get_dummy_value()

    @intrinsic
    def tile(typingctx, block, at, columns, panel, panel_start, n_k, ahead, c, c_at, c_stride, add):
        i, flag = types.intp, types.boolean
        return types.void(block, i, flag, panel, i, i, i, c, i, i, flag), codegen

    return tile


tile_full = make_tile(TILE_ROWS)
tile_8 = make_tile(min(8, TILE_ROWS))  # called where TILE_ROWS is larger
tile_4 = make_tile(4)
tile_2 = make_tile(2)
tile_1 = make_tile(1)


@kernel
def multiply_panel(
    block, at, columns, n_rows, panel, panel_start, n_k, ahead, c, c_at, c_stride, add
):  # fmt: skip
    """C (n_rows x TILE_COLUMNS) = or += A (n_rows x n_k) times one panel (n_k x TILE_COLUMNS).

    A begins at position `at` of `block`; its rows are the block's columns if `columns`. What lies
    `ahead` floats behind each row of the panel is fetched meanwhile: the next panel, which comes
    from beyond the second-level cache, costs its first reader a tenth of all time otherwise.
    """
    never_inline()
    row_stride = 1 if columns else BLOCK_STRIDE
    for _ in range(n_rows // TILE_ROWS):
        tile_full(block, at, columns, panel, panel_start, n_k, ahead, c, c_at, c_stride, add)
        at += TILE_ROWS * row_stride
        c_at += TILE_ROWS * c_stride
    rest = n_rows % TILE_ROWS
    if rest >= 8:  # AVX-512 alone
        tile_8(block, at, columns, panel, panel_start, n_k, ahead, c, c_at, c_stride, add)
        at += 8 * row_stride
        c_at += 8 * c_stride
        rest -= 8
    if rest >= 4:
        tile_4(block, at, columns, panel, panel_start, n_k, ahead, c, c_at, c_stride, add)
        at += 4 * row_stride
        c_at += 4 * c_stride
        rest -= 4
    if rest >= 2:
        tile_2(block, at, columns, panel, panel_start, n_k, ahead, c, c_at, c_stride, add)
        at += 2 * row_stride
        c_at += 2 * c_stride
        rest -= 2
    if rest == 1:
        tile_1(block, at, columns, panel, panel_start, n_k, ahead, c, c_at, c_stride, add)
