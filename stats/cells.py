"""From long rows to the complete table of a repeated-measures design, or a refusal by name.

Levels are categories: numbers, texts or dates, in any order. Every (subject, level) cell must hold
exactly one finite number; what does not is named, so that it can be looked up and mended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
MAX_NAMED = 8
LARGEST = 1e75  # epsilon takes fourth powers; float64 ends at 1e308


@dataclass(frozen=True)
class Cells:
    """A complete design.

    Attributes
    ----------
    values : array of shape (n, k) or (n, a, b)
        Subjects, then the levels of one or two repeated factors, each sorted.
    groups : array of shape (n,)
        The group of each subject, 0 to g - 1; all 0 without a between factor.
    group_names : tuple
        The g groups; empty without a between factor.
    """

    values: FloatArray
    groups: IntArray
    group_names: tuple[object, ...] = ()


def read_cells(
    data: pd.DataFrame,
    dv: str,
    within: Sequence[str],
    subject: str,
    between: str | None = None,
) -> Cells:
    """`data`, a row a cell, as a complete table.

    Raises
    ------
    ValueError
        A column is absent, ambiguous or used twice; a factor has an empty cell; a cell is
        duplicated, missing, not finite or not a number (each is named); a subject stands in several
        groups; or there are too few subjects, levels or groups to compare.
    """
    keys = [subject, *within]
    _check_columns(data, [dv, *keys, *([between] if between is not None else [])])
    coded = [_codes(data, name) for name in keys]
    shape = tuple(len(levels) for _, levels in coded)
    groups, names = np.zeros(len(coded[0][1]), dtype=np.intp), list[object]()
    if between is not None:  # first: a subject's name used in two groups looks like double cells
        groups, names = _groups(data, coded[0], subject, between)
    flat = np.ravel_multi_index(tuple(codes for codes, _ in coded), shape)  # (rows,)

    key = ", ".join(keys)

    def refuse(problem: str, cells: IntArray, total: int, remedy: str = "") -> None:
        places = zip(*np.unravel_index(cells[:MAX_NAMED], shape), strict=True)
        named = [
            f"({', '.join(str(coded[i][1][j]) for i, j in enumerate(place))})" for place in places
        ]
        more = f" and {total - MAX_NAMED} more" if total > MAX_NAMED else ""
        raise ValueError(problem + ", ".join(named) + more + remedy)

    present, counts = np.unique(flat, return_counts=True)
    if (counts > 1).any():
        refuse(f"duplicated ({key}) cells: ", present[counts > 1], int((counts > 1).sum()))
    numbers, is_text = _numbers(data[dv])
    if is_text.any():
        refuse(
            f"{dv} holds text that is no number in the ({key}) cells ",
            flat[is_text],
            int(is_text.sum()),
        )
    finite = np.isfinite(numbers)
    filled = present if finite.all() else np.unique(flat[finite])
    size = int(np.prod(shape))
    if len(filled) < size:
        # of the first len(filled) + MAX_NAMED cells at least MAX_NAMED are empty: there is no need
        # to lay out the whole design, which a column of unique levels would make huge
        candidates = np.arange(min(size, len(filled) + MAX_NAMED))
        refuse(
            f"{dv} is missing or not finite in the ({key}) cells ",
            np.setdiff1d(candidates, filled),
            size - len(filled),
            "; complete them or leave those subjects out",
        )
    if min(shape) < 2:
        got = " and ".join(f"{k} {name}(s)" for k, name in zip(shape, keys, strict=True))
        raise ValueError(f"rm_anova needs at least 2 subjects and 2 levels, got {got}")
    largest = float(np.abs(numbers).max())
    if not (largest == 0 or 1 / LARGEST < largest < LARGEST):
        raise ValueError(
            f"the largest size of {dv} is {largest:.3g}, too far from 1 for sums of powers: "
            "rescale it or take its logarithm"
        )
    values = np.empty(size)
    values[flat] = numbers
    return Cells(values.reshape(shape), groups, tuple(names))


def _check_columns(data: pd.DataFrame, names: list[str]) -> None:
    for name in names:
        found = int((data.columns == name).sum())
        if found == 0:
            raise ValueError(f"no column {name!r} in data; it has {', '.join(map(str, data))}")
        if found > 1:
            raise ValueError(f"data has {found} columns {name!r}; rename or drop all but one")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"column {name!r} is asked to play two parts in the design")


def _codes(data: pd.DataFrame, name: str) -> tuple[IntArray, list[object]]:
    """Each row's level as 0, 1, ... and the sorted levels."""
    if data[name].isna().any():
        raise ValueError(f"column {name!r} has an empty cell; name every row's {name}")
    codes, levels = pd.factorize(data[name], sort=True)
    return codes, levels.tolist()


def _numbers(column: pd.Series) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The column as float64 (rows,), NaN where empty, and where it holds text."""
    if pd.api.types.is_complex_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        raise ValueError(f"{column.name} holds {column.dtype} values, not real numbers")
    numbers = pd.to_numeric(column, errors="coerce")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return values, (numbers.isna() & column.notna()).to_numpy(dtype=bool)


def _groups(
    data: pd.DataFrame, subjects: tuple[IntArray, list[object]], subject: str, between: str
) -> tuple[IntArray, list[object]]:
    """Group of each subject (n,) and the groups; refuses a subject that stands in several."""
    codes, names = _codes(data, between)
    groups = np.zeros(len(subjects[1]), dtype=np.intp)
    groups[subjects[0]] = codes
    torn = np.unique(subjects[0][groups[subjects[0]] != codes])
    if len(torn):
        first = ", ".join(str(subjects[1][i]) for i in torn[:MAX_NAMED])
        more = f" and {len(torn) - MAX_NAMED} more" if len(torn) > MAX_NAMED else ""
        raise ValueError(
            f"each {subject} must belong to one {between}, but these stand in several: "
            f"{first}{more}; give the subjects of each group names of their own"
        )
    if len(names) < 2:
        raise ValueError(f"rm_anova needs at least 2 groups, got {len(names)} {between}(s)")
    if len(groups) == len(names):
        raise ValueError(
            f"every {between} has a single {subject}: nothing is left to judge the groups by"
        )
    return groups, names
