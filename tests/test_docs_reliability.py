"""docs/reliability.md names the tests that hold its promises: they must be there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def named_tests() -> set[str]:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    return set(re.findall(r"\btest_\w+", text))


def test_every_test_that_is_named_exists() -> None:
    files = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*.py")}
    there = set(files)
    for text in files.values():
        there |= set(re.findall(r"^def (test_\w+)\(", text, flags=re.MULTILINE))
    assert len(named_tests()) > 30
    assert named_tests() - there == set()


def test_every_script_that_is_named_exists() -> None:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    scripts = re.findall(r"python ((?:examples|tests)/\w+\.py)", text)
    assert len(scripts) >= 3
    assert all((ROOT / script).is_file() for script in scripts)
