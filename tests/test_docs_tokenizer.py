"""The figures and examples in docs/tokenizer.md follow from the code and the measured CSV."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from tokenizer import Tokenizer, batching, compiled, count, tokenizer, train
from tokenizer.cli import build_parser
from tokenizer.display import Style
from tokenizer.inspection import ladder_lines
from tokenizer.pretokenize import character_classes

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "tokenizer.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


@pytest.mark.parametrize(
    "phrase",
    [
        f"a table of {len(character_classes()):,} bytes, one for each code point",
        f"from {count.COMPILE_FROM:,} characters of text on, learning from "
        f"{train.COMPILE_FROM:,} bytes of distinct pieces",
        f"encoding from {tokenizer._LOAD_KERNELS_FROM:,} bytes and decoding from "
        f"{tokenizer._LOAD_KERNELS_FROM:,} ids",
        f"up to {compiled._KEPT_PIECES:,} pieces and {compiled._KEPT_BYTES:,} bytes",
        f"a block of about {batching.BLOCK:,} bytes",
        f"at most {tokenizer.LARGEST_UINT16:,} tokens",
    ],
)
def test_sizes(phrase: str) -> None:
    assert phrase in TEXT


def test_sizes_of_the_kernels() -> None:
    from tokenizer import kernels

    assert f"pieces of more than {kernels.MAX_KEPT} bytes are not kept" in TEXT
    assert f": {kernels.STRIDE} bytes in one move" in TEXT


def test_the_ladder_is_what_the_command_prints() -> None:
    tok = Tokenizer.train(["low lower lowest"], 264)
    command = 'python -m tokenizer inspect --word " lowest"'
    printed = "\n".join(ladder_lines(" lowest", tok, Style()))
    assert f"```\n$ {command}\n{printed}\n```" in PAGE


def test_every_command_is_one() -> None:
    found = re.findall(r"^(?:\$ )?python -m tokenizer (.*?)(?: > .*)?$", PAGE, flags=re.MULTILINE)
    assert len(found) >= 5
    for line in found:
        build_parser().parse_args(shlex.split(line))


def test_the_cost_table_is_the_csv() -> None:
    frame = pd.read_csv(DOCS / "results" / "tokenizer" / "cost.csv")
    largest = frame["text_mb"].max()
    checked = 0
    for row in re.findall(r"^\| (\d+\.\d) \| ([\d,]+) \|(.*)\|$", PAGE, flags=re.MULTILINE):
        megabytes, vocab_size = float(row[0]), int(row[1].replace(",", ""))
        here = frame[frame["text_mb"].round(1) == megabytes]
        values = []
        for what in sorted(set(frame["what"])):
            line = here[here["what"] == what]
            line = line[line["vocab_size"].isin([0, vocab_size])]
            assert len(line) == 1
            values.append(f"{1e3 * line['median_s'].iloc[0]:.0f}")
        distinct = f"{here['distinct_kb'].iloc[0]:.0f}"
        assert [cell.strip() for cell in row[2].split("|")] == [distinct, *values]
        checked += 1
    assert checked >= 5
    assert f"{largest:.1f} MB" in TEXT
