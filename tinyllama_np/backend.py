"""The operations that model.py calls, as a table: in NumPy to be read, in Numba to be fast.

Every entry writes into buffers that the caller gives, named last; entries marked += add to what is
there. The NumPy table is a thin layer over `ops`; the Numba table is `kernels`, which only this
file imports. Shapes: N tokens of a micro-batch, weights (O, I); see `ops` for the other letters.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from tinyllama_np.ops import FloatArray, IntArray
from tinyllama_np.ops.adamw import adamw_step
from tinyllama_np.ops.attention import AttentionCache, attention_backward, attention_forward
from tinyllama_np.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from tinyllama_np.ops.embedding import EmbeddingCache, embedding_backward, embedding_forward
from tinyllama_np.ops.linear import LinearCache, linear_backward, linear_forward
from tinyllama_np.ops.rmsnorm import RMSNormCache, rmsnorm_backward, rmsnorm_forward
from tinyllama_np.ops.rope import RopeCache, rope_backward, rope_forward
from tinyllama_np.ops.swiglu import SwiGLUCache, swiglu_backward, swiglu_forward

Entry = Callable[..., Any]


@dataclass(frozen=True)
class Backend:
    """One table of operations.

    `prepare_weight(weight, previous)` is called once a step for each matrix and may pack it, into
    the buffers of `previous`, its own result of the step before; the entries below that take a
    matrix take its result.
    """

    name: str
    prepare_weight: Entry
    embed: Entry  # (tokens, weight, out)
    embed_backward: Entry  # (tokens, dout, dweight +=)
    rmsnorm: Entry  # (x, weight, eps, out, rstd)
    rmsnorm_backward: Entry  # (dout, x, weight, rstd, dx +=, dweight +=)
    linear: Entry  # (x, weight, out, accumulate): out = or += x W^T
    linear_backward_input: Entry  # (dout, weight, dx, accumulate): dx = or += dout W
    linear_backward_weight: Entry  # (dout, x, dweight +=): dout^T x
    attention: Entry  # (q, k, v, cos, sin, out, lse); rotates q and k in place
    attention_backward: Entry  # (dout, q, k, v, out, lse, cos, sin, dq, dk, dv); rotated q and k
    swiglu: Entry  # (gate, up, out)
    swiglu_backward: Entry  # (dout, gate, up, dgate, dup)
    # The head works on as many tokens at once as its scratch `logits` has rows.
    head_loss: Entry  # (x, weight, targets, dloss, logits, losses, dx, dweight +=)
    head_losses: Entry  # (x, weight, targets, logits, losses): without gradients
    adamw: Entry  # (weight, grad, m, v, the scalars in the order of `_adamw`), in place
    accumulate: Entry  # (total +=, part)
    sum_of_squares: Entry  # (x) -> float


def _prepare_weight(weight: FloatArray, previous: Any) -> FloatArray:
    return weight


def _embed(tokens: IntArray, weight: FloatArray, out: FloatArray) -> None:
    out[...] = embedding_forward(tokens, weight)[0]


def _embed_backward(tokens: IntArray, dout: FloatArray, dweight: FloatArray) -> None:
    dweight += embedding_backward(dout, EmbeddingCache(tokens, len(dweight)))


def _rmsnorm(
    x: FloatArray, weight: FloatArray, eps: float, out: FloatArray, rstd: FloatArray
) -> None:
    out[...], cache = rmsnorm_forward(x, weight, eps)
    rstd[...] = cache.rstd[:, 0]


def _rmsnorm_backward(
    dout: FloatArray,
    x: FloatArray,
    weight: FloatArray,
    rstd: FloatArray,
    dx: FloatArray,
    dweight: FloatArray,
) -> None:
    dx_part, dweight_part = rmsnorm_backward(dout, RMSNormCache(x, rstd[:, None], weight))
    dx += dx_part
    dweight += dweight_part


def _linear(x: FloatArray, weight: FloatArray, out: FloatArray, accumulate: bool) -> None:
    result, _ = linear_forward(x, weight)
    out[...] = out + result if accumulate else result


def _linear_backward_input(
    dout: FloatArray, weight: FloatArray, dx: FloatArray, accumulate: bool
) -> None:
    result = dout @ weight  # dx of linear_backward, without its dweight
    dx[...] = dx + result if accumulate else result


def _linear_backward_weight(dout: FloatArray, x: FloatArray, dweight: FloatArray) -> None:
    dweight += dout.T @ x  # dweight of linear_backward, without its dx


def _attention(
    q: FloatArray,
    k: FloatArray,
    v: FloatArray,
    cos: FloatArray,
    sin: FloatArray,
    out: FloatArray,
    lse: FloatArray,
) -> None:
    q[...], _ = rope_forward(q, cos, sin)
    k[...], _ = rope_forward(k, cos, sin)
    out[...], cache = attention_forward(q, k, v)
    lse[...] = cache.lse


def _attention_backward(
    dout: FloatArray,
    q: FloatArray,
    k: FloatArray,
    v: FloatArray,
    out: FloatArray,
    lse: FloatArray,
    cos: FloatArray,
    sin: FloatArray,
    dq: FloatArray,
    dk: FloatArray,
    dv: FloatArray,
) -> None:
    dq_rotated, dk_rotated, dv[...] = attention_backward(dout, AttentionCache(q, k, v, out, lse))
    dq[...] = rope_backward(dq_rotated, RopeCache(cos, sin))
    dk[...] = rope_backward(dk_rotated, RopeCache(cos, sin))


def _swiglu(gate: FloatArray, up: FloatArray, out: FloatArray) -> None:
    out[...] = swiglu_forward(gate, up)[0]


def _swiglu_backward(
    dout: FloatArray, gate: FloatArray, up: FloatArray, dgate: FloatArray, dup: FloatArray
) -> None:
    dgate[...], dup[...] = swiglu_backward(dout, SwiGLUCache(gate, up))


def _head_loss(
    x: FloatArray,
    weight: FloatArray,
    targets: IntArray,
    dloss: float,
    logits: FloatArray,
    losses: FloatArray,
    dx: FloatArray,
    dweight: FloatArray,
) -> None:
    for rows in _turns(len(x), len(logits)):
        scores, linear_cache = linear_forward(x[rows], weight)
        losses[rows], cache = cross_entropy_forward(scores, targets[rows])
        dlogits = cross_entropy_backward(np.full_like(losses[rows], dloss), cache)
        dx[rows], dweight_part = linear_backward(dlogits, LinearCache(*linear_cache))
        dweight += dweight_part


def _head_losses(
    x: FloatArray, weight: FloatArray, targets: IntArray, logits: FloatArray, losses: FloatArray
) -> None:
    for rows in _turns(len(x), len(logits)):
        scores, _ = linear_forward(x[rows], weight)
        losses[rows], _ = cross_entropy_forward(scores, targets[rows])


def _turns(n: int, at_once: int) -> list[slice]:
    """range(n) in turns of `at_once`."""
    return [slice(first, min(first + at_once, n)) for first in range(0, n, max(1, at_once))]


def _adamw(
    weight: FloatArray,
    grad: FloatArray,
    m: FloatArray,
    v: FloatArray,
    learning_rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
    step: int,
    grad_scale: float,
) -> None:
    weight[...], m[...], v[...] = adamw_step(
        weight,
        grad * grad.dtype.type(grad_scale),
        m,
        v,
        step=step,
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        weight_decay=weight_decay,
    )


def _accumulate(total: FloatArray, part: FloatArray) -> None:
    total += part


def _sum_of_squares(x: FloatArray) -> float:
    return float(np.square(x, dtype=np.float64).sum())


NUMPY = Backend(
    name="numpy",
    prepare_weight=_prepare_weight,
    embed=_embed,
    embed_backward=_embed_backward,
    rmsnorm=_rmsnorm,
    rmsnorm_backward=_rmsnorm_backward,
    linear=_linear,
    linear_backward_input=_linear_backward_input,
    linear_backward_weight=_linear_backward_weight,
    attention=_attention,
    attention_backward=_attention_backward,
    swiglu=_swiglu,
    swiglu_backward=_swiglu_backward,
    head_loss=_head_loss,
    head_losses=_head_losses,
    adamw=_adamw,
    accumulate=_accumulate,
    sum_of_squares=_sum_of_squares,
)


def _product(left: FloatArray, right: FloatArray, out: FloatArray, accumulate: bool) -> None:
    """Out = or += left right, by BLAS, which has no product that accumulates for NumPy to call."""
    if accumulate:
        out += left @ right
    else:
        np.matmul(left, right, out=out)


@cache
def _blas_backend() -> Backend:
    """The Numba table with BLAS's products: to compare with, and for processors it is faster on."""
    from tinyllama_np.kernels.cross_entropy import dlogits_of_logits, losses_of_logits

    def linear(x: FloatArray, weight: FloatArray, out: FloatArray, accumulate: bool) -> None:
        _product(x, weight.T, out, accumulate)

    def linear_backward_input(
        dout: FloatArray, weight: FloatArray, dx: FloatArray, accumulate: bool
    ) -> None:
        _product(dout, weight, dx, accumulate)

    def linear_backward_weight(dout: FloatArray, x: FloatArray, dweight: FloatArray) -> None:
        _product(dout.T, x, dweight, True)

    def head_loss(
        x: Any, weight: Any, targets: Any, dloss: float, logits: Any, losses: Any, dx: Any, dw: Any
    ) -> None:
        for rows in _turns(len(x), len(logits)):
            scores = logits[: rows.stop - rows.start]
            linear(x[rows], weight, scores, False)
            dlogits_of_logits(scores, targets[rows], np.float32(dloss), losses[rows])
            linear_backward_input(scores, weight, dx[rows], False)
            linear_backward_weight(scores, x[rows], dw)

    def head_losses(x: Any, weight: Any, targets: Any, logits: Any, losses: Any) -> None:
        for rows in _turns(len(x), len(logits)):
            scores = logits[: rows.stop - rows.start]
            linear(x[rows], weight, scores, False)
            losses_of_logits(scores, targets[rows], losses[rows])

    return replace(
        _numba_backend(),
        name="numba with BLAS",
        prepare_weight=_prepare_weight,
        linear=linear,
        linear_backward_input=linear_backward_input,
        linear_backward_weight=linear_backward_weight,
        head_loss=head_loss,
        head_losses=head_losses,
    )


@cache
def _numba_backend() -> Backend:
    from tinyllama_np.kernels import (
        adamw,
        attention,
        cross_entropy,
        embedding,
        linear,
        rmsnorm,
        swiglu,
    )

    def rmsnorm_float32(x: Any, weight: Any, eps: float, out: Any, rstd: Any) -> None:
        rmsnorm.rmsnorm(x, weight, np.float32(eps), out, rstd)  # a float would widen the loop

    def head_loss(
        x: Any, weight: Any, targets: Any, dloss: float, logits: Any, losses: Any, dx: Any, dw: Any
    ) -> None:
        cross_entropy.head_loss(x, weight, targets, np.float32(dloss), logits, losses, dx, dw)

    def adamw_float32(
        weight: Any,
        grad: Any,
        m: Any,
        v: Any,
        learning_rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        weight_decay: float,
        step: int,
        grad_scale: float,
    ) -> None:
        corrections = (1 - beta1**step, 1 - beta2**step)  # in float64: beta2**step is near 1
        scalars = (learning_rate, beta1, beta2, epsilon, weight_decay, *corrections, grad_scale)
        adamw.adamw(weight, grad, m, v, *(np.float32(scalar) for scalar in scalars))

    return Backend(
        name="numba",
        prepare_weight=linear.prepare_weight,
        embed=embedding.embed,
        embed_backward=embedding.embed_backward,
        rmsnorm=rmsnorm_float32,
        rmsnorm_backward=rmsnorm.rmsnorm_backward,
        linear=linear.linear,
        linear_backward_input=linear.linear_backward_input,
        linear_backward_weight=linear.linear_backward_weight,
        attention=attention.attention,
        attention_backward=attention.attention_backward,
        swiglu=swiglu.swiglu,
        swiglu_backward=swiglu.swiglu_backward,
        head_loss=head_loss,
        head_losses=cross_entropy.head_losses,
        adamw=adamw_float32,
        accumulate=adamw.accumulate,
        sum_of_squares=adamw.sum_of_squares,
    )


def get_backend(
    name: str, dtype: np.dtype[Any] | type[Any] = np.float32, matmul: str = "numba"
) -> Backend:
    """The table of that name.

    Parameters
    ----------
    name : {"numba", "numpy"}
    dtype : dtype of the weights
    matmul : {"numba", "blas"}
        Whose matrix products the Numba table has: its own kernels' or those of NumPy's BLAS.
        Without meaning for "numpy", whose products are BLAS's.

    Raises
    ------
    ValueError
        If there is none, or if it cannot work in `dtype`.
    """
    if matmul not in ("numba", "blas"):
        raise ValueError(f"matmul={matmul!r} must be 'numba' or 'blas'")
    if name == "numpy":
        return NUMPY
    if name != "numba":
        raise ValueError(f"backend={name!r} must be 'numba' or 'numpy'")
    if np.dtype(dtype) != np.float32:
        raise ValueError(
            f"backend='numba' works in float32, but the weights are {np.dtype(dtype)}; "
            "convert them, or use backend='numpy', which works in any float dtype"
        )
    return _blas_backend() if matmul == "blas" else _numba_backend()


def kernel_target() -> dict[str, Any]:
    """What the kernels are compiled for: `cpu`, `vector_floats` and the `tile` (rows, columns)."""
    from tinyllama_np.kernels.cache import host_cpu
    from tinyllama_np.kernels.simd import LANES
    from tinyllama_np.kernels.tile import TILE_COLUMNS, TILE_ROWS

    return {"cpu": host_cpu()[0], "vector_floats": LANES, "tile": [TILE_ROWS, TILE_COLUMNS]}


def kernel_compiler() -> dict[str, Any]:
    """What else decides about the kernels' code: the processor's `features`, Numba's `settings`."""
    from tinyllama_np.kernels.cache import compiler_settings, host_features

    return {"features": host_features(), "settings": compiler_settings()}


def kernels_are_compiled() -> bool:
    """Whether an earlier process left every kernel on the disk, compiled for this processor."""
    from tinyllama_np.kernels import cache, linear

    return cache.complete_mark(linear.linear).exists()


def remember_kernels_are_compiled() -> None:
    """Let `kernels_are_compiled` be true from now on, in other processes too."""
    from tinyllama_np.kernels import cache, linear

    with suppress(OSError):  # a line to the user depends on it, no result
        cache.complete_mark(linear.linear).touch()
