"""Friedman's test and within-seed permutation, against SciPy, pingouin, print and brute force."""

from __future__ import annotations

import itertools
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

import stats.anova
import stats.rank_tests
from stats import friedman_test, permutation_test, rm_anova, sign_flip_test
from stats.rank_tests import concordance, mid_ranks, permutation_p

NAMES = {"dv": "loss", "within": "interval", "subject": "seed"}


def long_format(table):
    n, k = np.shape(table)
    i, j = np.indices((n, k)).reshape(2, -1)
    return pd.DataFrame({"seed": i, "interval": j, "loss": np.ravel(table)})


def tables():
    """Without ties, with some, with many, and more levels than subjects or the reverse."""
    for n, k in [(6, 21), (12, 4), (3, 3), (2, 5), (40, 2)]:
        rng = np.random.default_rng([n, k])
        values = rng.standard_normal((n, k)) + 0.3 * np.arange(k)
        for decimals in (8, 1, 0):
            yield values.round(decimals)


def pingouin_of(table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pingouin

        rows = [
            pingouin.friedman(long_format(table), method=method, **NAMES).iloc[0]
            for method in ("chisq", "f")
        ]
    return rows


@pytest.mark.parametrize("table", list(tables()), ids=lambda table: str(table.shape))
def test_agrees_with_pingouin_and_scipy(table):
    ours = friedman_test(long_format(table).sample(frac=1, random_state=0), **NAMES).iloc[0]
    chi_square, f = pingouin_of(table)
    pairs = [(ours[name], chi_square[name]) for name in ("W", "ddof1", "Q", "p_unc")]
    pairs += [(ours["F"], f["F"]), (ours["p_F"], f["p_unc"])]
    pairs += [(ours["ddof1_F"], f["ddof1"]), (ours["ddof2_F"], f["ddof2"])]
    if table.shape[1] > 2:  # scipy wants three
        scipys = scipy_stats.friedmanchisquare(*table.T)
        pairs += [(ours["Q"], scipys.statistic), (ours["p_unc"], scipys.pvalue)]
    np.testing.assert_allclose(*np.transpose(pairs).astype(float), rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(mid_ranks(table), scipy_stats.rankdata(table, axis=1))


# R's help page of friedman.test, from Hollander & Wolfe (1973), p. 140: seconds of 22 players
# rounding first base in three ways. Printed: chi-squared = 11.143, df = 2, p-value = 0.003805.
ROUNDING_TIMES = np.array([
    5.40, 5.50, 5.55, 5.85, 5.70, 5.75, 5.20, 5.60, 5.50, 5.55, 5.50, 5.40, 5.90, 5.85, 5.70,
    5.45, 5.55, 5.60, 5.40, 5.40, 5.35, 5.45, 5.50, 5.35, 5.25, 5.15, 5.00, 5.85, 5.80, 5.70,
    5.25, 5.20, 5.10, 5.65, 5.55, 5.45, 5.60, 5.35, 5.45, 5.05, 5.00, 4.95, 5.50, 5.50, 5.40,
    5.45, 5.55, 5.50, 5.55, 5.55, 5.35, 5.45, 5.50, 5.55, 5.50, 5.45, 5.25, 5.65, 5.60, 5.40,
    5.70, 5.65, 5.55, 6.30, 6.30, 6.25]).reshape(22, 3)  # fmt: skip
# The data set anxiety of R's irr; kendall(anxiety, TRUE) and DescTools' KendallW(anxiety, TRUE)
# print W = 0.5396569, chi-squared = 30.76, df = 19, p-value = 0.04288.
ANXIETY = np.array([
    [3, 3, 3, 4, 5, 5, 2, 3, 5, 2, 2, 6, 1, 5, 2, 2, 1, 2, 4, 3],
    [3, 6, 4, 6, 2, 4, 2, 4, 3, 3, 2, 3, 3, 3, 2, 2, 1, 3, 3, 4],
    [2, 1, 4, 4, 3, 2, 1, 6, 1, 1, 1, 2, 3, 3, 1, 1, 3, 3, 2, 2]])  # fmt: skip
# Siegel & Castellan (1988), section 9.2, after DescTools' help page: eight reasons to attend a
# meeting, ranked by three groups. Printed in the book: W = .656.
MEETING = np.array([[5, 6, 7, 1, 2, 4, 3, 8], [1, 7, 6, 2, 3, 5, 4, 8], [4, 5, 1, 3, 2, 7, 6, 8]])


def test_published():
    found = friedman_test(long_format(ROUNDING_TIMES), **NAMES).iloc[0]
    assert (round(found["Q"], 3), found["ddof1"], round(found["p_unc"], 6)) == (11.143, 2, 0.003805)
    found = friedman_test(long_format(ANXIETY), **NAMES).iloc[0]
    assert (round(found["W"], 7), round(found["Q"], 2), found["ddof1"]) == (0.5396569, 30.76, 19)
    assert round(found["p_unc"], 5) == 0.04288
    assert round(concordance(MEETING).w, 3) == 0.656


def test_ends_of_the_range():
    agree = np.tile([1.0, 3.0, 2.0, 5.0], (4, 1)) + np.array([[0], [1], [2], [9]])
    found = friedman_test(long_format(agree), **NAMES).iloc[0]
    assert (found["W"], found["F"], found["p_F"]) == (1, np.inf, 0)
    found = friedman_test(long_format([[1, 2, 3], [3, 2, 1]]), **NAMES).iloc[0]
    assert (found["W"], found["Q"], found["p_unc"]) == (0, 0, 1)
    assert np.isnan(friedman_test(long_format([[1, 2], [2, 3]]), **NAMES)["p_F"][0])
    half = [[1.0, 1.0, 1.0], [1.0, 2.0, 3.0]]  # one subject without an opinion is data
    np.testing.assert_allclose(
        friedman_test(long_format(half), **NAMES)["Q"][0],
        scipy_stats.friedmanchisquare(*np.transpose(half)).statistic,
    )


def test_ranks_only():
    table = np.random.default_rng(3).standard_normal((6, 9))
    pd.testing.assert_frame_equal(
        friedman_test(long_format(table), **NAMES),
        friedman_test(long_format(np.exp(3 * table)), **NAMES),
    )


def test_refused():
    with pytest.raises(ValueError, match="each of the 3 subjects has the same value at all its 4"):
        friedman_test(long_format(np.arange(3.0)[:, None] + np.zeros(4)), **NAMES)
    holed = long_format(np.eye(3)).drop(index=4)
    for test in (friedman_test, lambda *a, **k: permutation_test(*a, rng=None, **k)):
        with pytest.raises(ValueError, match=r"missing or not finite.*\(1, 1\)"):
            test(holed, **NAMES)
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="permutations=0 must be at least 1"):
        permutation_test(long_format(np.eye(3)), **NAMES, rng=rng, permutations=0)
    with pytest.raises(ValueError, match="parallel"):
        permutation_test(long_format(np.ones((3, 1)) + np.arange(4)), **NAMES, rng=rng)


def every_permutation(table):
    """p over all permutations within rows, by F."""
    f = [
        rm_anova(long_format(np.array(rows)), **NAMES)["F"][0]
        for rows in itertools.product(*(itertools.permutations(row) for row in table))
    ]
    return np.mean(np.array(f) >= f[0] * (1 - 1e-9))


def test_permutation_by_brute_force():
    table = np.array([[1.0, 4.0, 6.5], [2.0, 2.5, 7.0]])
    exact = every_permutation(table)
    assert exact == 6 / 36  # where F is largest: both rows in one order
    table = np.array([[1.0, 6.5, 4.0], [2.0, 2.5, 7.0]])
    exact = every_permutation(table)
    drawn = permutation_test(
        long_format(table), **NAMES, rng=np.random.default_rng(0), permutations=40_000
    ).iloc[0]
    assert abs(drawn["p_unc"] - exact) < 4 * np.sqrt(exact * (1 - exact) / 40_000)
    assert drawn["F"] == pytest.approx(rm_anova(long_format(table), **NAMES)["F"][0], rel=1e-12)


def test_the_observed_counts_itself():
    table = np.arange(12.0) + np.random.default_rng(0).standard_normal((6, 12))
    assert permutation_p(table, np.random.default_rng(1), 99) == 1 / 100


def test_blocks_do_not_change_p(monkeypatch):
    table = np.random.default_rng(5).standard_normal((18, 7)) + 0.1 * np.arange(7)
    whole = permutation_p(table, np.random.default_rng(2), 300), stats.anova.sign_flip_p(table)
    monkeypatch.setattr(stats.rank_tests, "AT_ONCE", 1000)
    monkeypatch.setattr(stats.anova, "AT_ONCE", 1000)
    again = permutation_p(table, np.random.default_rng(2), 300), stats.anova.sign_flip_p(table)
    assert again == whole
    few = stats.anova.sign_flip_p(table[:9])
    monkeypatch.setattr(stats.anova, "AT_ONCE", 20)
    assert stats.anova.sign_flip_p(table[:9]) == few


def test_drawn_signs_by_the_definition():
    table = np.random.default_rng(6).standard_normal((18, 5)) + 0.2 * np.arange(5)
    centred = table - table.mean(axis=1, keepdims=True)
    drawn = np.random.default_rng(0).choice((1, -1), size=(stats.flips.MOST_DRAWN, 18))
    statistic = ((np.vstack([np.ones(18), drawn]) @ centred) ** 2).sum(axis=1)
    assert sign_flip_test(long_format(table), **NAMES) == np.mean(
        statistic >= statistic[0] * (1 - 1e-12)
    )


@pytest.mark.slow
def test_memory_stays_small():
    table = np.random.default_rng(7).standard_normal((1000, 1000))
    tracemalloc.start()
    stats.anova.sign_flip_p(table)
    permutation_p(table, np.random.default_rng(0), 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


def test_every_result_carries_its_warning():
    rows = long_format(np.random.default_rng(8).standard_normal((6, 5)))
    rates = pd.read_csv(Path(__file__).parents[1] / "docs/results/statistics/levels.csv")
    rates = rates[(rates["seeds"] == 6) & (rates["errors"] == "normal") & (rates["rho"] == 0.9)]
    percent = {test: f"{100 * rate:.0f} %" for test, rate in
               zip(rates["test"], rates["rejected"], strict=True)}  # fmt: skip
    warning = friedman_test(rows, **NAMES)["warning"][0]
    assert f"{percent['Friedman chi-square']} (chi-square)" in warning
    assert f"{percent['Friedman F']} (F)" in warning
    warning = permutation_test(rows, **NAMES, rng=np.random.default_rng(0), permutations=9)
    assert percent["permutation within seeds"] in warning["warning"][0]


# bug: (right, wrong) in stats/rank_tests.py
BUGS = {
    "ranks of ties by their first": ("(below + up_to + 1) / 2", "below + 1.0"),
    "ddof of the F form not reduced": ("ddof1 = k - 1 - 2 / n", "ddof1 = float(k - 1)"),
    "F with n for n - 1": ("f = (n - 1) * w", "f = n * w"),
    "W not scaled by n": ("n * float(mean @ mean) / total", "float(mean @ mean) / total"),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug):
    right, wrong = BUGS[bug]
    source = Path(stats.rank_tests.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1
    changed = {"__name__": "stats.rank_tests"}
    exec(compile(source.replace(right, wrong), "<changed>", "exec"), changed)
    f_of_pingouin = pingouin_of(ROUNDING_TIMES)[1]
    found = changed["friedman_test"](long_format(ROUNDING_TIMES), **NAMES).iloc[0]
    agrees = [found["W"], found["F"], found["p_F"]] == pytest.approx(
        [f_of_pingouin[name] for name in ("W", "F", "p_unc")], rel=1e-10
    )
    assert not agrees
