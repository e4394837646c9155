"""From long rows to a complete table, or a refusal by name: the one place that checks cells.

A cell is a (subject, level) or a (subject, level, level). Each must be there once and hold one
finite number; what does not is named, so that it can be looked up and mended. Levels are
categories (numbers, texts or dates, in any order) unless an order is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

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


@dataclass(frozen=True)
class Keys:
    """Which cell each row belongs to.

    Attributes
    ----------
    names : tuple of str
        The columns: subject first, then the factors.
    levels : tuple of list
        The sorted levels of each.
    flat : array of shape (rows,)
        Position of each row's cell in the flattened table of all cells; each occurs once at most.
    """

    names: tuple[str, ...]
    levels: tuple[list[object], ...]
    flat: IntArray

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.levels))

    @property
    def label(self) -> str:
        return f"({', '.join(self.names)})"

    def named(self, cells: IntArray, total: int | None = None) -> str:
        """The first few cells, of flat positions, in words."""
        places = zip(*np.unravel_index(cells[:MAX_NAMED], self.shape), strict=True)
        found = [tuple(self.levels[i][j] for i, j in enumerate(place)) for place in places]
        return named(found, len(cells) if total is None else total)

    def missing(self, filled: IntArray | None = None, skip: int = 0) -> tuple[IntArray, int]:
        """The first cells that are not filled, and how many there are.

        Parameters
        ----------
        filled : array, optional
            Flat positions, all different; by default those of all rows.
        skip : int
            First levels of the last factor whose cells may be empty.
        """
        filled = self.flat if filled is None else filled
        size = int(np.prod(self.shape))
        if len(filled) == size:
            return np.empty(0, dtype=np.intp), 0
        if skip == 0:
            # of the first len(filled) + MAX_NAMED cells at least MAX_NAMED are empty: no need to
            # lay out the whole design, which a column of unique levels would make huge
            candidates = np.arange(min(size, len(filled) + MAX_NAMED))
            return np.setdiff1d(candidates, filled), size - len(filled)
        empty = np.setdiff1d(np.arange(size).reshape(self.shape)[..., skip:], filled)
        return empty, len(empty)


def named(cells: Iterable[Sequence[object]], total: int) -> str:
    """The first few cells in words: "(0, 5), (0, 7) and 3 more"."""
    shown = [f"({', '.join(map(str, cell))})" for cell in islice(cells, MAX_NAMED)]
    more = total - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


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
        A column is absent, ambiguous or used twice; a factor has an empty cell or mixes numbers
        and text; a cell is duplicated, missing, not finite or not a number (each is named); a
        subject stands in several groups; or there are too few subjects, levels or groups to
        compare.
    """
    names = [subject, *within]
    check_columns(data, [dv, *names, *([between] if between is not None else [])])
    groups, group_names = np.empty(0, dtype=np.intp), list[object]()
    if between is not None:  # first: a subject's name used in two groups looks like double cells
        groups, group_names = _groups(data, levels_of(data, subject), subject, between)
    keys = keys_of(data, names)
    values = lay_out(data, dv, keys)
    if min(keys.shape) < 2:
        got = " and ".join(f"{k} {name}(s)" for k, name in zip(keys.shape, names, strict=True))
        raise ValueError(f"rm_anova needs at least 2 subjects and 2 levels, got {got}")
    if between is None:
        groups = np.zeros(len(values), dtype=np.intp)
    return Cells(values, groups, tuple(group_names))


def check_columns(data: pd.DataFrame, names: Sequence[str]) -> None:
    """Refuse columns that are absent, stand there twice or play two parts."""
    for name in names:
        found = int((data.columns == name).sum())
        if found == 0:
            raise ValueError(f"no column {name!r} in data; it has {', '.join(map(str, data))}")
        if found > 1:
            raise ValueError(f"data has {found} columns {name!r}; rename or drop all but one")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"column {name!r} is asked to play two parts in the design")


def keys_of(
    data: pd.DataFrame, names: Sequence[str], *, in_order: str | None = None, remedy: str = ""
) -> Keys:
    """The cells that the columns `names` describe; refuses duplicates, and says the `remedy`.

    `in_order` is a column whose levels must be numbers, for their order means something. Texts of
    numbers, as a CSV reader may leave them, are numbers here: "9" comes before "10".
    """
    if not len(data):
        raise ValueError("the frame has no rows")
    coded = [levels_of(data, name, numeric=name == in_order) for name in names]
    levels = tuple(levels for _, levels in coded)
    flat = np.ravel_multi_index(tuple(codes for codes, _ in coded), tuple(map(len, levels)))
    keys = Keys(tuple(names), levels, flat)
    present, counts = np.unique(flat, return_counts=True)
    double = present[counts > 1]
    if len(double):
        raise ValueError(f"duplicated {keys.label} cells: {keys.named(double)}{remedy}")
    return keys


def levels_of(
    data: pd.DataFrame, name: str, *, numeric: bool = False
) -> tuple[IntArray, list[object]]:
    """Each row's level as 0, 1, ... and the sorted levels."""
    column = data[name]
    if column.isna().any():
        raise ValueError(f"column {name!r} has an empty cell; name every row's {name}")
    if numeric and not pd.api.types.is_bool_dtype(column):
        numbers, is_text = numbers_of(column)
        if is_text.any():
            text = column[is_text].iloc[0]
            raise ValueError(
                f"column {name!r} must hold numbers, to be put in order, and has {text!r}"
            )
        if not np.isfinite(numbers).all():
            raise ValueError(f"column {name!r} must hold finite numbers, to be put in order")
        if not pd.api.types.is_numeric_dtype(column):
            whole = bool((numbers % 1 == 0).all())
            column = pd.Series(numbers.astype(np.int64) if whole else numbers)
    elif pd.api.types.is_object_dtype(column):
        _refuse_mixed(column)
    codes, levels = pd.factorize(column, sort=True)
    return codes, levels.tolist()


def _refuse_mixed(column: pd.Series) -> None:
    """1 and "1" would be two levels, and look like one."""
    is_text = column.map(lambda level: isinstance(level, str))
    if is_text.any() and not is_text.all():
        text, other = column[is_text].iloc[0], column[~is_text].iloc[0]
        raise ValueError(
            f"column {column.name!r} mixes text and other levels ({text!r} and {other!r}); "
            "make them all one kind"
        )


def lay_out(data: pd.DataFrame, column: str, keys: Keys, *, skip: int = 0) -> FloatArray:
    """`column` as the complete table of `keys`, one axis for each; NaN in blanks that are allowed.

    Parameters
    ----------
    data : DataFrame
        The rows that `keys` was made of.
    column : str
    keys : Keys
    skip : int
        First levels of the last factor whose cells may be blank.

    Raises
    ------
    ValueError
        Cells with text, missing or infinite cells, or numbers too far from 1 to be squared.
    """
    numbers, is_text = numbers_of(data[column])
    if is_text.any():
        text = str(data[column][is_text].iloc[0])
        comma = "; a decimal comma? write a point" if "," in text else ""
        cells = keys.flat[is_text]
        raise ValueError(
            f"{column} holds text that is no number in the {keys.label} cells {keys.named(cells)} "
            f"(the first reads {text!r}{comma})"
        )
    finite = np.isfinite(numbers)
    missing, total = keys.missing(keys.flat[finite], skip)
    if total:
        raise ValueError(
            f"{column!r} is missing or not finite in the {keys.label} cells "
            f"{keys.named(missing, total)}; complete them or leave those subjects out"
        )
    _check_size(column, np.where(finite, numbers, 0.0), keys)
    values = np.full(int(np.prod(keys.shape)), np.nan)
    values[keys.flat[finite]] = numbers[finite]
    return values.reshape(keys.shape)


def _check_size(column: str, numbers: FloatArray, keys: Keys) -> None:
    sizes = np.abs(numbers)
    largest = float(sizes.max())
    if not (largest == 0 or 1 / LARGEST < largest < LARGEST):
        cell = keys.named(keys.flat[[int(sizes.argmax())]])
        raise ValueError(
            f"the largest size of {column} is {largest:.3g}, in the {keys.label} cell {cell}: too "
            "far from 1 for sums of powers; rescale it or take its logarithm"
        )


def numbers_of(column: pd.Series) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The column as float64 (rows,), NaN where empty, and where it holds text."""
    if pd.api.types.is_complex_dtype(column) or pd.api.types.is_datetime64_any_dtype(column):
        raise ValueError(f"{column.name} holds {column.dtype} values, not real numbers")
    if column.dtype == np.float64:
        return column.to_numpy(), np.zeros(len(column), dtype=bool)
    numbers = pd.to_numeric(column, errors="coerce")
    values = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    return values, (numbers.isna() & column.notna()).to_numpy(dtype=bool)


def _groups(
    data: pd.DataFrame, subjects: tuple[IntArray, list[object]], subject: str, between: str
) -> tuple[IntArray, list[object]]:
    """Group of each subject (n,) and the groups; refuses a subject that stands in several."""
    codes, names = levels_of(data, between)
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
