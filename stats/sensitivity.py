"""How every verdict moves with its thresholds: over a grid of settings, not one at a time only.

No threshold is published; each is ours. A verdict that holds over the whole grid does not hang on
the choice, one that does not should be read with it. Each grid is one condition's telemetry in and
a long table out, a row a grid point; `in_use` marks the settings of the report, which are always
among the points tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.measures import (
    MeasureSettings,
    backslide,
    best_interval,
    diminishing_interval,
    in_order,
    interval_spike,
    marginal_gain,
    rolling_volatility,
    stable,
    stable_phase,
    step_history,
    wide,
)

FloatArray = NDArray[np.float64]
Steps = Mapping[tuple[str, int], pd.DataFrame]

TRIED: dict[str, tuple[float | str, ...]] = {
    "backslide_tolerance": (0.0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1),
    "spike_ratio": (0.005, 0.01, 0.02, 0.05, 0.1, 0.2),
    "step_spike_window": (32, 64, 128, 256),
    "step_spike_sds": (4.0, 5.0, 6.0, 8.0),
    "volatility_window": (2, 3, 4, 5),
    "volatility_of": ("levels", "changes"),
    "stable_volatility": (0.0025, 0.005, 0.01, 0.02, 0.04),
    "stable_run": (2, 3, 4, 5),
    "gain_threshold": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1),
}
DELTAS = (0.0, 0.005, 0.01, 0.02, 0.05)  # nats a token


def sensitivity_grids(
    telemetry: pd.DataFrame, settings: MeasureSettings, steps: Steps | None = None
) -> dict[str, pd.DataFrame]:
    """All grids of one condition.

    Parameters
    ----------
    telemetry : DataFrame
        One condition of `stats.measures.add_measures`, in any order.
    settings : MeasureSettings
    steps : dict of (condition, seed) -> DataFrame, optional
        steps.csv of the runs; without any there is no grid of step spikes.

    Returns
    -------
    dict of str -> DataFrame
        backslides, interval_spikes, step_spikes (if there are steps), stable_phase, best_interval,
        diminishing_returns: see the function of each.
    """
    telemetry = in_order(telemetry)
    grids = {
        "backslides": backslide_grid(telemetry, settings),
        "interval_spikes": interval_spike_grid(telemetry, settings),
        "stable_phase": stable_phase_grid(telemetry, settings),
        "best_interval": best_interval_grid(telemetry),
        "diminishing_returns": diminishing_returns_grid(telemetry, settings),
    }
    spikes = step_spike_grid(telemetry, settings, steps or {})
    return {**grids, "step_spikes": spikes} if len(spikes) else grids


def tried(name: str, settings: MeasureSettings) -> list[Any]:
    """The values of a setting on its grid, the one in use among them."""
    values = {*TRIED[name], getattr(settings, name)}
    if name == "volatility_of":
        return list(TRIED[name])
    return sorted(values, key=float)


def backslide_grid(telemetry: pd.DataFrame, settings: MeasureSettings) -> pd.DataFrame:
    """Columns backslide_tolerance (nats), backslides (of all seeds), seeds_with, seeds, in_use."""
    loss = wide(telemetry, "val_loss")
    name = "backslide_tolerance"
    counts = ((value, backslide(loss, value)) for value in tried(name, settings))
    return _counted(name, "backslides", counts, settings)


def interval_spike_grid(telemetry: pd.DataFrame, settings: MeasureSettings) -> pd.DataFrame:
    """Columns spike_ratio, interval_spikes (of all seeds), seeds_with, seeds, in_use."""
    loss = wide(telemetry, "val_loss")
    name = "spike_ratio"
    counts = ((value, interval_spike(loss, value)) for value in tried(name, settings))
    return _counted(name, "interval_spikes", counts, settings)


def _counted(
    name: str,
    what: str,
    counts: Iterable[tuple[float, NDArray[np.bool_]]],
    settings: MeasureSettings,
) -> pd.DataFrame:
    rows = [
        {
            name: value,
            what: int(flags.sum()),
            "seeds_with": int(flags.any(axis=1).sum()),
            "seeds": len(flags),
            "in_use": value == getattr(settings, name),
        }
        for value, flags in counts
    ]
    return pd.DataFrame(rows)


def step_spike_grid(
    telemetry: pd.DataFrame, settings: MeasureSettings, steps: Steps
) -> pd.DataFrame:
    """Columns step_spike_window, step_spike_sds, step_spikes (steps of all seeds that spike in
    training loss or gradient norm), seeds_with, seeds (that recorded their steps), in_use.

    Steps up to the last interval count, as in telemetry.csv. Empty where no seed has steps.
    """
    last = int(telemetry["step"].max())
    runs = telemetry[["condition", "seed"]].drop_duplicates().itertuples(index=False, name=None)
    tables = [steps[run] for c, s in runs if (run := (str(c), int(s))) in steps]
    windows, sds = tried("step_spike_window", settings), tried("step_spike_sds", settings)
    counts = np.zeros((len(windows), len(sds), len(tables)), dtype=np.int64)
    for i, table in enumerate(tables):
        counted = table["step"].to_numpy() <= last
        series = [table[name] for name in ("train_loss", "grad_norm") if name in table.columns]
        for w, window in enumerate(windows):
            spiked = np.zeros((len(sds), len(table)), dtype=bool)
            for column in series:
                values = np.asarray(column, dtype=np.float64)
                mean, sd = step_history(values, window)
                with np.errstate(invalid="ignore"):
                    spiked |= values > mean + np.multiply.outer(sds, sd)
            counts[w, :, i] = (spiked & counted).sum(axis=1)
    rows = [
        {
            "step_spike_window": window,
            "step_spike_sds": k,
            "step_spikes": int(counts[w, j].sum()),
            "seeds_with": int((counts[w, j] > 0).sum()),
            "seeds": len(tables),
            "in_use": window == settings.step_spike_window and k == settings.step_spike_sds,
        }
        for w, window in enumerate(windows)
        for j, k in enumerate(sds)
    ]
    return pd.DataFrame(rows if tables else [])


def stable_phase_grid(telemetry: pd.DataFrame, settings: MeasureSettings) -> pd.DataFrame:
    """Whether seeds have a stable phase, over four settings: for each window and kind of volatility
    a plane of stable_volatility x stable_run.

    Returns
    -------
    DataFrame
        volatility_window, volatility_of, stable_volatility, stable_run, seeds_with (a stable
        phase), first_interval (where the earliest begins; missing where there is none), seeds,
        can_be_judged (whether the trajectory is long enough for one), in_use.
    """
    loss = wide(telemetry, "val_loss")
    k = loss.shape[1]
    rows: list[dict[str, Any]] = []
    for window in tried("volatility_window", settings):
        for of in tried("volatility_of", settings):
            volatility = rolling_volatility(loss, window, of)
            for limit in tried("stable_volatility", settings):
                other = replace(
                    settings, volatility_window=window, volatility_of=of, stable_volatility=limit
                )
                is_stable = stable(loss, other, volatility)
                for run in tried("stable_run", settings):
                    point = replace(other, stable_run=run)
                    phase = stable_phase(is_stable, run)
                    anywhere = phase.any(axis=0)
                    rows.append(
                        {
                            "volatility_window": window,
                            "volatility_of": of,
                            "stable_volatility": limit,
                            "stable_run": run,
                            "seeds_with": int(phase.any(axis=1).sum()),
                            "first_interval": int(anywhere.argmax()) if anywhere.any() else None,
                            "seeds": len(loss),
                            "can_be_judged": k >= point.first_volatility + run,
                            "in_use": point == settings,
                        }
                    )
    return pd.DataFrame(rows).astype({"first_interval": "Int64"})


def best_interval_grid(telemetry: pd.DataFrame) -> pd.DataFrame:
    """The best interval by several meanings of "best", with all seeds and without each.

    Returns
    -------
    DataFrame
        definition ("mean" and "median" over seeds, or "seed": a single seed's own), delta (nats:
        the earliest interval within it of the lowest), seed (whose own it is, or which was left
        out; missing for all seeds together), left_out, best_interval, in_use (the mean's lowest).
    """
    loss = wide(telemetry, "val_loss")
    seeds = telemetry["seed"].unique()
    intervals = np.sort(telemetry["interval"].unique())
    centres: list[tuple[str, FloatArray, tuple[float, ...]]] = [  # all seeds, then without each
        ("mean", np.vstack([loss.mean(axis=0), _mean_without_each(loss)]), DELTAS),
        ("median", np.vstack([np.median(loss, axis=0), _median_without_each(loss)]), (0.0,)),
    ]
    pieces = []
    for definition, curves, deltas in centres:
        for delta in deltas:
            pieces.append(
                pd.DataFrame(
                    {
                        "definition": definition,
                        "delta": delta,
                        "seed": pd.array([None, *seeds][: len(curves)], dtype="Int64"),
                        "left_out": np.arange(len(curves)) > 0,
                        "best_interval": intervals[earliest_within(curves, delta)],
                    }
                )
            )
    own = intervals[best_interval(loss)]
    pieces.append(
        pd.DataFrame(
            {
                "definition": "seed",
                "delta": 0.0,
                "seed": pd.array(seeds, dtype="Int64"),
                "left_out": False,
                "best_interval": own,
            }
        )
    )
    table = pd.concat(pieces, ignore_index=True)
    used = (table["definition"] == "mean") & (table["delta"] == 0) & ~table["left_out"]
    return table.assign(in_use=used)


def earliest_within(loss: FloatArray, delta: float) -> NDArray[np.intp]:
    """The first interval whose loss is at most the lowest + `delta`; (..., K) to (...)."""
    lowest = loss.min(axis=-1, keepdims=True)
    return np.asarray((loss <= lowest + delta).argmax(axis=-1))


def _mean_without_each(loss: FloatArray) -> FloatArray:
    """Mean trajectory of the other seeds, (S, K); none with a single seed."""
    n = len(loss)
    return (loss.sum(axis=0) - loss) / (n - 1) if n > 1 else loss[:0]


def _median_without_each(loss: FloatArray) -> FloatArray:
    """Median trajectory of the other seeds, (S, K), from one sort; none with a single seed.

    What is left after the value of rank r is taken out has its j-th at j in the sorted whole, or
    at j + 1 from r on.
    """
    n = len(loss)
    if n == 1:
        return loss[:0]
    ordered = np.sort(loss, axis=0)
    rank = loss.argsort(axis=0).argsort(axis=0)
    low, high = (n - 2) // 2, (n - 1) // 2  # the middle of the n - 1 that are left
    parts = [np.take_along_axis(ordered, j + (j >= rank), axis=0) for j in (low, high)]
    return np.asarray((parts[0] + parts[1]) / 2)


def diminishing_returns_grid(telemetry: pd.DataFrame, settings: MeasureSettings) -> pd.DataFrame:
    """Columns gain_threshold (nats a million tokens), first, for_good (intervals of the mean
    trajectory; missing where returns do not diminish), in_use.
    """
    gain = mean_gain(telemetry)
    rows = []
    for threshold in tried("gain_threshold", settings):
        first, for_good = diminishing_interval(gain, threshold)
        rows.append(
            {
                "gain_threshold": threshold,
                "first": first,
                "for_good": for_good,
                "in_use": threshold == settings.gain_threshold,
            }
        )
    return pd.DataFrame(rows).astype({"first": "Int64", "for_good": "Int64"})


def mean_gain(telemetry: pd.DataFrame) -> FloatArray:
    """Marginal gain of the mean trajectory, nats per million tokens, (K,)."""
    mean = wide(telemetry, "val_loss").mean(axis=0)
    tokens = wide(telemetry, "tokens_seen")[0]
    return marginal_gain(mean, tokens / 1e6)


def sensitivity(telemetry: pd.DataFrame, settings: MeasureSettings) -> pd.DataFrame:
    """How the counts behind the verdict move when one threshold is halved, doubled or changed.

    Returns
    -------
    DataFrame
        setting, value, in_use, backslides (all seeds), interval_spikes,
        stable_intervals, seeds_with_stable_phase, diminishing_first (mean trajectory).
    """
    loss = wide(telemetry, "val_loss")
    gain = mean_gain(telemetry)
    volatility: dict[tuple[int, str], FloatArray] = {}
    rows = []
    for name, values in _alternatives(settings).items():
        for value in values:
            changed: dict[str, Any] = {name: value}
            other = replace(settings, **changed)
            key = (other.volatility_window, other.volatility_of)
            if key not in volatility:
                volatility[key] = rolling_volatility(loss, *key)
            is_stable = stable(loss, other, volatility[key])
            phase = stable_phase(is_stable, other.stable_run)
            first, _ = diminishing_interval(gain, other.gain_threshold)
            rows.append(
                {
                    "setting": name,
                    "value": str(value),
                    "in_use": value == getattr(settings, name),
                    "backslides": int(backslide(loss, other.backslide_tolerance).sum()),
                    "interval_spikes": int(interval_spike(loss, other.spike_ratio).sum()),
                    "stable_intervals": int(is_stable.sum()),
                    "seeds_with_stable_phase": int(phase.any(axis=-1).sum()),
                    "diminishing_first": first,
                }
            )
    return pd.DataFrame(rows).astype({"diminishing_first": "Int64"})


def _alternatives(settings: MeasureSettings) -> dict[str, list[float | str]]:
    """Values to try for each setting; the one in use is always among them."""
    tried: dict[str, list[float | str]] = {
        "backslide_tolerance": [0.0, 0.005, 0.01, 0.02, 0.05],
        "spike_ratio": [0.01, 0.02, 0.05, 0.1],
        "volatility_window": [2, 3, 4, 5],
        "volatility_of": ["levels", "changes"],
        "stable_volatility": [0.005, 0.01, 0.02, 0.04],
        "stable_run": [2, 3, 4],
        "gain_threshold": [0.005, 0.01, 0.02, 0.05],
    }
    return {
        name: sorted({*values, getattr(settings, name)}, key=lambda v: (isinstance(v, str), v))
        for name, values in tried.items()
    }
