"""The example that draws a run's speed says what its docstring and docs/benchmarks.md print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "examples" / "plot_speed.py"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_prints_what_the_documentation_says_of_the_committed_run(tmp_path: Path) -> None:
    done = run(ROOT / "docs" / "results" / "speed", tmp_path / "speed.png")
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    source = SCRIPT.read_text(encoding="utf-8")
    assert first in source
    assert second in source
    page = " ".join((ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8").split())
    assert first.split(": ")[1] in page  # median 6,443 tokens/s (5,857 to 6,811)
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_without_timing_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, tmp_path / "speed.png")
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path} has no timing.csv; give a run's folder\n"
    assert not (tmp_path / "speed.png").exists()
