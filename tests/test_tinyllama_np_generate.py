"""Decoding with the KV cache against `forward` of the whole text at every step."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tiny_study import MODEL

from tinyllama_np import forward, init_params
from tinyllama_np.generate import generate

CONFIGS = {
    "tied, one key/value head": {},
    "untied, not grouped": {"num_key_value_heads": 2, "tie_word_embeddings": False},
    "grouped": {"hidden_size": 24, "num_attention_heads": 6, "num_key_value_heads": 2},
    "another base": {"rope_theta": 30.0, "num_hidden_layers": 3},
}


def model(dtype=np.float32, **changes):
    """Weights so large that the likeliest token is clear and differs from place to place."""
    config = dataclasses.replace(MODEL, **{"initializer_range": 0.6, **changes})
    return {name: a.astype(dtype) for name, a in init_params(config, seed=5).items()}, config


def greedy_without_cache(params, prompt, config, count):
    tokens = list(prompt)
    for _ in range(count):
        logits = forward(params, [tokens], config, backend="numpy")
        tokens.append(int(logits[0, -1].argmax()))
    return tokens[len(prompt) :]


@pytest.mark.parametrize("changes", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("prompt", [[7], [3, 200, 279, 0, 41]])
def test_greedy_is_the_argmax_of_forward(changes, dtype, prompt):
    params, config = model(dtype, **changes)
    count = config.max_position_embeddings - len(prompt)  # to the last place of the context
    new = generate(params, prompt, config, max_new_tokens=count)
    assert new == greedy_without_cache(params, prompt, config, count)
    assert len(set(new)) > 3  # else a wrong position would hardly show


def test_greedy_agrees_with_the_numba_forward():
    params, config = model()
    new = generate(params, [7, 8], config, max_new_tokens=6)
    logits = forward(params, [[7, 8, *new]], config, backend="numba")
    assert logits[0, 1:-1].argmax(axis=1).tolist() == new


def test_the_prompt_may_be_an_array_and_is_left_alone():
    params, config = model()
    prompt = np.array([7, 8, 9], dtype=np.uint16)
    new = generate(params, prompt, config, max_new_tokens=4)
    assert prompt.tolist() == [7, 8, 9]
    assert new == generate(params, (7, 8, 9), config, max_new_tokens=4)
    assert all(type(token) is int for token in new)


def test_a_longer_continuation_begins_with_the_shorter():
    params, config = model()
    long = generate(params, [1, 2], config, max_new_tokens=14)
    for count in range(14):
        assert generate(params, [1, 2], config, max_new_tokens=count) == long[:count]


def test_no_new_tokens_is_an_empty_list():
    params, config = model()
    assert generate(params, list(range(16)), config, max_new_tokens=0) == []


def test_drawing_is_a_function_of_the_generator():
    params, config = model()

    def draw(seed):
        rng = np.random.default_rng(seed)
        return generate(params, [5], config, max_new_tokens=15, temperature=1.5, rng=rng)

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    unseeded = [generate(params, [5], config, 15, 1.5) for _ in range(2)]
    assert unseeded[0] == unseeded[1] == draw(0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_drawn_tokens_follow_the_softmax(temperature):
    params, config = model(vocab_size=6, initializer_range=1.5)
    logits = forward(params, [[2, 4]], config, backend="numpy")[0, -1].astype(np.float64)
    probs = np.exp(logits / temperature - (logits / temperature).max())
    probs /= probs.sum()
    assert probs.max() > 1.5 * probs.min()  # not uniform
    rng, draws = np.random.default_rng(0), 1500
    counts = np.zeros(6)
    for _ in range(draws):
        (token,) = generate(params, [2, 4], config, 1, temperature, rng=rng)
        counts[token] += 1
    chi_squared = ((counts - draws * probs) ** 2 / (draws * probs)).sum()
    assert chi_squared < 20.5  # 5 degrees of freedom: exceeded once in 1,000 seeds


def test_a_low_temperature_is_greedy_and_does_not_overflow():
    params, config = model()
    greedy = generate(params, [5], config, max_new_tokens=15)
    for temperature in (1e-3, 1e-300):
        assert generate(params, [5], config, 15, temperature) == greedy


def test_a_high_temperature_is_nearly_uniform():
    params, config = model()
    drawn = {
        generate(params, [5], config, 1, 1e9, rng=np.random.default_rng(seed))[0]
        for seed in range(400)
    }
    assert len(drawn) > 180  # of 280; 400 uniform draws hit 213 on average
    assert 0 <= min(drawn) <= max(drawn) < 280


def test_the_stop_token_ends_the_text_and_is_the_last():
    params, config = model()
    free = generate(params, [1, 2], config, max_new_tokens=14)
    for place, token in enumerate(free):
        first = free.index(token)
        stopped = generate(params, [1, 2], config, max_new_tokens=14, stop_token=token)
        assert stopped == free[: first + 1], place
    unused = next(token for token in range(280) if token not in free)
    assert generate(params, [1, 2], config, max_new_tokens=14, stop_token=unused) == free


def test_a_stop_token_in_the_prompt_does_not_stop():
    params, config = model()
    free = generate(params, [279, 2], config, max_new_tokens=5)
    assert 279 not in free
    assert generate(params, [279, 2], config, max_new_tokens=5, stop_token=279) == free


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        ([], {}, "at least one token"),
        ([280], {}, "280.*vocab_size=280"),
        ([3, -1], {}, "-1.*vocab_size"),
        ([1], {"max_new_tokens": -1}, "max_new_tokens=-1"),
        ([1], {"max_new_tokens": 16}, "max_position_embeddings=16"),
        (list(range(17)), {"max_new_tokens": 0}, "max_position_embeddings=16"),
        ([1], {"temperature": -0.5}, "temperature=-0.5"),
        ([1], {"temperature": float("nan")}, "temperature=nan"),
    ],
)
def test_errors_name_the_value_in_one_line(prompt, options, message):
    params, config = model()
    with pytest.raises(ValueError, match=message) as caught:
        generate(params, prompt, config, **{"max_new_tokens": 3, **options})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("model.norm.weight"), "model.norm.weight"),
        (lambda p: p.update({"lm_head.weight": p["model.embed_tokens.weight"]}), "lm_head.weight"),
        (lambda p: p.update({"model.norm.weight": np.ones(9, np.float32)}), r"\(8,\)"),
        (lambda p: p.update({"model.norm.weight": np.ones(8, np.float64)}), "float64"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change, message):
    params, config = model()
    change(params)
    with pytest.raises(ValueError, match=message):
        generate(params, [1], config, max_new_tokens=1)
