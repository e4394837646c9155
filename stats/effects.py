"""The study's own tables: the six analyses of variance, one row a seed, and the sensitivity table.

Everything here is one condition's telemetry in, one frame out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from stats.anova import rm_anova, sign_flip_test
from stats.measures import (
    MeasureSettings,
    backslide,
    best_interval,
    diminishing_interval,
    interval_spike,
    marginal_gain,
    stable,
    stable_phase,
    wide,
)

DEPENDENT = {"val_loss": "loss", "val_perplexity": "perplexity", "volatility": "volatility"}


@dataclass(frozen=True)
class AnovaResults:
    """`table` has a row for each analysis that could be done; `refusals` say why others not."""

    table: pd.DataFrame
    refusals: tuple[str, ...]


def analyses_of_variance(telemetry: pd.DataFrame, settings: MeasureSettings) -> AnovaResults:
    """Loss, perplexity and volatility over the intervals, each with and without interval 0.

    Volatility is defined from `settings.first_volatility` on; its window still holds interval 0
    there, so without interval 0 it starts one later.
    """
    rows, refusals = [], []
    last = int(telemetry["interval"].max())
    for dv, name in DEPENDENT.items():
        for with_0 in (True, False):
            first = settings.first_volatility if dv == "volatility" else 0
            first += not with_0
            if last - first < 1:
                left = max(last - first + 1, 0)
                where = "" if with_0 else " without interval 0"
                refusals.append(
                    f"No ANOVA of {name}{where}: it takes two intervals, {left or 'none'} is left."
                )
                continue
            cells = telemetry[telemetry["interval"] >= first]
            try:
                effect = rm_anova(cells, dv, within="interval", subject="seed").iloc[0]
                flips = sign_flip_test(cells, dv, within="interval", subject="seed")
            except ValueError as error:
                refusals.append(f"No ANOVA of {name} over intervals {first} to {last}: {error}.")
                continue
            key = {"dv": dv, "intervals": f"{first}..{last}", "with_interval_0": with_0}
            rows.append({**key, **effect.to_dict(), "p_sign_flip": flips})
    table = pd.DataFrame(rows)
    if len(table):
        table = table.astype({"ddof1": "int64", "ddof2": "int64"})
    return AnovaResults(table, tuple(refusals))


def seed_table(telemetry: pd.DataFrame, settings: MeasureSettings) -> pd.DataFrame:
    """One row a seed: best interval, tokens after it, rise, backslides, spikes, stability."""
    rows = []
    for seed, run in telemetry.groupby("seed", sort=True):
        loss = run["val_loss"].to_numpy()
        tokens = run["tokens_seen"].to_numpy()
        best = int(best_interval(loss))
        first, for_good = diminishing_interval(
            run["gain_per_million_tokens"].to_numpy(), settings.gain_threshold
        )
        sizes = run["backslide_size"].dropna()
        rows.append(
            {
                "seed": int(seed),
                "best_interval": best,
                "best_tokens": int(tokens[best]),
                "best_loss": loss[best],
                "final_loss": loss[-1],
                "rise": loss[-1] - loss[best],
                "tokens_after_best": int(tokens[-1] - tokens[best]),
                "backslides": int(run["backslide"].sum()),
                "largest_backslide": sizes.max() if len(sizes) else np.nan,
                "interval_spikes": int(run["interval_spike"].sum()),
                "step_spikes": run["step_spikes"].sum(min_count=1),
                "stable_intervals": int(run["stable"].sum()),
                "stable_phase": bool(run["stable_phase"].any()),
                "diminishing_first": first,
                "diminishing_for_good": for_good,
            }
        )
    table = pd.DataFrame(rows)
    counts = ["step_spikes", "diminishing_first", "diminishing_for_good"]
    return table.astype(dict.fromkeys(counts, "Int64"))


def mean_gain(telemetry: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Marginal gain of the mean trajectory, nats per million tokens, (K,)."""
    mean = wide(telemetry, "val_loss").mean(axis=0)
    tokens = telemetry.groupby("interval")["tokens_seen"].first().to_numpy(dtype=np.float64)
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
    rows = []
    for name, values in _alternatives(settings).items():
        for value in values:
            changed: dict[str, Any] = {name: value}
            other = replace(settings, **changed)
            is_stable = stable(loss, other)
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


def gain_per_cpu_hour(
    telemetry: pd.DataFrame, timing: dict[tuple[str, int], pd.DataFrame]
) -> pd.DataFrame:
    """Marginal gain per CPU-hour (wall time x threads), of the runs that recorded their time.

    Wall time is not a function of the configuration: this is the one table that differs between
    equal runs, which is why it stands apart from telemetry.csv.
    """
    rows = []
    for (condition, seed), run in telemetry.groupby(["condition", "seed"], sort=False):
        clock = timing.get((str(condition), int(seed)))
        if clock is None or not {"step", "wall_s", "threads"} <= set(clock.columns):
            continue
        # a resumed run may have measured an interval twice: the last row is the one that counts
        clock = clock.drop_duplicates("step", keep="last").set_index("step")
        clock = clock.reindex(run["step"])
        hours = np.array(clock["wall_s"] * clock["threads"] / 3600, dtype=np.float64)
        if np.isnan(hours[0]):
            hours[0] = 0.0
        gain = marginal_gain(run["val_loss"].to_numpy(dtype=np.float64), np.cumsum(hours))
        keys = run[["condition", "seed", "interval"]]
        rows.append(keys.assign(cpu_hours=hours, gain_per_cpu_hour=gain))
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
