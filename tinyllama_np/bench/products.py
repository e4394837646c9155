"""The kernels one by one, on one thread: products beside BLAS, and attention."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tinyllama_np.backend import Backend, get_backend
from tinyllama_np.bench.timing import Repeats, Spread, time_alternating
from tinyllama_np.config import ModelConfig
from tinyllama_np.lanes import single_threaded_blas
from tinyllama_np.ops import FloatArray
from tinyllama_np.ops.rope import rope_tables

PRODUCT_REPEATS = Repeats(least=5, most=41, seconds=0.2)
ATTENTION_REPEATS = Repeats(least=5, most=41, seconds=0.5)
CHECKED_ROWS = 64  # rows of a result that are compared with float64: all take seconds when large


@dataclass(frozen=True)
class Product:
    """One product of the training step, by our kernel and by BLAS."""

    weight: tuple[int, int]  # (O, I)
    operation: str  # "forward", "input gradient" or "weight gradient"
    gflops: float
    blas_gflops: float
    relative_error: float  # largest difference from float64 over the largest value

    @property
    def ratio(self) -> float:
        """Speed of our kernel over that of BLAS: above 1 ours is faster."""
        return self.gflops / self.blas_gflops

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name, the ratio included."""
        return {**dataclasses.asdict(self), "weight": list(self.weight), "ratio": self.ratio}


class _Case(NamedTuple):
    """One product in both libraries; each writes its result into `out` or `blas_out`."""

    operation: str
    own: Callable[[], object]
    blas: Callable[[], object]
    out: FloatArray
    reference: Callable[[], FloatArray]  # the first rows of the result, in float64


def product_shapes(model: ModelConfig) -> list[tuple[int, int]]:
    """Shapes (O, I) of the model's matrices, each once, the head last."""
    d, f, kv, v = model.hidden_size, model.intermediate_size, model.kv_size, model.vocab_size
    return list(dict.fromkeys([(d, d), (kv, d), (f, d), (d, f), (v, d)]))


def compare_products(
    shapes: list[tuple[int, int]], tokens: int, repeats: Repeats = PRODUCT_REPEATS
) -> list[Product]:
    """Every product with a weight: forward and both gradients, ours and BLAS alternating.

    Weights are prepared beforehand, as once a step. Ours adds to the weight's gradient, as
    training needs it; BLAS only writes it.

    Parameters
    ----------
    shapes : list of (int, int)
        (O, I) of the weights.
    tokens : int
        N, tokens of a micro-batch.
    repeats : Repeats
        Of each product.

    Returns
    -------
    list of Product
        Three for each shape.
    """
    backend = get_backend("numba")
    compared = []
    with single_threaded_blas():
        for o, i in shapes:
            for case in _cases(backend, tokens, o, i):
                error = _relative_error(case)
                own, blas = time_alternating(repeats, case.own, case.blas)
                work = 2e-9 * tokens * o * i
                gflops, blas_gflops = own.rate(work).median, blas.rate(work).median
                compared.append(Product((o, i), case.operation, gflops, blas_gflops, error))
    return compared


def _cases(backend: Backend, n: int, o: int, i: int) -> list[_Case]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> FloatArray:
        drawn: FloatArray = rng.standard_normal(shape, dtype=np.float32)
        return drawn

    x, weight, dout = draw(n, i), draw(o, i), draw(n, o)
    prepared = backend.prepare_weight(weight, None)
    out, dx, dweight = (np.zeros_like(a) for a in (dout, x, weight))
    blas_out, blas_dx, blas_dweight = (np.empty_like(a) for a in (dout, x, weight))

    def first(array: FloatArray) -> FloatArray:
        return array[:CHECKED_ROWS].astype(np.float64)

    def wide(array: FloatArray) -> FloatArray:
        return array.astype(np.float64)

    return [
        _Case(
            "forward",
            lambda: backend.linear(x, prepared, out, False),
            lambda: np.dot(x, weight.T, out=blas_out),
            out,
            lambda: first(x) @ wide(weight).T,
        ),
        _Case(
            "input gradient",
            lambda: backend.linear_backward_input(dout, prepared, dx, False),
            lambda: np.dot(dout, weight, out=blas_dx),
            dx,
            lambda: first(dout) @ wide(weight),
        ),
        _Case(
            "weight gradient",
            lambda: backend.linear_backward_weight(dout, x, dweight),
            lambda: np.dot(dout.T, x, out=blas_dweight),
            dweight,
            lambda: wide(dout[:, :CHECKED_ROWS]).T @ wide(x),
        ),
    ]


def _relative_error(case: _Case) -> float:
    case.own()  # the results begin as zeros, so that the first call may add to them
    reference = case.reference()
    difference = np.abs(case.out[:CHECKED_ROWS] - reference)
    return float(difference.max() / np.abs(reference).max())


def geometric_mean(ratios: list[float]) -> float:
    """The mean of ratios: twice as fast and half as fast make 1."""
    return float(np.exp(np.mean(np.log(ratios))))


def measure_attention(
    time: int,
    heads: int = 4,
    head_size: int = 64,
    kv_heads: int | None = None,
    repeats: Repeats = ATTENTION_REPEATS,
) -> tuple[Spread, Spread]:
    """Seconds of the forward and of the backward pass over one sequence, on one thread.

    Rotary embedding is part of both.

    Parameters
    ----------
    time : int
        T, tokens of the sequence.
    heads, head_size : int
    kv_heads : int, optional
        `heads` if not given.
    repeats : Repeats
    """
    backend = get_backend("numba")
    rng = np.random.default_rng(0)
    kv = kv_heads or heads

    def draw(number: int) -> FloatArray:
        drawn: FloatArray = rng.standard_normal((1, time, number, head_size), dtype=np.float32)
        return drawn

    q, k, v, dout = draw(heads), draw(kv), draw(kv), draw(heads)
    out, lse = np.empty_like(q), np.empty((1, heads, time), dtype=np.float32)
    dq, dk, dv = (np.empty_like(array) for array in (q, k, v))
    cos, sin = rope_tables(time, head_size, 10000.0, np.float32)
    with single_threaded_blas():
        forward, backward = time_alternating(
            repeats,
            lambda: backend.attention(q, k, v, cos, sin, out, lse),  # turns q and k every time
            lambda: backend.attention_backward(dout, q, k, v, out, lse, cos, sin, dq, dk, dv),
        )
    return forward, backward
