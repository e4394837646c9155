"""Stories from text files, and the split into training and validation text.

A text file holds stories with `<|endoftext|>` between them, the layout in which TinyStories is
distributed. A story is a `str` without outer whitespace; everything after this file works on
lists of stories.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

SEPARATOR = "<|endoftext|>"


class CorpusError(ValueError):
    """A text or a token file that cannot be used; the message is one line that says why."""


def read_stories(paths: Sequence[Path]) -> list[str]:
    """Read the stories of `paths`, in the order given.

    Outer whitespace of each story is removed and empty stories are dropped. A byte-order mark is
    removed and Windows line ends become "\\n", so that a text saved by another editor gives the
    same stories. A file without any separator is one story.

    Raises
    ------
    CorpusError
        No path given; a path that is missing, a folder or unreadable; a file that is empty, not
        UTF-8 or binary.
    """
    if not paths:
        raise CorpusError("no text file given: name at least one file of stories")
    stories: list[str] = []
    for path in paths:
        stories.extend(_stories_of_file(Path(path)))
    return stories


def _stories_of_file(path: Path) -> list[str]:
    text = _decode(path, _read_bytes(path))
    stories = [story for piece in text.split(SEPARATOR) if (story := piece.strip())]
    if not stories:
        raise CorpusError(f"text file {path} holds no story: it is empty or only white space")
    return stories


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise CorpusError(f"text file {path} is a folder: name the text files in it")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise CorpusError(f"text file {path} does not exist: check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path itself
        reason = getattr(error, "strerror", None) or error
        raise CorpusError(f"text file {path} cannot be read: {reason}") from None


def _decode(path: Path, data: bytes) -> str:
    # A NUL is valid UTF-8, but in practice it means UTF-16 or a binary file.
    if (offset := data.find(b"\0")) >= 0:
        raise CorpusError(
            f"text file {path} has a NUL byte at offset {offset}: "
            "expected UTF-8 text, so convert it from UTF-16 or name another file"
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"text file {path} is not UTF-8: byte 0x{data[error.start]:02x} at offset "
            f"{error.start}; convert it to UTF-8"
        ) from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


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
    if not 0 < valid_fraction < 1:
        raise ValueError(
            f"valid_fraction={valid_fraction}: expected a number between 0 and 1, such as 0.05"
        )
    position = {story: _split_position(story, seed) for story in stories}  # distinct stories
    if len(position) < 2:
        raise CorpusError(
            f"splitting needs at least 2 distinct stories, and the text has {len(position)}: put "
            f"{SEPARATOR} between its stories, or name a validation text with --valid FILE"
        )
    in_valid = {story for story, at in position.items() if at < valid_fraction}
    if not in_valid:
        in_valid = {min(position, key=lambda story: (position[story], story))}
    elif len(in_valid) == len(position):
        in_valid.remove(max(position, key=lambda story: (position[story], story)))
    train = [story for story in stories if story not in in_valid]
    valid = [story for story in stories if story in in_valid]
    return train, valid


def _split_position(story: str, seed: int) -> float:
    """A point of [0, 1), uniform over stories: the first 53 bits of a SHA-256, exact in float64."""
    # The seed is a prefix closed by "\n", so (seed, story) pairs cannot run into each other.
    digest = hashlib.sha256(f"{seed}\n{story}".encode()).digest()
    return float((int.from_bytes(digest[:8], "big") >> 11) / 2**53)


def without_stories(train: Sequence[str], valid: Sequence[str]) -> tuple[list[str], int]:
    """Drop from a separate validation text the stories that also occur in the training text.

    Returns
    -------
    valid : list of str
        The stories of `valid` that are not in `train`, in order.
    dropped : int
        How many were left out.

    Raises
    ------
    CorpusError
        No story is left.
    """
    in_train = set(train)
    kept = [story for story in valid if story not in in_train]
    dropped = len(valid) - len(kept)
    if not kept:
        raise CorpusError(
            f"all {dropped} validation stories also occur in the training text: "
            "name another validation text"
        )
    return kept, dropped
