"""From a piece's bytes to token ids: the merges again, in the order in which they were learnt."""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heapify, heappop, heappush
from itertools import pairwise

_GONE = -1


def encode_piece(piece: bytes, merged_id: Mapping[tuple[int, int], int]) -> list[int]:
    """Merge the bytes of one piece: always the oldest merge that applies, leftmost first.

    Parameters
    ----------
    piece : bytes
    merged_id : mapping of (int, int) to int
        The token that each merge makes. An older merge makes a smaller id.

    Returns
    -------
    list of int

    Notes
    -----
    O(n log n) for n bytes: candidates wait in a heap, neighbours are linked lists. This equals
    applying each merge to the whole piece in turn, as training does: what a merge makes can only
    take part in younger merges.
    """
    n = len(piece)
    ids = [*piece]
    before, after = list(range(-1, n - 1)), list(range(1, n + 1))
    candidates = [
        (merged_id[pair], i) for i, pair in enumerate(pairwise(piece)) if pair in merged_id
    ]
    heapify(candidates)
    while candidates:
        new_id, i = heappop(candidates)
        j = after[i]
        if j == n or merged_id.get((ids[i], ids[j])) != new_id:
            continue  # one of the two tokens has been merged meanwhile
        ids[i], ids[j] = new_id, _GONE
        h, k = before[i], after[j]
        after[i] = k
        if h >= 0 and (ids[h], new_id) in merged_id:
            heappush(candidates, (merged_id[ids[h], new_id], h))
        if k < n:
            before[k] = i
            if (new_id, ids[k]) in merged_id:
                heappush(candidates, (merged_id[new_id, ids[k]], i))
    return [token for token in ids if token != _GONE]
