"""The token file and its record."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tinyllama_np.corpus.batches import batch_at, consecutive_windows
from tinyllama_np.corpus.text import SEPARATOR, CorpusError, select_stories
from tinyllama_np.corpus.tokens import (
    TokenFileInfo,
    encode_stories,
    open_token_file,
    write_token_file,
)
from tinyllama_np.trainer import training_ring
from tokenizer import Tokenizer

STORIES = ["The cat sat.", "The dog ran; the cat sat.", "Caf\u00e9!", "The end."]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(STORIES * 3, vocab_size=270)


class Bytes:
    """A tokenizer of bytes, to which a test can give other properties."""

    vocab_size = 257
    end_of_text = 256
    sha256 = "0" * 64

    def __init__(self, vocab_size: int = 257, shift: int = 0) -> None:
        self.vocab_size = vocab_size
        self.shift = shift

    def encode_array(self, text: str, *, special: str = "text") -> np.ndarray:
        assert special == "special"
        ids: list[int] = []
        for part in text.split(SEPARATOR):
            ids += [byte + self.shift for byte in part.encode()] + [self.end_of_text]
        return np.array(ids[:-1])

    def token_byte_lengths(self) -> np.ndarray:
        return np.ones(self.vocab_size, np.int64)


def test_the_file_gives_the_stories_back(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "train.bin"
    info = write_token_file(path, STORIES, tokenizer)
    opened = open_token_file(path, tokenizer.sha256)
    ends = np.flatnonzero(opened.tokens == tokenizer.end_of_text)
    pieces = np.split(opened.tokens, ends + 1)
    assert [tokenizer.decode(piece[:-1].tolist()) for piece in pieces[:-1]] == STORIES
    assert pieces[-1].size == 0  # the last token is an end-of-text
    assert opened.info == info
    assert info.stories == 4
    assert info.tokens == len(opened.tokens)
    assert info.text_bytes == sum(len(story.encode()) for story in STORIES)


def test_the_bytes_on_disk_are_little_endian_and_recorded(tmp_path: Path) -> None:
    path = tmp_path / "data" / "train.bin"
    write_token_file(path, ["AB"], Bytes())
    assert path.read_bytes() == bytes([65, 0, 66, 0, 0, 1])
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert record == {
        "tokens": 3,
        "stories": 1,
        "text_bytes": 2,
        "vocab_size": 257,
        "dtype": "uint16",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "tokenizer_sha256": "0" * 64,
    }


def test_the_memory_map_is_read_only(tmp_path: Path) -> None:
    write_token_file(tmp_path / "train.bin", ["AB"], Bytes())
    tokens = open_token_file(tmp_path / "train.bin").tokens
    assert isinstance(tokens, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        tokens[0] = 1


@pytest.mark.parametrize(
    ("max_tokens", "expected"),
    [
        (2, [65, 256]),
        (3, [65, 66, 256]),  # "AB" fits exactly
        (4, [65, 66, 256, 256]),  # of "CDE" only its end
        (5, [65, 66, 256, 67, 256]),
        (7, [65, 66, 256, 67, 68, 69, 256]),
    ],
)
def test_a_token_limit_is_met_exactly(max_tokens: int, expected: list[int]) -> None:
    assert encode_stories(["AB", "CDE"], Bytes(), max_tokens).tolist() == expected


def test_a_cut_story_counts_only_its_kept_bytes(tmp_path: Path) -> None:
    info = write_token_file(tmp_path / "train.bin", ["AB", "CDE"], Bytes(), max_tokens=5)
    assert (info.tokens, info.stories, info.text_bytes) == (5, 2, 3)


def test_too_little_text_names_both_numbers() -> None:
    with pytest.raises(CorpusError, match=r"has 7 tokens and 8 were asked for"):
        encode_stories(["AB", "CDE"], Bytes(), 8)


@pytest.mark.parametrize(
    ("stories", "tokenizer", "message"),
    [
        (["\ud800"], Bytes(), "surrogate"),
        (["AB"], Bytes(shift=65_536), "outside the tokenizer's vocabulary"),  # uint16 would wrap
        (
            ["A"],
            Bytes(shift=257 - ord("A")),
            "token 257 is outside the tokenizer's vocabulary of 257",
        ),
        (["AB"], Bytes(shift=-66), "outside the tokenizer's vocabulary"),
        (["A<|endoftext|>B"], Bytes(), "split the text there"),
        ([], Bytes(), "no stories"),
    ],
)
def test_what_cannot_be_stored_is_refused(
    stories: list[str], tokenizer: Bytes, message: str, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError, match=message):
        write_token_file(tmp_path / "train.bin", stories, tokenizer)
    assert list(tmp_path.iterdir()) == []


def test_a_limit_below_two_is_refused() -> None:
    with pytest.raises(ValueError, match="max_tokens=1"):
        encode_stories(["AB"], Bytes(), 1)


def test_the_largest_vocabulary_of_uint16_fits() -> None:
    tokenizer = Bytes(vocab_size=65_536, shift=65_535 - ord("A"))
    tokens = encode_stories(["A"], tokenizer)
    assert (tokens.tolist(), tokens.dtype) == ([65_535, 256], np.uint16)


def damage(path: Path, how: str) -> None:
    record = path.with_suffix(".json")
    values = json.loads(record.read_text(encoding="utf-8"))
    if how == "flip":
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    elif how == "short":
        path.write_bytes(path.read_bytes()[:-2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how in ("no tokens", "folder"):
        path.unlink()
        if how == "folder":
            path.mkdir()
    elif how == "empty record":
        record.write_bytes(b"")
    elif how == "cut record":
        record.write_bytes(record.read_bytes()[:-5])
    elif how == "deep record":
        record.write_text("[" * 100_000, encoding="utf-8")
    elif how == "bytes in record":
        record.write_bytes(b"\xff\xfe" + record.read_bytes())
    elif how == "no record":
        record.unlink()
    elif how == "not json":
        record.write_text("{", encoding="utf-8")
    elif how == "not an object":
        record.write_text("[]", encoding="utf-8")
    else:
        name, _, value = how.partition("=")
        record.write_text(json.dumps({**values, name: json.loads(value)}), encoding="utf-8")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("flip", "has SHA-256"),
        ("short", "has 4 bytes and its record says 6"),
        ("no tokens", r"train\.bin cannot be read"),
        ("no record", r"train\.json of the token file cannot be read"),
        ("not json", "is not JSON"),
        ("not an object", "is not a JSON object"),
        ("tokens=true", "tokens=True, expected an integer"),
        ("tokens=0", "tokens=0"),
        ('dtype="int16"', "dtype='int16'.*'uint16' or 'uint32'"),
        ('dtype="uint32"', "has 6 bytes and its record says 12"),
        ("duplicates=null", "duplicates=None, expected an integer"),
        ("overlap=true", "overlap=True, expected an integer"),
        ("empty record", "is not JSON"),
        ("cut record", "is not JSON"),
        ("deep record", "nested more than"),
        ("bytes in record", "is not JSON"),
        ("empty", "has 0 bytes and its record says 6"),
        ("folder", r"train\.bin (cannot be read|has \d+ bytes)"),
        ("sha256=null", "expected a string"),
        ("vocab_size=256", "holds token 256, outside its vocabulary of 256"),
        ("vocab_size=200", "holds token 256, outside its vocabulary of 200"),
    ],
)
def test_damage_is_found(tmp_path: Path, how: str, message: str) -> None:
    path = tmp_path / "train.bin"
    write_token_file(path, ["AB"], Bytes())
    damage(path, how)
    with pytest.raises(CorpusError, match=message) as error:
        open_token_file(path)
    assert "\n" not in str(error.value)


def test_another_tokenizer_is_found(tmp_path: Path) -> None:
    write_token_file(tmp_path / "train.bin", ["AB"], Bytes())
    with pytest.raises(CorpusError, match="was written with tokenizer 000000000000, not fff"):
        open_token_file(tmp_path / "train.bin", "f" * 64)


# -------------------------------------------------------------------------------- wide vocabularies


def test_a_large_vocabulary_is_stored_in_uint32(tmp_path: Path) -> None:
    tokenizer = Bytes(vocab_size=65_537, shift=65_536 - ord("B"))
    path = tmp_path / "train.bin"
    info = write_token_file(path, ["AB"], tokenizer)
    assert path.read_bytes() == bytes([255, 255, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0])
    opened = open_token_file(path)
    assert (info.dtype, opened.tokens.dtype) == ("uint32", np.uint32)
    assert opened.tokens.tolist() == [65_535, 65_536, 256]


def test_batches_of_both_widths_are_the_same(tmp_path: Path) -> None:
    stories = [f"Story {n} of several." for n in range(20)]
    opened = []
    for vocab_size in (257, 65_537):
        path = tmp_path / f"{vocab_size}.bin"
        write_token_file(path, stories, Bytes(vocab_size))
        opened.append(open_token_file(path).tokens)
    narrow, wide = opened
    assert (narrow.itemsize, wide.itemsize) == (2, 4)
    for a, b in zip(
        batch_at(narrow, step=3, batch_size=4, sequence_length=8, seed=1)
        + consecutive_windows(narrow, 64, 8),
        batch_at(wide, step=3, batch_size=4, sequence_length=8, seed=1)
        + consecutive_windows(wide, 64, 8),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype == np.int32
    ring = training_ring(wide, 30, 256)
    assert ring.dtype == np.uint32
    assert ring.tolist() == training_ring(narrow, 30, 256).tolist()


# -------------------------------------------------------------------------------- what is recorded


def test_the_record_counts_duplicates_and_overlap(tmp_path: Path) -> None:
    for deduplicate in (False, True):
        train, valid = select_stories(
            lambda: iter(["a", "b", "a", "a"]),
            lambda: iter(["b", "c", "c", "d", "a"]),
            deduplicate=deduplicate,
        )
        infos = []
        for side in (train, valid):
            path = tmp_path / "side.bin"
            write_token_file(path, side, Bytes())
            infos.append(open_token_file(path).info)
        assert [info.stories for info in infos] == ([2, 2] if deduplicate else [4, 3])
        assert [info.duplicates for info in infos] == [2, 1]
        assert [info.duplicates_dropped for info in infos] == ([2, 1] if deduplicate else [0, 0])
        assert [info.overlap for info in infos] == [0, 2]


def test_a_record_without_these_counts_is_read(tmp_path: Path) -> None:
    """That of a study made before they were counted."""
    info = write_token_file(tmp_path / "train.bin", ["AB"], Bytes())
    assert "overlap" not in (tmp_path / "train.json").read_text(encoding="utf-8")
    assert open_token_file(tmp_path / "train.bin").info == info
    assert info.duplicates is None


def test_the_documentation_names_every_field_of_the_record() -> None:
    text = (Path(__file__).parents[1] / "docs" / "corpus.md").read_text(encoding="utf-8")
    names = [field.name for field in dataclasses.fields(TokenFileInfo)]
    assert [name for name in names if f"\n| `{name}` | " not in text] == []
