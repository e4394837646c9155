"""One registry: for every entry of the backend table, how to call it and how exact it must be.

A pair's `make(sizes, draw)` gives the arguments in order. `errors_against_numpy` runs an entry in
float32 and the NumPy table's in float64 on the same float32 numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyllama_np.backend import NUMPY, Backend
from tinyllama_np.ops.rope import rope_tables


@dataclass(frozen=True)
class Sizes:
    """B sequences of T tokens and a model's widths; D = H E, N = B T."""

    B: int
    T: int
    H: int
    K: int
    E: int
    F: int
    V: int

    @property
    def N(self) -> int:
        return self.B * self.T

    @property
    def D(self) -> int:
        return self.H * self.E


SIZES = {
    "one token": Sizes(B=1, T=1, H=1, K=1, E=2, F=1, V=2),
    "odd": Sizes(B=3, T=7, H=6, K=3, E=10, F=37, V=53),
    "odd and long": Sizes(B=2, T=131, H=6, K=2, E=26, F=333, V=611),
    "paper": Sizes(B=1, T=256, H=4, K=4, E=64, F=704, V=4096),
}


@dataclass(frozen=True)
class Argument:
    """One argument of an entry.

    kind: "in" read only; "weight" a matrix, prepared for the table; "=" written; "+=" added to;
    "inout" read and written; "scratch" written, of no meaning afterwards; "float64" a result that
    has this precision in every table.
    """

    name: str
    kind: str
    value: Any  # of "=", "scratch", "float64", and first of "+=", the shape


WRITTEN = ("=", "+=", "inout", "float64")


@dataclass(frozen=True)
class Pair:
    """An entry's arguments, and the largest error allowed, relative to the largest value."""

    make: Callable[[Sizes, Callable[..., np.ndarray]], list[Argument]]
    tolerance: float
    call: Callable[..., None] | None = None  # call(backend, *arguments), if not the entry itself


Draw = Callable[..., np.ndarray]


def ids(draw: Draw, limit: int, n: int) -> np.ndarray:
    """n int32 numbers below `limit`; the highest comes first and again last."""
    found = np.floor(np.abs(draw(n)) * limit / 2).astype(np.int32) % limit
    found[[0, -1]] = limit - 1
    return found


def embed(s: Sizes, draw: Draw) -> list[Argument]:
    return [
        Argument("tokens", "in", ids(draw, s.V, s.N)),
        Argument("weight", "in", draw(s.V, s.D)),
        Argument("out", "=", (s.N, s.D)),
    ]


def embed_backward(s: Sizes, draw: Draw) -> list[Argument]:
    return [
        Argument("tokens", "in", ids(draw, s.V, s.N)),
        Argument("dout", "in", draw(s.N, s.D)),
        Argument("dweight", "+=", (s.V, s.D)),
    ]


def rmsnorm(s: Sizes, draw: Draw) -> list[Argument]:
    return [
        Argument("x", "in", draw(s.N, s.D)),
        Argument("weight", "in", 1 + draw(s.D)),
        Argument("eps", "in", 1e-2),
        Argument("out", "=", (s.N, s.D)),
        Argument("rstd", "=", (s.N,)),
    ]


def rmsnorm_backward(s: Sizes, draw: Draw) -> list[Argument]:
    x = draw(s.N, s.D)
    return [
        Argument("dout", "in", draw(s.N, s.D)),
        Argument("x", "in", x),
        Argument("weight", "in", 1 + draw(s.D)),
        Argument("rstd", "in", 1 / np.sqrt((x**2).mean(axis=1) + 1e-2)),
        Argument("dx", "+=", (s.N, s.D)),
        Argument("dweight", "+=", (s.D,)),
    ]


def linear(s: Sizes, draw: Draw, kind: str = "=") -> list[Argument]:
    return [
        Argument("x", "in", draw(s.N, s.D)),
        Argument("weight", "weight", draw(s.F, s.D)),
        Argument("out", kind, (s.N, s.F)),
        Argument("accumulate", "in", kind == "+="),
    ]


def linear_backward_input(s: Sizes, draw: Draw, kind: str = "=") -> list[Argument]:
    return [
        Argument("dout", "in", draw(s.N, s.F)),
        Argument("weight", "weight", draw(s.F, s.D)),
        Argument("dx", kind, (s.N, s.D)),
        Argument("accumulate", "in", kind == "+="),
    ]


def linear_backward_weight(s: Sizes, draw: Draw) -> list[Argument]:
    return [
        Argument("dout", "in", draw(s.N, s.F)),
        Argument("x", "in", draw(s.N, s.D)),
        Argument("dweight", "+=", (s.F, s.D)),
    ]


def prepare_weight(s: Sizes, draw: Draw) -> list[Argument]:
    """Judged by the products that use it, after packing over another weight's buffers."""
    return [
        Argument("before", "in", draw(s.F, s.D)),
        Argument("weight", "in", draw(s.F, s.D)),
        Argument("x", "in", draw(s.N, s.D)),
        Argument("out", "=", (s.N, s.F)),
        Argument("dx", "=", (s.N, s.D)),
    ]


def call_prepare_weight(
    backend: Backend, before: Any, weight: Any, x: Any, out: Any, dx: Any
) -> None:
    prepared = backend.prepare_weight(weight, backend.prepare_weight(before, None))
    backend.linear(x, prepared, out, False)
    dout = np.ascontiguousarray(out / np.abs(out).max())
    backend.linear_backward_input(dout, prepared, dx, False)


def attention(s: Sizes, draw: Draw) -> list[Argument]:
    cos, sin = rope_tables(s.T, s.E, 100.0, np.float64)
    return [
        Argument("q", "inout", 2 * draw(s.B, s.T, s.H, s.E)),
        Argument("k", "inout", draw(s.B, s.T, s.K, s.E)),
        Argument("v", "in", draw(s.B, s.T, s.K, s.E)),
        Argument("cos", "in", cos),
        Argument("sin", "in", sin),
        Argument("out", "=", (s.B, s.T, s.H, s.E)),
        Argument("lse", "=", (s.B, s.H, s.T)),
    ]


def attention_backward(s: Sizes, draw: Draw) -> list[Argument]:
    q, k, v, cos, sin, out, lse = (
        np.empty(a.value) if a.kind == "=" else a.value for a in attention(s, draw)
    )
    NUMPY.attention(q, k, v, cos, sin, out, lse)  # rotates q and k
    names = ("q", "k", "v", "out", "lse", "cos", "sin")
    given = zip(names, (q, k, v, out, lse, cos, sin), strict=True)
    return [
        Argument("dout", "in", draw(*q.shape)),
        *(Argument(name, "in", array) for name, array in given),
        Argument("dq", "=", q.shape),
        Argument("dk", "=", k.shape),
        Argument("dv", "=", v.shape),
    ]


def _dout_gate_up(s: Sizes, draw: Draw) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dout, gate, up = draw(s.N, s.F), 2 * draw(s.N, s.F), draw(s.N, s.F)
    gate.reshape(-1)[:2] = (100, -100)[: gate.size]  # where exp would overflow,
    for factor in (dout, up):  # in results no larger than the others
        factor.reshape(-1)[:2] *= 0.01
    return dout, gate, up


def swiglu(s: Sizes, draw: Draw) -> list[Argument]:
    _, gate, up = _dout_gate_up(s, draw)
    return [
        Argument("gate", "in", gate),
        Argument("up", "in", up),
        Argument("out", "=", (s.N, s.F)),
    ]


def swiglu_backward(s: Sizes, draw: Draw) -> list[Argument]:
    dout, gate, up = _dout_gate_up(s, draw)
    return [
        Argument("dout", "in", dout),
        Argument("gate", "in", gate),
        Argument("up", "in", up),
        Argument("dgate", "=", (s.N, s.F)),
        Argument("dup", "=", (s.N, s.F)),
    ]


def _head(s: Sizes, draw: Draw) -> list[Argument]:
    return [
        Argument("x", "in", draw(s.N, s.D)),
        Argument("weight", "weight", draw(s.V, s.D) / np.sqrt(s.D) * 3),
        Argument("targets", "in", ids(draw, s.V, s.N)),
    ]


def head_loss(s: Sizes, draw: Draw) -> list[Argument]:
    return [
        *_head(s, draw),
        Argument("dloss", "in", 0.7),
        Argument("logits", "scratch", (min(s.N, 100), s.V)),
        Argument("losses", "=", (s.N,)),
        Argument("dx", "=", (s.N, s.D)),
        Argument("dweight", "+=", (s.V, s.D)),
    ]


def head_losses(s: Sizes, draw: Draw) -> list[Argument]:
    return [
        *_head(s, draw),
        Argument("logits", "scratch", (min(s.N, 100), s.V)),
        Argument("losses", "=", (s.N,)),
    ]


def adamw(s: Sizes, draw: Draw) -> list[Argument]:
    n = s.V * s.D + 3
    scalars = {
        "learning_rate": 0.1,
        "beta1": 0.9,
        "beta2": 0.95,
        "epsilon": 1e-3,
        "weight_decay": 0.5,
        "step": 3,
        "grad_scale": 0.3,
    }
    return [
        Argument("weight", "inout", draw(n)),
        Argument("grad", "in", draw(n)),
        Argument("m", "inout", draw(n)),
        Argument("v", "inout", draw(n) ** 2),
        *(Argument(name, "in", value) for name, value in scalars.items()),
    ]


def accumulate(s: Sizes, draw: Draw) -> list[Argument]:
    n = s.V * s.D + 3
    return [Argument("total", "+=", (n,)), Argument("part", "in", draw(n))]


def sum_of_squares(s: Sizes, draw: Draw) -> list[Argument]:
    return [Argument("x", "in", draw(s.V * s.D + 3)), Argument("sum", "float64", (1,))]


def call_sum_of_squares(backend: Backend, x: Any, total: Any) -> None:
    total[0] = backend.sum_of_squares(x)


# By the entry's name; what stands behind a comma tells calls of one entry apart. The bounds are
# three to five times what AVX2 machine code was measured to need at the largest sizes.
REGISTRY: dict[str, Pair] = {
    "prepare_weight": Pair(prepare_weight, 2e-6, call_prepare_weight),
    "embed": Pair(embed, 1e-12),
    "embed_backward": Pair(embed_backward, 3e-7),
    "rmsnorm": Pair(rmsnorm, 6e-7),
    "rmsnorm_backward": Pair(rmsnorm_backward, 4e-6),
    "linear, =": Pair(linear, 2e-6),
    "linear, +=": Pair(lambda s, draw: linear(s, draw, "+="), 5e-7),
    "linear_backward_input, =": Pair(linear_backward_input, 2e-6),
    "linear_backward_input, +=": Pair(lambda s, draw: linear_backward_input(s, draw, "+="), 5e-7),
    "linear_backward_weight": Pair(linear_backward_weight, 6e-7),
    "attention": Pair(attention, 2e-6),
    "attention_backward": Pair(attention_backward, 4e-6),
    "swiglu": Pair(swiglu, 4e-7),
    "swiglu_backward": Pair(swiglu_backward, 8e-7),
    "head_loss": Pair(head_loss, 5e-6),
    "head_losses": Pair(head_losses, 3e-6),
    "adamw": Pair(adamw, 8e-7),
    "accumulate": Pair(accumulate, 2e-7),
    "sum_of_squares": Pair(sum_of_squares, 1e-12, call_sum_of_squares),
}


def entry_of(key: str) -> str:
    """The table's entry that a key of the registry is about."""
    return key.split(",")[0]


def arguments_of(key: str, sizes: Sizes) -> list[Argument]:
    """Random arguments, the same at every call, with numbers that are exact in float32."""
    rng = np.random.default_rng(len(key))

    def draw(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape)

    def exact(value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            return value.astype(np.float32)
        return value

    arguments = [Argument(a.name, a.kind, exact(a.value)) for a in REGISTRY[key].make(sizes, draw)]
    # What is added to must not drown what is added: give it the size of the sum from zero.
    from_zero = run(NUMPY, key, arguments, np.float64)
    return [
        Argument(a.name, a.kind, exact(draw(*a.value) * np.abs(from_zero[a.name]).max()))
        if a.kind == "+="
        else a
        for a in arguments
    ]


def run(backend: Backend, key: str, arguments: list[Argument], dtype: Any) -> dict[str, np.ndarray]:
    """Call an entry on copies in `dtype`; returns what it wrote, checks what it may not change."""
    values: dict[str, Any] = {}
    for a in arguments:
        if a.kind in ("=", "scratch"):
            values[a.name] = np.full(a.value, np.nan, dtype)  # every element must be written
        elif a.kind == "float64":
            values[a.name] = np.full(a.value, np.nan)
        elif a.kind == "+=" and isinstance(a.value, tuple):
            values[a.name] = np.zeros(a.value, dtype)
        elif isinstance(a.value, np.ndarray):
            values[a.name] = a.value.astype(dtype if a.value.dtype.kind == "f" else a.value.dtype)
        else:
            values[a.name] = a.value
    passed = [
        backend.prepare_weight(values[a.name], None) if a.kind == "weight" else values[a.name]
        for a in arguments
    ]
    call = REGISTRY[key].call
    if call is None:
        getattr(backend, entry_of(key))(*passed)
    else:
        call(backend, *passed)
    for a in arguments:
        if a.kind in ("in", "weight") and isinstance(a.value, np.ndarray):
            np.testing.assert_array_equal(values[a.name], a.value.astype(values[a.name].dtype))
    return {a.name: values[a.name] for a in arguments if a.kind in WRITTEN}


def errors_against_numpy(backend: Backend, key: str, arguments: list[Argument]) -> dict[str, float]:
    """Largest error of each output in float32, relative to its largest value in float64."""
    wanted = run(NUMPY, key, arguments, np.float64)
    actual = run(backend, key, arguments, np.float32)
    # The inputs are of the order of 1: a result far below that is what a difference has left.
    return {
        name: float(np.abs(actual[name] - wanted[name]).max())
        / max(float(np.abs(wanted[name]).max()), 0.1)
        for name in wanted
    }
