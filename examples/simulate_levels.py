"""The tables of docs/levels.md: which tests hold their level, and what their caution costs.

    python examples/simulate_levels.py docs/results/statistics

Writes levels.csv (share of true null hypotheses rejected), power.csv (share of U-shaped courses
found) and autocorrelation.csv (what the lag-1 correlation of residuals makes of a known truth) into
the folder. Takes some five minutes on one core; every cell has a generator of its own, so that the
numbers do not depend on which cells stand before it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from stats.autocorrelation import expected_lag1, lag1_correlation, rho_of_lag1
from stats.levels import simulated_levels, simulated_power
from stats.simulated import ar1_studies, u_shape

STUDIES = 10_000
POWER_STUDIES = 4_000
PERMUTATIONS = 499
# (seeds, intervals, errors, rho)
LEVELS = [
    *((6, 21, "normal", rho) for rho in (0.0, 0.5, 0.9, 0.99)),
    (6, 21, "random walk", 1.0),
    (6, 21, "heavy tails", 0.9),
    (6, 21, "skewed", 0.0),
    (6, 21, "skewed", 0.9),
    (6, 21, "shrinking", 0.0),
    (6, 21, "shrinking", 0.9),
    (10, 21, "normal", 0.9),
    (20, 21, "normal", 0.9),
    (30, 5, "normal", 0.0),
    (30, 5, "normal", 0.9),
]
# (rho, size): height of the ends of the U above its bottom, in SDs of the errors at an interval
POWER = [(rho, size) for rho in (0.5, 0.9) for size in (0.5, 1.0, 2.0, 3.0)]
RHOS = (0.0, 0.5, 0.9, 0.99)


def levels() -> pd.DataFrame:
    """A row a (study, test)."""
    tables = []
    for seeds, intervals, errors, rho in LEVELS:
        key = [1, seeds, intervals, round(100 * rho), sum(errors.encode())]
        table = simulated_levels(
            np.random.default_rng(key),
            seeds=seeds,
            intervals=intervals,
            rho=rho,
            errors=errors,
            studies=STUDIES,
            permutations=PERMUTATIONS,
        )
        place = {"seeds": seeds, "intervals": intervals, "errors": errors, "rho": rho}
        tables.append(table.assign(**place, studies=STUDIES)[[*place, "studies", *table]])
        print(*place.values(), flush=True)
    return pd.concat(tables)


def power() -> pd.DataFrame:
    """A row a (U shape, test), 6 seeds x 21 intervals."""
    tables = []
    for rho, size in POWER:
        rng = np.random.default_rng([2, round(100 * rho), round(100 * size)])
        table = simulated_power(
            rng, u_shape(21, size), rho=rho, studies=POWER_STUDIES, permutations=PERMUTATIONS
        )
        place = {"size": size, "rho": rho}
        tables.append(table.assign(**place, studies=POWER_STUDIES)[[*place, "studies", *table]])
        print("power", *place.values(), flush=True)
    return pd.concat(tables)


def autocorrelation() -> pd.DataFrame:
    """Lag-1 correlation of the residuals of simulated studies of 6 x 21, and the rho made of it."""
    rows = []
    for rho in RHOS:
        rng = np.random.default_rng([3, round(100 * rho)])
        studies = ar1_studies(rng, POWER_STUDIES, 6, 21, rho)
        lag1 = np.array([lag1_correlation(study - study.mean(axis=0)) for study in studies])
        solved = np.array([rho_of_lag1(value, 21) for value in lag1])
        row = {"rho": rho, "studies": POWER_STUDIES, "expected": expected_lag1(rho, 21)}
        for name, values in (("lag1", lag1), ("solved", solved)):
            row[f"{name}_mean"] = values.mean()
            row[f"{name}_q05"], row[f"{name}_q95"] = np.quantile(values, [0.05, 0.95])
        rows.append(row)
    return pd.DataFrame(rows)


TABLES: dict[str, Callable[[], pd.DataFrame]] = {
    "levels": levels,
    "power": power,
    "autocorrelation": autocorrelation,
}


def main(folder: Path) -> int:
    """Simulate and write; returns the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in TABLES.items():
        table().to_csv(
            folder / f"{name}.csv", index=False, float_format="%.4f", lineterminator="\n"
        )
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        print("usage: python examples/simulate_levels.py FOLDER", file=sys.stderr)
        raise SystemExit(2)
    raise SystemExit(main(Path(sys.argv[1])))
