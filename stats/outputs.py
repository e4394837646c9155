"""The files of an analysis: tables/, figures/, report.html and report.md, LaTeX on request."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from stats import html_page, latex, markdown
from stats.condition import ConditionAnalysis
from stats.document import Document
from stats.io import RunFolder
from stats.measures import MeasureSettings
from stats.tables import csv_text
from stats.wording import file_stem
from stats.writing import write_bytes, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_table(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """`folder`/`name`.csv for machines and .md for people."""
    write_text(folder / f"{name}.csv", csv_text(frame))
    write_text(folder / f"{name}.md", markdown.table(frame))


def write_tables(folder: Path, tables: Mapping[str, pd.DataFrame | None]) -> None:
    """Those that exist and have rows."""
    for name, table in tables.items():
        if table is not None and len(table):
            write_table(folder, name, table)


def write_document(folder: Path, document: Document, *, with_latex: bool = False) -> None:
    """report.html and report.md into `folder`, and its tables as tables/NAME.tex on request."""
    write_text(folder / "report.html", html_page.render(document))
    write_text(folder / "report.md", markdown.render(document))
    if with_latex:
        for name, text in latex.files(document).items():
            write_text(folder / "tables" / f"{name}.tex", text)


def write_figures_and_report(
    run: RunFolder,
    conditions: Sequence[ConditionAnalysis],
    telemetry: pd.DataFrame,
    settings: MeasureSettings,
    with_latex: bool,
) -> None:
    """Draw every figure of every condition, and write the report that shows them."""
    # imported here: matplotlib costs most of a second that a refused folder need not pay
    import_matplotlib()
    from stats import figures, plotting, report
    from stats.drawings import draw_all
    from stats.sections import Material

    folder = run.path / "figures"
    materials = []
    for condition, stem in zip(conditions, stems([c.name for c in conditions]), strict=True):
        drawn = {
            name: write_figure(folder, f"{stem}{name}", picture)
            for name, picture in draw_all(condition, settings).items()
        }
        materials.append(Material(run, settings, condition, drawn, stem))
    comparison = None
    if len(conditions) > 1:
        picture = plotting.styled(figures.conditions, telemetry, settings)
        comparison = write_figure(folder, "conditions", picture)
    write_document(run.path, report.build(materials, comparison), with_latex=with_latex)


def import_matplotlib() -> None:
    """Load matplotlib, without its warnings where a user has no folder that can be written to.

    It then keeps its list of fonts in a temporary folder, which changes nothing here.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        import matplotlib.font_manager  # noqa: F401
    finally:
        logger.setLevel(level)


def write_figure(folder: Path, name: str, picture: Figure) -> bytes:
    """Both formats; the SVG's bytes go into the report as well."""
    from stats import plotting

    write_bytes(folder / f"{name}.png", plotting.encode(picture, "png"))
    svg = plotting.encode(picture, "svg")
    write_bytes(folder / f"{name}.svg", svg)
    return svg


def stems(conditions: Sequence[str]) -> list[str]:
    """What the file names of each condition begin with: nothing where there is only one.

    Names that differ only in characters no file name should have are numbered apart.
    """
    if len(conditions) == 1:
        return [""]
    safe = [file_stem(name) for name in conditions]
    return [
        f"{stem}-" if safe.count(stem) == 1 else f"{stem}-{number}-"
        for number, stem in enumerate(safe)
    ]
