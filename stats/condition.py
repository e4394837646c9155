"""Everything that is computed of one condition, on its way into tables, figures and report."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from stats.answers import Answers
from stats.descriptives import by_interval
from stats.document import Finding
from stats.effects import AnovaResults, analyses_of_variance, seed_table
from stats.inference import infer
from stats.io import RunFolder
from stats.measures import MeasureSettings
from stats.planning import plan
from stats.published import compare
from stats.sensitivity import sensitivity, sensitivity_grids
from stats.verdict import verdict

DESCRIBED = (
    "val_loss",
    "val_perplexity",
    "volatility",
    "train_sample_loss",
    "bits_per_byte",
    "generalisation_gap",
)


@dataclass(frozen=True)
class ConditionAnalysis:
    """The frames and findings of one condition; none has a column `condition` but `summary`.

    Attributes
    ----------
    name : str
    telemetry, descriptives, seeds, sensitivity, summary : DataFrame
    anova : AnovaResults
    verdict : list of Finding
    inference, planning : Answers
    grids : dict of str -> DataFrame
        Every verdict over a grid of its thresholds.
    published : DataFrame or None
        The published values beside this run's; of the first condition of the preset "paper".
    published_warning : str or None
        Why the two cannot be compared.
    """

    name: str
    telemetry: pd.DataFrame
    descriptives: pd.DataFrame
    seeds: pd.DataFrame
    anova: AnovaResults
    sensitivity: pd.DataFrame
    summary: pd.DataFrame
    verdict: list[Finding]
    inference: Answers
    planning: Answers
    grids: dict[str, pd.DataFrame]
    published: pd.DataFrame | None
    published_warning: str | None


def analyse_condition(
    run: RunFolder, name: str, telemetry: pd.DataFrame, settings: MeasureSettings
) -> ConditionAnalysis:
    """Describe, test and judge the rows of `telemetry`, all of condition `name`."""
    descriptives = pd.concat(
        [by_interval(telemetry, dv, settings.confidence).assign(dv=dv) for dv in DESCRIBED],
        ignore_index=True,
    )
    descriptives.insert(0, "dv", descriptives.pop("dv"))
    seeds = seed_table(telemetry, settings)
    anova = analyses_of_variance(telemetry, settings)
    inference = infer(telemetry, settings)
    published, warning = None, None
    # the fresh-data control and the like are not what was published: only the first condition is
    if preset(run) == "paper" and name == run.conditions[0]:
        published, warning = compare(telemetry, anova.table, run.study)
    return ConditionAnalysis(
        name=name,
        telemetry=telemetry,
        descriptives=descriptives,
        seeds=seeds,
        anova=anova,
        sensitivity=sensitivity(telemetry, settings),
        summary=_summary(name, telemetry),
        verdict=verdict(telemetry, seeds, anova, settings, inference.tables.get("contrasts_best")),
        inference=inference,
        planning=plan(telemetry, settings),
        grids=sensitivity_grids(telemetry, settings, run.steps),
        published=published,
        published_warning=warning,
    )


def preset(run: RunFolder) -> str | None:
    """The name of the preset that the study was made from, where study.json says so."""
    config = run.study.get("config")
    name = config.get("preset") if isinstance(config, dict) else None
    return name if isinstance(name, str) else None


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
