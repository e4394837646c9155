"""From a piece's bytes to tokens: the merges again, in the order in which they were learnt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tokenizer.pretokenize import pieces_of

_GONE = -1
_KEPT_PIECES = 1 << 17
_KEPT_LENGTH = 64  # characters; longer pieces hardly ever come back


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


class PieceEncoder(dict[str, bytes]):
    """Encodes texts cut by any pattern. `kernels.encode` is its twin for the default pattern.

    A dict of the tokens of each piece met so far, as the bytes of a uint32 array, so that a text
    is one join. It forgets everything when it is full; what it returns never depends on what it
    holds.

    Parameters
    ----------
    merges : sequence of (int, int)
        Merge number r makes token 256 + r.
    pattern : str
    whole : mapping of bytes to int
        Pieces that are a token as they stand, whatever the merges would make of them.
    """

    def __init__(
        self, merges: Sequence[tuple[int, int]], pattern: str, whole: Mapping[bytes, int]
    ) -> None:
        super().__init__()
        self._merged_id = {pair: new_id for new_id, pair in enumerate(merges, start=256)}
        self._pattern = pattern
        self._whole = whole

    def __missing__(self, piece: str) -> bytes:
        data = piece.encode("utf-8", "surrogateescape")
        whole = self._whole.get(data)
        tokens = encode_piece(data, self._merged_id) if whole is None else [whole]
        encoded = np.array(tokens, dtype=np.uint32).tobytes()
        if len(piece) <= _KEPT_LENGTH:
            if len(self) >= _KEPT_PIECES:
                self.clear()
            self[piece] = encoded
        return encoded

    def encode(
        self, parts: Sequence[bytes], behind: Sequence[int]
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Tokens of all parts, each followed by its token of `behind` (none if negative).

        Returns
        -------
        tokens : ndarray of shape (N,), uint32
        ends : ndarray of shape (parts,), int64
            Where the tokens of each part end, the one behind included.
        """
        encoded = []
        for part, token in zip(parts, behind, strict=True):
            # surrogateescape stands a lone surrogate in for each byte that is not UTF-8
            text = part.decode("utf-8", "surrogateescape")
            pieces = b"".join(map(self.__getitem__, pieces_of(text, self._pattern)))
            encoded.append(pieces + np.array([token][: token >= 0], dtype=np.uint32).tobytes())
        ends = np.cumsum([len(tokens) // 4 for tokens in encoded], dtype=np.int64)
        return np.frombuffer(b"".join(encoded), dtype=np.uint32), ends
