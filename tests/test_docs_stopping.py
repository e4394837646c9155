"""The figures in docs/stopping.md follow from docs/results/quick/intervals.csv and the example.

That study is run again whenever arithmetic changes, and its last digits move; so the figures are
held to what their sentences say, not to the digit.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stats import precision_curve, seeds_needed
from stats.measures import wide
from stats.stopping import by_setting, honest_means, replay
from stats.stopping_rules import (
    generalization_loss,
    intervals_without_best,
    rises_in_a_row,
    training_progress,
)
from stats.turn import predict_turns, turn_errors
from stats.variability import between_seed_variability, intraclass_correlations

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "stopping.md").read_text(encoding="utf-8")
JOINED = " ".join(TEXT.split())


@pytest.fixture(scope="module")
def quick():
    return pd.read_csv(DOCS / "results" / "quick" / "intervals.csv")


def row(name):
    """The cells after the first of the table row that begins with `name`."""
    (line,) = re.findall(rf"^\| {re.escape(name)} \|(.*)\|$", TEXT, flags=re.MULTILINE)
    return [cell.strip() for cell in line.split("|")]


def test_the_example():
    loss = np.array([float(cell) for cell in row("L")])
    for name, values in [
        ("best so far", np.minimum.accumulate(loss)),
        ("GL, percent", generalization_loss(loss)),
        ("rises in a row", rises_in_a_row(loss)),
        ("since the best", intervals_without_best(loss)),
    ]:
        np.testing.assert_allclose([float(cell) for cell in row(name)], values, atol=1e-9)


def numbers(pattern):
    """The numbers that stand in the page where `pattern` has groups; thousands may have commas."""
    (found,) = re.findall(pattern, JOINED)
    return [float(text.replace(",", "")) for text in ([found] if isinstance(found, str) else found)]


def test_rules_on_the_quick_study(quick):
    replayed = replay(quick)
    means = honest_means(replayed).set_index("rule")
    for rule in ("GL", "PQ", "UP", "patience", "never"):
        of = means.loc[rule]
        setting, *printed = row_of_rule(rule)
        assert setting == of["settings"]
        spent, wasted, regret = (float(cell.replace(",", "")) for cell in printed)
        assert of["tokens_spent"] == pytest.approx(spent, rel=0.05)
        assert of["tokens_wasted"] == pytest.approx(wasted, rel=0.2)
        assert of["regret"] == pytest.approx(regret, abs=0.002)
        assert rule == "never" or of["tokens_spent"] <= 2 / 3 * 600_064
    hasty = by_setting(replayed).set_index("setting").loc["patience(1)"]
    mean, worst = numbers(r"patience\(1\), .* lost ([\d.]+) nats in the mean, ([\d.]+) at worst")
    assert (hasty["regret"], hasty["largest_regret"]) == pytest.approx((mean, worst), abs=0.02)
    low, high = numbers(r"P over seeds lies between (\d+) and (\d+)")
    progress = training_progress(wide(quick, "train_sample_loss"), 5).mean(axis=0)[5:]
    assert (progress.min(), progress.max()) == pytest.approx((low, high), rel=0.1)


def row_of_rule(rule):
    lines = re.findall(rf"^\| {rule} \|(.*)\|$", TEXT, flags=re.MULTILINE)
    return [cell.strip() for cell in lines[-1].split("|")]


def test_forecasts_on_the_quick_study(quick):
    scores = turn_errors(predict_turns(quick))
    assert not scores["beats_baselines"].any()
    for last_seen, rows in scores.groupby("last_seen"):
        *printed, seeds = map(float, row(f"0 to {last_seen}"))
        np.testing.assert_allclose(rows["mean_error"], printed, atol=0.3)
        assert (rows["seeds"] == seeds).all()


def test_spread_of_the_quick_study(quick):
    table = intraclass_correlations(quick[quick["interval"] > 0]).set_index(["targets", "type"])
    (seed,) = numbers(r"without interval 0, it is (\.\d+):")
    assert table.loc[("seed", "ICC(3,1)"), "icc"] == pytest.approx(seed, abs=0.02)
    story = numbers(r"the same story: both are (\.\d+)")
    np.testing.assert_allclose(table.loc["interval", "icc"], story * 2, atol=0.005)
    early, turn = numbers(r"from ([\d.]+) nats at interval 2 to ([\d.]+) at interval 10")
    sd = between_seed_variability(quick)["sd"]
    assert (sd[2], sd[10]) == pytest.approx((early, turn), rel=0.2)


@pytest.mark.slow
def test_seeds_needed_for_the_quick_study(quick):
    large, small, none = (
        precision_curve(quick, np.random.default_rng(0), rise=rise, simulations=20_000)
        for rise in (0.1, 0.05, 0.0)
    )
    by_power, by_width = numbers(r"half_width=0.05\)\) # (\d+) (\d+)")
    assert seeds_needed(large, power=0.8) == pytest.approx(by_power, abs=1)
    assert seeds_needed(large, half_width=0.05) == pytest.approx(by_width, abs=1)
    for curve, pattern in [
        (large, r"0.1 nats would be found by some (\d+) %"),
        (small, r"only (\d+) %"),
    ]:
        (percent,) = numbers(pattern)
        assert 100 * curve.set_index("seeds").loc[6, "power"] == pytest.approx(percent, abs=4)
    assert none["power"].between(0.015, 0.035).all()
