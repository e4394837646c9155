"""Grids of thresholds against the plain functions, one setting at a time, and the sentences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stats import MeasureSettings, measures, robustness_sentences, sensitivity_grids
from stats.measures import add_measures
from stats.sensitivity import _median_without_each, earliest_within

SETTINGS = MeasureSettings(spike_ratio=0.03)


def telemetry_of(loss, settings=SETTINGS):
    s, k = loss.shape
    columns = {
        "condition": "baseline",
        "seed": np.repeat(np.arange(s), k),
        "interval": np.tile(np.arange(k), s),
        "step": np.tile(np.arange(k), s) * 100,
        "tokens_seen": np.tile(np.arange(k), s) * 400_000,
        "val_loss": loss.ravel(),
    }
    absent = dict.fromkeys(("train_sample_loss", "val_perplexity", "flops"), np.nan)
    return add_measures(pd.DataFrame({**columns, **absent}), settings)


def study(s=4, k=14, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    return 2.5 + 5 * np.exp(-np.arange(k)) + noise * rng.standard_normal((s, k))


STEPS = {
    ("baseline", s): pd.DataFrame(
        {
            "step": np.arange(1, 1401),
            "train_loss": np.random.default_rng(s).standard_t(4, 1400),
            "grad_norm": np.random.default_rng(s + 9).standard_t(3, 1400),
        }
    )
    for s in (0, 2)
}


@pytest.fixture(scope="module")
def grids():
    return sensitivity_grids(telemetry_of(study()), SETTINGS, STEPS)


def test_settings_in_use_are_always_tried(grids):
    for name, grid in grids.items():
        assert grid["in_use"].sum() == 1, name
    spikes = grids["interval_spikes"]
    assert spikes.loc[spikes["in_use"], "spike_ratio"].tolist() == [0.03]
    assert len(grids["stable_phase"]) == 160


def test_grids_are_the_plain_functions_one_setting_at_a_time(grids):
    loss = study()
    for row in grids["backslides"].itertuples():
        flags = measures.backslide(loss, row.backslide_tolerance)
        assert (row.backslides, row.seeds_with) == (flags.sum(), flags.any(axis=1).sum())
    for row in grids["interval_spikes"].itertuples():
        assert row.interval_spikes == measures.interval_spike(loss, row.spike_ratio).sum()
    for row in grids["stable_phase"].itertuples():
        other = replace(
            SETTINGS,
            volatility_window=row.volatility_window,
            volatility_of=row.volatility_of,
            stable_volatility=row.stable_volatility,
            stable_run=row.stable_run,
        )
        own = telemetry_of(loss, other)
        by_seed = own.groupby("seed")["stable_phase"].any()
        assert row.seeds_with == by_seed.sum()
        first = own.loc[own["stable_phase"], "interval"].min()
        assert (pd.isna(row.first_interval) and pd.isna(first)) or row.first_interval == first


def test_step_spikes_are_those_of_telemetry(grids):
    grid = grids["step_spikes"]
    for row in grid.sample(5, random_state=0).itertuples():
        other = replace(
            SETTINGS, step_spike_window=row.step_spike_window, step_spike_sds=row.step_spike_sds
        )
        counted = add_measures(telemetry_of(study())[BASIC], other, STEPS)["step_spikes"]
        assert row.step_spikes == counted.sum()
    assert (grid["seeds"] == 2).all()
    assert grid["step_spikes"].max() > 0


BASIC = ["condition", "seed", "interval", "step", "tokens_seen", "val_loss"]
BASIC += ["train_sample_loss", "val_perplexity", "flops"]


@pytest.mark.parametrize("n", [2, 3, 6, 7])
def test_leaving_each_seed_out_by_brute_force(n):
    loss = study(n, noise=0.05, seed=n).round(2)  # with ties
    grid = sensitivity_grids(telemetry_of(loss), SETTINGS)["best_interval"]
    median = [np.median(np.delete(loss, i, axis=0), axis=0) for i in range(n)]
    np.testing.assert_allclose(_median_without_each(loss), median, rtol=1e-14)
    assert len(grid) == 6 * (1 + n) + n
    loss = study(n, noise=0.05, seed=n)
    grid = sensitivity_grids(telemetry_of(loss), SETTINGS)["best_interval"]
    for row in grid.itertuples():
        rest = np.delete(loss, row.seed, axis=0) if row.left_out else loss
        if row.definition == "seed":
            curve = loss[row.seed]
        else:
            curve = getattr(np, row.definition)(rest, axis=0)
        expected = next(i for i, value in enumerate(curve) if value <= curve.min() + row.delta)
        assert row.best_interval == expected
    assert earliest_within(np.array([3.0, 2.04, 2.0]), 0.05) == 1


def test_returns_by_threshold(grids):
    gain = measures.marginal_gain(study().mean(axis=0), np.arange(14) * 0.4)
    for row in grids["diminishing_returns"].itertuples():
        first, for_good = measures.diminishing_interval(gain, row.gain_threshold)
        for got, expected in ((row.first, first), (row.for_good, for_good)):
            assert (expected is None and pd.isna(got)) or got == expected


def sentences(loss, steps=None):
    return robustness_sentences(sensitivity_grids(telemetry_of(loss), SETTINGS, steps))


def test_sentences_of_a_verdict_that_holds():
    falling = 80 * 0.75 ** np.arange(14) + 0.01 * np.arange(3)[:, None]
    assert sentences(falling) == [
        "The best interval is 13 under all 6 definitions.",
        "No single seed decides it: without any one it stays interval 13.",
        "There is no backslide at any of the 8 tolerances tried (0 to 0.1 nats).",
        "There is no interval spike at any of the 7 ratios tried (0.005 to 0.2).",
        "There is no stable phase at any of the 160 settings tried.",
        "Returns do not diminish at any of the 7 thresholds tried (0.001 to 0.1 nats a million "
        "tokens).",
    ]


def test_sentences_of_a_verdict_that_hangs_on_a_seed():
    loss = np.full((3, 14), 3.0) + 0.01 * np.arange(14)
    loss[:, 5], loss[:, 8] = 2.99, 2.98
    loss[2, 8], loss[2, 5] = 3.2, 2.0
    text = sentences(loss)
    assert text[0].startswith("The best interval is 5 under 5 of 6 definitions; 8 for the ")
    assert text[1] == (
        "It hangs on single seeds: leaving one out moves the mean's best interval in 1 of 3 cases "
        "(8 without seed 2)."
    )
    assert "from interval" not in text[2]
    assert "there is at least one at each" in text[2]


def test_one_seed_and_few_intervals():
    text = sentences(study(1, 3))
    assert "A stable phase cannot be judged at" not in " ".join(text)  # a window of 2 may see one
    assert not any("single seed" in sentence for sentence in text)
    text = sentences(study(2, 2), STEPS)
    assert "A stable phase cannot be judged at any of the 160 settings tried." in text
    assert any("step spike" in sentence for sentence in text)


def test_a_calm_study_is_stable_at_each_setting():
    calm = np.full((2, 40), 3.0) - 1e-6 * np.arange(40)
    assert "Every seed has a stable phase at each of the 160 settings tried." in sentences(calm)
