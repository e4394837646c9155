"""From a run folder to its verdict: read, measure, test, draw, write."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stats.descriptives import by_interval
from stats.effects import (
    AnovaResults,
    analyses_of_variance,
    gain_per_cpu_hour,
    seed_table,
    sensitivity,
)
from stats.io import RunFolder, read_run_folder
from stats.measures import MeasureSettings, add_measures
from stats.planning import Planning, plan
from stats.published import compare
from stats.tables import csv_text, plain, write_bytes, write_table, write_text
from stats.verdict import verdict as verdict_of
from stats.wording import tokens_column

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEXT_WIDTH = 100


@dataclass(frozen=True)
class Analysis:
    """What `analyse` found; every table is also a file in the run folder.

    Attributes
    ----------
    verdict : list of str
        Plain sentences, notices about left-out runs first.
    summary : DataFrame
        One row a (condition, interval): tokens_seen, epoch, then means over seeds of val_loss
        (with val_loss_sd), perplexity, volatility, train_sample_loss, and the number of seeds that
        backslide.
    report : Path
        report.html.
    telemetry : DataFrame
        intervals.csv with the derived measures.
    anova, seeds, descriptives, sensitivity : DataFrame
        All conditions, a column `condition` first.
    published : DataFrame or None
        The published values beside this run's, for the preset "paper".
    planning : dict of str -> DataFrame
        The tables of `stats.planning.plan` that could be made, all conditions, `condition` first.
    """

    verdict: list[str]
    summary: pd.DataFrame
    report: Path
    telemetry: pd.DataFrame
    anova: pd.DataFrame
    seeds: pd.DataFrame
    descriptives: pd.DataFrame
    sensitivity: pd.DataFrame
    published: pd.DataFrame | None = None
    planning: dict[str, pd.DataFrame] = field(default_factory=dict)

    def text(self) -> str:
        """Verdict, table of the intervals and the report's place, in lines of at most 100."""
        lines = [
            textwrap.fill(s, TEXT_WIDTH, initial_indent="- ", subsequent_indent="  ")
            for s in self.verdict
        ]
        shown = self.summary.assign(
            tokens_seen=tokens_column(self.summary["tokens_seen"]),
            epoch=self.summary["epoch"].map("{:.1f}".format).replace("nan", ""),
        ).rename(
            columns={
                "tokens_seen": "tokens",
                "train_sample_loss": "train_sample",
                "val_loss_sd": "sd",
            }
        )
        if shown["condition"].nunique() == 1:
            shown = shown.drop(columns="condition")
        place = f"Report: {self.report}"
        return "\n".join([*lines, "", plain(shown, TEXT_WIDTH), "", place])


@dataclass
class _Condition:
    """The frames of one condition, on their way into files and report."""

    name: str
    telemetry: pd.DataFrame
    descriptives: pd.DataFrame
    seeds: pd.DataFrame
    anova: AnovaResults
    sensitivity: pd.DataFrame
    summary: pd.DataFrame
    verdict: list[str]
    planning: Planning
    published: pd.DataFrame | None = None
    published_warning: str | None = None
    figures: dict[str, bytes] = field(default_factory=dict)


def analyse(
    run_folder: str | Path,
    settings: MeasureSettings | None = None,
    *,
    drop_incomplete: bool = False,
) -> Analysis:
    """Analyse a study and write telemetry.csv, tables/, figures/ and report.html into its folder.

    Parameters
    ----------
    run_folder : path
        Holds intervals.csv; study.json and runs/ are read where present.
    settings : MeasureSettings, optional
    drop_incomplete : bool
        Leave out seeds with missing cells instead of refusing.

    Raises
    ------
    RunFolderError
        A ValueError whose line names what is wrong with the folder; nothing is written then.
    """
    settings = settings or MeasureSettings()
    run = read_run_folder(run_folder, drop_incomplete=drop_incomplete)
    telemetry = add_measures(run.intervals, settings, run.steps)
    conditions = [
        _analyse_condition(
            run, name, telemetry[telemetry["condition"] == name].reset_index(drop=True), settings
        )
        for name in run.conditions
    ]
    several = len(conditions) > 1
    sentences = list(run.notices)
    for condition in conditions:
        prefix = f"{condition.name}: " if several else ""
        sentences += [prefix + sentence for sentence in condition.verdict]
        if condition.published_warning:
            sentences.append(prefix + condition.published_warning)
    write_text(run.path / "telemetry.csv", csv_text(telemetry))
    result = Analysis(
        verdict=sentences,
        summary=pd.concat([c.summary for c in conditions], ignore_index=True),
        report=run.path / "report.html",
        telemetry=telemetry,
        anova=_stack(conditions, [c.anova.table for c in conditions]),
        seeds=_stack(conditions, [c.seeds for c in conditions]),
        descriptives=_stack(conditions, [c.descriptives for c in conditions]),
        sensitivity=_stack(conditions, [c.sensitivity for c in conditions]),
        published=_stack_published(conditions),
        planning=_stack_planning(conditions),
    )
    _write_tables(run, result, gain_per_cpu_hour(telemetry, run.timing))
    _write_figures_and_report(run, conditions, telemetry, settings)
    return result


def _analyse_condition(
    run: RunFolder, name: str, telemetry: pd.DataFrame, settings: MeasureSettings
) -> _Condition:
    descriptives = pd.concat(
        [
            by_interval(telemetry, dv, settings.confidence).assign(dv=dv)
            for dv in (
                "val_loss",
                "val_perplexity",
                "volatility",
                "train_sample_loss",
                "bits_per_byte",
                "generalisation_gap",
            )
        ],
        ignore_index=True,
    )
    descriptives.insert(0, "dv", descriptives.pop("dv"))
    seeds = seed_table(telemetry, settings)
    anova = analyses_of_variance(telemetry, settings)
    condition = _Condition(
        name=name,
        telemetry=telemetry,
        descriptives=descriptives,
        seeds=seeds,
        anova=anova,
        sensitivity=sensitivity(telemetry, settings),
        summary=_summary(name, telemetry),
        verdict=verdict_of(telemetry, seeds, anova, settings),
        planning=plan(telemetry, settings),
    )
    # the fresh-data control and the like are not what was published: only the first condition is
    if _preset(run) == "paper" and name == run.conditions[0]:
        condition.published, condition.published_warning = compare(
            telemetry, anova.table, run.study
        )
    return condition


def _preset(run: RunFolder) -> str | None:
    config = run.study.get("config")
    return config.get("preset") if isinstance(config, dict) else None


def _summary(name: str, telemetry: pd.DataFrame) -> pd.DataFrame:
    grouped = telemetry.groupby("interval", sort=True)
    table = pd.DataFrame(
        {
            "tokens_seen": grouped["tokens_seen"].first(),
            "epoch": grouped["epoch"].mean(),
            "val_loss": grouped["val_loss"].mean(),
            "val_loss_sd": grouped["val_loss"].std(ddof=1),
            "perplexity": grouped["val_perplexity"].mean(),
            "volatility": grouped["volatility"].mean(),
            "train_sample_loss": grouped["train_sample_loss"].mean(),
            "backslides": grouped["backslide"].sum().astype("int64"),
        }
    ).reset_index()
    table.insert(0, "condition", name)
    return table


def _stack(conditions: list[_Condition], frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of all conditions below each other, the condition's name first."""
    pieces = []
    for condition, frame in zip(conditions, frames, strict=True):
        if len(frame):
            piece = frame.copy()
            piece.insert(0, "condition", condition.name)
            pieces.append(piece)
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()


def _stack_published(conditions: list[_Condition]) -> pd.DataFrame | None:
    found = [c.published for c in conditions if c.published is not None]
    return found[0] if found else None


def _stack_planning(conditions: list[_Condition]) -> dict[str, pd.DataFrame]:
    names = dict.fromkeys(name for c in conditions for name in c.planning.tables)
    nothing = pd.DataFrame()
    return {
        name: _stack(conditions, [c.planning.tables.get(name, nothing) for c in conditions])
        for name in names
    }


def _write_tables(run: RunFolder, result: Analysis, cpu_time: pd.DataFrame) -> None:
    folder = run.path / "tables"
    write_table(folder, "summary", result.summary)
    write_table(folder, "seeds", result.seeds)
    write_table(folder, "descriptives", result.descriptives)
    write_table(folder, "sensitivity", result.sensitivity)
    if len(result.anova):
        write_table(folder, "anova", result.anova)
    for name, table in result.planning.items():
        write_table(folder, name, table)
    if result.published is not None:
        write_table(folder, "published", result.published)
    if len(cpu_time):
        write_table(folder, "cpu_time", cpu_time)


def _write_figures_and_report(
    run: RunFolder,
    conditions: list[_Condition],
    telemetry: pd.DataFrame,
    settings: MeasureSettings,
) -> None:
    # imported here: matplotlib costs most of a second that a refused folder need not pay
    from stats import figures, plotting, report

    folder = run.path / "figures"
    several = len(conditions) > 1
    for condition in conditions:
        stem = f"{condition.name}-" if several else ""
        for name, draw in figures.FIGURES.items():
            picture = plotting.styled(draw, condition.telemetry, settings)
            condition.figures[name] = _write_figure(folder, f"{stem}{name}", picture)
    comparison = None
    if several:
        picture = plotting.styled(figures.conditions, telemetry, settings)
        comparison = _write_figure(folder, "conditions", picture)
    parts = [
        report.ConditionReport(
            c.name,
            c.telemetry,
            c.verdict,
            c.summary,
            c.seeds,
            c.anova.table,
            c.sensitivity,
            c.published,
            c.published_warning,
            c.figures,
            c.planning,
        )
        for c in conditions
    ]
    text = report.build(run, parts, settings, comparison)
    write_text(run.path / "report.html", text)


def _write_figure(folder: Path, name: str, picture: Figure) -> bytes:
    """Both formats; the SVG's bytes go into the report as well."""
    from stats import plotting

    write_bytes(folder / f"{name}.png", plotting.encode(picture, "png"))
    svg = plotting.encode(picture, "svg")
    write_bytes(folder / f"{name}.svg", svg)
    return svg
