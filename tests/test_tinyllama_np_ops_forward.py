"""What the operations compute: known values, the properties they are used for, no overflow."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tinyllama_np.ops.adamw import adamw_step
from tinyllama_np.ops.attention import attention_backward, attention_forward
from tinyllama_np.ops.cross_entropy import cross_entropy_backward, cross_entropy_forward
from tinyllama_np.ops.embedding import embedding_backward, embedding_forward
from tinyllama_np.ops.linear import linear_backward, linear_forward
from tinyllama_np.ops.rmsnorm import rmsnorm_backward, rmsnorm_forward
from tinyllama_np.ops.rope import rope_backward, rope_forward, rope_tables
from tinyllama_np.ops.swiglu import swiglu_backward, swiglu_forward


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_linear_has_one_weight_row_an_output():
    out, _ = linear_forward(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(out, [[1, 2, 11]])


def test_rmsnorm_gives_rms_one_times_gain(rng):
    x, gain = rng.standard_normal((3, 50)), rng.standard_normal(50)
    out, _ = rmsnorm_forward(x, gain, 1e-12)
    np.testing.assert_allclose(np.sqrt(((out / gain) ** 2).mean(axis=-1)), 1, rtol=1e-9)
    # By hand: mean square 25/2; the mean is not subtracted.
    out, _ = rmsnorm_forward(np.array([[3.0, 4.0]]), np.array([1.0, 10.0]), 0.0)
    np.testing.assert_allclose(out, [[3 / math.sqrt(12.5), 40 / math.sqrt(12.5)]], rtol=1e-15)


def test_rmsnorm_of_zero_is_zero_with_a_finite_gradient():
    out, cache = rmsnorm_forward(np.zeros((1, 4)), np.ones(4), 1e-5)
    np.testing.assert_array_equal(out, 0)
    dx, _ = rmsnorm_backward(np.ones((1, 4)), cache)
    np.testing.assert_allclose(dx, 1e5**0.5)


def test_rope_turns_pair_j_by_position_times_theta_to_minus_2j_over_e():
    cos, sin = rope_tables(4, 6, 1000.0, np.float64)
    x = np.zeros((1, 4, 1, 6))
    x[..., 1] = 1  # the first of pair 1, whose second is coordinate 1 + E/2 = 4
    out, _ = rope_forward(x, cos, sin)
    for position in range(4):
        angle = position * 1000.0 ** (-2 / 6)
        wanted = [0, math.cos(angle), 0, 0, math.sin(angle), 0]
        np.testing.assert_allclose(out[0, position, 0], wanted, atol=1e-15)


def test_rope_scores_depend_on_distance_only(rng):
    q, k = rng.standard_normal((1, 1, 1, 8)), rng.standard_normal((1, 1, 1, 8))
    cos, sin = rope_tables(20, 8, 10000.0, np.float64)
    turned_q, _ = rope_forward(np.tile(q, (1, 20, 1, 1)), cos, sin)
    turned_k, _ = rope_forward(np.tile(k, (1, 20, 1, 1)), cos, sin)
    scores = turned_q[0, :, 0] @ turned_k[0, :, 0].T
    for distance in (-7, 0, 3):
        diagonal = np.diagonal(scores, distance)
        np.testing.assert_allclose(diagonal, diagonal[0], rtol=1e-12)
    assert abs(scores[3, 0] - scores[0, 3]) > 1e-3  # and on its sign


def test_rope_tables_start_anywhere_and_are_as_good_as_float32_allows():
    cos, sin = rope_tables(2000, 16, 10000.0, np.float32)
    later_cos, later_sin = rope_tables(3, 16, 10000.0, np.float32, start=1997)
    np.testing.assert_array_equal(later_cos, cos[1997:])
    np.testing.assert_array_equal(later_sin, sin[1997:])
    # Half a unit in the last place of 1; angles computed in float32 would be wrong by 1e-4.
    assert abs(float(cos[1999, 0]) - math.cos(1999)) < 2**-25
    assert abs(float(sin[1999, 1]) - math.sin(1999 * 10000 ** (-2 / 16))) < 2**-25


def test_attention_with_equal_scores_averages_the_past(rng):
    v = rng.standard_normal((2, 5, 1, 4))
    out, cache = attention_forward(np.zeros((2, 5, 3, 4)), rng.standard_normal((2, 5, 1, 4)), v)
    means = v.cumsum(axis=1) / np.arange(1, 6)[:, None, None]
    np.testing.assert_allclose(out, np.repeat(means, 3, axis=2), rtol=1e-14)
    np.testing.assert_allclose(cache.lse, np.broadcast_to(np.log(np.arange(1, 6)), (2, 3, 5)))


def test_attention_scores_are_divided_by_the_root_of_the_head_size():
    q, k = np.zeros((1, 2, 1, 4)), np.zeros((1, 2, 1, 4))
    q[0, 1, 0, 0], k[0, 0, 0, 0] = 2, 3  # scores of position 1: 6 / sqrt(4) = 3 and 0
    v = np.array([1.0, 0.0]).reshape(1, 2, 1, 1) * np.ones(4)
    out, _ = attention_forward(q, k, v)
    np.testing.assert_allclose(out[0, 1, 0], math.exp(3) / (math.exp(3) + 1), rtol=1e-14)


def test_attention_sees_no_future(rng):
    q, k, v = rng.standard_normal((3, 1, 6, 2, 4))
    before, _ = attention_forward(q[:1], k[:1], v[:1])
    k[:, 4:], v[:, 4:] = rng.standard_normal((2, 1, 2, 2, 4))
    after, _ = attention_forward(q[:1], k[:1], v[:1])
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert np.abs(after[:, 4:] - before[:, 4:]).min() > 1e-6


def test_grouped_attention_equals_repeated_key_and_value_heads(rng):
    q, dout = rng.standard_normal((2, 2, 5, 6, 4))
    k, v = rng.standard_normal((2, 2, 5, 3, 4))
    out, cache = attention_forward(q, k, v)
    repeated = attention_forward(q, k.repeat(2, axis=2), v.repeat(2, axis=2))
    np.testing.assert_allclose(out, repeated[0], rtol=1e-13)
    _, dk, dv = attention_backward(dout, cache)
    _, dk_repeated, dv_repeated = attention_backward(dout, repeated[1])
    np.testing.assert_allclose(dk, dk_repeated.reshape(2, 5, 3, 2, 4).sum(axis=3), rtol=1e-11)
    np.testing.assert_allclose(dv, dv_repeated.reshape(2, 5, 3, 2, 4).sum(axis=3), rtol=1e-11)


def test_attention_survives_large_scores():
    q = np.full((1, 3, 1, 2), 1e3)
    out, cache = attention_forward(q, q, np.ones((1, 3, 1, 2)))
    np.testing.assert_allclose(out, 1)
    for grad in attention_backward(np.ones_like(out), cache):
        assert np.isfinite(grad).all()


def test_swiglu_known_values_and_extremes():
    gate = np.array([[0.0, 1.0, -1000.0, 1000.0]])
    out, cache = swiglu_forward(gate, np.full_like(gate, 2.0))
    silu_of_one = 1 / (1 + math.exp(-1))
    np.testing.assert_allclose(out, [[0, 2 * silu_of_one, 0, 2000]], rtol=1e-15)
    dgate, dup = swiglu_backward(np.ones_like(gate), cache)
    np.testing.assert_allclose(dup, [[0, silu_of_one, 0, 1000]], rtol=1e-15)
    np.testing.assert_allclose(dgate[0, [0, 2, 3]], [1, 0, 2], rtol=1e-15)


def test_cross_entropy_known_values_and_extremes():
    logits = np.array([[0.0, 0.0, 0.0, 0.0], [1e4, -1e4, 0.0, 0.0], [math.log(3), 0, -1e4, -1e4]])
    losses, cache = cross_entropy_forward(logits, np.array([2, 1, 0]))
    np.testing.assert_allclose(losses, [math.log(4), 2e4, math.log(4 / 3)], rtol=1e-14)
    dlogits = cross_entropy_backward(np.array([1.0, 2.0, 3.0]), cache)
    wanted = [[0.25, 0.25, -0.75, 0.25], [2, -2, 0, 0], [-0.75, 0.75, 0, 0]]
    np.testing.assert_allclose(dlogits, wanted, atol=1e-14)


def test_adamw_first_step_has_the_size_of_the_learning_rate_and_decays():
    weight, grad = np.array([1.0, -2.0, 3.0]), np.array([1e-3, -10.0, 0.0])
    settings = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-12}
    new, m, v = adamw_step(
        weight, grad, np.zeros(3), np.zeros(3), step=1, weight_decay=0.5, **settings
    )
    np.testing.assert_allclose(new, weight * (1 - 0.1 * 0.5) - 0.1 * np.sign(grad), rtol=1e-8)
    np.testing.assert_allclose(m, 0.1 * grad)
    np.testing.assert_allclose(v, 0.05 * grad**2)


def test_adamw_three_steps_by_hand():
    """Running means written out as weighted sums, on one weight."""
    grads, weight, m, v = [0.5, -1.0, 2.0], 1.0, 0.0, 0.0
    lr, b1, b2, eps, decay = 0.01, 0.8, 0.9, 1e-3, 0.1
    array, m_array, v_array = np.array([weight]), np.zeros(1), np.zeros(1)
    for step in (1, 2, 3):
        array, m_array, v_array = adamw_step(
            array,
            np.array([grads[step - 1]]),
            m_array,
            v_array,
            step=step,
            learning_rate=lr,
            beta1=b1,
            beta2=b2,
            epsilon=eps,
            weight_decay=decay,
        )
        past = grads[:step]
        m = sum((1 - b1) * b1 ** (step - 1 - i) * g for i, g in enumerate(past)) / (1 - b1**step)
        v = sum((1 - b2) * b2 ** (step - 1 - i) * g * g for i, g in enumerate(past))
        v /= 1 - b2**step
        weight = weight - lr * (m / (math.sqrt(v) + eps) + decay * weight)
        np.testing.assert_allclose(array, weight, rtol=1e-14)


def test_every_op_stays_in_float32(rng):
    def draw(*shape):
        return rng.standard_normal(shape, dtype=np.float32)

    tokens = np.array([1, 2, 1])
    cos, sin = rope_tables(3, 4, 1e4, np.float32)
    q, k = draw(1, 3, 2, 4), draw(1, 3, 1, 4)
    passes = [
        (linear_backward, linear_forward(draw(3, 4), draw(5, 4))),
        (embedding_backward, embedding_forward(tokens, draw(5, 4))),
        (rmsnorm_backward, rmsnorm_forward(draw(3, 4), draw(4), 1e-5)),
        (rope_backward, rope_forward(q, cos, sin)),
        (attention_backward, attention_forward(q, k, k)),
        (swiglu_backward, swiglu_forward(draw(3, 4), draw(3, 4))),
        (cross_entropy_backward, cross_entropy_forward(draw(3, 5), tokens)),
    ]
    for backward, (out, cache) in passes:
        grads = backward(np.ones_like(out), cache)
        for array in (out, *(grads if isinstance(grads, tuple) else (grads,))):
            assert array.dtype == np.float32, backward.__name__
    states = adamw_step(
        *draw(4, 6) ** 2,
        step=3,
        learning_rate=1e-3,
        beta1=0.9,
        beta2=0.95,
        epsilon=1e-8,
        weight_decay=0.1,
    )
    assert {array.dtype for array in states} == {np.dtype(np.float32)}
