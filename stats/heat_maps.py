"""Figures made of cells: rises by seed and interval, verdicts over thresholds, correlations.

Colours are cividis, whose lightness grows evenly: it reads the same to colour-blind eyes and in
grey. For correlations it is dark below 0, grey near 0 and light above.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from stats.labels import LETTER, notes, sampled_note
from stats.measures import MeasureSettings, best_interval, wide
from stats.plotting import (
    DARK,
    GREY,
    SMALL,
    VERMILION,
    FloatArray,
    Width,
    canvas,
    drawn_seeds,
    house_style,
    inches,
    require,
)

MISSING = "#DDDDDD"
MOST_NAMED_ROWS = 24  # above, a row is too low for its own label
MOST_EDGED = 60  # intervals; above, white edges would cover the cells


def _rises() -> Colormap:
    """cividis from yellow to dark blue, without its lightest part, which would pass for white."""
    return LinearSegmentedColormap.from_list(
        "rises", mpl.colormaps["cividis_r"](np.linspace(0.06, 1, 64))
    )


@house_style
def backslides(
    telemetry: pd.DataFrame, settings: MeasureSettings, width: Width = "column"
) -> Figure:
    """Where each seed's loss rose, and by how much: a row a seed, a cell an interval.

    White: no rise. Ring: the seed's best interval. Isolated cells are noise, an unbroken strip
    right of the ring is overfitting. The number at the end counts the rises.
    """
    slides, loss = wide(telemetry, "backslide_size"), wide(telemetry, "val_loss")
    rows = drawn_seeds(loss[:, -1])
    seeds = np.sort(telemetry["seed"].unique())
    counts = np.isfinite(slides).sum(axis=1)
    named = len(rows) <= MOST_NAMED_ROWS
    n, k = len(rows), slides.shape[1]
    risen = bool(counts.any())
    figure, axes = canvas(width, 0.75 + 0.4 * risen + (0.15 if named else 0.045) * max(n, 3))
    ax = axes[0]
    ax.grid(False)
    edged = k <= MOST_EDGED and named
    mesh = ax.pcolormesh(
        np.arange(k + 1) - 0.5,
        np.arange(n + 1) - 0.5,
        np.ma.masked_invalid(slides[rows]),
        cmap=_rises(),
        vmin=0,
        vmax=float(np.nanmax(slides)) if risen else 1.0,
        edgecolors="white" if edged else "none",
        linewidth=0.8 if edged else 0,
        rasterized=not edged,
    )
    ax.axvspan(-0.5, 0.5, color="#E4E4E4", lw=0)
    ax.scatter(
        best_interval(loss[rows]), range(n), s=13 if named else 4, facecolor="white",
        edgecolor=VERMILION, lw=0.9 if named else 0.5, rasterized=not named, clip_on=False,
    )  # fmt: skip
    ax.set(xlim=(-0.5, k - 0.5), ylim=(n - 0.5, -0.5), xlabel="interval (white: no rise)")
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.tick_params(length=0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.set_ylabel("seed")
    lines = [("ring: the seed's best interval", VERMILION)]
    if named:
        ax.set_yticks(range(n), [str(seed) for seed in seeds[rows]])
        for row, count in enumerate(counts[rows]):
            _beside(ax, 1 - row / n - 0.5 / n, f"{count}", "center")
        _beside(ax, 1.0, "rises", "bottom")
    else:
        ax.set_yticks([])
        lines.append((f"{counts.min()} to {counts.max()} rises a seed", GREY))
    if risen:
        bar = figure.colorbar(mesh, ax=ax, location="bottom", aspect=35, pad=0.02, fraction=0.06)
        _plain_bar(bar, "rise (nats)")
    else:
        lines.append(("no rise in any seed", GREY))
    notes(ax, [*lines, *sampled_note(n, len(loss), ", from best to worst final loss")], left=1.0)
    return figure


@house_style
def sensitivity_map(
    frame: pd.DataFrame,
    x: str,
    y: str | None,
    value: str,
    panel: str | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    in_use: str = "in_use",
    width: Width = "column",
) -> Figure:
    """A verdict over a grid of thresholds: each cell printed, the setting in use outlined.

    A verdict that stays the same around the outlined cell does not hang on the threshold chosen.

    Parameters
    ----------
    frame : DataFrame
        A row a combination, in any order. A column `in_use` (bool), if there is one, marks the
        setting in use; blank or absent combinations are drawn grey.
    x, y : str
        Columns of the two thresholds; `y=None` draws one row.
    value : str
        Column of numbers, such as the number of seeds with a stable phase.
    panel : str, optional
        Column of a third threshold: a small map for each of its values, all in one scale.
    labels : mapping, optional
        Words for the columns: {"stable_run": "intervals in a row"}.
    in_use : str
    width : "column", "page" or inches

    Raises
    ------
    ValueError
        A column that is absent, no rows, values that are no numbers, or a combination twice.
    """
    keys = [name for name in (panel, y, x) if name is not None]
    require(frame, [*keys, value], "the grid")
    double = frame[frame.duplicated(keys)]
    if len(double):
        first = dict(zip(keys, double[keys].iloc[0].tolist(), strict=True))
        raise ValueError(f"the grid has {first} twice: give one row a combination")
    if not pd.api.types.is_numeric_dtype(frame[value]):
        raise ValueError(f"column {value!r} must hold numbers, to be coloured")
    words = {name: (labels or {}).get(name, name.replace("_", " ")) for name in [*keys, value]}
    grids = [(None, frame)] if panel is None else list(frame.groupby(panel, sort=True))
    columns, lines = _levels(frame, x), [] if y is None else _levels(frame, y)
    printed = [_short(number) for number in frame[value].dropna()]
    cell = max(len(text) for text in [*printed, "0"]) * LETTER + 0.07  # inches
    least = max(cell, 0.16) * len(columns)
    room = inches(width) - 0.55
    across = min(len(grids), max(1, int((room + 0.15) / (least + 0.15))))
    down = -(-len(grids) // across)
    across = -(-len(grids) // down)  # 2 + 2 rather than 3 + 1
    fits = least <= room
    # labels of the columns stand upright where they would run into each other
    upright = max(len(str(level)) for level in columns) * LETTER + 0.06 > room / across / len(
        columns
    )
    height = 0.62 + 0.2 * upright + down * (0.19 * max(1, len(lines)) + 0.22 + 0.25 * upright)
    figure = _bare(inches(width), height + (0 if fits else 0.4))
    axes = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    scale = frame[value].min(), max(frame[value].max(), frame[value].min() + 1e-12)
    mesh = None
    for ax, (level, cells) in zip(axes.flat, grids, strict=False):
        mesh = _map(ax, cells, (x, y, value, in_use), columns, lines, scale, fits, upright)
        if level is not None:
            ax.set_title(f"{words[str(panel)]}: {_level(level)}", fontsize=SMALL, pad=3)
    for ax in axes.flat[len(grids) :]:
        ax.set_visible(False)
    for ax in axes.flat if down > 1 and len(grids) < down * across else []:
        ax.tick_params(labelbottom=True)  # an empty place below would leave some without
    figure.supxlabel(words[x], fontsize=7.5, color=DARK)
    if y is not None:
        tall = down * 0.19 * len(lines) + (down - 1) * 0.3
        words_of_y = textwrap.fill(words[y], max(12, int(tall / LETTER)))
        figure.supylabel(words_of_y, fontsize=7.5, color=DARK)
    title = "outlined: in use" if in_use in frame and frame[in_use].any() else ""
    if fits:
        title = "; ".join(filter(None, (words[value], title)))
    elif mesh is not None:
        _plain_bar(figure.colorbar(mesh, ax=axes, location="top", aspect=35), words[value])
    figure.suptitle(title, fontsize=7.5, color=DARK, x=0.02, ha="left")
    return figure


def _bare(width: float, height: float) -> Figure:
    figure, axes = canvas(width, height / (1 + 0.2 * max(0.0, width / 3.5 - 1)))
    axes[0].remove()
    return figure


def _levels(frame: pd.DataFrame, name: str) -> list[Any]:
    """Numbers ascending, other values in the order in which they stand."""
    numeric = pd.api.types.is_numeric_dtype(frame[name])
    return sorted(frame[name].unique()) if numeric else list(dict.fromkeys(frame[name]))


def _level(level: object) -> str:
    return f"{level:g}" if isinstance(level, float | np.floating) else str(level)


def _short(number: float) -> str:
    return f"{number:.0f}" if float(number).is_integer() else f"{number:.3g}"


def _map(
    ax: Axes,
    cells: pd.DataFrame,
    names: tuple[str, str | None, str, str],
    columns: Sequence[Any],
    lines: Sequence[Any],
    scale: tuple[float, float],
    numbers: bool,
    upright: bool,
) -> Any:
    """One grid of `sensitivity_map`."""
    x, y, value, in_use = names
    table = np.full((max(1, len(lines)), len(columns)), np.nan)
    outlined = []
    for _, cell in cells.iterrows():
        row, column = lines.index(cell[y]) if y is not None else 0, columns.index(cell[x])
        table[row, column] = cell[value]
        if in_use in cells.columns and bool(cell[in_use]):
            outlined.append((row, column))
    colours = mpl.colormaps["cividis"].with_extremes(bad=MISSING)
    mesh = ax.pcolormesh(
        np.ma.masked_invalid(table), cmap=colours, vmin=scale[0], vmax=scale[1],
        edgecolors="white", linewidth=0.8,
    )  # fmt: skip
    for (row, column), number in np.ndenumerate(table):
        if numbers and np.isfinite(number):
            light = (number - scale[0]) / (scale[1] - scale[0]) > 0.5
            ax.text(
                column + 0.5, row + 0.5, _short(number), ha="center", va="center",
                fontsize=SMALL, color="black" if light else "white",
            )  # fmt: skip
    for row, column in outlined:
        for colour, thick in (("white", 3.0), (VERMILION, 1.6)):
            ax.add_patch(
                Rectangle(
                    (column, row), 1, 1, fill=False, ec=colour, lw=thick, clip_on=False, zorder=3
                )
            )
    ax.grid(False)
    ax.set_xticks(np.arange(len(columns)) + 0.5, [_level(level) for level in columns])
    ax.set_yticks(np.arange(len(lines)) + 0.5, [_level(level) for level in lines])
    ax.tick_params(length=0, pad=2)
    ax.tick_params(axis="x", rotation=90 if upright else 0)
    for side in ("left", "bottom"):
        ax.spines[side].set_visible(False)
    return mesh


@house_style
def residual_correlation(
    values: FloatArray, intervals: Sequence[int] | None = None, *, width: Width = "column"
) -> Figure:
    """Correlation of the intervals over seeds, after seed and interval means are taken out.

    If the intervals were spherical, as an uncorrected F test assumes, every cell off the diagonal
    would be -1 / (K - 1) but for noise. Blocks along the diagonal, neighbours that move together,
    are why the degrees of freedom must be corrected.

    Parameters
    ----------
    values : ndarray of shape (S, K)
        A row a seed, three at least; `stats.matrix.seed_matrix` makes it.
    intervals : sequence of K int, optional
        Their numbers; 0 to K - 1 by default.
    width : "column", "page" or inches

    Raises
    ------
    ValueError
        Not a matrix of finite numbers, fewer than three seeds or two intervals, or a wrong number
        of intervals.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"values of shape {values.shape} must be a matrix of finite numbers")
    n, k = values.shape
    if n < 3 or k < 2:
        raise ValueError(f"{n} seeds x {k} intervals: a correlation takes at least 3 x 2")
    if intervals is not None and len(intervals) != k:
        raise ValueError(f"{len(intervals)} intervals for {k} columns of values")
    marks = list(range(k)) if intervals is None else list(intervals)
    side = min(inches(width), 5.0)
    figure = _bare(inches(width), side + 0.3)
    ax = figure.subplots()
    colours = mpl.colormaps["cividis"].with_extremes(bad=MISSING)
    mesh = ax.imshow(
        np.ma.masked_invalid(residual_correlations(values)), cmap=colours, vmin=-1, vmax=1,
        interpolation="nearest",
    )  # fmt: skip
    ax.grid(False)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(8, integer=True))
        axis.set_major_formatter(
            FuncFormatter(lambda at, _: str(marks[int(at)]) if 0 <= at < k else "")
        )
    ax.set(xlabel="interval", ylabel="interval", xlim=(-0.5, k - 0.5), ylim=(k - 0.5, -0.5))
    bar = figure.colorbar(mesh, ax=ax, location="bottom", aspect=30, pad=0.02, shrink=0.8)
    _plain_bar(bar, f"correlation over {n} seeds")
    bar.set_ticks([-1, -0.5, 0, 0.5, 1])
    notes(ax, [(f"spherical: {-1 / (k - 1):.2g} off the diagonal", GREY)], left=1.1)
    return figure


def residual_correlations(values: FloatArray) -> FloatArray:
    """Correlations (K, K) of the columns of (S, K) centred by row and column; NaN if constant."""
    rest = values - values.mean(axis=1, keepdims=True)
    rest = rest - rest.mean(axis=0)
    length = np.sqrt((rest**2).sum(axis=0))
    length[length <= 1e-12 * np.abs(values).max(initial=0.0)] = np.nan
    return np.asarray(np.clip((rest / length).T @ (rest / length), -1.0, 1.0))


def _beside(ax: Axes, height: float, text: str, va: str) -> None:
    ax.annotate(
        text, (1, height), xycoords="axes fraction", xytext=(3, 4 if va == "bottom" else 0),
        textcoords="offset points", va=va, fontsize=SMALL, color=DARK if va == "center" else GREY,
        annotation_clip=False,
    )  # fmt: skip


def _plain_bar(bar: Any, label: str) -> None:
    bar.set_label(label, fontsize=SMALL)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, length=2, width=0.5)
    axis = bar.ax.xaxis if bar.orientation == "horizontal" else bar.ax.yaxis
    axis.set_major_locator(MaxNLocator(5))
    plain = FuncFormatter(lambda value, _: f"{value:g}")
    axis.set_major_formatter(plain)
