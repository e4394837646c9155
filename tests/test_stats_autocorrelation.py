"""The lag-1 correlation of residuals, against brute force and simulation."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from stats import residual_autocorrelation
from stats.autocorrelation import expected_lag1, lag1_correlation, rho_of_lag1
from stats.simulated import ar1_studies, random_walk_studies


def frame(table):
    i, j = np.indices(table.shape).reshape(2, -1)
    return pd.DataFrame({"seed": i, "interval": j, "val_loss": table.ravel()})


def test_by_the_definition():
    table = np.random.default_rng(0).standard_normal((5, 7))
    top = bottom = 0.0
    for i in range(5):
        e = [table[i, j] - table[i].mean() - table[:, j].mean() + table.mean() for j in range(7)]
        top += sum(a * b for a, b in zip(e[1:], e[:-1], strict=True))
        bottom += sum(a * a for a in e)
    found = residual_autocorrelation(frame(table).sample(frac=1, random_state=1)).iloc[0]
    assert found["lag1"] == pytest.approx(top / bottom, rel=1e-12)
    assert (found["seeds"], found["intervals"]) == (5, 7)
    assert expected_lag1(found["rho"], 7) == pytest.approx(found["lag1"], abs=1e-9)
    scaled = table - table.mean(axis=0)
    scaled = scaled / scaled.std(axis=0, ddof=1)
    assert found["lag1_scaled"] == pytest.approx(lag1_correlation(scaled), rel=1e-12)
    # levels of seeds and intervals play no part; scaling the intervals none in the scaled one
    moved = (table + np.arange(7) ** 2) * 3 + 100 * np.arange(5)[:, None]
    again = residual_autocorrelation(frame(moved)).iloc[0]
    assert again["lag1"] == pytest.approx(found["lag1"], rel=1e-9)


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.5, 0.9, 1])
def test_expectation_is_what_simulation_gives(rho):
    rng = np.random.default_rng(2)
    many = (1, 40_000, 9)
    studies = random_walk_studies(rng, *many) if rho == 1 else ar1_studies(rng, *many, rho)
    assert lag1_correlation(studies[0]) == pytest.approx(expected_lag1(rho, 9), abs=0.01)
    if rho < 1:
        assert rho_of_lag1(expected_lag1(rho, 9), 9) == pytest.approx(rho, abs=1e-9)


def test_independent_errors_are_minus_one_over_k():
    # neighbours correlate by -1 / (K - 1), and K - 1 products stand over K squares
    assert expected_lag1(0.0, 21) == pytest.approx(-1 / 21)


def test_ends():
    assert rho_of_lag1(0.99, 21) == 1
    assert rho_of_lag1(-0.999, 21) == -0.99
    smooth = np.outer([1.0, -1.0, 2.0], np.linspace(-1, 1, 21)) + np.arange(3)[:, None]
    assert residual_autocorrelation(frame(smooth))["rho"][0] == 1
    alike_at_first = np.random.default_rng(3).standard_normal((4, 6))
    alike_at_first[:, 0] = 2.0
    found = residual_autocorrelation(frame(alike_at_first)).iloc[0]
    assert np.isfinite(found["rho"])
    assert np.isnan(found["rho_scaled"])


def test_refused():
    with pytest.raises(ValueError, match="parallel"):
        residual_autocorrelation(frame(np.arange(3.0)[:, None] + np.arange(8.0) / 7))
    with pytest.raises(ValueError, match="takes at least 3"):
        residual_autocorrelation(frame(np.eye(2)))
    with pytest.raises(ValueError, match="takes at least 2"):
        residual_autocorrelation(frame(np.ones((1, 5))))
    with pytest.raises(
        ValueError, match=r"missing or not finite in the \(seed, interval\) cells \(1, 1\)"
    ):
        residual_autocorrelation(frame(np.array([[1.0, 2, 3], [1, np.nan, 2]])))


def test_seeds_that_do_not_differ_have_none():
    assert math.isnan(lag1_correlation(np.zeros((2, 2, 5))))
