"""Backward passes with one mistake each, of the kinds that are made: the gradient check must fail.

`PLANTED_BUGS` is a list of (the example's name, the wrong backward pass).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinyllama_np.ops.attention import attention_backward
from tinyllama_np.ops.cross_entropy import cross_entropy_backward
from tinyllama_np.ops.embedding import embedding_backward
from tinyllama_np.ops.linear import linear_backward
from tinyllama_np.ops.rmsnorm import rmsnorm_backward
from tinyllama_np.ops.rope import rope_backward
from tinyllama_np.ops.swiglu import swiglu_backward

Backward = Callable[[np.ndarray, Any], Any]
PLANTED_BUGS: list[tuple[str, Backward]] = []


def planted(example: str) -> Callable[[Backward], Backward]:
    """Put a wrong backward pass on the list."""

    def keep(backward: Backward) -> Backward:
        PLANTED_BUGS.append((example, backward))
        return backward

    return keep


# ------------------------------------------------------------------------------------------ linear


@planted("linear")
def weight_gradient_of_first_token_only(dout, cache):
    dx, _ = linear_backward(dout, cache)
    return dx, np.outer(dout[0], cache.x[0])


@planted("linear")
def weight_gradient_averaged_over_tokens(dout, cache):
    dx, dweight = linear_backward(dout, cache)
    return dx, dweight / len(dout)


@planted("linear")
def weight_gradient_laid_out_as_in_out(dout, cache):
    dx, dweight = linear_backward(dout, cache)
    return dx, dweight.T.reshape(dweight.shape)


@planted("linear")
def input_gradient_through_the_wrong_layout(dout, cache):
    _, dweight = linear_backward(dout, cache)
    return dout @ cache.weight.reshape(cache.weight.shape[::-1]).T, dweight


# --------------------------------------------------------------------------------------- embedding


@planted("embedding")
def repeated_token_keeps_only_the_last(dout, cache):
    dweight = np.zeros((cache.vocab_size, dout.shape[1]))
    dweight[cache.tokens] += dout
    return dweight


@planted("embedding")
def gradient_in_the_next_row(dout, cache):
    return np.roll(embedding_backward(dout, cache), 1, axis=0)


# ----------------------------------------------------------------------------------------- rmsnorm


@planted("rmsnorm")
def rstd_taken_for_a_constant(dout, cache):
    return dout * cache.weight * cache.rstd, rmsnorm_backward(dout, cache)[1]


@planted("rmsnorm")
def wrong_sign_along_x(dout, cache):
    dx, dweight = rmsnorm_backward(dout, cache)
    return 2 * dout * cache.weight * cache.rstd - dx, dweight


@planted("rmsnorm")
def mean_subtracted_as_in_layernorm(dout, cache):
    dx, dweight = rmsnorm_backward(dout, cache)
    return dx - dx.mean(axis=-1, keepdims=True), dweight


@planted("rmsnorm")
def gain_left_out(dout, cache):
    return rmsnorm_backward(dout, cache._replace(weight=np.ones_like(cache.weight)))[0], (
        rmsnorm_backward(dout, cache)[1]
    )


@planted("rmsnorm")
def sum_instead_of_mean_along_x(dout, cache):
    x_normed = cache.x * cache.rstd
    dx_normed = dout * cache.weight
    along = (dx_normed * x_normed).sum(axis=-1, keepdims=True)
    return cache.rstd * (dx_normed - x_normed * along), rmsnorm_backward(dout, cache)[1]


@planted("rmsnorm")
def gain_gradient_of_x_not_normed(dout, cache):
    return rmsnorm_backward(dout, cache)[0], (dout * cache.x).sum(axis=0)


@planted("rmsnorm")
def eps_forgotten(dout, cache):
    rstd = 1 / np.sqrt((cache.x**2).mean(axis=-1, keepdims=True))
    return rmsnorm_backward(dout, cache._replace(rstd=rstd))


# -------------------------------------------------------------------------------------------- rope


@planted("rope")
def turned_the_wrong_way(dout, cache):
    return rope_backward(dout, cache._replace(sin=-cache.sin))


@planted("rope")
def neighbours_paired(dout, cache):
    cos, sin = cache.cos[:, None, :], -cache.sin[:, None, :]
    dx = np.empty_like(dout)
    dx[..., 0::2] = dout[..., 0::2] * cos - dout[..., 1::2] * sin
    dx[..., 1::2] = dout[..., 1::2] * cos + dout[..., 0::2] * sin
    return dx


@planted("rope")
def position_counted_from_one(dout, cache):
    cos, sin = (np.roll(table, -1, axis=0) for table in cache)
    return rope_backward(dout, cache._replace(cos=cos, sin=sin))


# --------------------------------------------------------------------------------------- attention


def _probs_and_dprobs(dout, cache, mask_from=1):
    """Probabilities and their gradients of every query head, each (B, H, T, T)."""
    q, k, v, _, lse = cache
    group = q.shape[2] // k.shape[2]
    k, v = np.repeat(k, group, axis=2), np.repeat(v, group, axis=2)
    scores = np.einsum("bthe,bshe->bhts", q, k) / np.sqrt(q.shape[3])
    scores[..., np.triu(np.ones(scores.shape[-2:], dtype=bool), k=mask_from)] = -np.inf
    return np.exp(scores - lse[..., None]), np.einsum("bthe,bshe->bhts", dout, v), k


def _gradients_from(dscores, probs, dout, cache):
    q, k = cache.q, cache.k
    group = q.shape[2] // k.shape[2]

    def to_groups(per_head):
        shape = (*per_head.shape[:2], k.shape[2], group, per_head.shape[3])
        return per_head.reshape(shape).sum(axis=3)

    dscores = dscores / np.sqrt(q.shape[3])
    dq = np.einsum("bhts,bshe->bthe", dscores, np.repeat(k, group, axis=2))
    dk = to_groups(np.einsum("bhts,bthe->bshe", dscores, q))
    return dq, dk, to_groups(np.einsum("bhts,bthe->bshe", probs, dout))


def attention_backward_by_heads(dout, cache, mask_from=1):
    """Right as it stands (a test says so); the bugs below change one step of it."""
    probs, dprobs, _ = _probs_and_dprobs(dout, cache, mask_from)
    row_dot = (probs * dprobs).sum(axis=-1, keepdims=True)
    return _gradients_from(probs * (dprobs - row_dot), probs, dout, cache)


@planted("attention")
def softmax_taken_for_independent_exponentials(dout, cache):
    probs, dprobs, _ = _probs_and_dprobs(dout, cache)
    return _gradients_from(probs * dprobs, probs, dout, cache)


@planted("attention")
def softmax_taken_for_a_sigmoid(dout, cache):
    probs, dprobs, _ = _probs_and_dprobs(dout, cache)
    return _gradients_from(probs * (1 - probs) * dprobs, probs, dout, cache)


@planted("attention")
def mask_lets_the_next_token_through(dout, cache):
    return attention_backward_by_heads(dout, cache, mask_from=2)


@planted("attention")
def mask_hides_the_token_itself(dout, cache):
    return attention_backward_by_heads(dout, cache, mask_from=0)


@planted("attention")
def scale_forgotten(dout, cache):
    dq, dk, dv = attention_backward(dout, cache)
    root = np.sqrt(cache.q.shape[3])
    return dq * root, dk * root, dv


@planted("attention")
def group_keeps_one_query_head_only(dout, cache):
    group = cache.q.shape[2] // cache.k.shape[2]
    single = cache._replace(
        q=cache.q[:, :, ::group], out=cache.out[:, :, ::group], lse=cache.lse[:, ::group]
    )
    _, dk, dv = attention_backward(dout[:, :, ::group], single)
    return attention_backward(dout, cache)[0], dk, dv


@planted("attention")
def group_of_strided_query_heads(dout, cache):
    """Head h given to key/value head h mod K instead of h // (H / K)."""
    heads, kv_heads = cache.q.shape[2], cache.k.shape[2]
    regrouped = np.arange(heads).reshape(-1, kv_heads).T.reshape(-1)
    moved = cache._replace(
        q=cache.q[:, :, regrouped], out=cache.out[:, :, regrouped], lse=cache.lse[:, regrouped]
    )
    _, dk, dv = attention_backward(dout[:, :, regrouped], moved)
    return attention_backward(dout, cache)[0], dk, dv


@planted("attention")
def group_averaged(dout, cache):
    dq, dk, dv = attention_backward(dout, cache)
    group = cache.q.shape[2] // cache.k.shape[2]
    return dq, dk / group, dv / group


@planted("attention, not grouped")
def keys_and_queries_swapped(dout, cache):
    dq, dk, dv = attention_backward(dout, cache)
    return dk, dq, dv


@planted("attention, not grouped")
def probabilities_transposed_for_dv(dout, cache):
    dq, dk, _ = attention_backward(dout, cache)
    probs, _, _ = _probs_and_dprobs(dout, cache)
    return dq, dk, np.einsum("bhst,bthe->bshe", probs, dout)


# ------------------------------------------------------------------------------------------ swiglu


@planted("swiglu")
def sigmoid_taken_for_a_constant(dout, cache):
    sigmoid = 1 / (1 + np.exp(-cache.gate))
    return dout * cache.up * sigmoid, swiglu_backward(dout, cache)[1]


@planted("swiglu")
def wrong_sign_in_sigmoid_derivative(dout, cache):
    sigmoid = 1 / (1 + np.exp(-cache.gate))
    dgate = dout * cache.up * sigmoid * (1 - cache.gate * (1 - sigmoid))
    return dgate, swiglu_backward(dout, cache)[1]


@planted("swiglu")
def gate_and_up_swapped(dout, cache):
    dgate, dup = swiglu_backward(dout, cache)
    return dup, dgate


@planted("swiglu")
def up_gradient_without_the_gate_itself(dout, cache):
    return swiglu_backward(dout, cache)[0], dout / (1 + np.exp(-cache.gate))


# ----------------------------------------------------------------------------------- cross_entropy


@planted("cross_entropy")
def target_not_subtracted(dout, cache):
    return cache.probs * dout[:, None]


@planted("cross_entropy")
def target_subtracted_after_scaling(dout, cache):
    dlogits = cache.probs * dout[:, None]
    dlogits[np.arange(len(dout)), cache.targets] -= 1
    return dlogits


@planted("cross_entropy")
def targets_shifted_by_one_position(dout, cache):
    return cross_entropy_backward(dout, cache._replace(targets=np.roll(cache.targets, 1)))


@planted("cross_entropy")
def all_tokens_weighted_alike(dout, cache):
    return cross_entropy_backward(np.full_like(dout, dout.mean()), cache)
