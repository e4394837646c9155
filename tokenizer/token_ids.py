"""Ids that a caller gives, of whatever type, as an array, or an error that names the wrong one."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def known_ids(
    ids: Iterable[int], tokens_by_id: Sequence[bytes | None], gaps: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """`ids` as an array.

    Parameters
    ----------
    ids : iterable of int
    tokens_by_id : sequence of bytes or None
    gaps : ndarray of shape (n_gaps,), int64
        The ids in range that no token has.

    Raises
    ------
    ValueError
        With the first of `ids` that stands for no token, or is no whole number; True is none.
    """
    if not isinstance(ids, np.ndarray):
        ids = ids if isinstance(ids, (list, tuple)) else list(ids)
        with contextlib.suppress(OverflowError, TypeError):  # named below
            # array reads a list of int three times as fast as NumPy does
            numbers = np.frombuffer(array("I", ids), dtype=np.dtype("I"))
            # it reads True as 1, and only then can there be a bool among them
            if numbers.size == 0 or numbers.min() > 1 or bool not in set(map(type, ids)):
                ids = numbers
    if isinstance(ids, np.ndarray):
        if ids.ndim != 1:
            raise ValueError(f"token ids of shape {ids.shape}; expected one dimension")
        if ids.size == 0:
            return np.empty(0, np.uint32)
        inside = ids.dtype.kind in "ui" and ids.max() < len(tokens_by_id) and ids.min() >= 0
        if inside and (gaps.size == 0 or not np.isin(ids, gaps).any()):
            return ids.astype(np.uint32, copy=False)

    def known(token_id: object) -> bool:
        if not isinstance(token_id, (int, np.integer)) or isinstance(token_id, bool):
            return False
        in_range = 0 <= token_id < len(tokens_by_id)
        return bool(in_range) and tokens_by_id[int(token_id)] is not None

    for token_id in ids:
        if not known(token_id):
            shown = repr(token_id.item() if isinstance(token_id, np.generic) else token_id)
            raise ValueError(
                f"token id {shown[:60]} must be a whole number from 0 to {len(tokens_by_id) - 1}"
                f"{' that stands for a token' if gaps.size else ''}"
            )
    return np.array(list(ids), dtype=np.uint32)  # Python's int in an array of objects
