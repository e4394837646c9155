"""Many texts through an encoder: cut at special tokens, gathered to blocks, spread over threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import regex

from tokenizer.pretokenize import safe_parts

BLOCK = 1 << 20  # bytes

S = TypeVar("S")
T = TypeVar("T")


@dataclass
class Block:
    """Parts of texts that are encoded together.

    Attributes
    ----------
    parts : list of bytes
        UTF-8 text without special tokens, or any bytes.
    behind : list of int
        The rank of the special token that follows each part, -1 for none.
    closes : list of int
        The parts with which a text ends.
    """

    parts: list[bytes] = field(default_factory=list)
    behind: list[int] = field(default_factory=list)
    closes: list[int] = field(default_factory=list)
    n_bytes: int = 0


class SpecialCutter:
    """Cuts bytes at special tokens, the leftmost first, and of those the longest.

    Parameters
    ----------
    ranks : mapping of str to int
    """

    def __init__(self, ranks: Mapping[str, int]) -> None:
        self._ranks = {token.encode("utf-8"): rank for token, rank in ranks.items()}
        longest_first = sorted(self._ranks, key=lambda token: (-len(token), token))
        self._split = regex.compile(
            b"(" + b"|".join(map(regex.escape, longest_first)) + b")" if longest_first else b"(?!)"
        ).split

    def __call__(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        """Yield each part of `data` with the rank of what follows it, -1 at the end."""
        if len(self._ranks) == 1:  # the common case, and much faster
            ((token, rank),) = self._ranks.items()
            *parts, last = data.split(token)
            yield from ((part, rank) for part in parts)
            yield last, -1
            return
        pieces = self._split(data)
        for part, token in zip(pieces[:-1:2], pieces[1::2], strict=True):
            yield part, self._ranks[token]
        yield pieces[-1], -1


def gather(texts: Iterable[Iterable[tuple[bytes, int]]], cuttable: bool) -> Iterator[Block]:
    """Blocks of about `BLOCK` bytes from texts, each given as its parts with what follows them.

    Parameters
    ----------
    texts : iterable of iterables of (bytes, int)
    cuttable : bool
        Whether `safe_parts` may cut a long part: not if its pieces are not those of `PATTERN`.
    """
    block = Block()
    for text in texts:
        for part, behind in text:
            for piece in safe_parts(part, BLOCK) if cuttable else (part,):
                if block.n_bytes >= BLOCK:
                    yield block
                    block = Block()
                block.parts.append(piece)
                block.behind.append(-1)
                block.n_bytes += len(piece)
            block.behind[-1] = behind
        block.closes.append(len(block.parts) - 1)
    if block.parts:
        yield block


def in_order(work: Callable[[S], T], blocks: Iterable[S], threads: int) -> Iterator[T]:
    """`work` of each block, in their order; a few blocks ahead are worked on at the same time."""
    if threads == 1:
        yield from map(work, blocks)
        return
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[T]] = deque()
        for block in blocks:
            waiting.append(pool.submit(work, block))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
