"""Tables as CSV for machines and Markdown for people; the same bytes for the same values.

A missing value is an empty cell, never 0; a float is written so that it reads back exactly.
"""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd

from stats.wording import number

ROWS_AT_ONCE = 50_000  # the texts of all cells at once would take many times the frame


def write_text(path: Path, text: str) -> None:
    """Replace `path` as a whole: a reader never finds half a file."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)


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
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    return str(value)


def readable(value: object) -> str:
    """A cell for people."""
    if value is None or (isinstance(value, (float, np.floating)) and np.isnan(value)):
        return ""
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return number(float(value))
    return str(value)


def is_numeric(column: pd.Series) -> bool:
    """Whether a column is set flush right."""
    return bool(pd.api.types.is_numeric_dtype(column))


def markdown(frame: pd.DataFrame) -> str:
    """`frame` as a GitHub table, numbers flush right."""
    header = [str(name) for name in frame.columns]
    rule = ["---:" if is_numeric(frame[name]) else "---" for name in frame.columns]
    rows = [
        [readable(v).replace("|", "\\|").replace("\n", " ") for v in row]
        for row in frame.itertuples(index=False, name=None)
    ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [header, rule, *rows])


def write_table(folder: Path, name: str, frame: pd.DataFrame) -> None:
    """`folder`/`name`.csv and .md."""
    write_text(folder / f"{name}.csv", csv_text(frame))
    write_text(folder / f"{name}.md", markdown(frame))


def plain(frame: pd.DataFrame, width: int = 100) -> str:
    """`frame` for a terminal: columns aligned, no line longer than `width`."""
    header = [str(name) for name in frame.columns]
    rows = [[readable(v) for v in row] for row in frame.itertuples(index=False, name=None)]
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
