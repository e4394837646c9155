"""How often each piece of a text occurs: what training starts from.

Short texts are cut by the regular expression and counted in a dict. Long ones are joined to blocks
of bytes and go through `kernels.count`, which cuts and counts in one pass; its hash table is in
arrays that double when they are full. Both give the same counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tokenizer.pretokenize import (
    PATTERN,
    character_classes,
    encode_utf8,
    pieces_of,
    safe_parts,
    split_stories,
    splitter,
)

if TYPE_CHECKING:
    from tokenizer.kernels import Pieces

BLOCK = 1 << 20  # bytes that are cut and counted at once
COMPILE_FROM = 1 << 20  # bytes; below, loading the kernels takes longer than doing without


class PieceCounts:
    """Distinct pieces and how often each occurs, in arrays.

    Attributes
    ----------
    pieces : Pieces
    counts : ndarray of shape (capacity,), int64
    """

    def __init__(self, capacity: int = 1 << 14) -> None:
        self.pieces = new_pieces(capacity, 8 * capacity)
        self.counts: NDArray[np.int64] = np.zeros(capacity, np.int64)

    def __len__(self) -> int:
        return int(self.pieces.used[0])

    @property
    def n_bytes(self) -> int:
        """Bytes of all distinct pieces together."""
        return int(self.pieces.used[1])

    def add(self, block: bytes, bounds: NDArray[np.int64]) -> None:
        """Count the pieces of the parts block[bounds[p, 0] : bounds[p, 1]]."""
        from tokenizer import kernels

        text = np.frombuffer(block, np.uint8)
        place = np.zeros(2, np.int64)
        while not kernels.count(text, bounds, character_classes(), self.pieces, self.counts, place):
            self._grow(len(block))

    def _grow(self, at_least: int) -> None:
        """Twice as many places, and room for any piece of a block of `at_least` bytes."""
        from tokenizer import kernels

        old, n, n_bytes = self.pieces, len(self), self.n_bytes
        capacity = 2 * len(old.hashes)
        self.pieces = new_pieces(capacity, max(2 * len(old.content), n_bytes + at_least))
        self.pieces.hashes[:n] = old.hashes[:n]
        self.pieces.start[: n + 1] = old.start[: n + 1]
        self.pieces.content[:n_bytes] = old.content[:n_bytes]
        self.pieces.used[:] = old.used
        kernels.fill_slots(self.pieces)
        self.counts = np.append(self.counts, np.zeros(capacity - len(self.counts), np.int64))

    def as_counter(self) -> Counter[bytes]:
        """The same as a dict."""
        content, start = self.pieces.content.tobytes(), self.pieces.start.tolist()
        counts = self.counts.tolist()
        return Counter({content[start[p] : start[p + 1]]: counts[p] for p in range(len(self))})


def new_pieces(capacity: int, n_bytes: int) -> Pieces:
    """An empty table for `capacity` pieces of `n_bytes` bytes in all; capacity is a power of 2."""
    from tokenizer import kernels

    return kernels.Pieces(
        slots=np.full(4 * capacity, kernels.NONE, np.int32),
        hashes=np.empty(capacity, np.uint64),
        start=np.zeros(capacity + 1, np.int64),
        content=np.empty(n_bytes, np.uint8),
        used=np.zeros(2, np.int64),
    )


def count_pieces(
    texts: Iterable[str], pattern: str = PATTERN, special_tokens: Sequence[str] = ()
) -> Counter[bytes] | PieceCounts:
    """Count the pieces of all `texts`, as UTF-8 bytes.

    No piece crosses `<|endoftext|>` or one of `special_tokens`, and these are not counted. Memory
    does not grow with the number of texts, only with the number of distinct pieces.

    Returns
    -------
    Counter or PieceCounts
        The latter from `COMPILE_FROM` characters on, if `pattern` is the default one.

    Raises
    ------
    ValueError
        If a text holds a lone surrogate, which UTF-8 cannot express.
    """
    cut = splitter(special_tokens)
    stories = (part for text in texts for story in split_stories(text) for part in cut(story))
    first: list[str] = []
    size = 0
    for story in stories:
        first.append(story)
        size += len(story)
        if size >= COMPILE_FROM:
            break
    if size >= COMPILE_FROM and pattern == PATTERN:
        arrays = PieceCounts()
        for block, lengths in _blocks(chain(first, stories)):
            arrays.add(block, bounds_of(lengths))
        return arrays
    counts: Counter[str] = Counter()
    for story in chain(first, stories):
        counts.update(pieces_of(story, pattern))
    return Counter({encode_utf8(piece): count for piece, count in counts.items()})


def _blocks(stories: Iterable[str]) -> Iterator[tuple[bytes, list[int]]]:
    """Stories as bytes, joined to blocks of about `BLOCK`, with the length of each part."""
    parts: list[bytes] = []
    size = 0
    for story in stories:
        for part in safe_parts(encode_utf8(story), BLOCK):
            parts.append(part)
            size += len(part)
            if size >= BLOCK:
                yield b"".join(parts), [len(part) for part in parts]
                parts, size = [], 0
    if parts:
        yield b"".join(parts), [len(part) for part in parts]


def bounds_of(lengths: Iterable[int]) -> NDArray[np.int64]:
    """Start and end of parts of these lengths laid end to end, shape (parts, 2)."""
    ends = np.cumsum(np.fromiter(lengths, np.int64), dtype=np.int64)
    return np.stack([np.concatenate([[0], ends[:-1]]), ends], axis=1).astype(np.int64)
