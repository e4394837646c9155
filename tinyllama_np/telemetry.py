"""The run's files that grow: their columns, how rows are written, read back and cut at a resume.

A checkpoint records how long each of them was and the SHA-256 of all of it. So a resume knows
whether what is there is what the run wrote, cuts what came later, and sees an edit. Numbers are
written by `repr`, so that reading gives back the same bits; a value that does not exist is an empty
cell. Only timing.csv holds wall-clock figures: the others are the same bytes whenever the same run
is repeated. What each column means: docs/telemetry.md.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal

from tinyllama_np.safe_files import UnsafeFileError, check_regular
from tinyllama_np.storage import append_bytes, cut_file, flush_file, write_atomic

INTERVAL_COLUMNS = (
    "condition",
    "seed",
    "interval",
    "step",
    "tokens_seen",
    "epoch",
    "lr",
    "train_loss",
    "train_sample_loss",
    "val_loss",
    "val_perplexity",
    "bits_per_byte",
    "grad_norm",
    "flops",
)
STEP_COLUMNS = ("step", "tokens_seen", "epoch", "lr", "train_loss", "grad_norm", "clipped")
TIMING_COLUMNS = (
    "step",
    "wall_s",
    "tokens_per_s",
    "forward_backward_s",
    "optimizer_s",
    "evaluation_s",
    "threads",
)
LARGEST_TABLE = 1 << 28  # bytes of a CSV file that is read whole; a million steps take 100 MB
_PIECE = 1 << 20  # bytes that are read at a time
RECOVERY_COLUMNS = ("step", "back_to_step", "train_loss", "grad_norm", "learning_rate_scale")

Value = str | int | float | None


class TelemetryError(ValueError):
    """A run's telemetry is not what the run wrote."""


def format_row(values: Mapping[str, Value], columns: Sequence[str]) -> str:
    """One line of CSV, with its line end."""
    if set(values) != set(columns):
        raise ValueError(f"row has {sorted(values)}, expected {sorted(columns)}")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([cell(values[column]) for column in columns])
    return stream.getvalue()


def cell(value: Value) -> str:
    """A value as the text of its cell."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def read_rows(path: Path, size: int | None = None) -> list[dict[str, str]]:
    """All complete rows of a CSV file, cells as texts; a last line cut short is left out.

    So are zeros at the end, which a file system may leave after a power cut, and what follows the
    first `size` bytes.

    Raises
    ------
    TelemetryError
        If it is no regular file, or larger than any run writes.
    """
    if not path.exists():
        return []
    text = _before_zeros(path)[:size].decode("utf-8", errors="replace")
    complete = text[: text.rfind("\n") + 1]
    rows = []
    try:
        for row in csv.DictReader(io.StringIO(complete)):
            rows.append(row)
    except csv.Error:  # damage; what stands before it is whole
        pass
    return rows


def is_whole(row: Mapping[str, str], columns: Sequence[str]) -> bool:
    """Whether a row that was read has a cell in each of these columns, and no other."""
    return set(row) == set(columns) and None not in row.values()


def _before_zeros(path: Path) -> bytes:
    """A file's content up to the first zero: of a file that is all hole nothing is held."""
    content = bytearray()
    try:
        check_regular(path)
    except UnsafeFileError as error:
        raise TelemetryError(f"{path} cannot be read: {error}") from None
    with open(path, "rb") as stream:
        while piece := stream.read(_PIECE):
            before, zero, _ = piece.partition(b"\0")
            content += before
            if zero:
                break
            if len(content) > LARGEST_TABLE:
                raise TelemetryError(f"{path} has more than {LARGEST_TABLE:,} bytes of rows")
    return bytes(content)


def last_row(path: Path) -> dict[str, str] | None:
    """The last complete row of a CSV file that may be growing; None where there is none."""
    try:
        check_regular(path)
        with open(path, "rb") as stream:
            header = stream.readline(1000).decode("utf-8", errors="replace")
            stream.seek(max(stream.tell(), stream.seek(0, io.SEEK_END) - 1000))
            tail = stream.read().decode("utf-8", errors="replace")  # may begin inside a character
    except (OSError, UnsafeFileError):
        return None
    lines = tail.split("\n")[:-1]  # what follows the last line end is not complete
    cells = lines[-1].split(",") if lines else []
    columns = header.rstrip("\n").split(",")
    return dict(zip(columns, cells, strict=True)) if len(cells) == len(columns) else None


@dataclass(frozen=True)
class Mark:
    """How far a growing file had come: its length in bytes, and the SHA-256 of all of it."""

    size: int
    sha256: str


class GrowingFile:
    """A text file that is only ever added to.

    Parameters
    ----------
    path : Path
    header : str
        What the file begins with.
    """

    def __init__(self, path: Path, header: str = "") -> None:
        self.path = path
        self._header = header
        self._size, self._digest = 0, hashlib.sha256()

    def begin(self) -> None:
        """Make the file anew."""
        self._rewrite(self._header)

    def compare(self, mark: Mark) -> Literal["whole", "short", "changed"]:
        """Whether the file still begins with what it held at `mark`."""
        if self._length() < mark.size:
            return "short"
        return "whole" if self._hash(mark.size).hexdigest() == mark.sha256 else "changed"

    def back_to(self, mark: Mark) -> None:
        """Cut what was added after `mark`, up to which the file is whole."""
        if self._length() > mark.size:
            cut_file(self.path, mark.size)
        self._size, self._digest = mark.size, self._hash(mark.size)

    def append(self, text: str) -> None:
        """Add to the end.

        Raises
        ------
        FileNotFoundError
            If the file was removed since it was begun: what it held would be missing unnoticed.
        """
        if not self.path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path))
        data = text.encode("utf-8")
        append_bytes(self.path, data)
        self._size += len(data)
        self._digest.update(data)

    def mark(self) -> Mark:
        """How far the file has come."""
        return Mark(self._size, self._digest.hexdigest())

    def flush(self) -> None:
        """Put what was written on the disk."""
        flush_file(self.path)

    def _length(self) -> int:
        """Bytes of the file; 0 where there is none."""
        if not self.path.exists():
            return 0
        try:
            check_regular(self.path)
        except UnsafeFileError as error:
            raise TelemetryError(f"{self.path} cannot be read: {error}") from None
        return self.path.stat().st_size

    def _hash(self, size: int) -> hashlib._Hash:
        """SHA-256 of the first `size` bytes, read in pieces."""
        digest = hashlib.sha256()
        if size:
            with open(self.path, "rb") as stream:
                while size and (piece := stream.read(min(size, _PIECE))):
                    digest.update(piece)
                    size -= len(piece)
        return digest

    def _rewrite(self, text: str) -> None:
        data = text.encode("utf-8")
        write_atomic(self.path, data)
        self._size, self._digest = len(data), hashlib.sha256(data)


class CsvLog(GrowingFile):
    """A CSV file that grows by rows.

    Parameters
    ----------
    path : Path
    columns : sequence of str
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        super().__init__(path, ",".join(columns) + "\n")
        self.columns = columns

    def restart(self, last_step: int) -> list[dict[str, str]]:
        """Drop rows after `last_step`, for a file of which no checkpoint knows the content.

        Returns
        -------
        list of dict
            The rows that stay.
        """

        def stays(row: dict[str, str]) -> bool:
            return (
                is_whole(row, self.columns)
                and re.fullmatch("[0-9]{1,18}", row["step"]) is not None
                and int(row["step"]) <= last_step
            )

        # Up to the checkpoint all is on the disk; what follows may be damaged by a power cut.
        rows = list(takewhile(stays, read_rows(self.path)))
        self._rewrite(self._header + "".join(format_row(row, self.columns) for row in rows))
        return rows

    def add(self, **values: Value) -> None:
        """Append one row."""
        self.append(format_row(values, self.columns))
