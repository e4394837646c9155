"""report.html: one file that a person reads from top to bottom, without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from stats import markup
from stats.io import RunFolder
from stats.measures import MeasureSettings, best_interval, wide
from stats.planning import Planning
from stats.wording import count, million, unit_fraction

CAPTIONS: Mapping[str, tuple[str, str]] = {
    "loss": (
        "Validation loss.",
        "Thin lines are seeds, the strong one their mean, the band its t interval. Look for the "
        "turn: everything right of the marked interval was paid for without gain.",
    ),
    "perplexity": (
        "Perplexity, the exponential of the loss.",
        "The same turn; the exponential magnifies differences between seeds where the loss is "
        "high.",
    ),
    "generalisation_gap": (
        "Training and validation part company.",
        "Where the training sample goes on falling and validation rises, the model memorises its "
        "text. The gap below grows long before validation turns.",
    ),
    "backslides": (
        "Backslides.",
        "Each row is a seed; a coloured cell is an interval at which its loss rose, darker for "
        "more. Isolated cells are noise; an unbroken strip after the circle is overfitting.",
    ),
    "volatility": (
        "Rolling volatility.",
        "Below the dashed line an interval is quiet enough to be stable. The steep start is the "
        "fall of the loss itself, not noise: volatility does not tell a trend from a wobble.",
    ),
    "between_seeds": (
        "Spread between seeds.",
        "Above in nats, below relative to the mean. Seeds that drift apart late make the last "
        "checkpoint a poor summary.",
    ),
    "marginal_gain": (
        "What a million tokens still buys.",
        "Fall of the best mean loss so far, per million tokens, on a log axis. Below the dashed "
        "line returns have diminished.",
    ),
    "conditions": (
        "Conditions side by side.",
        "Mean validation loss of each condition with its t interval over seeds.",
    ),
}

ANOVA_ROWS = (
    *("F", "ddof1", "ddof2", "p_unc", "eps", "p_GG_corr", "eps_HF", "p_HF_corr"),
    *("eps_lower_bound", "p_LB", "p_sign_flip", "ng2", "np2", "W_spher", "p_spher"),
)

PLANNING_CAPTIONS: Mapping[str, str] = {
    "stopping_held_out": "Stopping rules, each seed judged with the threshold that is cheapest for "
    "the others; means over seeds. Regret: nats lost against the seed's best checkpoint. Wasted: "
    "tokens trained after the checkpoint kept. Cost: regret plus the price of the tokens spent.",
    "turn": "Forecasts of the turn from the first part of the intervals; errors in intervals, over "
    "the seeds that had not turned yet. A forecast is worth something only if it beats both "
    "baselines: the median turn of the other seeds, and now.",
    "variance": "Where the variance of the loss lies. Interval 0, an untrained model, is most of "
    "it: read the rows without.",
    "intraclass": "Targets seed: does a seed that is worse early stay worse (ICC(3,1))? Targets "
    "interval: do the seeds tell the same story?",
    "precision": "A study of so many seeds, simulated from this one: half-width of the interval of "
    "the rise from best to last (nats), and how often that interval would lie wholly above 0.",
}

METHOD = (
    "Each seed is a subject, each measuring interval a level of one within-subject factor. "
    "Sphericity is not assumed: the Greenhouse-Geisser epsilon leads, Huynh-Feldt and the lower "
    "bound stand beside it.",
    "With n seeds and k intervals Mauchly's test exists only if n - 1 >= k - 1. With 6 seeds and "
    "21 intervals the covariance has rank 5 at most, so W would be 0 for any population; no W and "
    "no p are printed, and nothing is decided by them. Epsilon cannot exceed 5 / 20 = .25 there.",
    "Interval 0 is an untrained model. It alone makes F enormous, so every analysis is given "
    "without it too; read that one.",
    "A significant F says that the intervals do not all have the same mean. It does not say that "
    "the loss turns, nor where.",
    "Volatility needs a full window: its first intervals are blank by definition, not missing, "
    "and its analysis starts where it is defined.",
    "The best interval is chosen from the same data it is judged by, which makes a rise after it "
    "look surer than it is (9 to 16 % of true nulls rejected at .05 in simulation). The rise is "
    "therefore measured at the interval that the other seeds choose.",
    "p_sign_flip flips the sign of whole centred seeds: it needs no normal distribution and no "
    "exchangeable intervals. Its smallest possible value with six seeds is 1/32 = .031.",
    "Eta squared from six seeds is an optimistic description of these seeds, not an estimate for "
    "others.",
)


@dataclass(frozen=True)
class ConditionReport:
    """What the report shows of one condition."""

    condition: str
    telemetry: pd.DataFrame
    verdict: list[str]
    summary: pd.DataFrame
    seeds: pd.DataFrame
    anova: pd.DataFrame
    sensitivity: pd.DataFrame
    published: pd.DataFrame | None
    published_warning: str | None
    figures: dict[str, bytes]
    planning: Planning


def build(
    run: RunFolder,
    parts: list[ConditionReport],
    settings: MeasureSettings,
    comparison: bytes | None,
) -> str:
    """The whole report as HTML."""
    several = len(parts) > 1
    body = [_opening(run, parts)]
    if comparison is not None:
        lines = [f"{part.condition}: {part.verdict[1]}" for part in parts]
        picture = _figure("conditions", comparison)
        body.append(
            markup.section("conditions", "Conditions", markup.bullets(lines, "verdict") + picture)
        )
    for part in parts:
        body += _condition(run, part, f": {part.condition}" if several else "")
    body.append(markup.section("method", "Method, and its traps", _method(settings)))
    body.append(markup.section("settings", "Settings", _settings(run, settings)))
    body.append("<footer>Written by <code>python -m stats</code>.</footer>")
    return markup.page("Training study report", "".join(body))


def _opening(run: RunFolder, parts: list[ConditionReport]) -> str:
    first = parts[0]
    loss, tokens = wide(first.telemetry, "val_loss"), first.telemetry["tokens_seen"].max()
    best = int(best_interval(loss.mean(axis=0)))
    config = run.study.get("config")
    preset = config.get("preset") if isinstance(config, dict) else None
    what = f"Preset {preset}. " if preset else ""
    names = ", ".join(part.condition for part in parts)
    pairs = [
        ("seeds", str(len(loss))),
        ("measuring intervals", str(loss.shape[1])),
        ("tokens a seed", f"{tokens / 1e6:.2f} M" if tokens >= 1e5 else f"{tokens:,}"),
        (f"lowest mean loss, interval {best}", f"{loss.mean(axis=0)[best]:.4f}"),
        ("mean loss at the end", f"{loss.mean(axis=0)[-1]:.4f}"),
    ]
    parameters = run.study.get("parameters")
    if isinstance(parameters, int):
        pairs.insert(0, ("parameters", f"{parameters:,}"))
    links = [("verdict-0", "Verdict"), ("figures-0", "Figures"), ("tables-0", "Tables")]
    if first.published is not None:
        links.insert(1, ("published-0", "Published"))
    links.append(("planning-0", "Next study"))
    links += [("samples-0", "Samples")] if run.samples else []
    links += [("method", "Method"), ("settings", "Settings")]
    nav = "\n".join(f'<a href="#{anchor}">{label}</a>' for anchor, label in links)
    notices = "".join(markup.paragraph(notice, "notice") for notice in run.notices)
    plural = "Condition" if len(parts) == 1 else "Conditions"
    return (
        "<header><h1>How the model trained</h1>\n"
        + markup.paragraph(
            f"{what}{plural}: {names}. {count(len(run.intervals), 'observation')} in all. "
            "Losses are in nats a token.",
            "lead",
        )
        + markup.facts(pairs)
        + notices
        + f"<nav>{nav}</nav></header>\n"
    )


def _condition(run: RunFolder, part: ConditionReport, suffix: str) -> list[str]:
    number = run.conditions.index(part.condition)
    figures = "".join(_figure(name, svg) for name, svg in part.figures.items())
    sections = [
        markup.section(
            f"verdict-{number}", f"Verdict{suffix}", markup.bullets(part.verdict, "verdict")
        )
    ]
    if part.published is not None:
        warning = part.published_warning
        note = markup.paragraph(warning, "notice") if warning else ""
        explanation = markup.paragraph(
            "Rows marked assumed or fitted agree because settings were chosen so that they would; "
            "only the predicted rows could have come out otherwise."
        )
        content = note + explanation + markup.table(part.published)
        sections.append(
            markup.section(f"published-{number}", f"Published and this run{suffix}", content)
        )
    sections.append(markup.section(f"figures-{number}", f"Figures{suffix}", figures))
    sections.append(markup.section(f"tables-{number}", f"Tables{suffix}", _tables(part)))
    heading = f"When to stop, and with how many seeds{suffix}"
    sections.append(markup.section(f"planning-{number}", heading, _planning(part.planning)))
    samples = _samples(run, part)
    if samples:
        sections.append(markup.section(f"samples-{number}", f"Sample texts{suffix}", samples))
    return sections


def _figure(name: str, svg: bytes) -> str:
    title, caption = CAPTIONS[name]
    return markup.figure(svg, f"Figure: {title}", title, caption)


def _tables(part: ConditionReport) -> str:
    best = int(part.summary["val_loss"].to_numpy().argmin())
    summary = part.summary.drop(columns="condition")
    summary["epoch"] = [f"{epoch:.1f}" if epoch == epoch else "" for epoch in summary["epoch"]]
    pieces = [
        markup.table(
            _spoken(summary),
            "Means over seeds by interval; the best one in bold. val loss sd is between seeds, "
            "backslides counts seeds.",
            best,
        ),
        markup.table(
            _spoken(
                part.seeds.drop(columns=["best_tokens", "tokens_after_best", "stable_intervals"])
            ),
            "Seeds one by one; losses in nats. diminishing: the interval from which a million "
            "tokens bring less than the threshold, for the first time and for good.",
        ),
    ]
    if len(part.anova):
        caption = "Repeated-measures analyses of variance, in pingouin's names."
        words = f"Mauchly's test of sphericity, first analysis: {part.anova['sphericity'].iloc[0]}."
        pieces += [
            markup.table(_anova_cells(part.anova), caption),
            markup.paragraph(words, "caption"),
        ]
    tried = part.sensitivity.assign(
        in_use=["in use" if used else "" for used in part.sensitivity["in_use"]]
    )
    caption = (
        "How the counts move with each threshold, the others as set. A verdict that holds in one "
        "row only is a verdict about the threshold."
    )
    pieces.append(markup.table(_spoken(tried), caption))
    return "".join(pieces)


def _planning(planning: Planning) -> str:
    """The tables that answer a question; the long ones are in the folder's tables/ alone."""
    pieces = [
        markup.table(_spoken(planning.tables[name]), caption)
        for name, caption in PLANNING_CAPTIONS.items()
        if name in planning.tables
    ]
    pieces += [markup.paragraph(refusal, "caption") for refusal in planning.refusals]
    return "".join(pieces)


def _spoken(frame: pd.DataFrame) -> pd.DataFrame:
    """Column names in words, so that a heading can break."""
    return frame.rename(columns=lambda name: str(name).replace("_", " "))


def _anova_cells(anova: pd.DataFrame) -> pd.DataFrame:
    """The analyses side by side, a row a quantity, as APA prints them."""
    columns: dict[str, list[str]] = {"": list(ANOVA_ROWS)}
    for row in anova.to_dict("records"):
        heading = f"{row['dv']} {row['intervals']}"
        columns[heading] = [_anova_cell(name, row[name]) for name in ANOVA_ROWS]
    return pd.DataFrame(columns)


def _anova_cell(name: str, value: float) -> str:
    if value != value:
        return "undefined"
    if name.startswith("ddof"):
        return f"{value:.0f}"
    if name == "F":
        return f"{value:,.2f}" if value < 1e6 else f"{value:.3g}"
    if name.startswith("p_") and value < 0.001:
        return "< .001"
    return "> .999" if 0.9995 <= value < 1 else unit_fraction(value)


def _samples(run: RunFolder, part: ConditionReport) -> str:
    """Texts of the first seed that has any, at the first, best and last interval."""
    seeds = [seed for (name, seed) in sorted(run.samples) if name == part.condition]
    if not seeds:
        return ""
    seed = seeds[0]
    samples = run.samples[part.condition, seed]
    mine = part.telemetry[part.telemetry["seed"] == seed]
    best = int(best_interval(mine["val_loss"].to_numpy()))
    last = int(mine["interval"].max())
    pieces = [markup.paragraph(f"Seed {seed}. The prompt is grey; no text was picked or edited.")]
    for interval in dict.fromkeys((0, best, last)):
        here = [s for s in samples if s.get("interval") == interval]
        if not here:
            continue
        row = mine[mine["interval"] == interval].iloc[0]
        name = {0: "first", best: "best", last: "last"}[interval]
        pieces.append(
            f"<h3>Interval {interval}, the {name}: {million(float(row['tokens_seen']))} tokens, "
            f"validation loss {row['val_loss']:.4f}</h3>\n"
        )
        pieces += [markup.quotation(str(s.get("prompt", "")), str(s.get("text", ""))) for s in here]
    return "".join(pieces) if len(pieces) > 1 else ""


def _method(settings: MeasureSettings) -> str:
    rows = [{"threshold": k, "value": str(v)} for k, v in vars(settings).items()]
    return markup.bullets(list(METHOD), "verdict") + markup.table(
        pd.DataFrame(rows), "Thresholds of the derived measures; all ours, none published."
    )


def _settings(run: RunFolder, settings: MeasureSettings) -> str:
    rows = [{"setting": name, "value": value} for name, value in flatten(run.study)]
    if not rows:
        return markup.paragraph("study.json is absent: the settings of this study are unknown.")
    return markup.table(pd.DataFrame(rows), "study.json, flattened.")


def flatten(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Nested JSON as (dotted name, text) pairs; a list of plain values stays on one line."""
    if isinstance(value, dict):
        items = [(f"{name}.{key}" if name else str(key), v) for key, v in value.items()]
        pairs = [pair for key, v in items for pair in flatten(v, key)]
        return pairs or ([(name, "{}")] if name else [])
    if isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        return [pair for i, v in enumerate(value) for pair in flatten(v, f"{name}[{i}]")]
    if isinstance(value, list):
        return [(name, ", ".join(str(v) for v in value))]
    return [(name, "" if value is None else str(value))]
