"""Which differences between intervals are more than chance; one condition at a time.

The tables of `stats.contrasts`, `stats.best`, `stats.rank_tests` and `stats.autocorrelation` with
the study's settings, and the bootstrap beside the t intervals.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from stats.answers import Answers, answers, with_and_without_0
from stats.autocorrelation import residual_autocorrelation
from stats.best import best_contrasts
from stats.bootstrap import bca_interval, resampled_mean
from stats.contrasts import adjacent_contrasts, polynomial_trends
from stats.descriptives import t_quantile
from stats.effect_sizes import resampled_eta_squared
from stats.matrix import seed_matrix
from stats.measures import MeasureSettings
from stats.rank_tests import FRIEDMAN_WARNING, PERMUTATION_WARNING, friedman_test, permutation_test

LOSS = "val_loss"
PERMUTATION_SEED = 0  # the same study gives the same table
MOST_PERMUTED = 20_000  # cells; 10,000 permutations of more take minutes


def infer(telemetry: pd.DataFrame, settings: MeasureSettings) -> Answers:
    """The tables of one condition, all of the validation loss.

    Returns
    -------
    Answers
        contrasts_best, contrasts_trend (without interval 0), contrasts_adjacent; intervals (of
        each mean by t and by BCa), effect_sizes (of the analyses of variance, with BCa),
        autocorrelation and rank_tests (with and without interval 0).
    """
    confidence = settings.confidence
    trained = telemetry[telemetry["interval"] > 0]
    return answers(
        {
            "contrasts_best": (
                "contrasts with the best interval",
                lambda: best_contrasts(telemetry, LOSS, confidence=confidence),
            ),
            "contrasts_trend": (
                "trends",
                lambda: polynomial_trends(trained, LOSS, confidence=confidence),
            ),
            "contrasts_adjacent": (
                "contrasts of neighbouring intervals",
                lambda: adjacent_contrasts(telemetry, LOSS, confidence=confidence),
            ),
            "intervals": (
                "intervals of the means",
                lambda: intervals_of_means(telemetry, LOSS, confidence),
            ),
            "effect_sizes": (
                "interval of eta squared",
                lambda: with_and_without_0(telemetry, lambda part: _eta_squared(part, confidence)),
            ),
            "autocorrelation": (
                "autocorrelation",
                lambda: with_and_without_0(telemetry, residual_autocorrelation),
            ),
            "rank_tests": (
                "rank and permutation tests",
                lambda: with_and_without_0(telemetry, _rank_tests),
            ),
        }
    )


def intervals_of_means(
    frame: pd.DataFrame, column: str = LOSS, confidence: float = 0.95
) -> pd.DataFrame:
    """The mean of each interval with its t interval and, beside it, that of the bootstrap.

    Returns
    -------
    DataFrame
        interval, seeds, mean, low, high (Student's t), low_bca, high_bca. Six seeds' BCa
        intervals are too short (docs/contrasts.md).
    """
    loss = seed_matrix(frame, column, least_seeds=2)
    n = len(loss.values)
    mean, sd = loss.values.mean(axis=0), loss.values.std(axis=0, ddof=1)
    half = t_quantile(confidence, n - 1) * sd / np.sqrt(n)
    bca = bca_interval(loss.values, resampled_mean, confidence=confidence)
    return pd.DataFrame(
        {
            "interval": loss.intervals,
            "seeds": n,
            "mean": mean,
            "low": mean - half,
            "high": mean + half,
            "low_bca": bca.low,
            "high_bca": bca.high,
        }
    )


def _eta_squared(part: pd.DataFrame, confidence: float) -> pd.DataFrame:
    loss = seed_matrix(part, LOSS, least_seeds=2)
    bca = bca_interval(loss.values, resampled_eta_squared, confidence=confidence)
    return pd.DataFrame(
        {
            "dv": [LOSS],
            "ng2": np.ravel(bca.estimate),
            "low_bca": np.ravel(bca.low),
            "high_bca": np.ravel(bca.high),
        }
    )


def _rank_tests(part: pd.DataFrame) -> pd.DataFrame:
    """Friedman's test in both forms and the permutation within seeds, a row each."""
    friedman = friedman_test(part, LOSS, "interval", "seed").iloc[0]
    rows = [
        ("Friedman, chi-square", friedman["Q"], friedman["p_unc"], FRIEDMAN_WARNING),
        ("Friedman, F", friedman["F"], friedman["p_F"], FRIEDMAN_WARNING),
    ]
    if len(part) <= MOST_PERMUTED:
        rng = np.random.default_rng(PERMUTATION_SEED)
        permuted = permutation_test(part, LOSS, "interval", "seed", rng=rng).iloc[0]
        rows.append(
            ("permutation within seeds", permuted["F"], permuted["p_unc"], PERMUTATION_WARNING)
        )
    table = pd.DataFrame(rows, columns=["test", "statistic", "p", "warning"])
    table.insert(1, "W", [friedman["W"], friedman["W"], np.nan][: len(table)])
    return table
