"""No dead end in the documentation: links, anchors and named project files exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.is_file()
]
# Where a path in backticks may start from, beside the page's own folder.
BASES = (ROOT, ROOT / "tinyllama_np")
TOP_FOLDERS = ("tinyllama_np", "tokenizer", "stats", "tests", "examples", "docs", ".ci")
PACKAGE_FOLDERS = ("ops", "kernels", "corpus")
LINK = re.compile(r"\[[^\]\n]*\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)")
REFERENCE = re.compile(r"^\[[^\]\n]+\]: +(\S+)", flags=re.MULTILINE)


def without_blocks(text: str) -> str:
    return re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors that a web forge makes of a page's headings, and those set by hand."""
    found = set(re.findall(r'<a id="([^"]+)">', _read(page)))
    for title in re.findall(r"^#+ +(.+?) *#*$", without_blocks(_read(page)), flags=re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", shown).replace(" ", "-")
        number = 0
        while (slug if not number else f"{slug}-{number}") in found:
            number += 1
        found.add(slug if not number else f"{slug}-{number}")
    return found


def dead_links(page: Path) -> list[str]:
    text = re.sub(r"`[^`\n]*`", "``", without_blocks(_read(page)))
    dead = []
    for target in LINK.findall(text) + REFERENCE.findall(text):
        if re.match(r"[a-z][a-z+.-]*:", target):  # https:, mailto:
            continue
        file, _, anchor = target.partition("#")
        place = (page.parent / file).resolve() if file else page
        missing_anchor = anchor and place.suffix == ".md" and place.is_file()
        if not place.exists() or (missing_anchor and anchor not in anchors(place)):
            dead.append(target)
    return dead


def missing_files(page: Path) -> list[str]:
    """Names in backticks that look like files or folders of the project and are not there.

    What a run or a build writes (`study.json`, `runs/…`, `*.csv`) is not the project's.
    """
    missing = []
    for name in re.findall(r"`([^`\n]+)`", without_blocks(_read(page))):
        if not re.fullmatch(r"[\w./-]+", name):
            continue  # code, a command, a pattern
        top = name.split("/")[0]
        is_path = "/" in name and top in TOP_FOLDERS + PACKAGE_FOLDERS
        is_source = re.fullmatch(r"[\w/-]*\w\.(py|md|cfg|toml)", name) is not None
        if not (is_path or is_source) or _exists(page, name):
            continue
        missing.append(name)
    return missing


def _exists(page: Path, name: str) -> bool:
    if any((base / name).exists() for base in (*BASES, page.parent)):
        return True
    if "/" in name:
        return False
    folders = (ROOT / folder for folder in TOP_FOLDERS)
    return any(next(folder.rglob(name), None) for folder in folders if folder.is_dir())


def _read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_named_files_exist(page: Path) -> None:
    assert missing_files(page) == []


def test_dead_ends_are_noticed(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A `named` part, twice\n", encoding="utf-8", newline="\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md#a-named-part-twice) [b](other.md#gone) [c](gone.md) [d](https://x.org/y)\n"
        "`docs/gone.md` `gone.py` `model.py` `ops/rope.py` `ops/gone.py` `study.json`\n"
        "`runs/baseline/seed-0/steps.csv` `loss_and_grads` `a / b` `other.md` `[e](gone.md)`\n"
        "```\n[f](gone.md) `gone.py`\n```\n",
        encoding="utf-8",
        newline="\n",
    )
    assert dead_links(page) == ["other.md#gone", "gone.md"]
    assert missing_files(page) == ["docs/gone.md", "gone.py", "ops/gone.py"]
