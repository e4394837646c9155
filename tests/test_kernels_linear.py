"""The matrix products of the kernels against float64, at every size of edge."""

from __future__ import annotations

import numpy as np
import pytest

from tinyllama_np.kernels.linear import (
    BLOCK_ROWS,
    block_size,
    linear,
    linear_backward_input,
    linear_backward_weight,
    prepare_weight,
)
from tinyllama_np.kernels.simd import LANES
from tinyllama_np.kernels.tile import BLOCK_K, TILE_COLUMNS, TILE_ROWS

EPSILON = np.finfo(np.float32).eps

# (N, O, I): empty, one, around every tile and block edge, primes, and larger than the blocks
SIZES = [
    (0, 5, 7), (5, 0, 7), (5, 7, 0), (1, 1, 1), (2, 3, 5), (1, 64, 64), (64, 1, 64), (64, 64, 1),
    (TILE_ROWS, TILE_COLUMNS, LANES), (TILE_ROWS + 1, TILE_COLUMNS + 1, LANES + 1),
    (TILE_ROWS - 1, TILE_COLUMNS - 1, LANES - 1), (2 * TILE_ROWS + 3, 3 * TILE_COLUMNS + 7, 29),
    (31, 37, 41), (BLOCK_ROWS + 1, 17, BLOCK_K + 1), (17, BLOCK_ROWS + 1, 2 * BLOCK_K + 3),
    (2 * BLOCK_K + 5, 97, 33), (29, 23, 4 * BLOCK_K + 7),
    (BLOCK_K + 3, 2 * BLOCK_ROWS + 5, 40), (256, 704, 256), (512, 256, 704),
]  # fmt: skip


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def products(n, o, i, accumulate=True):
    """For each product: (name, what the kernel gives, float64 reference, bound of the error)."""
    x, weight, dout = draw(n, i), draw(o, i, seed=1), draw(n, o, seed=2)
    out, dx, dweight = draw(n, o, seed=3), draw(n, i, seed=4), draw(o, i, seed=5)
    prepared = prepare_weight(weight)
    results = []
    for name, call, target, left, right, adds in [
        ("linear", lambda: linear(x, prepared, out, accumulate), out, x, weight.T, accumulate),
        ("linear_backward_input", lambda: linear_backward_input(dout, prepared, dx, accumulate),
         dx, dout, weight, accumulate),
        ("linear_backward_weight", lambda: linear_backward_weight(dout, x, dweight), dweight,
         dout.T, x, True),
    ]:  # fmt: skip
        before = target.astype(np.float64) * adds
        exact = before + left.astype(np.float64) @ right.astype(np.float64)
        call()
        # the usual bound of a dot product: its terms' magnitudes, times a few roundings
        bound = abs(before) + abs(left).astype(np.float64) @ abs(right).astype(np.float64)
        results.append((name, target, exact, EPSILON * (4 + left.shape[1] ** 0.5) * bound))
    return results


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(("n", "o", "i"), SIZES)
def test_products_match_float64(n, o, i, accumulate):
    for name, result, exact, bound in products(n, o, i, accumulate):
        assert result.shape == exact.shape
        assert (abs(result - exact) <= bound).all(), name


def test_bound_catches_a_lost_term_and_a_lost_row():
    """The bound is tight enough to see one term of 704 missing from each sum."""
    x, weight, out = draw(64, 704), draw(32, 704, seed=1), np.empty((64, 32), np.float32)
    linear(x, prepare_weight(weight), out, False)
    exact = x.astype(np.float64) @ weight.T.astype(np.float64)
    bound = EPSILON * (4 + 704**0.5) * (abs(x).astype(np.float64) @ abs(weight).T)
    without_last = x[:, :-1].astype(np.float64) @ weight[:, :-1].T.astype(np.float64)
    assert (abs(out - exact) <= bound).all()
    assert (abs(out - without_last) > bound).mean() > 0.9
    stale = out.copy()
    stale[-1] = 0
    assert not (abs(stale - exact) <= bound).all()


def test_nothing_is_written_beyond_the_result():
    """Results in the middle of larger buffers: the guard zones stay as they were."""
    for n, o, i in [(7, 19, 23), (TILE_ROWS, TILE_COLUMNS - 1, 9), (13, 33, 50)]:
        x, weight, dout = draw(n, i), draw(o, i, seed=1), draw(n, o, seed=2)
        prepared = prepare_weight(weight)
        for shape, call in [
            ((n, o), lambda out, x=x, p=prepared: linear(x, p, out, False)),
            ((n, i), lambda dx, d=dout, p=prepared: linear_backward_input(d, p, dx, False)),
            ((o, i), lambda dw, d=dout, x=x: linear_backward_weight(d, x, dw)),
        ]:
            size = shape[0] * shape[1]
            buffer = np.full(size + 200, 7, dtype=np.float32)
            call(buffer[100 : 100 + size].reshape(shape))
            assert (buffer[:100] == 7).all()
            assert (buffer[-100:] == 7).all()


def test_results_do_not_depend_on_what_was_in_the_buffers():
    """A NaN in an old result, or in what pads a panel, must not reach a new one."""
    n, o, i = 11, 21, 19
    weight = draw(o, i)
    previous = prepare_weight(np.full((o, i), np.nan, dtype=np.float32))
    prepared = prepare_weight(weight, previous)
    assert prepared.forward_panels is previous.forward_panels  # reused
    out = np.full((n, o), np.nan, dtype=np.float32)
    linear(draw(n, i), prepared, out, False)
    assert np.isfinite(out).all()
    other = prepare_weight(draw(o + 1, i), previous)  # another size: buffers of its own
    assert other.forward_panels is not previous.forward_panels


def test_rows_do_not_depend_on_their_neighbours():
    """NaN in one token stays in that token."""
    x = draw(23, 40)
    x[9] = np.nan
    out = np.zeros((23, 50), dtype=np.float32)
    linear(x, prepare_weight(draw(50, 40, seed=1)), out, False)
    assert np.isnan(out[9]).all()
    assert np.isfinite(np.delete(out, 9, axis=0)).all()


def test_same_bytes_every_time():
    for (name, one, _, _), (_, other, _, _) in zip(
        products(131, 77, 300), products(131, 77, 300), strict=True
    ):
        np.testing.assert_array_equal(one, other, err_msg=name)


def test_blocks_cover_everything_once():
    for n in range(1, 1100, 7):
        for largest, multiple in [(256, 4), (140, 14), (138, 6)]:
            size = block_size(n, largest, multiple)
            assert 1 <= size <= largest
            assert size % multiple == 0
            assert -(-n // size) <= -(-n // largest)  # no more than needed


@pytest.mark.parametrize("accumulate", [False, True])
def test_wrong_sizes_are_refused(accumulate):
    prepared = prepare_weight(draw(6, 40))
    with pytest.raises(ValueError, match="sizes"):
        linear(draw(3, 41), prepared, np.zeros((3, 6), np.float32), accumulate)
    with pytest.raises(ValueError, match="sizes"):
        linear_backward_input(draw(3, 6), prepared, np.zeros((4, 40), np.float32), accumulate)
    with pytest.raises(ValueError, match="sizes"):
        linear_backward_weight(draw(3, 6), draw(4, 40), np.zeros((6, 40), np.float32))
