"""The command line: `tinyllama-np COMMAND`, the same as `python -m tinyllama_np COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tinyllama_np import __version__
from tinyllama_np.commands import bench, fetch, generate, resume, runs, study, verify


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code.

    0 done, 1 failed while running, 2 wrong usage or input, 130 interrupted.
    """
    # A text may hold characters that the terminal's encoding lacks: show marks, do not fail.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    parser = argparse.ArgumentParser(
        prog="tinyllama-np",
        description="Train small Llama-style models on a CPU and study how they learn.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (study, resume, runs, verify, fetch, generate, bench):
        command.add_parser(commands)
    arguments = parser.parse_args(argv)
    try:
        code: int = arguments.run(arguments)
    except KeyboardInterrupt:  # before the training, which stops at a checkpoint by itself
        print("interrupted", file=sys.stderr)
        return 130
    return code
