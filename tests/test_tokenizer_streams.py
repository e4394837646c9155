"""Texts and ids in parts: no part changes a piece, a file appears whole or not at all."""

import io
import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer import END_OF_TEXT, streams
from tokenizer.pretokenize import PATTERN, pieces_of, split_stories
from tokenizer.streams import last_cut, open_output, read_ids, read_text
from tokenizer.tokenizer_json import GPT2_PATTERN

PARTS = ["a", "Ab ", " ", "  ", "\n", "\r\n", "'s", "1", "12 ", ".", "<", "é", "你", "\u3000", "\t"]
TEXTS = st.lists(st.sampled_from([*PARTS, END_OF_TEXT]), max_size=30).map("".join)


@pytest.mark.parametrize("pattern", [PATTERN, GPT2_PATTERN], ids=["default", "gpt2"])
@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=TEXTS)
def test_a_cut_changes_no_piece(pattern, text):
    data = text.encode()
    cut = last_cut(data, pattern)
    left, right = data[:cut].decode(), data[cut:].decode()
    assert pieces_of(left, pattern) + pieces_of(right, pattern) == pieces_of(text, pattern)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=TEXTS)
def test_a_cut_changes_no_story(text):
    data = text.encode()
    cut = last_cut(data, PATTERN)
    parts = [data[:cut].decode(), data[cut:].decode()]
    pieces = [
        p for part in parts for story in split_stories(part) for p in pieces_of(story, PATTERN)
    ]
    assert pieces == [p for story in split_stories(text) for p in pieces_of(story, PATTERN)]


@pytest.mark.parametrize("pattern", [PATTERN, r"\w+|\W"], ids=["default", "other"])
@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=st.text("aX< b\n|", max_size=30), read=st.integers(0, 30))
def test_a_cut_breaks_no_special_token(pattern, text, read):
    """Not even one that goes on behind what has been read so far."""
    specials = [b"<a b>", b"a b|", b"X\na", b"a X"]
    data = text.replace("|", "<a b>").replace("<X", "X\na").encode()
    cut = last_cut(data[:read], pattern, specials)
    assert cut <= read
    for token in specials:
        at = data.find(token)
        while at >= 0:
            assert not at < cut < at + len(token)
            at = data.find(token, at + 1)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_parts_together_are_the_text(tmp_path, monkeypatch, size):
    monkeypatch.setattr(streams, "PART", size)
    text = f"Tom has a hat.\r\n{END_OF_TEXT}\nÉté, 你好。\n再见 it's 12345  \n\n x" * 3
    path = tmp_path / "text.txt"
    path.write_bytes(text.encode())
    seen = []
    parts = list(read_text(str(path), PATTERN, [END_OF_TEXT], seen.append))
    assert "".join(parts) == text
    assert len(parts) > 3
    assert sum(seen) == len(text.encode())
    assert [p for part in parts for p in pieces_of(part, PATTERN)] == pieces_of(text, PATTERN)


def test_another_pattern_is_cut_behind_special_tokens_only(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "PART", 8)
    path = tmp_path / "text.txt"
    path.write_bytes(b"one two three<|x|>four five six<|x|>seven")
    assert list(read_text(str(path), r"\w+|\W", ["<|x|>"])) == [
        "one two three<|x|>",
        "four five six<|x|>",
        "seven",
    ]
    assert len(list(read_text(str(path), r"\w+|\W"))) == 1


def test_text_that_is_not_utf8_is_named_with_its_place(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "PART", 4)
    path = tmp_path / "text.txt"
    path.write_bytes(b"some words and \xff more")
    with pytest.raises(ValueError, match=r"text.txt: not UTF-8 text \(byte 0xff at 15\)"):
        list(read_text(str(path), PATTERN))


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("id_format", ["text", "uint16", "uint32"])
def test_ids_come_back(tmp_path, monkeypatch, size, id_format):
    monkeypatch.setattr(streams, "PART", size)
    ids = np.array([0, 1, 65535, 7, 123, 4095] * 5)
    path = tmp_path / "ids"
    if id_format == "text":
        path.write_text("\n ".join(map(str, ids)) + "\t", newline="")
    else:
        path.write_bytes(ids.astype({"uint16": "<u2", "uint32": "<u4"}[id_format]).tobytes())
    assert np.array_equal(np.concatenate(list(read_ids(str(path), id_format))), ids)


@pytest.mark.parametrize(
    ("data", "id_format", "message"),
    [
        (b"12 -3 4", "text", "'-3' is not a token id"),
        (b"12 1_0", "text", "'1_0' is not a token id"),
        (b"12 99999999999 4", "text", "'99999999999' is not a token id"),
        (b"9" * 5000, "text", "'99999999999999999999' is not a token id"),
        (b"1.5", "text", "'1.5' is not a token id"),
        ("١".encode(), "text", "'١' is not a token id"),
        (b"\x01\x00\x02", "uint16", "ends with 1 of the 2 bytes of an id"),
        (b"\x01\x00\x02", "uint32", "ends with 3 of the 4 bytes of an id"),
    ],
)
def test_what_is_no_id_is_refused(tmp_path, data, id_format, message):
    path = tmp_path / "ids"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        list(read_ids(str(path), id_format))


def test_no_ids_are_no_error(tmp_path):
    path = tmp_path / "ids"
    path.write_bytes(b" \n")
    assert sum(map(len, read_ids(str(path), "text"))) == 0


def test_an_output_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"old")

    def stop_halfway():
        with open_output(str(path)) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_halfway()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["out"]
    with open_output(str(path)) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["out"]


def test_standard_input_is_read_in_parts(monkeypatch):
    monkeypatch.setattr(streams, "PART", 6)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one two three four")))
    parts = list(read_text("-", PATTERN))
    assert len(parts) > 1
    assert "".join(parts) == "one two three four"
