"""A frame of one condition as a matrix of seeds by intervals, checked before anything is computed.

Library functions take any frame, not only what `stats.io` has already checked; so a hole, a doubled
cell or a NaN is refused here, by name. The order of the rows never matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.cells import check_columns, keys_of, lay_out

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Names:
    """How the columns of a frame are called."""

    seed: str = "seed"
    interval: str = "interval"
    tokens: str = "tokens_seen"
    loss: str = "val_loss"
    train: str = "train_sample_loss"


@dataclass(frozen=True)
class Matrix:
    """`values` of shape (S, K), a row a seed and a column an interval, both ascending."""

    values: FloatArray
    seeds: list[Any]
    intervals: list[int]


def seed_matrix(
    frame: pd.DataFrame,
    column: str,
    names: Names | None = None,
    *,
    least_seeds: int = 1,
    positive: bool = False,
    skip: int = 0,
) -> Matrix:
    """`column` of one condition's `frame` as a matrix of seeds by intervals.

    Parameters
    ----------
    frame : DataFrame
        One row a (seed, interval), in any order.
    column : str
    names : Names, optional
        The columns that hold seed and interval.
    least_seeds : int
        Fewer seeds are refused.
    positive : bool
        Whether 0 and negative values are refused.
    skip : int
        First intervals whose values may be blank: no training loss precedes the first step.

    Raises
    ------
    ValueError
        A column is absent, a cell is missing, doubled or not a finite number, an interval is not
        a number, or there are too few seeds (the checks of `stats.cells`). The message names the
        column and the cells.
    """
    names = names or Names()
    check_columns(frame, [names.seed, names.interval, column])
    keys = keys_of(
        frame,
        [names.seed, names.interval],
        in_order=names.interval,
        remedy="; give one condition at a time",
    )
    values = lay_out(frame, column, keys, skip=skip)
    seeds, intervals = keys.levels
    if positive and (values[:, skip:] <= 0).any():
        row, col = np.argwhere(values[:, skip:] <= 0)[0]
        raise ValueError(
            f"{column}={values[row, skip + col]} of seed {seeds[row]} at interval "
            f"{intervals[skip + col]} must be positive, for losses are divided by each other"
        )
    if len(seeds) < least_seeds:
        raise ValueError(f"{len(seeds)} seed(s) in the frame; this takes at least {least_seeds}")
    return Matrix(values, seeds, [cast(int, interval) for interval in intervals])


def token_matrix(frame: pd.DataFrame, names: Names) -> FloatArray:
    """Tokens seen (S, K), refused where they do not grow from one interval to the next."""
    tokens = seed_matrix(frame, names.tokens, names)
    falls = np.argwhere(np.diff(tokens.values, axis=1) <= 0)
    if len(falls):
        row, col = falls[0]
        raise ValueError(
            f"{names.tokens} of seed {tokens.seeds[row]} does not grow from interval "
            f"{tokens.intervals[col]} to {tokens.intervals[col + 1]}"
        )
    if (tokens.values < 0).any():
        raise ValueError(f"{names.tokens}={tokens.values.min()} must not be negative")
    return tokens.values
