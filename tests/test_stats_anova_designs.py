"""Two-way and mixed rm_anova against pingouin, statsmodels and the definitions."""

from __future__ import annotations

import time
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from anova_designs import (
    CLOSE,
    check_mixed,
    check_one_way,
    check_two_way,
    contrasts,
    mixed_frame,
    pingouin_table,
    random_mixed,
    random_two_way,
    two_way_frame,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from stats import rm_anova
from stats.sphericity import huynh_feldt, orthonormal_contrasts

FACTORS = ["condition", "interval"]
COMMON = ("SS", "MS", "F", "p_unc", "p_GG_corr", "ng2", "np2", "eps", "W_spher", "p_spher")
drawn = settings(derandomize=True, deadline=None, max_examples=25, database=None)


def compare(ours, theirs, total, v):
    """Row by row.

    pingouin 0.7.0 is not followed in one thing: where Mauchly's test is undefined (n - 1 < d), it
    prints W = 0 or rounding noise and p = 0, 1, or even 77; ours are missing.
    """
    for row, other in zip(ours, theirs.to_dict("records"), strict=True):
        for name in COMMON:
            # pingouin leaves a column out where it has no value in any row
            value = other.get(name, np.nan)
            undefined = row["sphericity"].startswith(("undefined", "not applicable"))
            if undefined and name.endswith("_spher"):
                assert np.isnan(row[name])
                continue
            if np.isnan(value) and name == "p_GG_corr":
                # two levels: pingouin prints none, ours is the uncorrected one; groups: neither
                assert np.isnan(row[name]) or row[name] == row["p_unc"]
                continue
            # their sums of squares are differences of large sums
            floor = 1e-13 * total if name in ("SS", "MS") else 1e-11
            assert row[name] == pytest.approx(value, rel=CLOSE, abs=floor, nan_ok=True), name


@drawn
@given(st.integers(3, 14), st.integers(2, 4), st.integers(2, 5), st.integers(0, 10_000))
def test_two_way_agrees_with_pingouin_and_the_definitions(n, a, b, seed):
    values = random_two_way(n, a, b, seed)
    out = check_two_way(rm_anova, values)
    theirs = pingouin_table("rm_anova", two_way_frame(values), within=FACTORS)
    assert list(theirs["Source"]) == list(out["Source"][:3])
    assert list(theirs["ddof2"]) == list(out["ddof2"][:3])
    compare(out.to_dict("records")[:3], theirs, ((values - values.mean()) ** 2).sum(), n - 1)


@pytest.mark.slow
@drawn
@given(st.integers(2, 12), st.integers(2, 4), st.integers(2, 5), st.integers(0, 10_000))
def test_agrees_with_statsmodels(n, a, b, seed):
    values = random_two_way(n, a, b, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsmodels.stats.anova import AnovaRM

        frame = two_way_frame(values)
        both = AnovaRM(frame, "loss", "seed", within=FACTORS).fit().anova_table
        one_frame = frame[frame["condition"] == "A0"]
        one = AnovaRM(one_frame, "loss", "seed", within=["interval"]).fit().anova_table
    ours = rm_anova(frame, "loss", FACTORS, "seed").iloc[:3]
    single = rm_anova(one_frame, "loss", "interval", "seed").iloc[:1]
    for rows, theirs in ((ours, both), (single, one)):
        np.testing.assert_allclose(rows["F"], theirs["F Value"], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(rows["p_unc"], theirs["Pr > F"], rtol=1e-8, atol=1e-12)
        assert list(rows["ddof1"]) == list(theirs["Num DF"])
        assert list(rows["ddof2"]) == list(theirs["Den DF"])


@drawn
@given(st.integers(2, 4), st.integers(2, 7), st.integers(2, 6), st.integers(0, 10_000))
def test_mixed_agrees_with_pingouin_and_the_definitions(g, size, k, seed):
    table, groups = random_mixed([size] * g, k, seed)
    out = check_mixed(rm_anova, table, groups)
    theirs = pingouin_table(
        "mixed_anova",
        mixed_frame(table, groups),
        within="interval",
        between="group",
        correction=True,
    )
    assert list(theirs["Source"]) == list(out["Source"][:3])
    assert list(theirs["DF2"]) == list(out["ddof2"][:3])
    compare(out.to_dict("records")[:3], theirs, ((table - table.mean()) ** 2).sum(), len(table) - g)


@pytest.mark.slow
@drawn
@given(st.lists(st.integers(1, 6), min_size=2, max_size=4), st.integers(2, 5), st.integers(0, 999))
def test_groups_of_unequal_size(sizes, k, seed):
    sizes[0] = max(sizes) + 2
    table, groups = random_mixed(sizes, k, seed)
    second = check_mixed(rm_anova, table, groups, ss_type=2)
    third = check_mixed(rm_anova, table, groups, ss_type=3)
    frame = mixed_frame(table, groups)
    theirs = pingouin_table(
        "mixed_anova", frame, within="interval", between="group", correction=True
    )
    total = ((table - table.mean()) ** 2).sum()
    compare(second.to_dict("records")[:3], theirs, total, len(table) - len(sizes))
    pd.testing.assert_frame_equal(second.drop(index=1), third.drop(index=1))
    with pytest.raises(ValueError, match=rf"differ in size \(g0: {sizes[0]}, .* choose ss_type=2"):
        rm_anova(frame, "loss", "interval", "seed", "group")


@pytest.mark.parametrize(("n", "k"), [(2, 2), (6, 21), (12, 4), (40, 5)])
def test_one_way_by_contrasts(n, k):
    check_one_way(rm_anova, random_two_way(n, k, 1, seed=5)[:, :, 0])


def test_one_factor_in_a_list_is_one_factor():
    frame = two_way_frame(random_two_way(5, 2, 3))
    first = frame[frame["condition"] == "A0"]
    alone = rm_anova(first, "loss", "interval", "seed")
    pd.testing.assert_frame_equal(rm_anova(first, "loss", ["interval"], "seed"), alone)


def test_a_main_effect_is_the_one_way_analysis_of_averages():
    values = random_two_way(9, 3, 4)
    both = rm_anova(two_way_frame(values), "loss", FACTORS, "seed")
    averages = two_way_frame(values).groupby(["seed", "interval"])["loss"].mean().reset_index()
    alone = rm_anova(averages, "loss", "interval", "seed").iloc[0]
    for name in ("F", "p_unc", "np2", "eps", "eps_HF", "p_HF_corr", "p_LB", "W_spher", "omega_p2"):
        assert both[name][1] == pytest.approx(alone[name], rel=1e-9), name


def test_two_groups_and_two_levels_are_t_tests():
    from scipy.stats import ttest_ind

    table, groups = random_mixed([6, 6], 2)
    out = rm_anova(mixed_frame(table, groups), "loss", "interval", "seed", "group")
    apart, mean = table[:, 0] - table[:, 1], table.mean(axis=1)
    for row, values in ((0, mean), (2, apart)):
        t, p = ttest_ind(values[groups == 0], values[groups == 1])
        assert out["F"][row] == pytest.approx(t**2, rel=CLOSE)
        assert out["p_unc"][row] == pytest.approx(p, rel=CLOSE)
    assert out["sphericity"][2].startswith("not applicable: two levels")


def test_mauchly_is_missing_with_its_reason():
    out = rm_anova(two_way_frame(random_two_way(6, 4, 5)), "loss", FACTORS, "seed")
    assert np.isfinite(out["W_spher"][1])  # n - 1 = 5 is enough for 4 contrasts
    assert np.isnan(out["W_spher"][2])
    assert np.isnan(out["p_spher"][2])
    assert "n - 1 = 5 < (a - 1)(b - 1) = 12" in out["sphericity"][2]
    table, groups = random_mixed([3, 3], 6)
    out = rm_anova(mixed_frame(table, groups), "loss", "interval", "seed", "group")
    assert "6 subjects in 2 groups" in out["sphericity"][1]
    assert "n - g = 4 < k - 1 = 5" in out["sphericity"][2]
    assert "one mean a subject" in out["sphericity"][0]
    twice = np.random.default_rng(0).standard_normal((9, 3))
    table = np.column_stack([twice, twice[:, 0]])  # a level that repeats another
    row = rm_anova(mixed_frame(table, np.arange(9)), "loss", "interval", "seed").iloc[0]
    assert row["sphericity"] == "undefined: the covariance of the contrasts is singular"
    assert np.isnan(row["W_spher"])


def test_orthonormal_contrasts():
    for levels in ((2,), (5,), (3, 4)):
        c, other = orthonormal_contrasts(*levels), contrasts(*levels)
        np.testing.assert_allclose(c @ c.T, np.eye(len(c)), atol=1e-12)
        np.testing.assert_allclose(c.sum(axis=1), 0, atol=1e-12)
        np.testing.assert_allclose(c.T @ c, other.T @ other, atol=1e-12)  # the same space


def test_lecoutre_corrects_the_bias_that_huynh_and_feldt_have_with_groups():
    """Ratio of the two estimates' means, over 20,000 studies of 3 groups of 4, is the true one."""
    rng, v, d = np.random.default_rng(3), 9, 3
    root = np.diag([3.0, 1.0, 0.5])
    z = rng.standard_normal((20_000, v, d)) @ root
    m = np.einsum("rvi,rvj->rij", z, z) / v
    t2, q = np.trace(m, axis1=1, axis2=2) ** 2, (m**2).sum(axis=(1, 2))
    true = np.trace(root**2) ** 2 / (d * np.trace(root**4))

    def estimate(n):
        return (n * t2 - 2 * q).mean() / (d * (v * q - t2).mean())

    assert estimate(v + 1) == pytest.approx(true, rel=0.01)
    assert estimate(12) > 1.15 * true  # Huynh and Feldt's n
    eps = t2[0] / (d * q[0])
    ratio = ((v + 1) * t2[0] - 2 * q[0]) / (d * (v * q[0] - t2[0]))
    assert huynh_feldt(eps, d, v) == pytest.approx(ratio)
    # by hand, v = 9, d = 3, eps = .5: (10 * 1.5 - 2) / (3 * 7.5) = 13 / 22.5
    assert huynh_feldt(0.5, 3, 9) == pytest.approx(13 / 22.5)
    assert huynh_feldt(0.95, 3, 9) == 1.0


def refused(match, frame, within="interval", between=None, **names):
    with pytest.raises(ValueError, match=match):
        rm_anova(frame, names.pop("dv", "loss"), within, "seed", between, **names)


def test_refuses_what_is_not_a_complete_two_way_design():
    frame = two_way_frame(random_two_way(4, 2, 3)).sort_index()
    refused(
        r"duplicated \(seed, condition, interval\) cells: \(0, A0, 5\)$",
        pd.concat([frame, frame.iloc[[1]]]),
        FACTORS,
    )
    holed = frame.assign(loss=frame["loss"].where(frame.index != 7, np.nan))
    refused(r"missing or not finite in the .* cells \(1, A0, 5\); complete them", holed, FACTORS)
    refused(r"not finite in the .* cells \(1, A0, 5\)", holed.fillna(np.inf), FACTORS)
    refused(r"duplicated \(seed, interval\)", frame)  # the second factor was forgotten
    refused("1 condition", frame[frame["condition"] == "A0"], FACTORS)
    refused("1 seed", frame[frame["seed"] == 0], FACTORS)
    refused("one or two repeated factors", frame, [])
    refused("one or two repeated factors", frame, ["condition", "interval", "seed"])
    refused("'interval' is asked to play two parts", frame, ["interval", "interval"])
    refused("'loss' is asked to play two parts", frame, ["condition", "loss"])
    refused("2 columns 'loss'", pd.concat([frame, frame[["loss"]]], axis=1), FACTORS)
    refused("not supported", frame.assign(group="x"), FACTORS, "group")
    refused("same effect of condition: the error", frame.assign(loss=1.5), FACTORS)


def test_refuses_numbers_it_cannot_work_with():
    frame = two_way_frame(random_two_way(4, 2, 3)).sort_index()
    texts = frame.assign(loss=frame["loss"].astype(object))
    texts.loc[8, "loss"] = "3.1 nats"
    refused(r"text that is no number in the .* cells \(1, A0, 10\)", texts, FACTORS)
    braces = texts.rename(columns={"loss": "loss {nats}"})
    refused(r"loss \{nats\} holds text", braces, FACTORS, dv="loss {nats}")
    refused("complex128 values", frame.assign(loss=frame["loss"] + 0j), FACTORS)
    for factor in (1e160, 1e-160):
        refused(
            "too far from 1 for sums of powers", frame.assign(loss=frame["loss"] * factor), FACTORS
        )
    readable = frame.assign(loss=frame["loss"].map(repr))
    expected = rm_anova(frame, "loss", FACTORS, "seed")
    pd.testing.assert_frame_equal(rm_anova(readable, "loss", FACTORS, "seed"), expected)


def test_refuses_what_is_not_a_mixed_design():
    table, groups = random_mixed([3, 3], 4)
    frame = mixed_frame(table, groups)
    torn = frame.assign(group=frame["group"].where(frame.index != 5, "g1"))
    refused("each seed must belong to one group, .* several: s1;", torn, between="group")
    again = frame.assign(seed=frame["seed"].replace({"s3": "s0", "s4": "s1", "s5": "s2"}))
    refused("these stand in several: s0, s1, s2; give the subjects", again, between="group")
    refused("at least 2 groups, got 1", frame.assign(group="x"), between="group")
    refused("single seed", frame.assign(group=frame["seed"]), between="group")
    refused("'group' has an empty cell", frame.assign(group=None), between="group")
    refused("ss_type=1 must be 2 or 3", frame, between="group", ss_type=1)
    refused("ss_type=3 .* for a between factor only", frame, ss_type=3)
    same = table - table.mean(axis=1, keepdims=True)
    refused("same mean", mixed_frame(same, groups), between="group")
    parallel = groups[:, None] * np.arange(4.0) + np.arange(6.0)[:, None]
    refused("parallel in each group", mixed_frame(parallel, groups), between="group")


def test_categories_that_do_not_occur_are_no_levels():
    values = random_two_way(5, 2, 3)
    frame = two_way_frame(values)
    expected = rm_anova(frame, "loss", FACTORS, "seed")
    typed = frame.assign(
        condition=frame["condition"].astype("category").cat.add_categories("never"),
        interval=pd.Categorical(frame["interval"], ["10", "5", "0"]),
    )
    out = rm_anova(typed, "loss", FACTORS, "seed")
    numbers = [name for name in expected if expected[name].dtype != object]
    for name in set(numbers) - {"Source", "sphericity"}:
        np.testing.assert_allclose(out[name], expected[name], rtol=1e-9, err_msg=name)


def test_a_wrong_column_does_not_fill_the_memory():
    n = 3000
    frame = pd.DataFrame({"seed": np.arange(n), "interval": np.arange(n) / 7, "loss": 1.0})
    refused(r"\(0, 0\.14\d*\).* and 8996992 more", frame)


@pytest.mark.slow
def test_a_thousand_subjects_at_a_thousand_levels():
    table = np.random.default_rng(0).standard_normal((1000, 1000))
    frame = mixed_frame(table, np.zeros(1000, dtype=int))
    tracemalloc.start()
    start = time.perf_counter()
    row = rm_anova(frame, "loss", "interval", "seed").iloc[0]
    seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 10
    assert peak < 1e9
    assert 0.4 < row["eps"] < 0.6  # n / (n + d) under sphericity
    assert row["eps_HF"] > 0.99
