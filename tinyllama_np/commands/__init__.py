"""One file a command of the command line, and what they share."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path


def complain(message: object) -> int:
    """Say on stderr what the user gave wrongly; returns exit code 2."""
    text = " ".join(str(message).split())
    say(f"error: {text}")
    return 2


def say(message: str) -> None:
    """A line on stderr; where nobody reads it any more, the work goes on without."""
    with suppress(OSError):  # a terminal that was closed, a pipe to `head`
        print(message, file=sys.stderr, flush=True)


def resume_command(out: Path) -> str:
    """The command that continues the study in the folder `out`, to be given to a shell."""
    words = ["tinyllama-np", "resume", str(out)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
