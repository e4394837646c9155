"""Validation: the mean loss over a fixed text, and the same in bits a byte."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinyllama_np.lanes import Lanes
from tinyllama_np.ops import IntArray


class Evaluation(NamedTuple):
    """Result of `evaluate`."""

    loss: float  # mean negative log-likelihood, nats a token
    bits_per_byte: float  # NaN where the text has no bytes (special tokens only)

    @property
    def perplexity(self) -> float:
        """exp(loss), infinite where that overflows."""
        return math.inf if self.loss > 709 else math.exp(self.loss)


def evaluate(
    lanes: Lanes,
    inputs: IntArray,
    targets: IntArray,
    byte_lengths: NDArray[np.int64],
    sequences: int = 64,
) -> Evaluation:
    """Mean loss of the weights that `lanes` uses.

    Parameters
    ----------
    lanes : Lanes
    inputs, targets : ndarray of int32, shape (windows, T)
    byte_lengths : ndarray of int, shape (V,)
        UTF-8 bytes of each token, 0 for special tokens, so that bits per byte compares models
        with different vocabularies: total loss / (ln 2 x bytes of the predicted tokens).
    sequences : int
        Windows computed at once; the result does not depend on it.
    """
    window_sums: list[float] = []
    for start in range(0, len(inputs), sequences):
        rows = slice(start, start + sequences)
        losses = lanes.losses(inputs[rows], targets[rows])
        window_sums.extend(losses.sum(axis=1, dtype=np.float64).tolist())
    total = math.fsum(window_sums)
    size = int(byte_lengths[targets].sum())
    return Evaluation(total / targets.size, total / (math.log(2) * size) if size else math.nan)
