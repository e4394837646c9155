"""Planned contrasts, Holm and effect sizes against scipy, statsmodels, pingouin and print."""

from __future__ import annotations

import itertools
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.effect_size import _noncentrality_t
from statsmodels.stats.multitest import multipletests

from stats import contrasts
from stats.best import best_contrasts, flip_test, own_best_t, t_of
from stats.contrasts import (
    adjacent_contrasts,
    holm,
    planned_contrast,
    planned_contrasts,
    polynomial_trends,
    polynomial_weights,
)
from stats.descriptives import rise_from_best, t_interval
from stats.effect_sizes import cohen_dz, hedges_correction, noncentrality_interval
from stats.matrix import Names
from stats.simulated import ar1_studies

CLOSE = 1e-10
VALUES = np.random.default_rng(0).standard_normal((6, 8)).cumsum(axis=1) + 5


def frame_of(values, tokens=None):
    s, k = np.indices(values.shape).reshape(2, -1)
    frame = pd.DataFrame({"seed": s, "interval": k, "val_loss": values.ravel()})
    if tokens is not None:
        frame["tokens_seen"] = np.asarray(tokens)[k]
    return frame.sample(frac=1, random_state=1)


def check_scores(table, scores):
    """Every column of `contrast_table` from the scores, by other people's functions."""
    n = len(scores)
    for row, own in zip(table.to_dict("records"), scores.T, strict=True):
        test = scipy_stats.ttest_1samp(own, 0)
        interval = test.confidence_interval(0.95)
        dz = pingouin.compute_effsize(own, 0.0, eftype="cohen")
        expected = {
            "estimate": own.mean(),
            "se": scipy_stats.sem(own),
            "t": test.statistic,
            "df": n - 1,
            "p": test.pvalue,
            "low": interval.low,
            "high": interval.high,
            "cohen_dz": dz,
            "hedges_gz": dz * hedges_correction(n - 1),
        }
        for name, value in expected.items():
            assert row[name] == pytest.approx(value, rel=CLOSE), name
        bounds = np.array([row["dz_low"], row["dz_high"]]) * np.sqrt(n)
        tails = scipy_stats.nct.cdf(test.statistic, n - 1, bounds)
        np.testing.assert_allclose(tails, [0.975, 0.025], rtol=1e-8)
    np.testing.assert_allclose(table["p_holm"], multipletests(table["p"], method="holm")[1])


def check_adjacent(module):
    table = module.adjacent_contrasts(frame_of(VALUES))
    check_scores(table, VALUES[:, 1:] - VALUES[:, :-1])


def check_trends(module):
    places = np.array([0, 1, 2, 4, 8, 16, 24, 32]) * 1e6
    table = module.polynomial_trends(frame_of(VALUES, places))
    vandermonde, triangle = np.linalg.qr(np.vander(places / 1e6, 4, increasing=True))
    weights = (vandermonde * np.sign(np.diag(triangle)))[:, 1:]
    check_scores(table, VALUES @ weights)


def check_holm(module):
    for seed in range(3):
        p = np.random.default_rng(seed).uniform(size=9).round(1) ** 3  # with ties
        np.testing.assert_allclose(module.holm(p), multipletests(p, method="holm")[1])


def test_adjacent_contrasts():
    table = adjacent_contrasts(frame_of(VALUES))
    check_adjacent(contrasts)
    assert table["contrast"].tolist()[:2] == ["1 - 0", "2 - 1"]
    assert table["from"].tolist() == list(range(7))
    assert (table["note"] == "").all()
    assert ((table["low_bca"] < table["estimate"]) & (table["estimate"] < table["high_bca"])).all()


def test_trends_over_tokens():
    check_trends(contrasts)


def test_trends_over_interval_numbers_without_tokens():
    table = polynomial_trends(frame_of(VALUES), degree=7)
    assert table["spacing"].unique().tolist() == ["interval"]
    assert table["contrast"].tolist()[-3:] == ["quintic", "degree 6", "degree 7"]
    check_scores(table, VALUES @ polynomial_weights(np.arange(8), 7))


# as contr.poly(k) of R prints them
PUBLISHED = {
    3: [[-0.7071068, 0, 0.7071068], [0.4082483, -0.8164966, 0.4082483]],
    4: [
        [-0.6708204, -0.2236068, 0.2236068, 0.6708204],
        [0.5, -0.5, -0.5, 0.5],
        [-0.2236068, 0.6708204, -0.6708204, 0.2236068],
    ],
    5: [
        [-0.6324555, -0.3162278, 0, 0.3162278, 0.6324555],
        [0.5345225, -0.2672612, -0.5345225, -0.2672612, 0.5345225],
        [-0.3162278, 0.6324555, 0, -0.6324555, 0.3162278],
        [0.1195229, -0.4780914, 0.7171372, -0.4780914, 0.1195229],
    ],
}


@pytest.mark.parametrize("k", PUBLISHED)
def test_polynomials_of_r(k):
    weights = polynomial_weights(np.arange(k) + 7, k - 1)
    np.testing.assert_allclose(weights.T, PUBLISHED[k], atol=6e-8)


def test_polynomials_stay_orthonormal():
    weights = polynomial_weights(np.arange(21) * 1_000_448, 12)
    np.testing.assert_allclose(weights.T @ weights, np.eye(12), atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=0), 0, atol=1e-12)


def test_planned_contrasts():
    by_interval, by_place = {7: 1, 2: -0.5, 3: -0.5}, [0, 0, -0.5, -0.5, 0, 0, 0, 1]
    scores = VALUES[:, 7] - (VALUES[:, 2] + VALUES[:, 3]) / 2
    one = planned_contrast(frame_of(VALUES), by_interval, name="end")
    two = planned_contrasts(frame_of(VALUES), {"a": by_interval, "b": by_place})
    check_scores(one, scores[:, None])
    check_scores(two, np.column_stack([scores, scores]))
    assert one["weights"][0] == "-0.5 [2] -0.5 [3] +1 [7]"


def test_own_names():
    names = Names(seed="s", interval="i", tokens="t")
    renamed = frame_of(VALUES).rename(columns={"seed": "s", "interval": "i", "val_loss": "y"})
    for function in (adjacent_contrasts, best_contrasts, polynomial_trends):
        own = function(renamed, "y", names=names)
        usual = function(frame_of(VALUES))
        columns = [name for name in usual if name != "spacing"]
        pd.testing.assert_frame_equal(own[columns], usual[columns])


def test_holm():
    check_holm(contrasts)
    assert holm([]).shape == (0,)
    for bad in ([0.5, np.nan], [1.1], [-0.1], [[0.5]]):
        with pytest.raises(ValueError, match="p"):
            holm(bad)


def test_hedges_correction_in_print():
    # Hedges (1981), table of c(m)
    for df, factor in {2: 0.5642, 3: 0.7236, 4: 0.7979, 5: 0.8408, 10: 0.9228, 20: 0.9619}.items():
        assert hedges_correction(df) == pytest.approx(factor, abs=6e-5)
    assert np.isnan(hedges_correction(1))


def test_hedges_correction_removes_the_bias():
    scores = np.random.default_rng(1).standard_normal((6, 40_000)) + 0.7
    assert cohen_dz(scores).mean() > 0.8
    assert hedges_correction(5) * cohen_dz(scores).mean() == pytest.approx(0.7, abs=0.01)


def test_noncentrality_in_print():
    # conf.limits.nct(1.5, 98, .95) of R's MBESS, as statsmodels' tests quote it
    low, high = noncentrality_interval(np.array(1.5), 98)
    assert (float(low), float(high)) == pytest.approx((-0.474934, 3.467371), abs=2e-6)
    for t, df in [(0.3, 5), (-2.5, 5), (4.0, 30)]:
        peer = _noncentrality_t(t, df, alpha=0.05).confint  # goes wrong for large t
        np.testing.assert_allclose(noncentrality_interval(np.array(t), df), peer, rtol=1e-5)


def test_noncentrality_at_its_bounds():
    t = np.array([-400.0, -3, 0, 0.2, 8, 1000, np.nan, np.inf])
    low, high = noncentrality_interval(t, 5, 0.9)
    np.testing.assert_allclose(scipy_stats.nct.sf(t[:6], 5, low[:6]), 0.05, rtol=1e-8)
    np.testing.assert_allclose(scipy_stats.nct.cdf(t[:6], 5, high[:6]), 0.05, rtol=1e-8)
    assert np.isnan(low[6:]).all()
    np.testing.assert_allclose(low[:2], -noncentrality_interval(-t[:2], 5, 0.9)[1], rtol=1e-9)


@pytest.mark.parametrize("level", [np.zeros(8), np.linspace(0, 1, 8) ** 2])
def test_rounding_of_constant_columns_is_no_spread(level):
    parallel = frame_of(4.1 + 0.13 * np.arange(6)[:, None] + level)
    for table in (
        polynomial_trends(parallel),
        adjacent_contrasts(parallel),
        planned_contrast(parallel, {0: 1, 3: -0.3, 7: -0.7}),
        best_contrasts(parallel),
    ):
        assert table.filter(regex="^(t|p|p_holm|low.*|high.*|.*[dg]z.*)$").isna().all(axis=None)
        assert (table["note"] == contrasts.NO_SPREAD).all()
        assert (table["se"] == 0).all()
        if not level.any():
            assert (table["estimate"] == 0).all()


def test_a_contrast_without_spread_has_no_p_but_counts():
    values = VALUES.copy()
    values[:, 1] = values[:, 0] + 0.1
    table = adjacent_contrasts(frame_of(values))
    assert table.loc[0, "estimate"] == pytest.approx(0.1)
    assert table.loc[0, ["t", "p", "p_holm", "low", "cohen_dz", "low_bca"]].isna().all()
    assert "no spread" in table.loc[0, "note"]
    np.testing.assert_allclose(table["p_holm"][1:], holm([*table["p"][1:], 1.0])[:-1])


@pytest.mark.parametrize("n", [2, 3, 4, 9, 20])
def test_few_and_many_seeds(n):
    values = np.random.default_rng(n).standard_normal((n, 4))
    table = adjacent_contrasts(frame_of(values), resamples=500)
    assert table["p"].between(0, 1).all()
    assert (table["note"] == "").all() == (n > 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: planned_contrast(f, {0: 1, 1: -0.9}), "sum to 0.1"),
        (lambda f: planned_contrast(f, {0: 1, 99: -1}), "interval 99"),
        (lambda f: planned_contrast(f, [1, -1]), r"shape \(2,\)"),
        (lambda f: planned_contrast(f, {0: 0.0}), "not all 0"),
        (lambda f: planned_contrasts(f, {}), "empty"),
        (lambda f: polynomial_trends(f, degree=8), "from 1 to 7"),
        (lambda f: polynomial_trends(f, degree=0), "from 1 to 7"),
        (lambda f: adjacent_contrasts(f, confidence=95), "confidence=95"),
        (lambda f: adjacent_contrasts(f[f["seed"] == 0]), "at least 2"),
        (lambda f: best_contrasts(f[f["seed"] < 2]), "at least 3"),
        (lambda f: adjacent_contrasts(f[f["interval"] == 0]), "takes two"),
        (lambda f: best_contrasts(f[f["interval"] == 0]), "takes two"),
        (lambda f: adjacent_contrasts(f.iloc[1:]), "missing"),
        (lambda f: polynomial_trends(f.assign(tokens_seen=f["interval"] + f["seed"])), "differs"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(frame_of(VALUES))


def test_the_rise_is_the_one_of_descriptives():
    rise, chosen = rise_from_best(VALUES)
    table = best_contrasts(frame_of(VALUES))
    fall = VALUES[:, 0] - VALUES[np.arange(6), chosen]
    check_scores(table, np.column_stack([fall, rise]))
    interval = t_interval(rise)
    assert table.loc[1, ["low", "high"]].tolist() == pytest.approx([interval.low, interval.high])
    assert table.loc[0, "chosen"] == ", ".join(map(str, chosen))


def t_brute(scores):
    return scipy_stats.ttest_1samp(scores, 0).statistic if scores.any() else 0.0


def brute_flips(values):
    """p of fall and rise by scipy's t over all patterns, the best interval found in each anew."""
    found = []
    for signs in itertools.product((1, -1), repeat=len(values)):
        flipped = values * np.array(signs)[:, None]  # a seed's level drops out of differences
        best = flipped.mean(axis=0).argmin()
        found.append([t_brute(flipped[:, i] - flipped[:, best]) for i in (0, -1)])
    found = np.array(found)
    return (found >= found[0] - 1e-9 * np.abs(found[0])).mean(axis=0)


@pytest.mark.parametrize("seed", range(2))
def test_flips_by_brute_force(seed):
    values = ar1_studies(np.random.default_rng(seed), 1, 6, 7, 0.5)[0]
    values = values - values.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(flip_test(values, own_best_t), brute_flips(values))
    np.testing.assert_allclose(best_contrasts(frame_of(values))["p_flip"], brute_flips(values))


def test_flips_after_a_fall_go_no_lower_than_one_in_32():
    turn = np.array([8.0, 4, 2, 2.5, 3]) + 0.01 * VALUES[:, :5]
    table = best_contrasts(frame_of(turn))
    assert table["p_flip"].tolist() == [1 / 64, 2 / 64]


def test_best_at_the_end_is_no_rise():
    falling = np.array([8.0, 4, 2, 1, 0.5]) + 0.01 * VALUES[:, :5]
    rise = best_contrasts(frame_of(falling)).loc[1]
    assert rise["estimate"] == 0
    assert np.isnan(rise["p"])
    assert rise["p_flip"] == 1
    assert "no spread" in rise["note"]


def test_drawn_flips_are_near_all_flips(monkeypatch):
    values = ar1_studies(np.random.default_rng(3), 1, 9, 7, 0.5)[0]
    exact = flip_test(values, own_best_t)
    monkeypatch.setattr("stats.flips.MAX_EXACT", 8)
    monkeypatch.setattr("stats.best.NUMBERS_AT_ONCE", 200_000)
    np.testing.assert_allclose(flip_test(values, own_best_t), exact, atol=0.02)


def test_t_without_spread():
    scores = np.array([[0.0, 2, -2, 1], [0, 2, -2, 3]])
    np.testing.assert_allclose(t_of(scores), [0, np.inf, -np.inf, 2])


BUGS = {
    "variance biased": ("scores.std(axis=0, ddof=1)", "scores.std(axis=0)", check_adjacent),
    "p one-sided": ("2 * special.stdtr", "special.stdtr", check_adjacent),
    "Holm as Bonferroni": ("np.arange(len(values), 0, -1)", "len(values)", check_holm),
    "Holm not monotone": ("np.maximum.accumulate(steps)", "steps", check_holm),
    "difference the wrong way": (
        "np.diff(matrix.values, axis=1)",
        "-np.diff(matrix.values, axis=1)",
        check_adjacent,
    ),
    "noncentrality for dz": ("nc_low / np.sqrt(n)", "nc_low", check_adjacent),
    "normal for t": ("t_quantile(confidence, df)", "1.96", check_adjacent),
    "degrees of freedom n": ("df = n - 1", "df = n", check_adjacent),
    "equal spacing": ("places = tokens[0]", "pass", check_trends),
    "weights not normalised": ("new / np.sqrt(new @ new)", "new", check_trends),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug, monkeypatch):
    right, wrong, check = BUGS[bug]
    source = Path(contrasts.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1
    module = types.ModuleType("stats.contrasts")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source.replace(right, wrong), "<bug>", "exec"), module.__dict__)
    with pytest.raises(AssertionError):
        check(module)
