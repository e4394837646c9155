"""What each derivation page in docs/ops prints in its worked example, computed by the op itself.

One function a page: it takes the printed values by name, as float64 arrays, uses those that are
inputs, and returns all others. `wrong` is the gradient check of a planted mistake.
test_docs_worked_examples.py compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from tinyllama_np.gradcheck import gradient_errors
from tinyllama_np.ops.adamw import adamw_step
from tinyllama_np.ops.attention import attention_backward, attention_forward
from tinyllama_np.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from tinyllama_np.ops.embedding import embedding_backward, embedding_forward
from tinyllama_np.ops.linear import linear_backward, linear_forward
from tinyllama_np.ops.rmsnorm import rmsnorm_backward, rmsnorm_forward
from tinyllama_np.ops.rope import rope_backward, rope_forward, rope_tables
from tinyllama_np.ops.swiglu import swiglu_backward, swiglu_forward

Values = dict[str, Any]


def wrong(
    loss: Callable[[], float],
    arrays: Mapping[str, Any],
    right: Mapping[str, Any],
    mistaken: Mapping[str, Any],
) -> dict[str, float]:
    """What the gradient check says of the mistaken gradients, once it has passed the right ones."""
    for name, error in gradient_errors(loss, arrays, right).items():
        assert error < 1e-8, f"the right gradient of {name} fails its own check: {error}"
    return gradient_errors(loss, arrays, mistaken)


def linear(page: Values) -> Values:
    x, weight, dout = page["x"], page["weight"], page["dout"]
    out, cache = linear_forward(x, weight)
    dx, dweight = linear_backward(dout, cache)
    square, square_dout = page["square_weight"], page["square_dout"]
    some_x = np.array([[0.5, -1.5]])
    square_dx, _ = linear_backward(square_dout, linear_forward(some_x, square)[1])
    return {
        "out": out,
        "dx": dx,
        "dweight": dweight,
        "square_dx": square_dx,
        "wrong_dx": square_dout @ square.T,
        "error_transposed": wrong(
            lambda: (square_dout * linear_forward(some_x, square)[0]).sum(),
            {"x": some_x},
            {"x": square_dx},
            {"x": square_dout @ square.T},
        )["x"],
        "error_mean_over_tokens": wrong(
            lambda: (dout * linear_forward(x, weight)[0]).sum(),
            {"weight": weight},
            {"weight": dweight},
            {"weight": dweight / len(x)},
        )["weight"],
    }


def embedding(page: Values) -> Values:
    tokens, weight, dout = page["tokens"].astype(int), page["weight"], page["dout"]
    out, cache = embedding_forward(tokens, weight)
    dweight = embedding_backward(dout, cache)
    last_wins = np.zeros_like(weight)
    last_wins[tokens] += dout
    read, target, table = np.array([1]), np.array([2]), page["table"]

    def tied_loss() -> float:
        hidden, _ = embedding_forward(read, table)
        return float(cross_entropy_forward(linear_forward(hidden, table)[0], target)[0].sum())

    hidden, lookup_cache = embedding_forward(read, table)
    logits, head_cache = linear_forward(hidden, table)
    _, loss_cache = cross_entropy_forward(logits, target)
    dlogits = cross_entropy_backward(np.ones(1), loss_cache)
    dhidden, from_head = linear_backward(dlogits, head_cache)
    from_lookup = embedding_backward(dhidden, lookup_cache)
    dtable = from_head + from_lookup
    return {
        "out": out,
        "dweight": dweight,
        "hidden": hidden,
        "logits": logits,
        "probs": loss_cache.probs,
        "dlogits": dlogits,
        "from_head": from_head,
        "dhidden": dhidden,
        "from_lookup": from_lookup,
        "dtable": dtable,
        "wrong_dweight": last_wins,
        "error_last_wins": wrong(
            lambda: (dout * embedding_forward(tokens, weight)[0]).sum(),
            {"weight": weight},
            {"weight": dweight},
            {"weight": last_wins},
        )["weight"],
        "error_head_forgotten": wrong(
            tied_loss, {"table": table}, {"table": dtable}, {"table": from_lookup}
        )["table"],
    }


def rmsnorm(page: Values) -> Values:
    x, weight, dout = page["x"][None], page["weight"], page["dout"][None]

    def loss(gain: Any) -> Callable[[], float]:
        return lambda: (dout * rmsnorm_forward(x, gain, 0.0)[0]).sum()

    def gain_forgotten(gain: Any) -> float:
        cache = rmsnorm_forward(x, gain, 0.0)[1]
        without = rmsnorm_backward(dout, cache._replace(weight=np.ones(2)))[0]
        right = rmsnorm_backward(dout, cache)[0]
        return wrong(loss(gain), {"x": x}, {"x": right}, {"x": without})["x"]

    out, cache = rmsnorm_forward(x, weight, 0.0)
    dx, dweight = rmsnorm_backward(dout, cache)
    constant = cache.rstd * dout * weight
    long_out, long_cache = rmsnorm_forward(page["long_x"][None], weight, 0.0)
    return {
        "rstd": cache.rstd,
        "out": out,
        "dx": dx,
        "dweight": dweight,
        "long_out": long_out,
        "long_dx": rmsnorm_backward(dout, long_cache)[0],
        "wrong_dx": constant,
        "error_constant": wrong(loss(weight), {"x": x}, {"x": dx}, {"x": constant})["x"],
        "error_gain_forgotten": gain_forgotten(weight),
        "error_gain_forgotten_all_one": gain_forgotten(np.ones(2)),
    }


def rope(page: Values) -> Values:
    theta, x, dout = 10000.0, page["x"].reshape(1, 1, 1, 4), page["dout"].reshape(1, 1, 1, 4)
    key = page["key"].reshape(1, 1, 1, 4)

    def tables(position: int) -> Any:
        return rope_tables(1, 4, theta, np.float64, start=position)

    def score(query_position: int, key_position: int) -> float:
        turned, _ = rope_forward(x, *tables(query_position))
        return float((turned * rope_forward(key, *tables(key_position))[0]).sum())

    def error_forward(position: int) -> float:
        cos, sin = tables(position)
        right = rope_backward(dout, rope_forward(x, cos, sin)[1])
        onward, _ = rope_forward(dout, cos, sin)

        def loss() -> float:
            return float((dout * rope_forward(x, cos, sin)[0]).sum())

        return wrong(loss, {"x": x}, {"x": right}, {"x": onward})["x"]

    position = int(page["position"])
    cos, sin = tables(position)
    out, cache = rope_forward(x, cos, sin)
    pairs = x.reshape(2, 2)  # places 2j and 2j + 1
    interleaved = np.stack(
        (
            pairs[:, 0] * cos[0] - pairs[:, 1] * sin[0],
            pairs[:, 1] * cos[0] + pairs[:, 0] * sin[0],
        ),
        axis=-1,
    )
    return {
        "cos": cos,
        "sin": sin,
        "out": out,
        "dx": rope_backward(dout, cache),
        "score_2_and_0": score(2, 0),
        "score_50_and_48": score(50, 48),
        "wrong_dx": rope_forward(dout, cos, sin)[0],
        "error_forward": error_forward(position),
        "error_at_zero": error_forward(0),
        "interleaved_out": interleaved,
    }


def swiglu(page: Values) -> Values:
    up, dout = page["up"][None], page["dout"][None]

    def product_rule(gate: Any) -> tuple[Any, float]:
        right, _ = swiglu_backward(dout, swiglu_forward(gate, up)[1])
        forgotten = dout * up / (1 + np.exp(-gate))

        def loss() -> float:
            return float((dout * swiglu_forward(gate, up)[0]).sum())

        return forgotten, wrong(loss, {"g": gate}, {"g": right}, {"g": forgotten})["g"]

    gate = page["gate"][None].copy()
    out, cache = swiglu_forward(gate, up)
    dgate, dup = swiglu_backward(dout, cache)
    wrong_dgate, error = product_rule(gate)
    return {
        "sigma": 1 / (1 + np.exp(-gate)),
        "out": out,
        "dup": dup,
        "slope": dgate / up,
        "dgate": dgate,
        "wrong_dgate": wrong_dgate,
        "error_product_rule": error,
        "error_near_zero": product_rule(gate / 100)[1],
    }


def cross_entropy(page: Values) -> Values:
    logits, targets = page["logits"], page["targets"].astype(int)
    dlosses = page["dlosses"]
    losses, cache = cross_entropy_forward(logits, targets)
    dlogits = cross_entropy_backward(dlosses, cache)
    by_micro_batch = np.concatenate(
        [
            cross_entropy_backward(np.ones(1), cross_entropy_forward(row[None], target[None])[1])
            for row, target in zip(logits, targets, strict=True)
        ]
    )
    return {
        "losses": losses,
        "probs": cache.probs,
        "dlogits": dlogits,
        "error_two_micro_batches": wrong(
            lambda: (dlosses * cross_entropy_forward(logits, targets)[0]).sum(),
            {"logits": logits},
            {"logits": dlogits},
            {"logits": by_micro_batch},
        )["logits"],
    }


def attention(page: Values) -> Values:
    q, k, v, dout = (page[name].reshape(1, 2, 1, 1) for name in ("q", "k", "v", "dout"))
    out, cache = attention_forward(q, k, v)
    dq, dk, dv = attention_backward(dout, cache)
    scores = np.where(np.tri(2, dtype=bool), np.outer(q, k), -np.inf)
    probs = np.exp(scores - cache.lse[0, 0][:, None])
    row_dot = (dout * out).reshape(2)
    dprobs = np.outer(dout, v)
    forgotten = probs * dprobs
    errors = wrong(
        lambda: (dout * attention_forward(q, k, v)[0]).sum(),
        {"q": q, "k": k, "v": v},
        {"q": dq, "k": dk, "v": dv},
        {
            "q": (forgotten @ k.reshape(2)).reshape(q.shape),
            "k": (forgotten.T @ q.reshape(2)).reshape(k.shape),
            "v": dv,
        },
    )
    return {
        "probs": probs,
        "out": out,
        "lse": cache.lse,
        "row_dot": row_dot,
        "dprobs": dprobs,
        "dscores": probs * (dprobs - row_dot[:, None]),
        "dq": dq,
        "dk": dk,
        "dv": dv,
        "error_without_row_dot_dq": errors["q"],
        "error_without_row_dot_dk": errors["k"],
        "error_without_row_dot_dv": errors["v"],
        "error_scale_forgotten_at_4": _scale_forgotten(head_size=4),
    }


def _scale_forgotten(head_size: int) -> float:
    draw = np.random.default_rng(0).standard_normal
    q, k, v, dout = (draw((1, 3, 2, head_size)) for _ in range(4))
    dq, dk, _ = attention_backward(dout, attention_forward(q, k, v)[1])
    factor = np.sqrt(head_size)
    errors = wrong(
        lambda: (dout * attention_forward(q, k, v)[0]).sum(),
        {"q": q, "k": k},
        {"q": dq, "k": dk},
        {"q": dq * factor, "k": dk * factor},
    )
    assert errors["q"] == pytest.approx(errors["k"])
    return errors["q"]


def adamw(page: Values) -> Values:
    beta1, beta2 = page["betas"]
    weight, m, v = page["weight_0"].reshape(1), np.zeros(1), np.zeros(1)
    settings: dict[str, Any] = {
        "learning_rate": float(page["learning_rate"]),
        "beta1": beta1,
        "epsilon": float(page["epsilon"]),
    }
    values: Values = {}
    for step, grad in enumerate(page["grads"], start=1):
        weight, m, v = adamw_step(
            weight,
            np.array([grad]),
            m,
            v,
            step=step,
            beta2=beta2,
            weight_decay=float(page["weight_decay"]),
            **settings,
        )
        values |= {f"weight_{step}": weight, f"m_{step}": m, f"v_{step}": v}
        values[f"m_hat_{step}"] = m / (1 - beta1**step)
        values[f"v_hat_{step}"] = v / (1 - beta2**step)

    def first_step(grad: float, decay_rate: float = beta2) -> float:
        start, zero = page["weight_0"].reshape(1), np.zeros(1)
        after, _, _ = adamw_step(
            start,
            np.array([grad]),
            zero,
            zero,
            step=1,
            beta2=decay_rate,
            weight_decay=0.0,
            **settings,
        )
        return float((start - after)[0])

    def uncorrected_ratio(decay_rate: float) -> float:
        uncorrected = settings["learning_rate"] * (1 - beta1) / np.sqrt(1 - decay_rate)
        return float(uncorrected / first_step(float(page["grads"][0]), decay_rate))

    coupled_grad = float(page["grads"][0] + page["weight_decay"] * page["weight_0"])
    return values | {
        "first_step_ratio": uncorrected_ratio(beta2),
        "first_step_ratio_0_999": uncorrected_ratio(0.999),
        "weight_1_coupled": float(page["weight_0"]) - first_step(coupled_grad),
    }


PAGES: dict[str, Callable[[Values], Values]] = {
    function.__name__: function
    for function in (
        linear,
        embedding,
        rmsnorm,
        rope,
        attention,
        swiglu,
        cross_entropy,
        adamw,
    )
}
