"""Reading stories and splitting them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyllama_np.corpus.text import (
    SEPARATOR,
    CorpusError,
    read_stories,
    split_stories,
    without_stories,
)

STORIES = [f"Story number {number} was told." for number in range(400)]


def write(folder: Path, data: bytes, name: str = "text.txt") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_stories_are_stripped_and_kept_in_order(tmp_path: Path) -> None:
    first = write(tmp_path, b" One.\nTwo lines. \n<|endoftext|>\n\n<|endoftext|>Three.\n", "a.txt")
    second = write(tmp_path, "Vier: \u00e4\u00f6\u00fc.".encode(), "b.txt")
    assert read_stories([second, first]) == ["Vier: äöü.", "One.\nTwo lines.", "Three."]


def test_the_editor_that_saved_the_text_does_not_matter(tmp_path: Path) -> None:
    unix = write(tmp_path, b"One.\nTwo.\n<|endoftext|>\nThree.", "unix.txt")
    windows = write(tmp_path, b"\xef\xbb\xbfOne.\r\nTwo.\r\n<|endoftext|>\r\nThree.", "win.txt")
    assert read_stories([windows]) == read_stories([unix]) == ["One.\nTwo.", "Three."]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no story"),
        (b" \n<|endoftext|>\n ", "holds no story"),
        (b"caf\xc3\xa9 caf\xe9.", r"not UTF-8: byte 0xe9 at offset 9;"),
        ("Hi".encode("utf-16-le"), "NUL byte at offset 1: expected UTF-8"),
    ],
)
def test_unusable_files_are_refused_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = write(tmp_path, data)
    with pytest.raises(CorpusError, match=message) as error:
        read_stories([path])
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nowhere\.txt does not exist"):
        read_stories([tmp_path / "nowhere.txt"])
    with pytest.raises(CorpusError, match="is a folder"):
        read_stories([tmp_path])
    with pytest.raises(CorpusError, match="no text file given"):
        read_stories([])


@given(
    st.lists(st.sampled_from(STORIES), min_size=1, max_size=60),
    st.floats(0.01, 0.99),
    st.integers(0, 2**70),
)
def test_every_story_is_on_exactly_one_side(stories: list[str], fraction: float, seed: int) -> None:
    if len(set(stories)) < 2:
        with pytest.raises(CorpusError, match=r"at least 2 distinct.*--valid FILE"):
            split_stories(stories, fraction, seed)
        return
    train, valid = split_stories(stories, fraction, seed)
    assert train
    assert valid
    assert not set(train) & set(valid)
    assert sorted(train + valid) == sorted(stories)
    places = {story: place for place, story in enumerate(dict.fromkeys(stories))}
    for side in (train, valid):  # the order is kept
        first_seen = [places[story] for story in dict.fromkeys(side)]
        assert first_seen == sorted(first_seen)


def test_the_split_stays_when_text_is_added_in_front() -> None:
    _, before = split_stories(STORIES[200:], 0.1, seed=3)
    _, after = split_stories(STORIES, 0.1, seed=3)
    assert [story for story in after if story in STORIES[200:]] == before


def test_the_split_has_the_share_asked_for_and_depends_on_the_seed() -> None:
    _, valid = split_stories(STORIES, 0.1, seed=0)
    assert 20 <= len(valid) <= 60  # 40 expected, standard deviation 6
    assert split_stories(STORIES, 0.1, seed=1)[1] != valid


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 2.0, float("nan")])
def test_fractions_outside_the_open_interval_are_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"valid_fraction=.*between 0 and 1"):
        split_stories(STORIES, fraction, seed=0)


def test_training_stories_are_dropped_from_a_separate_validation_text() -> None:
    assert without_stories(["a", "b"], ["c", "b", "d", "b"]) == (["c", "d"], 2)
    with pytest.raises(CorpusError, match="all 1 validation stories"):
        without_stories(["a"], ["a"])


def test_a_separator_in_the_middle_of_a_line_separates(tmp_path: Path) -> None:
    path = write(tmp_path, f"One.{SEPARATOR}Two.{SEPARATOR}".encode())
    assert read_stories([path]) == ["One.", "Two."]
