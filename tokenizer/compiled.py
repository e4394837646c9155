"""Encoding and decoding through the kernels: the arrays they work on, kept between calls."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tokenizer import kernels
from tokenizer.count import bounds_of, new_pieces
from tokenizer.pretokenize import character_classes

Pair = tuple[int, int]
UINT32 = NDArray[np.uint32]

_KEPT_PIECES = 1 << 16
_KEPT_BYTES = 1 << 20
_KEPT_TOKENS = 1 << 20


class _Store:
    """The pieces that one thread has met, with their tokens."""

    def __init__(self) -> None:
        self.pieces = new_pieces(_KEPT_PIECES, _KEPT_BYTES)
        self.tokens = np.empty(_KEPT_TOKENS, np.int32)
        self.token_start = np.zeros(_KEPT_PIECES + 1, np.int64)


class CompiledEncoder:
    """Applies merges to UTF-8 text; safe to use from several threads, which run at the same time.

    Parameters
    ----------
    merges : sequence of (int, int)
        Merge number r makes token 256 + r.
    """

    def __init__(self, merges: Sequence[Pair]) -> None:
        pairs = np.array(merges, np.int64).reshape(-1, 2)
        self._keys = pairs[:, 0] << 32 | pairs[:, 1]
        size = 1 << max(4, (4 * len(pairs)).bit_length())
        self._slots = kernels.slots_for(self._keys, len(pairs), size)
        self._local = threading.local()

    def encode(
        self, parts: Sequence[bytes], behind: Sequence[int]
    ) -> tuple[UINT32, NDArray[np.int64]]:
        """Tokens of all parts, each followed by its token of `behind` (none if negative).

        Returns
        -------
        tokens : ndarray of shape (N,), uint32
        ends : ndarray of shape (parts,), int64
            Where the tokens of each part end, the one behind included.
        """
        store = getattr(self._local, "store", None)
        if store is None:
            store = self._local.store = _Store()
        block = b"".join(parts)
        out = np.empty(len(block) + len(parts), np.uint32)
        ends = np.empty(len(parts), np.int64)
        kernels.encode(
            np.frombuffer(block, np.uint8),
            bounds_of(map(len, parts)),
            np.array(behind, np.int64),
            character_classes(),
            store.pieces,
            store.tokens,
            store.token_start,
            self._slots,
            self._keys,
            out,
            ends,
        )
        return out[: ends[-1] if len(ends) else 0], ends


class CompiledDecoder:
    """Turns tokens into their bytes.

    Parameters
    ----------
    tokens : sequence of bytes
        Of each id from 0 on.
    """

    def __init__(self, tokens: Sequence[bytes]) -> None:
        lengths = np.array([len(token) for token in tokens], np.int64)
        self._start = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        self._content = np.frombuffer(b"".join(tokens), np.uint8)
        stride = kernels.STRIDE
        table = b"".join(token[:stride].ljust(stride, b"\0") for token in tokens)
        self._table = np.frombuffer(table, np.uint8).reshape(-1, stride)
        self._lengths = lengths

    def decode(self, ids: UINT32) -> memoryview:
        """The bytes of `ids`, each of which must be in range."""
        n_bytes = int(np.take(self._lengths, ids).sum())
        out = np.empty(n_bytes + kernels.STRIDE, np.uint8)
        kernels.decode(ids, self._table, self._start, self._content, out)
        return out.data[:n_bytes]
