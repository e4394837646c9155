"""The whole model's gradients against central differences; mistakes in its wiring are caught."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from examples_of_models import (
    gradients,
    lanes_for,
    model_config,
    model_errors,
    random_batch,
    random_params,
    relative_error,
)

from tinyllama_np.backend import NUMPY
from tinyllama_np.lanes import mean_loss

CONFIGS = {
    "tied, grouped": {},
    "untied, grouped": {"tie_word_embeddings": False},
    "tied, one key/value head": {"num_key_value_heads": 1},
    "untied, not grouped": {"tie_word_embeddings": False, "num_key_value_heads": 6},
}


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
def test_gradients_match_central_differences(changes):
    errors = model_errors(model_config(**changes))
    assert max(errors.values()) < 1e-7, errors  # measured: at most 4e-9


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False])
def test_every_element_matches_central_differences(tied):
    config = model_config(
        hidden_size=12, num_attention_heads=6, intermediate_size=7, tie_word_embeddings=tied
    )
    errors = model_errors(config, max_elements=None, batch=3, time=4, micro_batch=1, lanes=2)
    assert max(errors.values()) < 1e-7, errors


def test_micro_batches_and_lanes_change_nothing_but_rounding():
    config = model_config()
    params, (tokens, targets) = random_params(config), random_batch(config, 7, 5)
    with lanes_for(config, 5, micro_batch=7, lanes=1) as lanes:
        wanted_loss, wanted = gradients(lanes, params, tokens, targets)
    for micro_batch, n_lanes in ((1, 1), (1, 7), (3, 2), (2, 9)):
        with lanes_for(config, 5, micro_batch=micro_batch, lanes=n_lanes) as lanes:
            loss, grads = gradients(lanes, params, tokens, targets)
        assert loss == pytest.approx(wanted_loss, rel=1e-14)
        for name in wanted:
            assert relative_error(grads[name], wanted[name]) < 1e-13


def test_losses_with_and_without_gradients_are_the_same():
    config = model_config()
    tokens, targets = random_batch(config, 4, 5)
    with lanes_for(config, 5) as lanes:
        lanes.use_weights(random_params(config))
        losses = lanes.losses(tokens, targets)
        np.testing.assert_array_equal(lanes.loss_and_gradient(tokens, targets), losses)
    assert mean_loss(losses) == losses.mean()


def test_tied_gradient_is_the_sum_of_the_untied_ones():
    tied, untied = model_config(), model_config(tie_word_embeddings=False)
    params, (tokens, targets) = random_params(tied), random_batch(tied, 3, 5)
    with lanes_for(tied, 5) as lanes:
        loss, grads = gradients(lanes, params, tokens, targets)
    embed = params["model.embed_tokens.weight"]
    with lanes_for(untied, 5) as lanes:
        untied_loss, parts = gradients(lanes, {**params, "lm_head.weight": embed}, tokens, targets)
    assert untied_loss == loss
    both = parts["model.embed_tokens.weight"] + parts["lm_head.weight"]
    assert relative_error(grads["model.embed_tokens.weight"], both) < 1e-14


# ------------------------------------------------------------------ mistakes in the wiring, planted
# Loss and gradients are computed with the same wrong table, as they would be if it were ours.


def with_entry(name, wrong):
    return dataclasses.replace(NUMPY, **{name: wrong})


def residual_not_added_forward(x, weight, out, accumulate):
    NUMPY.linear(x, weight, out, False)


def residual_gradient_overwritten(dout, x, weight, rstd, dx, dweight):
    dx.fill(0)
    NUMPY.rmsnorm_backward(dout, x, weight, rstd, dx, dweight)


def gain_gradient_overwritten(dout, x, weight, rstd, dx, dweight):
    dweight.fill(0)
    NUMPY.rmsnorm_backward(dout, x, weight, rstd, dx, dweight)


def input_gradient_never_accumulated(dout, weight, dx, accumulate):
    NUMPY.linear_backward_input(dout, weight, dx, False)


def input_gradient_always_accumulated(dout, weight, dx, accumulate):
    NUMPY.linear_backward_input(dout, weight, np.nan_to_num(dx, copy=False), True)


def weight_gradient_overwritten(dout, x, dweight):
    dweight.fill(0)
    NUMPY.linear_backward_weight(dout, x, dweight)


def embedding_gradient_dropped(tokens, dout, dweight):
    pass


def embedding_gradient_overwritten(tokens, dout, dweight):
    dweight.fill(0)
    NUMPY.embed_backward(tokens, dout, dweight)


def head_gradient_dropped(x, weight, targets, dloss, logits, losses, dx, dweight):
    NUMPY.head_loss(x, weight, targets, dloss, logits, losses, dx, np.zeros_like(dweight))


def head_gradient_overwritten(x, weight, targets, dloss, logits, losses, dx, dweight):
    dweight.fill(0)
    NUMPY.head_loss(x, weight, targets, dloss, logits, losses, dx, dweight)


def mean_taken_over_the_micro_batch(x, weight, targets, dloss, logits, losses, dx, dweight):
    NUMPY.head_loss(x, weight, targets, 1 / len(targets), logits, losses, dx, dweight)


def key_gradient_not_turned_back(dout, q, k, v, out, lse, cos, sin, dq, dk, dv):
    still = np.ones_like(cos), np.zeros_like(sin)
    NUMPY.attention_backward(dout, q, k, v, out, lse, *still, np.empty_like(dq), dk, dv)
    NUMPY.attention_backward(dout, q, k, v, out, lse, cos, sin, dq, np.empty_like(dk), dv)


def queries_not_rotated(q, k, v, cos, sin, out, lse):
    kept = q.copy()
    NUMPY.attention(q, k, v, cos, sin, out, lse)
    q[...] = kept  # the backward pass expects the rotated ones


def gate_and_up_gradients_swapped(dout, gate, up, dgate, dup):
    NUMPY.swiglu_backward(dout, gate, up, dup, dgate)


def lanes_not_added_up(total, part):
    pass


def lanes_subtracted(total, part):
    total -= part


WRONG_TABLES = {
    wrong: with_entry(entry, wrong)
    for entry, wrong in (
        ("linear", residual_not_added_forward),
        ("rmsnorm_backward", residual_gradient_overwritten),
        ("rmsnorm_backward", gain_gradient_overwritten),
        ("linear_backward_input", input_gradient_never_accumulated),
        ("linear_backward_input", input_gradient_always_accumulated),
        ("linear_backward_weight", weight_gradient_overwritten),
        ("embed_backward", embedding_gradient_dropped),
        ("embed_backward", embedding_gradient_overwritten),
        ("head_loss", head_gradient_dropped),
        ("head_loss", head_gradient_overwritten),
        ("head_loss", mean_taken_over_the_micro_batch),
        ("attention_backward", key_gradient_not_turned_back),
        ("attention", queries_not_rotated),
        ("swiglu_backward", gate_and_up_gradients_swapped),
        ("accumulate", lanes_not_added_up),
        ("accumulate", lanes_subtracted),
    )
}


# What the tie changes is asked of untied models too.
_UNTIED_TOO = [wrong for wrong in WRONG_TABLES if wrong.__name__.startswith(("embedding", "head"))]


@pytest.mark.parametrize(
    ("wrong", "tied"),
    [
        pytest.param(wrong, tied, id=f"{wrong.__name__}, {'tied' if tied else 'untied'}")
        for tied, bugs in ((True, WRONG_TABLES), (False, _UNTIED_TOO))
        for wrong in bugs
    ],
)
def test_check_catches_planted_bug(wrong, tied):
    errors = model_errors(
        model_config(tie_word_embeddings=tied), backend=WRONG_TABLES[wrong], max_elements=3
    )
    assert not max(errors.values()) < 1e-3, errors
