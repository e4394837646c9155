"""One function a figure, each a matplotlib Figure without global state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from stats.descriptives import by_interval
from stats.effects import mean_gain
from stats.measures import MeasureSettings, best_interval, wide
from stats.plotting import (
    BLUE,
    CONDITION_COLOURS,
    GREEN,
    GREY,
    SKY,
    VERMILION,
    canvas,
    clip_start,
    end_label,
    leave_empty,
    log_axis,
    mark_best,
    millions,
    plot_seeds,
    tokens_axis,
    trajectories,
)


def loss_trajectories(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Validation loss of every seed, mean with t band, the best interval marked."""
    figure, axes = canvas(3.3)
    trajectories(axes[0], telemetry, "val_loss", settings, BLUE)
    axes[0].set_ylabel("validation loss (nats a token)")
    mark_best(axes[0], telemetry, "val_loss", "{:.3f} nats")
    tokens_axis(axes[0], telemetry)
    return figure


def perplexity_trajectories(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Validation perplexity of every seed, mean with t band."""
    figure, axes = canvas(3.3)
    trajectories(axes[0], telemetry, "val_perplexity", settings, BLUE)
    axes[0].set_ylabel("validation perplexity")
    mark_best(axes[0], telemetry, "val_perplexity", "{:.1f}")
    tokens_axis(axes[0], telemetry)
    return figure


def volatility(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Rolling volatility on a log axis, with the level below which an interval can be stable."""
    figure, axes = canvas(3.1)
    ax = axes[0]
    values, tokens = wide(telemetry, "volatility"), millions(telemetry)
    what = "losses" if settings.volatility_of == "levels" else "changes"
    ax.set_ylabel(f"SD of the last {settings.volatility_window} {what} (nats)")
    tokens_axis(ax, telemetry)
    if not np.isfinite(values).any():
        return leave_empty(figure, ax, f"defined from interval {settings.first_volatility} on")
    log_axis(ax, values)
    plot_seeds(ax, tokens, values, BLUE)
    ax.plot(tokens, values.mean(axis=0), color=BLUE, lw=1.7)
    end_label(ax, tokens, values.mean(axis=0), "mean", BLUE)
    level = settings.stable_volatility * wide(telemetry, "val_loss").mean(axis=0)
    if not level.all():
        return figure
    ax.plot(tokens[1:], level[1:], color=VERMILION, lw=1.2, ls=(0, (4, 2)))
    ax.annotate(
        f"stable below\n{100 * settings.stable_volatility:g} % of the loss",
        (tokens[1], level[1]),
        xytext=(0, -9),
        textcoords="offset points",
        color=VERMILION,
        va="top",
        fontsize=8,
    )
    lowest = values[values > 0].min(initial=np.inf)
    ax.set_ylim(bottom=min(lowest / 1.2, level[1] / 3.2))
    return figure


def backslides(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Where each seed's loss rose, and by how much: a strip a seed, a cell an interval."""
    slides = wide(telemetry, "backslide_size")
    loss = wide(telemetry, "val_loss")
    n, k = slides.shape
    figure, axes = canvas(0.95 + 0.27 * max(n, 3))
    ax = axes[0]
    ax.grid(False)
    colours = LinearSegmentedColormap.from_list("rise", ["#FBE3D2", VERMILION, "#5E2800"])
    top = float(np.nanmax(slides)) if np.isfinite(slides).any() else 1.0
    mesh = ax.pcolormesh(
        np.arange(k + 1) - 0.5,
        np.arange(n + 1) - 0.5,
        np.ma.masked_invalid(slides),
        cmap=colours,
        vmin=0,
        vmax=top,
        edgecolors="white",
        linewidth=1.5,
    )
    ax.axvspan(-0.5, 0.5, color="#E9E9E9", lw=0)
    best = best_interval(loss)
    ax.scatter(best, range(n), marker="o", s=26, facecolor="white", edgecolor=BLUE, lw=1.4)
    counts = np.isfinite(slides).sum(axis=1)
    for row in range(n):
        ax.text(k - 0.35, row, f"{counts[row]}", va="center", fontsize=8.5, color="#222222")
    above = ("data", "axes fraction")
    ax.annotate(
        "count",
        (k - 0.35, 1.0),
        xycoords=above,
        xytext=(0, 5),
        fontsize=8,
        color=GREY,
        textcoords="offset points",
    )
    seeds = sorted(telemetry["seed"].unique())
    ax.set_yticks(range(n), [f"seed {seed}" for seed in seeds])
    ax.set(xlim=(-0.5, k - 0.5), ylim=(n - 0.5, -0.5), xlabel="interval (white: no rise)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=min(k, 21)))
    ax.tick_params(length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    bar = figure.colorbar(mesh, ax=ax, pad=0.06, aspect=12, shrink=0.95)
    bar.set_label("rise (nats)", fontsize=8.5)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.set_title("circle: the seed's best interval", loc="left", fontsize=8.5, color=BLUE)
    return figure


def between_seeds(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """SD and coefficient of variation of the validation loss over seeds."""
    figure, axes = canvas(3.6, 2)
    spread = by_interval(telemetry, "val_loss", settings.confidence)
    tokens = millions(telemetry)
    tokens_axis(axes[1], telemetry)
    axes[0].tick_params(labelbottom=False)
    for ax, column, scale, label in (
        (axes[0], "sd", 1.0, "SD between seeds\n(nats)"),
        (axes[1], "cv", 100.0, "SD / mean (%)"),
    ):
        values = scale * spread[column].to_numpy(dtype=np.float64)
        ax.set_ylabel(label)
        if not np.isfinite(values).any():
            leave_empty(figure, ax, "one seed has no spread")
            continue
        ax.fill_between(tokens, 0, values, color=SKY, alpha=0.25, lw=0)
        ax.plot(tokens, values, color=BLUE, lw=1.8, marker="o", ms=3)
        ax.set_ylim(bottom=0)
    return figure


def generalisation_gap(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Training-sample and validation loss, and their difference below."""
    figure, axes = canvas(4.4, 2, [1.5, 1.0])
    trajectories(axes[0], telemetry, "val_loss", settings, BLUE, label="validation")
    trajectories(axes[0], telemetry, "train_sample_loss", settings, GREEN, label="training\nsample")
    clip_start(axes[0], telemetry, ("val_loss", "train_sample_loss"), annotate=False)
    axes[0].set_ylabel("loss (nats a token)")
    axes[0].tick_params(labelbottom=False)
    gap, tokens = wide(telemetry, "generalisation_gap"), millions(telemetry)
    plot_seeds(axes[1], tokens, gap, VERMILION)
    axes[1].plot(tokens, gap.mean(axis=0), color=VERMILION, lw=1.7)
    axes[1].axhline(0, color="#444444", lw=0.8)
    axes[1].set_ylabel("gap (nats)")
    end_label(axes[1], tokens, gap.mean(axis=0), "gap", VERMILION)
    tokens_axis(axes[1], telemetry)
    return figure


def marginal_gain(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """What a million tokens still bought, on a log axis, with the threshold."""
    figure, axes = canvas(3.1)
    ax = axes[0]
    gain, tokens = mean_gain(telemetry), millions(telemetry)
    bought = gain > 0
    positive = gain[bought]
    threshold = settings.gain_threshold
    lows = [v for v in (threshold, positive.min(initial=np.inf)) if 0 < v < np.inf]
    floor = min(lows, default=1e-3) / 2.5
    log_axis(ax, np.append(positive, floor))
    ax.vlines(tokens[bought], floor / 1.4, positive, color=SKY, lw=3)
    ax.plot(tokens[bought], positive, "o", color=BLUE, ms=5)
    no_gain = np.flatnonzero(gain == 0)
    if no_gain.size:
        at = tokens[no_gain]
        ax.plot(at, np.full(len(at), floor), "o", mfc="white", mec=GREY, ms=4.5, clip_on=False)
        end_label(ax, tokens, np.full(len(tokens), floor), "no new best", GREY)
    if threshold > 0:
        ax.axhline(threshold, color=VERMILION, lw=1.2, ls=(0, (4, 2)))
        end_label(ax, tokens, np.full(len(tokens), threshold), f"below {threshold:g}", VERMILION)
    ax.set_ylim(floor / 1.4, max(positive.max(initial=threshold), threshold, floor) * 2)
    ax.set_ylabel("gain of the mean\n(nats a million tokens)")
    tokens_axis(ax, telemetry)
    return figure


def conditions(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Mean validation loss of every condition with its t band, labelled at the end."""
    figure, axes = canvas(3.4)
    ax = axes[0]
    names = list(telemetry["condition"].unique())
    for index, name in enumerate(names):
        cells = telemetry[telemetry["condition"] == name]
        colour = CONDITION_COLOURS[index % len(CONDITION_COLOURS)]
        trajectories(ax, cells, "val_loss", settings, colour, label=str(name), seeds=False)
    clip_start(ax, telemetry, ("val_loss",), annotate=False)
    ax.set_ylabel("mean validation loss (nats a token)")
    tokens_axis(ax, telemetry, epoch=False)
    return figure


FIGURES: Mapping[str, Callable[[pd.DataFrame, MeasureSettings], Figure]] = {
    "loss": loss_trajectories,
    "perplexity": perplexity_trajectories,
    "generalisation_gap": generalisation_gap,
    "backslides": backslides,
    "volatility": volatility,
    "between_seeds": between_seeds,
    "marginal_gain": marginal_gain,
}
