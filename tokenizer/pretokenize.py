"""From text to pieces: the units that merges never cross.

A training text is cut three times: a file into stories at the marker `<|endoftext|>`, a story
into pieces by a regular expression, and a piece into its UTF-8 bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import regex

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

_find_pieces = regex.compile(PATTERN).findall
_marker = regex.compile(r"(?:\r?\n)?" + regex.escape(END_OF_TEXT) + r"(?:\r?\n)?")

# No alternative goes on from a line break to a visible character, and none looks back: a cut
# between the two changes no piece on either side.
_safe_cut = regex.compile(r"\n(?=\S)")
_BLOCK = 1 << 18  # characters


def pretokenize(text: str) -> list[str]:
    """Cut `text` into pieces; joined together they are `text` again.

    >>> pretokenize("It's 2024, isn't it?")
    ['It', "'s", ' ', '202', '4', ',', ' isn', "'t", ' it', '?']
    """
    pieces: list[str] = _find_pieces(text)
    return pieces


def pretokenize_blocks(text: str, block: int = _BLOCK) -> Iterator[list[str]]:
    """Yield the pieces of `text` in lists: as `pretokenize`, in memory that does not grow with it.

    Parameters
    ----------
    text : str
    block : int
        Cut after about so many characters, where a cut changes no piece.
    """
    start = 0
    while cut := _safe_cut.search(text, start + block):
        yield _find_pieces(text, start, cut.end())
        start = cut.end()
    yield _find_pieces(text, start)


def split_stories(text: str) -> list[str]:
    """Cut `text` at each `<|endoftext|>`; the marker takes one line break on either side with it.

    Empty stories are left out. A text without a marker is one story, unchanged.
    """
    return [story for story in _marker.split(text) if story]


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


def count_pieces(texts: Iterable[str]) -> Counter[bytes]:
    """Count the pieces of all `texts`, as UTF-8 bytes.

    Raises
    ------
    ValueError
        If a text holds a lone surrogate, which UTF-8 cannot express.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        for story in split_stories(text):
            for pieces in pretokenize_blocks(story):
                counts.update(pieces)
    return Counter({encode_utf8(piece): count for piece, count in counts.items()})


def encode_utf8(piece: str) -> bytes:
    """UTF-8 bytes of `piece`; a lone surrogate is a ValueError that names it."""
    try:
        return piece.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text holds the lone surrogate {piece[error.start]!r}, which UTF-8 cannot express; "
            "decode the input with errors='replace', or use Tokenizer.encode_bytes"
        ) from None
