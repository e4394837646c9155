"""`tinyllama-np resume`: continue a study from its folder alone."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from tinyllama_np.commands import complain
from tinyllama_np.commands.carry_out import (
    add_run_options,
    carry_out,
    check_run_options,
    interruptible,
)
from tinyllama_np.os_errors import explain
from tinyllama_np.prepare import open_study


def add_parser(commands: Any) -> None:
    """Add the command `resume` to the command line."""
    parser = commands.add_parser(
        "resume",
        help="continue a study from its folder",
        description="Continue the runs of a study that were stopped, killed or failed, and analyse "
        "them. Settings, tokenizer and tokens are in the folder: the text files are not needed.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="study folder")
    add_run_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code."""
    return interruptible(lambda: _run(arguments, time.time()))


def _run(arguments: argparse.Namespace, started: float) -> int:
    out: Path = arguments.folder
    try:
        limit = check_run_options(arguments)
        config = open_study(out)
    except OSError as error:
        return complain(explain(error, out))
    return carry_out(config, out, arguments, started, limit)
