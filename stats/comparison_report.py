"""A comparison as a document, as text for a terminal, and as files."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from stats import html_page, latex, markdown
from stats.comparison import DESCRIPTIONS, Comparison
from stats.comparison_verdict import findings
from stats.document import (
    Block,
    Bullets,
    Document,
    Findings,
    Paragraph,
    Picture,
    Section,
    Table,
)
from stats.tables import csv_text
from stats.wording import tokens_column, unit_fraction
from stats.writing import write_text

METHOD = (
    "Seeds are paired where the same number ran in both, since a seed sets initialisation and the "
    "order of the data; what a pair shares drops out of its difference.",
    "Paired: Student's t of the differences, gz = J mean / SD of the differences. Unpaired: "
    "Welch's t, gs = J difference / pooled SD. J is Hedges' small-sample correction.",
    "Holm's correction holds over the places of one table. The summary measures are several "
    "comparisons of the same runs and are not adjusted: decide beforehand which one counts.",
    "The analysis of variance takes study x interval, both repeated over the seeds where these are "
    "pairs, else with seeds grouped by study; Greenhouse-Geisser leads.",
    "The sign-flip test changes the sign of a seed's differences at all places together.",
    "A best place chosen on the values it is judged by flatters: it is chosen by the other seeds "
    "of the same study (best_held_out, rise). The plain lowest loss of each seed stands beside it.",
)


def comparison_document(c: Comparison, pictures: Sequence[Picture] = ()) -> Document:
    """Everything of a comparison that a person reads.

    Sections (anchor): configuration, curves (with `pictures` only), summary, places, trajectory,
    reach, seeds, method. Equivalence, where asked for, stands under summary.
    """
    a, b = c.names
    opening: list[Block] = [Paragraph(text, "notice") for text in c.notices]
    opening.append(Findings(findings(c)))
    sections = [_configuration(c)]
    if pictures:
        sections.append(Section("curves", "Curves", tuple(pictures), "curves"))
    sections.append(Section("summary", "Summary measures", _summary(c), "summary"))
    sections.append(Section("places", "Place by place", (_places(c),), "places"))
    sections += _trajectory(c)
    reach = c.reach.assign(tokens=c.reach["tokens"].round(), share=100 * c.reach["share"]).rename(
        columns={"seeds_reaching": "seeds that get there", "n": "seeds", "share": "% of the slower"}
    )
    note = "Of the mean trajectory, straight lines between the places."
    sections.append(
        Section("reach", "Tokens to the same loss", (Table("reach", reach, note=note),), "reach")
    )
    seeds = Table("seeds", c.seeds, "One row a seed, over the places compared.", folded=True)
    sections.append(Section("seeds", "Seed by seed", (seeds,), "seeds"))
    sections.append(Section("method", "Method", (Bullets(METHOD),), "method"))
    return Document(f"{a} and {b} compared", tuple(opening), tuple(sections))


def comparison_text(c: Comparison, width: int = 100) -> str:
    """Notices, findings and the table of places for a terminal, no line longer than `width`."""
    lines = [
        textwrap.fill(
            f"NOTE {text}",
            width,
            initial_indent="! ",
            subsequent_indent="  ",
            break_on_hyphens=False,
        )
        for text in c.notices
    ]
    lines += [
        textwrap.fill(
            str(finding), width, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        for finding in findings(c)
    ]
    if c.identical:
        return "\n".join(lines)
    key = textwrap.fill(_places(c).caption, width)
    return "\n".join([*lines, "", key, _aligned(_places(c).frame, width)])


def write_comparison(c: Comparison, folder: str | Path, *, with_latex: bool = False) -> list[Path]:
    """Write comparison.html, comparison.md, tables/ and figures/ into `folder`, made where absent.

    Parameters
    ----------
    with_latex : bool
        The document's tables as tables/NAME.tex too.

    Returns
    -------
    list of Path
        What was written. Other files of the folder stay as they are.

    Raises
    ------
    ValueError
        `folder` is a run folder.
    """
    # imported here: matplotlib costs most of a second that a refused comparison need not pay
    from stats.outputs import import_matplotlib, write_figure

    import_matplotlib()
    from stats.figures_of_estimates import comparison

    folder = Path(folder)
    if (folder / "intervals.csv").exists():
        raise ValueError(
            f"{folder} is a run folder, whose own tables would be overwritten; choose another --out"
        )
    texts = {f"tables/{name}.csv": csv_text(table) for name, table in c.tables.items()}
    unit = f" ({c.unit})" if c.unit else ""
    figure = comparison(
        c.rows,
        c.difference_curve,
        column=c.measure,
        ylabel=f"{DESCRIPTIONS[c.measure]}\n{unit.strip()}".strip(),
        difference_label=f"difference{unit}",
        confidence=c.confidence,
    )
    svg = write_figure(folder / "figures", "comparison", figure)
    picture = Picture(
        "comparison",
        svg,
        "Two studies.",
        "Means of the seeds with their intervals above; below, what the study adds or saves at "
        "each place. Bands above may overlap where the difference below is clear of 0.",
        "Figure: both trajectories, and their difference",
    )
    document = comparison_document(c, [picture])
    texts["comparison.html"] = html_page.render(document)
    texts["comparison.md"] = markdown.render(document)
    if with_latex:
        texts |= {f"tables/{name}.tex": text for name, text in latex.files(document).items()}
    for name, text in texts.items():
        write_text(folder / name, text)
    figures = [folder / "figures" / f"comparison.{suffix}" for suffix in ("png", "svg")]
    return [*(folder / name for name in texts), *figures]


def _configuration(c: Comparison) -> Section:
    blocks: list[Block] = [Paragraph(c.configuration_sentence)]
    if len(c.configuration):
        table = c.configuration.rename(columns=dict(zip(("a", "b"), c.names, strict=True)))
        blocks.append(Table("configuration", table, note="Only what differs is shown."))
    return Section("configuration", "What differs between the two", tuple(blocks), "configuration")


def _summary(c: Comparison) -> tuple[Block, ...]:
    columns = ["description", "mean_a", "mean_b", "difference", "low", "high", "p", "g"]
    if c.paired:
        columns.append("p_sign_flip")
    table = c.summary[columns].rename(columns=_headings(c, short=False))
    blocks: list[Block] = [
        Table(
            "summary",
            table,
            f"Each measure is taken of every seed, over the places compared; {c.names[1]} minus "
            f"{c.names[0]}.",
        )
    ]
    if len(c.equivalence):
        blocks.append(
            Table(
                "equivalence",
                c.equivalence.rename(columns={"p_low": "p, lower side", "p_high": "p, upper side"}),
                "Two one-sided tests; low and high bound the 90 % interval of the difference.",
            )
        )
    return tuple(blocks)


def _places(c: Comparison) -> Table:
    columns = ["interval", "tokens_seen", "mean_a", "mean_b", "difference", "low", "high"]
    columns += ["p", "p_holm", "g"]
    if c.paired:
        columns.append("p_sign_flip")
    frame = c.by_interval[columns].assign(tokens_seen=tokens_column(c.by_interval["tokens_seen"]))
    frame = frame.dropna(axis="columns", how="all")
    note = ""
    if not np.isfinite(c.by_interval["p"]).all():
        note = "No p where all seeds differ by the same amount or a side has a single seed."
    return Table(
        "by_interval",
        frame.rename(columns=_headings(c, short=True)),
        f"{DESCRIPTIONS[c.measure].capitalize()}: A is {c.names[0]}, B is {c.names[1]}; low and "
        f"high bound the {100 * c.confidence:g} % interval of B - A.",
        note,
    )


def _aligned(table: pd.DataFrame, width: int) -> str:
    """The table of places flush right; on a narrow screen without p, g and the sign-flip p."""
    spread = float((table["high"] - table["low"]).median() / 2) if "low" in table else 0.0
    digits = max(4, min(8, 1 - math.floor(math.log10(spread)))) if spread > 0 else 4
    kinds = {"interval": "{:.0f}", "tokens": "{}", "g": "{:.2f}"}
    cells: dict[Hashable, list[str]] = {}
    for name, column in table.items():
        kind = kinds.get(str(name), f"{{:.{digits}f}}")
        is_p = name in ("p", "p Holm", "sign-flip p")
        cells[name] = ["" if pd.isna(v) else _p(v) if is_p else kind.format(v) for v in column]
    for name in ("p", "g", "sign-flip p"):
        if _width(cells) > width:
            cells.pop(name, None)
    widths = {name: max(map(len, [str(name), *column])) for name, column in cells.items()}
    rows = [list(map(str, cells)), *map(list, zip(*cells.values(), strict=True))]
    return "\n".join(
        "  ".join(cell.rjust(w) for cell, w in zip(row, widths.values(), strict=True)).rstrip()
        for row in rows
    )


def _width(cells: Mapping[Hashable, Sequence[str]]) -> int:
    return sum(2 + max(map(len, [str(name), *column])) for name, column in cells.items()) - 2


def _p(p: float) -> str:
    return "<.001" if p < 0.001 else unit_fraction(p) if p < 0.9995 else "1"


def _headings(c: Comparison, *, short: bool) -> dict[str, str]:
    return {
        "tokens_seen": "tokens",
        "description": "measure",
        "mean_a": "A" if short else c.names[0],
        "mean_b": "B" if short else c.names[1],
        "difference": "B - A" if short else "difference",
        "p_holm": "p Holm",
        "g": "g",
        "p_sign_flip": "sign-flip p",
    }


def _trajectory(c: Comparison) -> list[Section]:
    blocks: list[Block] = []
    if len(c.trajectory):
        columns = ["intervals", "effect", "F", "ddof1_GG", "ddof2_GG", "p_GG_corr", "eps"]
        filled = c.trajectory.assign(  # a difference of groups has no epsilon
            ddof1_GG=c.trajectory["ddof1_GG"].fillna(c.trajectory["ddof1"]),
            ddof2_GG=c.trajectory["ddof2_GG"].fillna(c.trajectory["ddof2"]),
            p_GG_corr=c.trajectory["p_GG_corr"].fillna(c.trajectory["p_unc"]),
        )
        table = filled[[*columns, "ng2", "np2", "omega_p2"]].rename(
            columns={
                "ddof1_GG": "df1",
                "ddof2_GG": "df2",
                "p_GG_corr": "p",
                "eps": "epsilon",
                "ng2": "generalised eta squared",
                "np2": "partial eta squared",
                "omega_p2": "partial omega squared",
            }
        )
        design = "both factors repeated" if c.paired else "seeds grouped by study"
        blocks.append(
            Table(
                "trajectory",
                table,
                f"Analysis of variance, {design}.",
                "Degrees of freedom and p after Greenhouse-Geisser.",
            )
        )
    blocks += [Paragraph(text, "note") for text in c.refusals]
    if len(c.sign_flip):
        blocks.append(Table("sign_flip", c.sign_flip, "Sign-flip test of the whole trajectory."))
    if not blocks:
        return []
    return [Section("trajectory", "The whole trajectory", tuple(blocks), "trajectory")]
