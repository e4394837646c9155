"""The sections of the report of one condition; a new one is a function and a line in `PARTS`.

A builder returns the blocks of its section; where it returns none the section is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from stats import report_texts
from stats.condition import ConditionAnalysis
from stats.document import (
    Block,
    Bullets,
    Findings,
    Heading,
    Paragraph,
    Picture,
    Quotation,
    Section,
    Table,
)
from stats.io import RunFolder
from stats.measures import MeasureSettings, best_interval
from stats.robustness import robustness_sentences
from stats.wording import million, unit_fraction

ROBUSTNESS = (
    *("best_interval_by_definition", "stable_phase", "backslides_by_tolerance"),
    *("spikes_by_ratio", "step_spikes_by_rule"),
)
FOLD_FROM = 15  # rows: a longer table of detail is closed until the reader opens it
ANOVA_ROWS = (
    *("F", "ddof1", "ddof2", "p_unc", "eps", "p_GG_corr", "eps_HF", "p_HF_corr"),
    *("eps_lower_bound", "p_LB", "p_sign_flip", "ng2", "np2", "W_spher", "p_spher"),
)

# Shown together, in this order; other figures stand in the section whose numbers they show.
OVERVIEW = (
    *("loss", "perplexity", "generalisation_gap", "backslides", "volatility", "between_seeds"),
    "marginal_gain",
)


@dataclass(frozen=True)
class Material:
    """What a section may draw on.

    Attributes
    ----------
    run : RunFolder
    settings : MeasureSettings
    condition : ConditionAnalysis
    figures : mapping of str -> bytes
        The condition's figures as SVG, by the name of the function that draws them.
    stem : str
        What the names of the condition's figures and tables begin with; "" for a single one.
    """

    run: RunFolder
    settings: MeasureSettings
    condition: ConditionAnalysis
    figures: Mapping[str, bytes]
    stem: str = ""


def verdict(material: Material) -> list[Block]:
    """What was found, in sentences."""
    return [Findings(tuple(material.condition.verdict))]


def published(material: Material) -> list[Block]:
    """The published values beside this run's."""
    condition = material.condition
    if condition.published is None:
        return []
    explanation = (
        "Rows marked assumed or fitted agree because settings were chosen so that they would; "
        "only the predicted rows could have come out otherwise."
    )
    blocks: list[Block] = [Paragraph(explanation)]
    if condition.published_warning:
        blocks.insert(0, Paragraph(condition.published_warning, "notice"))
    name = f"{material.stem}published"
    caption = "The published study and this run."
    return [*blocks, Table(name, in_words(condition.published), caption)]


def pictures(material: Material) -> list[Block]:
    """The course of training, with what to look for in it."""
    return [_drawn(material, name) for name in OVERVIEW if name in material.figures]


def _drawn(material: Material, name: str) -> Picture:
    return picture(name, material.figures[name], material.stem)


def _drawn_if_any(material: Material, *names: str) -> list[Block]:
    return [_drawn(material, name) for name in names if name in material.figures]


def picture(name: str, svg: bytes, stem: str = "") -> Picture:
    """A figure with its caption; one without a text of its own is called by its name."""
    title, caption = report_texts.FIGURES.get(name, (f"{name.replace('_', ' ').capitalize()}.", ""))
    return Picture(f"{stem}{name}", svg, title, caption, f"Figure: {title}")


def tables(material: Material) -> list[Block]:
    """Means by interval, seeds one by one, the analyses of variance."""
    return [_means(material), _seeds(material), *_anova(material)]


def _means(material: Material) -> Table:
    summary = material.condition.summary.drop(columns="condition")
    best = int(summary["val_loss"].to_numpy().argmin())
    summary["epoch"] = [f"{epoch:.1f}" if epoch == epoch else "" for epoch in summary["epoch"]]
    note = "Volatility is blank where its window does not fit yet."
    return Table(
        f"{material.stem}summary",
        in_words(summary),
        "Means over seeds by interval; the best one in bold. val loss sd is between seeds, "
        "backslides counts seeds.",
        note if summary["volatility"].isna().any() else "",
        best,
    )


def _seeds(material: Material) -> Table:
    seeds = material.condition.seeds
    reasons = []
    if seeds["step_spikes"].isna().any():
        reasons.append(
            "Step spikes are blank where a run's steps.csv is not in the folder: not counted, "
            "which is not none."
        )
    if seeds["largest_backslide"].isna().any():
        reasons.append("A seed without backslide has no largest one.")
    if seeds[["diminishing_first", "diminishing_for_good"]].isna().any(axis=None):
        reasons.append("diminishing is blank where returns have not diminished.")
    hidden = ["best_tokens", "tokens_after_best", "stable_intervals"]
    return Table(
        f"{material.stem}seeds",
        in_words(seeds.drop(columns=hidden)),
        "Seeds one by one; losses in nats. diminishing: the interval from which a million "
        "tokens bring less than the threshold, for the first time and for good.",
        " ".join(reasons),
    )


def _anova(material: Material) -> list[Block]:
    anova = material.condition.anova.table
    if not len(anova):
        return []
    return [
        Table(
            f"{material.stem}anova",
            _anova_cells(anova),
            "Repeated-measures analyses of variance, in pingouin's names.",
            f"Mauchly's test of sphericity, first analysis: {anova['sphericity'].iloc[0]}.",
        )
    ]


def _anova_cells(anova: pd.DataFrame) -> pd.DataFrame:
    """The analyses side by side, a row a quantity, as APA prints them."""
    columns: dict[str, list[str]] = {"quantity": list(ANOVA_ROWS)}
    for row in anova.to_dict("records"):
        places = str(row["intervals"]).replace("..", " to ")
        heading = f"{str(row['dv']).replace('_', ' ')}, {places}"
        columns[heading] = [_anova_cell(name, row[name]) for name in ANOVA_ROWS]
    return pd.DataFrame(columns)


def _anova_cell(name: str, value: float) -> str:
    if value != value:
        return "undefined"
    if name.startswith("ddof"):
        return f"{value:.0f}"
    if name == "F":
        return f"{value:,.2f}" if value < 1e6 else f"{value:.3g}"
    if name.startswith("p") and value < 0.001:
        return "< .001"
    return "> .999" if 0.9995 <= value < 1 else unit_fraction(value)


def differences(material: Material) -> list[Block]:
    """Which intervals differ: contrasts, effect sizes, and the tests not to be trusted."""
    inference = material.condition.inference
    blocks = _drawn_if_any(material, "contrasts", "residual_correlation")
    for name, (caption, note) in report_texts.INFERENCE.items():
        if (table := inference.tables.get(name)) is None:
            continue
        shown = table[list(report_texts.INFERENCE_COLUMNS.get(name, table.columns))]
        if name == "rank_tests":
            note = " ".join(dict.fromkeys(table["warning"]))
        long = len(shown) > FOLD_FROM
        blocks.append(Table(f"{material.stem}{name}", in_words(shown), caption, note, folded=long))
    return blocks + [Paragraph(refusal, "note") for refusal in inference.refusals]


def stopping(material: Material) -> list[Block]:
    """The tables that answer a question; the long ones are in the folder's tables/ alone."""
    planning = material.condition.planning
    blocks = _drawn_if_any(material, "stopping", "precision")
    for name, caption in report_texts.PLANNING.items():
        table = planning.tables.get(name)
        if table is not None:
            blank = "Errors are blank where every seed had turned already."
            note = blank if name == "turn" and table.isna().any(axis=None) else ""
            long = len(table) > FOLD_FROM
            blocks.append(
                Table(f"{material.stem}{name}", in_words(table), caption, note, folded=long)
            )
    return blocks + [Paragraph(refusal, "note") for refusal in planning.refusals]


def robustness(material: Material) -> list[Block]:
    """Whether the verdict would be another with other thresholds."""
    condition = material.condition
    tried = condition.sensitivity
    tried = tried.assign(in_use=["in use" if used else "" for used in tried["in_use"]])
    never = tried["diminishing_first"].isna().any()
    return [
        Bullets(tuple(robustness_sentences(condition.grids))),
        *_drawn_if_any(material, *ROBUSTNESS),
        Table(
            f"{material.stem}sensitivity",
            in_words(tried),
            "How the counts move with each threshold, the others as set. A verdict that holds in "
            "one row only is a verdict about the threshold.",
            "diminishing first is blank where returns do not diminish." if never else "",
        ),
    ]


def samples(material: Material) -> list[Block]:
    """Texts of the first seed that has any, at the first, best and last interval."""
    written, telemetry = material.run.samples, material.condition.telemetry
    seeds = [seed for (name, seed) in sorted(written) if name == material.condition.name]
    if not seeds:
        return []
    seed = seeds[0]
    mine = telemetry[telemetry["seed"] == seed]
    best = int(best_interval(mine["val_loss"].to_numpy()))
    last = int(mine["interval"].max())
    blocks: list[Block] = []
    for interval in dict.fromkeys((0, best, last)):
        here = [s for s in written[material.condition.name, seed] if s.get("interval") == interval]
        if not here:
            continue
        row = mine[mine["interval"] == interval].iloc[0]
        name = {0: "first", best: "best", last: "last"}[interval]
        tokens = million(float(row["tokens_seen"]))
        title = f"{tokens} tokens, validation loss {row['val_loss']:.4f}"
        blocks.append(Heading(f"Interval {interval}, the {name}: {title}"))
        blocks += [Quotation(str(s.get("prompt", "")), str(s.get("text", ""))) for s in here]
    if not blocks:
        return []
    said = f"Seed {seed}. The prompt is set apart; no text was picked or edited."
    return [Paragraph(said), *blocks]


def in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """For readers: names that can break, whole token counts, p as APA prints it."""
    whole = {
        name: frame[name].round().astype("Int64")
        for name in frame.columns
        if "tokens" in str(name) and pd.api.types.is_float_dtype(frame[name])
    }
    probabilities = {
        name: [_anova_cell(str(name), p) if p == p else "" for p in frame[name]]
        for name in frame.columns
        if name == "p" or str(name).startswith("p_")
    }
    return frame.assign(**whole, **probabilities).rename(
        columns=lambda name: str(name).replace("_", " ")
    )


@dataclass(frozen=True)
class Part:
    """A section to be: `link` is its word in the contents."""

    anchor: str
    title: str
    link: str
    blocks: Callable[[Material], list[Block]]


PARTS = (
    Part("verdict", "Verdict", "Verdict", verdict),
    Part("published", "Published and this run", "Published", published),
    Part("figures", "Figures", "Figures", pictures),
    Part("tables", "Tables", "Tables", tables),
    Part("differences", "Which intervals differ", "Differences", differences),
    Part("planning", "When to stop, and with how many seeds", "When to stop", stopping),
    Part("robustness", "How sure this is", "How sure", robustness),
    Part("samples", "Sample texts", "Samples", samples),
)


def of_condition(material: Material) -> list[Section]:
    """The sections of one condition; several conditions are told apart by name."""
    name, names = material.condition.name, material.run.conditions
    number, several = names.index(name), len(names) > 1
    found = [(part, tuple(part.blocks(material))) for part in PARTS]
    return [
        Section(
            f"{part.anchor}-{number}",
            f"{part.title}: {name}" if several else part.title,
            blocks,
            part.link,
            name if several else "",
        )
        for part, blocks in found
        if blocks
    ]
