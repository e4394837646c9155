"""The validation loss against a plain loop, and the same figure in bits a byte."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from tiny_study import MODEL, stories

from tinyllama_np import forward, init_params
from tinyllama_np.backend import get_backend
from tinyllama_np.evaluate import Evaluation, evaluate
from tinyllama_np.lanes import Lanes
from tokenizer import Tokenizer

T, WINDOWS = 7, 11


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(stories(), MODEL.vocab_size)


@pytest.fixture(scope="module")
def windows(tokenizer):
    text = tokenizer.encode("<|endoftext|>".join(stories()), special="special")
    row = np.array(text[1000 : 1000 + WINDOWS * T + 1], dtype=np.int32)
    return row[:-1].reshape(WINDOWS, T), row[1:].reshape(WINDOWS, T)


def random_params(dtype=np.float32):
    config = dataclasses.replace(MODEL, initializer_range=0.5)
    return {name: array.astype(dtype) for name, array in init_params(config, seed=4).items()}


def lanes_for(params, micro_batch=1, threads=1, backend="numpy", dtype=np.float32):
    lanes = Lanes(
        MODEL,
        time=T,
        micro_batch=micro_batch,
        lanes=4,
        threads=threads,
        backend=get_backend(backend),
        dtype=dtype,
    )
    lanes.use_weights(params)
    return lanes


def plain_losses(params, inputs, targets):
    """-log softmax(logits)[target], one token after the other, in Python's floats."""
    losses = []
    for row, wanted in zip(inputs, targets, strict=True):
        logits = forward(params, row[None], MODEL, "numpy")[0]
        for scores, target in zip(logits, wanted, strict=True):
            top = max(scores.tolist())
            log_sum = top + math.log(math.fsum(math.exp(s - top) for s in scores.tolist()))
            losses.append(log_sum - float(scores[target]))
    return losses


def test_equals_the_mean_over_a_plain_loop(windows, tokenizer):
    params = random_params(np.float64)
    with lanes_for(params, dtype=np.float64) as lanes:
        found = evaluate(lanes, *windows, tokenizer.token_byte_lengths())
    losses = plain_losses(params, *windows)
    assert len(losses) == WINDOWS * T
    assert found.loss == pytest.approx(math.fsum(losses) / len(losses), rel=1e-12)
    assert found.perplexity == pytest.approx(math.exp(found.loss), rel=1e-15)


def test_bits_per_byte_by_hand(windows, tokenizer):
    inputs, targets = windows[0], windows[1].copy()
    targets[0] = range(265, 265 + T)  # merges, longer than the tokens of the inputs
    assert (targets == tokenizer.end_of_text).any()  # it has no bytes, but its loss counts
    texts = [tokenizer.token_bytes(t) for t in targets.ravel() if t != tokenizer.end_of_text]
    params = random_params(np.float64)
    with lanes_for(params, dtype=np.float64) as lanes:
        found = evaluate(lanes, inputs, targets, tokenizer.token_byte_lengths())
    bits = math.fsum(plain_losses(params, inputs, targets)) / math.log(2)
    assert found.bits_per_byte == pytest.approx(bits / len(b"".join(texts)), rel=1e-12)


def test_bits_per_byte_of_specials_alone_is_not_a_number(tokenizer):
    inputs = np.full((1, T), tokenizer.end_of_text, dtype=np.int32)
    with lanes_for(random_params()) as lanes:
        found = evaluate(lanes, inputs, inputs, tokenizer.token_byte_lengths())
    assert math.isfinite(found.loss)
    assert math.isnan(found.bits_per_byte)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("micro_batch", [1, 4])
def test_the_same_bits_for_every_number_of_threads(windows, tokenizer, backend, micro_batch):
    found = set()
    for threads in (1, 2, 4):
        with lanes_for(random_params(), micro_batch, threads, backend) as lanes:
            found.add(evaluate(lanes, *windows, tokenizer.token_byte_lengths()))
    assert len(found) == 1


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_same_bits_however_many_sequences_at_once(windows, tokenizer, backend):
    with lanes_for(random_params(), backend=backend) as lanes:
        found = {
            evaluate(lanes, *windows, tokenizer.token_byte_lengths(), sequences=n)
            for n in (1, 2, 3, WINDOWS - 1, WINDOWS, 64)
        }
    assert len(found) == 1


def test_the_last_windows_count_however_they_are_chunked(windows, tokenizer):
    """Micro-batches of another size may round differently, but never lose or repeat a window."""
    lengths = tokenizer.token_byte_lengths()
    with lanes_for(random_params(), micro_batch=4) as lanes:
        whole = evaluate(lanes, *windows, lengths).loss
        for n in (1, 3, 5, 10):
            assert evaluate(lanes, *windows, lengths, sequences=n).loss == pytest.approx(
                whole, rel=1e-6
            )


def test_perplexity_that_overflows_is_infinite():
    assert Evaluation(0.0, 0.0).perplexity == 1.0
    assert Evaluation(700.0, 0.0).perplexity == math.exp(700.0)
    assert Evaluation(709.7, 0.0).perplexity in (math.inf, math.exp(709.7))
    assert Evaluation(710.0, 0.0).perplexity == math.inf
    assert Evaluation(math.inf, 0.0).perplexity == math.inf


def test_perplexity_of_a_loss_that_is_not_a_number_is_none():
    assert math.isnan(Evaluation(math.nan, 0.0).perplexity)
