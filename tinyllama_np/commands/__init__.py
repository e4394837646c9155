"""One file a command of the command line, and what they share."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path


def complain(message: object) -> int:
    """Say on stderr what the user gave wrongly; returns exit code 2."""
    text = " ".join(str(message).split())
    print(f"error: {text}", file=sys.stderr)
    return 2


def resume_command(out: Path) -> str:
    """The command that continues the study in the folder `out`, to be given to a shell."""
    words = ["tinyllama-np", "resume", str(out)]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
