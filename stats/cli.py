"""`python -m stats RUN_FOLDER`: analyse a study, print the verdict, write the report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields

from stats.analysis import analyse
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


def parser() -> argparse.ArgumentParser:
    """The command line; every threshold of MeasureSettings is an option."""
    out = argparse.ArgumentParser(
        prog="python -m stats",
        description="Analyse a study: telemetry.csv, tables/, figures/ and report.html are written "
        "into its run folder, the verdict is printed.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    out.add_argument("run_folder", metavar="RUN_FOLDER", help="folder that holds intervals.csv")
    for field in fields(MeasureSettings):
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
    out.add_argument(
        "--drop-incomplete",
        action="store_true",
        help="leave out seeds with missing cells instead of refusing",
    )
    return out


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 done, 1 failed while writing, 2 wrong input."""
    options = vars(parser().parse_args(argv))
    folder, drop = options.pop("run_folder"), options.pop("drop_incomplete")
    try:
        result = analyse(folder, MeasureSettings(**options), drop_incomplete=drop)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(result.text())
    return 0
