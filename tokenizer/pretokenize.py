"""From text to pieces: the units that merges never cross.

A training text is cut three times: a file into stories at the marker `<|endoftext|>`, a story
into pieces by a regular expression, and a piece into its UTF-8 bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import regex
from numpy.typing import NDArray

END_OF_TEXT = "<|endoftext|>"

# The first alternative that matches at a position wins. Each character is a letter, a number,
# white space or something else, and each kind has its alternative: nothing is left out.
PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)"  # English contractions: 's, 'll, ...
    r"|[^\r\n\p{L}\p{N}]?+\p{L}+"  # a word, with the one space or sign before it
    r"|\p{N}{1,3}"  # up to three digits
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*"  # punctuation, with the line breaks behind it
    r"|\s*[\r\n]"  # white space up to its last line break
    r"|\s+(?!\S)|\s+"  # other white space; its last space is left to the word after it
)

_marker = regex.compile(r"(?:\r?\n)?" + regex.escape(END_OF_TEXT) + r"(?:\r?\n)?")

# Behind a letter or digit a piece may end; before white space it must, for no alternative goes on
# from one to the other, and none looks back. So such a cut changes no piece on either side.
_safe_cut = regex.compile(rb"[A-Za-z0-9](?=[ \n])")


@lru_cache(maxsize=16)
def _finder(pattern: str) -> Callable[[str], list[str]]:
    # not findall, which returns the groups of a pattern that has any
    compiled = regex.compile(pattern)
    if compiled.groups == 0:
        findall: Callable[[str], list[str]] = compiled.findall
        return findall
    return lambda text: [match.group() for match in compiled.finditer(text)]


def pretokenize(text: str) -> list[str]:
    """Cut `text` into pieces; joined together they are `text` again.

    >>> pretokenize("It's 2024, isn't it?")
    ['It', "'s", ' ', '202', '4', ',', ' isn', "'t", ' it', '?']
    """
    return pieces_of(text, PATTERN)


def pieces_of(text: str, pattern: str) -> list[str]:
    """Cut `text` into the matches of `pattern` and whatever is left between two of them."""
    pieces = _finder(pattern)(text)
    if pattern == PATTERN or sum(map(len, pieces)) == len(text):
        return pieces
    pieces, end = [], 0
    for match in regex.finditer(pattern, text):
        pieces += [piece for piece in (text[end : match.start()], match.group()) if piece]
        end = match.end()
    return [*pieces, text[end:]] if end < len(text) else pieces


def safe_parts(data: bytes, size: int) -> Iterator[bytes]:
    """Cut UTF-8 text into parts of about `size` bytes, where a cut changes no piece of `PATTERN`.

    A part is longer where the text has no such place.
    """
    start = 0
    while len(data) - start > size:
        cut = _safe_cut.search(data, start + size)
        if cut is None:
            break
        yield data[start : cut.end()]
        start = cut.end()
    yield data[start:] if start else data


@lru_cache(maxsize=1)
def character_classes() -> NDArray[np.uint8]:
    """What `regex` takes each character for, shape (0x110000,): the table of `kernels.scan`.

    Made from `regex` itself, in some 50 ms, so that the two cannot come to differ when a newer
    Unicode adds letters.
    """
    from tokenizer import kernels

    # every code point in order, lone surrogates too
    everything = np.arange(0x110000, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    classes = np.full(0x110000, kernels.OTHER, np.uint8)
    for kind, run in (
        (kernels.LETTER, r"\p{L}+"),
        (kernels.NUMBER, r"\p{N}+"),
        (kernels.SPACE, r"\s+"),
        (kernels.NEWLINE, r"[\r\n]+"),
    ):
        for match in regex.finditer(run, everything):
            classes[match.start() : match.end()] = kind
    for number, letter in enumerate(kernels.CONTRACTED, start=1):
        for match in regex.finditer(f"(?i:{letter})", everything):  # also the long s, U+017F
            classes[match.start()] |= number << 3
    classes.flags.writeable = False
    return classes


def split_stories(text: str) -> list[str]:
    """Cut `text` at each `<|endoftext|>`; the marker takes one line break on either side with it.

    Empty stories are left out. A text without a marker is one story, unchanged.
    """
    return [story for story in _marker.split(text) if story]


def splitter(special_tokens: Sequence[str]) -> Callable[[str], list[str]]:
    """A function that cuts a text at special tokens, the longest where two begin alike."""
    longest_first = sorted(special_tokens, key=lambda token: (-len(token), token))
    if not longest_first:
        return lambda text: [text]
    split = regex.compile("|".join(map(regex.escape, longest_first))).split
    return lambda text: [part for part in split(text) if part]


def iter_stories(lines: Iterable[str]) -> Iterator[str]:
    """Yield the stories of an open text file one at a time, as `split_stories` of its whole text.

    Open the file with ``newline=""``, or Python rewrites its line ends.
    """
    pending: list[str] = []
    for line in lines:
        pending.append(line)
        if END_OF_TEXT in line:
            *stories, rest = _marker.split("".join(pending))
            pending = [rest]
            yield from filter(None, stories)
    yield from filter(None, ["".join(pending)])


def encode_utf8(piece: str) -> bytes:
    """UTF-8 bytes of `piece`; a lone surrogate is a ValueError that names it."""
    try:
        return piece.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text holds the lone surrogate {piece[error.start]!r}, which UTF-8 cannot express; "
            "decode the input with errors='replace', or use Tokenizer.encode_bytes"
        ) from None
