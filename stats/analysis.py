"""From a run folder to its verdict: read, measure, test, draw, write."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from stats.condition import ConditionAnalysis, analyse_condition
from stats.effects import gain_per_cpu_hour
from stats.io import RunFolder, read_run_folder
from stats.measures import MeasureSettings, add_measures
from stats.outputs import write_figures_and_report, write_tables
from stats.tables import csv_text, plain
from stats.wording import tokens_column
from stats.writing import write_text

TEXT_WIDTH = 100


@dataclass(frozen=True)
class Analysis:
    """What `analyse` found; every table is also a file in the run folder.

    Attributes
    ----------
    verdict : list of str
        Plain sentences, each with its statistic as APA prints it; notices about left-out runs
        first.
    summary : DataFrame
        One row a (condition, interval): tokens_seen, epoch, then means over seeds of val_loss
        (with val_loss_sd), perplexity, volatility, train_sample_loss, and the number of seeds that
        backslide.
    report : Path
        report.html; report.md beside it says the same.
    telemetry : DataFrame
        intervals.csv with the derived measures.
    anova, seeds, descriptives, sensitivity : DataFrame
        All conditions, a column `condition` first.
    published : DataFrame or None
        The published values beside this run's, for the preset "paper".
    inference, planning, grids : dict of str -> DataFrame
        The tables of `stats.inference.infer` and `stats.planning.plan` that could be made, and
        those of `stats.sensitivity.sensitivity_grids`; all conditions, `condition` first.
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
    inference: dict[str, pd.DataFrame] = field(default_factory=dict)
    planning: dict[str, pd.DataFrame] = field(default_factory=dict)
    grids: dict[str, pd.DataFrame] = field(default_factory=dict)

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


def analyse(
    run_folder: str | Path,
    settings: MeasureSettings | None = None,
    *,
    drop_incomplete: bool = False,
    latex: bool = False,
) -> Analysis:
    """Analyse a study and write telemetry.csv, tables/, figures/ and the report into its folder.

    Parameters
    ----------
    run_folder : path
        Holds intervals.csv; study.json and runs/ are read where present.
    settings : MeasureSettings, optional
    drop_incomplete : bool
        Leave out seeds with missing cells instead of refusing.
    latex : bool
        Write the report's tables as tables/NAME.tex too, for a document with booktabs.

    Raises
    ------
    RunFolderError
        A ValueError whose line names what is wrong with the folder; nothing is written then.
    """
    settings = settings or MeasureSettings()
    run = read_run_folder(run_folder, drop_incomplete=drop_incomplete)
    telemetry = add_measures(run.intervals, settings, run.steps)
    conditions = [
        analyse_condition(
            run, name, telemetry[telemetry["condition"] == name].reset_index(drop=True), settings
        )
        for name in run.conditions
    ]
    several = len(conditions) > 1
    sentences = list(run.notices)
    for condition in conditions:
        prefix = f"{condition.name}: " if several else ""
        sentences += [f"{prefix}{finding}" for finding in condition.verdict]
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
        inference=_stack_tables(conditions, [c.inference.tables for c in conditions]),
        planning=_stack_tables(conditions, [c.planning.tables for c in conditions]),
        grids=_stack_tables(conditions, [c.grids for c in conditions]),
    )
    _write_tables(run, result, gain_per_cpu_hour(telemetry, run.timing))
    write_figures_and_report(run, conditions, telemetry, settings, latex)
    return result


def _stack(conditions: list[ConditionAnalysis], frames: list[pd.DataFrame]) -> pd.DataFrame:
    """Frames of all conditions below each other, the condition's name first."""
    pieces = []
    for condition, frame in zip(conditions, frames, strict=True):
        if len(frame):
            piece = frame.copy()
            piece.insert(0, "condition", condition.name)
            pieces.append(piece)
    return pd.concat(pieces, ignore_index=True) if pieces else pd.DataFrame()


def _stack_published(conditions: list[ConditionAnalysis]) -> pd.DataFrame | None:
    found = [c.published for c in conditions if c.published is not None]
    return found[0] if found else None


def _stack_tables(
    conditions: list[ConditionAnalysis], tables: list[dict[str, pd.DataFrame]]
) -> dict[str, pd.DataFrame]:
    """The same for frames by name; a condition may lack some."""
    nothing = pd.DataFrame()
    return {
        name: _stack(conditions, [found.get(name, nothing) for found in tables])
        for name in dict.fromkeys(name for found in tables for name in found)
    }


def _write_tables(run: RunFolder, result: Analysis, cpu_time: pd.DataFrame) -> None:
    tables = {
        "summary": result.summary,
        "seeds": result.seeds,
        "descriptives": result.descriptives,
        "sensitivity": result.sensitivity,
        "anova": result.anova,
        **result.inference,
        **result.planning,
        **{f"sensitivity_{name}": grid for name, grid in result.grids.items()},
        "published": result.published,
        "cpu_time": cpu_time,
    }
    write_tables(run.path / "tables", tables)
