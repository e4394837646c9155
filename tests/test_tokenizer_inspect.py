"""`python -m tokenizer inspect`: what it shows is what the tokenizer does, in 80 columns."""

import io
import re
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer import END_OF_TEXT, Tokenizer, pretokenize
from tokenizer.cli import main
from tokenizer.display import Style, columns, cut_lines, cut_lines_with_ids, style_for
from tokenizer.inspection import ladder, ladder_lines, summary_lines, usage_lines, usage_of
from tokenizer.tokenizer_json import GPT2_PATTERN

TEXT = "low lower lowest slower lowest, Été 你好!\n"
TOKENIZER = Tokenizer.train(["low lower lowest"], 264)
PLAIN = Style()
COLOUR = Style(colour=True)
ESCAPE = re.compile(r"\033\[[\d;]*m")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    TOKENIZER.save("tokenizer.json")
    (tmp_path / "text.txt").write_bytes(TEXT.encode())
    return tmp_path


class Screen(io.StringIO):
    """Stands for stdout."""

    def __init__(self, terminal=True, encoding="utf-8"):
        super().__init__()
        self._terminal, self._encoding = terminal, encoding

    encoding = property(lambda self: self._encoding)

    def isatty(self):
        return self._terminal


# ---------------------------------------------------------------------------- how a text is cut


def test_white_space_and_odd_bytes_are_visible():
    assert PLAIN.visible(b" a\n") == "·a↵"
    assert PLAIN.visible("\r\té你".encode()) == "␍→é你"
    assert PLAIN.visible(b"\xc3") == "\\xc3"
    assert PLAIN.visible("\x07\u200b".encode()) == "\\x07\\xe2\\x80\\x8b"
    assert Style(unicode=False).visible(" é\n".encode()) == "_\\xc3\\xa9\\n"


def test_cuts_are_lines_or_colours():
    tokens = [(b"Tom", False), (b" has", False), (b".\n", False), (END_OF_TEXT.encode(), True)]
    assert cut_lines(tokens, PLAIN) == ["Tom│·has│.↵", END_OF_TEXT]
    first, second = cut_lines(tokens, COLOUR)
    assert [ESCAPE.sub("", line) for line in (first, second)] == ["Tom·has.↵", END_OF_TEXT]
    blue, orange, third = (first.split("\033[0m")[i].split("m")[0] for i in range(3))
    assert blue == third != orange
    assert second.split("m")[0] not in (blue, orange)


def test_ids_stand_below_their_tokens():
    tokens = [(7, b"Tom", False), (1234, b" a", False), (5, b".", False)]
    assert cut_lines_with_ids(tokens, PLAIN) == ["Tom│·a  │.", "7   1234 5"]
    assert [ESCAPE.sub("", line) for line in cut_lines_with_ids(tokens, COLOUR)] == [
        "Tom ·a   .",
        "7   1234 5",
    ]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    tokens=st.lists(st.sampled_from(["a", " lowest", "你好", "x" * 50, "\n", "é", "e\u0301"])),
    width=st.integers(20, 40),
    colour=st.booleans(),
)
def test_lines_fit_and_lose_nothing(tokens, width, colour):
    style = Style(colour=colour, width=width)
    pairs = [(token.encode(), False) for token in tokens]
    lines = [ESCAPE.sub("", line) for line in cut_lines(pairs, style)]
    assert all(columns(line) <= width for line in lines)
    shown = "".join(style.visible(token) for token, _ in pairs)
    assert "".join(lines).replace("│", "") == shown
    with_ids = cut_lines_with_ids([(9999, *pair) for pair in pairs], style)
    assert all(columns(ESCAPE.sub("", line)) <= width for line in with_ids)
    assert " ".join(with_ids[1::2]).split() == ["9999"] * len(tokens)


@pytest.mark.parametrize(
    ("option", "terminal", "no_color", "term", "colour"),
    [
        ("auto", True, "", "xterm", True),
        ("auto", True, "1", "xterm", False),
        ("auto", True, "", "dumb", False),
        ("auto", False, "", "xterm", False),
        ("always", False, "1", "dumb", True),
        ("never", True, "", "xterm", False),
    ],
)
def test_when_there_are_colours(monkeypatch, option, terminal, no_color, term, colour):
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("TERM", term)
    assert style_for(Screen(terminal), option, 80).colour is colour


# ---------------------------------------------------------------------------- the use of tokens


def test_usage_is_counted_over_all_parts():
    parts = ["low lower", " lowest lowest"]
    usage = usage_of(parts, TOKENIZER, "special")
    ids = [i for part in parts for i in TOKENIZER.encode(part)]
    assert usage.counts.tolist() == np.bincount(ids, minlength=264).tolist()
    assert (usage.n_bytes, usage.n_tokens) == (23, len(ids))


def test_most_and_least_used_and_unused():
    lines = usage_lines(
        usage_of(["low lower lowest lowest"], TOKENIZER, "text"), TOKENIZER, 2, PLAIN
    )
    assert lines == [
        "23 bytes, 4 tokens, 5.75 bytes a token",
        "3 different tokens of 264 (1.1 %)",
        "",
        "most used                                least used, of those used",
        "count  share %   id  token               count  share %   id  token",
        "    2   50.000  262  ·lowest                 1   25.000  257  low",
        "    1   25.000  257  low                     1   25.000  261  ·lower",
        "",
        "not used: 261",
        "256 bytes, 4 made by merges, 1 special",
        "the first merges among them make:",
        "  lo  ·low",
    ]
    nothing = usage_of([], TOKENIZER, "text")
    assert usage_lines(nothing, TOKENIZER, 2, PLAIN)[0] == "0 bytes, 0 tokens, 0.00 bytes a token"


# ---------------------------------------------------------------------------- the ladder


def test_ladder_is_the_documented_example():
    rungs = ladder(b" lowest", TOKENIZER)
    assert [rung.rank for rung in rungs] == [0, 1, 2, 3, 4, 6]
    assert ladder_lines(" lowest", TOKENIZER, PLAIN) == [
        "·lowest: 7 bytes, 6 merges, 1 token",
        "  merge  left + right   id  so far",
        "         bytes              ·│l│o│w│e│s│t",
        "      0  l + o         256  ·│lo│w│e│s│t",
        "      1  lo + w        257  ·│low│e│s│t",
        "      2  · + low       258  ·low│e│s│t",
        "      3  ·low + e      259  ·lowe│s│t",
        "      4  s + t         260  ·lowe│st",
        "      6  ·lowe + st    262  ·lowest",
        "  ids: 262",
    ]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=st.text("abc ", min_size=1, max_size=12))
def test_ladder_ends_with_the_tokens(text):
    tokenizer = Tokenizer.train(["abcabc aabbcc ababab aaaa aaaaa " * 3], 270)
    for piece in pretokenize(text):
        rungs = ladder(piece.encode(), tokenizer)
        tokens = rungs[-1].tokens if rungs else tuple(piece.encode())
        assert list(tokens) == tokenizer.encode(piece)
        ranks = [rung.rank for rung in rungs]
        assert ranks == sorted(set(ranks))


def test_a_word_of_several_pieces_has_several_ladders():
    lines = ladder_lines("low's", TOKENIZER, PLAIN)
    assert lines[0] == "2 pieces, no merge crosses a cut: low │ 's"
    assert [line for line in lines if "byte" in line and ":" in line] == [
        "low: 3 bytes, 2 merges, 1 token",
        "'s: 2 bytes, 0 merges, 2 tokens",
    ]


def test_a_piece_that_is_looked_up_has_no_ladder():
    merges = TOKENIZER.merges
    ids = (*range(255, -1, -1), *range(300, 300 + len(merges)))
    foreign = Tokenizer(merges, (), GPT2_PATTERN, ids, whole_pieces=True)
    lines = ladder_lines(" lowest", foreign, PLAIN)
    assert lines[0] == "·lowest: 7 bytes, 0 merges, 1 token"
    assert lines[-2:] == [
        "  one token as it stands: this tokenizer looks a piece up before it merges",
        "  ids: 306",
    ]
    unknown = ladder_lines("slowlow", foreign, PLAIN)
    assert unknown[-1] == f"  ids: {' '.join(map(str, foreign.encode('slowlow')))}"


# ---------------------------------------------------------------------------- the command


def test_summary_of_the_vocabulary(folder):
    lines = summary_lines("tokenizer.json", TOKENIZER, 3, PLAIN)
    assert lines[:5] == [
        "tokenizer.json",
        "tokens        264",
        "  bytes       256",
        "  from merges 7",
        "  special     1",
    ]
    assert f"sha256        {TOKENIZER.sha256}" in lines
    assert "         1     256 " + "█" * 60 in lines
    assert lines[-1] == "  ·lowest  ·lower  ·lowe"
    assert all(columns(line) <= 80 for line in lines)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["text.txt", "--ids"],
        ["--text", TEXT * 20, "--top", "30"],
        ["--word", "antidisestablishmentarianism" * 3],
        ["--word", "ا你" * 20, "--ids"],
        ["text.txt", "--show", "0", "--top", "0"],
    ],
)
@pytest.mark.parametrize("colour", ["always", "never"])
def test_eighty_columns(folder, capsys, arguments, colour):
    assert main(["inspect", *arguments, "--color", colour]) == 0
    out, err = capsys.readouterr()
    lines = ESCAPE.sub("", out).splitlines()
    assert err == ""
    assert lines
    if colour == "never" or "--word" not in arguments:
        assert max(map(columns, lines)) <= 80
    assert ("\033" in out) is (colour == "always")


def test_the_beginning_of_a_long_text_is_cut_as_the_text_is(folder, capsys):
    assert main(["inspect", "--text", "low lower lowest lower", "--show", "14", "--top", "0"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "low│·lower│·lowest",
        "... (--show 14: this many characters)",
    ]


def test_texts_from_stdin_files_and_options_together(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"lower")))
    assert main(["inspect", "-", "text.txt", "--word", "low", "--text", "lowest"]) == 0
    out = capsys.readouterr().out
    assert [out.index(part) for part in ("low: 3", "low│e│st", "stdin\n", "text.txt\n")] == sorted(
        out.index(part) for part in ("low: 3", "low│e│st", "stdin\n", "text.txt\n")
    )


@pytest.mark.parametrize("special", ["special", "text"])
def test_special_tokens_in_a_text(folder, capsys, special):
    assert main(["inspect", "--text", f"low{END_OF_TEXT}", "--special", special]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == (
        f"low│{END_OF_TEXT}" if special == "special" else "low│<│|│e│n│d│o│f│t│e│x│t│|│>"
    )


def test_output_that_cannot_show_unicode(folder, monkeypatch):
    screen = Screen(terminal=False, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    assert main(["inspect", "--text", "low é lower"]) == 0
    assert screen.getvalue().startswith("low|_|\\xc3|\\xa9|_lower\n")
    assert main(["inspect"]) == 0
    assert screen.getvalue().isascii()
