"""AdamW over the flat buffer: what decays, how it clips, one update by hand, any thread count."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from tiny_study import MODEL

from tinyllama_np import ModelConfig, TrainConfig
from tinyllama_np.backend import get_backend
from tinyllama_np.lanes import CHUNK, Lanes
from tinyllama_np.optimizer import Optimizer, decay_segments
from tinyllama_np.parameters import Parameters, parameter_count

# More weights than one chunk, and a chunk's border inside a matrix.
WIDE = ModelConfig(
    vocab_size=600,
    hidden_size=64,
    intermediate_size=100,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=8,
    tie_word_embeddings=False,
)
TRAIN = TrainConfig(learning_rate=0.01, max_grad_norm=1.0, weight_decay=0.1)


def lanes_with_gradient(config, gradient, threads=1, backend="numpy", dtype=np.float32):
    lanes = Lanes(
        config,
        time=4,
        micro_batch=1,
        lanes=4,
        threads=threads,
        backend=get_backend(backend),
        dtype=dtype,
    )
    lanes.gradient.flat[...] = gradient
    return lanes


@pytest.mark.parametrize("tied", [True, False])
def test_matrices_decay_and_gains_do_not(tied):
    config = ModelConfig(**{**MODEL.to_dict(), "tie_word_embeddings": tied})
    marks = Parameters.zeros(config)
    for segment, decays in decay_segments(config):
        marks.flat[segment] = 1 if decays else -1
    for name, view in marks.views.items():
        wanted = -1 if "norm" in name else 1
        assert (view == wanted).all(), name


def test_segments_cover_the_buffer_once_and_alternate():
    segments = decay_segments(WIDE)
    ends = [0, *(segment.stop for segment, _ in segments)]
    assert [segment.start for segment, _ in segments] == ends[:-1]
    assert ends[-1] == parameter_count(WIDE)
    assert all(a[1] != b[1] for a, b in pairwise(segments))


def test_gradient_norm_is_that_of_the_whole_vector():
    gradient = np.random.default_rng(1).standard_normal(parameter_count(WIDE)).astype(np.float32)
    assert gradient.size > 2 * CHUNK
    with lanes_with_gradient(WIDE, gradient) as lanes:
        norm = Optimizer(WIDE, TRAIN).gradient_norm(lanes)
    assert norm == pytest.approx(np.linalg.norm(gradient.astype(np.float64)), rel=1e-6)


@pytest.mark.parametrize("norm_wanted", [0.5, 1.0, 4.0])
def test_one_update_equals_the_hand_computation(norm_wanted):
    rng = np.random.default_rng(2)
    size = parameter_count(WIDE)
    gradient = rng.standard_normal(size)
    gradient *= norm_wanted / np.linalg.norm(gradient)
    weights = Parameters.zeros(WIDE, np.float64)
    weights.flat[...] = rng.standard_normal(size)
    optimizer = Optimizer(WIDE, TRAIN, np.float64)
    m = optimizer.m.flat[...] = rng.standard_normal(size)
    v = optimizer.v.flat[...] = rng.random(size)
    before, step, rate = weights.flat.copy(), 7, 0.003
    matrix = Parameters.zeros(WIDE, np.float64)  # 1 where weight decay applies
    for view in matrix.views.values():
        view[...] = view.ndim == 2

    with lanes_with_gradient(WIDE, gradient, dtype=np.float64) as lanes:
        norm = optimizer.gradient_norm(lanes)
        clipped = optimizer.update(weights, lanes, step=step, learning_rate=rate, norm=norm)

    scale = min(1.0, 1.0 / (norm_wanted + 1e-6))
    assert clipped == (scale < 1)
    g = gradient * scale
    m = 0.9 * m + 0.1 * g
    v = 0.95 * v + 0.05 * g * g
    direction = (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.95**step)) + 1e-8)
    expected = before - rate * (direction + 0.1 * matrix.flat * before)
    np.testing.assert_allclose(weights.flat, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(optimizer.m.flat, m, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(optimizer.v.flat, v, rtol=1e-12, atol=1e-15)


def test_a_zero_gradient_only_decays_the_matrices():
    weights = Parameters.initial(WIDE, seed=0)
    before = weights.flat.copy()
    with lanes_with_gradient(WIDE, 0) as lanes:
        optimizer = Optimizer(WIDE, TRAIN)
        norm = optimizer.gradient_norm(lanes)
        assert norm == 0
        assert not optimizer.update(weights, lanes, step=1, learning_rate=0.5, norm=norm)
    assert (weights.views["model.norm.weight"] == 1).all()
    head = Parameters(before, {}).flat[-600 * 64 :].reshape(600, 64)
    np.testing.assert_allclose(weights.views["lm_head.weight"], head * 0.95, rtol=1e-6)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_same_bytes_for_every_number_of_threads(backend):
    rng = np.random.default_rng(3)
    gradient = rng.standard_normal(parameter_count(WIDE)).astype(np.float32)
    results = []
    for threads in (1, 2, 4):
        weights = Parameters.initial(WIDE, seed=0)
        optimizer = Optimizer(WIDE, TRAIN)
        norms = []
        with lanes_with_gradient(WIDE, gradient, threads, backend) as lanes:
            for step in (1, 2):
                norms.append(optimizer.gradient_norm(lanes))
                optimizer.update(weights, lanes, step=step, learning_rate=0.01, norm=norms[-1])
        state = (weights.flat, optimizer.m.flat, optimizer.v.flat)
        results.append((norms, *(array.tobytes() for array in state)))
    assert results[0] == results[1] == results[2]


def test_clipped_first_step_does_not_depend_on_the_gradients_length():
    """Adam's first direction is the sign; clipping only changes it through epsilon."""
    steps = []
    for length in (3.0, 3000.0):
        weights = Parameters.zeros(MODEL)
        with lanes_with_gradient(MODEL, length) as lanes:
            optimizer = Optimizer(MODEL, TRAIN)
            norm = optimizer.gradient_norm(lanes)
            assert norm == pytest.approx(length * math.sqrt(weights.flat.size))
            assert optimizer.update(weights, lanes, step=1, learning_rate=0.1, norm=norm)
        steps.append(weights.flat)
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-5)
    np.testing.assert_allclose(steps[0], -0.1, rtol=1e-5)
