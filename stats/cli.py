"""`python -m stats`: analyse a run folder, compare two, or an analysis of variance of any CSV."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from stats import latex, markdown
from stats.analysis import analyse
from stats.anova import rm_anova, sign_flip_test
from stats.anova_text import anova_text, quantities
from stats.comparison import compare
from stats.comparison_report import comparison_text, write_comparison
from stats.csv_files import read_long
from stats.document import Table
from stats.measures import MeasureSettings
from stats.options import COMPARED, anova_parser, compare_parser, parser
from stats.tables import csv_text
from stats.writing import explain


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 done, 1 failed while writing, 2 wrong input."""
    words = list(sys.argv[1:] if argv is None else argv)
    # The terminal's encoding may lack a Greek letter: show a mark, do not fail.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = _run(words)
        sys.stdout.flush()  # here, where a reader that has gone is no error
        return code
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        # what Python flushes at its end must have somewhere to go
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(words: list[str]) -> int:
    if words[:1] == ["compare"]:
        return _compare(compare_parser(), words[1:])
    if words[:1] == ["anova"]:
        return _anova(anova_parser(), words[1:])
    return _analyse(words)


def _analyse(words: list[str]) -> int:
    options = vars(parser().parse_args(words))
    folder, drop = options.pop("study"), options.pop("drop_incomplete")
    with_latex = options.pop("latex", False)
    try:
        settings = MeasureSettings(**options)
        result = analyse(folder, settings, drop_incomplete=drop, latex=with_latex)
    except ValueError as error:
        return _failed(error, 2)
    except OSError as error:
        return _failed(error, 1)
    print(result.text())
    return 0


def _compare(parser: argparse.ArgumentParser, words: list[str]) -> int:
    options = vars(parser.parse_args(words))
    a, b, out = options.pop("a"), options.pop("b", None), options.pop("out")
    with_latex = options.pop("latex", False)
    if "condition" in options:
        options["conditions"] = options.pop("condition").split(",")
    if "target_loss" in options:
        options["target"] = options.pop("target_loss")
    thresholds = {name: options.pop(name) for name in COMPARED}
    try:
        comparison = compare(a, b, settings=MeasureSettings(**thresholds), **options)
    except (ValueError, OSError) as error:
        return _failed(error, 2)
    try:
        written = write_comparison(comparison, out, with_latex=with_latex)
    except ValueError as error:
        return _failed(error, 2)
    except OSError as error:
        return _failed(error, 1)
    print(comparison_text(comparison, _screen()))
    page = next(path for path in written if path.name == "comparison.html")
    print(f"\nComparison: {page}")
    return 0


def _anova(parser: argparse.ArgumentParser, words: list[str]) -> int:
    options = parser.parse_args(words)
    between = getattr(options, "between", None)
    try:
        data = read_long(options.file, options.dv, options.within, options.subject, between)
        table = rm_anova(
            data,
            options.dv,
            options.within,
            options.subject,
            between,
            ss_type=getattr(options, "ss_type", None),
        )
        flips = None
        if len(options.within) == 1 and between is None:
            flips = sign_flip_test(data, options.dv, options.within[0], options.subject)
    except (ValueError, OSError) as error:
        return _failed(error, 2)
    if options.csv:
        print(csv_text(table), end="")
    elif options.markdown:
        print(markdown.table(quantities(table)), end="")
    elif options.latex:
        caption = f"Analysis of variance of {options.dv}."
        print(latex.table(Table("anova", quantities(table), caption)), end="")
    else:
        print(anova_text(table, options.dv, flips, _screen()))
    return 0


def _screen() -> int:
    """Columns to print in: those of the terminal, at least 60 and at most 100."""
    return max(60, min(100, shutil.get_terminal_size((100, 24)).columns))


def _failed(error: Exception, code: int) -> int:
    text = explain(error) if isinstance(error, OSError) else str(error)
    print(f"error: {' '.join(text.split())}", file=sys.stderr)
    return code
