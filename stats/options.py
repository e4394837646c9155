"""The options of `python -m stats` and of its commands, each with a help that a person can read."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from stats.comparison import MEASURES
from stats.measures import MeasureSettings

HELP = {
    "volatility_window": "intervals in the rolling window",
    "volatility_of": "SD of the last losses or of their last changes",
    "backslide_tolerance": "nats a token by which the loss must rise to count",
    "spike_ratio": "an interval spike rises by more than this fraction",
    "step_spike_window": "steps before a step that it is judged by",
    "step_spike_sds": "SD above their mean that make a step spike",
    "stable_volatility": "largest volatility of a stable interval, fraction of its loss",
    "stable_run": "stable intervals in a row that make a stable phase",
    "gain_threshold": "nats a million tokens below which returns diminish",
    "confidence": "level of the intervals",
}
# of the thresholds, those that a comparison depends on
COMPARED = ("backslide_tolerance", "confidence")

MAIN_EPILOG = """\
commands:
  python -m stats STUDY           the analysis described above
  python -m stats compare A B     two studies or two conditions side by side
  python -m stats anova FILE.csv  repeated-measures ANOVA of any CSV file
Each has its own --help. A folder called compare is reached as ./compare.

exit codes: 0 done, 1 failed while writing, 2 wrong input (one line says what)

examples:
  python -m stats runs/quick
  python -m stats runs/quick --backslide-tolerance 0.01 --confidence 0.9
  python -m stats compare runs/quick runs/wider
"""
COMPARE_EPILOG = """\
Everything is a difference B minus A. Seeds that ran in both are compared in
pairs; where fewer than two did, the two are independent samples (Welch).
Where the two were measured at different numbers of tokens, only the places
both have count. Whatever is left out is said first. DIR receives
comparison.html, comparison.md, figures/ and every table as CSV in tables/;
files of the same name there are replaced.

exit codes: 0 done, 1 failed while writing, 2 wrong input (one line says what)

examples:
  python -m stats compare runs/quick runs/wider
  python -m stats compare runs/quick runs/wider --out wider --margin 0.02
  python -m stats compare runs/paper --conditions repeated fresh
  python -m stats compare runs/a runs/b --conditions repeated baseline
  python -m stats compare runs/short runs/long --interpolate
"""
ANOVA_EPILOG = """\
The file is long: a row a measurement, with columns for the subject, the
condition(s) and the value. Every subject must have every combination of
conditions exactly once; what does not is named. p and degrees of freedom in the
sentences are corrected by Greenhouse and Geisser's epsilon.

exit codes: 0 done, 2 wrong input (one line says what)

examples:
  python -m stats anova runs/quick/telemetry.csv --dv val_loss \\
      --within interval --subject seed
  python -m stats anova runs/paper/telemetry.csv --dv val_loss \\
      --within condition interval --subject seed
  python -m stats anova study.csv --dv score --within week --subject person \\
      --between group --ss-type 3 --csv > table.csv
"""


class _Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults behind each option, and the examples' lines as they are."""


def parser() -> argparse.ArgumentParser:
    """Of the analysis; every threshold of MeasureSettings is an option."""
    out = argparse.ArgumentParser(
        prog="python -m stats",
        usage="python -m stats STUDY [options]\n"
        "       python -m stats compare A [B] [options]\n"
        "       python -m stats anova FILE.csv --dv X --within A [B] --subject S ...",
        description="Analyse a study: telemetry.csv, tables/, figures/ and report.html are\n"
        "written into its folder, the verdict is printed.",
        epilog=MAIN_EPILOG,
        formatter_class=_Formatter,
    )
    out.add_argument("study", metavar="STUDY", help="folder that holds a study's intervals.csv")
    _add_thresholds(out, [field.name for field in fields(MeasureSettings)])
    _add_drop_incomplete(out)
    _add_latex(out)
    return out


def compare_parser() -> argparse.ArgumentParser:
    """Of `python -m stats compare`."""
    out = argparse.ArgumentParser(
        prog="python -m stats compare",
        usage="python -m stats compare A B [options]\n"
        "       python -m stats compare A --conditions A_NAME B_NAME [options]",
        description="Compare two run folders, or two conditions of one: what differs in their\n"
        "configuration and in their losses, by how much, and how surely.",
        epilog=COMPARE_EPILOG,
        formatter_class=_Formatter,
    )
    quiet: dict[str, Any] = {"default": argparse.SUPPRESS}
    out.add_argument("a", metavar="A", help="run folder")
    out.add_argument(
        "b", metavar="B", nargs="?", **quiet, help="run folder; without it --conditions"
    )
    which = out.add_mutually_exclusive_group()
    which.add_argument(
        "--condition",
        metavar="NAME",
        **quiet,
        help="the condition of both folders, or A_NAME,B_NAME; not needed where each has one",
    )
    which.add_argument(
        "--conditions",
        nargs=2,
        metavar=("A_NAME", "B_NAME"),
        **quiet,
        help="the condition of A and that of B; with one folder, both of A",
    )
    out.add_argument(
        "--measure",
        choices=tuple(MEASURES),
        metavar="COLUMN",
        **quiet,
        help=f"what is compared: {', '.join(MEASURES)} (default: val_loss, or "
        "bits_per_byte, said loudly, where tokenizer or validation text differ)",
    )
    pairs = out.add_mutually_exclusive_group()
    pairs.add_argument(
        "--paired", dest="paired", action="store_true", **quiet, help="fail rather than not pair"
    )
    pairs.add_argument(
        "--unpaired",
        dest="paired",
        action="store_false",
        **quiet,
        help="independent samples (Welch) even where seeds match",
    )
    out.add_argument(
        "--interpolate",
        action="store_true",
        help="read B off straight lines at A's places, where they were measured elsewhere",
    )
    out.add_argument(
        "--margin",
        type=float,
        metavar="X",
        **quiet,
        help="a difference within +-X (nats a token, or the measure's unit) counts as none: tests "
        "equivalence",
    )
    out.add_argument(
        "--target-loss",
        type=float,
        metavar="X",
        **quiet,
        help="compare the tokens to this loss (default: the higher of the two lowest means)",
    )
    out.add_argument(
        "--ss-type",
        type=int,
        choices=(2, 3),
        default=2,
        help="sums of squares of unpaired studies with unequal numbers of seeds",
    )
    out.add_argument(
        "--out", default="comparison", metavar="DIR", help="folder for tables and report"
    )
    _add_thresholds(out, list(COMPARED))
    _add_drop_incomplete(out)
    _add_latex(out)
    return out


def anova_parser() -> argparse.ArgumentParser:
    """Of `python -m stats anova`."""
    out = argparse.ArgumentParser(
        prog="python -m stats anova",
        description="Repeated-measures analysis of variance of a long CSV file: one repeated\n"
        "factor, two, or one and groups. Prints sentences and a table; writes nothing.",
        epilog=ANOVA_EPILOG,
        formatter_class=_Formatter,
    )
    quiet: dict[str, Any] = {"default": argparse.SUPPRESS}
    out.add_argument("file", metavar="FILE.csv", help="a row a measurement")
    out.add_argument(
        "--dv", required=True, metavar="X", **quiet, help="column of the measured value"
    )
    out.add_argument(
        "--within",
        required=True,
        nargs="+",
        metavar="A",
        **quiet,
        help="column of the repeated factor, or two columns of crossed ones",
    )
    out.add_argument("--subject", required=True, metavar="S", **quiet, help="column of the subject")
    out.add_argument("--between", metavar="G", **quiet, help="column of the subject's group")
    out.add_argument(
        "--ss-type",
        type=int,
        choices=(2, 3),
        **quiet,
        help="needed where groups differ in size: 2 weights each subject the same, 3 each group",
    )
    form = out.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="print the whole table as CSV, all digits")
    form.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    form.add_argument("--latex", action="store_true", help="print the table for LaTeX (booktabs)")
    return out


def _add_thresholds(out: argparse.ArgumentParser, names: Sequence[str]) -> None:
    for field in fields(MeasureSettings):
        if field.name not in names:
            continue
        option = "--" + field.name.replace("_", "-")
        if field.name == "volatility_of":
            out.add_argument(
                option,
                choices=("levels", "changes"),
                default=field.default,
                help=HELP[field.name],
            )
        else:
            kind = type(field.default)
            out.add_argument(
                option, type=kind, default=field.default, metavar="X", help=HELP[field.name]
            )


def _add_latex(out: argparse.ArgumentParser) -> None:
    out.add_argument(
        "--latex",
        action="store_true",
        default=argparse.SUPPRESS,
        help="write the tables for LaTeX as well",
    )


def _add_drop_incomplete(out: argparse.ArgumentParser) -> None:
    out.add_argument(
        "--drop-incomplete",
        action="store_true",
        help="leave out seeds with missing cells instead of refusing",
    )
