"""The attention kernel against plain float64 attention, written here with T x T arrays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tinyllama_np.kernels.attention import STRIP_ROWS, attention, attention_backward
from tinyllama_np.kernels.tile import BLOCK_K, TILE_COLUMNS, TILE_ROWS

# (b, T, H, K, E): grouped and not; T of one, around tile, panel and strip; E of any even size
SIZES = [
    (1, 1, 1, 1, 2), (3, 2, 4, 2, 6), (2, 11, 6, 3, 10), (1, TILE_ROWS, 2, 2, 16),
    (1, TILE_COLUMNS + 1, 3, 1, 18), (2, STRIP_ROWS, 2, 1, 32), (1, STRIP_ROWS + 1, 2, 2, 8),
    (1, 2 * STRIP_ROWS - 1, 4, 2, 24), (1, 131, 2, 1, 64), (1, 256, 4, 4, 64), (1, 300, 2, 1, 34),
    # several blocks of keys, and a head wider than a block
    (1, BLOCK_K + 1, 2, 1, 8), (1, 2 * BLOCK_K + 77, 3, 1, 20), (1, 60, 2, 1, BLOCK_K + 30),
]  # fmt: skip
TOLERANCE = 3e-6  # of the largest value; measured: at most 7e-7


def example(b, t, h, k, e, seed=0):
    """Inputs in float32 and room for all results."""
    rng = np.random.default_rng([seed, b, t, h, k, e])

    def draw(*shape):
        return rng.standard_normal(shape).astype(np.float32)

    angles = np.outer(np.arange(t), 100.0 ** (-np.arange(e // 2) / (e // 2)))
    return SimpleNamespace(
        q=draw(b, t, h, e), k=draw(b, t, k, e), v=draw(b, t, k, e), dout=draw(b, t, h, e),
        cos=np.cos(angles).astype(np.float32), sin=np.sin(angles).astype(np.float32),
        out=draw(b, t, h, e), lse=draw(b, h, t),
        dq=draw(b, t, h, e), dk=draw(b, t, k, e), dv=draw(b, t, k, e),
    )  # fmt: skip


def run(x):
    """Both kernels, in place; also the queries and keys as the forward pass leaves them."""
    q, k = x.q.copy(), x.k.copy()
    attention(q, k, x.v, x.cos, x.sin, x.out, x.lse)
    attention_backward(x.dout, q, k, x.v, x.out, x.lse, x.cos, x.sin, x.dq, x.dk, x.dv)
    return {"q": q, "k": k, "out": x.out, "lse": x.lse, "dq": x.dq, "dk": x.dk, "dv": x.dv}


def rotated(x, cos, sin):
    first, second = np.split(x, 2, axis=-1)
    cos, sin = cos[:, None, :], sin[:, None, :]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin], axis=-1)


def reference(x, scale_power=-0.5):
    """What `run` gives, in float64; `scale_power` is for the planted bug."""
    q, k, v, dout, cos, sin = (
        getattr(x, name).astype(np.float64) for name in ("q", "k", "v", "dout", "cos", "sin")
    )
    _, t, h, e = q.shape
    n_key_heads = k.shape[2]
    q, k = rotated(q, cos, sin), rotated(k, cos, sin)
    of_query = np.arange(h) // (h // n_key_heads)  # the key head that a query head reads
    scores = np.einsum("bihe,bjhe->bhij", q, k[:, :, of_query]) * e**scale_power
    scores[:, :, ~np.tri(t, dtype=bool)] = -np.inf
    peak = scores.max(axis=-1, keepdims=True)
    lse = peak + np.log(np.exp(scores - peak).sum(axis=-1, keepdims=True))
    p = np.exp(scores - lse)
    out = np.einsum("bhij,bjhe->bihe", p, v[:, :, of_query])
    dp = np.einsum("bihe,bjhe->bhij", dout, v[:, :, of_query])
    dscores = p * (dp - (p * dp).sum(axis=-1, keepdims=True)) * e**scale_power
    dq = np.einsum("bhij,bjhe->bihe", dscores, k[:, :, of_query])
    dk, dv = np.zeros_like(k), np.zeros_like(v)
    for head in range(h):
        dk[:, :, of_query[head]] += np.einsum("bij,bie->bje", dscores[:, head], q[:, :, head])
        dv[:, :, of_query[head]] += np.einsum("bij,bie->bje", p[:, head], dout[:, :, head])
    dq, dk = rotated(dq, cos, -sin), rotated(dk, cos, -sin)
    return {"q": q, "k": k, "out": out, "lse": lse[..., 0], "dq": dq, "dk": dk, "dv": dv}


def errors(results, expected):
    """Largest error of each result, relative to its largest value."""
    return {
        name: abs(results[name] - expected[name]).max() / (abs(expected[name]).max() + 1e-6)
        for name in expected
    }


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_matches_plain_attention_in_float64(sizes):
    x = example(*sizes)
    found = errors(run(x), reference(x))
    assert max(found.values()) < TOLERANCE, found


def test_comparison_catches_planted_bugs():
    x = example(2, 37, 4, 2, 12)
    results = run(x)
    wrong_scale = errors(results, reference(x, scale_power=-1.0))
    assert min(wrong_scale[name] for name in ("out", "dq", "dk", "dv")) > 1e-2
    swapped = SimpleNamespace(**{**vars(x), "k": x.k[:, :, ::-1]})
    assert errors(results, reference(swapped))["out"] > 1e-2  # the other head of the group
    turned = SimpleNamespace(**{**vars(x), "sin": -x.sin})
    assert errors(results, reference(turned))["dq"] > 1e-2


@pytest.mark.parametrize(
    ("t", "changed"),
    [
        *((130, place) for place in (1, 15, STRIP_ROWS - 1, STRIP_ROWS, STRIP_ROWS + 13, 129)),
        *((2 * BLOCK_K + 9, place) for place in (BLOCK_K - 1, BLOCK_K, BLOCK_K + 1, 2 * BLOCK_K)),
    ],
)
def test_future_changes_nothing(t, changed):
    """To the byte, however large the future is; and the past's loss gives it no gradient."""
    before, after = example(1, t, 4, 2, 16), example(1, t, 4, 2, 16)
    for name in ("q", "k", "v"):
        getattr(after, name)[:, changed:] *= -1e6
    before.dout[:, changed:] = 0
    first, second = run(before), run(after)
    np.testing.assert_array_equal(first["out"][:, :changed], second["out"][:, :changed])
    np.testing.assert_array_equal(first["lse"][:, :, :changed], second["lse"][:, :, :changed])
    assert (first["dk"][:, changed:] == 0).all()
    assert (first["dv"][:, changed:] == 0).all()
    assert (first["out"][:, changed:] != second["out"][:, changed:]).all()  # it was a change


@pytest.mark.parametrize("rising", [True, False])
def test_largest_score_in_any_block_of_keys(rising):
    """The running maximum is raised by every block of keys, or by the first alone."""
    t = 2 * BLOCK_K + 30
    x = example(1, t, 2, 1, 8)
    x.cos[...], x.sin[...] = 1, 0
    x.q[...] = abs(x.q) + 1
    x.k *= 0.1
    x.k += (np.arange(t) if rising else np.arange(t)[::-1])[None, :, None, None] * np.float32(0.02)
    found = errors(run(x), reference(x))
    assert max(found.values()) < 2e-5, found  # scores near 100 have two digits less


def test_large_scores_do_not_overflow():
    x = example(1, 70, 2, 1, 16)
    x.q *= 300
    results = run(x)
    assert all(np.isfinite(array).all() for array in results.values())
    assert errors(results, reference(x))["out"] < 1e-2  # scores near 1000 have 4 digits left


def test_sequences_do_not_see_each_other():
    both = example(2, 50, 2, 2, 8)
    results = run(both)
    for i in range(2):
        alone = SimpleNamespace(**{
            name: array if name in ("cos", "sin") else array[i : i + 1].copy()
            for name, array in vars(example(2, 50, 2, 2, 8)).items()
        })  # fmt: skip
        for name, array in run(alone).items():
            np.testing.assert_array_equal(array[0], results[name][i], err_msg=name)


def test_wrong_shapes_are_refused():
    x = example(1, 5, 4, 2, 8)
    with pytest.raises(ValueError, match="must be"):
        attention(x.q, x.k, x.v[:, :4].copy(), x.cos, x.sin, x.out, x.lse)
    with pytest.raises(ValueError, match="must be"):
        attention(x.q, x.k, x.v, x.cos[:4], x.sin[:4], x.out, x.lse)
