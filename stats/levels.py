"""Does a test hold its level? The share of true null hypotheses that it rejects, by simulation.

A test at alpha = .05 promises to reject at most 5 % of true null hypotheses. Whether it keeps the
promise depends on the number of seeds and intervals and on how neighbouring intervals resemble each
other: ask here for a study of your own size. docs/levels.md explains and has a table.

Shapes: S seeds, K intervals.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from stats.anova import f_tail, sign_flip_p
from stats.partition import one_way
from stats.rank_tests import concordance, permutation_p
from stats.simulated import ar1_studies, random_walk_studies
from stats.sphericity import greenhouse_geisser, huynh_feldt, mauchly

FloatArray = NDArray[np.float64]
TESTS = (
    "uncorrected F",
    "Greenhouse-Geisser",
    "Huynh-Feldt",
    "lower bound",
    "sign flip",
    "Friedman chi-square",
    "Friedman F",
    "permutation within seeds",
    "let Mauchly choose",
)
ERRORS = ("normal", "heavy tails", "skewed", "shrinking", "random walk")
FIRST_TO_LAST_SD = 5.0  # of "shrinking" errors
SIMULATED_AT_ONCE = 2_000_000  # numbers, 16 MB
TOLERANCE = 3.0  # Monte-Carlo standard errors that count as equal to the level


def simulated_levels(
    rng: np.random.Generator,
    *,
    seeds: int = 6,
    intervals: int = 21,
    rho: float = 0.9,
    errors: str = "normal",
    studies: int = 4000,
    alpha: float = 0.05,
    permutations: int = 499,
) -> pd.DataFrame:
    """Share of true null hypotheses that each test rejects in a study of this size.

    Parameters
    ----------
    rng : Generator
    seeds, intervals : int
        Size of the study.
    rho : float
        Correlation of the errors of neighbouring intervals, in (-1, 1); see
        `residual_autocorrelation` for that of a study. Must be 1 for a random walk.
    errors : str
        "normal", "heavy tails" (Student's t, 3 degrees of freedom), "skewed" (exponential),
        "shrinking" (normal, the SD falling evenly in its logarithm to a fifth from first to last
        interval) or "random walk" (normal).
    studies : int
        Studies to simulate; the standard error of a share near alpha is
        sqrt(alpha (1 - alpha) / studies), .0034 for the default.
    alpha : float
        Nominal level.
    permutations : int
        Of each study for "permutation within seeds". With 499 a p of exactly .05 is possible.

    Returns
    -------
    DataFrame
        A row a test of `TESTS`: test, rejected (share of studies with p <= alpha), se (its
        Monte-Carlo standard error), verdict: "holds" within three standard errors of alpha,
        "too often" above, "cautious" (it holds, and rejects less than it may) below.

    Raises
    ------
    ValueError
        A parameter is out of range; the message names it.

    Notes
    -----
    "let Mauchly choose" corrects by Greenhouse-Geisser where Mauchly's test rejects sphericity at
    .05 and not at all elsewhere, also where that test is undefined, as a program does that takes
    "undefined" for "met".
    """
    flat = np.zeros(max(0, intervals))
    table = _rejections(rng, flat, seeds, rho, errors, studies, alpha, permutations)
    excess = (table["rejected"] - alpha) / np.sqrt(alpha * (1 - alpha) / studies)
    table["verdict"] = np.select(
        [excess > TOLERANCE, excess < -TOLERANCE], ["too often", "cautious"], "holds"
    )
    return table


def simulated_power(
    rng: np.random.Generator,
    mean: ArrayLike,
    *,
    seeds: int = 6,
    rho: float = 0.9,
    errors: str = "normal",
    studies: int = 4000,
    alpha: float = 0.05,
    permutations: int = 499,
) -> pd.DataFrame:
    """Share of studies in which each test finds that `mean` is not flat: its power.

    Parameters
    ----------
    rng : Generator
    mean : array of shape (K,)
        True mean trajectory, in SDs of the errors at an interval (of a step in a random walk).
    seeds, rho, errors, studies, alpha, permutations
        As in `simulated_levels`.

    Returns
    -------
    DataFrame
        A row a test: test, rejected, se. Power is of interest only where the level is held.
    """
    profile = np.asarray(mean, dtype=np.float64)
    if profile.ndim != 1 or not np.isfinite(profile).all():
        raise ValueError("mean must be one row of finite numbers, one an interval")
    return _rejections(rng, profile, seeds, rho, errors, studies, alpha, permutations)


def p_values(table: FloatArray, rng: np.random.Generator, permutations: int) -> dict[str, float]:
    """p of each of `TESTS` for one study (S, K), by the functions that analyse a real one."""
    seeds, intervals = table.shape
    effect = one_way(table, "interval").effects[0]
    ddof1, ddof2 = effect.ddof, effect.error.ddof
    f = (effect.ss / ddof1) / (effect.error.ss / ddof2)
    eps = greenhouse_geisser(effect.residual, ddof1, seeds - 1)
    eps_hf = huynh_feldt(eps, ddof1, seeds - 1)
    ranks = concordance(table)
    uncorrected, corrected = f_tail(f, ddof1, ddof2), f_tail(f, eps * ddof1, eps * ddof2)
    p_mauchly = mauchly(table, (intervals,), 1, intervals)[1]  # NaN where undefined
    return {
        "uncorrected F": uncorrected,
        "Greenhouse-Geisser": corrected,
        "Huynh-Feldt": f_tail(f, eps_hf * ddof1, eps_hf * ddof2),
        "lower bound": f_tail(f, 1, seeds - 1),
        "sign flip": sign_flip_p(table),
        "Friedman chi-square": ranks.p_chi_square,
        "Friedman F": ranks.p_f,
        "permutation within seeds": permutation_p(table, rng, permutations),
        "let Mauchly choose": corrected if p_mauchly <= 0.05 else uncorrected,
    }


def _rejections(
    rng: np.random.Generator,
    mean: FloatArray,
    seeds: int,
    rho: float,
    errors: str,
    studies: int,
    alpha: float,
    permutations: int,
) -> pd.DataFrame:
    if seeds < 2 or len(mean) < 2:
        raise ValueError(f"seeds={seeds} and intervals={len(mean)} must each be at least 2")
    if studies < 1 or permutations < 1:
        raise ValueError(f"studies={studies} and permutations={permutations} must be at least 1")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha} must lie between 0 and 1, both excluded")
    rejected = np.zeros(len(TESTS))
    for tables in _studies(rng, seeds, len(mean), rho, errors, studies):
        for table in tables:
            found = p_values(table + mean, rng, permutations)
            # 25 / 500 is 0.05 in float64 too, but other quotients may miss it by rounding
            rejected += np.array([found[test] for test in TESTS]) <= alpha * (1 + 1e-12)
    share = rejected / studies
    se = np.sqrt(share * (1 - share) / studies)
    return pd.DataFrame({"test": TESTS, "rejected": share, "se": se})


def _studies(
    rng: np.random.Generator, seeds: int, intervals: int, rho: float, errors: str, studies: int
) -> Iterator[FloatArray]:
    """Null studies in blocks (M, S, K) of bounded memory."""
    if errors not in ERRORS:
        raise ValueError(f"errors={errors!r} must be one of {', '.join(map(repr, ERRORS))}")
    if (errors == "random walk") != (rho == 1):
        raise ValueError(f"rho={rho} with errors={errors!r}: rho is 1 for a random walk only")
    innovations = {"heavy tails": "t3", "skewed": "exponential"}.get(errors, "normal")
    sd = np.geomspace(FIRST_TO_LAST_SD, 1, intervals) if errors == "shrinking" else 1.0
    at_once = max(1, SIMULATED_AT_ONCE // (seeds * intervals))
    for start in range(0, studies, at_once):
        count = min(at_once, studies - start)
        if errors == "random walk":
            yield random_walk_studies(rng, count, seeds, intervals)
        else:
            yield ar1_studies(
                rng, count, seeds, intervals, rho, innovations=innovations, interval_sd=sd
            )
