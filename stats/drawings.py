"""Every figure of one condition, drawn from what was computed of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from matplotlib.figure import Figure

from stats import figures_of_estimates as estimates
from stats.condition import ConditionAnalysis
from stats.figures import FIGURES
from stats.heat_maps import residual_correlation, sensitivity_map
from stats.measures import MeasureSettings, wide
from stats.plotting import styled

LEAST_SEEDS = 3  # a correlation from two seeds is 1 or -1
COUNTED = {
    "backslides": ("backslide_tolerance", "tolerance (nats)"),
    "interval_spikes": ("spike_ratio", "rise (fraction of the loss)"),
}
LARGEST_MAP = 200  # intervals; more cells than that cannot be seen


def draw_all(condition: ConditionAnalysis, settings: MeasureSettings) -> dict[str, Figure]:
    """All figures that this condition has the numbers for, by name."""
    drawn = {name: styled(draw, condition.telemetry, settings) for name, draw in FIGURES.items()}
    for name, draw in _of_tables(condition).items():
        drawn[name] = styled(draw)
    return drawn


def _of_tables(condition: ConditionAnalysis) -> dict[str, Callable[[], Figure]]:
    inferred, planned = condition.inference.tables, condition.planning.tables
    found: dict[str, Callable[[], Figure]] = {}
    if "contrasts_adjacent" in inferred and len(inferred["contrasts_adjacent"]) <= LARGEST_MAP:
        found["contrasts"] = lambda: estimates.contrasts_forest(inferred["contrasts_adjacent"])
    loss = wide(condition.telemetry, "val_loss")
    if (
        len(loss) >= LEAST_SEEDS
        and 2 < loss.shape[1] <= LARGEST_MAP
        and (loss.std(axis=0) > 0).all()
    ):
        found["residual_correlation"] = lambda: residual_correlation(loss)
    if "stopping" in planned:
        found["stopping"] = lambda: estimates.stopping(
            planned["stopping"], planned.get("stopping_held_out")
        )
    if "precision" in planned:
        found["precision"] = lambda: estimates.precision(planned["precision"])
    found["stable_phase"] = lambda: stable_phase_map(condition.grids["stable_phase"])
    found["backslides_by_tolerance"] = lambda: counts_map(condition.grids, "backslides")
    found["spikes_by_ratio"] = lambda: counts_map(condition.grids, "interval_spikes")
    found["best_interval_by_definition"] = lambda: best_interval_map(
        condition.grids["best_interval"]
    )
    if "step_spikes" in condition.grids:
        found["step_spikes_by_rule"] = lambda: step_spikes_map(condition.grids["step_spikes"])
    return found


def stable_phase_map(grid: pd.DataFrame) -> Figure:
    """Seeds with a stable phase over the thresholds of one, a panel for each window."""
    used = grid.loc[grid["in_use"], "volatility_of"].iloc[0]
    return sensitivity_map(
        grid[grid["volatility_of"] == used],
        "stable_volatility",
        "stable_run",
        "seeds_with",
        "volatility_window",
        labels={
            "stable_volatility": "largest volatility (fraction of the loss)",
            "stable_run": "intervals in a row",
            "seeds_with": "seeds with a stable phase",
            "volatility_window": "window",
        },
    )


def counts_map(grids: Mapping[str, pd.DataFrame], name: str) -> Figure:
    """Backslides or interval spikes of all seeds over their threshold."""
    threshold, words = COUNTED[name]
    labels = {threshold: words, name: f"{name.replace('_', ' ')} of all seeds"}
    return sensitivity_map(grids[name], threshold, None, name, labels=labels)


def best_interval_map(grid: pd.DataFrame) -> Figure:
    """The best interval, by how best is meant: of the mean or the median, within delta of it."""
    whole = grid[~grid["left_out"] & (grid["definition"] != "seed")]
    return sensitivity_map(
        whole,
        "delta",
        "definition",
        "best_interval",
        labels={
            "delta": "earliest within (nats)",
            "definition": "over seeds",
            "best_interval": "best interval",
        },
    )


def step_spikes_map(grid: pd.DataFrame) -> Figure:
    """Steps of all seeds that spiked, over the window they are judged by and the SDs it takes."""
    return sensitivity_map(
        grid,
        "step_spike_sds",
        "step_spike_window",
        "step_spikes",
        labels={
            "step_spike_sds": "SD above the mean",
            "step_spike_window": "steps before",
            "step_spikes": "step spikes of all seeds",
        },
    )
