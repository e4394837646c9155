"""Comparison of two studies: every statistic against a library, every degenerate case by name."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pingouin
import pytest
import scipy.stats
from stats_fake_run import fake_run_folder, trajectory
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from stats import compare, rm_anova
from stats.comparison_report import comparison_document, comparison_text, write_comparison
from stats.comparison_tables import holm_of_known as holm
from stats.comparison_tables import tokens_to_reach
from stats.comparison_verdict import findings, runs_of
from stats.effect_sizes import hedges_correction
from stats.measures import MeasureSettings
from stats.two_samples import differences, equivalence, sign_flip_p

CLOSE = {"rtol": 1e-10, "atol": 1e-13}


def samples(n_a=6, n_b=6, k=4, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(3, 1, (n_a, k)), rng.normal(3.2, 2, (n_b, k))


def fake(path, **options):
    options = {"seeds": 4, "intervals": 6, "steps": 60, "with_runs": False} | options
    return fake_run_folder(path, **options)


def moved(shift=0.0, noise=0.0):
    """Losses of the stand-in study, moved by `shift` after the start, and by noise of the seed."""

    def losses(condition, seed, rng):
        val, train = trajectory(rng, 6)
        own = np.random.default_rng([9, seed]).standard_normal(7)
        return val + (shift + noise * own) * (np.arange(7) > 0), train

    return losses


def change_study(folder, change):
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    change(study)
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")


def change_rows(folder, change):
    rows = pd.read_csv(folder / "intervals.csv")
    change(rows).to_csv(folder / "intervals.csv", index=False)


def told(comparison):
    return " ".join([*comparison.notices, *map(str, findings(comparison))])


# -- the statistics ---------------------------------------------------------------------------


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_paired_differences_are_those_of_scipy(confidence):
    a, b = samples()
    mine = differences(a, b, paired=True, confidence=confidence)
    theirs = scipy.stats.ttest_rel(b, a)
    ci = theirs.confidence_interval(confidence)
    for name, want in {"t": theirs.statistic, "p": theirs.pvalue, "low": ci.low, "high": ci.high,
                       "ddof": theirs.df, "difference": b.mean(0) - a.mean(0)}.items():  # fmt: skip
        np.testing.assert_allclose(mine[name], want, **CLOSE)


@pytest.mark.parametrize("sizes", [(6, 6), (3, 8), (2, 2)])
def test_unpaired_differences_are_those_of_scipy(sizes):
    a, b = samples(*sizes)
    mine = differences(a, b, paired=False)
    theirs = scipy.stats.ttest_ind(b, a, equal_var=False)
    ci = theirs.confidence_interval(0.95)
    for name, want in {"t": theirs.statistic, "p": theirs.pvalue, "low": ci.low, "high": ci.high,
                       "ddof": theirs.df}.items():  # fmt: skip
        np.testing.assert_allclose(mine[name], want, **CLOSE)
    assert mine["p_sign_flip"].isna().all()


def test_effect_sizes_are_those_of_pingouin():
    """pingouin's correction, 1 - 3 / (4 df - 1), approximates J; the uncorrected values agree."""
    a, b = samples(6, 9)
    mine = differences(a, b, paired=False)["g"]
    cohen = [pingouin.compute_effsize(y, x, eftype="cohen") for x, y in zip(a.T, b.T, strict=True)]
    np.testing.assert_allclose(mine, np.array(cohen) * hedges_correction(13), **CLOSE)
    hedges = [
        pingouin.compute_effsize(y, x, eftype="hedges") for x, y in zip(a.T, b.T, strict=True)
    ]
    np.testing.assert_allclose(mine, hedges, rtol=5e-4)
    a, b = samples()
    mine = differences(a, b, paired=True)["g"]
    for d, got in zip((b - a).T, mine, strict=True):
        # of one sample against 0, which is what gz is of the differences
        np.testing.assert_allclose(
            got, pingouin.compute_effsize(d, 0, eftype="cohen") * hedges_correction(5), **CLOSE
        )
        np.testing.assert_allclose(got, pingouin.compute_effsize(d, 0, eftype="hedges"), rtol=2e-3)


def test_hedges_correction_makes_the_effect_size_unbiased():
    """E of the noncentral t is delta / J (Hedges, 1981), which scipy's moments give."""
    for df in (2, 5, 10, 30):
        mean = scipy.stats.nct.mean(df, 1.0)
        np.testing.assert_allclose(1 / mean, hedges_correction(df), rtol=1e-10)
    assert np.isnan(hedges_correction(1))
    with pytest.raises(ValueError, match="df=0"):
        hedges_correction(0)


def test_holm_is_that_of_statsmodels():
    rng = np.random.default_rng(3)
    p = rng.uniform(0, 0.2, 21)
    p[[3, 4]] = p[5]  # ties
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], **CLOSE)
    with_gaps = np.array([0.01, np.nan, 0.02, np.nan])
    np.testing.assert_allclose(holm(with_gaps), [0.02, np.nan, 0.02, np.nan])
    assert np.isnan(holm(np.array([np.nan]))).all()


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("margin", [0.3, 2.0])
def test_equivalence_is_that_of_statsmodels(paired, margin):
    a, b = samples(6, 6 if paired else 8)
    mine = equivalence(a, b, margin, paired=paired)
    for j in range(a.shape[1]):
        if paired:
            p, low, high = ttost_paired(b[:, j], a[:, j], -margin, margin)
        else:
            p, low, high = ttost_ind(b[:, j], a[:, j], -margin, margin, usevar="unequal")
        np.testing.assert_allclose(mine.loc[j, ["p_low", "p_high", "p"]].to_list(),
                                   [low[1], high[1], p], **CLOSE)  # fmt: skip
    inside = (mine["low"] > -margin) & (mine["high"] < margin)
    assert ((mine["p"] < 0.05) == inside).all()


@pytest.mark.parametrize("margin", [0.0, -1.0, np.nan, np.inf])
def test_a_margin_must_be_positive(margin):
    with pytest.raises(ValueError, match="margin="):
        equivalence(*samples(), margin, paired=True)


def test_sign_flips_are_those_of_scipy_and_of_brute_force():
    a, b = samples(7, 7)
    d = b - a
    for j, got in enumerate(sign_flip_p(d)):
        theirs = scipy.stats.permutation_test(
            (d[:, j],), np.mean, permutation_type="samples", alternative="two-sided"
        )
        np.testing.assert_allclose(got, theirs.pvalue)
    signs = np.array(list(itertools.product((1, -1), repeat=7)))
    statistic = ((signs[:, :, None] * d).mean(axis=1) ** 2).mean(axis=1)
    want = (statistic >= statistic[0] * (1 - 1e-12)).mean()
    np.testing.assert_allclose(sign_flip_p(d, together=True), [want])


def test_many_seeds_are_flipped_at_random_reproducibly():
    a, b = samples(20, 20)
    p = sign_flip_p(b - a)
    np.testing.assert_array_equal(p, sign_flip_p(b - a))
    wanted = differences(a, b, paired=True)["p"]
    np.testing.assert_allclose(p, wanted, atol=0.05)
    assert sign_flip_p(b - a + 50)[0] == pytest.approx(1 / 20_001)


def test_no_spread_gives_no_p_and_no_warning():
    a, _ = samples()
    same = differences(a, a, paired=True)
    assert (same["difference"] == 0).all()
    assert same[["t", "p", "g"]].isna().all(axis=None)
    assert (same["p_sign_flip"] == 1).all()
    shifted = differences(a, a + 0.1, paired=True)  # equal but for rounding
    assert shifted[["t", "p", "g"]].isna().all(axis=None)
    np.testing.assert_allclose(shifted["high"], 0.1)
    assert differences(np.ones((3, 2)), np.ones((4, 2)), paired=False)["p"].isna().all()
    assert equivalence(a, a, 0.1, paired=True)["p"].isna().all()


def test_single_seeds_give_a_difference_alone():
    a, b = samples(1, 3)
    alone = differences(a, b, paired=False)
    np.testing.assert_allclose(alone["difference"], b.mean(axis=0) - a[0])
    assert alone[["low", "high", "t", "p", "g"]].isna().all(axis=None)


@pytest.mark.parametrize(
    ("a", "b", "paired"),
    [
        (np.ones((2, 3)), np.ones((2, 4)), False),
        (np.ones((2, 3)), np.ones((3, 3)), True),
        (np.ones(3), np.ones(3), False),
        (np.full((2, 1), np.nan), np.ones((2, 1)), True),
    ],
)
def test_values_that_do_not_fit_are_refused(a, b, paired):
    with pytest.raises(ValueError, match=r"shapes|not finite"):
        differences(a, b, paired=paired)


def test_tokens_to_reach_follow_straight_lines():
    tokens = np.array([0.0, 100.0, 200.0, 300.0])
    loss = np.array([8.0, 4.0, 3.0, 3.5])
    assert tokens_to_reach(loss, tokens, 3.5) == 150
    assert tokens_to_reach(loss, tokens, 3.0) == 200
    assert tokens_to_reach(loss, tokens, 9.0) == 0
    assert np.isnan(tokens_to_reach(loss, tokens, 2.9))


# -- whole studies ----------------------------------------------------------------------------


def test_a_study_against_itself(tmp_path):
    folder = fake(tmp_path / "run", with_runs=True)
    result = compare(folder, folder, margin=0.1)
    assert result.identical
    assert not result.unexplained
    assert (result.by_interval["difference"] == 0).all()
    assert "every difference is exactly 0" in told(result)
    assert "differ in nothing" in told(result)
    assert "run (A)" in comparison_text(result)
    comparison_document(result)


def test_a_shifted_copy_has_the_shift_as_its_difference(tmp_path):
    a = fake(tmp_path / "a")
    b = fake(tmp_path / "b", losses=moved(0.1))
    change_rows(a, lambda rows: rows.assign(val_loss=rows["val_loss"].round(3)))
    loss = pd.read_csv(a / "intervals.csv")["val_loss"]
    change_rows(b, lambda rows: rows.assign(val_loss=loss + 0.1 * (rows["interval"] > 0)))
    result = compare(a, b)
    np.testing.assert_allclose(result.by_interval["difference"][1:], 0.1)
    assert result.paired
    assert "0.1000 nats a token higher" in told(result)
    assert "by the same amount for every seed" in told(result)
    assert result.trajectory.empty
    assert "error sum of squares is zero" in told(result)
    assert result.unexplained  # the same configuration gave other values
    assert "not recorded" in told(result)


def test_frames_of_two_studies_against_the_libraries(tmp_path):
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b", losses=moved(0.05, 0.03))
    result = compare(a, b, margin=0.1)
    wide = [pd.read_csv(f / "intervals.csv").pivot(index="seed", columns="interval",
            values="val_loss") for f in (a, b)]  # fmt: skip
    theirs = scipy.stats.ttest_rel(wide[1].iloc[:, 1:], wide[0].iloc[:, 1:])
    np.testing.assert_allclose(result.by_interval["p"][1:], theirs.pvalue, **CLOSE)
    assert np.isnan(result.by_interval["p"][0])  # the same seed starts from the same weights
    np.testing.assert_allclose(
        result.by_interval["p_holm"][1:], multipletests(theirs.pvalue, method="holm")[1], **CLOSE
    )
    final = result.summary.set_index("measure").loc["final"]
    assert final["p"] == pytest.approx(theirs.pvalue[-1])
    ttost = ttost_paired(wide[1][6], wide[0][6], -0.1, 0.1)
    assert result.equivalence["p"][0] == pytest.approx(ttost[0])
    assert list(result.rows.columns) == ["study", "seed", "tokens_seen", "interval", "val_loss"]
    assert list(result.difference_curve.columns) == [
        "interval", "tokens_seen", "difference", "low", "high"]  # fmt: skip
    assert len(result.rows) == 2 * 4 * 7


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pingouin's
@pytest.mark.parametrize("with_0", [True, False])
def test_the_trajectory_test_is_that_of_pingouin(tmp_path, with_0):
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b", losses=moved(0.05, 0.03))
    result = compare(a, b)
    rows = result.rows if with_0 else result.rows[result.rows["tokens_seen"] > 0]
    theirs = pingouin.rm_anova(rows, "val_loss", ["study", "interval"], "seed", detailed=True)
    mine = result.trajectory[result.trajectory["with_interval_0"] == with_0]
    for name in ("SS", "F", "p_unc", "p_GG_corr", "ng2"):
        np.testing.assert_allclose(mine[name], theirs[name], rtol=1e-8)
    apart = compare(a, b, paired=False)
    rows = apart.rows.assign(run=apart.rows["study"] + apart.rows["seed"].astype(str))
    rows = rows if with_0 else rows[rows["tokens_seen"] > 0]
    theirs = pingouin.mixed_anova(rows, "val_loss", "interval", "run", "study")
    mine = apart.trajectory[apart.trajectory["with_interval_0"] == with_0]
    np.testing.assert_allclose(mine["F"], theirs["F"], rtol=1e-8)
    np.testing.assert_allclose(mine["p_unc"], theirs["p_unc"], rtol=1e-8)
    assert apart.sign_flip.empty
    assert np.isnan(mine["p_GG_corr"].iloc[0])  # no epsilon of groups ...
    assert "nan" not in told(apart)  # ... and none printed


@pytest.mark.slow
def test_seeds_that_match_in_part_are_paired_and_counted(tmp_path):
    a, b = fake(tmp_path / "a", seeds=5), fake(tmp_path / "b", losses=moved(0.05, 0.03))
    change_rows(b, lambda rows: rows.assign(seed=rows["seed"] + 2))
    result = compare(a, b)
    assert result.paired
    assert sorted(result.seeds["seed"].unique()) == [2, 3, 4]
    assert "2 seeds of a without a partner (0, 1); 3 of 5" in told(result)
    assert "1 seed of b without a partner (5); 3 of 4" in told(result)
    alone = compare(a, b, paired=False)
    assert (alone.by_interval[["n_a", "n_b"]] == [5, 4]).all(axis=None)
    assert "Unpaired on request" in told(alone)
    # type II and III differ where groups do; both are on offer
    other = compare(a, b, paired=False, ss_type=3).trajectory
    assert not np.allclose(other["SS"], alone.trajectory["SS"], rtol=1e-12)


def test_unmatched_seeds_are_independent_samples(tmp_path):
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b", losses=moved(0.05, 0.03))
    change_rows(b, lambda rows: rows.assign(seed=rows["seed"] + 3))
    result = compare(a, b)
    assert not result.paired
    assert "Only seed 3 ran in both" in told(result)
    assert "independent samples (Welch)" in told(result)
    assert "Welch t(" in told(result)
    with pytest.raises(ValueError, match=r"a \(seeds 0, 1, 2, 3\) and b \(seeds 3, 4, 5, 6\)"):
        compare(a, b, paired=True)


def test_one_seed_each(tmp_path):
    a, b = fake(tmp_path / "a", seeds=1), fake(tmp_path / "b", seeds=1, losses=moved(0.1))
    result = compare(a, b, margin=0.1)
    assert "With one seed on a side nothing tells this from chance" in told(result)
    assert "cannot be tested" in told(result)
    assert "nan" not in comparison_text(result).lower()
    comparison_document(result)


@pytest.mark.slow
def test_different_budgets_are_compared_where_both_have_places(tmp_path):
    a = fake(tmp_path / "a")
    b = fake(tmp_path / "b", intervals=9, steps=90)  # the same places and three more
    result = compare(a, b)
    assert result.by_interval["tokens_seen"].tolist() == [s * 4096 for s in range(0, 61, 10)]
    assert "Only the 7 places that both measured" in told(result)
    assert "budgets differ: 245,760 and 368,640" in told(result)
    assert result.summary.set_index("measure").loc["final", "mean_b"] == pytest.approx(
        pd.read_csv(b / "intervals.csv").query("interval == 6")["val_loss"].mean()
    )


@pytest.mark.slow
def test_other_places_are_interpolated_on_request_only(tmp_path):
    a = fake(tmp_path / "a")
    b = fake(tmp_path / "b", intervals=7, steps=77)
    with pytest.raises(
        ValueError, match=r"a and b were not measured at the same places.*--interpo"
    ):
        compare(a, b)
    result = compare(a, b, interpolate=True)
    rows = pd.read_csv(b / "intervals.csv").query("seed == 2")
    mine = result.rows.query("study == 'b' and seed == 2")
    want = np.interp(mine["tokens_seen"], rows["tokens_seen"], rows["val_loss"])
    np.testing.assert_allclose(mine["val_loss"], want)
    assert "at 6 of the 7 places" in told(result)
    assert (result.by_interval["interval_b"] == -1).all()


@pytest.mark.slow
def test_different_vocabularies_are_compared_in_bits_per_byte(tmp_path):
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b", losses=moved(0.05, 0.03))
    change_study(b, lambda study: study["config"]["model"].update(vocab_size=512))
    result = compare(a, b)
    assert result.measure == "bits_per_byte"
    assert "4096 and 512 tokens: losses per token of a and b are not comparable" in told(result)
    assert "bits_per_byte is compared instead" in told(result)
    on_request = compare(a, b, measure="val_loss")
    assert on_request.measure == "val_loss"
    assert "does not mean the same" in told(on_request)
    change_rows(a, lambda rows: rows.drop(columns="bits_per_byte"))
    assert "should not be read as a ranking" in told(compare(a, b))


@pytest.mark.slow
def test_different_tokenizers_and_texts_are_noticed(tmp_path):
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b")
    assert "tokenizer is not recorded" not in told(compare(a, b))  # the same corpus and sizes
    for folder, content in ((a, "{}"), (b, "{ }")):
        (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    assert "Different tokenizers" in told(compare(a, b))
    (b / "tokenizer.json").write_text("{}", encoding="utf-8")
    assert compare(a, b).measure == "val_loss"
    for folder, digest in ((a, "1"), (b, "2")):
        change_study(
            folder, lambda s, d=digest: s["config"]["corpus"].update(valid_files=[["v.txt", d]])
        )
    result = compare(a, b)
    assert result.measure == "bits_per_byte"
    assert "Different validation texts" in told(result)
    assert "even bits per byte measure the text" in told(result)


@pytest.mark.slow
def test_what_differs_in_the_configuration(tmp_path):
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b")
    change_study(b, lambda s: s["config"].update(seeds=[0, 1]))
    assert "nothing but the seeds" in told(compare(a, b))
    change_study(b, lambda s: s["config"]["train"].update(learning_rate=0.1, valid_tokens=10))
    change_study(a, lambda s: s["config"]["train"].update(valid_tokens=20))
    result = compare(a, b)
    table = result.configuration.set_index("key")
    assert table.loc["config.train.learning_rate"].tolist() == ["0.0005", "0.1"]
    assert "differ in 2 settings: train.learning_rate and train.valid_tokens" in told(result)
    assert "samples differ in size: 20 and 10" in told(result)
    # a condition that is not compared is no difference
    change_study(a, lambda s: s["config"]["conditions"].append({"name": "x", "overrides": {}}))
    assert compare(a, b).configuration["key"].tolist() == result.configuration["key"].tolist()
    (b / "study.json").unlink()
    assert "No study.json in b" in told(compare(a, b))


@pytest.mark.slow
def test_two_conditions_of_one_folder(tmp_path):
    folder = fake(tmp_path / "run", conditions=("repeated", "fresh"))
    change_study(folder, lambda s: s["config"]["conditions"][1].update(
        overrides={"train_tokens": 20_000_000}))  # fmt: skip
    result = compare(folder, conditions=("repeated", "fresh"))
    assert result.names == ("repeated", "fresh")
    assert "differ in 1 setting: train.train_tokens" in told(result)
    assert compare(folder).names == result.names  # there is no choice
    back = compare(folder, conditions=("fresh", "repeated"))
    np.testing.assert_allclose(back.by_interval["difference"], -result.by_interval["difference"])
    for wrong, message in (
        (("fresh", "fresh"), "twice"),
        (("fresh", "stale"), "no condition 'stale'; it has repeated and fresh"),
        (("fresh",), "name two of them"),
    ):
        with pytest.raises(ValueError, match=message):
            compare(folder, conditions=wrong)
    with pytest.raises(ValueError, match=r"study A .* several conditions"):
        compare(folder, folder)
    assert compare(folder, folder, conditions="fresh").identical


@pytest.mark.slow
def test_the_folder_that_is_wrong_is_named(tmp_path):
    good = fake(tmp_path / "good")
    with pytest.raises(ValueError, match=r"study B .*nothing.* is not a folder"):
        compare(good, tmp_path / "nothing")
    broken = fake(tmp_path / "broken")
    change_rows(broken, lambda rows: rows.drop(index=3))
    with pytest.raises(ValueError, match=r"study A .*broken.*\(baseline, 0, 3\)"):
        compare(broken, good)
    result = compare(broken, good, drop_incomplete=True)
    assert "broken: Left out on request" in told(result)
    assert sorted(result.seeds["seed"].unique()) == [1, 2, 3]
    change_rows(good, lambda rows: rows.assign(train_sample_loss=np.nan))
    with pytest.raises(ValueError, match=r"good: 'train_sample_loss' is missing"):
        compare(broken, good, measure="train_sample_loss", drop_incomplete=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"measure": "loss"}, "measure='loss'"), ({"ss_type": 1}, "ss_type=1"),
     ({"margin": -1.0}, "margin=-1"), ({"target": np.nan}, "target=nan")],
)  # fmt: skip
def test_wrong_options_are_refused_by_name(tmp_path, options, message):
    a = fake(tmp_path / "a")
    with pytest.raises(ValueError, match=message):
        compare(a, a, **options)


def test_summary_measures_by_hand(tmp_path):
    """Two seeds, three places; every number below follows from these twelve."""
    values = {"a": ([9, 3, 5], [9, 4, 4.5]), "b": ([9, 5, 2], [9, 4, 3])}
    for name, rows in values.items():
        fake(tmp_path / name, seeds=2, intervals=2, steps=20,
             losses=lambda c, s, r, rows=rows: (np.array(rows[s], float), np.ones(3)))  # fmt: skip
    result = compare(tmp_path / "a", tmp_path / "b", settings=MeasureSettings(confidence=0.9))
    table = result.summary.set_index("measure")
    assert table.loc["final", ["mean_a", "mean_b", "difference"]].tolist() == [4.75, 2.5, -2.25]
    assert table.loc["best", ["mean_a", "mean_b"]].tolist() == [3.5, 2.5]
    assert table.loc["rise", ["mean_a", "mean_b"]].tolist() == [1.25, 0.0]
    assert table.loc["backslides", ["mean_a", "mean_b"]].tolist() == [1, 0]
    assert table.loc["best_tokens", ["mean_a", "mean_b"]].tolist() == [40_960, 81_920]
    # a's mean is 3.5 after 40,960 tokens; b's goes from 4.5 there to 2.5: 3.5 half way
    assert result.reach["target"].tolist() == [3.5, 3.5]
    assert result.reach["tokens"].tolist() == [40_960, 61_440]
    assert result.reach["seeds_reaching"].tolist() == [1, 2]
    assert result.sign_flip["mean_square"].tolist() == pytest.approx(
        [(0 + 1 + 2.25**2) / 3, (1 + 2.25**2) / 2]
    )
    assert "90 % interval" in told(result)
    never = compare(tmp_path / "a", tmp_path / "b", target=3.0)
    assert "The mean of a never comes down to 3.0000" in told(never)


def test_the_best_place_is_chosen_by_the_other_seeds(tmp_path):
    """Each seed dips at a place of its own; the other one sends it elsewhere."""
    rows = ([9, 3, 5, 6], [9, 5, 4, 6])
    fake(tmp_path / "a", seeds=2, intervals=3, steps=30,
         losses=lambda c, s, r: (np.array(rows[s], float), np.ones(4)))  # fmt: skip
    seeds = compare(tmp_path / "a", tmp_path / "a").seeds[:2]
    assert seeds["best"].tolist() == [3, 4]
    assert seeds["best_held_out"].tolist() == [5, 5]
    assert seeds["rise"].tolist() == [1, 1]


@pytest.mark.slow
def test_denser_places_are_matched_by_tokens(tmp_path):
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b", intervals=12)
    table = compare(a, b).by_interval
    assert table["interval_b"].tolist() == [2 * i for i in table["interval"]]
    means = pd.read_csv(b / "intervals.csv").groupby("interval")["val_loss"].mean()
    np.testing.assert_allclose(table["mean_b"], means[table["interval_b"]])


@pytest.mark.slow
def test_speed_stands_apart(tmp_path):
    a, b = fake(tmp_path / "a", with_runs=True), fake(tmp_path / "b", with_runs=True)
    change_rows(
        b,
        lambda rows: rows.assign(
            val_loss=rows["val_loss"] + 0.01 * rows["seed"], val_perplexity=np.nan
        ),
    )
    result = compare(a, b)
    table = result.summary.set_index("measure")
    assert table.loc["tokens_per_s", "mean_a"] == 7100
    assert table.loc["wall_hours", "mean_b"] == pytest.approx(6 * 140 / 3600)
    assert "not a function of the configuration" in table.loc["wall_hours", "description"]
    assert "says nothing of the method" in told(result)
    shutil.rmtree(b / "runs" / "baseline" / "seed-2")
    assert "wall_hours" not in compare(a, b).seeds


@pytest.mark.slow
def test_the_wording_never_claims_equality(tmp_path):
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b", losses=moved(0.0, 0.03))
    result = compare(a, b, margin=0.001)
    text = told(result)
    assert "no difference in validation loss was shown" in text
    assert "includes 0" in text
    assert "That is no proof of a difference" in text
    assert not re.search(r"\b(are equal|is equal|the same loss)\b", text)
    assert "was shown: the 90 % interval" in told(compare(a, b, margin=5.0))


@pytest.mark.slow
def test_documents_and_files(tmp_path):
    a, b = fake(tmp_path / "a", with_runs=True), fake(tmp_path / "b", losses=moved(0.05, 0.03))
    result = compare(a, b, margin=0.1)
    document = comparison_document(result)
    sections = "configuration summary places trajectory reach seeds method"
    assert [s.anchor for s in document.sections] == sections.split()
    tables = "summary equivalence by_interval trajectory sign_flip reach seeds"
    assert [t.name for t in document.tables] == tables.split()
    written = write_comparison(result, tmp_path / "out", with_latex=True)
    assert "a and b compared" in (tmp_path / "out" / "comparison.md").read_text(encoding="utf-8")
    assert all(path.stat().st_size > 100 for path in written)
    back = pd.read_csv(tmp_path / "out" / "tables" / "by_interval.csv")
    pd.testing.assert_frame_equal(back, result.by_interval, check_exact=True)
    assert len(written) == len(result.tables) + 4 + len(document.tables)
    with pytest.raises(ValueError, match="is a run folder"):
        write_comparison(result, a)
    for width in (80, 100):
        assert max(map(len, comparison_text(result, width).splitlines())) <= width


def test_runs_of_intervals():
    assert runs_of(pd.Series([7, 1, 2, 3])) == "1 to 3 and 7"
    assert runs_of(pd.Series([4])) == "4"


def test_the_anova_is_that_of_the_rows(tmp_path):
    """The frame handed to `rm_anova` is the one in `rows`."""
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b", losses=moved(0.05, 0.03))
    result = compare(a, b)
    want = rm_anova(result.rows, "val_loss", ["study", "interval"], "seed").iloc[:3]
    np.testing.assert_array_equal(result.trajectory["F"][:3], want["F"])


# -- planted bugs -----------------------------------------------------------------------------

PACKAGE = Path(__file__).parents[1] / "stats"
BUGS = {
    "biased SD": ("sd = d.std(axis=0, ddof=1) if", "sd = d.std(axis=0, ddof=0) if"),
    "n for n - 1 degrees of freedom": ("d.mean(axis=0), n_a - 1", "d.mean(axis=0), n_a"),
    "one-sided quantile": ("0.5 + confidence / 2", "confidence"),
    "A minus B": ("d = b - a\n", "d = a - b\n"),
    "pooled variance for Welch's": ("np.sqrt(part_a + part_b)", "np.sqrt(2 * part_a)"),
    "Welch's d.f. with n": ("part_a**2 / (n_a - 1)", "part_a**2 / n_a"),
    "Hedges with d.f. + 1": ("hedges_correction(df_sd)", "hedges_correction(df_sd + 1)"),
    "the smaller p of the two": ("np.maximum(p_low, p_high)", "np.minimum(p_low, p_high)"),
    "margins exchanged": ("difference + margin, error", "difference - margin, error"),
    "strictly greater": (">= observed * (1 - 1e-12)", "> observed * (1 + 1e-12)"),
}  # fmt: skip
CHECKS = (
    "test_paired_differences_are_those_of_scipy",
    "test_unpaired_differences_are_those_of_scipy",
    "test_effect_sizes_are_those_of_pingouin",
    "test_equivalence_is_that_of_statsmodels",
    "test_sign_flips_are_those_of_scipy_and_of_brute_force",
)


def run_checks(namespace):
    arguments = {
        "test_paired_differences_are_those_of_scipy": [(0.95,)],
        "test_unpaired_differences_are_those_of_scipy": [((3, 8),)],
        "test_equivalence_is_that_of_statsmodels": [(True, 0.3), (False, 2.0)],
    }
    for name in CHECKS:
        for values in arguments.get(name, [()]):
            namespace[name](*values)


@pytest.mark.parametrize("bug", BUGS)
def test_planted_bugs_are_found(bug, monkeypatch):
    right, wrong = BUGS[bug]
    text = (PACKAGE / "two_samples.py").read_text(encoding="utf-8")
    assert text.count(right) == 1, right
    planted = {"__name__": "planted"}
    exec(compile(text.replace(right, wrong), "planted", "exec"), planted)
    for name in ("differences", "equivalence", "sign_flip_p"):
        monkeypatch.setitem(globals(), name, planted[name])
    with pytest.raises(AssertionError):
        run_checks(globals())


def test_without_a_bug_the_checks_pass():
    run_checks(globals())
