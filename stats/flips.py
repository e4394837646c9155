"""Patterns of signs for the tests that turn whole seeds over: all of them, or many.

Shapes: n seeds, P patterns.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
MAX_EXACT = 16  # seeds: 2^16 patterns, or half of them; beyond it they are drawn at random
MOST_DRAWN, LEAST_DRAWN = 20_000, 2_000
LARGEST_WORK = 2_000_000_000  # seeds x intervals x patterns: some seconds


def sign_patterns(
    n: int,
    at_once: int,
    *,
    cells: int,
    both: bool = False,
    rng: np.random.Generator | None = None,
) -> Iterator[FloatArray]:
    """Patterns (P, n) of 1 and -1 in blocks of at most `at_once`, the observed one (all 1) first.

    All are visited up to 16 seeds. Beyond, 20,000 are drawn, fewer (at least 2,000) where a study
    of `cells` = seeds x intervals is so large that they would take minutes.

    Parameters
    ----------
    both : bool
        Whether a pattern and its negative are two: not for a statistic that is the same for both.
    rng : Generator, optional
        For the draws; a fixed one by default, so that the same data give the same p.
    """
    if n <= MAX_EXACT:
        free = n if both else n - 1
        rest = itertools.product((1.0, -1.0), repeat=free)
        while block := list(itertools.islice(rest, at_once)):
            patterns = np.ones((len(block), n))
            patterns[:, n - free :] = np.reshape(block, (len(block), free))
            yield patterns
        return
    yield np.ones((1, n))
    rng = rng or np.random.default_rng(0)
    total = max(LEAST_DRAWN, min(MOST_DRAWN, LARGEST_WORK // cells))
    for start in range(0, total, at_once):
        count = min(at_once, total - start)
        yield rng.choice((1, -1), size=(count, n)).astype(np.float64)
