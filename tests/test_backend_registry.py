"""Every entry of the Numba table against its NumPy twin in float64, driven by one registry."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from registry_of_kernels import (
    REGISTRY,
    SIZES,
    WRITTEN,
    Sizes,
    arguments_of,
    entry_of,
    errors_against_numpy,
    run,
)

from tinyllama_np.backend import NUMPY, Backend, get_backend


@pytest.fixture(scope="module")
def numba():
    return get_backend("numba")


def assert_equals_numpy(backend, key, sizes, slack=1):
    """Within `slack` times the registry's bound; an element left NaN fails too."""
    errors = errors_against_numpy(backend, key, arguments_of(key, sizes))
    for name, error in errors.items():
        assert error < slack * REGISTRY[key].tolerance, f"{key}: {name} is off by {error:.2g}"


def test_every_entry_of_the_table_is_registered():
    entries = {field.name for field in dataclasses.fields(Backend)} - {"name"}
    assert {entry_of(key) for key in REGISTRY} == entries


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("key", REGISTRY)
def test_kernel_equals_numpy_in_float64(numba, key, sizes):
    assert_equals_numpy(numba, key, sizes)


@st.composite
def any_sizes(draw):
    """Sizes around and across the tiles' and blocks' edges, every one drawn for itself."""

    def size(low, high):
        return draw(st.integers(low, high))

    heads = size(1, 3)
    return Sizes(
        B=size(1, 3),
        T=draw(st.one_of(st.integers(1, 60), st.sampled_from([127, 255, 257, 300]))),
        H=heads * size(1, 3),
        K=heads,
        E=2 * size(1, 24),
        F=size(1, 90),
        V=draw(st.one_of(st.integers(2, 70), st.sampled_from([255, 256, 257, 513, 1030]))),
    )


@pytest.mark.slow
@pytest.mark.parametrize("key", REGISTRY)
@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(sizes=any_sizes())
def test_kernel_equals_numpy_at_any_sizes(numba, key, sizes):
    # slack: 900 tokens on two embeddings are longer sums than the bounds are for; a term that is
    # missing or counted twice is a thousand times more
    assert_equals_numpy(numba, key, sizes, slack=8)


@pytest.mark.parametrize("sizes", [SIZES["odd"], SIZES["odd and long"]], ids=str)
@pytest.mark.parametrize("key", REGISTRY)
def test_kernel_table_with_blas_products_equals_numpy_in_float64(key, sizes):
    assert_equals_numpy(get_backend("numba", matmul="blas"), key, sizes)


def test_blas_products_are_not_the_kernels(numba):
    blas = get_backend("numba", matmul="blas")
    entries = {field.name for field in dataclasses.fields(Backend)}
    differing = {name for name in entries if getattr(blas, name) is not getattr(numba, name)}
    products = {"linear", "linear_backward_input", "linear_backward_weight", "prepare_weight"}
    assert differing == products | {"head_loss", "head_losses", "name"}


@pytest.mark.parametrize("key", REGISTRY)
def test_numpy_table_in_float32_equals_itself_in_float64(key):
    """So the bounds of the registry are those of float32 and not of one implementation."""
    assert_equals_numpy(NUMPY, key, SIZES["odd and long"])


@pytest.mark.parametrize("key", REGISTRY)
def test_repeated_call_gives_the_same_bytes(numba, key):
    for sizes in (SIZES["odd"], SIZES["odd and long"]):
        arguments = arguments_of(key, sizes)
        first = run(numba, key, arguments, np.float32)
        run(numba, key, arguments_of(key, SIZES["paper"]), np.float32)  # other sizes in between
        second = run(numba, key, arguments, np.float32)
        for name in first:
            assert first[name].tobytes() == second[name].tobytes(), name


# ------------------------------------------------------------------------ the comparison can fail

_ORDINARY = [key for key, pair in REGISTRY.items() if pair.call is None]
_OUTPUTS = [
    (key, position, argument.kind)
    for key in _ORDINARY
    for position, argument in enumerate(arguments_of(key, SIZES["odd"]))
    if argument.kind in WRITTEN
]


def with_wrong_entry(backend, key, wrong):
    """The table with `wrong(right, *arguments)` in the place of an entry."""
    right = getattr(backend, entry_of(key))
    return dataclasses.replace(
        backend, **{entry_of(key): lambda *arguments: wrong(right, *arguments)}
    )


@pytest.mark.parametrize(("key", "position", "kind"), _OUTPUTS)
def test_comparison_catches_one_wrong_element(numba, key, position, kind):
    def wrong(right, *arguments):
        right(*arguments)
        largest = np.abs(arguments[position]).max()
        arguments[position].reshape(-1)[-1] += 1e-4 * largest

    with pytest.raises(AssertionError, match="is off by"):
        assert_equals_numpy(with_wrong_entry(numba, key, wrong), key, SIZES["odd"])


@pytest.mark.parametrize(("key", "position", "kind"), _OUTPUTS)
def test_comparison_catches_an_element_not_written(numba, key, position, kind):
    def wrong(right, *arguments):
        last = arguments[position].reshape(-1)[-1]
        right(*arguments)
        arguments[position].reshape(-1)[-1] = last

    with pytest.raises(AssertionError, match="is off by"):
        assert_equals_numpy(with_wrong_entry(numba, key, wrong), key, SIZES["odd"])


@pytest.mark.parametrize(
    ("key", "position"), [(key, position) for key, position, kind in _OUTPUTS if kind == "+="]
)
def test_comparison_catches_a_sum_begun_anew(numba, key, position):
    def wrong(right, *arguments):
        arguments[position].fill(0)
        right(*arguments)

    with pytest.raises(AssertionError, match="is off by"):
        assert_equals_numpy(with_wrong_entry(numba, key, wrong), key, SIZES["odd"])


def test_comparison_catches_a_weight_not_packed_again(numba):
    def wrong(right, weight, previous):
        return previous if previous is not None else right(weight, previous)

    with pytest.raises(AssertionError, match="is off by"):
        assert_equals_numpy(
            with_wrong_entry(numba, "prepare_weight", wrong), "prepare_weight", SIZES["odd"]
        )


def test_comparison_catches_a_sum_of_squares_in_float32(numba):
    def wrong(right, x):
        return float((x * x).sum())

    with pytest.raises(AssertionError, match="is off by"):
        assert_equals_numpy(
            with_wrong_entry(numba, "sum_of_squares", wrong), "sum_of_squares", SIZES["odd"]
        )


def test_comparison_catches_a_changed_input(numba):
    def wrong(right, *arguments):
        right(*arguments)
        arguments[0][...] = 0  # x

    with pytest.raises(AssertionError):
        assert_equals_numpy(with_wrong_entry(numba, "rmsnorm", wrong), "rmsnorm", SIZES["odd"])


def test_get_backend_refusals():
    with pytest.raises(ValueError, match="backend='jax' must be 'numba' or 'numpy'"):
        get_backend("jax")
    with pytest.raises(ValueError, match="works in float32, but the weights are float64"):
        get_backend("numba", np.float64)
    with pytest.raises(ValueError, match="matmul='mkl' must be 'numba' or 'blas'"):
        get_backend("numba", matmul="mkl")
    assert get_backend("numpy", np.float64) is NUMPY
