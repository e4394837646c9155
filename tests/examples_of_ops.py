"""One small example an operation, in float64, for the gradient checks; every size is distinct.

`EXAMPLES[name]()` makes a fresh one. `errors_of` judges a backward pass by central differences of
sum(dout * out) with a random dout, so that no output's gradient goes unasked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyllama_np.gradcheck import gradient_errors
from tinyllama_np.ops.attention import attention_backward, attention_forward
from tinyllama_np.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from tinyllama_np.ops.embedding import embedding_backward, embedding_forward
from tinyllama_np.ops.linear import linear_backward, linear_forward
from tinyllama_np.ops.rmsnorm import rmsnorm_backward, rmsnorm_forward
from tinyllama_np.ops.rope import rope_backward, rope_forward, rope_tables
from tinyllama_np.ops.swiglu import swiglu_backward, swiglu_forward

# Distinct, so that a swapped axis cannot pass.
B, T, H, K, E, D, F, V, N = 2, 5, 6, 3, 4, 8, 7, 11, 9


@dataclass(frozen=True)
class OpExample:
    """Arrays by name, the forward pass of them, and the backward pass to be judged."""

    arrays: dict[str, np.ndarray]  # the differentiable inputs, in the order of the gradients
    forward: Callable[[], tuple[np.ndarray, Any]]
    backward: Callable[[np.ndarray, Any], Any]
    dout: np.ndarray


def errors_of(example: OpExample, backward: Callable[..., Any] | None = None) -> dict[str, float]:
    """Relative error of each gradient that `backward` (the example's own if none) gives."""
    _, cache = example.forward()
    grads = (backward or example.backward)(example.dout, cache)
    if not isinstance(grads, tuple):
        grads = (grads,)
    return gradient_errors(
        lambda: float((example.dout * example.forward()[0]).sum()),
        example.arrays,
        dict(zip(example.arrays, grads, strict=True)),
    )


def _draw(seed: int) -> Callable[..., np.ndarray]:
    rng = np.random.default_rng(seed)
    return lambda *shape: rng.standard_normal(shape)


def linear_example() -> OpExample:
    draw = _draw(1)
    x, weight = draw(N, D), draw(F, D)
    return OpExample(
        {"x": x, "weight": weight},
        lambda: linear_forward(x, weight),
        linear_backward,
        draw(N, F),
    )


def embedding_example() -> OpExample:
    draw = _draw(2)
    tokens = np.array([3, 10, 3, 0, 7, 3, 10, 1, 5])  # 3 and 10 come more than once, 2 never
    weight = draw(V, D)
    return OpExample(
        {"weight": weight},
        lambda: embedding_forward(tokens, weight),
        embedding_backward,
        draw(N, D),
    )


def rmsnorm_example() -> OpExample:
    draw = _draw(3)
    x, weight = draw(N, D), 1 + 0.5 * draw(D)
    x *= np.linspace(0.1, 3, N)[:, None]  # small rows, where eps counts, and large ones
    return OpExample(
        {"x": x, "weight": weight},
        lambda: rmsnorm_forward(x, weight, 1e-2),
        rmsnorm_backward,
        draw(N, D),
    )


def rope_example() -> OpExample:
    draw = _draw(4)
    x = draw(B, T, H, E)
    cos, sin = rope_tables(T, E, 100.0, np.float64)
    return OpExample({"x": x}, lambda: rope_forward(x, cos, sin), rope_backward, draw(B, T, H, E))


def attention_example(kv_heads: int = K) -> OpExample:
    draw = _draw(5)
    q, k, v = draw(B, T, H, E), draw(B, T, kv_heads, E), draw(B, T, kv_heads, E)
    return OpExample(
        {"q": q, "k": k, "v": v},
        lambda: attention_forward(q, k, v),
        attention_backward,
        draw(B, T, H, E),
    )


def swiglu_example() -> OpExample:
    draw = _draw(6)
    gate, up = 2 * draw(N, F), draw(N, F)
    return OpExample(
        {"gate": gate, "up": up}, lambda: swiglu_forward(gate, up), swiglu_backward, draw(N, F)
    )


def cross_entropy_example() -> OpExample:
    draw = _draw(7)
    logits = 2 * draw(N, V)
    targets = np.array([3, 10, 0, 0, 7, 3, 10, 1, 5])
    return OpExample(
        {"logits": logits},
        lambda: cross_entropy_forward(logits, targets),
        cross_entropy_backward,
        draw(N),
    )


EXAMPLES: dict[str, Callable[[], OpExample]] = {
    "linear": linear_example,
    "embedding": embedding_example,
    "rmsnorm": rmsnorm_example,
    "rope": rope_example,
    "attention": attention_example,
    "attention, one key/value head": lambda: attention_example(1),
    "attention, not grouped": lambda: attention_example(H),
    "swiglu": swiglu_example,
    "cross_entropy": cross_entropy_example,
}
