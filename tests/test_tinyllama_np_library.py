"""The library's calls: what they promise, what they take, and what they refuse in one line."""

from __future__ import annotations

import math
import types

import numpy as np
import pytest
from examples_of_models import model_config, random_batch, random_params, relative_error

from tinyllama_np import ModelConfig, forward, init_params, loss_and_grads

CONFIG = model_config()


@pytest.fixture
def params():
    return random_params(CONFIG, np.float32)


@pytest.fixture
def batch():
    return random_batch(CONFIG, 3, 7)


# ----------------------------------------------------------------------------------- the promises


def test_first_loss_of_the_paper_model_is_ln_v():
    config = ModelConfig()
    tokens, targets = random_batch(config, 2, 64)
    loss, _ = loss_and_grads(init_params(config, seed=0), tokens, targets, config)
    assert abs(loss - math.log(4096)) < 0.1


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_loss_is_the_mean_nll_of_forwards_logits(params, batch, backend):
    tokens, targets = batch
    logits = forward(params, tokens, CONFIG, backend=backend)
    assert logits.shape == (3, 7, CONFIG.vocab_size)
    assert logits.dtype == np.float32
    log_probs = logits - np.logaddexp.reduce(logits.astype(np.float64), axis=-1, keepdims=True)
    nll = -np.take_along_axis(log_probs, targets[..., None], axis=-1).mean()
    loss, _ = loss_and_grads(params, tokens, targets, CONFIG, backend=backend)
    assert isinstance(loss, float)
    assert loss == pytest.approx(nll, rel=1e-6)


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_no_logit_sees_the_future(params, batch, backend):
    tokens, _ = batch
    before = forward(params, tokens, CONFIG, backend=backend)
    for position in (1, 4, 6):
        changed = tokens.copy()
        changed[:, position] = (changed[:, position] + 1) % CONFIG.vocab_size
        after = forward(params, changed, CONFIG, backend=backend)
        np.testing.assert_array_equal(after[:, :position], before[:, :position])
        assert (after[:, position:] != before[:, position:]).any(axis=-1).all()


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_sequences_of_a_batch_do_not_see_each_other(params, batch, backend):
    tokens, _ = batch
    together = forward(params, tokens, CONFIG, backend=backend)
    alone = forward(params, tokens[1:2], CONFIG, backend=backend)
    np.testing.assert_array_equal(together[1:2], alone)


def test_calls_leave_their_arguments_alone(params, batch):
    before = {name: array.copy() for name, array in params.items()}
    tokens, targets = (array.copy() for array in batch)
    for backend in ("numba", "numpy"):
        forward(params, *batch[:1], CONFIG, backend=backend)
        loss_and_grads(params, *batch, CONFIG, backend=backend)
    np.testing.assert_array_equal(batch, (tokens, targets))
    for name, array in params.items():
        np.testing.assert_array_equal(array, before[name])


def test_gradients_of_two_calls_are_separate(params, batch):
    _, first = loss_and_grads(params, *batch, CONFIG)
    kept = {name: grad.copy() for name, grad in first.items()}
    loss_and_grads(params, batch[1], batch[0], CONFIG)
    for name, grad in first.items():
        np.testing.assert_array_equal(grad, kept[name])


def test_numpy_backend_works_in_float64(params, batch):
    exact = {name: array.astype(np.float64) for name, array in params.items()}
    assert forward(exact, batch[0], CONFIG, backend="numpy").dtype == np.float64
    loss, grads = loss_and_grads(exact, *batch, CONFIG, backend="numpy")
    assert {grad.dtype for grad in grads.values()} == {np.dtype(np.float64)}
    assert loss == pytest.approx(loss_and_grads(params, *batch, CONFIG)[0], rel=1e-6)


# ------------------------------------------------------------------------------ what they also take


def test_any_mapping_any_order_any_layout(params, batch):
    wanted_loss, wanted = loss_and_grads(params, *batch, CONFIG)
    shuffled = {name: params[name] for name in sorted(params, reverse=True)}
    transposed = {name: np.asfortranarray(array) for name, array in params.items()}
    strided = {
        name: np.repeat(array, 2, axis=-1)[..., ::2] if array.ndim == 2 else array
        for name, array in params.items()
    }
    assert not strided["model.embed_tokens.weight"].flags.c_contiguous
    for given in (types.MappingProxyType(params), shuffled, transposed, strided):
        for backend in ("numba", "numpy"):
            loss, grads = loss_and_grads(given, *batch, CONFIG, backend=backend)
            assert loss == pytest.approx(wanted_loss, rel=1e-6)
            assert list(grads) == list(wanted)  # in the order of the model
            for name, grad in grads.items():
                assert relative_error(grad, wanted[name]) < 1e-5


@pytest.mark.parametrize("dtype", [np.uint16, np.int64, np.uint8])
def test_tokens_of_any_integer_type_layout_and_nested_lists(params, batch, dtype):
    tokens, targets = batch
    wanted, _ = loss_and_grads(params, tokens, targets, CONFIG)
    given = np.asfortranarray(tokens.astype(dtype))
    assert loss_and_grads(params, given, targets.astype(dtype), CONFIG)[0] == wanted
    assert loss_and_grads(params, tokens.tolist(), targets.tolist(), CONFIG)[0] == wanted


def test_longest_context_and_one_token(params):
    tokens, _ = random_batch(CONFIG, 1, CONFIG.max_position_embeddings)
    full = forward(params, tokens, CONFIG)
    first = forward(params, tokens[:, :1], CONFIG)
    assert relative_error(first[:, 0], full[:, 0]) < 1e-6


# -------------------------------------------------------------------------------- what they refuse


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([[0, 13]], "holds the id 13; vocab_size=13 allows 0 to 12"),
        ([[0, -1]], "holds the id -1; vocab_size=13"),
        (np.array([[0, 2**32 + 1]]), "holds the id 4294967297"),  # would be 1 in 32 bits
        ([0, 1], r"must have shape \(B, T\) with B, T >= 1, got \(2,\)"),
        ([[[0]]], r"got \(1, 1, 1\)"),
        (np.zeros((0, 3), int), r"got \(0, 3\)"),
        (np.zeros((3, 0), int), r"got \(3, 0\)"),
        ([[0.0, 1.0]], "must be integers, got dtype float64"),
        ([[True, False]], "must be integers, got dtype bool"),
        ([["a"]], "must be integers, got dtype <U1"),
        (np.zeros((1, 17), int), "has 17 positions; max_position_embeddings=16 allows no more"),
    ],
)
def test_tokens_that_do_not_fit(params, tokens, message):
    with pytest.raises(ValueError, match=f"^tokens .*{message}") as caught:
        forward(params, tokens, CONFIG)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=f"^tokens .*{message}"):
        loss_and_grads(params, tokens, [[0, 0]], CONFIG)
    with pytest.raises(ValueError, match=f"^targets .*{message}"):
        loss_and_grads(params, [[0, 0]], tokens, CONFIG)


def test_targets_of_another_shape(params, batch):
    with pytest.raises(ValueError, match=r"targets of shape \(3, 6\) .* like tokens, \(3, 7\)"):
        loss_and_grads(params, batch[0], batch[1][:, 1:], CONFIG)
    with pytest.raises(ValueError, match=r"targets of shape \(1, 7\)"):  # no broadcasting
        loss_and_grads(params, batch[0], batch[1][:1], CONFIG)


Q = "model.layers.1.self_attn.q_proj.weight"
HEAD = "lm_head.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop(Q), f"params lacks {Q}"),
        (lambda p: p.update({HEAD: p[Q]}), f"params has {HEAD}, which the configuration does not"),
        (lambda p: p.update({Q: p[Q][:, 1:]}), r"must be an ndarray of shape \(24, 24\), got "),
        (lambda p: p.update({Q: p[Q].tolist()}), "must be an ndarray .* got list"),
        (lambda p: p.update({Q: p[Q].astype(np.float64)}), "has dtype float64; all weights must"),
        (lambda p: p.update({n: a.astype(int) for n, a in p.items()}), "has dtype int64"),
        (lambda p: p.clear(), "params lacks model.embed_tokens.weight, .* and 8 more, which"),
    ],
    ids=["missing", "too many", "shape", "list", "mixed dtypes", "integers", "empty"],
)
def test_params_that_do_not_fit(params, batch, change, message):
    given = dict(params)
    change(given)
    for call in (
        lambda: forward(given, batch[0], CONFIG),
        lambda: loss_and_grads(given, *batch, CONFIG),
        lambda: loss_and_grads(given, *batch, CONFIG, backend="numpy"),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_untied_model_asks_for_its_head(params, batch):
    untied = model_config(tie_word_embeddings=False)
    with pytest.raises(ValueError, match=f"params lacks {HEAD}"):
        forward(params, batch[0], untied)


def test_numba_refuses_float64_and_says_what_to_do(params, batch):
    exact = {name: array.astype(np.float64) for name, array in params.items()}
    for call in (
        lambda: forward(exact, batch[0], CONFIG),
        lambda: loss_and_grads(exact, *batch, CONFIG),
    ):
        with pytest.raises(ValueError, match=r"float64; convert them, or use backend='numpy'"):
            call()


def test_unknown_backend(params, batch):
    with pytest.raises(ValueError, match="backend='torch' must be 'numba' or 'numpy'"):
        forward(params, batch[0], CONFIG, backend="torch")
