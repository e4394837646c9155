"""Kernel building blocks: exp to the last bit or so, no float64 by accident, no hidden calls."""

from __future__ import annotations

import numpy as np
import pytest

from tinyllama_np.backend import get_backend
from tinyllama_np.kernels import adamw, attention, cross_entropy, embedding, rmsnorm, swiglu
from tinyllama_np.kernels.linear import prepare_weight
from tinyllama_np.kernels.simd import BLOCK, LANES, exp, kernel, largest
from tinyllama_np.kernels.tile import BLOCK_K, BLOCK_STRIDE, TILE_COLUMNS, TILE_ROWS

F32 = np.float32


@kernel
def exp_of_all(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])  # this caller has "reassoc": it must not reach into exp


def exp32(x):
    x = np.asarray(x, dtype=F32)
    out = np.empty_like(x)
    exp_of_all(x, out)
    return out


def test_exp_is_accurate_over_its_whole_range():
    x = np.linspace(-87.33, 88.72, 1_000_003).astype(F32)
    exact = np.exp(x.astype(np.float64))
    assert np.abs(exp32(x) / exact - 1).max() < 1.2e-7  # measured: 8.2e-8


def test_exp_is_accurate_near_zero_and_near_halves_of_ln2():
    """Where the range reduction changes over, and where exp(x) - 1 is small."""
    n = np.arange(-120, 120)[:, None]
    x = ((n + 0.5) * np.log(2) + np.linspace(-1e-3, 1e-3, 101)).ravel().astype(F32)
    assert np.abs(exp32(x) / np.exp(x.astype(np.float64)) - 1).max() < 1.2e-7
    tiny = np.array([0.0, -0.0, 1e-30, -1e-30, 1e-45], dtype=F32)
    np.testing.assert_array_equal(exp32(tiny), np.ones(5, dtype=F32))


def test_exp_at_its_ends():
    x = [-np.inf, -3e38, -1e9, -104, -87.4, 88.8, 1e9, 3e38, np.inf, np.nan]
    expected = [0, 0, 0, 0, 0, np.inf, np.inf, np.inf, np.inf, np.nan]
    # as a whole (vectors), and one by one (the rest of a loop)
    np.testing.assert_array_equal(exp32(x * 8), np.array(expected * 8, dtype=F32))
    np.testing.assert_array_equal([exp32([value])[0] for value in x], expected)


def test_exp_of_a_loop_and_of_one_number_agree():
    """Else a result would depend on the place of an element in its row."""
    x = np.random.default_rng(0).uniform(-90, 90, 1000).astype(F32)
    np.testing.assert_array_equal(exp32(x), [exp32([value])[0] for value in x])


@pytest.mark.parametrize("n", [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 5])
def test_largest_finds_the_maximum_at_every_position(n):
    row = -1 - np.random.default_rng(n).random(n).astype(F32)
    for position in range(n):
        spiked = row.copy()
        spiked[position] = -0.5
        assert largest(spiked, n) == -0.5
        spiked[position] = np.nan  # passed over, and does not hide the others
        rest = np.delete(row, position)
        assert largest(spiked, n) == rest.max(initial=-np.inf)


def test_tile_follows_the_vector_width():
    assert (LANES, TILE_ROWS, TILE_COLUMNS) in [(16, 14, 32), (8, 6, 16), (4, 6, 16)]


def _elementwise():
    """(kernel, arguments) of all loops that must stay in float32."""
    n, d = 3, 40
    tokens = np.zeros(n, dtype=np.int32)
    x = np.ones((n, d), dtype=F32)
    w = np.ones(d, dtype=F32)
    r = np.ones(n, dtype=F32)
    s = F32(0.5)
    angles = np.ones((n, d // 2), dtype=F32)
    block = np.ones((2, BLOCK_STRIDE), dtype=F32)
    calls = [
        (embedding.embed, (tokens, x, x.copy())),
        (embedding.embed_backward, (tokens, x, x.copy())),
        (rmsnorm.rmsnorm, (x, w, s, x.copy(), r)),
        (rmsnorm.rmsnorm_backward, (x, x, w, r, x.copy(), w.copy())),
        (swiglu.swiglu, (x, x, x.copy())),
        (swiglu.swiglu_backward, (x, x, x, x.copy(), x.copy())),
        (cross_entropy._add_to_softmax, (x, n, 0, d, r, r.copy(), r.copy(), x.copy())),
        (cross_entropy._dlogits, (x, 0, d, 0, n, tokens, s, r, r, r, x.copy())),
        (attention.rotate, (x.reshape(1, n, 1, d).copy(), angles, angles, s)),
        (attention._strip_softmax, (block, 2, 0, 0, s, r, r.copy(), x.copy())),
        (attention._strip_dscores, (block, block.copy(), 2, 0, 0, s, w, r)),
        (adamw.adamw, (w, w, w.copy(), w.copy(), *[s] * 8)),
        (adamw.accumulate, (w, w.copy())),
        (exp_of_all, (w, w.copy())),
    ]
    return [pytest.param(*call, id=call[0].__name__) for call in calls]


def llvm_code(function, *arguments):
    """From a dispatcher of our own: one that was loaded from the cache has no code to show."""
    fresh = type(function)(function.py_func, targetoptions=function.targetoptions)
    fresh(*arguments)
    (code,) = fresh.inspect_llvm().values()
    return code


@pytest.mark.slow
@pytest.mark.parametrize(("function", "arguments"), _elementwise())
def test_no_float64_in_float32_loops(function, arguments):
    code = llvm_code(function, *arguments)
    assert "define" in code
    assert "fpext float" not in code
    assert " double" not in code.split("define", 1)[1].split("\n}", 1)[0]


def test_float64_check_sees_float64():
    """The check above can fail: this loop is the mistake it is for."""

    @kernel
    def widened(x):
        for i in range(x.size):
            x[i] = x[i] * 0.1

    assert "fpext float" in llvm_code(widened, np.ones(9, dtype=F32))


def test_sum_of_squares_keeps_float64_and_a_fixed_order():
    x = np.random.default_rng(0).standard_normal(100_003).astype(F32)
    x[0] = 1e4
    backend = get_backend("numba")
    exact = float(np.square(x, dtype=np.float64).sum())
    assert backend.sum_of_squares(x) == pytest.approx(exact, rel=1e-13)
    shifted = np.empty(x.size + 1, dtype=F32)[1:]  # another alignment
    shifted[:] = x
    assert backend.sum_of_squares(shifted) == backend.sum_of_squares(x)
    assert backend.sum_of_squares(x[:0]) == 0


def test_loss_of_nan_logits_is_nan():
    """Wherever in the vocabulary it stands, and of its own token alone."""
    vocab = 2 * BLOCK_K + 9
    targets = np.array([7, 7, 7, 7, 7], dtype=np.int32)
    for position in (0, 7, BLOCK_K - 1, BLOCK_K, vocab - 1):
        weight = np.ones((vocab, 1), dtype=F32)
        weight[position] = np.nan
        for value in (np.nan, np.inf, -np.inf):
            x = np.array([[1], [value], [0], [1], [value]], dtype=F32)
            losses, logits = np.zeros(5, dtype=F32), np.zeros((3, vocab), dtype=F32)
            dx, dweight = np.zeros_like(x), np.zeros_like(weight)
            cross_entropy.head_losses(x, prepare_weight(weight), targets, logits, losses)
            assert np.isnan(losses).all()  # the weight is in every token's sum
            finite = np.ones_like(weight)
            cross_entropy.head_losses(x, prepare_weight(finite), targets, logits, losses)
            assert np.isnan(losses).tolist() == [False, True, False, False, True]
            head = prepare_weight(finite)
            cross_entropy.head_loss(x, head, targets, F32(1), logits, losses, dx, dweight)
            assert np.isnan(losses).tolist() == [False, True, False, False, True]


def test_head_of_far_apart_logits():
    """The maximum rises from block to block, or falls: nothing overflows, the loss is exact."""
    vocab = 3 * BLOCK_K + 5
    for steps in (np.linspace(-900, 900, vocab), np.linspace(900, -900, vocab)):
        weight = steps.astype(F32)[:, None]
        x = np.array([[1], [-1], [0.5]], dtype=F32)
        exact = x.astype(np.float64) @ weight.T.astype(np.float64)
        for target in (0, BLOCK_K, vocab - 1):
            targets = np.full(3, target, dtype=np.int32)
            losses, logits = np.zeros(3, dtype=F32), np.zeros((3, vocab), dtype=F32)
            cross_entropy.head_losses(x, prepare_weight(weight), targets, logits, losses)
            wanted = np.logaddexp.reduce(exact, axis=1) - exact[:, target]
            np.testing.assert_allclose(losses, wanted, rtol=1e-5, atol=1e-4)
