"""How a figure of this project looks: style, size, encoding, axes, lines.

A figure is drawn at the width at which it is printed, a journal's column (3.5 in, 89 mm) or page
(7 in), with type of 7 to 8 points, so that nothing is scaled afterwards. Every seed is drawn faint
and the mean strong, with its t interval; colours are Okabe and Ito's, which stay apart for
colour-blind eyes, and lines that share an axis differ in their dashes too, for print in grey.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, TypeVar

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    ScalarFormatter,
)
from numpy.typing import NDArray

from stats.descriptives import t_quantile

FloatArray = NDArray[np.float64]
Width: TypeAlias = str | float
Draw = TypeVar("Draw", bound=Callable[..., Figure])

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
GREY, DARK = "#666666", "#222222"
LINE_COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.5, 1.5)))
WIDTHS = {"column": 3.5, "page": 7.0}  # inches
NARROWEST = 2.5  # inches: below it no axis fits beside type of 7 points
SMALL = 7.0  # points
MEAN_LINE, SEED_LINE = 1.4, 0.5  # points
MOST_SEEDS = 60  # faint lines; more of them are a grey mass
MANY_INTERVALS = 200  # from here on the marks of single intervals run into each other
RASTER_FROM = 4000  # points of faint lines; above, an SVG holds them as pixels of 300 dpi
STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters on every machine
    "font.size": 7.5,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.linewidth": 0.6,
    "axes.labelcolor": DARK,
    "axes.axisbelow": True,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "lines.solid_capstyle": "round",
    "svg.hashsalt": "stats",
    "svg.fonttype": "path",
    "figure.dpi": 100.0,
    "savefig.dpi": 300.0,
}


def styled(draw: Callable[..., Figure], *args: Any, **options: Any) -> Figure:
    """Draw in the house style, whatever the user's matplotlibrc says; it is left as it was."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        return draw(*args, **options)


def house_style(draw: Draw) -> Draw:
    """A drawing function that is always `styled`, and whose layout is settled when it returns.

    The layout is worked out anew at each save and starts from the last one, so the bytes of a
    figure would else depend on what it was saved as before.
    """

    @functools.wraps(draw)
    def drawn(*args: Any, **options: Any) -> Figure:
        return styled(settled, *args, **options)

    def settled(*args: Any, **options: Any) -> Figure:
        figure = draw(*args, **options)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        return figure

    return drawn  # type: ignore[return-value]


def encode(figure: Figure, suffix: str) -> bytes:
    """The figure as "png" (300 dpi, palette of 256 colours) or "svg", the same bytes each time."""
    if suffix not in ("png", "svg"):
        raise ValueError(f"suffix={suffix!r} must be 'png' or 'svg'")
    out = io.BytesIO()
    nothing = {"Date": None, "Creator": None} if suffix == "svg" else {"Software": None}
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure.savefig(out, format=suffix, metadata=nothing)
    return _palette(out.getvalue()) if suffix == "png" else out.getvalue()


def _palette(png: bytes) -> bytes:
    """The same picture in 256 colours, at a third of the size. Pillow comes with matplotlib."""
    from PIL import Image

    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        flat = image.convert("RGB").quantize(colors=256, dither=Image.Dither.NONE)
        flat.save(out, format="png", optimize=True, dpi=(300, 300))
    return out.getvalue()


def inches(width: Width) -> float:
    """ "column" is 3.5, "page" 7.0; a number is taken as it is."""
    if isinstance(width, str):
        if width not in WIDTHS:
            raise ValueError(f"width={width!r} must be 'column', 'page' or a number of inches")
        return WIDTHS[width]
    if not (np.isfinite(width) and width >= NARROWEST):
        raise ValueError(f"width={width} must be a number of at least {NARROWEST} inches")
    return float(width)


def canvas(
    width: Width, height: float, rows: int = 1, ratios: Sequence[float] | None = None
) -> tuple[Figure, Any]:
    """A figure of `height` inches at column width, somewhat higher when wider, with its axes."""
    wide = inches(width)
    figure = Figure(
        figsize=(wide, height * (1 + 0.2 * max(0.0, wide / 3.5 - 1))), layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03)  # type: ignore[union-attr, call-arg]
    FigureCanvasAgg(figure)
    axes = figure.subplots(
        rows, 1, sharex=rows > 1, squeeze=False, gridspec_kw={"height_ratios": ratios}
    )[:, 0]
    for ax in axes[:-1]:
        ax.tick_params(labelbottom=False)
    figure.align_ylabels(axes)
    return figure, axes


def leave_empty(ax: Axes, reason: str) -> None:
    """An axis without data says why, instead of showing an empty scale."""
    ax.set_yticks([])
    ax.text(
        0.5, 0.5, reason, transform=ax.transAxes, ha="center", va="center", color=GREY,
        fontsize=SMALL,
    )  # fmt: skip


def log_axis(ax: Axes, values: FloatArray) -> None:
    """A log axis with plain numbers, labelled at 1, 2 and 5 where decades are few."""
    ax.set_yscale("log")
    positive = values[np.isfinite(values) & (values > 0)]
    ratio = positive.max() / positive.min() if positive.size else 1.0
    subs = (1.0, 2.0, 5.0) if ratio < 200 else (1.0, 3.0) if ratio < 2000 else (1.0,)
    ax.yaxis.set_major_locator(LogLocator(subs=subs, numticks=7))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())


def plain_axis(ax: Axes, ticks: int = 5) -> None:
    """A linear y axis whose labels are whole numbers or decimals, without a factor set apart.

    Losses that are all equal would else get an axis of 1e-15 around them.
    """
    low, high = ax.get_ylim()
    least = max(1e-3 * max(abs(low), abs(high)), 1e-6)
    if high - low < least:
        middle = (low + high) / 2
        ax.set_ylim(middle - least / 2, middle + least / 2)
    ax.yaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]))
    if max(abs(low), abs(high)) >= 1e6:
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        return
    plain = ScalarFormatter(useOffset=False)
    plain.set_scientific(False)
    ax.yaxis.set_major_formatter(plain)


def token_unit(total: float) -> tuple[float, str]:
    """How many tokens a unit of the axis is, and its name."""
    if total >= 2e9:
        return 1e9, "billions"
    return (1e6, "millions") if total >= 5e5 else (1e3, "thousands")


def tokens_of(frame: pd.DataFrame) -> FloatArray:
    """Tokens seen at each interval (K,), in the unit of the axis."""
    tokens = frame.drop_duplicates("interval").sort_values("interval")["tokens_seen"]
    counts = np.asarray(tokens, dtype=np.float64)
    return counts / token_unit(counts.max(initial=0.0))[0]


def tokens_axis(ax: Axes, frame: pd.DataFrame, epoch: bool = True) -> None:
    """The x axis in tokens, its unit in the label and the length of an epoch where it is known."""
    total = float(frame["tokens_seen"].max())
    unit, name = token_unit(total)
    label = f"training tokens seen ({name})"
    if epoch and "epoch" in frame.columns:
        last = frame.loc[frame["interval"] == frame["interval"].max(), "epoch"].mean()
        if np.isfinite(last) and last > 0:
            label += f"\none epoch: {total / unit / last:.3g} {name.removesuffix('s')}"
    ax.set_xlabel(label)
    end = max(total / unit, 1e-9)
    ax.set_xlim(-0.015 * end, 1.015 * end)
    roomy = ax.get_figure().get_figwidth() > 5  # type: ignore[union-attr]
    ax.xaxis.set_major_locator(MaxNLocator(nbins=11 if roomy else 6, steps=[1, 2, 2.5, 5, 10]))


def drawn_seeds(final: FloatArray) -> NDArray[np.intp]:
    """Rows to draw of (S,) final losses: all, or `MOST_SEEDS` evenly spaced from best to worst."""
    if len(final) <= MOST_SEEDS:
        return np.arange(len(final))
    order = np.argsort(final, kind="stable")
    return np.sort(order[np.linspace(0, len(final) - 1, MOST_SEEDS).round().astype(np.intp)])


def plot_seeds(ax: Axes, tokens: FloatArray, values: FloatArray, colour: str) -> None:
    """Faint lines, one a row of `values` (S, K); as pixels where they would fill an SVG."""
    if len(values) == 1:
        return  # the mean is this line
    alpha = min(0.5, max(0.12, 6 / len(values)))  # many lines darken each other
    curves = [np.column_stack((tokens, row)) for row in values]
    lines = LineCollection(curves, colors=colour, linewidths=SEED_LINE, alpha=alpha)
    lines.set_rasterized(values.size > RASTER_FROM)
    ax.add_collection(lines)
    ax.autoscale_view()


def mean_and_band(
    values: FloatArray, confidence: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean of the rows of (S, K) and its t interval, each (K,); NaN bounds with one seed."""
    n = len(values)
    mean = values.mean(axis=0)
    if n < 2:
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    half = t_quantile(confidence, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return mean, mean - half, mean + half


def plot_mean(
    ax: Axes,
    tokens: FloatArray,
    values: FloatArray,
    confidence: float,
    colour: str,
    dashes: Any = "-",
) -> FloatArray:
    """The mean of (S, K) strong over the band of its t interval; returns the mean (K,)."""
    mean, low, high = mean_and_band(values, confidence)
    if len(values) > 1:
        many = values.shape[1] > MANY_INTERVALS
        ax.fill_between(tokens, low, high, color=colour, alpha=0.2, lw=0, rasterized=many)
    ax.plot(tokens, mean, color=colour, lw=MEAN_LINE, ls=dashes)
    return mean


def require(frame: pd.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame without rows or without a column that the figure is drawn from."""
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        raise ValueError(
            f"{what} lacks the column(s) {', '.join(map(repr, absent))}; "
            f"it takes {', '.join(map(repr, columns))}"
        )
    if frame.empty:
        raise ValueError(f"{what} has no rows: there is nothing to draw")
