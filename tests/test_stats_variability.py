"""Spread, variance components and precision against scipy, pingouin, print and closed forms."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from scipy.special import gamma

from stats import precision, variability
from stats.descriptives import rise_from_best
from stats.matrix import Names
from stats.precision import precision_curve, seeds_needed
from stats.variability import (
    between_seed_variability,
    intraclass_correlations,
    sd_interval,
    variance_components,
)

# Shrout & Fleiss (1979), tables 2 to 4: six targets, four judges; printed there: mean squares
# 11.24 between targets, 32.49 between judges, 1.02 residual; ICC(2,1) = .29, ICC(3,1) = .71.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
# docs/statistics.md: mean squares 1 of seeds, 13 of intervals, 4 / 4 = 1 of the rest
WORKED = np.array([[9.0, 4, 5], [8, 3, 4], [7, 5, 6]])


def frame_of(losses):
    s, k = losses.shape
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(s), k),
            "interval": np.tile(np.arange(k), s),
            "val_loss": losses.ravel(),
        }
    )


def study(s=6, k=12, seed=0):
    """U-shaped trajectories with a level and a wander of each seed."""
    rng = np.random.default_rng([seed, s, k])
    shape = 3 + 0.02 * (np.arange(k) - k / 2) ** 2
    wander = 0.05 * rng.standard_normal((s, k)).cumsum(axis=1)
    return shape + 0.1 * rng.standard_normal((s, 1)) + wander


def check_spread(losses):
    table = between_seed_variability(frame_of(losses))
    s = len(losses)
    np.testing.assert_allclose(table["sd"], scipy_stats.tstd(losses, axis=0), rtol=1e-12)
    np.testing.assert_allclose(table["cv"], scipy_stats.variation(losses, ddof=1), rtol=1e-12)
    sem = scipy_stats.sem(losses, axis=0)
    low, high = scipy_stats.t.interval(0.95, s - 1, losses.mean(axis=0), sem)
    np.testing.assert_allclose(table[["mean_low", "mean_high"]].T, [low, high], rtol=1e-12)
    squares = ((losses - losses.mean(axis=0)) ** 2).sum(axis=0)
    sigma = [np.sqrt(squares / scipy_stats.chi2.ppf(p, s - 1)) for p in (0.975, 0.025)]
    np.testing.assert_allclose(table[["sd_low", "sd_high"]].T, sigma, rtol=1e-10)
    np.testing.assert_allclose(table["range"], losses.max(axis=0) - losses.min(axis=0), rtol=1e-12)
    assert table["interval"].tolist() == list(range(losses.shape[1]))


def pingouin_icc(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pingouin's imports
        import pingouin

        table = pingouin.intraclass_corr(frame_of(values), "seed", "interval", "val_loss")
    by_type = table.set_index("Type")["ICC"]
    if "ICC(A,1)" in by_type:
        return by_type["ICC(A,1)"], by_type["ICC(C,1)"]
    return by_type["ICC2"], by_type["ICC3"]  # the names before pingouin 0.6


def check_against_pingouin(losses):
    table = intraclass_correlations(frame_of(losses)).set_index(["targets", "type"])["icc"]
    for targets, values in (("seed", losses), ("interval", losses.T)):
        expected = pingouin_icc(values)
        got = [table[(targets, "ICC(2,1)")], table[(targets, "ICC(3,1)")]]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", [(6, 21), (2, 5), (20, 3)])
def test_spread_against_scipy(shape):
    check_spread(study(*shape))


@pytest.mark.parametrize("shape", [(6, 21), (5, 2), (12, 4)])
def test_intraclass_correlations_against_pingouin(shape):
    check_against_pingouin(study(*shape))


def test_intraclass_correlations_as_printed():
    table = intraclass_correlations(frame_of(SHROUT_FLEISS))
    assert table["icc"].round(2).tolist()[:2] == [0.29, 0.71]
    squares = variability.mean_squares(SHROUT_FLEISS)
    assert [round(ms, 2) for ms in squares] == [11.24, 32.49, 1.02]


def check_components():
    table = variance_components(frame_of(WORKED)).set_index("component")
    np.testing.assert_allclose(table["mean_square"], [1, 13, 1], atol=1e-12)
    np.testing.assert_allclose(table["estimate"], [0, (13 - 1) / 3, 1], atol=1e-12)
    np.testing.assert_allclose(table["share"], [0, 0.8, 0.2], atol=1e-12)
    assert table["df"].tolist() == [2, 2, 4]
    # six rows and four columns tell the divisors apart: (11.24 - 1.02) / 4, (32.49 - 1.02) / 6
    table = variance_components(frame_of(SHROUT_FLEISS)).set_index("component")
    np.testing.assert_allclose(table["variance"], [10.22 / 4, 31.47 / 6, 1.02], atol=0.004)
    assert table["df"].tolist() == [5, 3, 15]


def test_components_by_hand():
    check_components()


def test_components_find_the_variances_that_were_put_in():
    """With many seeds and intervals the estimates come near 4, 9 and 1."""
    rng = np.random.default_rng(0)
    losses = 20 + 2 * rng.standard_normal((300, 1)) + 3 * rng.standard_normal((1, 300))
    table = variance_components(frame_of(losses + rng.standard_normal((300, 300))))
    np.testing.assert_allclose(table["variance"], [4, 9, 1], rtol=0.25)  # 3 SE of 299 d.f.


def test_a_negative_estimate_is_set_to_0_and_said_so():
    # rows and columns have equal means, so both mean squares are 0; residuals ±.5 of 1 d.f. make 1
    table = variance_components(frame_of(np.array([[1.0, 2.0], [2.0, 1.0]])))
    assert table["estimate"].tolist() == [-0.5, -0.5, 1]
    assert table["variance"].tolist() == [0, 0, 1]
    assert table["clipped"].tolist() == [True, True, False]
    assert table["share"].tolist() == [0, 0, 1]


def test_where_nothing_varies_no_share_and_no_correlation_is_made_up():
    frame = frame_of(np.full((3, 4), 2.0))
    assert variance_components(frame)["share"].isna().all()
    assert intraclass_correlations(frame)["icc"].isna().all()
    assert (between_seed_variability(frame)["sd"] == 0).all()


def test_sd_interval_of_six_values_and_its_coverage():
    low, high = sd_interval(np.arange(6.0))
    sd = np.sqrt(3.5)
    assert (low / sd, high / sd) == pytest.approx((0.6242, 2.4526), abs=5e-5)  # chi² tables, 5 d.f.
    rng = np.random.default_rng(0)
    bounds = np.array([sd_interval(v, 0.9) for v in rng.standard_normal((4000, 6))])
    covered = ((bounds[:, 0] < 1) & (bounds[:, 1] > 1)).mean()
    assert covered == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / 4000))


def check_precision(simulations=4000):
    """With the intervals fixed the rise is normal: noncentral t and chi give the exact answers."""
    losses = study()
    mean = losses.mean(axis=0)
    best = mean.argmin()
    rises = losses[:, -1] - losses[:, best]
    delta, sigma = rises.mean() / 3, rises.std(ddof=1)
    curve = precision_curve(
        frame_of(losses),
        np.random.default_rng(1),
        seeds=[3, 6, 12],
        simulations=simulations,
        rise=delta,
        choose="fixed",
    )
    for row in curve.itertuples():
        n = row.seeds
        t = scipy_stats.t.ppf(0.975, n - 1)
        away = scipy_stats.nct(n - 1, delta * np.sqrt(n) / sigma)
        power = away.sf(t)
        assert abs(row.power - power) < 4 * np.sqrt(power * (1 - power) / simulations)
        c4 = np.sqrt(2 / (n - 1)) * gamma(n / 2) / gamma((n - 1) / 2)  # E[SD] / sigma
        half = t * sigma / np.sqrt(n)
        spread = half * np.sqrt(1 - c4**2)
        assert abs(row.half_width - half * c4) < 4 * spread / np.sqrt(simulations)
        q90 = half * np.sqrt(scipy_stats.chi2.ppf(0.9, n - 1) / (n - 1))
        assert row.half_width_q90 == pytest.approx(q90, rel=0.05)
    assert np.all(np.diff(curve["half_width"]) < 0)


def test_precision_against_closed_forms():
    check_precision()


def test_the_other_seeds_choose_as_in_the_report():
    losses = study()
    mean = losses.mean(axis=0)
    root = (losses - mean) / np.sqrt(5)
    got = precision._rises(np.random.default_rng(3), mean, root, 4, 50, None)
    studies = mean + np.random.default_rng(3).standard_normal((50, 4, 6)) @ root
    np.testing.assert_allclose(got, [rise_from_best(one)[0] for one in studies], atol=1e-12)


def test_drawn_studies_have_the_observed_covariance():
    losses = study(s=5, k=3)
    root = (losses - losses.mean(axis=0)) / np.sqrt(4)
    np.testing.assert_allclose(root.T @ root, np.cov(losses, rowvar=False), atol=1e-14)


def test_no_rise_is_found_as_often_as_promised():
    curve = precision_curve(
        frame_of(study()),
        np.random.default_rng(0),
        [3, 6],
        rise=0,
        simulations=4000,
        choose="fixed",
    )
    np.testing.assert_allclose(curve["power"], 0.025, atol=4 * np.sqrt(0.025 * 0.975 / 4000))


def test_simulations_in_parts_are_all_there(monkeypatch):
    monkeypatch.setattr(precision, "SIMULATED_AT_ONCE", 500)
    rises = precision._rises(np.random.default_rng(0), np.zeros(3), np.eye(3), 4, 101, 0)
    assert rises.shape == (101, 4)
    assert len(np.unique(rises)) == rises.size


def test_seeds_needed():
    curve = pd.DataFrame(
        {"seeds": [3, 6, 9], "half_width": [0.3, 0.2, 0.1], "power": [0.5, 0.8, 0.95]}
    )
    assert seeds_needed(curve, half_width=0.2) == 6
    assert seeds_needed(curve, power=0.9) == 9
    assert seeds_needed(curve, half_width=0.3, power=0.8) == 6
    assert seeds_needed(curve, half_width=0.05) is None
    with pytest.raises(ValueError, match="half_width=None"):
        seeds_needed(curve)


def biased_sd(values):
    return np.asarray(values.std(axis=-1))


def pooled_residual(values):
    """The residual's divisor without the degree of freedom of the grand mean."""
    of_row, of_column, rest = TRUE_SQUARES(values)
    rows, columns = values.shape
    return of_row, of_column, rest * (rows - 1) * (columns - 1) / (rows * columns - 1)


def swapped(values):
    of_row, of_column, rest = TRUE_SQUARES(values)
    return of_column, of_row, rest


TRUE_SQUARES, TRUE_RISES = variability.mean_squares, precision._rises
PLANTED = {
    "biased variance: spread": ("sample_sd", biased_sd, lambda: check_spread(study())),
    "biased variance: precision": ("sample_sd", biased_sd, check_precision),
    "residual divisor: components": ("mean_squares", pooled_residual, check_components),
    "residual divisor: ICC": (
        "mean_squares",
        pooled_residual,
        lambda: check_against_pingouin(study()),
    ),
    "seeds and intervals swapped: components": ("mean_squares", swapped, check_components),
    "seeds and intervals swapped: ICC": (
        "mean_squares",
        swapped,
        lambda: check_against_pingouin(study()),
    ),
    "z instead of t": (
        "t_quantile",
        lambda confidence, ddof: scipy_stats.norm.ppf(0.975),
        check_precision,
    ),
    "an interval below 0 counts as a rise": (
        "_rises",
        lambda *arguments: np.abs(TRUE_RISES(*arguments)),
        check_precision,
    ),
    "covariance divided by S": (
        "_rises",
        lambda rng, mean, root, *rest: TRUE_RISES(rng, mean, root * np.sqrt(5 / 6), *rest),
        check_precision,
    ),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug, monkeypatch):
    name, replacement, check = PLANTED[bug]
    for module in (variability, precision):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, replacement)
    with pytest.raises(AssertionError):
        check()


def test_rows_and_names_do_not_matter_and_the_generator_decides():
    frame = frame_of(study())
    other = frame.sample(frac=1, random_state=0).set_axis(["run", "t", "L"], axis=1)
    names = Names(seed="run", interval="t", loss="L")
    for table in (between_seed_variability, variance_components, intraclass_correlations):
        pd.testing.assert_frame_equal(table(other, names), table(frame))
    one, two, three = (
        precision_curve(f, np.random.default_rng(n), [4], simulations=200, **more)
        for f, n, more in [(frame, 0, {}), (other, 0, {"names": names}), (frame, 1, {})]
    )
    pd.testing.assert_frame_equal(one, two)
    assert not one.equals(three)


TABLES = [
    between_seed_variability,
    variance_components,
    intraclass_correlations,
    lambda frame: precision_curve(frame, np.random.default_rng(0)),
]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="val_loss"), "no column 'val_loss'"),
        (lambda f: f[f["seed"] == 2], r"1 seed\(s\) in the frame"),
        (lambda f: f.drop(index=13), r"'val_loss' is missing .* \(1, 1\)"),
        (lambda f: f.assign(val_loss=np.nan), r"'val_loss' is missing .* \(0, 0\)"),
        (lambda f: pd.concat([f, f.iloc[[3]]]), r"duplicated .* \(0, 3\)"),
    ],
)
def test_a_bad_frame_is_refused(table, change, message):
    with pytest.raises(ValueError, match=message):
        table(change(frame_of(study())))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": []}, "seeds is empty"),
        ({"seeds": [1, 3]}, "seeds=1: every number"),
        ({"simulations": 0}, "simulations=0"),
        ({"confidence": 1.0}, "confidence=1.0"),
        ({"rise": np.inf}, "rise=inf"),
        ({"choose": "luck"}, "choose='luck'"),
    ],
)
def test_a_bad_option_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        precision_curve(frame_of(study()), np.random.default_rng(0), **options)


def test_what_has_no_answer_is_refused():
    falling = frame_of(np.arange(12.0)[::-1] + np.arange(3.0)[:, None])
    with pytest.raises(ValueError, match="lowest at the last interval"):
        precision_curve(falling, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"1 interval\(s\)"):
        variance_components(falling[falling["interval"] == 0])
    with pytest.raises(ValueError, match=r"1 value\(s\)"):
        sd_interval(np.array([1.0]))
