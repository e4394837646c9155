"""Batches over threads: the same bytes for every number of threads and whatever came before."""

from __future__ import annotations

import numpy as np
import pytest
from examples_of_models import (
    gradients,
    lanes_for,
    model_config,
    random_batch,
    random_params,
    relative_error,
)

from tinyllama_np import ModelConfig, loss_and_grads, parameter_count
from tinyllama_np.backend import NUMPY, get_backend
from tinyllama_np.lanes import CHUNK, Lanes

SHAPES = {
    "small and odd": (model_config(num_key_value_heads=3), 3, 7),
    "one token": (model_config(), 1, 1),
    "untied, head size 14": (
        model_config(hidden_size=84, vocab_size=301, tie_word_embeddings=False),
        5,
        16,
    ),
    "quick": (
        ModelConfig(
            vocab_size=1024,
            hidden_size=64,
            intermediate_size=176,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
        ),
        3,
        100,
    ),
}


@pytest.mark.parametrize(("config", "batch", "time"), SHAPES.values(), ids=SHAPES)
def test_numba_equals_numpy(config, batch, time):
    # Activations of one size whatever the width: a sharper softmax amplifies any rounding.
    params = random_params(config, np.float32, std=0.8 / config.hidden_size**0.5)
    tokens, targets = random_batch(config, batch, time)
    exact = {name: array.astype(np.float64) for name, array in params.items()}
    wanted_loss, wanted = loss_and_grads(exact, tokens, targets, config, backend="numpy")
    loss, grads = loss_and_grads(params, tokens, targets, config, backend="numba")
    assert loss == pytest.approx(wanted_loss, rel=1e-6)
    for name, grad in grads.items():
        if np.abs(wanted[name]).max() < 1e-12:  # of one token: q and k have nothing to choose
            assert np.abs(grad).max() < 1e-7
        else:
            assert relative_error(grad, wanted[name]) < 1e-5, name  # measured: at most 3e-6


@pytest.mark.slow
def test_numba_equals_numpy_on_the_paper_model():
    test_numba_equals_numpy(ModelConfig(), 1, 256)


def bytes_of(lanes, params, batches):
    """Losses and gradients of each batch, as bytes."""
    found = []
    for tokens, targets in batches:
        lanes.use_weights(params)
        losses = lanes.loss_and_gradient(tokens, targets)
        found.append((losses.tobytes(), lanes.gradient.flat.tobytes()))
    return found


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_same_bytes_for_every_number_of_threads(backend):
    config = model_config(hidden_size=84, num_hidden_layers=7)
    assert parameter_count(config) > 2 * CHUNK
    params = random_params(config, np.float32)
    batches = [random_batch(config, 9, 16, seed) for seed in range(3)]
    found = []
    for threads in (1, 2, 4):
        with lanes_for(
            config,
            16,
            backend=get_backend(backend),
            dtype=np.float32,
            lanes=4,
            threads=threads,
        ) as lanes:
            assert lanes.threads == threads
            found.append(bytes_of(lanes, params, batches))
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 3


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_no_dependence_on_call_history(backend):
    config = model_config()
    params, others = (random_params(config, np.float32, seed) for seed in (0, 1))
    batch, other_batch, short = (random_batch(config, b, 7, b) for b in (5, 8, 1))

    def new():
        return lanes_for(config, 7, backend=get_backend(backend), dtype=np.float32)

    with new() as lanes:
        wanted = bytes_of(lanes, params, [batch])
    with new() as lanes:
        bytes_of(lanes, others, [other_batch, short])
        lanes.losses(*other_batch)
        lanes.logits(other_batch[0])
        assert bytes_of(lanes, params, [batch]) == wanted
        assert bytes_of(lanes, params, [short, batch])[1] == wanted[0]
        lanes.loss_and_gradient(*batch)  # the same weights, not given again
        assert lanes.gradient.flat.tobytes() == wanted[0][1]


def test_weights_changed_in_place_count_after_use_weights():
    config = model_config()
    batch = random_batch(config, 3, 7)
    for backend in ("numba", "numpy"):
        params = random_params(config, np.float32)
        with lanes_for(config, 7, backend=get_backend(backend), dtype=np.float32) as lanes:
            before = gradients(lanes, params, *batch)[0]
            params["model.layers.1.mlp.up_proj.weight"] *= 2
            changed = gradients(lanes, params, *batch)[0]
        with lanes_for(config, 7, backend=get_backend(backend), dtype=np.float32) as lanes:
            assert gradients(lanes, params, *batch)[0] == changed != before


def test_a_lane_without_work_leaves_no_trace():
    """Eight lanes for two micro-batches: stale gradients of the other six must not be added."""
    config = model_config()
    params = random_params(config)
    full, small = random_batch(config, 8, 5, 1), random_batch(config, 2, 5, 2)
    with lanes_for(config, 5, micro_batch=1, lanes=8) as lanes:
        gradients(lanes, params, *full)
        _, after = gradients(lanes, params, *small)
    with lanes_for(config, 5, micro_batch=1, lanes=8) as lanes:
        _, wanted = gradients(lanes, params, *small)
    for name in wanted:
        np.testing.assert_array_equal(after[name], wanted[name])


def test_map_chunks_covers_everything_in_order():
    config = model_config()
    for threads in (1, 3):
        with lanes_for(config, 5, threads=threads) as lanes:
            chunks = lanes.map_chunks(2 * CHUNK + 5, lambda chunk: chunk)
            assert chunks == [
                slice(0, CHUNK),
                slice(CHUNK, 2 * CHUNK),
                slice(2 * CHUNK, 2 * CHUNK + 5),
            ]


def test_use_without_weights_is_refused():
    config = model_config()
    with (
        Lanes(config, time=5, micro_batch=1, lanes=1, threads=1, backend=NUMPY) as lanes,
        pytest.raises(RuntimeError, match="use_weights was not called"),
    ):
        lanes.losses(*random_batch(config, 2, 5))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("factor", [1e30, np.inf])
def test_numbers_that_are_not_finite_are_in_the_result_and_no_warning(threads, factor):
    """A run looks at its losses itself; in tests a warning is an error."""
    config = model_config()
    params = random_params(config, np.float32)
    with np.errstate(all="ignore"):
        params = {name: array * np.float32(factor) for name, array in params.items()}
    tokens, targets = random_batch(config, 4, 5)
    with lanes_for(config, 5, dtype=np.float32, threads=threads) as lanes:
        lanes.use_weights(params)
        for losses in (lanes.loss_and_gradient(tokens, targets), lanes.losses(tokens, targets)):
            assert factor < np.inf or not np.isfinite(losses).any()
    with pytest.warns(RuntimeWarning, match="overflow"):  # of the user's own
        params["model.norm.weight"] = np.float32(1e30) * np.float32(1e30)
