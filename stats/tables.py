"""Tables as CSV for machines and as texts for people; the same bytes for the same values.

A missing value is an empty cell, never 0; a float is written so that it reads back exactly.
"""

from __future__ import annotations

import csv
import io
import math
import re

import numpy as np
import pandas as pd

from stats.wording import number

ROWS_AT_ONCE = 50_000  # the texts of all cells at once would take many times the frame


def csv_text(frame: pd.DataFrame) -> str:
    """`frame` as CSV: shortest exact floats, booleans as 0 and 1, NaN as an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(frame.columns)
    for start in range(0, len(frame), ROWS_AT_ONCE):
        part = frame.iloc[start : start + ROWS_AT_ONCE]
        cells = [_exact_column(part.iloc[:, i]) for i in range(part.shape[1])]
        writer.writerows(zip(*cells, strict=True))
    return out.getvalue()


def _exact_column(column: pd.Series) -> list[str]:
    """`exact` of every cell, by the column's type where that says it all."""
    kind = column.dtype.kind if isinstance(column.dtype, np.dtype) else ""
    if kind == "f":
        values = column.to_numpy(dtype=np.float64)
        cells = list(map(repr, values.tolist()))
        for i in np.flatnonzero(np.isnan(values)):
            cells[i] = ""
        return cells
    if kind == "b":
        return ["1" if value else "0" for value in column.tolist()]
    if kind in "iu" and kind:
        return list(map(str, column.tolist()))
    return list(map(exact, column))


def exact(value: object) -> str:
    """A cell of a CSV file."""
    if is_empty(value):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    return str(value)


def is_empty(value: object) -> bool:
    """None, NaN, pd.NA, NaT: a cell without a value."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def readable(value: object) -> str:
    """A single cell for people."""
    if is_empty(value):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    return str(value)


def column_texts(column: pd.Series) -> list[str]:
    """A column for people: floats with the same number of decimals from top to bottom.

    Five digits or so of the largest value are kept, fewer where the rest are zeros; a value of
    which these would leave one digit or none has three significant ones. An empty cell is "".
    """
    if not pd.api.types.is_float_dtype(column):
        return [readable(value) for value in column]
    values = [None if is_empty(value) else float(value) for value in column]
    usual = [v for v in values if v is not None and math.isfinite(v) and abs(v) < 1e6]
    largest = max(map(abs, usual), default=0.0)
    digits = max(2, 4 - math.floor(math.log10(largest))) if largest >= 1 else 4
    while digits and all(abs(v - round(v, digits - 1)) < 1e-12 * max(1.0, abs(v)) for v in usual):
        digits -= 1
    return ["" if v is None else _aligned(v, digits) for v in values]


def _aligned(value: float, digits: int) -> str:
    if not math.isfinite(value) or abs(value) >= 1e6:
        return number(value)
    if round(value, digits) != value and abs(value) < 10.0 ** (1 - digits):
        return f"{value:.3g}"
    return f"{value:,.{digits}f}"


def cell_texts(frame: pd.DataFrame) -> list[list[str]]:
    """Every cell of `frame` as a person reads it, row by row."""
    columns = [column_texts(frame.iloc[:, i]) for i in range(frame.shape[1])]
    return [list(row) for row in zip(*columns, strict=True)]


def is_numeric(column: pd.Series) -> bool:
    """Whether a column is set flush right: numbers, and texts that were numbers."""
    if pd.api.types.is_bool_dtype(column):
        return False
    if pd.api.types.is_numeric_dtype(column):
        return True
    texts = [readable(value) for value in column]
    return any(texts) and all(
        re.fullmatch(r"((< |> )?[-.\d,e+]+( [%Mk])?|undefined|)", text) for text in texts
    )


def plain(frame: pd.DataFrame, width: int = 100) -> str:
    """`frame` for a terminal: columns aligned, no line longer than `width`."""
    header = [str(name) for name in frame.columns]
    rows = cell_texts(frame)
    right = [all(row[i][:1].isdigit() or not row[i] for row in rows) for i in range(len(header))]
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = []
    for cells in [header, *rows]:
        padded = [
            cell.rjust(w) if flush else cell.ljust(w)
            for cell, w, flush in zip(cells, widths, right, strict=True)
        ]
        lines.append("  ".join(padded).rstrip()[:width])
    return "\n".join(lines)
