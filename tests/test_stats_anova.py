"""One-way rm_anova against pingouin, statsmodels, a textbook and its own identities.

Two factors and groups: test_stats_anova_designs; printed results: test_stats_anova_published;
planted bugs: test_stats_anova_mutations.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from stats import rm_anova, sign_flip_test
from stats.sphericity import huynh_feldt

SHAPES = [(6, 21), (6, 20), (8, 4), (30, 5), (3, 3), (5, 2)]  # (subjects, levels)

# Field, "Discovering Statistics Using SPSS", the bushtucker example: seconds until each of eight
# celebrities retches at a stick insect, a kangaroo testicle, a fish eyeball and a witchetty grub.
# Printed there: SS 83.13 and 153.38, F(3, 21) = 3.79, p = .026, Mauchly's W = .136 (p = .047),
# epsilon .533 (Greenhouse-Geisser) and .666 (Huynh-Feldt), corrected p .063 and .048.
BUSHTUCKER = np.array(
    [
        [8, 7, 1, 6],
        [9, 5, 2, 5],
        [6, 2, 3, 8],
        [5, 3, 1, 9],
        [8, 4, 5, 8],
        [7, 5, 6, 7],
        [10, 2, 7, 2],
        [12, 6, 8, 1],
    ],
    dtype=np.float64,
)


def long_format(table):
    n, k = table.shape
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(n), k),
            "interval": np.tile(np.arange(k), n),
            "loss": table.ravel(),
        }
    )


def random_table(n, k, seed=0):
    """Trajectories with a subject effect, autocorrelated noise and unequal variances."""
    rng = np.random.default_rng([seed, n, k])
    noise = rng.standard_normal((n, k)).cumsum(axis=1) * np.linspace(0.5, 2, k)
    return 3 + rng.standard_normal((n, 1)) + 0.3 * np.sin(np.arange(k)) + noise


def ours(table):
    return rm_anova(long_format(table), dv="loss", within="interval", subject="seed").iloc[0]


def pingouin_of(table):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pingouin's imports and its log(det) of a singular matrix
        import pingouin

        frame = long_format(table)
        names = {"dv": "loss", "within": "interval", "subject": "seed"}
        result = {}
        for effect_size in ("ng2", "np2"):
            row = pingouin.rm_anova(
                data=frame, correction=True, detailed=True, effsize=effect_size, **names
            )
            result.update(row.iloc[0].to_dict())
        result["eps_HF"] = pingouin.epsilon(pd.DataFrame(table), correction="hf")
        result["eps_lower_bound"] = pingouin.epsilon(pd.DataFrame(table), correction="lb")
        return result


def check_against_pingouin(table):
    n, k = table.shape
    row, theirs = ours(table), pingouin_of(table)
    names = ["SS", "MS", "F", "p_unc", "ng2", "np2", "eps", "eps_HF", "eps_lower_bound"]
    if k > 2:
        names.append("p_GG_corr")
    if 2 < k <= n:
        names += ["W_spher", "p_spher"]
    assert row["ddof1"] == theirs["DF"]
    for name in names:
        assert row[name] == pytest.approx(theirs[name], rel=1e-10, abs=1e-14), name


@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_agrees_with_pingouin(n, k):
    check_against_pingouin(random_table(n, k))


@pytest.mark.parametrize(("n", "k"), SHAPES)
def test_agrees_with_statsmodels(n, k):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from statsmodels.stats.anova import AnovaRM

        table = random_table(n, k, seed=1)
        fit = AnovaRM(long_format(table), "loss", "seed", within=["interval"]).fit()
    theirs = fit.anova_table.iloc[0]
    row = ours(table)
    assert row["F"] == pytest.approx(theirs["F Value"], rel=1e-10)
    assert (row["ddof1"], row["ddof2"]) == (theirs["Num DF"], theirs["Den DF"])
    assert row["p_unc"] == pytest.approx(theirs["Pr > F"], rel=1e-10, abs=1e-14)


def test_textbook_example():
    row = ours(BUSHTUCKER)
    assert row["SS"] == pytest.approx(83.125, abs=1e-9)
    assert rm_anova(long_format(BUSHTUCKER), "loss", "interval", "seed")["SS"][1] == pytest.approx(
        153.375, abs=1e-9
    )
    assert (row["ddof1"], row["ddof2"]) == (3, 21)
    printed = {
        "F": (3.79, 2),
        "p_unc": (0.026, 3),
        "eps": (0.533, 3),
        "p_GG_corr": (0.063, 3),
        "eps_HF": (0.666, 3),
        "p_HF_corr": (0.048, 3),
        "eps_lower_bound": (0.333, 3),
        "W_spher": (0.136, 3),
        "p_spher": (0.047, 3),
    }
    assert {name: round(float(row[name]), d) for name, (_, d) in printed.items()} == {
        name: value for name, (value, _) in printed.items()
    }


def test_nothing_depends_on_the_unit():
    small, large = ours(BUSHTUCKER), ours(1e3 * BUSHTUCKER)
    for name in ("F", "eps", "W_spher", "ng2"):
        assert small[name] == pytest.approx(large[name], rel=1e-9)


@settings(derandomize=True, deadline=None, max_examples=40, database=None)
@given(st.integers(2, 7), st.integers(2, 23), st.integers(0, 10_000))
def test_identities(n, k, seed):
    table = random_table(n, k, seed)
    row = ours(table)
    bound = min(n - 1, k - 1) / (k - 1)
    assert 1 / (k - 1) <= row["eps"] <= bound + 1e-12
    assert row["eps"] <= row["eps_HF"] + 1e-12
    assert row["eps_HF"] <= 1
    assert row["np2"] >= row["ng2"]
    assert row["ddof2_GG"] == pytest.approx(row["eps"] * row["ddof2"])
    if row["p_unc"] < 0.1:
        # fewer degrees of freedom make a large F less surprising (a small one may become more so)
        assert row["p_unc"] <= row["p_GG_corr"] + 1e-12 <= row["p_LB"] + 2e-12
    # a constant of each subject's own belongs to the subjects, not to the effect or the error
    shifted = ours(table + 10 * np.arange(n)[:, None])
    assert shifted["F"] == pytest.approx(row["F"], rel=1e-8)
    assert shifted["eps"] == pytest.approx(row["eps"], rel=1e-8)
    order = np.random.default_rng(seed).permutation(n * k)
    shuffled = rm_anova(long_format(table).iloc[order], "loss", "interval", "seed").iloc[0]
    assert shuffled["F"] == pytest.approx(row["F"], rel=1e-10)


def test_two_levels_are_a_paired_t_test():
    table = random_table(9, 2)
    t, p = ttest_rel(table[:, 0], table[:, 1])
    row = ours(table)
    assert row["F"] == pytest.approx(t**2, rel=1e-10)
    assert row["p_GG_corr"] == pytest.approx(p, rel=1e-10)
    assert (row["eps"], row["eps_HF"], row["eps_lower_bound"]) == (1, 1, 1)
    assert row["sphericity"].startswith("not applicable")


def test_sphericity_is_undefined_where_seeds_are_fewer_than_intervals():
    row = ours(random_table(6, 21))
    assert np.isnan(row["W_spher"])
    assert np.isnan(row["p_spher"])
    assert row["sphericity"].startswith("undefined: ")
    assert "n - 1 = 5 < k - 1 = 20" in row["sphericity"]
    assert row["eps"] <= 0.25
    defined = ours(random_table(5, 5))  # n - 1 = k - 1 is just enough
    assert np.isfinite(defined["W_spher"])
    assert defined["sphericity"].startswith("Mauchly W = ")


def test_huynh_feldt_formula_by_hand():
    # n = 6, k = 21, eps = .1: (6 * 20 * .1 - 2) / (20 * (5 - 20 * .1)) = 10 / 60
    assert huynh_feldt(0.1, ddof=20, subject_ddof=5) == pytest.approx(1 / 6)
    assert huynh_feldt(0.25, 20, 5) == 1.0  # at the bound 5/20 nothing is left to divide by


def test_refuses_and_names_the_cells():
    frame = long_format(random_table(4, 3))
    names = ("loss", "interval", "seed")
    with pytest.raises(ValueError, match=r"duplicated \(seed, interval\) cells: \(2, 1\)"):
        rm_anova(pd.concat([frame, frame.iloc[[7]]]), *names)
    with pytest.raises(ValueError, match=r"missing or not finite .* \(1, 2\), \(3, 0\);"):
        rm_anova(frame.drop(index=[5, 9]), *names)
    holed = frame.copy()
    holed.loc[4, "loss"] = np.inf
    with pytest.raises(ValueError, match=r"\(1, 1\)"):
        rm_anova(holed, *names)
    with pytest.raises(ValueError, match="no column 'los'"):
        rm_anova(frame, "los", "interval", "seed")
    with pytest.raises(ValueError, match=r"got 1 seed\(s\) and 3 interval\(s\)"):
        rm_anova(frame[frame["seed"] == 0], *names)
    with pytest.raises(ValueError, match="'seed' has an empty cell"):
        rm_anova(frame.assign(seed=frame["seed"].where(frame.index > 0)), *names)


def test_parallel_profiles_have_no_f():
    profile = np.array([[8.36, 3.4, 2.8, 3.9]])
    with pytest.raises(ValueError, match="parallel"):
        ours(profile + 0.1 * np.arange(4)[:, None])


def test_sign_flip_by_brute_force():
    table = random_table(5, 6, seed=3)
    centred = table - table.mean(axis=1, keepdims=True)
    sizes = []
    for pattern in range(2**5):
        signs = np.array([1 if pattern >> i & 1 else -1 for i in range(5)])
        sizes.append(float((((signs[:, None] * centred).sum(axis=0)) ** 2).sum()))
    expected = np.mean(np.array(sizes) >= sizes[-1] * (1 - 1e-12))
    frame = long_format(table)
    assert sign_flip_test(frame, "loss", "interval", "seed") == pytest.approx(expected)


def test_sign_flip_is_smallest_for_a_clear_effect_and_draws_beyond_16_subjects():
    trend = np.linspace(3, 0, 21)
    rng = np.random.default_rng(0)
    six = long_format(trend + 0.01 * rng.standard_normal((6, 21)))
    assert sign_flip_test(six, "loss", "interval", "seed") == 1 / 32
    many = long_format(trend + 0.01 * rng.standard_normal((18, 21)))
    assert sign_flip_test(many, "loss", "interval", "seed") < 0.001


def test_type_i_error_under_autocorrelation():
    """200 null studies of 6 x 21: uncorrected far too often, Greenhouse-Geisser and flips not."""
    rng = np.random.default_rng(11)
    rejected = np.zeros(3)
    for _ in range(200):
        noise = rng.standard_normal((6, 21))
        for i in range(1, 21):
            noise[:, i] = 0.9 * noise[:, i - 1] + np.sqrt(1 - 0.81) * noise[:, i]
        frame = long_format(noise)
        row = rm_anova(frame, "loss", "interval", "seed").iloc[0]
        flips = sign_flip_test(frame, "loss", "interval", "seed")
        rejected += np.array([row["p_unc"], row["p_GG_corr"], flips]) < 0.05
    uncorrected, corrected, flipped = rejected / 200
    assert uncorrected > 0.10
    assert corrected < 0.08
    assert flipped < 0.08
