"""Do 95 % intervals cover, and do 5 % tests reject 5 %, at the size of a training study?

    python examples/simulate_coverage.py docs/results/statistics
    python examples/simulate_coverage.py /tmp/small --studies 200

It simulates studies whose truth is known, prints two tables and writes them to the folder named:
coverage.csv (t, percentile and BCa intervals of a mean, a difference, dz and eta squared for 4 to
20 seeds) and best_contrasts.csv (tests of the rise from the best interval). What they say stands in
docs/contrasts.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from stats.best import flip_test, own_best_t, t_of
from stats.bootstrap import bca_interval, resampled_mean
from stats.descriptives import t_quantile
from stats.effect_sizes import (
    cohen_dz,
    hedges_correction,
    noncentrality_interval,
    resampled_dz,
    resampled_eta_squared,
)
from stats.simulated import ar1_studies

FloatArray = NDArray[np.float64]
SEEDS = (4, 6, 8, 12, 20)
INTERVALS = 21
RESAMPLES = 2_000  # for 12 and 20 seeds; all distinct ones are visited below
TRUE_DZ = 1.0
ETA_RHO = 0.9
STUDIES_AT_ONCE = 100
FALL = 100.0  # SD of the errors; real losses fall by more


def draw(rng: np.random.Generator, seeds: str, size: tuple[int, ...]) -> FloatArray:
    """Mean 0 and SD 1: "normal", "skewed" (lognormal, skewness 1.75) or "heavy" (t, 3 d.f.)."""
    if seeds == "normal":
        return rng.standard_normal(size)
    if seeds == "skewed":
        square = np.exp(0.25)
        raw = np.exp(0.5 * rng.standard_normal(size))
        return np.asarray((raw - np.sqrt(square)) / np.sqrt(square * (square - 1)))
    return np.asarray(rng.standard_t(3, size) / np.sqrt(3))


def coverage(studies: int, seeds: tuple[int, ...] = SEEDS) -> pd.DataFrame:
    """Share of nominal 95 % intervals that hold the truth, and of those that lie wholly beside it.

    Returns
    -------
    DataFrame
        quantity, distribution, method, seeds, coverage, se (Monte-Carlo), too_low (share of
        intervals below the truth), too_high, median_width.
    """
    rows = []
    for n in seeds:
        rng = np.random.default_rng(n)
        for distribution in ("normal", "skewed", "heavy"):
            first, second = draw(rng, distribution, (2, n, studies))
            for quantity, truth, method, low, high in [
                *_of_mean("mean", first, rng),
                *_of_mean("difference", first - second, rng),
                *_of_dz(first + TRUE_DZ, rng),
            ]:
                key = (quantity, distribution, method, n)
                rows.append((*key, *_score(truth, low, high)))
        for eta in (0.5, 0.9):
            for method, low, high in _of_eta_squared(rng, n, studies, eta):
                rows.append((f"eta squared {eta}", "normal", method, n, *_score(eta, low, high)))
    names = "quantity distribution method seeds coverage se too_low too_high median_width"
    return pd.DataFrame(rows, columns=names.split())


def _score(truth: float, low: FloatArray, high: FloatArray) -> tuple[float, ...]:
    covered = float(((low <= truth) & (truth <= high)).mean())  # no interval covers nothing
    se = float(np.sqrt(covered * (1 - covered) / len(low)))
    width = float(np.nanmedian(high - low))
    return covered, se, float((high < truth).mean()), float((low > truth).mean()), width


def _of_mean(
    name: str, scores: FloatArray, rng: np.random.Generator
) -> Iterator[tuple[str, float, str, FloatArray, FloatArray]]:
    n = len(scores)
    half = t_quantile(0.95, n - 1) * scores.std(axis=0, ddof=1) / np.sqrt(n)
    mean = scores.mean(axis=0)
    yield name, 0.0, "t", mean - half, mean + half
    of = bca_interval(scores, resampled_mean, resamples=RESAMPLES, rng=rng)
    yield name, 0.0, "percentile", of.percentile_low, of.percentile_high
    yield name, 0.0, "BCa", of.low, of.high


def _of_dz(
    scores: FloatArray, rng: np.random.Generator
) -> Iterator[tuple[str, float, str, FloatArray, FloatArray]]:
    n = len(scores)
    low, high = noncentrality_interval(np.sqrt(n) * cohen_dz(scores), n - 1)
    yield "dz", TRUE_DZ, "noncentral t", low / np.sqrt(n), high / np.sqrt(n)
    of = bca_interval(scores, resampled_dz, resamples=RESAMPLES, rng=rng)
    yield "dz", TRUE_DZ, "percentile", of.percentile_low, of.percentile_high
    yield "dz", TRUE_DZ, "BCa", of.low, of.high
    correction = hedges_correction(n - 1)
    yield "dz", TRUE_DZ, "BCa of gz", correction * of.low, correction * of.high


def _of_eta_squared(
    rng: np.random.Generator, n: int, studies: int, eta: float
) -> Iterator[tuple[str, FloatArray, FloatArray]]:
    """Autocorrelated studies whose means fall in a line, so that eta squared is `eta`."""
    profile = np.linspace(1, -1, INTERVALS)
    # variance of the means over itself plus 1 of the seeds' levels and 1 of the errors
    profile *= np.sqrt(2 * eta / (1 - eta) / np.mean(profile**2))
    parts = []
    for start in range(0, studies, STUDIES_AT_ONCE):
        count = min(STUDIES_AT_ONCE, studies - start)
        values = profile + ar1_studies(rng, count, n, INTERVALS, ETA_RHO)
        of = bca_interval(
            values.transpose(1, 2, 0), resampled_eta_squared, resamples=RESAMPLES, rng=rng
        )
        parts.append((of.percentile_low, of.percentile_high, of.low, of.high))
    percentile_low, percentile_high, low, high = (
        np.concatenate(part) for part in zip(*parts, strict=True)
    )
    yield "percentile", percentile_low, percentile_high
    yield "BCa", low, high


def statistics(profiles: FloatArray) -> FloatArray:
    """(..., 8), fall and rise of each: t with the best of the other seeds, its size; own best's t
    and mean."""
    others = profiles.sum(axis=-2, keepdims=True) - profiles
    at_best = np.take_along_axis(profiles, others.argmin(axis=-1)[..., None], axis=-1)[..., 0]
    t = t_of(np.stack([profiles[..., 0] - at_best, profiles[..., -1] - at_best], axis=-1))
    mean = profiles.mean(axis=-2)
    differences = mean[..., [0, -1]] - mean.min(axis=-1, keepdims=True)
    return np.concatenate([t, np.abs(t), own_best_t(profiles), differences], axis=-1)


def trajectories() -> dict[str, tuple[FloatArray, tuple[float, ...]]]:
    """Mean profiles (K,) and the autocorrelations to try with them."""
    i = np.arange(INTERVALS, dtype=np.float64)
    fall = FALL * np.maximum(1 - i / 10, 0)
    profiles: dict[str, tuple[FloatArray, tuple[float, ...]]] = {
        "flat": (np.zeros(INTERVALS), (0.0, 0.5, 0.9, 0.99)),
        "falls, then flat": (fall, (0.0, 0.5, 0.9, 0.99)),
        "falls by 3 SD, then flat": (0.03 * fall, (0.0, 0.9)),
        "falls, then rises by 2 SD": (fall + 0.2 * np.maximum(i - 10, 0), (0.9,)),
        "rises by 2 SD": (0.1 * i, (0.9,)),
    }
    return profiles


def levels(studies: int, seeds: int = 6) -> pd.DataFrame:
    """Share of studies in which a test finds a fall to the best interval or a rise from it.

    Returns
    -------
    DataFrame
        trajectory, rho, contrast, test, two_sided (at .05; none for flips of the own best, which
        rises only), upwards (one-sided, at .05), upwards_025 (at .025), studies. The Monte-Carlo
        error of a share s is sqrt(s (1 - s) / studies).
    """
    rows = []
    for name, (profile, rhos) in trajectories().items():
        for rho in rhos:
            rng = np.random.default_rng(seeds)
            values = profile + ar1_studies(rng, studies, seeds, INTERVALS, rho)
            t = statistics(values)
            flips = np.array([flip_test(study, statistics) for study in values])  # (M, 8)
            above = special.stdtr(seeds - 1, -t)  # the chance of a larger t
            for j, contrast in enumerate(("fall", "rise")):
                if contrast == "fall" and name != "flat":
                    continue  # it is there
                for test, both, upwards in [
                    ("own best, t", 2 * above[:, 4 + j], above[:, 4 + j]),
                    ("other seeds' best, t", 2 * above[:, 2 + j], above[:, j]),
                    ("other seeds' best, t, flips", flips[:, 2 + j], flips[:, j]),
                    ("own best, mean, flips", None, flips[:, 6 + j]),
                    ("own best, t, flips", None, flips[:, 4 + j]),
                ]:
                    two_sided = np.nan if both is None else float((both <= 0.05).mean())
                    shares = [float((upwards <= level).mean()) for level in (0.05, 0.025)]
                    rows.append((name, rho, contrast, test, two_sided, *shares, studies))
    names = "trajectory rho contrast test two_sided upwards upwards_025 studies"
    return pd.DataFrame(rows, columns=names.split())


def main() -> None:
    """Both tables, printed and written."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where coverage.csv and best_contrasts.csv go")
    parser.add_argument("--studies", type=int, default=4000, help="for each row (default: 4000)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, table in (
        ("coverage", coverage(options.studies)),
        ("levels", levels(options.studies)),
    ):
        print(table.to_string(index=False, float_format="{:.3f}".format), end="\n\n")
        table.to_csv(options.folder / f"{name}.csv", index=False, float_format="%.5g")


if __name__ == "__main__":
    main()
