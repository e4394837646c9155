"""The bootstrap over seeds against scipy and against all S^S ordered draws."""

from __future__ import annotations

import itertools
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats
from scipy.special import comb

from stats import bootstrap, rm_anova
from stats.bootstrap import bca_interval, distinct_resamples, resampled_mean
from stats.effect_sizes import resampled_dz, resampled_eta_squared

RNG = np.random.default_rng(0)


def brute_force(values, function, confidence=0.95):
    """Everything from all S^S ordered draws; `function` takes the rows themselves."""
    n = len(values)
    draws = itertools.product(range(n), repeat=n)
    replicates = np.array([function(values[list(draw)]) for draw in draws])
    estimate = function(values)
    # multisets are told apart by their sorted values; sums in another order differ by rounding
    below = (replicates < estimate - 1e-12).mean()
    z0 = scipy_stats.norm.ppf(below + (np.abs(replicates - estimate) <= 1e-12).mean() / 2)
    left_out = np.array([function(np.delete(values, i, axis=0)) for i in range(n)])
    a = scipy_stats.skew(-left_out) / (6 * np.sqrt(n))
    z = scipy_stats.norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    p = scipy_stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
    low, high = np.quantile(replicates, p, method="inverted_cdf")
    percentiles = np.quantile(replicates, scipy_stats.norm.cdf(z), method="inverted_cdf")
    return [low, high, *percentiles, replicates.std(), z0, a]


def numbers(of):
    return [
        of.low,
        of.high,
        of.percentile_low,
        of.percentile_high,
        of.standard_error,
        of.bias_correction,
        of.acceleration,
    ]


def variance(values, counts):
    n = counts.sum(axis=1)
    return (counts @ values**2 - (counts @ values) ** 2 / n) / (n - 1)


def check_exact(module):
    for n, seed, confidence in [(4, 1, 0.9), (5, 2, 0.95)]:
        values = np.random.default_rng(seed).lognormal(size=n)
        for statistic, function in [
            (module.resampled_mean, np.mean),
            (variance, lambda v: v.var(ddof=1)),
        ]:
            of = module.bca_interval(values, statistic, confidence=confidence)
            expected = brute_force(values, function, confidence)
            np.testing.assert_allclose(numbers(of), expected, rtol=1e-9)
            assert of.exact


def check_ties(module):
    values = np.array([1.0, 2, 3, 4])  # many resamples have the mean of the whole
    expected = brute_force(values, np.mean)
    np.testing.assert_allclose(
        numbers(module.bca_interval(values, module.resampled_mean)), expected, atol=1e-9
    )


def check_drawn(module):
    values = np.random.default_rng(3).lognormal(size=20)
    of = module.bca_interval(values, module.resampled_mean, resamples=40_000)
    scipys = scipy_stats.bootstrap(
        (values,), np.mean, method="BCa", n_resamples=40_000, rng=np.random.default_rng(4)
    )
    # the density at the 2.5 % quantile is some .06 / SE: error of a quantile .003 SE
    within = 0.04 * scipys.standard_error
    interval = scipys.confidence_interval
    np.testing.assert_allclose([of.low, of.high], [interval.low, interval.high], atol=within)
    np.testing.assert_allclose(of.standard_error, scipys.standard_error, rtol=0.02)


def test_all_resamples_of_four_and_five_seeds():
    check_exact(bootstrap)


def test_ties_count_half():
    check_ties(bootstrap)


def test_drawn_resamples_agree_with_scipy():
    check_drawn(bootstrap)


def test_six_seeds_agree_with_scipy():
    values = np.random.default_rng(5).lognormal(size=6)
    for statistic, function in [
        (resampled_mean, np.mean),
        (variance, lambda v, axis: v.var(axis=axis, ddof=1)),
    ]:
        of, narrow, wide = (
            bca_interval(values, statistic, confidence=c) for c in (0.95, 0.944, 0.956)
        )
        scipys = scipy_stats.bootstrap(
            (values,), function, method="BCa", n_resamples=100_000, rng=np.random.default_rng(6)
        )
        interval = scipys.confidence_interval
        # few replicates lie far out: a bound drawn may be the neighbour of the exact one
        assert wide.low - 1e-12 <= interval.low <= narrow.low + 1e-12
        assert narrow.high - 1e-12 <= interval.high <= wide.high + 1e-12
        assert of.standard_error == pytest.approx(scipys.standard_error, rel=0.01)


@pytest.mark.parametrize("n", range(2, 9))
def test_distinct_resamples(n):
    counts, weights = distinct_resamples(n)
    assert len(np.unique(counts, axis=0)) == len(counts) == comb(2 * n - 1, n, exact=True)
    assert (counts.sum(axis=1) == n).all()
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    ways = dict(zip(map(tuple, counts), weights, strict=True))
    assert ways[(n, *[0] * (n - 1))] == pytest.approx(n**-n)


def test_quantities_at_once_are_those_one_by_one():
    values = RNG.standard_normal((6, 5))
    together = bca_interval(values, resampled_mean)
    alone = [bca_interval(column, resampled_mean) for column in values.T]
    for name in ("estimate", "low", "high", "standard_error"):
        np.testing.assert_allclose(
            getattr(together, name), [float(getattr(one, name)) for one in alone], rtol=1e-12
        )


@pytest.mark.parametrize("exact", [True, False])
def test_chunks_change_nothing(monkeypatch, exact):
    values = RNG.standard_normal((6, 5))
    ordered = bca_interval(values, resampled_mean, exact=exact, resamples=501)
    monkeypatch.setattr(bootstrap, "NUMBERS_AT_ONCE", 100)
    chunked = bca_interval(values, resampled_mean, exact=exact, resamples=501)
    np.testing.assert_allclose(chunked.low, ordered.low, rtol=1e-12)
    assert chunked.resamples == ordered.resamples == (462 if exact else 501)


def test_the_same_data_give_the_same_interval():
    values = RNG.standard_normal(30)
    first, second = (bca_interval(values, resampled_mean, resamples=500) for _ in range(2))
    other = bca_interval(values, resampled_mean, resamples=500, rng=np.random.default_rng(9))
    assert first.low == second.low != other.low


def test_resampled_statistics_are_those_of_the_rows():
    values = RNG.standard_normal((6, 4))
    counts = np.array([[1, 1, 1, 1, 1, 1], [0, 3, 0, 1, 2, 0], [1, 0, 1, 1, 1, 1]], dtype=float)
    for row, dz, eta in zip(
        counts, resampled_dz(values, counts), resampled_eta_squared(values, counts), strict=True
    ):
        drawn = np.repeat(values, row.astype(int), axis=0)
        np.testing.assert_allclose(dz, drawn.mean(axis=0) / drawn.std(axis=0, ddof=1))
        s, k = np.indices(drawn.shape).reshape(2, -1)
        frame = pd.DataFrame({"seed": s, "interval": k, "y": drawn.ravel()})
        assert eta == pytest.approx(rm_anova(frame, "y", "interval", "seed")["ng2"][0], rel=1e-10)
    many = np.stack([values, 2 * values + 1], axis=2)
    np.testing.assert_allclose(
        resampled_eta_squared(many, counts)[:, 1], resampled_eta_squared(values, counts)
    )


def test_a_resample_without_spread_has_infinite_dz():
    scores = np.array([8.3, 8.1, 8.1, 8.4])
    counts = np.array([[4.0, 0, 0, 0], [0, 3, 1, 0]])
    with np.errstate(divide="ignore"):
        assert np.isposinf(resampled_dz(scores, counts)).all()


@pytest.mark.parametrize(
    ("values", "statistic", "reason"),
    [
        (np.full(6, 8.3), resampled_mean, "same in every resample"),
        (np.arange(20.0), lambda v, c: (c > 0) @ np.ones(20), "one side"),  # drawn
        (np.arange(6.0), lambda v, c: (c > 0) @ np.ones(6), "whichever seed"),
        (np.arange(6.0), lambda v, c: np.where(c[:, 0] > 2, np.nan, c @ v), "some resamples"),
        (np.arange(6.0), lambda v, c: np.full(len(c), np.nan), "for these seeds"),
        (np.array([1.0, 2]), resampled_dz, "left out"),
    ],
)
def test_no_interval_has_a_reason(values, statistic, reason):
    of = bca_interval(values, statistic)
    assert np.isnan(of.low)
    assert np.isnan(of.high)
    assert reason in str(of.reason)


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ([1.0], {}, r"1 seed\(s\)"),
        ([1.0, np.nan], {}, "NaN"),
        ([1.0, 2], {"confidence": 95}, "confidence=95"),
        ([1.0, 2], {"resamples": 0}, "resamples=0"),
        (np.arange(9.0), {"exact": True}, "9 seeds"),
    ],
)
def test_bad_input_is_refused(values, options, message):
    with pytest.raises(ValueError, match=message):
        bca_interval(np.array(values), resampled_mean, **options)


BUGS = {
    "resamples all equally likely": ("log_ways - n", "0 * log_ways - n", check_exact),
    "ties not counted": ("below + equal / 2", "below", check_ties),
    "acceleration of wrong sign": (
        "jackknife.mean() - jackknife",
        "jackknife - jackknife.mean()",
        check_exact,
    ),
    "acceleration without its 6": ("(6 * squares**1.5)", "(squares**1.5)", check_exact),
    "z0 added once": ("ndtr(z0 + shifted", "ndtr(shifted", check_exact),
    "divisor B - 1": (
        "np.sqrt(weights @ (replicates - centre) ** 2)",
        "np.sqrt(weights @ (replicates - centre) ** 2 / (1 - 1 / len(weights)))",
        check_exact,
    ),
    "one seed never drawn": ("rng.integers(n,", "rng.integers(n - 1,", check_drawn),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug, monkeypatch):
    right, wrong, check = BUGS[bug]
    source = Path(bootstrap.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1
    module = types.ModuleType("stats.bootstrap")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source.replace(right, wrong), "<bug>", "exec"), module.__dict__)
    with pytest.raises(AssertionError):
        check(module)


def test_draws_without_a_finite_replicate_have_a_reason():
    values = np.array([1.0] * 8 + [1.5])
    draw = next(s for s in range(99) if 8 not in np.random.default_rng(s).integers(9, size=9))
    found = bca_interval(values, resampled_dz, resamples=1, rng=np.random.default_rng(draw))
    assert np.isnan(found.low)
    assert found.reason.item()
