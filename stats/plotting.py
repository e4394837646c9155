"""How a figure of this project looks: style, encoding, axes, lines with their labels.

Every seed is drawn faint and the mean strong, with its t interval; colours are Okabe and Ito's,
which stay apart for colour-blind eyes and in grey. The start of training (8.4 nats) would press
everything else flat, so an axis shows the range from interval 1 on and names the point it cuts.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from stats.descriptives import by_interval
from stats.measures import MeasureSettings, best_interval, wide
from stats.wording import million

FloatArray = NDArray[np.float64]

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY = "#767676"
CONDITION_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
WIDTH = 6.4  # inches: the text column of the report and of a page
STYLE: Any = {
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


def canvas(height: float, rows: int = 1, ratios: list[float] | None = None) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        rows, 1, sharex=rows > 1, squeeze=False, gridspec_kw={"height_ratios": ratios}
    )
    return figure, axes[:, 0]


def leave_empty(figure: Figure, ax: Axes, reason: str) -> Figure:
    """An axis without data says why, instead of showing an empty scale."""
    ax.set_yticks([])
    ax.text(0.5, 0.5, reason, transform=ax.transAxes, ha="center", va="center", color=GREY)
    return figure


def log_axis(ax: Axes, values: FloatArray) -> None:
    """A log axis with plain numbers, labelled at 1, 2 and 5 where decades are few."""
    ax.set_yscale("log")
    positive = values[values > 0]
    few = positive.size == 0 or positive.max() / positive.min() < 2000
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,), numticks=9))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def millions(telemetry: pd.DataFrame) -> FloatArray:
    tokens = telemetry.groupby("interval")["tokens_seen"].first()
    return np.asarray(tokens, dtype=np.float64) / 1e6


def plot_seeds(ax: Axes, tokens: FloatArray, values: FloatArray, colour: str) -> None:
    for run in values:
        ax.plot(tokens, run, color=colour, lw=0.8, alpha=0.45)


def trajectories(
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
        plot_seeds(ax, tokens, wide(telemetry, column), colour)
    mean = spread["mean"].to_numpy(dtype=np.float64)
    if (spread["n"] > 1).any():
        ax.fill_between(tokens, spread["ci_low"], spread["ci_high"], color=colour, alpha=0.18, lw=0)
    ax.plot(tokens, mean, color=colour, lw=1.7)
    end_label(ax, tokens, mean, label or "mean", colour)
    if seeds and not label:
        clip_start(ax, telemetry, (column,))


def clip_start(
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
            f"starts at {start:,.0f}" if start >= 100 else f"starts at {start:.2f}",
            (millions(telemetry)[1], 1),
            xycoords=("data", "axes fraction"),
            xytext=(6, -2),
            textcoords="offset points",
            fontsize=8,
            color=GREY,
            va="top",
        )


def mark_best(ax: Axes, telemetry: pd.DataFrame, column: str, template: str) -> None:
    tokens, mean = millions(telemetry), wide(telemetry, column).mean(axis=0)
    best = int(best_interval(mean))
    bottom, top = ax.get_ylim()
    ax.set_ylim(bottom - 0.06 * (top - bottom), top)
    ax.plot([tokens[best]], [mean[best]], "o", mfc="white", mec=VERMILION, mew=1.6, ms=7)
    if best < len(mean) - 1:
        ax.axvspan(tokens[best], tokens[-1], color="#F5F1E8", lw=0, zorder=0)
        ax.annotate(
            f"{million(1e6 * (tokens[-1] - tokens[best]))} tokens without gain",
            (tokens[-1], 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4, -4),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8,
            color=GREY,
        )
    left = best < len(mean) / 2
    ax.annotate(
        f"best: interval {best}, {template.format(mean[best])}",
        (tokens[best], mean[best]),
        xytext=(8, -4) if left else (-8, -4),
        textcoords="offset points",
        ha="left" if left else "right",
        va="top",
        color=VERMILION,
        fontsize=8.5,
    )


def end_label(ax: Axes, x: FloatArray, y: FloatArray, text: str, colour: str) -> None:
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


def tokens_axis(ax: Axes, telemetry: pd.DataFrame, epoch: bool = True) -> None:
    tokens = millions(telemetry)
    last = telemetry[telemetry["interval"] == telemetry["interval"].max()]["epoch"].mean()
    label = "training tokens seen (millions)"
    if epoch and np.isfinite(last) and last > 0:
        label += f"; one epoch = {tokens[-1] / last:.2f} million"
    ax.set_xlabel(label)
    ax.set_xlim(-0.012 * tokens[-1], 1.012 * tokens[-1])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=11, steps=[1, 2, 5, 10]))
