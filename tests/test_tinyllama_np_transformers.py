"""Hugging Face's LlamaForCausalLM takes our weights by name and computes the same."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from examples_of_models import model_config, random_batch, random_params, relative_error

from tinyllama_np import forward, loss_and_grads

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")


def llama_with(params, config):
    """Their model with our weights; every name and shape must fit."""
    settings = config.to_dict()
    del settings["initializer_range"]
    # What the library warns of is its own affair; ours is that names, shapes and values agree.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = transformers.LlamaConfig(**settings, attn_implementation="eager")
        model = transformers.LlamaForCausalLM(theirs).to(
            torch.float64 if params["model.norm.weight"].dtype == np.float64 else torch.float32
        )
    state = {name: torch.from_numpy(array.copy()) for name, array in params.items()}
    if config.tie_word_embeddings:  # their state_dict lists the tied head as well
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state, strict=True)
    return model


CONFIGS = {
    "tied, grouped": {},
    "untied, grouped": {"tie_word_embeddings": False},
    "untied, one key/value head": {"tie_word_embeddings": False, "num_key_value_heads": 1},
}


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize(
    ("backend", "dtype", "bound"),
    # Their rotary angles and softmax are float32 whatever the dtype, hence 1e-5 for float64 too.
    # Measured: 1.4e-6 (logits), 1e-7 (loss), 3e-6 (gradients).
    [("numpy", np.float64, 1e-5), ("numpy", np.float32, 1e-5), ("numba", np.float32, 1e-5)],
    ids=["numpy-float64", "numpy-float32", "numba-float32"],
)
def test_same_logits_loss_and_gradients(changes, backend, dtype, bound):
    config = model_config(**changes)
    params = random_params(config, dtype)
    # Their loss shifts the labels itself, so ours gets the tokens up to the last but one.
    tokens, _ = random_batch(config, 3, 16)
    model = llama_with(params, config)
    batch = torch.from_numpy(tokens).long()
    theirs = model(batch, labels=batch)
    theirs.loss.backward()

    logits = forward(params, tokens, config, backend=backend)
    assert relative_error(logits, theirs.logits.detach().numpy()) < bound
    loss, grads = loss_and_grads(params, tokens[:, :-1], tokens[:, 1:], config, backend=backend)
    assert loss == pytest.approx(theirs.loss.item(), rel=bound)
    named = dict(model.named_parameters())
    assert set(named) == set(params)
    for name, grad in grads.items():
        assert relative_error(grad, named[name].grad.numpy()) < bound, name


def test_a_rotation_of_neighbours_would_show():
    """The two layouts of RoPE differ by a permutation of q and k: ours is the rotate-half one."""
    config = model_config()
    params = random_params(config)
    interleave = np.arange(4).reshape(2, 2).T.reshape(-1)  # within a head of size 4
    for name in params:
        if "q_proj" in name or "k_proj" in name:
            heads = params[name].reshape(-1, 4, config.hidden_size)
            params[name] = heads[:, interleave].reshape(params[name].shape)
    tokens, _ = random_batch(config, 2, 12)
    theirs = llama_with(random_params(config), config)(torch.from_numpy(tokens).long()).logits
    ours = forward(params, tokens, config, backend="numpy")
    assert relative_error(ours, theirs.detach().numpy()) > 1e-2
