"""The study's own tables: the six analyses of variance, one row a seed, gain per CPU-hour.

Everything here is one condition's telemetry in, one frame out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from stats.anova import rm_anova, sign_flip_test
from stats.measures import (
    MeasureSettings,
    best_interval,
    diminishing_interval,
    in_order,
    marginal_gain,
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
            cells = telemetry.loc[telemetry["interval"] >= first, ["seed", "interval", dv]]
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
    telemetry = in_order(telemetry)
    loss = wide(telemetry, "val_loss")  # (S, K)
    seeds = np.arange(len(loss))
    tokens = telemetry["tokens_seen"].to_numpy().reshape(loss.shape)
    best = best_interval(loss)
    best_loss, best_tokens = loss[seeds, best], tokens[seeds, best]
    gains = wide(telemetry, "gain_per_million_tokens")
    returns = [diminishing_interval(gain, settings.gain_threshold) for gain in gains]
    by_seed = telemetry.groupby("seed", sort=True)
    table = pd.DataFrame(
        {
            "seed": telemetry["seed"].to_numpy().reshape(loss.shape)[:, 0],
            "best_interval": best,
            "best_tokens": best_tokens,
            "best_loss": best_loss,
            "final_loss": loss[:, -1],
            "rise": loss[:, -1] - best_loss,
            "tokens_after_best": tokens[:, -1] - best_tokens,
            "backslides": wide(telemetry, "backslide").sum(axis=1).astype(np.int64),
            "largest_backslide": by_seed["backslide_size"].max().to_numpy(),
            "interval_spikes": wide(telemetry, "interval_spike").sum(axis=1).astype(np.int64),
            "step_spikes": by_seed["step_spikes"].sum(min_count=1).to_numpy(),
            "stable_intervals": wide(telemetry, "stable").sum(axis=1).astype(np.int64),
            "stable_phase": wide(telemetry, "stable_phase").any(axis=1),
            "diminishing_first": [first for first, _ in returns],
            "diminishing_for_good": [for_good for _, for_good in returns],
        }
    )
    counts = ["step_spikes", "diminishing_first", "diminishing_for_good"]
    return table.astype(dict.fromkeys(counts, "Int64"))


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
