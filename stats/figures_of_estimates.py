"""Figures of what was estimated: contrasts, two studies, the number of seeds, stopping rules.

Each takes the frame that the function named in its docstring returns, or any with these columns.
"""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from stats.descriptives import check_confidence
from stats.figures import cut_start, wrapped_name
from stats.labels import EndLabel, end_labels, label_points, notes, sampled_note
from stats.matrix import seed_matrix
from stats.plotting import (
    BLUE,
    DARK,
    DASHES,
    GREY,
    LINE_COLOURS,
    MEAN_LINE,
    SKY,
    SMALL,
    VERMILION,
    FloatArray,
    Width,
    canvas,
    drawn_seeds,
    house_style,
    plain_axis,
    plot_mean,
    plot_seeds,
    require,
    token_unit,
    tokens_axis,
)
from stats.wording import unit_fraction

MARKERS = ("o", "s", "^", "D", "v", "P", "X")
FEW_ROWS = 8  # up to here a forest shows its whole range


@house_style
def contrasts_forest(
    frame: pd.DataFrame,
    *,
    alpha: float = 0.05,
    xlabel: str = "difference (nats a token)",
    width: Width = "column",
) -> Figure:
    """Contrasts, a row each, in the order given: estimate, t interval, BCa interval thin below.

    Filled: p after Holm's correction below `alpha`. The intervals are one at a time and Holm's p
    is not, so an open circle whose interval misses 0 is no contradiction. Of eight rows or more,
    those far outside the rest are shown by an arrow with their number.

    Parameters
    ----------
    frame : DataFrame
        contrast (label), estimate, low, high, p_holm; low_bca and high_bca may be absent or NaN.
    alpha : float
    xlabel : str
        With the unit.
    width : "column", "page" or inches

    Raises
    ------
    ValueError
        A column that is absent, no rows, an estimate that is not finite, or a bad alpha.
    """
    require(frame, ["contrast", "estimate", "low", "high", "p_holm"], "the frame of contrasts")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha={alpha} must lie between 0 and 1, like 0.05")
    estimate = frame["estimate"].to_numpy(dtype=np.float64)
    if not np.isfinite(estimate).all():
        at = int(np.flatnonzero(~np.isfinite(estimate))[0])
        raise ValueError(f"estimate of {frame['contrast'].iloc[at]!r} is {estimate[at]}")
    names = [textwrap.fill(str(name), 22) for name in frame["contrast"]]
    heights = np.array([0.13 + 0.115 * name.count("\n") for name in names])
    y = np.cumsum(heights) - heights / 2
    figure, axes = canvas(width, 0.75 + float(heights.sum()))
    ax = axes[0]
    ax.grid(False)
    ax.axvline(0, color="#444444", lw=0.6)
    low, high = _forest_range(frame)
    for row, at in enumerate(y):
        _forest_row(ax, frame.iloc[row], float(at), (low, high), alpha)
    ax.set(xlim=(low, high), ylim=(float(heights.sum()), 0), xlabel=xlabel)
    ax.set_yticks(y, names)
    for label in ax.get_yticklabels():
        label.set_parse_math(False)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:.6g}".replace("-", "−")))
    ax.text(1.02, 1.0, "Holm's p", transform=ax.transAxes, va="bottom", fontsize=SMALL, color=GREY)
    bca = "low_bca" in frame and frame["low_bca"].notna().any()
    shown = f"filled: p < {unit_fraction(alpha, 2)}" + ("; thin: BCa" if bca else "")
    notes(ax, [(shown, GREY)], left=1.9)
    return figure


def _forest_range(frame: pd.DataFrame) -> tuple[float, float]:
    bounds = frame[["estimate", "low", "high"]].to_numpy(dtype=np.float64)
    lows, highs = np.nanmin(bounds, axis=1), np.nanmax(bounds, axis=1)
    if len(frame) >= FEW_ROWS:
        far = np.maximum(np.abs(lows), np.abs(highs))
        inside = far <= 4 * max(float(np.median(far)), 1e-12)
        # cut only where it gains room
        if far.max() > 2 * far[inside].max(initial=0.0):
            lows, highs = lows[inside], highs[inside]
    low, high = min(float(lows.min()), 0.0), max(float(highs.max()), 0.0)
    room = max(high - low, 1e-3)
    return low - 0.1 * room, high + 0.1 * room


def _forest_row(
    ax: Axes, row: pd.Series, at: float, limits: tuple[float, float], alpha: float
) -> None:
    estimate, p = float(row["estimate"]), float(row["p_holm"])
    shown = "" if np.isnan(p) else "< .001" if p < 0.001 else unit_fraction(p)
    ax.annotate(
        shown, (1.02, at), xycoords=("axes fraction", "data"), va="center", fontsize=SMALL,
        color=DARK, annotation_clip=False,
    )  # fmt: skip
    if not limits[0] <= estimate <= limits[1]:
        left = estimate < limits[0]
        ax.annotate(
            f"{estimate:.3g}".replace("-", "−"),
            (0 if left else 1, at),
            xycoords=("axes fraction", "data"),
            xytext=(16 if left else -16, 0),
            textcoords="offset points",
            ha="left" if left else "right",
            va="center",
            fontsize=SMALL,
            color=BLUE,
            arrowprops={"arrowstyle": "-|>", "color": BLUE, "lw": 0.8, "mutation_scale": 6,
                        "shrinkA": 0, "shrinkB": 0},
        )  # fmt: skip
        return
    ax.plot([row["low"], row["high"]], [at - 0.012] * 2, color=BLUE, lw=1.6, solid_capstyle="butt")
    thin = row.get("low_bca", np.nan), row.get("high_bca", np.nan)
    ax.plot(thin, [at + 0.035] * 2, color=GREY, lw=0.6, solid_capstyle="butt")
    significant = p < alpha
    ax.plot(
        estimate, at - 0.012, "o", ms=4, mew=0.9, mec=BLUE, mfc=BLUE if significant else "white"
    )


@house_style
def precision(
    curve: pd.DataFrame,
    *,
    half_width: float | None = None,
    power: float | None = 0.8,
    width: Width = "column",
) -> Figure:
    """Half-width of the t interval and power against the number of seeds.

    Solid: the mean of simulated studies; dashed: what nine of ten stay below. The band of the
    power is two Monte-Carlo standard errors. Read it as an order of magnitude: the covariance is
    that of a few seeds.

    Parameters
    ----------
    curve : DataFrame
        As `stats.precision.precision_curve` returns it.
    half_width, power : float, optional
        What is asked for: a thin line each.
    width : "column", "page" or inches
    """
    require(curve, ["seeds", "half_width", "half_width_q90", "power", "power_se"], "the curve")
    curve = curve.sort_values("seeds")
    figure, (above, below) = canvas(width, 3.0, 2)
    seeds = curve["seeds"].to_numpy(dtype=np.float64)
    mean, most = curve["half_width"].to_numpy(), curve["half_width_q90"].to_numpy()
    chance, error = curve["power"].to_numpy(), curve["power_se"].to_numpy()
    marker = "o" if len(seeds) <= 40 else ""
    above.plot(seeds, mean, color=BLUE, lw=MEAN_LINE, marker=marker, ms=2.5)
    above.plot(seeds, most, color=SKY, lw=1.0, ls=DASHES[1])
    above.set_ylim(0, 1.08 * max(float(most.max()), half_width or 0.0, 1e-6))
    above.set_ylabel("half-width\n(nats)")
    plain_axis(above, 4)
    low, high = np.clip(chance - 2 * error, 0, 1), np.clip(chance + 2 * error, 0, 1)
    below.fill_between(seeds, low, high, color=BLUE, alpha=0.2, lw=0)
    below.plot(seeds, chance, color=BLUE, lw=MEAN_LINE, marker=marker, ms=2.5, clip_on=False)
    below.set(ylim=(0, 1.0), xlabel="number of seeds", ylabel="power")
    below.set_yticks([0, 0.25, 0.5, 0.75, 1])
    below.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    labels = [EndLabel(mean[-1], "mean", BLUE), EndLabel(most[-1], "9 of 10\nbelow", SKY)]
    powers = [EndLabel(chance[-1], "power", BLUE)]
    for ax, wanted, texts in ((above, half_width, labels), (below, power, powers)):
        if wanted is not None:
            ax.axhline(wanted, color=VERMILION, lw=0.8, ls=DASHES[2])
            texts.append(EndLabel(wanted, f"wanted\n{wanted:g}", VERMILION))
    # the darker of the two blues: small type in sky blue is too pale to read
    labels[1] = EndLabel(most[-1], "9 of 10\nbelow", GREY)
    end_labels(above, labels)
    end_labels(below, powers)
    return figure


@house_style
def stopping(
    settings: pd.DataFrame, held_out: pd.DataFrame | None = None, *, width: Width = "column"
) -> Figure:
    """Tokens that a stopping rule spends against what it loses; lower left is better.

    Small: every threshold in `settings`, a marker and colour for each rule. Large and named: the
    rule with its threshold chosen by the other seeds (`held_out`), or, without it, the cheapest
    threshold of each rule in hindsight, which flatters.

    Parameters
    ----------
    settings : DataFrame
        As `stats.stopping.by_setting` returns it: rule, setting, tokens_spent, regret, cost.
    held_out : DataFrame, optional
        As `stats.stopping.honest_means` returns it: rule, tokens_spent, regret.
    width : "column", "page" or inches
    """
    require(settings, ["rule", "setting", "tokens_spent", "regret", "cost"], "the settings")
    large = settings.loc[settings.groupby("rule", sort=False)["cost"].idxmin()]
    names = large["setting"].tolist()
    if held_out is not None:
        require(held_out, ["rule", "tokens_spent", "regret"], "the held-out means")
        large = held_out
        names = large["rule"].tolist()
    figure, axes = canvas(width, 2.6)
    ax = axes[0]
    unit, unit_name = token_unit(float(settings["tokens_spent"].max()))
    rules = list(dict.fromkeys([*settings["rule"], *large["rule"]]))
    colours = {rule: LINE_COLOURS[i % len(LINE_COLOURS)] for i, rule in enumerate(rules)}
    markers = {rule: MARKERS[i % len(MARKERS)] for i, rule in enumerate(rules)}
    for table, size, alpha in ((settings, 3.0, 0.55), (large, 5.5, 1.0)):
        for rule, rows in table.groupby("rule", sort=False):
            ax.plot(
                rows["tokens_spent"] / unit, rows["regret"], markers[rule], color=colours[rule],
                ms=size, alpha=alpha, mec="white" if size > 4 else "none", mew=0.5, clip_on=False,
            )  # fmt: skip
    spent, lost = (pd.concat([settings[name], large[name]]) for name in ("tokens_spent", "regret"))
    span = max(float(spent.max() - spent.min()), 0.2 * float(spent.max()), 1e-3 * unit) / unit
    middle = float(spent.max() + spent.min()) / 2 / unit
    ax.set_xlim(middle - 0.7 * span, middle + 0.7 * span)
    top = max(float(lost.max()), 0.01)  # nats; a thousandth is not worth an axis
    ax.set_ylim(-0.25 * top, 1.12 * top)
    plain_axis(ax)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.set(xlabel=f"tokens spent, mean ({unit_name})", ylabel="regret, mean (nats a token)")
    large_is = (
        "threshold chosen by the other seeds" if held_out is not None else "cheapest threshold"
    )
    notes(ax, [(f"large: {large_is}; small: every threshold", GREY)])
    points = np.column_stack((large["tokens_spent"] / unit, large["regret"])).astype(np.float64)
    others = np.column_stack((settings["tokens_spent"] / unit, settings["regret"]))
    label_points(ax, points, names, [colours[rule] for rule in large["rule"]], others)
    return figure


@house_style
def comparison(
    frame: pd.DataFrame,
    differences: pd.DataFrame,
    *,
    column: str = "val_loss",
    ylabel: str = "validation loss\n(nats a token)",
    difference_label: str = "difference\n(nats)",
    confidence: float = 0.95,
    width: Width = "column",
) -> Figure:
    """Two studies or conditions above, their difference with its interval and zero line below.

    Bands of the two means may overlap where the difference, paired by seed, is clear of 0: read
    the lower panel.

    Parameters
    ----------
    frame : DataFrame
        study (two names), seed, interval, tokens_seen and `column`.
    differences : DataFrame
        interval, tokens_seen, difference (second study minus first), low, high.
    column, ylabel, difference_label : str
    confidence : float
        Of the bands above; those below are taken as given.
    width : "column", "page" or inches

    Raises
    ------
    ValueError
        A column that is absent, other than two studies, a bad confidence, or a study that
        `stats.matrix.seed_matrix` refuses.
    """
    require(frame, ["study", "seed", "interval", "tokens_seen", column], "the frame of studies")
    wanted = ["interval", "tokens_seen", "difference", "low", "high"]
    require(differences, wanted, "the frame of differences")
    check_confidence(confidence)
    names = list(dict.fromkeys(frame["study"]))
    if len(names) != 2:
        raise ValueError(f"{len(names)} studies in the frame; this compares 2: {names}")
    figure, (above, below) = canvas(width, 3.7, 2, [1.4, 1.0])
    unit, _ = token_unit(float(frame["tokens_seen"].max()))
    labels, matrices = [], []
    lines: list[tuple[str, str]] = []
    for name, colour, dashes in zip(names, LINE_COLOURS, DASHES, strict=False):
        cells = frame[frame["study"] == name]
        values = seed_matrix(cells, column).values
        tokens = cells.groupby("interval")["tokens_seen"].first().to_numpy(np.float64) / unit
        rows = drawn_seeds(values[:, -1])
        plot_seeds(above, tokens, values[rows], colour)
        mean = plot_mean(above, tokens, values, confidence, colour, dashes)
        matrices.append(values)
        labels.append(EndLabel(mean[-1], wrapped_name(name), colour))
        lines = lines or sampled_note(len(rows), len(values))
    start = cut_start(above, *matrices)
    if start is not None:
        lines = [(f"interval 0, not shown: {start:.4g}", GREY), *lines]
    plain_axis(above)
    above.set_ylabel(ylabel)
    line = differences.sort_values("interval")
    x: FloatArray = line["tokens_seen"].to_numpy(dtype=np.float64) / unit
    below.axhline(0, color="#444444", lw=0.6)
    below.fill_between(x, line["low"], line["high"], color=DARK, alpha=0.15, lw=0)
    marker = "o" if len(x) <= 60 else ""
    below.plot(x, line["difference"], color=DARK, lw=MEAN_LINE, marker=marker, ms=2.5)
    below.set_ylabel(difference_label)
    plain_axis(below, 4)
    tokens_axis(below, frame, epoch=False)
    notes(above, lines)
    end_labels(above, labels)
    notes(below, [(f"{names[1]} minus {names[0]}", DARK)])
    end_labels(below, [EndLabel(0.0, "equal", GREY)])
    return figure
