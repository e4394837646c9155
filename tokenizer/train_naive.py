"""Byte-pair encoding, trained as the definition says: count, merge, count again.

This is the reference. It is slow (every merge reads the whole text twice); `train.py` gives the
same merges. Gage (1994), "A New Algorithm for Data Compression"; for subwords, Sennrich et al.
(2016), https://arxiv.org/abs/1508.07909.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

Pair = tuple[int, int]


def count_pairs(pieces: Iterable[list[int]]) -> Counter[Pair]:
    """Count the adjacent pairs of each piece, overlapping ones too: `aaa` has (a, a) twice."""
    counts: Counter[Pair] = Counter()
    for ids in pieces:
        counts.update(pairwise(ids))
    return counts


def merge(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    """Replace `pair` by `new_id` from left to right: `aaa` becomes (aa) a.

    >>> merge([97, 97, 97], (97, 97), 256)
    [256, 97]
    """
    merged = []
    i = 0
    while i < len(ids):
        if tuple(ids[i : i + 2]) == pair:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def train_naive(pieces: Iterable[bytes], n_merges: int) -> list[Pair]:
    """Learn `n_merges` merges; merge number r makes token 256 + r.

    Parameters
    ----------
    pieces : iterable of bytes
        The text, cut into the units that no merge crosses.
    n_merges : int

    Returns
    -------
    list of (int, int)
        Fewer than `n_merges` when every piece has become a single token.
    """
    sequences = [list(piece) for piece in pieces]
    merges: list[Pair] = []
    while len(merges) < n_merges:
        counts = count_pairs(sequences)
        if not counts:
            break
        # Highest count; ties: the smallest pair of ids.
        best = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]))
        sequences = [merge(ids, best, 256 + len(merges)) for ids in sequences]
        merges.append(best)
    return merges
