"""One function a figure, each a matplotlib Figure without global state.

Every seed is drawn faint and the mean strong, with its t interval; colours are Okabe and Ito's,
which stay apart for colour-blind eyes and in grey. The start of training (8.4 nats) would press
everything else flat, so an axis shows the range from interval 1 on and names the point it cuts.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from stats.descriptives import by_interval
from stats.effects import mean_gain
from stats.measures import MeasureSettings, best_interval, wide

FloatArray = NDArray[np.float64]

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY = "#767676"
CONDITION_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
WIDTH = 6.4  # inches: the text column of the report and of a page
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.labelcolor": "#222222",
    "axes.axisbelow": True,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "stats",
    "svg.fonttype": "path",
    "figure.dpi": 100.0,
    "savefig.dpi": 300.0,
}


def styled(draw: Callable[..., Figure], *args: Any) -> Figure:
    """Draw in the house style, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        return draw(*args)


def encode(figure: Figure, suffix: str) -> bytes:
    """The figure as "png" (300 dpi, palette of 256 colours) or "svg", the same bytes each time."""
    out = io.BytesIO()
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        if suffix == "svg":
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        else:
            figure.savefig(out, format="png", metadata={"Software": None})
    return _palette(out.getvalue()) if suffix == "png" else out.getvalue()


def _palette(png: bytes) -> bytes:
    """The same picture in 256 colours, at a third of the size. Pillow comes with matplotlib."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        flat = image.convert("RGB").quantize(colors=256, dither=Image.Dither.NONE)
        flat.save(out, format="png", optimize=True, dpi=(300, 300))
    return out.getvalue()


def loss_trajectories(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Validation loss of every seed, mean with t band, the best interval marked."""
    figure, axes = _canvas(3.3)
    _trajectories(axes[0], telemetry, "val_loss", settings, BLUE)
    axes[0].set_ylabel("validation loss (nats a token)")
    _mark_best(axes[0], telemetry, "val_loss", "{:.3f} nats")
    _tokens_axis(axes[0], telemetry)
    return figure


def perplexity_trajectories(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Validation perplexity of every seed, mean with t band."""
    figure, axes = _canvas(3.3)
    _trajectories(axes[0], telemetry, "val_perplexity", settings, BLUE)
    axes[0].set_ylabel("validation perplexity")
    _mark_best(axes[0], telemetry, "val_perplexity", "{:.1f}")
    _tokens_axis(axes[0], telemetry)
    return figure


def volatility(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Rolling volatility on a log axis, with the level below which an interval can be stable."""
    figure, axes = _canvas(3.1)
    ax = axes[0]
    values, tokens = wide(telemetry, "volatility"), _millions(telemetry)
    what = "losses" if settings.volatility_of == "levels" else "changes"
    ax.set_ylabel(f"SD of the last {settings.volatility_window} {what} (nats)")
    _tokens_axis(ax, telemetry)
    if not np.isfinite(values).any():
        return _nothing(figure, ax, f"defined from interval {settings.first_volatility} on")
    _log_axis(ax)
    _plot_seeds(ax, tokens, values, BLUE)
    ax.plot(tokens, values.mean(axis=0), color=BLUE, lw=1.7)
    _end_label(ax, tokens, values.mean(axis=0), "mean", BLUE)
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
    figure, axes = _canvas(0.95 + 0.27 * max(n, 3))
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
    figure, axes = _canvas(3.6, 2)
    spread = by_interval(telemetry, "val_loss", settings.confidence)
    tokens = _millions(telemetry)
    _tokens_axis(axes[1], telemetry)
    axes[0].tick_params(labelbottom=False)
    for ax, column, scale, label in (
        (axes[0], "sd", 1.0, "SD between seeds\n(nats)"),
        (axes[1], "cv", 100.0, "SD / mean (%)"),
    ):
        values = scale * spread[column].to_numpy(dtype=np.float64)
        ax.set_ylabel(label)
        if not np.isfinite(values).any():
            _nothing(figure, ax, "one seed has no spread")
            continue
        ax.fill_between(tokens, 0, values, color=SKY, alpha=0.25, lw=0)
        ax.plot(tokens, values, color=BLUE, lw=1.8, marker="o", ms=3)
        ax.set_ylim(bottom=0)
    return figure


def generalisation_gap(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Training-sample and validation loss, and their difference below."""
    figure, axes = _canvas(4.4, 2, [1.5, 1.0])
    _trajectories(axes[0], telemetry, "val_loss", settings, BLUE, label="validation")
    _trajectories(
        axes[0], telemetry, "train_sample_loss", settings, GREEN, label="training\nsample"
    )
    _clip_start(axes[0], telemetry, ("val_loss", "train_sample_loss"), annotate=False)
    axes[0].set_ylabel("loss (nats a token)")
    axes[0].tick_params(labelbottom=False)
    gap, tokens = wide(telemetry, "generalisation_gap"), _millions(telemetry)
    _plot_seeds(axes[1], tokens, gap, VERMILION)
    axes[1].plot(tokens, gap.mean(axis=0), color=VERMILION, lw=1.7)
    axes[1].axhline(0, color="#444444", lw=0.8)
    axes[1].set_ylabel("gap (nats)")
    _end_label(axes[1], tokens, gap.mean(axis=0), "gap", VERMILION)
    _tokens_axis(axes[1], telemetry)
    return figure


def marginal_gain(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """What a million tokens still bought, on a log axis, with the threshold."""
    figure, axes = _canvas(3.1)
    ax = axes[0]
    gain, tokens = mean_gain(telemetry), _millions(telemetry)
    bought = gain > 0
    positive = gain[bought]
    threshold = settings.gain_threshold
    lows = [v for v in (threshold, positive.min(initial=np.inf)) if 0 < v < np.inf]
    floor = min(lows, default=1e-3) / 2.5
    _log_axis(ax)
    ax.vlines(tokens[bought], floor / 1.4, positive, color=SKY, lw=3)
    ax.plot(tokens[bought], positive, "o", color=BLUE, ms=5)
    nothing = np.flatnonzero(gain == 0)
    if nothing.size:
        at = tokens[nothing]
        ax.plot(at, np.full(len(at), floor), "o", mfc="white", mec=GREY, ms=4.5, clip_on=False)
        ax.annotate(
            "hollow: no new best",
            (at.mean(), floor),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=8,
            color=GREY,
        )
    if threshold > 0:
        ax.axhline(threshold, color=VERMILION, lw=1.2, ls=(0, (4, 2)))
        _end_label(ax, tokens, np.full(len(tokens), threshold), f"below {threshold:g}", VERMILION)
    ax.set_ylim(floor / 1.4, max(positive.max(initial=threshold), threshold, floor) * 2)
    ax.set_ylabel("gain of the mean\n(nats a million tokens)")
    _tokens_axis(ax, telemetry)
    return figure


def conditions(telemetry: pd.DataFrame, settings: MeasureSettings) -> Figure:
    """Mean validation loss of every condition with its t band, labelled at the end."""
    figure, axes = _canvas(3.4)
    ax = axes[0]
    names = list(telemetry["condition"].unique())
    for index, name in enumerate(names):
        cells = telemetry[telemetry["condition"] == name]
        colour = CONDITION_COLOURS[index % len(CONDITION_COLOURS)]
        _trajectories(ax, cells, "val_loss", settings, colour, label=str(name), seeds=False)
    _clip_start(ax, telemetry, ("val_loss",), annotate=False)
    ax.set_ylabel("mean validation loss (nats a token)")
    _tokens_axis(ax, telemetry, epoch=False)
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


def _canvas(height: float, rows: int = 1, ratios: list[float] | None = None) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        rows, 1, sharex=rows > 1, squeeze=False, gridspec_kw={"height_ratios": ratios}
    )
    return figure, axes[:, 0]


def _nothing(figure: Figure, ax: Axes, reason: str) -> Figure:
    """An axis without data says why, instead of showing an empty scale."""
    ax.set_yticks([])
    ax.text(0.5, 0.5, reason, transform=ax.transAxes, ha="center", va="center", color=GREY)
    return figure


def _log_axis(ax: Axes) -> None:
    """A log axis with plain numbers, labelled at 1, 2 and 5 where a decade is not enough."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=9))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _millions(telemetry: pd.DataFrame) -> FloatArray:
    tokens = telemetry.groupby("interval")["tokens_seen"].first()
    return tokens.to_numpy(dtype=np.float64) / 1e6


def _plot_seeds(ax: Axes, tokens: FloatArray, values: FloatArray, colour: str) -> None:
    for run in values:
        ax.plot(tokens, run, color=colour, lw=0.8, alpha=0.45)


def _trajectories(
    ax: Axes,
    telemetry: pd.DataFrame,
    column: str,
    settings: MeasureSettings,
    colour: str,
    label: str = "",
    seeds: bool = True,
) -> None:
    """Seeds faint, mean strong, t band between."""
    spread = by_interval(telemetry, column, settings.confidence)
    tokens = spread["tokens_seen"].to_numpy(dtype=np.float64) / 1e6
    if seeds:
        _plot_seeds(ax, tokens, wide(telemetry, column), colour)
    mean = spread["mean"].to_numpy(dtype=np.float64)
    if (spread["n"] > 1).any():
        ax.fill_between(tokens, spread["ci_low"], spread["ci_high"], color=colour, alpha=0.18, lw=0)
    ax.plot(tokens, mean, color=colour, lw=1.7)
    _end_label(ax, tokens, mean, label or "mean", colour)
    if seeds and not label:
        _clip_start(ax, telemetry, (column,))


def _clip_start(
    ax: Axes, telemetry: pd.DataFrame, columns: tuple[str, ...], annotate: bool = True
) -> None:
    """Let interval 0 run out of the axis where it would press the rest flat, and name it."""
    values = telemetry[telemetry["interval"] > 0][list(columns)].to_numpy(dtype=np.float64)
    start = telemetry[telemetry["interval"] == 0][columns[0]].mean()
    if not np.isfinite(values).any() or telemetry["interval"].max() < 3:
        return
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = max(high - low, 1e-9)
    if not start > high + room:
        return
    ax.set_ylim(low - 0.08 * room, high + 0.12 * room)
    if annotate:
        ax.annotate(
            f"starts at {start:,.2f}",
            (_millions(telemetry)[1], 1),
            xycoords=("data", "axes fraction"),
            xytext=(6, -2),
            textcoords="offset points",
            fontsize=8,
            color=GREY,
            va="top",
        )


def _mark_best(ax: Axes, telemetry: pd.DataFrame, column: str, template: str) -> None:
    tokens, mean = _millions(telemetry), wide(telemetry, column).mean(axis=0)
    best = int(best_interval(mean))
    ax.plot([tokens[best]], [mean[best]], "o", mfc="white", mec=VERMILION, mew=1.6, ms=7)
    if best < len(mean) - 1:
        ax.axvspan(tokens[best], tokens[-1], color="#F5F1E8", lw=0, zorder=0)
        ax.annotate(
            f"{tokens[-1] - tokens[best]:.2f} million tokens without gain",
            (tokens[-1], 0),
            xycoords=("data", "axes fraction"),
            xytext=(-4, 6),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=GREY,
        )
    ax.annotate(
        f"best: interval {best}, {template.format(mean[best])}",
        (tokens[best], mean[best]),
        xytext=(8, -4) if best < len(mean) / 2 else (-8, 14),
        textcoords="offset points",
        ha="left" if best < len(mean) / 2 else "right",
        va="top" if best < len(mean) / 2 else "bottom",
        color=VERMILION,
        fontsize=8.5,
    )


def _end_label(ax: Axes, x: FloatArray, y: FloatArray, text: str, colour: str) -> None:
    """A line's name at its right end, in its colour, instead of a legend."""
    finite = np.flatnonzero(np.isfinite(y))
    if finite.size:
        at = finite[-1]
        ax.annotate(
            text,
            (x[at], y[at]),
            xytext=(6, 0),
            textcoords="offset points",
            color=colour,
            va="center",
            fontsize=8.5,
            annotation_clip=False,
        )


def _tokens_axis(ax: Axes, telemetry: pd.DataFrame, epoch: bool = True) -> None:
    tokens = _millions(telemetry)
    last = telemetry[telemetry["interval"] == telemetry["interval"].max()]["epoch"].mean()
    label = "training tokens seen (millions)"
    if epoch and np.isfinite(last) and last > 0:
        label += f"; one epoch = {tokens[-1] / last:.2f} million"
    ax.set_xlabel(label)
    ax.set_xlim(-0.012 * tokens[-1], 1.012 * tokens[-1])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=11, steps=[1, 2, 5, 10]))
