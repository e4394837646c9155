"""Figures at the size of print: no text meets another, the same bytes, no trace left behind."""

from __future__ import annotations

import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from scipy import optimize
from stats_fake_run import trajectory

from stats import figures, figures_of_estimates, heat_maps, labels, plotting
from stats.descriptives import by_interval
from stats.measures import MeasureSettings, add_measures
from stats.precision import precision_curve
from stats.stopping import by_setting, honest_means, replay

SETTINGS = MeasureSettings()
PROGRESS = np.arange(21) / 20


def telemetry(val, train=None, budget=20_000_768, condition="baseline"):
    """Losses (S, K) as the telemetry of one condition."""
    n, k = val.shape
    train = val - 0.1 if train is None else train
    tokens = np.tile(np.round(np.linspace(0, budget, k)), n)
    frame = pd.DataFrame(
        {
            "condition": condition,
            "seed": np.repeat(np.arange(n), k),
            "interval": np.tile(np.arange(k), n),
            "step": np.tile(np.arange(k) * 10, n),
            "tokens_seen": tokens.astype(int),
            "epoch": tokens / 600_000,
            "train_sample_loss": train.ravel(),
            "val_loss": val.ravel(),
            "val_perplexity": np.exp(val.ravel()),
            "flops": tokens * 27e6,
        }
    )
    return add_measures(frame, SETTINGS)


def u_shape(n, k, **options):
    rng = np.random.default_rng([n, k])
    pairs = [trajectory(rng, k - 1) for _ in range(n)]
    val, train = (np.array(part) for part in zip(*pairs, strict=True))
    return telemetry(val, train, **options)


def noise(scale):
    return scale * np.random.default_rng(5).standard_normal((6, 21))


def from_high(start):
    return np.concatenate((np.full((6, 1), start), (3 - PROGRESS + noise(0.02))[:, 1:]), axis=1)


SHAPES = {
    "one seed": lambda: u_shape(1, 21),
    "two seeds": lambda: u_shape(2, 21),
    "6 x 21, U": lambda: u_shape(6, 21),
    "3 x 3": lambda: u_shape(3, 3),
    "3 x 2": lambda: u_shape(3, 2),
    "12 x 51": lambda: u_shape(12, 51),
    "40 x 101": lambda: u_shape(40, 101),
    "61 x 21": lambda: u_shape(61, 21),
    "falling": lambda: telemetry(8 - 4 * PROGRESS + noise(0.001)),
    "flat": lambda: telemetry(np.full((6, 21), 2.5)),
    "diverging": lambda: telemetry(3 + np.exp(4 * PROGRESS) * (0.3 + np.abs(noise(0.2))[:, :1])),
    "interval 0 huge": lambda: telemetry(from_high(600.0)),
    "few tokens": lambda: u_shape(6, 21, budget=8_000),
}


def drawn_texts(figure):
    """(text, box in pixels) of every text that a reader sees, after the layout is settled."""
    figure.draw_without_rendering()
    hidden = set()
    for ax in figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            room = 1e-9 * (high - low)
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not low - room <= tick.get_loc() <= high + room:
                    hidden |= {tick.label1, tick.label2}
    texts = []
    for text in figure.findobj(Text):
        shown = text.get_visible() and text.get_text().strip() and text not in hidden
        owner = text.axes
        if shown and (owner is None or owner.get_visible()):
            texts.append((text.get_text(), Text.get_window_extent(text)))
    return texts


def complaints(figure):
    """Texts that overlap by more than a tenth of a point, or leave the figure; or are too small."""
    found = []
    slack = 0.1 * figure.dpi / 72
    boxes = drawn_texts(figure)
    for (a, x), (b, y) in itertools.combinations(boxes, 2):
        across = min(x.x1, y.x1) - max(x.x0, y.x0)
        up = min(x.y1, y.y1) - max(x.y0, y.y0)
        if across > slack and up > slack:
            found.append(f"{a!r} meets {b!r}")
    edge = figure.bbox
    for text, box in boxes:
        if min(box.x0, box.y0) < -slack or box.x1 > edge.x1 + slack or box.y1 > edge.y1 + slack:
            found.append(f"{text!r} leaves the figure")
    sizes = {text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()}
    found += [f"type of {size} points" for size in sizes if not 7 <= size <= 8]
    return found


@pytest.mark.parametrize("name", figures.FIGURES)
def test_no_text_meets_another(name):
    frame = SHAPES["6 x 21, U"]()
    for width in ("column", "page"):
        figure = figures.FIGURES[name](frame, SETTINGS, width)
        assert figure.get_figwidth() == plotting.WIDTHS[width]
        assert complaints(figure) == []


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_no_text_meets_another_in_any_shape(shape):
    frame = SHAPES[shape]()
    found = {name: complaints(draw(frame, SETTINGS)) for name, draw in figures.FIGURES.items()}
    assert found == {name: [] for name in figures.FIGURES}


def test_overlaps_and_texts_outside_would_be_found():
    figure, axes = plotting.styled(plotting.canvas, 3.5, 2.0)
    axes[0].text(0.5, 0.5, "one", fontsize=7)
    axes[0].text(0.5, 0.55, "two", fontsize=7)
    far = axes[0].text(3, 0.5, "three", fontsize=7)
    far.set_in_layout(False)
    axes[0].text(0.1, 0.1, "tiny", fontsize=5)
    found = complaints(figure)
    assert "'one' meets 'two'" in found
    assert "'three' leaves the figure" in found
    assert "type of 5.0 points" in found


def contrasts(pairs, loss):
    """Paired t of intervals (a, b) with a made-up p: the figure does not compute it."""
    rows = []
    for number, (label, a, b) in enumerate(pairs):
        d = loss[:, b] - loss[:, a]
        half = 2.57 * d.std(ddof=1) / np.sqrt(len(d))
        row = {"contrast": label, "estimate": d.mean(), "low": d.mean() - half}
        row |= {"high": d.mean() + half, "low_bca": d.mean() - 0.8 * half}
        row |= {"high_bca": np.nan if number == 1 else d.mean() + 0.9 * half}
        rows.append({**row, "p_holm": np.nan if number == 2 else min(0.0004 * 3**number, 1)})
    return pd.DataFrame(rows)


def adjacent(loss):
    return contrasts([(f"{i} to {i + 1}", i, i + 1) for i in range(loss.shape[1] - 1)], loss)


PLANNED = [("initial to best (best of the other seeds)", 0, 5), ("best to final", 5, 20)]
PLANNED += [("$5 to_the ^moon", 1, 2)]


def grid(columns, lines, panels=(3,), real=False):
    rows = [
        {"volatility_window": w, "stable_run": y, "stable_volatility": x, "in_use": i == j == 1}
        | {"seeds": (0.1234 * (i + j) if real else (3 * i + j + w) % 7)}
        for w in panels
        for i, x in enumerate(columns)
        for j, y in enumerate(lines)
    ]
    return pd.DataFrame(rows)


SMALL_GRID = ([0.005, 0.01, 0.02, 0.04], [2, 3, 4])
GRID_NAMES = ("stable_volatility", "stable_run", "seeds")
GRID_LABELS = {
    "stable_volatility": "largest volatility of a stable interval (share of the loss)",
    "stable_run": "stable intervals in a row",
    "seeds": "seeds with a stable phase",
    "volatility_window": "window",
}


def study_pair(n=6, names=("600,000 tokens", "fresh text"), start=None):
    rng = np.random.default_rng(2)
    frames, matrices = [], []
    for index, name in enumerate(names):
        val = np.array([trajectory(rng, 20, fresh=index > 0)[0] for _ in range(n)])
        if start:
            val[:, 0] = start
        matrices.append(val)
        frames.append(telemetry(val).assign(study=name))
    differences = matrices[0] - matrices[1]
    mean, low, high = plotting.mean_and_band(differences, 0.95)
    tokens = frames[0].groupby("interval")["tokens_seen"].first().to_numpy()
    table = {"interval": range(21), "tokens_seen": tokens, "difference": mean}
    return pd.concat(frames), pd.DataFrame({**table, "low": low, "high": high})


def rules(frame, held_out=True):
    replayed = replay(frame)
    return by_setting(replayed), honest_means(replayed) if held_out else None


def curve(seeds, rise=None):
    rng = np.random.default_rng(0)
    return precision_curve(u_shape(6, 21), rng, seeds, simulations=50, rise=rise)


def conditions(names):
    frames = [u_shape(3, 21).assign(condition=name) for name in names]
    return pd.concat(frames)


def loss_of(shape):
    return SHAPES[shape]().pivot(index="seed", columns="interval", values="val_loss").to_numpy()


forest, smap = figures_of_estimates.contrasts_forest, heat_maps.sensitivity_map
OTHERS = {
    "forest, adjacent": lambda w: forest(adjacent(loss_of("6 x 21, U")), width=w),
    "forest, falling": lambda w: forest(adjacent(loss_of("falling")), width=w),
    "forest, flat": lambda w: forest(adjacent(loss_of("flat")), width=w),
    "forest, planned": lambda w: forest(contrasts(PLANNED, loss_of("6 x 21, U")), width=w),
    "map, panels": lambda w: smap(
        grid(*SMALL_GRID, (2, 3, 4, 5)), *GRID_NAMES, "volatility_window", labels=GRID_LABELS,
        width=w,
    ),
    "map, five panels": lambda w: smap(
        grid(*SMALL_GRID, (2, 3, 4, 5, 6)), *GRID_NAMES, "volatility_window", width=w
    ),
    "map, one": lambda w: smap(grid(*SMALL_GRID), *GRID_NAMES, labels=GRID_LABELS, width=w),
    "map, one row": lambda w: smap(
        grid([0.0, 0.005, 0.01, 0.02, 0.05], [3]), "stable_volatility", None, "seeds", width=w
    ),
    "map, fine": lambda w: smap(
        grid(np.linspace(0, 0.1, 24).round(4), range(2, 16), real=True), *GRID_NAMES, width=w
    ),
    "map, holes": lambda w: smap(grid(*SMALL_GRID).iloc[2:], *GRID_NAMES, width=w),
    "correlation, 6 x 21": lambda w: heat_maps.residual_correlation(loss_of("6 x 21, U"), width=w),
    "correlation, 3 x 3": lambda w: heat_maps.residual_correlation(loss_of("3 x 3"), width=w),
    "correlation, flat": lambda w: heat_maps.residual_correlation(loss_of("flat"), width=w),
    "correlation, 40": lambda w: heat_maps.residual_correlation(loss_of("40 x 101"), width=w),
    "precision": lambda w: figures_of_estimates.precision(curve(range(3, 21)), width=w),
    "precision, wanted": lambda w: figures_of_estimates.precision(
        curve([3, 6, 12], rise=0.02), half_width=0.03, width=w
    ),
    "stopping, U": lambda w: figures_of_estimates.stopping(*rules(u_shape(6, 21)), width=w),
    "stopping, hindsight": lambda w: figures_of_estimates.stopping(
        *rules(u_shape(6, 21), held_out=False), width=w
    ),
    "stopping, falling": lambda w: figures_of_estimates.stopping(
        *rules(SHAPES["falling"]()), width=w
    ),
    "comparison": lambda w: figures_of_estimates.comparison(*study_pair(), width=w),
    "comparison, one seed": lambda w: figures_of_estimates.comparison(*study_pair(1), width=w),
    "comparison, far names": lambda w: figures_of_estimates.comparison(
        *study_pair(3, ("$a_1$ with a name that goes on and on and on and on", "b"), 600.0),
        width=w,
    ),
    "conditions, two": lambda w: figures.conditions(conditions("ab"), SETTINGS, w),
    "conditions, nine alike": lambda w: figures.conditions(
        conditions(f"weight_decay={i} & $lr$" for i in range(9)), SETTINGS, w
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("width", ["column", "page"])
def test_no_text_meets_another_in_the_other_figures(width):
    found = {case: complaints(draw(width)) for case, draw in OTHERS.items()}
    assert found == {case: [] for case in OTHERS}


@pytest.mark.parametrize("case", ["forest, planned", "map, one"])
def test_the_same_bytes_each_time_and_no_trace_is_left(case):
    before = dict(mpl.rcParams)
    first, second = OTHERS[case]("column"), OTHERS[case]("column")
    with mpl.rc_context({"font.size": 20, "svg.hashsalt": "other"}):
        third = OTHERS[case]("column")
        again = plotting.encode(third, "svg")
    for suffix in ("png", "svg"):
        assert plotting.encode(first, suffix) == plotting.encode(second, suffix)
    assert plotting.encode(first, "svg") == again
    assert dict(mpl.rcParams) == before


def test_bands_are_the_t_intervals_of_the_tables():
    frame = u_shape(6, 21)
    mean, low, high = plotting.mean_and_band(loss_of("6 x 21, U"), 0.9)
    table = by_interval(frame, "val_loss", 0.9)
    for mine, column in ((mean, "mean"), (low, "ci_low"), (high, "ci_high")):
        np.testing.assert_allclose(mine, table[column], rtol=1e-12)
    ax = figures.loss_trajectories(frame, SETTINGS).axes[0]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), mean, rtol=1e-12)


def test_correlations_are_those_of_the_centred_matrix():
    values = loss_of("6 x 21, U")
    centred = values - values.mean(axis=1, keepdims=True) - values.mean(axis=0) + values.mean()
    mine = heat_maps.residual_correlations(values)
    np.testing.assert_allclose(mine, np.corrcoef(centred.T), atol=1e-9)
    assert not np.allclose(mine, np.corrcoef(values.T), atol=0.05)


def test_a_map_prints_what_it_colours():
    frame = grid(*SMALL_GRID)
    ax = smap(frame.sample(frac=1, random_state=1), *GRID_NAMES).axes[0]
    printed = {
        (t.get_position()[0] - 0.5, t.get_position()[1] - 0.5): t.get_text() for t in ax.texts
    }
    for row in frame.itertuples():
        at = (SMALL_GRID[0].index(row.stable_volatility), SMALL_GRID[1].index(row.stable_run))
        assert printed[at] == str(row.seeds)
    assert {patch.get_xy() for patch in ax.patches} == {(1, 1)}


def test_a_forest_fills_what_holm_leaves_significant():
    frame = adjacent(loss_of("6 x 21, U"))
    ax = forest(frame).axes[0]
    rings = [line for line in ax.lines if line.get_marker() == "o"]
    filled = [line.get_markerfacecolor() == plotting.BLUE for line in rings]
    inside = frame.iloc[len(frame) - len(rings) :]  # the first falls are arrows
    assert filled == (inside["p_holm"] < 0.05).tolist()
    arrows = {text.get_text() for text in ax.texts}
    assert f"{frame['estimate'].iloc[0]:.3g}".replace("-", "−") in arrows


def test_of_many_seeds_sixty_are_drawn_from_best_to_worst():
    rng = np.random.default_rng(3)
    final = rng.permutation(1000).astype(float)
    rows = plotting.drawn_seeds(final)
    assert len(set(rows)) == 60
    assert {final[rows].min(), final[rows].max()} == {0.0, 999.0}
    assert np.ptp(np.diff(np.sort(final[rows]))) <= 1
    assert plotting.drawn_seeds(final[:60]).tolist() == list(range(60))


def test_a_mean_is_of_all_seeds_where_few_are_drawn():
    frame = SHAPES["61 x 21"]()
    ax = figures.loss_trajectories(frame, SETTINGS).axes[0]
    assert len(ax.collections[0].get_paths()) == 60
    expected = frame.groupby("interval")["val_loss"].mean()
    np.testing.assert_allclose(ax.lines[0].get_ydata(), expected, rtol=1e-12)
    assert any("60 of 61 seeds" in text.get_text() for text in ax.texts)


@pytest.mark.slow
def test_a_thousand_seeds_at_a_thousand_intervals_stay_small():
    rng = np.random.default_rng(1)
    walk = np.cumsum(0.003 * rng.standard_normal((1000, 1000)), axis=1)
    val = 3 + 5 * np.exp(-np.arange(1000) / 50) + walk
    frame = telemetry(val, val - 0.1 - np.abs(walk))
    for name in ("generalisation_gap", "volatility", "backslides"):  # the three largest
        svg = plotting.encode(figures.FIGURES[name](frame, SETTINGS), "svg")
        assert len(svg) < 300_000, name


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_labels_move_as_little_as_they_can(n):
    rng = np.random.default_rng(n)
    for _ in range(20):
        wanted, sizes = rng.random(n), rng.uniform(0.02, 0.12, n)
        placed = labels.spread_apart(wanted, sizes, -9, 9)
        order = np.argsort(wanted)
        steps = (sizes[order][1:] + sizes[order][:-1]) / 2
        assert (np.diff(placed[order]) >= steps - 1e-12).all()
        # the same problem solved by scipy: a shift of isotonic regression
        below = np.concatenate(([0.0], np.cumsum(steps)))
        fitted = optimize.isotonic_regression(wanted[order] - below).x + below
        np.testing.assert_allclose(placed[order], fitted, atol=1e-12)
        inside = labels.spread_apart(wanted, sizes, 0, 1)
        assert (inside - sizes / 2 >= -1e-12).all()
        assert (inside + sizes / 2 <= 1 + 1e-12).all()


PAIR = pd.DataFrame({"study": ["a"], "seed": [0], "interval": [0], "tokens_seen": [0]})
DIFFERENCES = pd.DataFrame(
    {"interval": [0], "tokens_seen": [0], "difference": [0.0], "low": [0.0], "high": [0.0]}
)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plotting.inches("wide"), "width='wide' must be 'column', 'page' or a number"),
        (lambda: plotting.inches(1), "width=1 must be a number of at least 2.5"),
        (lambda: plotting.encode(None, "pdf"), "suffix='pdf' must be 'png' or 'svg'"),
        (lambda: forest(pd.DataFrame({"contrast": ["a"]})), "lacks the column.*'estimate'"),
        (lambda: forest(contrasts(PLANNED, np.zeros((3, 21))), alpha=5), "alpha=5 must lie"),
        (lambda: forest(contrasts(PLANNED, np.full((3, 21), np.nan))), "estimate of .* is nan"),
        (lambda: smap(grid(*SMALL_GRID).iloc[:0], *GRID_NAMES), "no rows"),
        (lambda: smap(grid(*SMALL_GRID, (2, 3)), *GRID_NAMES), "twice: give one row"),
        (
            lambda: smap(grid(*SMALL_GRID).astype({"seeds": str}), *GRID_NAMES),
            "'seeds' must hold numbers",
        ),
        (lambda: heat_maps.residual_correlation(np.zeros((2, 5))), "2 seeds x 5 intervals"),
        (lambda: heat_maps.residual_correlation(np.full((3, 5), np.inf)), "finite numbers"),
        (lambda: heat_maps.residual_correlation(np.zeros((3, 5)), [1]), "1 intervals for 5"),
        (
            lambda: figures_of_estimates.comparison(PAIR.assign(val_loss=1.0), DIFFERENCES),
            "1 studies in the frame; this compares 2",
        ),
        (lambda: figures_of_estimates.comparison(PAIR, DIFFERENCES), "lacks the column.*val_loss"),
        (lambda: figures_of_estimates.precision(pd.DataFrame()), "the curve lacks the column"),
        (lambda: figures_of_estimates.stopping(pd.DataFrame()), "the settings lacks the column"),
    ],
)
def test_bad_input_is_refused_by_name(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()
