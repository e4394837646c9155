"""Text to stories to pieces: nothing is lost, and no cut depends on how the text arrives."""

import io
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer.byte_alphabet import BYTE_TO_CHARACTER, to_printable
from tokenizer.count import count_pieces
from tokenizer.pretokenize import (
    END_OF_TEXT,
    iter_stories,
    pieces_of,
    pretokenize,
    safe_parts,
    split_stories,
)

# Few distinct characters, so that every boundary between two kinds is drawn often.
awkward = st.text(alphabet="aZé日'sl1 \t\n\r\u00a0\u2028!\"-\U0001f600\u0301", max_size=60)
reproducible = settings(derandomize=True, deadline=None, max_examples=300)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Once upon a time", ["Once", " upon", " a", " time"]),
        ("don't they'LL", ["don", "'t", " they", "'LL"]),
        ("it'ſo", ["it", "'ſ", "o"]),  # the long s is an s where case does not matter
        ("in 12345 days", ["in", " ", "123", "45", " days"]),
        ('"Hi!"\n\nTom', ['"Hi', '!"\n\n', "Tom"]),
        ("a  b\n  c ", ["a", " ", " b", "\n", " ", " c", " "]),
        ("", []),
    ],
)
def test_pieces_of_known_texts(text, pieces):
    assert pretokenize(text) == pieces


@reproducible
@given(st.text(max_size=60) | awkward)
def test_pieces_join_to_the_text(text):
    assert "".join(pretokenize(text)) == text


@pytest.mark.slow
@reproducible
@given(awkward, st.integers(0, 8))
def test_parts_do_not_change_pieces(text, size):
    parts = list(safe_parts(text.encode(), size))
    assert b"".join(parts) == text.encode()
    assert [*chain.from_iterable(pretokenize(part.decode()) for part in parts)] == pretokenize(text)


def test_parts_are_cut():
    """So that the test above cannot pass because there is only ever one part."""
    assert list(safe_parts(b"one two\n\nthree", 1)) == [b"one", b" two", b"\n\nthree"]


def test_not_every_place_is_a_safe_cut():
    """The check on parts would catch a cut behind white space."""
    text = "a\n \nb"
    assert pretokenize("a\n") + pretokenize(" \nb") != pretokenize(text)


@pytest.mark.parametrize(
    ("pattern", "pieces"),
    [
        (r"\w+", ["ab", " ", "cd", "!"]),  # what no match covers is a piece as well
        (r"(a)|(b)", ["a", "b", " cd!"]),  # groups are not pieces
        (r"x", ["ab cd!"]),
        (r"[ab]+", ["ab", " cd!"]),
    ],
)
def test_pieces_of_other_patterns(pattern, pieces):
    assert pieces_of("ab cd!", pattern) == pieces


def test_pattern_leaves_out_no_character():
    text = "".join(map(chr, range(0x110000)))
    assert "".join(pretokenize(text)) == text


@pytest.mark.parametrize(
    ("text", "stories"),
    [
        ("no marker\n", ["no marker\n"]),
        ("one\n<|endoftext|>\ntwo\n<|endoftext|>\n", ["one", "two"]),
        ("one\r\n<|endoftext|>\r\ntwo", ["one", "two"]),
        ("one\n\n<|endoftext|>\n\ntwo", ["one\n", "\ntwo"]),
        ("one<|endoftext|>two", ["one", "two"]),
        ("<|endoftext|>\n<|endoftext|><|endoftext|>", []),
        ("", []),
    ],
)
def test_stories_of_known_texts(text, stories):
    assert split_stories(text) == stories
    assert list(iter_stories(io.StringIO(text, newline=""))) == stories


@reproducible
@given(st.lists(st.sampled_from([END_OF_TEXT, "\n", "\r\n", "a", " ", "\r", "<|"]), max_size=12))
def test_reading_line_by_line_gives_the_same_stories(parts):
    text = "".join(parts)
    assert list(iter_stories(io.StringIO(text, newline=""))) == split_stories(text)


def test_counts_never_cross_texts_or_markers():
    assert count_pieces(["ab", "ab a", "b<|endoftext|>b"]) == {b"ab": 2, b" a": 1, b"b": 2}


def test_lone_surrogate_is_named():
    with pytest.raises(ValueError, match=r"lone surrogate '\\ud800'.*errors='replace'"):
        count_pieces(["ab \ud800"])


def test_byte_alphabet_is_the_published_one():
    """Spot values of GPT-2's vocabulary files, and the properties that make it an alphabet."""
    assert to_printable(b" the\n\x00\xff\xad~") == "ĠtheĊĀÿŃ~"
    assert sorted(BYTE_TO_CHARACTER) == list(range(256))
    assert len(set(BYTE_TO_CHARACTER.values())) == 256
    assert all(c.isprintable() and not c.isspace() for c in BYTE_TO_CHARACTER.values())


def test_special_tokens_cut_training_texts():
    counts = count_pieces(["ab<u>ab<u2>x", "<u><u>"], special_tokens=("<u>", "<u2>"))
    assert counts == {b"ab": 2, b"x": 1}
