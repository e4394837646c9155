"""The verdict's sentences against matrices whose answer is known, degenerate ones too."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from stats.anova_verdict import anova_findings
from stats.best import best_contrasts
from stats.descriptives import rise_from_best
from stats.effects import AnovaResults, analyses_of_variance, seed_table
from stats.measures import MeasureSettings, add_measures
from stats.verdict import verdict

SETTINGS = MeasureSettings()


def telemetry_of(loss):
    """Rows of a condition with the losses (S, K)."""
    seeds, intervals = np.indices(loss.shape)
    frame = pd.DataFrame(
        {
            "condition": "baseline",
            "seed": seeds.ravel(),
            "interval": intervals.ravel(),
            "step": 10 * intervals.ravel(),
            "tokens_seen": 1_000_000 * intervals.ravel(),
            "epoch": np.nan,
            "val_loss": loss.ravel(),
            "val_perplexity": np.exp(loss.ravel()),
            "train_sample_loss": loss.ravel() - 0.5,
            "flops": 1e12 * intervals.ravel(),
        }
    )
    return add_measures(frame, SETTINGS)


def findings(loss, best=None):
    telemetry = telemetry_of(loss)
    anova = analyses_of_variance(telemetry, SETTINGS)
    return verdict(telemetry, seed_table(telemetry, SETTINGS), anova, SETTINGS, best)


def study(rise, noise, seeds=6):
    rng = np.random.default_rng(0)
    mean = np.array([8.0, 4.0, 3.0, 2.5, 2.5 + rise / 2, 2.5 + rise])
    return mean + noise * rng.standard_normal((seeds, 6))


def finding_with(found, word):
    return next(f for f in found if word in f.sentence)


def test_a_clear_rise_has_scipys_interval():
    loss = study(1.0, 0.05)
    found = finding_with(findings(loss), "bought nothing")
    assert "more than the disagreement of the seeds explains" in found.sentence
    rise, _ = rise_from_best(loss)
    low, high = scipy_stats.t.interval(0.95, 5, rise.mean(), scipy_stats.sem(rise))
    assert f"Mean rise = {rise.mean():.4f} nats, 95 % CI [{low:.4f}, {high:.4f}]" in found.apa
    assert "df = 5" in found.apa
    assert "F(" not in found.sentence
    assert "CI" not in found.sentence


def test_seeds_that_rise_alike_are_not_judged_by_their_disagreement():
    copies = np.tile(study(1.0, 0.05)[:1], (6, 1))
    for loss in (copies, copies + np.arange(6)[:, None], np.full((6, 5), 4.1)):
        found = finding_with(findings(loss), "bought nothing")
        assert "no disagreement to judge it by" in found.sentence


def test_few_seeds_are_not_said_to_disagree_where_the_test_cannot_find():
    loss = study(1.0, 0.05, seeds=5)
    found = finding_with(findings(loss, best_contrasts(telemetry_of(loss))), "bought nothing")
    assert "with 5 seeds their p is 0.0625 at best" in found.sentence
    assert "disagree" not in found.sentence


def test_a_rise_within_the_noise_is_not_called_one():
    found = finding_with(findings(study(0.02, 0.2)), "bought nothing")
    assert "disagree too much to call that a rise" in found.sentence
    low = float(re.search(r"CI \[(-?[\d.]+),", found.apa)[1])
    assert low <= 0


def test_the_gap_has_scipys_interval_and_its_sign():
    found = finding_with(findings(study(1.0, 0.05)), "generalisation gap")
    assert "goes from 0.5000 nats at the best interval to 0.5000 at the last" in found.sentence
    assert "= 0.5000 nats, 95 % CI [0.5000, 0.5000]" in found.apa


def test_sentences_read_without_statistics():
    """What a statistician needs stands apart: no symbol of his in a sentence."""
    for loss in (study(1.0, 0.05), study(0.0, 0.3), study(1.0, 0.1, seeds=1)):
        for found in findings(loss):
            assert not re.search(r"F\(|t\(|p [<=]|η|ε|CI|d\.f\.", found.sentence)
            assert found.sentence.endswith(".")
            assert found.apa == "" or found.apa.endswith(".")
            assert "nan" not in str(found)


def row(p, with_0, first):
    return {
        "dv": "val_loss",
        "intervals": f"{first}..20",
        "with_interval_0": with_0,
        **{"F": 12.5, "ddof1_GG": 2.0, "ddof2_GG": 10.0, "p_GG_corr": p, "eps": 0.1, "ng2": 0.5},
    }


@pytest.mark.parametrize(
    ("with_0", "without_0", "expected"),
    [
        (0.001, 0.01, "differs between intervals by more than the seeds disagree, with interval 0"),
        (0.001, 0.2, "but only as long as interval 0, the untrained model, counts"),
        (0.2, 0.01, "once interval 0 is left out; with it no difference is shown"),
        (0.05, 0.05, "is not shown to differ between intervals"),
        (0.001, None, "differs between intervals by more than the seeds disagree (intervals 0 to"),
        (0.3, None, "is not shown to differ between intervals"),
    ],
)
def test_each_outcome_of_the_two_analyses_has_its_sentence(with_0, without_0, expected):
    rows = [row(with_0, True, 0)]
    if without_0 is not None:
        rows.append(row(without_0, False, 1))
    (found,) = anova_findings(AnovaResults(pd.DataFrame(rows), ()), 6)
    assert expected in found.sentence
    assert found.apa.startswith("Intervals 0 to 20: F(2.00, 10.00) = 12.50, p ")
    assert found.apa.count("F(") == len(rows)


def test_refusals_are_findings_too():
    (found,) = anova_findings(AnovaResults(pd.DataFrame(), ("No ANOVA: why.",)), 6)
    assert str(found) == "No ANOVA: why."
