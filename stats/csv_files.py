"""Read CSV files that people and programs leave behind: exactly, or not at all.

What the field's readers bend into shape without a word is refused here, naming file and line: a row
with too few or too many fields (a file cut off while it was written), two columns of one name, a
semicolon for the comma, a number with a decimal comma.
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from stats.cells import check_columns, keys_of, lay_out

# pandas before 3.1 reads floats up to one unit in the last place wrong unless asked
OLD_PANDAS = tuple(map(int, pd.__version__.split(".")[:2])) < (3, 1)
EXACT: dict[str, Any] = {"float_precision": "round_trip"} if OLD_PANDAS else {}
LARGEST_FILE = 256 << 20  # bytes; a table of steps has about 100 a step
MOST_COLUMNS = 10_000
DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class CsvFileError(ValueError):
    """A CSV file cannot be read; the message names the file, the line and the way out."""


def read_csv_file(
    path: str | Path,
    needed: Sequence[str],
    numbers: Sequence[str] = (),
    texts: Sequence[str] = (),
    *,
    name: str | None = None,
) -> pd.DataFrame:
    """A comma-separated UTF-8 file with a header, with or without a byte-order mark.

    Parameters
    ----------
    path : path
    needed : sequence of str
        Columns that must be there.
    numbers, texts : sequence of str
        Columns, where present, that are read as float64 (exactly, an empty cell as NaN) and as
        text. The types of others are inferred.
    name : str, optional
        What messages call the file; its name by default.

    Raises
    ------
    CsvFileError
        The file is absent, empty or not UTF-8, a column is absent or doubled, there are no rows, a
        row has another number of fields than the header, or a number is none.
    """
    path = Path(path)
    name = name or path.name
    if not path.is_file():
        raise CsvFileError(f"{name} is missing or no file")
    if path.stat().st_size > LARGEST_FILE:
        raise CsvFileError(f"{name} has more than {LARGEST_FILE:,} bytes: is it the right file?")
    header = _header(path, name, needed)
    present = [column for column in numbers if column in header]
    types = {**dict.fromkeys(present, "float64"), **{c: str for c in texts if c in header}}
    try:
        frame: pd.DataFrame = pd.read_csv(
            path,
            dtype=types,
            encoding="utf-8-sig",
            keep_default_na=False,
            na_values=[""],
            low_memory=False,  # else the type of a column may be guessed anew in every chunk
            **EXACT,
        )
    except ValueError:  # includes pandas' parser errors, whose words do not help
        return _read_by_line(path, name, header, present)
    if not len(frame):
        raise CsvFileError(f"{name} has a header and no rows: nothing to analyse yet")
    # pandas takes a field too many for an index and fills up a row that is too short
    if not isinstance(frame.index, pd.RangeIndex) or frame.iloc[:, -1].isna().any():
        for _ in _rows(path, name, header):
            pass
    return frame


def read_long(
    source: str | Path | pd.DataFrame,
    dv: str,
    within: str | Sequence[str],
    subject: str,
    between: str | None = None,
) -> pd.DataFrame:
    """Any data, a row a cell, ready for `rm_anova`: only the columns that it takes, checked.

    Parameters
    ----------
    source : path of a CSV file, or DataFrame
    dv, within, subject, between
        As of `rm_anova`.

    Raises
    ------
    ValueError
        The file cannot be read (`read_csv_file`), or cells are doubled, missing or not finite
        numbers (`stats.cells`).
    """
    keys = [subject, *([within] if isinstance(within, str) else within)]
    columns = [*keys, dv, *([between] if between is not None else [])]
    frame = source if isinstance(source, pd.DataFrame) else read_csv_file(source, columns, [dv])
    check_columns(frame, columns)
    frame = frame[columns].reset_index(drop=True)
    lay_out(frame, dv, keys_of(frame, keys))
    return frame


def line_of(path: Path, row: int) -> int:
    """The line of the file on which data row `row` (from 0) ends; blank lines are no rows."""
    line, _ = next(islice(_rows(path, path.name), row + 1, None))  # the header is the first
    return line


def _header(path: Path, name: str, needed: Sequence[str]) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next((row for row in csv.reader(file) if row), [])
    except UnicodeDecodeError:
        raise CsvFileError(f"{name} is not UTF-8 text; save it as 'CSV UTF-8'") from None
    except csv.Error as error:
        raise CsvFileError(f"{name} is not a readable CSV file: {error}") from None
    if not any(field.strip() for field in header):
        raise CsvFileError(f"{name} is empty: not even a header stands in it")
    absent = [column for column in needed if column not in header]
    for sign, words in DELIMITERS.items():
        if absent and set(absent) <= {f.strip(' "') for f in ",".join(header).split(sign)}:
            raise CsvFileError(
                f"{name} is separated by {words}, not by commas; save it with commas between the "
                "fields and points in the numbers"
            )
    if absent:
        raise CsvFileError(
            f"{name} lacks the column(s) {', '.join(absent)}; it has {_listed(header)}"
        )
    double = [column for column, count in Counter(header).items() if count > 1]
    if double:
        raise CsvFileError(
            f"{name} has more than one column {_listed(double)}; rename or remove all but one"
        )
    if len(header) > MOST_COLUMNS:
        raise CsvFileError(f"{name} has {len(header):,} columns, more than {MOST_COLUMNS:,}")
    return header


def _listed(columns: Sequence[str]) -> str:
    """Names on one line, cut where they are many or long."""
    text = ", ".join(columns[:40])
    text += f" and {len(columns) - 40} more" if len(columns) > 40 else ""
    return _cut(text, 600)


def _rows(
    path: Path, name: str, header: list[str] | None = None
) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of the header, then of each row, whose number of fields is checked."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                if not row:
                    continue
                if header is not None and len(row) != len(header):
                    raise CsvFileError(
                        f"{name} line {reader.line_num} has {len(row)} fields, the header has "
                        f"{len(header)}: was the file cut off, or a decimal comma used?"
                    )
                yield reader.line_num, row
    except UnicodeDecodeError:
        raise CsvFileError(f"{name} is not UTF-8 text; save it as 'CSV UTF-8'") from None
    except csv.Error as error:
        raise CsvFileError(f"{name} is not a readable CSV file: {error}") from None


def _read_by_line(path: Path, name: str, header: list[str], numbers: Sequence[str]) -> pd.DataFrame:
    """The same table read slowly, to find the line that the fast reader stumbled over."""
    columns: dict[str, list[object]] = {column: [] for column in header}
    for line, fields in islice(_rows(path, name, header), 1, None):
        for column, field in zip(header, fields, strict=True):
            value = _number(name, line, column, field) if column in numbers else field
            columns[column].append(value)
    frame = pd.DataFrame(columns)
    if not len(frame):
        raise CsvFileError(f"{name} has a header and no rows: nothing to analyse yet")
    return frame


def _number(name: str, line: int, column: str, field: str) -> float:
    if field == "":
        return math.nan
    try:
        return float(field)
    except ValueError:
        hint = "; write a point for the decimal comma" if "," in field else ""
        raise CsvFileError(
            f"{name} line {line}: {column}={_cut(field, 60)!r} is not a number{hint}"
        ) from None


def _cut(text: str, most: int) -> str:
    """`text` for a message: one line, and cut where it is long."""
    text = "".join(c if c.isprintable() else "?" for c in text[: most + 1])
    return text if len(text) <= most else text[: most - 3] + "..."
