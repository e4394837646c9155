"""What the next study should do: when to stop, and with how many seeds; one condition at a time.

Each table is a function of the library applied with the study's settings; where one has no answer
(one seed, no turn, no training sample) the reason is kept in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import cache

import numpy as np
import pandas as pd

from stats.answers import Answers, answers, with_and_without_0
from stats.matrix import Names
from stats.measures import MeasureSettings
from stats.precision import precision_curve
from stats.stopping import by_setting, honest_means, replay
from stats.stopping_rules import DEFAULT_RULES
from stats.turn import predict_turns, turn_errors
from stats.variability import (
    between_seed_variability,
    intraclass_correlations,
    variance_components,
)

# Studies simulated for each number of seeds. Their cost grows with the number of cells: 2,000 up to
# 20,000 cells, fewer (power_se in the table says how exact) beyond.
MOST_SIMULATIONS, LEAST_SIMULATIONS, LARGEST_WORK = 2000, 200, 40_000_000
SEEDS, FEW_SEEDS, MANY_CELLS = tuple(range(3, 21)), (3, 4, 6, 8, 12, 16, 20), 100_000
SIMULATION_SEED = 0  # one generator a condition: the same study gives the same table


def plan(telemetry: pd.DataFrame, settings: MeasureSettings) -> Answers:
    """The tables of one condition.

    The price of a million tokens is `settings.gain_threshold`: below it returns have diminished.

    Returns
    -------
    Answers
        stopping (`by_setting`), stopping_held_out (`honest_means`), turn (`turn_errors`),
        variability, variance and intraclass (with and without interval 0), precision.
    """
    price = settings.gain_threshold
    has_train = telemetry.loc[telemetry["interval"] > 0, "train_sample_loss"].notna().all()
    rules = [rule for rule in DEFAULT_RULES if has_train or rule.kind != "PQ"]
    columns = list(asdict(Names()).values())
    telemetry = telemetry[[name for name in columns if name in telemetry.columns]]
    replayed = cache(lambda: replay(telemetry, rules))
    simulations = max(LEAST_SIMULATIONS, min(MOST_SIMULATIONS, LARGEST_WORK // len(telemetry)))
    makers: dict[str, tuple[str, Callable[[], pd.DataFrame]]] = {
        "stopping": (
            "replay of stopping rules",
            lambda: by_setting(replayed(), price),
        ),
        "stopping_held_out": (
            "stopping threshold chosen by the other seeds",
            lambda: honest_means(replayed(), price),
        ),
        "turn": ("forecast of the turn", lambda: turn_errors(predict_turns(telemetry))),
        "variability": (
            "spread between seeds",
            lambda: between_seed_variability(telemetry, confidence=settings.confidence),
        ),
        "variance": (
            "split of the variance",
            lambda: with_and_without_0(telemetry, variance_components),
        ),
        "intraclass": (
            "intraclass correlation",
            lambda: with_and_without_0(telemetry, intraclass_correlations),
        ),
        "precision": (
            "number of seeds needed",
            lambda: precision_curve(
                telemetry,
                np.random.default_rng(SIMULATION_SEED),
                SEEDS if len(telemetry) <= MANY_CELLS else FEW_SEEDS,
                simulations=simulations,
                confidence=settings.confidence,
            ),
        ),
    }
    return answers(makers)
