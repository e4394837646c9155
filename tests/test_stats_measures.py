"""Trajectory measures on trajectories short enough to measure by hand."""

from __future__ import annotations

import numpy as np
import pytest

from stats import measures
from stats.descriptives import rise_from_best, t_interval
from stats.measures import MeasureSettings

LOSS = np.array([8.0, 4.0, 3.0, 3.5, 2.9, 2.9])
NAN = np.nan


def test_change():
    np.testing.assert_allclose(measures.change(LOSS), [NAN, -4, -1, 0.5, -0.6, 0], atol=1e-12)


def test_volatility_is_the_sample_sd_of_a_full_window():
    got = measures.rolling_volatility(np.array([1.0, 2.0, 3.0, 5.0]), 3)
    # 1, 2, 3: squares about 2 add up to 2, divisor 2; 2, 3, 5: about 10/3 to 42/9
    np.testing.assert_allclose(got, [NAN, NAN, 1.0, np.sqrt(42 / 9 / 2)])


def test_volatility_of_changes_begins_one_later():
    got = measures.rolling_volatility(np.array([1.0, 2.0, 3.0, 5.0]), 3, of="changes")
    np.testing.assert_allclose(got, [NAN, NAN, NAN, np.std([1, 1, 2], ddof=1)])
    assert MeasureSettings().first_volatility == 2
    assert MeasureSettings(volatility_of="changes").first_volatility == 3


@pytest.mark.parametrize(("tolerance", "expected"), [(0.0, [3]), (0.49, [3]), (0.5, [])])
def test_backslide_exceeds_its_tolerance(tolerance, expected):
    assert np.flatnonzero(measures.backslide(LOSS, tolerance)).tolist() == expected


def test_drawdown_is_measured_from_the_best_so_far():
    np.testing.assert_allclose(measures.drawdown(LOSS), [0, 0, 0, 0.5, 0, 0], atol=1e-12)


def test_interval_spike_is_relative():
    assert measures.interval_spike(LOSS, 0.05).tolist() == [False] * 3 + [True, False, False]
    assert not measures.interval_spike(LOSS, 0.2).any()


def test_step_spike_is_judged_by_the_steps_before_it():
    values = np.tile([1.0, 1.2], 100)
    sd = np.std(values[:128], ddof=1)
    values[150] = 1.1 + 5.9 * sd
    assert not measures.step_spike(values).any()
    values[150] = 1.1 + 6.1 * sd
    assert np.flatnonzero(measures.step_spike(values)).tolist() == [150]
    values[150], values[20] = 1.0, 100.0  # too short a past to tell
    assert not measures.step_spike(values)[20]


def test_stable_needs_a_quiet_window_without_a_rise():
    quiet = np.array([3.0, 2.0, 1.999, 1.998, 1.997, 1.9971, 1.996, 1.995, 1.994, 1.993])
    got = measures.stable(quiet, MeasureSettings())
    # interval 2 and 3 still hold the fall; the rise at 5 is in the windows that end at 5, 6, 7
    assert np.flatnonzero(got).tolist() == [3, 4, 8, 9]


def test_stable_phase_is_a_run():
    flags = np.array([[1, 1, 0, 1, 1, 1, 0], [0, 0, 1, 1, 0, 1, 1]], dtype=bool)
    got = measures.stable_phase(flags, 3)
    assert np.flatnonzero(got[0]).tolist() == [3, 4, 5]
    assert not got[1].any()
    assert measures.stable_phase(flags, 2).sum() == 2 + 3 + 2 + 2


def test_marginal_gain_counts_the_fall_of_the_best():
    tokens = np.array([0.0, 1.0, 2.0, 3.0, 5.0, 6.0])
    got = measures.marginal_gain(LOSS, tokens)
    np.testing.assert_allclose(got, [NAN, 4, 1, 0, 0.05, 0], atol=1e-12)


def test_diminishing_returns_for_the_first_time_and_for_good():
    gain = np.array([NAN, 4, 0.005, 0.05, 0.001, 0.0])
    assert measures.diminishing_interval(gain, 0.01) == (2, 4)
    assert measures.diminishing_interval(gain, 1e-9) == (5, 5)
    assert measures.diminishing_interval(np.array([NAN, 1.0]), 0.01) == (None, None)


def test_best_interval_is_the_earliest_of_equals():
    assert measures.best_interval(LOSS) == 4


def test_rise_is_judged_where_the_other_seeds_are_best():
    loss = np.array([[5.0, 1.0, 3.0, 4.0], [5.0, 3.0, 1.0, 4.0], [5.0, 2.9, 1.0, 4.0]])
    rise, chosen = rise_from_best(loss)
    assert chosen.tolist() == [2, 1, 1]  # means of the other two: (2.95, 1), (1.95, 2), (2, 2)
    np.testing.assert_allclose(rise, [1.0, 1.0, 1.1])


def test_choosing_on_the_same_seeds_would_flatter():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((400, 6, 21))
    honest = np.mean([rise_from_best(loss)[0].mean() for loss in noise])
    flattered = np.mean([loss[:, -1] - loss[:, loss.mean(axis=0).argmin()] for loss in noise])
    assert abs(honest) < 0.1
    assert flattered > 0.5


def test_t_interval_of_six_values():
    interval = t_interval(np.array([1.0, 2, 3, 4, 5, 6]))
    half = 2.570581836 * np.sqrt(3.5 / 6)  # t(.975, 5) SD / sqrt(6), SD^2 = 3.5
    assert (interval.low, interval.high) == pytest.approx((3.5 - half, 3.5 + half), abs=1e-8)
    assert np.isnan(t_interval(np.array([1.0])).low)


@pytest.mark.parametrize(
    ("name", "value"), [("volatility_window", 1), ("spike_ratio", -0.1), ("confidence", 1.0)]
)
def test_thresholds_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        MeasureSettings(**{name: value})
