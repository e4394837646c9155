"""Names, shapes, the flat buffer and the first weights."""

from __future__ import annotations

import numpy as np
import pytest
from examples_of_models import model_config

from tinyllama_np import ModelConfig, init_params, parameter_count
from tinyllama_np.parameters import (
    EMBED,
    FINAL_NORM,
    HEAD,
    Parameters,
    arrange,
    check_params,
    flat_views,
    parameter_shapes,
)


def test_names_and_shapes_are_hugging_faces():
    config = model_config(num_hidden_layers=1, tie_word_embeddings=False)
    assert parameter_shapes(config) == {
        "model.embed_tokens.weight": (13, 24),
        "model.layers.0.input_layernorm.weight": (24,),
        "model.layers.0.self_attn.q_proj.weight": (24, 24),
        "model.layers.0.self_attn.k_proj.weight": (8, 24),
        "model.layers.0.self_attn.v_proj.weight": (8, 24),
        "model.layers.0.self_attn.o_proj.weight": (24, 24),
        "model.layers.0.post_attention_layernorm.weight": (24,),
        "model.layers.0.mlp.gate_proj.weight": (10, 24),
        "model.layers.0.mlp.up_proj.weight": (10, 24),
        "model.layers.0.mlp.down_proj.weight": (24, 10),
        "model.norm.weight": (24,),
        "lm_head.weight": (13, 24),
    }


def test_tied_model_has_no_head():
    assert HEAD not in parameter_shapes(model_config())


def test_counts():
    paper = ModelConfig()
    assert parameter_count(paper) == 4_262_144
    # By hand: V D + L (4 D^2 + 3 D F + 2 D) + D
    assert 4096 * 256 + 4 * (4 * 256**2 + 3 * 256 * 704 + 512) + 256 == 4_262_144
    untied = ModelConfig(tie_word_embeddings=False)
    assert parameter_count(untied) - parameter_count(paper) == 4096 * 256


def test_views_fill_the_flat_buffer_in_order_without_gaps():
    config = model_config(tie_word_embeddings=False)
    flat = np.arange(parameter_count(config))
    views = flat_views(flat, config)
    assert list(views) == list(parameter_shapes(config))
    np.testing.assert_array_equal(np.concatenate([v.reshape(-1) for v in views.values()]), flat)
    views[HEAD][-1, -1] = -5
    assert flat[-1] == -5  # a view and no copy


@pytest.mark.parametrize("tied", [True, False])
def test_first_weights(tied):
    config = ModelConfig(
        vocab_size=997, initializer_range=0.05, num_hidden_layers=2, tie_word_embeddings=tied
    )
    params = init_params(config, seed=3)
    assert {name: array.shape for name, array in params.items()} == parameter_shapes(config)
    for name, array in params.items():
        assert array.dtype == np.float32
        if array.ndim == 1:
            np.testing.assert_array_equal(array, 1)
            continue
        error_of_mean = 0.05 / np.sqrt(array.size)
        assert abs(array.mean()) < 5 * error_of_mean, name
        assert abs(array.std() / 0.05 - 1) < 5 / np.sqrt(2 * array.size), name
        assert 4 * 0.05 < np.abs(array).max() < 7 * 0.05  # normal: with tails, not cut


def test_first_weights_depend_on_the_seed_alone():
    config = model_config()
    first, again, other = (init_params(config, seed) for seed in (0, 0, 1))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    matrices = [name for name in first if first[name].ndim == 2]
    assert all((first[name] != other[name]).all() for name in matrices)
    values = np.concatenate([first[name].reshape(-1) for name in matrices])
    assert len(np.unique(values)) > 0.999 * values.size  # no two tensors from the same draw


def test_zeros():
    parameters = Parameters.zeros(model_config(), np.float64)
    assert parameters.flat.dtype == np.float64
    assert not parameters.flat.any()


@pytest.mark.parametrize("tied", [True, False])
def test_arrange_gives_every_weight_its_role(tied):
    config = model_config(tie_word_embeddings=tied)
    params = init_params(config)
    tensors = arrange(params, config)
    assert tensors.embed_tokens is params[EMBED]
    assert tensors.head is params[EMBED if tied else HEAD]
    assert tensors.norm is params[FINAL_NORM]
    for i, layer in enumerate(tensors.layers):
        for role, array in layer._asdict().items():
            (name,) = [n for n in params if n.startswith(f"model.layers.{i}.") and role in n]
            assert array is params[name]


def test_arrange_wraps_matrices_of_products_and_not_the_lookup():
    config = model_config()
    params = init_params(config)
    wrapped = arrange(params, config, lambda name, array: (name, array))
    assert wrapped.embed_tokens is params[EMBED]
    assert wrapped.head[0] == EMBED
    assert wrapped.norm is params[FINAL_NORM]
    assert wrapped.layers[1].k_proj[0] == "model.layers.1.self_attn.k_proj.weight"
    assert isinstance(wrapped.layers[0].input_layernorm, np.ndarray)


def test_check_params_returns_the_common_dtype():
    config = model_config()
    assert check_params(init_params(config), config) == np.float32
    assert check_params(Parameters.zeros(config, np.float64).views, config) == np.float64
