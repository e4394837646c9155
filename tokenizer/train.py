"""Byte-pair encoding, trained fast: the same merges as `train_naive`, without counting again.

Three facts make it fast:

1. Equal pieces behave equally. Each distinct piece is kept once, with its count as a weight.
2. A merge changes only the pairs that touch its occurrences. Pieces are doubly linked lists of
   tokens, every pair knows the positions where it occurs, and its count is corrected in place.
3. A pair that contains the token just made can be born only while that token is made; later its
   count only falls. So a heap may hold counts that are too high, never too low: when the pair on
   top turns out to have a lower count by now, it goes back with that count.

`kernels.learn` is the same algorithm on typed arrays, for long texts cut by the default pattern.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise

import numpy as np

from tokenizer.count import PieceCounts

COMPILE_FROM = 1 << 15  # bytes of distinct pieces; below, loading the kernel takes longer
_MOST_BYTES = 1 << 29  # of distinct pieces; the kernel numbers three links a byte in int32
_LOOK_EVERY_S = 0.1

Pair = tuple[int, int]

_END = -1  # a piece's first token has no token before it, its last none after it
_GONE = -2  # a position that was merged into its left neighbour


class _Pieces:
    """Distinct pieces as linked lists of tokens, with the count and the positions of each pair.

    Position i is the i-th byte of all distinct pieces laid end to end; a merge lets the left
    position live on as the new token.
    """

    def __init__(self, piece_counts: Mapping[bytes, int]) -> None:
        self.token: list[int] = []
        self.before: list[int] = []
        self.after: list[int] = []
        self.weight: list[int] = []  # how often the position's piece occurs
        self.counts: defaultdict[Pair, int] = defaultdict(int)
        self.positions: defaultdict[Pair, list[int]] = defaultdict(list)
        for piece, count in piece_counts.items():
            if piece:
                self._append(piece, count)

    def _append(self, piece: bytes, count: int) -> None:
        start = len(self.token)
        stop = start + len(piece)
        self.token += piece
        self.before += [_END, *range(start, stop - 1)]
        self.after += [*range(start + 1, stop), _END]
        self.weight += [count] * len(piece)
        for i, pair in enumerate(pairwise(piece), start):
            self.counts[pair] += count
            self.positions[pair].append(i)

    def merge(self, pair: Pair, new_id: int) -> set[Pair]:
        """Merge every occurrence of `pair`, from left to right; return the pairs that were born.

        The positions of a pair are in rising order, for they were listed in one pass from left
        to right: at the start, or while its younger token was made. They may be out of date.
        """
        left, right = pair
        token, before, after, weight = self.token, self.before, self.after, self.weight
        counts, positions = self.counts, self.positions
        born: set[Pair] = set()
        for i in positions.pop(pair):
            j = after[i]
            if token[i] != left or j == _END or token[j] != right:
                continue  # changed by an older merge, or overlapped by the occurrence before
            w = weight[i]
            h, k = before[i], after[j]
            token[i] = new_id
            token[j] = _GONE
            after[i] = k
            if h != _END:
                counts[token[h], left] -= w
                new_pair = (token[h], new_id)
                counts[new_pair] += w
                positions[new_pair].append(h)
                born.add(new_pair)
            if k != _END:
                before[k] = i
                counts[right, token[k]] -= w
                new_pair = (new_id, token[k])
                counts[new_pair] += w
                positions[new_pair].append(i)
                born.add(new_pair)
        del counts[pair]
        return born


def train(
    piece_counts: Mapping[bytes, int],
    n_merges: int,
    progress: Callable[[int, int], object] | None = None,
) -> list[Pair]:
    """Learn `n_merges` merges; merge number r makes token 256 + r.

    Parameters
    ----------
    piece_counts : mapping of bytes to int
        How often each piece occurs; its order does not matter.
    n_merges : int
    progress : callable, optional
        Called as ``progress(merges_done, n_merges)`` after each merge.

    Returns
    -------
    list of (int, int)
        Fewer than `n_merges` when every piece has become a single token.

    Notes
    -----
    Time O(N log N) and memory O(N) for N bytes of distinct pieces: a merge that touches a
    position shortens its piece, so all merges together touch fewer than N.
    """
    pieces = _Pieces(piece_counts)
    # The smallest entry is the highest count and, among equals, the smallest pair of ids.
    heap = [(-count, pair) for pair, count in pieces.counts.items()]
    heapify(heap)
    merges: list[Pair] = []
    while heap and len(merges) < n_merges:
        negative_count, pair = heappop(heap)
        count = pieces.counts.get(pair, 0)
        if count != -negative_count:
            if count > 0:
                heappush(heap, (-count, pair))
            continue
        born = pieces.merge(pair, 256 + len(merges))
        merges.append(pair)
        for new_pair in born:
            if pieces.counts[new_pair] > 0:
                heappush(heap, (-pieces.counts[new_pair], new_pair))
        if progress is not None:
            progress(len(merges), n_merges)
    return merges


def train_compiled(
    counts: PieceCounts,
    n_merges: int,
    progress: Callable[[int, int], object] | None = None,
) -> list[Pair]:
    """As `train`, by `kernels.learn`.

    The kernel runs in a thread of its own, so that progress is reported meanwhile and Ctrl-C is
    heard.
    """
    from tokenizer import kernels

    if counts.n_bytes > _MOST_BYTES:
        raise ValueError(
            f"the text has {counts.n_bytes:,} bytes of distinct pieces, and merges can be learnt "
            f"from at most {_MOST_BYTES:,}; train on a part of it"
        )
    merges = np.empty(n_merges, np.int64)
    signal = np.zeros(2, np.int64)  # merges so far; a wish to stop
    failure: list[BaseException] = []

    def learn() -> None:
        try:
            kernels.learn(counts.pieces, counts.counts, merges, signal)
        except BaseException as error:  # handed to the caller's thread
            failure.append(error)

    worker = threading.Thread(target=learn)
    worker.start()
    try:
        learning = True
        while learning:
            worker.join(_LOOK_EVERY_S)
            learning = worker.is_alive()
            if progress is not None:
                progress(int(signal[0]), n_merges)
    finally:
        signal[1] = 1
        worker.join()
    if failure:
        raise failure[0]
    learnt = merges[: signal[0]]
    return list(zip((learnt >> 32).tolist(), (learnt & 0xFFFFFFFF).tolist(), strict=True))


def learn_merges(
    counts: Mapping[bytes, int] | PieceCounts,
    n_merges: int,
    progress: Callable[[int, int], object] | None = None,
) -> list[Pair]:
    """The first `n_merges` merges: by the kernel where counts are large arrays, else by `train`.

    Both give the same.
    """
    if not isinstance(counts, PieceCounts):
        return train(counts, n_merges, progress)
    if counts.n_bytes < COMPILE_FROM:
        return train(counts.as_counter(), n_merges, progress)
    return train_compiled(counts, n_merges, progress)
