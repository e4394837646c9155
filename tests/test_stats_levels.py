"""Levels by simulation: that the simulation is right, and the claims of docs/levels.md in small."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from stats import (
    friedman_test,
    permutation_test,
    rm_anova,
    sign_flip_test,
    simulated_levels,
    simulated_power,
)
from stats.levels import ERRORS, TESTS, p_values
from stats.simulated import ar1_studies, random_walk_studies, u_shape

pytestmark = pytest.mark.slow

NAMES = {"dv": "loss", "within": "interval", "subject": "seed"}


def long_format(table):
    i, j = np.indices(table.shape).reshape(2, -1)
    return pd.DataFrame({"seed": i, "interval": j, "loss": table.ravel()})


def rates(seed, **options):
    table = simulated_levels(np.random.default_rng(seed), **options)
    return table.set_index("test")["rejected"]


@pytest.mark.parametrize("shape", [(6, 21), (30, 5), (4, 3)])
def test_p_values_are_those_of_the_library(shape):
    table = random_walk_studies(np.random.default_rng(shape), 1, *shape)[0]
    ours = p_values(table, np.random.default_rng(1), 99)
    rows = long_format(table)
    row, ranks = rm_anova(rows, **NAMES).iloc[0], friedman_test(rows, **NAMES).iloc[0]
    drawn = permutation_test(rows, **NAMES, rng=np.random.default_rng(1), permutations=99)
    chosen = "p_GG_corr" if row["p_spher"] <= 0.05 else "p_unc"
    expected = {
        "uncorrected F": row["p_unc"],
        "Greenhouse-Geisser": row["p_GG_corr"],
        "Huynh-Feldt": row["p_HF_corr"],
        "lower bound": row["p_LB"],
        "sign flip": sign_flip_test(rows, **NAMES),
        "Friedman chi-square": ranks["p_unc"],
        "Friedman F": ranks["p_F"],
        "permutation within seeds": drawn["p_unc"][0],
        "let Mauchly choose": row[chosen],
    }
    assert tuple(ours) == TESTS
    assert ours == pytest.approx(expected, rel=1e-12)


def test_letting_mauchly_choose_is_what_pingouin_does():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pingouin

        for n, k in ((6, 21), (30, 5)):
            for table in ar1_studies(np.random.default_rng(n), 12, n, k, 0.9):
                row = pingouin.rm_anova(long_format(table), correction="auto", **NAMES).iloc[0]
                assert ("p_GG_corr" in row) == (n == 30)  # 6 x 21: the correction is dropped
                p = p_values(table, np.random.default_rng(0), 1)["let Mauchly choose"]
                assert p == pytest.approx(row.get("p_GG_corr", row["p_unc"]), rel=1e-9)


SMALL = {"studies": 300, "permutations": 99}
ERROR = 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9, 0.99])
def test_the_recommended_tests_hold_their_level(rho):
    found = rates(11, rho=rho, **SMALL)
    assert max(found[["Greenhouse-Geisser", "lower bound", "sign flip"]]) <= 0.05 + ERROR
    assert found["let Mauchly choose"] == found["uncorrected F"]  # undefined at 6 x 21
    others = ["uncorrected F", "Friedman chi-square", "Friedman F", "permutation within seeds"]
    if rho == 0:
        assert max(found[others]) <= 0.05 + ERROR
    if rho >= 0.9:
        assert min(found[others]) > 0.05 + ERROR


def test_with_many_seeds_mauchly_exists():
    found = rates(12, seeds=30, intervals=5, studies=150, permutations=19)
    assert found["let Mauchly choose"] < found["uncorrected F"]
    # two intervals are one difference: every correction is the paired t test
    pair = rates(13, intervals=2, **SMALL)
    assert len({pair[test] for test in TESTS[:4]}) == 1


def test_the_level_of_a_t_test_is_exact():
    # with two intervals F is t²: 5 % of normal nulls are rejected whatever the correlation
    found = rates(14, intervals=2, rho=0.5, studies=3000, permutations=1)["uncorrected F"]
    assert abs(found - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 3000)
    # and its power is that of the noncentral t
    power = simulated_power(
        np.random.default_rng(15), [0, 1.2], rho=0.5, studies=2000, permutations=1
    ).set_index("test")["rejected"]["uncorrected F"]
    t, nc = scipy_stats.t.ppf(0.975, 5), 1.2 * np.sqrt(6)  # the difference has SD 1 at rho .5
    exact = scipy_stats.nct.sf(t, 5, nc) + scipy_stats.nct.cdf(-t, 5, nc)
    assert abs(power - exact) < 4 * np.sqrt(exact * (1 - exact) / 2000)


def test_columns_and_words():
    table = simulated_levels(np.random.default_rng(16), rho=0.99, **SMALL)
    assert list(table) == ["test", "rejected", "se", "verdict"]
    words = table.set_index("test")["verdict"]
    assert words["uncorrected F"] == "too often"
    assert words["lower bound"] in ("cautious", "holds")
    np.testing.assert_allclose(
        table["se"], np.sqrt(table["rejected"] * (1 - table["rejected"]) / 300)
    )
    assert simulated_levels(np.random.default_rng(16), rho=0.99, **SMALL).equals(table)


@pytest.mark.parametrize("errors", ERRORS)
def test_every_kind_of_errors_is_simulated(errors):
    rho = 1 if errors == "random walk" else 0.5
    found = rates(17, errors=errors, rho=rho, studies=20, permutations=9)
    assert found.between(0, 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 1}, "seeds=1 and intervals=21 must each be at least 2"),
        ({"intervals": 1}, "intervals=1 must each be at least 2"),
        ({"studies": 0}, "studies=0"),
        ({"permutations": 0}, "permutations=0"),
        ({"alpha": 5}, "alpha=5 must lie between 0 and 1"),
        ({"rho": 1.0}, r"rho=1.0 with errors='normal': rho is 1 for a random walk only"),
        ({"errors": "random walk"}, "rho=0.9 with errors='random walk'"),
        ({"rho": -1.5}, "rho=-1.5 must lie between"),
        ({"errors": "odd"}, "errors='odd' must be one of 'normal', 'heavy tails'"),
    ],
)
def test_refused(options, message):
    with pytest.raises(ValueError, match=message):
        simulated_levels(np.random.default_rng(0), **options)


def test_power_refuses_what_is_no_course():
    for mean in (np.nan, [[1.0, 2.0]], [0, np.inf]):
        with pytest.raises(ValueError, match="mean must be one row of finite numbers"):
            simulated_power(np.random.default_rng(0), mean)


@pytest.mark.parametrize("innovations", ["normal", "t3", "exponential"])
def test_errors_have_the_promised_correlation(innovations):
    sd = np.array([3.0, 2.0, 1.0])
    e = ar1_studies(
        np.random.default_rng(18), 200_000, 1, 3, 0.6,
        seed_sd=0, innovations=innovations, interval_sd=sd,
    )[:, 0]  # fmt: skip
    correlation = 0.6 ** np.abs(np.subtract.outer(range(3), range(3)))
    wide = 0.2 if innovations == "t3" else 0.03  # the fourth moment of t3 is infinite
    np.testing.assert_allclose(np.cov(e.T) / np.outer(sd, sd), correlation, atol=wide)
    third = float((e[:, 0] ** 3).mean()) / 27
    assert (abs(third - 2) < 0.2) if innovations == "exponential" else (abs(third) < 1)


def test_simulated_refuses():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="innovations='cauchy' must be one of 'normal', 't3'"):
        ar1_studies(rng, 1, 2, 3, 0.5, innovations="cauchy")
    for sd in (0.0, [1.0, 2.0], [1.0, -1.0, 1.0]):
        with pytest.raises(ValueError, match="one for each of the 3 intervals"):
            ar1_studies(rng, 1, 2, 3, 0.5, interval_sd=sd)


def test_shapes_of_studies():
    walk = random_walk_studies(np.random.default_rng(19), 50_000, 1, 4)[:, 0]
    np.testing.assert_allclose(np.cov(walk.T), np.minimum.outer(range(1, 5), range(1, 5)), atol=0.1)
    np.testing.assert_allclose(u_shape(5, 2), [2, 0.5, 0, 0.5, 2])
