"""From a made-up run folder to verdict, tables, figures and report."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from stats_fake_run import fake_run_folder

from stats import (
    analyse,
    analysis,
    figures,
    planning,
    precision,
    stopping,
    turn,
    variability,
)
from stats.cli import main
from stats.io import RunFolderError, read_run_folder
from stats.measures import MeasureSettings, add_measures
from stats.plotting import styled

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A U-shaped study of six seeds and 21 intervals, analysed."""
    folder = fake_run_folder(tmp_path_factory.mktemp("study") / "run")
    return folder, analyse(folder)


@pytest.fixture
def without_figures(monkeypatch):
    """For tests of words and tables alone: drawing is most of the time of an analysis."""
    monkeypatch.setattr(analysis, "write_figures_and_report", lambda *_: None)


def falling(condition, seed, rng):
    """Losses that never rise, all seeds alike but for a constant and a little slope."""
    val = 8 - 0.2 * np.arange(21) * (1 + 0.01 * seed) + 0.1 * seed
    return val, val - 0.1


def test_u_shape_is_told_as_one(study):
    _, result = study
    text = " ".join(result.verdict)
    assert "6 seeds x 21 measuring intervals = 126 observations" in text
    mean = result.telemetry.groupby("interval")["val_loss"].mean()
    best = int(mean.idxmin())
    assert f"lowest at interval {best} " in text
    assert f"{mean[best]:.4f} nats a token" in text
    assert "bought nothing" in text
    assert "The loss differs between intervals by more than the seeds disagree, with" in text
    assert "Intervals 0 to 20: F(" in text
    assert "; intervals 1 to 20: F(" in text
    assert "nan" not in text.lower()


def test_falling_loss_wastes_nothing(tmp_path, without_figures):
    result = analyse(fake_run_folder(tmp_path / "run", losses=falling, preset="quick"))
    text = " ".join(result.verdict)
    assert "The best interval is the last one: no tokens were wasted" in text
    assert "No seed backslides in its 20 changes" in text
    assert "lies 0.1000 nats above that of the training sample" in text


@pytest.mark.slow
def test_one_seed_has_no_anova(tmp_path):
    text = " ".join(analyse(fake_run_folder(tmp_path / "run", seeds=1)).verdict)
    assert "No analysis of variance: with one seed" in text
    assert "nan" not in text.lower()


@pytest.mark.slow
def test_two_intervals_are_enough_for_a_verdict(tmp_path):
    result = analyse(fake_run_folder(tmp_path / "run", intervals=1, steps=4, preset="smoke"))
    assert "A stable phase cannot be judged" in " ".join(result.verdict)
    assert len(result.summary) == 2


@pytest.mark.slow
def test_conditions_stand_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", {"loss": figures.loss_trajectories})
    folder = fake_run_folder(tmp_path / "run", conditions=("repeated", "fresh"), seeds=3)
    result = analyse(folder)
    assert any(sentence.startswith("fresh: ") for sentence in result.verdict)
    assert (folder / "figures" / "conditions.png").stat().st_size > 1000
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "<b>repeated</b><ul>" in html  # the contents tell the conditions apart
    ids = re.findall(r'id="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert {"verdict-0", "verdict-1", "table-fresh-seeds", "table-repeated-seeds"} <= set(ids)


def test_published_values_stand_beside_a_paper_run(study):
    _, result = study
    assert result.published is not None
    row = result.published.astype(str).apply(" ".join, axis=1).str.cat(sep="\n")
    for value in ("2.7996", "3.9010", "8.3552"):
        assert value in row


def test_another_budget_is_said_not_to_compare(tmp_path, without_figures):
    text = " ".join(analyse(fake_run_folder(tmp_path / "run", steps=245)).verdict)
    assert "This run saw 1,003,520 tokens a seed, the published study 20,000,768" in text


def test_terminal_text_fits_100_columns(study):
    folder, result = study
    assert max(len(line) for line in result.text().splitlines() if "Report:" not in line) <= 100
    assert result.text().endswith(f"Report: {folder / 'report.html'}")


def test_small_budgets_are_told_in_thousands(tmp_path, without_figures):
    losses = lambda condition, seed, rng: tuple(v[:6] for v in falling(condition, seed, rng))  # noqa: E731
    result = analyse(fake_run_folder(tmp_path / "run", losses=losses, steps=5, preset="smoke"))
    assert " 20.5 k " in result.text()


def test_report_is_one_file_that_loads_nothing(study):
    folder, _ = study
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert len(html) < 1_000_000
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:image/svg|#)""", html)
    assert "http:" not in html.replace("http-equiv", "")
    assert "https:" not in html
    assert html.count("data:image/") >= 7


def test_markdown_says_the_same_and_links_the_figures(study):
    folder, result = study
    text = (folder / "report.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\((figures/[^)]*)\)", text)
    assert len(linked) >= 7
    assert all((folder / path).is_file() for path in linked)
    for name in re.findall(r"\]\(#([^)]*)\)", text):
        assert f'<a id="{name}"></a>' in text
    sentence = "The loss differs between intervals by more than the seeds disagree"
    assert sentence in text
    assert sentence in " ".join(result.verdict)


def test_sections_stand_in_their_order(study):
    html = (study[0] / "report.html").read_text(encoding="utf-8")
    order = re.findall(r'<section id="([^"]*)"', html)
    parts = ["verdict", "published", "figures", "tables", "differences", "planning"]
    parts += ["robustness", "samples"]
    assert order == [*(f"{name}-0" for name in parts), "method", "settings"]


@pytest.mark.slow
def test_latex_is_written_on_request(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", {})
    folder = fake_run_folder(tmp_path / "run", seeds=2)
    analyse(folder)
    assert not list(folder.rglob("*.tex"))
    analyse(folder, latex=True)
    names = {path.stem for path in (folder / "tables").glob("*.tex")}
    assert {"summary", "seeds", "anova", "sensitivity", "settings"} <= names
    text = (folder / "tables" / "anova.tex").read_text(encoding="utf-8")
    assert r"\toprule" in text
    assert r"p\_GG\_corr" in text


@pytest.mark.slow
def test_blanks_have_a_reason(tmp_path, monkeypatch):
    """Without runs/ step spikes are not known: an empty cell and a sentence, never "<NA>"."""
    monkeypatch.setattr(figures, "FIGURES", {})
    folder = fake_run_folder(tmp_path / "run", with_runs=False)
    analyse(folder)
    for name in ("report.html", "report.md", "tables/seeds.md", "tables/summary.md"):
        text = (folder / name).read_text(encoding="utf-8")
        assert not re.search(r"<NA>|&lt;NA&gt;|\bnan\b|\bNone\b", text), name
    assert "not counted, which is not none" in (folder / "report.md").read_text(encoding="utf-8")


def test_token_means_are_whole(study):
    text = (study[0] / "report.md").read_text(encoding="utf-8")
    table = text.split("| rule |")[1].split("\n\n")[0]
    spent = [row.split(" | ")[3] for row in table.splitlines()[2:]]
    assert len(spent) >= 5
    assert all(re.fullmatch(r"[\d,]+", cell) for cell in spent)


@pytest.mark.slow
def test_condition_names_stay_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", {"loss": figures.loss_trajectories})
    names = ("a b", "a_b")
    folder = fake_run_folder(tmp_path / "run", conditions=names, seeds=2, with_runs=False)
    analyse(folder)
    written = {path.name for path in (folder / "figures").iterdir()}
    assert {name for name in written if "loss" in name or "conditions" in name} == {
        f"{stem}.{kind}"
        for stem in ("a_b-0-loss", "a_b-1-loss", "conditions")
        for kind in ("png", "svg")
    }
    assert all(name.startswith(("a_b-0-", "a_b-1-", "conditions.")) for name in written)


def test_text_of_the_corpus_is_escaped(study):
    folder, _ = study
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert "<b>Mia</b>" not in html
    assert "Tom &amp; &lt;b&gt;Mia&lt;/b&gt;" in html
    text = (folder / "report.md").read_text(encoding="utf-8")
    assert "<b>Mia</b>" not in text
    assert r"\<b>Mia\</b>" in text


@pytest.mark.slow
def test_the_same_input_gives_the_same_bytes(study, tmp_path):
    folder, _ = study
    again = fake_run_folder(tmp_path / "run")
    analyse(again)
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".csv", ".md", ".svg", ".html"):
            assert path.read_bytes() == (again / path.relative_to(folder)).read_bytes(), path.name


def test_the_next_study_is_planned(study):
    """The tables are those of the library, the report shows them, and no cell says nan."""
    folder, result = study
    cells = result.telemetry.sample(frac=1, random_state=0)
    replayed = stopping.replay(cells)
    price = MeasureSettings().gain_threshold
    expected = {
        "stopping": stopping.by_setting(replayed, price),
        "stopping_held_out": stopping.honest_means(replayed, price),
        "turn": turn.turn_errors(turn.predict_turns(cells)),
        "variability": variability.between_seed_variability(cells),
        "precision": precision.precision_curve(cells, np.random.default_rng(0)),
    }
    assert set(result.planning) == {*expected, "variance", "intraclass"}
    for name, table in expected.items():
        pd.testing.assert_frame_equal(result.planning[name].drop(columns="condition"), table)
    trained = variability.intraclass_correlations(cells[cells["interval"] > 0])
    rows = result.planning["intraclass"]
    assert rows.loc[~rows["with_interval_0"], "icc"].tolist() == trained["icc"].tolist()
    for name in result.planning:
        written = pd.read_csv(folder / "tables" / f"{name}.csv")
        assert len(written) == len(result.planning[name])
        assert "nan" not in (folder / "tables" / f"{name}.csv").read_text(encoding="utf-8")
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert 'href="#planning-0"' in html
    section = html.split('id="planning-0"')[1].split("<section")[0]
    assert "median_of_others" in section
    assert section.count("<table") == 5


def test_what_cannot_be_planned_is_said(tmp_path, without_figures):
    folder = fake_run_folder(tmp_path / "run", losses=falling)
    result = planning.plan(analyse(folder).telemetry, MeasureSettings())
    assert {"turn", "precision", *result.tables} - set(result.tables) == {"turn", "precision"}
    assert [text.split(":")[0] for text in result.refusals] == [
        "No forecast of the turn",
        "No number of seeds needed",
    ]
    one = read_run_folder(folder).intervals.query("seed == 0")
    alone = planning.plan(one, MeasureSettings())
    assert set(alone.tables) == {"stopping"}
    assert len(alone.refusals) == 6


def test_without_a_training_sample_pq_is_left_out(tmp_path, without_figures):
    telemetry = analyse(fake_run_folder(tmp_path / "run")).telemetry
    result = planning.plan(telemetry.assign(train_sample_loss=np.nan), MeasureSettings())
    assert set(result.tables["stopping"]["rule"]) == {"GL", "UP", "patience", "never"}
    assert len(result.refusals) == 1
    assert "'train_sample_loss' is missing" in result.refusals[0]


def test_telemetry_keeps_the_rows_and_adds_measures(study):
    folder, _ = study
    before = pd.read_csv(folder / "intervals.csv")
    after = pd.read_csv(folder / "telemetry.csv")
    assert list(after.columns[: before.shape[1]]) == list(before.columns)
    np.testing.assert_array_equal(after["val_loss"], before["val_loss"])
    assert after["volatility"].isna().groupby(after["interval"]).all().sum() == 2


FIGURES = (
    figures.loss_trajectories,
    figures.perplexity_trajectories,
    figures.volatility,
    figures.backslides,
    figures.between_seeds,
    figures.generalisation_gap,
    figures.marginal_gain,
)


@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: draw.__name__)
def test_figures_are_labelled_and_no_text_overlaps(draw, study):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    _, result = study
    figure = styled(draw, result.telemetry, MeasureSettings())
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    labelled = [ax for ax in figure.axes if ax.get_ylabel() or ax.get_xlabel()]
    assert labelled
    for ax in figure.axes:
        if ax.get_label() != "<colorbar>":
            assert not ax.spines["top"].get_visible()
            assert not ax.spines["right"].get_visible()
    # annotations and labels, ticks left out: matplotlib keeps those apart itself
    texts = [t for ax in figure.axes for t in ax.texts if t.get_visible() and t.get_text()]
    boxes = [(t.get_text(), t.get_window_extent(canvas.get_renderer())) for t in texts]
    clashes = [(a, b) for (a, x), (b, y) in itertools.combinations(boxes, 2) if x.overlaps(y)]
    assert clashes == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(index=5), "0, 5"),
        (lambda rows: pd.concat([rows, rows.iloc[[7]]]), "0, 7"),
        (lambda rows: rows.drop(columns="val_loss"), "lacks the column.*val_loss"),
        (lambda rows: rows.iloc[:0], "no rows"),
    ],
)
def test_damaged_intervals_are_refused_by_name(change, message, tmp_path, capsys):
    folder = fake_run_folder(tmp_path / "run", with_runs=False)
    rows = pd.read_csv(folder / "intervals.csv", dtype=str, keep_default_na=False)
    change(rows).to_csv(folder / "intervals.csv", index=False)
    with pytest.raises(RunFolderError, match=message):
        read_run_folder(folder)
    assert main([str(folder)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (folder / "report.html").exists()


def test_a_folder_that_is_none_is_refused(tmp_path, capsys):
    assert main([str(tmp_path / "nothing")]) == 2
    assert "nothing" in capsys.readouterr().err


def test_unfinished_runs_are_left_out_loudly(tmp_path, without_figures):
    folder = fake_run_folder(tmp_path / "run", outcomes={2: "diverged"})
    result = analyse(folder)
    assert "diverged" in result.verdict[0]
    assert sorted(result.telemetry["seed"].unique()) == [0, 1, 3, 4, 5]


def test_only_the_small_files_are_needed(tmp_path, without_figures):
    folder = fake_run_folder(tmp_path / "run", with_runs=False, with_study=False)
    assert len(analyse(folder).telemetry) == 126


def test_step_spikes_are_counted_in_their_interval(tmp_path):
    folder = fake_run_folder(tmp_path / "run", seeds=2)
    run = read_run_folder(folder)
    steps = run.steps["baseline", 1].copy()
    steps.loc[200, "grad_norm"] = 50.0
    spiked = add_measures(run.intervals, MeasureSettings(), {**run.steps, ("baseline", 1): steps})
    rows = spiked[(spiked["seed"] == 1) & (spiked["step_spikes"] > 0)]
    at = steps.loc[200, "step"]
    assert rows["step"].tolist() == [min(s for s in spiked["step"].unique() if s >= at)]
