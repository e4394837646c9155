"""What the report says: a `Document`, from which report.html, report.md and LaTeX are made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from stats import report_texts
from stats.condition import preset
from stats.document import (
    Block,
    Bullets,
    Document,
    Facts,
    Paragraph,
    Section,
    Table,
)
from stats.io import RunFolder
from stats.measures import MeasureSettings, best_interval, wide
from stats.sections import Material, of_condition, picture
from stats.wording import count


def build(materials: Sequence[Material], comparison: bytes | None = None) -> Document:
    """The report of a study.

    Parameters
    ----------
    materials : sequence of Material
        One a condition, of the same run and with the same settings.
    comparison : bytes, optional
        The figure that sets the conditions side by side, as SVG.
    """
    run, settings = materials[0].run, materials[0].settings
    sections: list[Section] = []
    if comparison is not None:
        sections.append(_conditions(materials, comparison))
    for material in materials:
        sections += of_condition(material)
    sections.append(Section("method", "Method, and its traps", _method(settings), "Method"))
    sections.append(Section("settings", "Settings", _settings(run), "Settings"))
    return Document(
        "How the model trained",
        tuple(_opening(materials[0], [m.condition.name for m in materials])),
        tuple(sections),
        "Written by python -m stats.",
    )


def _opening(first: Material, names: list[str]) -> list[Block]:
    run, telemetry = first.run, first.condition.telemetry
    loss, tokens = wide(telemetry, "val_loss"), telemetry["tokens_seen"].max()
    best = int(best_interval(loss.mean(axis=0)))
    what = f"Preset {preset(run)}. " if preset(run) else ""
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
    plural = "Condition" if len(names) == 1 else "Conditions"
    of = f" The numbers below are of {names[0]}." if len(names) > 1 else ""
    lead = (
        f"{what}{plural}: {', '.join(names)}. {count(len(run.intervals), 'observation')} in all. "
        f"Losses are in nats a token.{of}"
    )
    notices = [Paragraph(notice, "notice") for notice in run.notices]
    return [Paragraph(lead, "lead"), Facts(tuple(pairs)), *notices]


def _conditions(materials: Sequence[Material], comparison: bytes) -> Section:
    lines = [f"{m.condition.name}: {m.condition.verdict[1].sentence}" for m in materials]
    blocks = (Bullets(tuple(lines)), picture("conditions", comparison))
    return Section("conditions", "Conditions", blocks, "Conditions")


def _method(settings: MeasureSettings) -> tuple[Block, ...]:
    rows = [{"threshold": name, "value": str(value)} for name, value in vars(settings).items()]
    caption = "Thresholds of the derived measures; all ours, none published."
    return (Bullets(report_texts.METHOD), Table("thresholds", pd.DataFrame(rows), caption))


def _settings(run: RunFolder) -> tuple[Block, ...]:
    rows = [{"setting": name, "value": value} for name, value in flatten(run.study)]
    if not rows:
        return (Paragraph("study.json is absent: the settings of this study are unknown."),)
    return (Table("settings", pd.DataFrame(rows), "study.json, flattened.", folded=True),)


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
