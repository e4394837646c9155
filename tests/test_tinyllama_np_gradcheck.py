"""The judge is judged: it finds wrong gradients, passes right ones, and refuses what misleads."""

from __future__ import annotations

import numpy as np
import pytest

from tinyllama_np import gradient_errors


@pytest.fixture
def cubic():
    """f = sum x^3 + sum x y^2, with its gradients."""
    rng = np.random.default_rng(0)
    arrays = {"x": rng.standard_normal((3, 4)), "y": rng.standard_normal((3, 4))}
    x, y = arrays["x"], arrays["y"]

    def function():
        return float((x**3 + x * y**2).sum())

    return function, arrays, {"x": 3 * x**2 + y**2, "y": 2 * x * y}


def test_right_gradients_pass(cubic):
    errors = gradient_errors(*cubic)
    assert set(errors) == {"x", "y"}
    assert max(errors.values()) < 1e-9


def test_arrays_are_put_back_exactly(cubic):
    function, arrays, grads = cubic
    before = {name: array.copy() for name, array in arrays.items()}
    gradient_errors(function, arrays, grads)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[name])


def test_error_is_relative_and_of_the_wrong_array_alone(cubic):
    function, arrays, grads = cubic
    grads["y"] = grads["y"] * 1.01
    errors = gradient_errors(function, arrays, grads)
    assert errors["x"] < 1e-9
    assert errors["y"] == pytest.approx(0.01, rel=1e-6)


def test_one_wrong_element_is_found(cubic):
    function, arrays, grads = cubic
    grads["x"][2, 1] += 1e-3
    assert gradient_errors(function, arrays, grads)["x"] > 1e-5


def test_a_zero_gradient_is_judged_by_its_absolute_size(cubic):
    _, arrays, grads = cubic
    errors = gradient_errors(lambda: 1.0, arrays, {**grads, "y": np.zeros((3, 4))})
    assert errors["y"] == 0
    assert errors["x"] == pytest.approx(np.linalg.norm(grads["x"]))


def test_a_gradient_of_nan_does_not_pass(cubic):
    function, arrays, grads = cubic
    grads["x"][0, 0] = np.nan
    assert not gradient_errors(function, arrays, grads)["x"] < 1e-6


def test_a_drawn_subset_is_judged(cubic):
    function, arrays, grads = cubic
    calls = []

    def counted():
        calls.append(1)
        return function()

    grads["x"] = grads["x"] * 2
    errors = gradient_errors(counted, arrays, grads, max_elements=5, rng=np.random.default_rng(1))
    assert len(calls) == 2 * 2 * 5
    assert errors["x"] == pytest.approx(1, rel=1e-6)
    assert errors["y"] < 1e-9


def test_arrays_that_are_not_contiguous_are_judged(cubic):
    function, arrays, grads = cubic
    arrays["x"] = arrays["x"].T  # a view: changes reach the function
    grads["x"] = grads["x"].T
    assert gradient_errors(function, arrays, grads)["x"] < 1e-9


def test_refusals(cubic):
    function, arrays, grads = cubic
    with pytest.raises(ValueError, match=r"arrays\['x'\] must be float64, got float32"):
        gradient_errors(function, {"x": arrays["x"].astype(np.float32)}, grads)
    with pytest.raises(ValueError, match=r"grads\['x'\] has shape \(4, 3\), its array \(3, 4\)"):
        gradient_errors(function, arrays, {**grads, "x": grads["x"].T})
    with pytest.raises(ValueError, match="max_elements needs rng"):
        gradient_errors(function, arrays, grads, max_elements=5)
