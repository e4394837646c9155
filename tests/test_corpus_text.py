"""Reading stories and splitting them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyllama_np.corpus.text import (
    SEPARATOR,
    CorpusError,
    SelectedStories,
    occurs_in,
    repeats,
    select_stories,
    split_stories,
    stories_of,
    story_keys,
)

PINNED = [11, 34, 39, 53, 67, 182, 190, 251, 306, 330, 366, 395]
STORIES = [f"Story number {number} was told." for number in range(400)]


WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "ä", "é a"]), max_size=30)


def old_split(stories: list[str], valid_fraction: float, seed: int) -> tuple[list[str], list[str]]:
    """The split as it was first written, on the stories themselves: existing studies rest on it."""
    position = {}
    for story in stories:
        digest = hashlib.sha256(f"{seed}\n{story}".encode()).digest()
        position[story] = (int.from_bytes(digest[:8], "big") >> 11) / 2**53
    in_valid = {story for story, at in position.items() if at < valid_fraction}
    if not in_valid:
        in_valid = {min(position, key=lambda story: (position[story], story))}
    elif len(in_valid) == len(position):
        in_valid.remove(max(position, key=lambda story: (position[story], story)))
    return (
        [story for story in stories if story not in in_valid],
        [story for story in stories if story in in_valid],
    )


def test_a_text_is_cut_into_its_stories() -> None:
    text = f" One.\r\nTwo. {SEPARATOR}\n{SEPARATOR}Three.\r"
    assert stories_of(text) == ["One.\nTwo.", "Three."]


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
    _, chosen = select_stories(lambda: iter(["a", "b"]), lambda: iter(["c", "b", "d", "b"]))
    assert (list(chosen), chosen.overlap) == (["c", "d"], 2)
    with pytest.raises(CorpusError, match="all 1 validation stories"):
        select_stories(lambda: iter(["a"]), lambda: iter(["a"]))


@given(
    st.lists(st.sampled_from(STORIES), min_size=1, max_size=40).filter(lambda s: len({*s}) > 1),
    st.floats(0.001, 0.999),
    st.integers(0, 5),
)
def test_the_split_is_that_of_existing_studies(
    stories: list[str], fraction: float, seed: int
) -> None:
    assert split_stories(stories, fraction, seed) == old_split(stories, fraction, seed)


def test_a_split_is_pinned() -> None:
    """That of the 400 stories at seed 0: what a released version gave must stay."""
    _, valid = split_stories(STORIES, 0.02, seed=0)
    assert [int(story.split()[2]) for story in valid] == PINNED


# ------------------------------------------------------------------- keys, duplicates and overlap


def test_a_key_is_the_beginning_of_a_sha_256() -> None:
    (key,) = story_keys(["Zoë."], seed=12).tolist()
    digest = hashlib.sha256("12\nZoë.".encode()).digest()
    assert key == [int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")]
    assert story_keys([], seed=0).shape == (0, 2)


def test_a_lone_surrogate_has_no_key() -> None:
    with pytest.raises(CorpusError, match=r"lone surrogate '\\ud800'.*starts 'A "):
        story_keys(["A \ud800."], seed=0)


@given(WORDS, WORDS)
def test_duplicates_and_overlap_are_those_of_the_texts(
    stories: list[str], others: list[str]
) -> None:
    keys, other_keys = story_keys(stories, 0), story_keys(others, 0)
    assert repeats(keys).tolist() == [story in stories[:i] for i, story in enumerate(stories)]
    assert occurs_in(keys, other_keys).tolist() == [story in others for story in stories]


def test_keys_that_differ_in_one_half_only_differ() -> None:
    keys = np.array([[1, 2], [1, 3], [2, 2], [1, 2], [2**64 - 1, 2]], dtype=np.uint64)
    assert repeats(keys).tolist() == [False, False, False, True, False]
    assert occurs_in(keys[:2], keys[2:]).tolist() == [True, False]


@given(WORDS.filter(lambda words: len(set(words)) > 1), st.floats(0.05, 0.95), st.booleans())
def test_a_split_text_selects_each_story_once(
    stories: list[str], fraction: float, deduplicate: bool
) -> None:
    train, valid = select_stories(
        lambda: iter(stories), valid_fraction=fraction, deduplicate=deduplicate
    )
    assert not set(train) & set(valid)
    for side, whole in zip((train, valid), old_split(stories, fraction, 0), strict=True):
        assert list(side) == (list(dict.fromkeys(whole)) if deduplicate else whole)
        assert list(side) == list(side)  # read anew each time
        assert len(side) == len(list(side))
        assert side.duplicates == len(whole) - len(set(whole))
        assert side.duplicates_dropped == (side.duplicates if deduplicate else 0)
        assert side.overlap == 0


@given(WORDS, WORDS, st.booleans())
def test_two_texts_select_what_is_not_in_both(
    stories: list[str], others: list[str], deduplicate: bool
) -> None:
    def select() -> tuple[SelectedStories, SelectedStories]:
        return select_stories(lambda: iter(stories), lambda: iter(others), deduplicate=deduplicate)

    kept = [story for story in others if story not in stories]
    if not kept:
        with pytest.raises(CorpusError, match=f"all {len(others)} validation stories"):
            select()
        return
    train, valid = select()
    assert list(train) == (list(dict.fromkeys(stories)) if deduplicate else stories)
    assert list(valid) == (list(dict.fromkeys(kept)) if deduplicate else kept)
    assert (train.overlap, valid.overlap) == (0, len(others) - len(kept))
    assert train.duplicates == len(stories) - len(set(stories))
    assert valid.duplicates == len(kept) - len(set(kept))


@pytest.mark.parametrize("later", [["a", "b"], ["a", "b", "c", "d"]])
def test_a_text_that_changes_while_it_is_read_is_noticed(later: list[str]) -> None:
    texts = [["a", "b", "c"], later]
    train, _ = select_stories(lambda: iter(texts.pop(0)), lambda: iter(["e"]))
    with pytest.raises(CorpusError, match=f"has {len(later)} stories now and had 3"):
        list(train)
