"""What the kernels share: the decorator, the vector width, fused multiply-add and exp.

Loops over elements are left to LLVM's vectoriser; it needs an `exp` without a call (pip's Numba
has no vector exp: `np.exp` costs 4 ns an element) and no float64 by accident. The matrix
products (tile.py) are too much for the vectoriser and are emitted as vector instructions.
"""

from itertools import chain
from pathlib import Path

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from .cache import host_cpu, kernel_cache_folder, numba_cache_in

_FEATURES = set(host_cpu()[1].split(","))

# float32 numbers in a vector register. LLVM legalises any width, so a wrong guess is slow, not
# wrong. Four: SSE and NEON.
LANES = 16 if "+avx512f" in _FEATURES else 8 if "+avx" in _FEATURES else 4

# Without the instruction llvm.fma is a call; llvm.fmuladd is two instructions there.
HAS_FMA = "+fma" in _FEATURES or "+neon" in _FEATURES or "+fp-armv8" in _FEATURES
_MULTIPLY_ADD = "llvm.fma" if HAS_FMA else "llvm.fmuladd"

_CACHE_FOLDER = kernel_cache_folder(Path(__file__).parent)


def _compiled(fastmath, inlined=False):
    def decorate(function):
        with numba_cache_in(_CACHE_FOLDER):
            # error_model="numpy": the check for division by zero is a branch that stops
            # vectorisation.
            options = {"nogil": True, "error_model": "numpy", "fastmath": fastmath, "cache": True}
            return njit(forceinline=inlined, **options)(function)

    return decorate


# No "ninf"/"nnan": a loss that is not finite must stay so.
_FASTMATH = {"contract", "reassoc", "nsz"}

# For what model.py calls, and for parts that copy, count, or call others.
kernel = _compiled(_FASTMATH)

# For parts that calculate with floats. They become a piece of each kernel that calls them. Left as
# functions they would have a copy in each kernel's machine code, rounded in another order where the
# surroundings differ, and which copy all of them call would depend on which kernel was loaded
# first, or on whether this process has compiled it itself: other bytes from one run to the next.
part = _compiled(_FASTMATH, inlined=True)

# For parts whose accuracy rests on the order of their operations, such as exp.
exact = _compiled({"contract"}, inlined=True)


# ------------------------------------------------------------------ emitting vector instructions

FLOAT = ir.FloatType()
INT32 = ir.IntType(32)
INT64 = ir.IntType(64)
VECTOR = ir.VectorType(FLOAT, LANES)


def data_pointer(context, builder, array_type, array):
    """Address of an array's first element; the array must be float32 without gaps."""
    if array_type.dtype != types.float32 or array_type.layout != "C":
        raise TypeError(f"this kernel takes C-contiguous float32 arrays, not {array_type}")
    return context.make_array(array_type)(context, builder, array).data


def emit_load(builder, pointer):
    """LANES floats from an address without alignment."""
    return builder.load(builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def emit_store(builder, vector, pointer):
    """LANES floats to an address without alignment."""
    builder.store(vector, builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def emit_prefetch(builder, pointer, for_write=False):
    """Ask for the cache line at an address: to be written to, or into the second-level cache."""
    byte_pointer = ir.IntType(8).as_pointer()
    signature = ir.FunctionType(ir.VoidType(), [byte_pointer, INT32, INT32, INT32])
    function = cgutils.get_or_insert_function(builder.module, signature, "llvm.prefetch.p0")
    keep, data = INT32(3 if for_write else 2), INT32(1)
    builder.call(
        function, [builder.bitcast(pointer, byte_pointer), INT32(int(for_write)), keep, data]
    )


def emit_broadcast(builder, pointer):
    """LANES copies of the float at an address."""
    first = builder.insert_element(
        ir.Constant(VECTOR, ir.Undefined), builder.load(pointer, align=4), INT32(0)
    )
    every_lane_first = ir.Constant(ir.VectorType(INT32, LANES), None)
    return builder.shuffle_vector(first, ir.Constant(VECTOR, ir.Undefined), every_lane_first)


def emit_fma(builder, a, b, c):
    """A * b + c, rounded once where the processor can."""
    name = f"{_MULTIPLY_ADD}.{'f32' if a.type == FLOAT else f'v{LANES}f32'}"
    signature = ir.FunctionType(a.type, [a.type] * 3)
    function = cgutils.get_or_insert_function(builder.module, signature, name)
    return builder.call(function, [a, b, c])


def pairs(tile, other):
    """The entries of two tiles (lists of rows), one beside the other."""
    return zip(chain.from_iterable(tile), chain.from_iterable(other), strict=True)


def emit_loop(builder, name, first, last, stride, accumulators, body):
    """For k in range(first, last, stride): body(k, accumulators); gives what they are at the end.

    The accumulators are vectors, in rows; `body` replaces them in the lists that it is given.
    """
    entry = builder.block
    head, inside, after = (builder.append_basic_block(f"{name}.{part}") for part in "hia")
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(first.type)
    k.add_incoming(first, entry)
    phis = [[builder.phi(VECTOR) for _ in row] for row in accumulators]
    for phi, value in pairs(phis, accumulators):
        phi.add_incoming(value, entry)
    builder.cbranch(builder.icmp_signed("<", k, last), inside, after)
    builder.position_at_end(inside)
    current = [list(row) for row in phis]
    body(k, current)
    for phi, value in pairs(phis, current):
        phi.add_incoming(value, builder.block)
    k.add_incoming(builder.add(k, stride), builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return phis


@intrinsic
def never_inline(typingctx):
    """Keep the function that calls this as a function of its own.

    One that is called from many places and is all loops would only be copied by inlining, which
    costs seconds of compilation and gains nothing.
    """

    def codegen(context, builder, signature, args):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), codegen


# --------------------------------------------------------------------------------- scalar pieces


@intrinsic
def fma(typingctx, a, b, c):
    """A * b + c in float32; a loop of them is vectorised."""

    def codegen(context, builder, signature, args):
        return emit_fma(builder, *args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@intrinsic
def nearest_integer(typingctx, x):
    """The nearest integer, as float32."""

    def codegen(context, builder, signature, args):
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(FLOAT, [FLOAT]), "llvm.rint.f32"
        )
        return builder.call(function, args)

    return types.float32(types.float32), codegen


@intrinsic
def scale_by_power_of_two(typingctx, x, n):
    """X * 2**n for a float32 n that is an integer: adds n to the exponent's bits."""

    def codegen(context, builder, signature, args):
        x, n = args
        exponent = builder.shl(builder.fptosi(n, INT32), INT32(23))
        return builder.bitcast(builder.add(builder.bitcast(x, INT32), exponent), FLOAT)

    return types.float32(types.float32, types.float32), codegen


LOG2_E = np.float32(1.4426950408889634)
# ln 2 in two parts: the first has 9 significant bits, so that n * LN2_HIGH is exact.
LN2_HIGH = np.float32(0.693359375)
LN2_LOW = np.float32(-0.00021219444005471377)
# Below, the result would be a denormal number: 0 instead. Above, it is infinite.
EXP_LOWEST = np.float32(-126 * 0.6931471805599453)
EXP_HIGHEST = np.float32(88.72283)
# (exp(r) - 1 - r) / r**2 on |r| <= ln 2 / 2: minimax (Lawson's iteration), within 3.1e-9 of
# exp(r) in relative terms before rounding.
C0 = np.float32(0.49999993)
C1 = np.float32(0.16666521)
C2 = np.float32(0.04166839)
C3 = np.float32(0.00836872)
C4 = np.float32(0.00138146)
ONE = np.float32(1)
ZERO = np.float32(0)
HUGE = np.float32(3e38)


@exact
def exp(x):
    """Exp of a float32, without a call or a branch: relative error at most 1e-7 or so.

    exp(x) = 2**n exp(r) with x = n ln 2 + r. NaN stays NaN; below -87.34 the result is 0.
    """
    n = nearest_integer(x * LOG2_E)
    r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x))
    p = fma(r, fma(r, fma(r, fma(r, C4, C3), C2), C1), C0)
    p = fma(r * r, p, r) + ONE
    y = scale_by_power_of_two(p, n)
    y = ZERO if x < EXP_LOWEST else y
    # HUGE * x: infinite above the range, and NaN for NaN, which fails the comparison
    return y if x <= EXP_HIGHEST else HUGE * x


# Floats that one turn of a vectorised loop takes: a row padded to whole BLOCKs has no scalar rest.
BLOCK = 4 * LANES
MINUS_INFINITY = np.float32(-np.inf)


@intrinsic
def _largest_of_blocks(typingctx, row, n):
    """The largest of row[:n], n a multiple of BLOCK; NaN is passed over.

    By hand, since the vectoriser leaves a maximum alone unless NaN may be ignored everywhere.
    """

    def larger(builder, x, y):
        return builder.select(builder.fcmp_ordered(">", x, y), x, y)

    def codegen(context, builder, signature, args):
        row = data_pointer(context, builder, signature.args[0], args[0])
        n = args[1]
        smallest = ir.Constant(VECTOR, [FLOAT(float("-inf"))] * LANES)

        def body(k, current):
            for v, best in enumerate(current[0]):
                pointer = builder.gep(row, [builder.add(k, n.type(v * LANES))])
                current[0][v] = larger(builder, emit_load(builder, pointer), best)

        start = [[smallest] * (BLOCK // LANES)]
        (best,) = emit_loop(builder, "max", n.type(0), n, n.type(BLOCK), start, body)
        lanes = [builder.extract_element(v, INT32(lane)) for v in best for lane in range(LANES)]
        while len(lanes) > 1:
            lanes = [larger(builder, x, y) for x, y in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    return types.float32(row, types.intp), codegen


@part
def largest(row, n):
    """The largest of row[:n]; NaN is passed over."""
    whole = n // BLOCK * BLOCK
    result = _largest_of_blocks(row, whole)
    for j in range(whole, n):
        result = row[j] if row[j] > result else result
    return result
