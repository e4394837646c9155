"""One file a command of the command line, and what they share."""

from __future__ import annotations

import sys


def complain(message: object) -> int:
    """Say on stderr what the user gave wrongly; returns exit code 2."""
    text = " ".join(str(message).split())
    print(f"error: {text}", file=sys.stderr)
    return 2
