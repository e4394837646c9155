"""The figures of one study, a function each that returns a matplotlib Figure.

`draw(telemetry, settings, width="column")`: `telemetry` is one condition's telemetry.csv, `width`
"column" (3.5 in), "page" (7 in) or a number of inches. `plotting.encode` makes PNG or SVG of it.
Figures of tests, comparisons and plans: `stats.figures_of_estimates`; of grids:
`stats.heat_maps`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stats.heat_maps import backslides
from stats.labels import EndLabel, end_labels, notes, sampled_note
from stats.measures import MeasureSettings, best_interval, wide
from stats.plotting import (
    BLUE,
    DASHES,
    GREEN,
    GREY,
    LINE_COLOURS,
    MANY_INTERVALS,
    MEAN_LINE,
    SKY,
    VERMILION,
    FloatArray,
    Width,
    canvas,
    drawn_seeds,
    house_style,
    leave_empty,
    log_axis,
    plain_axis,
    plot_mean,
    plot_seeds,
    tokens_axis,
    tokens_of,
)
from stats.sensitivity import mean_gain
from stats.variability import sd_interval
from stats.wording import million


@house_style
def loss_trajectories(
    telemetry: pd.DataFrame, settings: MeasureSettings, width: Width = "column"
) -> Figure:
    """Validation loss of every seed (thin), its mean (strong) and t interval (band).

    The ring is the lowest mean; what lies right of it, shaded, was trained without gain. An
    interval 0 far above all else runs out of the axis, and its value stands in the note.
    """
    name, unit = "validation loss (nats a token)", "{:.3f} nats"
    return _one_trajectory(telemetry, "val_loss", settings, width, name, unit)


@house_style
def perplexity_trajectories(
    telemetry: pd.DataFrame, settings: MeasureSettings, width: Width = "column"
) -> Figure:
    """Validation perplexity as `loss_trajectories`; log axis if it spans over a thousandfold."""
    name = "validation perplexity"
    return _one_trajectory(telemetry, "val_perplexity", settings, width, name, "{:,.4g}")


def _one_trajectory(
    telemetry: pd.DataFrame,
    column: str,
    settings: MeasureSettings,
    width: Width,
    name: str,
    unit: str,
) -> Figure:
    figure, axes = canvas(width, 2.5)
    ax = axes[0]
    values, tokens, rows = _values(telemetry, column), tokens_of(telemetry), _drawn(telemetry)
    plot_seeds(ax, tokens, values[rows], BLUE)
    mean = plot_mean(ax, tokens, values, settings.confidence, BLUE)
    start = cut_start(ax, values)
    shown = values[:, 1:] if start is not None else values
    if column == "val_perplexity" and np.nanmax(shown) > 1000 * np.nanmin(shown) > 0:
        log_axis(ax, shown)
    else:
        plain_axis(ax)
    best = int(best_interval(np.nan_to_num(mean, nan=np.inf)))
    ax.plot(
        tokens[best], mean[best], "o", mfc="white", mec=VERMILION, mew=1.2, ms=5, clip_on=False,
        zorder=4,
    )  # fmt: skip
    lines = [(f"lowest mean, interval {best}: {unit.format(mean[best])}", VERMILION)]
    if best < len(mean) - 1:
        ax.axvspan(tokens[best], tokens[-1], color="#F3EEE0", lw=0, zorder=0)
        counts = telemetry.groupby("interval")["tokens_seen"].first().to_numpy()
        after = million(counts[-1] - counts[best])
        lines.append((f"shaded: {after} tokens without gain", GREY))
    if start is not None:
        lines.append((f"interval 0, not shown: {unit.format(start)}", GREY))
    ax.set_ylabel(name)
    tokens_axis(ax, telemetry)
    notes(ax, [*lines, *sampled_note(len(rows), len(values))])
    end_labels(ax, [EndLabel(mean[-1], "mean" if len(values) > 1 else "seed", BLUE)])
    return figure


@house_style
def volatility(
    telemetry: pd.DataFrame, settings: MeasureSettings, width: Width = "column"
) -> Figure:
    """Rolling volatility of every seed and its mean, log axis; dashed: `stable_volatility`.

    Below the dashed line an interval is quiet enough to be stable. A steep fall counts as
    volatility: the measure does not tell a trend from a wobble.
    """
    figure, axes = canvas(width, 2.4)
    ax = axes[0]
    values, tokens, rows = _values(telemetry, "volatility"), tokens_of(telemetry), _drawn(telemetry)
    what = "losses" if settings.volatility_of == "levels" else "changes"
    ax.set_ylabel(f"SD of the last {settings.volatility_window} {what}\n(nats)")
    tokens_axis(ax, telemetry)
    if not (np.isfinite(values) & (values > 0)).any():
        leave_empty(ax, f"defined from interval {settings.first_volatility} on, above 0 nowhere")
        return figure
    plot_seeds(ax, tokens, values[rows], BLUE)
    mean = values.mean(axis=0)
    single = np.isfinite(mean).sum() == 1  # a line through one interval cannot be seen
    if single:
        ax.plot(tokens, values[rows].T, "o", color=BLUE, ms=2, alpha=0.5)
    ax.plot(tokens, mean, color=BLUE, lw=MEAN_LINE, marker="o" if single else "", ms=4)
    labels = [EndLabel(mean[-1], "mean" if len(values) > 1 else "seed", BLUE)]
    level = settings.stable_volatility * _values(telemetry, "val_loss").mean(axis=0)
    if (level > 0).all():
        first = 0 if single else settings.first_volatility
        ax.plot(tokens[first:], level[first:], color=VERMILION, lw=1.0, ls=DASHES[1])
        share = f"{100 * settings.stable_volatility:g} % of\nthe loss"
        labels.append(EndLabel(level[-1], share, VERMILION))
    log_axis(ax, np.append(values[np.isfinite(values)], level))
    notes(ax, sampled_note(len(rows), len(values)))
    end_labels(ax, labels)
    return figure


@house_style
def between_seeds(
    telemetry: pd.DataFrame, settings: MeasureSettings, width: Width = "column"
) -> Figure:
    """SD of the loss between seeds at each interval, and below it as a share of the mean.

    The band is the chi-squared interval of the SD (normal losses): for six seeds it reaches from
    0.62 to 2.45 times the SD, so small bumps mean nothing.
    """
    figure, axes = canvas(width, 2.9, 2)
    values, tokens = _values(telemetry, "val_loss"), tokens_of(telemetry)
    tokens_axis(axes[1], telemetry)
    for ax, label in zip(axes, ("SD between\nseeds (nats)", "SD / mean (%)"), strict=True):
        ax.set_ylabel(label)
    if len(values) < 2:
        for ax in axes:
            leave_empty(ax, "one seed has no spread")
        return figure
    sd, mean = values.std(axis=0, ddof=1), values.mean(axis=0)
    cv = 100 * np.divide(sd, mean, out=np.full_like(sd, np.nan), where=mean != 0)
    low, high = np.array([sd_interval(column, settings.confidence) for column in values.T]).T
    axes[0].fill_between(tokens, low, high, color=BLUE, alpha=0.2, lw=0)
    markers = "o" if len(tokens) <= 60 else ""
    for ax, line in zip(axes, (sd, cv), strict=True):
        ax.plot(tokens, line, color=BLUE, lw=MEAN_LINE, marker=markers, ms=2.5)
    top = min(float(np.nanmax(high)), 3 * float(np.nanmax(sd)))
    axes[0].set_ylim(0, 1.05 * max(top, 1e-6))
    axes[1].set_ylim(0, 1.1 * max(float(np.nanmax(cv, initial=0.0)), 1e-4))
    for ax in axes:
        plain_axis(ax, 4)
    cut = ", cut off above" if np.nanmax(high) > 1.05 * top else ""
    notes(axes[0], [(f"band: {100 * settings.confidence:g} % interval of the SD{cut}", GREY)])
    return figure


@house_style
def generalisation_gap(
    telemetry: pd.DataFrame, settings: MeasureSettings, width: Width = "column"
) -> Figure:
    """Validation loss and the loss on a sample of the training text; below, their difference.

    Where the two part company the model learns its text by heart.
    """
    figure, axes = canvas(width, 3.6, 2, [1.5, 1.0])
    tokens, rows = tokens_of(telemetry), _drawn(telemetry)
    pair, labels = [], []
    for column, text, colour, dashes in (
        ("val_loss", "validation", BLUE, DASHES[0]),
        ("train_sample_loss", "training\nsample", GREEN, DASHES[1]),
    ):
        values = _values(telemetry, column)
        plot_seeds(axes[0], tokens, values[rows], colour)
        mean = plot_mean(axes[0], tokens, values, settings.confidence, colour, dashes)
        pair.append(values)
        labels.append(EndLabel(mean[-1], text, colour))
    start = cut_start(axes[0], np.concatenate(pair))
    plain_axis(axes[0])
    axes[0].set_ylabel("loss (nats a token)")
    gap = _values(telemetry, "generalisation_gap")
    axes[1].set_ylabel("gap (nats)")
    axes[1].axhline(0, color="#444444", lw=0.6)
    if np.isfinite(gap).any():
        plot_seeds(axes[1], tokens, gap[rows], VERMILION)
        mean = plot_mean(axes[1], tokens, gap, settings.confidence, VERMILION)
        plain_axis(axes[1], 4)
    else:
        leave_empty(axes[1], "no training sample was measured")
        mean = np.full(len(tokens), np.nan)
    tokens_axis(axes[1], telemetry)
    lines = sampled_note(len(rows), len(gap))
    if start is not None:
        lines = [(f"interval 0, not shown: {start:.3f} nats", GREY), *lines]
    notes(axes[0], lines)
    end_labels(axes[0], labels)
    end_labels(axes[1], [EndLabel(mean[-1], "gap", VERMILION)])
    return figure


@house_style
def marginal_gain(
    telemetry: pd.DataFrame, settings: MeasureSettings, width: Width = "column"
) -> Figure:
    """Fall of the best mean loss so far per million tokens, log axis; dashed: `gain_threshold`.

    Open circles on the floor are intervals without a new best.
    """
    figure, axes = canvas(width, 2.4)
    ax = axes[0]
    gain, tokens = mean_gain(telemetry), tokens_of(telemetry)
    bought, none = gain > 0, gain == 0
    positive = gain[bought]
    threshold = settings.gain_threshold
    lows = [v for v in (threshold, positive.min(initial=np.inf)) if 0 < v < np.inf]
    floor = min(lows, default=1e-3) / 2.5
    top = max(positive.max(initial=threshold), threshold, floor) * 2
    if not np.isfinite(gain).any():
        leave_empty(ax, "a gain takes two intervals")
        return figure
    log_axis(ax, np.append(positive, [floor, top]))
    many = len(gain) > MANY_INTERVALS
    ax.vlines(
        tokens[bought], floor / 1.4, positive, color=SKY, lw=0.6 if many else 1.6, rasterized=many
    )
    ax.plot(tokens[bought], positive, "o", color=BLUE, ms=1 if many else 3, rasterized=many)
    labels = []
    if none.any():
        at = np.full(int(none.sum()), floor)
        ax.plot(
            tokens[none], at, "o", mfc="white", mec=GREY, mew=0.8, ms=2 if many else 3,
            clip_on=False, rasterized=many,
        )  # fmt: skip
        labels.append(EndLabel(floor, "no new\nbest", GREY))
    if threshold > 0:
        ax.axhline(threshold, color=VERMILION, lw=1.0, ls=DASHES[1])
        labels.append(EndLabel(threshold, f"threshold\n{threshold:g}", VERMILION))
    ax.set_ylim(floor / 1.4, top)
    ax.set_ylabel("gain of the mean\n(nats a million tokens)")
    tokens_axis(ax, telemetry)
    end_labels(ax, labels)
    return figure


@house_style
def conditions(
    telemetry: pd.DataFrame, settings: MeasureSettings, width: Width = "column"
) -> Figure:
    """Mean validation loss of every condition with its t band, named at the end of its line.

    `telemetry` holds all conditions. Bands of two conditions may overlap where the difference,
    paired by seed, is clear: see `figures_of_estimates.comparison`.
    """
    names = list(telemetry["condition"].unique())
    figure, axes = canvas(width, max(2.5, 0.9 + 0.16 * len(names)))
    ax = axes[0]
    unit = tokens_of(telemetry)  # the longest run sets the unit
    labels, everything = [], []
    for index, name in enumerate(names):
        cells = telemetry[telemetry["condition"] == name]
        counts = cells.groupby("interval")["tokens_seen"].first().to_numpy(dtype=np.float64)
        scale = unit.max() / max(float(telemetry["tokens_seen"].max()), 1.0)
        values, colour = _values(cells, "val_loss"), LINE_COLOURS[index % len(LINE_COLOURS)]
        dashes = DASHES[index % len(DASHES)]
        mean = plot_mean(ax, counts * scale, values, settings.confidence, colour, dashes)
        everything.append(values)
        labels.append(EndLabel(mean[-1], wrapped_name(name), colour))
    start = cut_start(ax, *everything)
    plain_axis(ax)
    ax.set_ylabel("mean validation loss\n(nats a token)")
    tokens_axis(ax, telemetry, epoch=False)
    if start is not None:
        notes(ax, [(f"interval 0, not shown: {start:.3f} nats", GREY)])
    end_labels(ax, labels)
    return figure


def wrapped_name(name: object, letters: int = 14) -> str:
    """A name given by the user, on lines of at most `letters`, three lines at most."""
    text = str(name)
    pieces = textwrap.wrap(text, letters) or [""]
    return "\n".join(pieces[:3]) + ("…" if len(pieces) > 3 else "")


def cut_start(ax: Axes, *matrices: FloatArray) -> float | None:
    """Let interval 0 run out of the axis where it would press the rest flat.

    Returns
    -------
    float or None
        The mean at interval 0 of the first matrix (S, K), to be told in a note; None if not cut.
    """
    later = np.concatenate([values[:, 1:].ravel() for values in matrices])
    start = float(np.nanmean(matrices[0][:, 0])) if np.isfinite(matrices[0][:, 0]).any() else np.nan
    if max(values.shape[1] for values in matrices) < 4 or not np.isfinite(later).any():
        return None
    low, high = float(np.nanmin(later)), float(np.nanmax(later))
    room = max(high - low, 1e-3 * abs(high), 1e-9)
    if not start > high + room:
        return None
    ax.set_ylim(low - 0.08 * room, high + 0.12 * room)
    return start


def _values(telemetry: pd.DataFrame, column: str) -> FloatArray:
    """`wide`, what is not finite as NaN: a perplexity may be too large for a number."""
    values = wide(telemetry, column)
    return np.where(np.isfinite(values), values, np.nan)


def _drawn(telemetry: pd.DataFrame) -> NDArray[np.intp]:
    """The seeds to draw, the same in every figure: by their final validation loss."""
    last = telemetry[telemetry["interval"] == telemetry["interval"].max()].sort_values("seed")
    return drawn_seeds(last["val_loss"].to_numpy(dtype=np.float64))


FIGURES: Mapping[str, Callable[..., Figure]] = {
    "loss": loss_trajectories,
    "perplexity": perplexity_trajectories,
    "generalisation_gap": generalisation_gap,
    "backslides": backslides,
    "volatility": volatility,
    "between_seeds": between_seeds,
    "marginal_gain": marginal_gain,
}
