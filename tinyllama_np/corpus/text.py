"""What a story is, and which stories serve for training and which for validation.

A story is a `str` without outer whitespace. Between stories stands `<|endoftext|>`, the layout in
which TinyStories is distributed. Everything here works on the stories' keys, 16 bytes each, so
that a text need not fit in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SEPARATOR = "<|endoftext|>"

StoryKeys = NDArray[np.uint64]  # (N, 2): the two halves of 128 bits, the leading half first
StoryMask = NDArray[np.bool_]  # (N,)


class CorpusError(ValueError):
    """A text or a token file that cannot be used; the message is one line that says why."""


def stories_of(text: str) -> list[str]:
    """The stories of a text: cut at the separator, stripped, empty ones dropped.

    Windows line ends become "\\n", so that a text saved by another editor gives the same stories.
    """
    pieces = text.replace("\r\n", "\n").split(SEPARATOR)
    return [story for piece in pieces if (story := piece.strip())]


def story_keys(stories: Iterable[str], seed: int) -> StoryKeys:
    """What stands for each story here: the first 128 bits of a SHA-256 of seed and story.

    The probability that any two different ones of N stories share a key is N**2 / 2**129: 1.5e-21
    for a billion.

    Returns
    -------
    keys : ndarray of shape (N, 2), uint64

    Raises
    ------
    CorpusError
        A story that UTF-8 cannot express.
    """
    # The seed is a prefix closed by "\n", so (seed, story) pairs cannot run into each other.
    prefix = hashlib.sha256(f"{seed}\n".encode())
    keys = bytearray()
    try:
        for story in stories:
            digest = prefix.copy()
            digest.update(story.encode())
            keys += digest.digest()[:16]
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"a story holds the lone surrogate {error.object[error.start]!r}, which UTF-8 cannot "
            f"express (starts {error.object[:30]!r}); remove it from the text"
        ) from None
    return np.frombuffer(keys, dtype=">u8").astype(np.uint64).reshape(-1, 2)


def _groups(keys: StoryKeys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """An order in which equal keys stand together, earlier ones first; where each group starts."""
    order = np.lexsort((keys[:, 1], keys[:, 0])).astype(np.int64)  # stable
    arranged = keys[order]
    starts = np.ones(len(keys), dtype=np.bool_)
    starts[1:] = (arranged[1:] != arranged[:-1]).any(axis=1)
    return order, np.flatnonzero(starts)


def repeats(keys: StoryKeys) -> StoryMask:
    """Which stories stand earlier in the same text already."""
    order, starts = _groups(keys)
    repeated = np.ones(len(keys), dtype=np.bool_)
    repeated[order[starts]] = False
    return repeated


def occurs_in(keys: StoryKeys, others: StoryKeys) -> StoryMask:
    """Which of the stories `keys` are among `others`."""
    order, starts = _groups(np.concatenate([others, keys]))
    lengths = np.diff(np.append(starts, len(order)))
    found = np.empty(len(order), dtype=np.bool_)
    # others stand in front, so the first of a group is one of them if any is
    found[order] = np.repeat(order[starts] < len(others), lengths)
    return found[len(others) :]


def in_validation(keys: StoryKeys, valid_fraction: float) -> StoryMask:
    """Which stories the split puts on the validation side; see `split_stories`."""
    if not 0 < valid_fraction < 1:
        raise ValueError(
            f"valid_fraction={valid_fraction}: expected a number between 0 and 1, such as 0.05"
        )
    order, starts = _groups(keys)
    if len(starts) < 2:
        raise CorpusError(
            f"splitting needs at least 2 distinct stories, and the text has {len(starts)}: put "
            f"{SEPARATOR} between its stories, or name a validation text with --valid FILE"
        )
    # A point of [0, 1), uniform over stories: 53 bits, exact in float64.
    position = (keys[:, 0] >> np.uint64(11)).astype(np.float64) / 2**53
    chosen: StoryMask = position < valid_fraction
    if not chosen.any():
        chosen[order[: starts[1]]] = True
    elif chosen.all():
        chosen[order[starts[-1] :]] = False
    return chosen


def split_stories(
    stories: Sequence[str], valid_fraction: float, seed: int
) -> tuple[list[str], list[str]]:
    """Split into training and validation stories by a hash of each story's text.

    The side of a story depends on its text, `valid_fraction` and `seed` alone. So duplicates fall
    on one side, no story is on both, and adding text moves no story. The order is kept. A larger
    fraction moves stories from training to validation only.

    Where chance leaves one side empty (a few stories), the distinct story nearest to the border
    goes there; this is the one case in which adding text may move a story.

    Parameters
    ----------
    stories : sequence of str
    valid_fraction : float
        The expected share of distinct stories in the validation text, between 0 and 1.
    seed : int

    Returns
    -------
    train, valid : lists of str, both non-empty

    Raises
    ------
    CorpusError
        Fewer than two distinct stories.
    ValueError
        `valid_fraction` not strictly between 0 and 1.
    """
    train, valid = select_stories(lambda: iter(stories), valid_fraction=valid_fraction, seed=seed)
    return list(train), list(valid)


@dataclass(frozen=True)
class SelectedStories:
    """Some stories of a text, read anew at every iteration: memory holds one byte a story.

    Attributes
    ----------
    read : callable
        Gives an iterator over all stories of the text, the same ones each time.
    chosen : ndarray of shape (N,), bool
        Which of them.
    duplicates : int
        Stories of this side that stand earlier in it already.
    duplicates_dropped : int
        How many of these are left out: all of them or none.
    overlap : int
        Validation stories that are left out because they stand in the training text.
    """

    read: Callable[[], Iterator[str]]
    chosen: StoryMask
    duplicates: int
    duplicates_dropped: int = 0
    overlap: int = 0

    def __len__(self) -> int:
        return int(np.count_nonzero(self.chosen))

    def __iter__(self) -> Iterator[str]:
        number = -1
        keep = self.chosen.tobytes()  # iterating over bytes is faster than over an array
        for number, story in enumerate(self.read()):
            if number < len(keep) and keep[number]:
                yield story
        if number + 1 != len(keep):
            raise CorpusError(
                f"the text has {number + 1} stories now and had {len(keep)} before: it was changed "
                "while it was read; begin again"
            )


def select_stories(
    read: Callable[[], Iterator[str]],
    read_valid: Callable[[], Iterator[str]] | None = None,
    *,
    valid_fraction: float = 0.1,
    seed: int = 0,
    deduplicate: bool = False,
) -> tuple[SelectedStories, SelectedStories]:
    """The training and the validation stories of a text, or of two texts, without keeping them.

    Each text is read once here, for its keys.

    Parameters
    ----------
    read : callable
        Gives an iterator over the stories.
    read_valid : callable, optional
        The same for a validation text of its own. Its stories that also occur in the training text
        are left out. Without it, the split of `split_stories` is made.
    valid_fraction, seed
        As for `split_stories`.
    deduplicate : bool
        Keep of equal stories the first only, in each of the two.

    Returns
    -------
    train, valid : SelectedStories

    Raises
    ------
    CorpusError
        Fewer than two distinct stories to split; no validation story left; an unreadable text.

    Examples
    --------
    >>> train, valid = select_stories(lambda: iter(["a", "b", "a"]), lambda: iter(["b", "c"]))
    >>> list(train), train.duplicates, list(valid), valid.overlap
    (['a', 'b', 'a'], 1, ['c'], 1)
    """
    keys = story_keys(read(), seed)
    if read_valid is None:
        in_valid = in_validation(keys, valid_fraction)
        repeated = repeats(keys)  # equal stories are on one side: no need to look at each side
        return (
            _side(read, ~in_valid, repeated, deduplicate),
            _side(read, in_valid, repeated, deduplicate),
        )
    valid_keys = story_keys(read_valid(), seed)
    overlaps = occurs_in(valid_keys, keys)
    overlap = int(np.count_nonzero(overlaps))
    if overlap == len(valid_keys):
        raise CorpusError(
            f"all {overlap} validation stories also occur in the training text: "
            "name another validation text"
        )
    every = np.ones(len(keys), dtype=np.bool_)
    return (
        _side(read, every, repeats(keys), deduplicate),
        _side(read_valid, ~overlaps, repeats(valid_keys), deduplicate, overlap),
    )


def _side(
    read: Callable[[], Iterator[str]],
    belongs: StoryMask,
    repeated: StoryMask,
    deduplicate: bool,
    overlap: int = 0,
) -> SelectedStories:
    duplicates = int(np.count_nonzero(belongs & repeated))
    return SelectedStories(
        read=read,
        chosen=belongs & ~repeated if deduplicate else belongs,
        duplicates=duplicates,
        duplicates_dropped=duplicates if deduplicate else 0,
        overlap=overlap,
    )
