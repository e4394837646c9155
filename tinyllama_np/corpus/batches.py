"""Which tokens the model sees at which step: a pure function of (seed, step).

The training text is a ring of U tokens. Epoch e cuts it into W = floor(U / T) windows of T tokens
that start at a seeded offset o_e, and visits them in a seeded permutation. With B sequences a
step, sequence number g = step * B + b is window g mod W of epoch floor(g / W). A window gives T + 1
tokens, wrapping round: the inputs and, one place later, the targets. The U - W T tokens between
the last window and the first are left out of that epoch; the offset makes them others each time.

Nothing here has a state that a checkpoint would have to keep.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyllama_np.corpus.text import CorpusError

IntArray = NDArray[np.int64]
BatchArray = NDArray[np.int32]


def windows_per_epoch(ring_tokens: int, sequence_length: int) -> int:
    """W = floor(U / T), at least 1; a ring shorter than one sequence is a `CorpusError`."""
    if sequence_length < 1:
        raise ValueError(f"sequence_length={sequence_length}: expected at least 1")
    if ring_tokens < sequence_length:
        raise CorpusError(
            f"the text has {ring_tokens} tokens, fewer than one sequence of {sequence_length}: "
            "give more text or a shorter sequence"
        )
    return ring_tokens // sequence_length


def epoch_starts(ring_tokens: int, sequence_length: int, seed: int, epoch: int) -> IntArray:
    """Where the windows of an epoch start on the ring, in the order in which they are visited.

    Returns
    -------
    starts : ndarray of shape (W,), int64, each in [0, U)

    Notes
    -----
    The random bits are SHAKE-256 of a text that names the seed and the epoch, and the permutation
    is the stable argsort of W 64-bit keys. Both are fixed by their definition (FIPS 202; ties go
    by position), whereas NEP 19 does not promise that `Generator.permutation` or `.integers`
    gives the same numbers in the next NumPy release. The modulo's bias is below U / 2**64.
    """
    n_windows = windows_per_epoch(ring_tokens, sequence_length)
    label = f"tinyllama_np batches seed={seed} epoch={epoch}"
    digest = hashlib.shake_256(label.encode()).digest(8 * (1 + n_windows))
    keys = np.frombuffer(digest, dtype="<u8")
    offset = int(keys[0]) % ring_tokens  # o_e
    order = np.argsort(keys[1:], kind="stable").astype(np.int64)
    return (offset + order * sequence_length) % ring_tokens


def batch_at(
    tokens: NDArray[Any], *, step: int, batch_size: int, sequence_length: int, seed: int
) -> tuple[BatchArray, BatchArray]:
    """Inputs and targets of a step.

    Parameters
    ----------
    tokens : ndarray of shape (U,)
        The ring; a memory map will do.
    step : int
        From 0.
    batch_size, sequence_length, seed : int

    Returns
    -------
    inputs, targets : ndarrays of shape (B, T), int32
        `targets[b, t]` is the token after `inputs[b, t]`.

    Raises
    ------
    CorpusError
        Fewer than T tokens.
    ValueError
        A negative step, or a size below 1.
    """

    def starts_of(epoch: int) -> IntArray:
        return epoch_starts(len(tokens), sequence_length, seed, epoch)

    return _gather(tokens, step, batch_size, sequence_length, starts_of)


def _gather(
    tokens: NDArray[Any],
    step: int,
    batch_size: int,
    sequence_length: int,
    starts_of: Callable[[int], IntArray],
) -> tuple[BatchArray, BatchArray]:
    if step < 0 or batch_size < 1:
        raise ValueError(
            f"step={step}, batch_size={batch_size}: expected a step from 0 and a size from 1"
        )
    n_windows = windows_per_epoch(len(tokens), sequence_length)
    g = step * batch_size + np.arange(batch_size, dtype=np.int64)
    epochs, windows = np.divmod(g, n_windows)
    starts = np.empty(batch_size, dtype=np.int64)
    for epoch in np.unique(epochs):  # a small ring: one batch may span several epochs
        chosen = epochs == epoch
        starts[chosen] = starts_of(int(epoch))[windows[chosen]]
    places = (starts[:, None] + np.arange(sequence_length + 1)) % len(tokens)  # (B, T + 1)
    sequences = tokens[places].astype(np.int32)
    return np.ascontiguousarray(sequences[:, :-1]), np.ascontiguousarray(sequences[:, 1:])


class BatchSource:
    """`batch_at` for one run: the same batches, with the order of the last epochs kept.

    It may be asked for any step in any order; what is kept changes the time, never the batch.

    Parameters
    ----------
    tokens : ndarray of shape (U,)
    batch_size, sequence_length, seed : int
    """

    KEPT_EPOCHS = 2  # a batch at the border of two epochs needs both

    def __init__(
        self, tokens: NDArray[Any], batch_size: int, sequence_length: int, seed: int
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: expected at least 1")
        self.tokens = tokens
        self.batch_size = batch_size
        self.sequence_length = sequence_length
        self.seed = seed
        self.windows_per_epoch = windows_per_epoch(len(tokens), sequence_length)
        self._starts: dict[int, IntArray] = {}

    def batch(self, step: int) -> tuple[BatchArray, BatchArray]:
        """Inputs and targets of `step`, each of shape (B, T), int32."""
        return _gather(self.tokens, step, self.batch_size, self.sequence_length, self._starts_of)

    def _starts_of(self, epoch: int) -> IntArray:
        if epoch not in self._starts:
            while len(self._starts) >= self.KEPT_EPOCHS:
                del self._starts[next(iter(self._starts))]  # the oldest
            self._starts[epoch] = epoch_starts(
                len(self.tokens), self.sequence_length, self.seed, epoch
            )
        return self._starts[epoch]


def consecutive_windows(
    tokens: NDArray[Any], count_tokens: int, sequence_length: int
) -> tuple[BatchArray, BatchArray]:
    """The first `count_tokens` tokens in consecutive windows, for evaluation.

    Window i has the inputs tokens[i T : i T + T] and as targets the tokens one place later; there
    is no wrapping round. The number of windows is floor(count_tokens / T), or as many as the text
    has targets for, floor((len(tokens) - 1) / T), where the text is shorter. Each of the
    predicted tokens 1 .. windows * T is predicted once.

    Returns
    -------
    inputs, targets : ndarrays of shape (windows, T), int32

    Raises
    ------
    CorpusError
        Fewer than T + 1 tokens.
    ValueError
        `count_tokens` below T.
    """
    if sequence_length < 1 or count_tokens < sequence_length:
        raise ValueError(
            f"count_tokens={count_tokens}, sequence_length={sequence_length}: "
            "expected a sequence from 1 and at least one sequence to count"
        )
    if len(tokens) < sequence_length + 1:
        raise CorpusError(
            f"the text has {len(tokens)} tokens and evaluating one window takes "
            f"{sequence_length + 1}: give more text or a shorter sequence"
        )
    n_windows = min(count_tokens, len(tokens) - 1) // sequence_length
    used = np.asarray(tokens[: n_windows * sequence_length + 1]).astype(np.int32)
    shape = (n_windows, sequence_length)
    return used[:-1].reshape(shape), used[1:].reshape(shape)
