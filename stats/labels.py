"""Text in figures that meets no other text: labels at the ends of lines, notes above the axes.

A position is found from the size of the letters as they will be drawn, so these functions come
last, when data and limits stand.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from stats.plotting import GREY, SMALL

FloatArray = NDArray[np.float64]
LETTER = 0.058  # inches: a mean letter of DejaVu Sans at 7 points, with a little to spare
GAP = 4.0  # points between a line's end and its label


@dataclass(frozen=True)
class EndLabel:
    """`text` in `colour` for a line that ends at the height `y`, in the units of the axis."""

    y: float
    text: str
    colour: str


def spread_apart(
    wanted: FloatArray, sizes: FloatArray, low: float, high: float
) -> NDArray[np.float64]:
    """Centres (n,) of boxes of `sizes`, as near to `wanted` as non-overlap allows.

    Least squares under the constraint that boxes, in the order of `wanted`, do not overlap: less
    the heights stacked below each box that is isotonic regression (pool adjacent violators). Then
    all are moved into [low, high] where they fit.
    """
    order = np.argsort(wanted, kind="stable")
    below = np.concatenate(([0.0], np.cumsum((sizes[order][1:] + sizes[order][:-1]) / 2)))
    blocks: list[list[float]] = []  # mean, count
    for value in wanted[order] - below:
        blocks.append([float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            total = blocks[-1][1] + count
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + mean * count) / total, total]
    fitted = np.concatenate([np.full(int(count), mean) for mean, count in blocks])
    first, last = sizes[order][0] / 2, sizes[order][-1] / 2
    fitted = np.clip(fitted, low + first, max(high - last - below[-1], low + first))
    out = np.empty(len(wanted))
    out[order] = fitted + below
    return out


def end_labels(ax: Axes, labels: Sequence[EndLabel]) -> None:
    """Each line's name beside its right end, in its colour, instead of a legend.

    Names that would meet are moved apart, inside the height of the axes; a hairline leads from a
    name that was moved to its line.
    """
    labels = [label for label in labels if np.isfinite(label.y)]
    if not labels:
        return
    heights = ax.transData.transform([(0.0, label.y) for label in labels])[:, 1]
    box = ax.transAxes.inverted().transform(np.column_stack((np.zeros_like(heights), heights)))
    wanted = np.clip(box[:, 1], 0.0, 1.0)
    texts = [
        ax.annotate(
            label.text,
            (1.0, at),
            xycoords="axes fraction",
            xytext=(GAP, 0),
            textcoords="offset points",
            color=label.colour,
            va="center",
            fontsize=SMALL,
            linespacing=1.05,
            annotation_clip=False,
            parse_math=False,
        )
        for label, at in zip(labels, wanted, strict=True)
    ]
    extents, height = measured(ax, texts)
    sizes = np.array([extent.height for extent in extents]) / height * 1.06
    placed = spread_apart(wanted, sizes, 0.0, 1.0)
    led = bool((np.abs(placed - wanted) > 0.35 * sizes.min()).any())
    for text, label, at, line in zip(texts, labels, placed, wanted, strict=True):
        text.xy = (1.0, at)
        if led:  # from every name to its line, so that all names stand in one column
            text.set_x(2.2 * GAP)
            ax.annotate(
                "",
                (1.0, line),
                xycoords="axes fraction",
                xytext=(2.0 * GAP, (at - line) * height * 72 / ax.figure.dpi),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": label.colour, "lw": 0.4, "shrinkA": 0,
                            "shrinkB": 0},
                annotation_clip=False,
            )  # fmt: skip


def measured(ax: Axes, texts: Sequence[object]) -> tuple[list[Bbox], float]:
    """Boxes of the texts and height of the axes in pixels, after the layout is settled."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    return [text.get_window_extent() for text in texts], ax.bbox.height  # type: ignore[attr-defined]


def notes(ax: Axes, lines: Sequence[tuple[str, str]], left: float = 0.75) -> None:
    """Small lines of (text, colour) above the axes, where no data can meet them; wrapped to fit.

    `left` is the room in inches that the axis and its labels take beside them.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    letters = max(12, int((figure.get_figwidth() - left) / LETTER))
    wrapped = [(piece, colour) for text, colour in lines for piece in textwrap.wrap(text, letters)]
    for row, (text, colour) in enumerate(reversed(wrapped)):
        ax.annotate(
            text,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 4 + 9.2 * row),
            textcoords="offset points",
            va="bottom",
            color=colour,
            fontsize=SMALL,
            annotation_clip=False,
            parse_math=False,
        )


def sampled_note(
    drawn: int, seeds: int, rest: str = "; mean and band: all"
) -> list[tuple[str, str]]:
    """Says that not every seed is drawn, where that is so."""
    if drawn == seeds:
        return []
    return [(f"{drawn} of {seeds:,} seeds drawn{rest}", GREY)]


def label_points(
    ax: Axes,
    points: FloatArray,
    names: Sequence[str],
    colours: Sequence[str],
    others: FloatArray,
) -> None:
    """Names beside their points (n, 2), each where it meets no point, none of `others`, no name.

    Points that would lie under each other (within 3 points of print) share a name, "GL, UP".
    Places are tried in a fixed order at growing distance; the first that is free is taken.
    """
    figure = ax.get_figure(root=True)
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    pixel = figure.dpi / 72
    at = ax.transData.transform(points)
    groups: list[list[int]] = []
    for i in range(len(at)):
        near = [g for g in groups if np.hypot(*(at[g[0]] - at[i])) < 3 * pixel]
        if near:
            near[0].append(i)
        else:
            groups.append([i])
    marks = np.concatenate((at, ax.transData.transform(others)))
    side = 3 * pixel
    taken = [Bbox.from_bounds(x - side, y - side, 2 * side, 2 * side) for x, y in marks]
    for group in groups:
        text = textwrap.fill(", ".join(dict.fromkeys(names[i] for i in group)), 24)
        colour = colours[group[0]] if len(group) == 1 else GREY
        label = ax.annotate(
            text, points[group[0]], xytext=(0, 0), textcoords="offset points", color=colour,
            fontsize=SMALL, ha="center", va="center", parse_math=False,
        )  # fmt: skip
        size = label.get_window_extent()
        shift = _free_place(size, at[group[0]], ax.bbox, taken, pixel)
        label.set_position((shift[0] / pixel, shift[1] / pixel))
        beside = shift[1] == 0 and abs(shift[0]) < size.width / 2 + 7 * pixel
        above = shift[0] == 0 and abs(shift[1]) < size.height / 2 + 7 * pixel
        if not (beside or above):
            ax.annotate(
                "", points[group[0]], xytext=(shift[0] / pixel, shift[1] / pixel),
                textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.4, "shrinkA": 0,
                            "shrinkB": 0, "patchA": None, "relpos": (0.5, 0.5)},
            )  # fmt: skip
        taken.append(size.translated(*shift))


def _free_place(
    size: Bbox, point: FloatArray, area: Bbox, taken: Sequence[Bbox], pixel: float
) -> tuple[float, float]:
    width, height = size.width, size.height
    best, fewest = (width / 2 + 5 * pixel, 0.0), len(taken) + 2
    for distance in (5, 9, 14, 20, 28, 38, 50, 64):
        away = distance * pixel
        across, up = width / 2 + away, height / 2 + away
        for dx, dy in (
            (across, 0), (0, up), (-across, 0), (0, -up),
            (across, up), (-across, up), (across, -up), (-across, -up),
        ):  # fmt: skip
            box = Bbox.from_bounds(
                point[0] + dx - width / 2 - pixel, point[1] + dy - height / 2 - pixel,
                width + 2 * pixel, height + 2 * pixel,
            )  # fmt: skip
            inside = box.x0 >= area.x0 and box.x1 <= area.x1
            inside &= box.y0 >= area.y0 and box.y1 <= area.y1
            hits = sum(box.overlaps(other) for other in taken) + (0 if inside else 1)
            if hits < fewest:
                best, fewest = (dx, dy), hits
            if hits == 0:
                return dx, dy
    return best
