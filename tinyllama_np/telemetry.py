"""The run's CSV files: their columns and how rows are written, read back and cut at a resume.

Numbers are written by `repr`, so that reading gives back the same bits; a value that does not exist
is an empty cell. Only timing.csv holds wall-clock figures: the others are the same bytes whenever
the same run is repeated. What each column means: docs/telemetry.md.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from tinyllama_np.storage import append_text, flush_file, write_text_atomic

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

Value = str | int | float | None


def format_row(values: Mapping[str, Value], columns: Sequence[str]) -> str:
    """One line of CSV, with its line end."""
    if set(values) != set(columns):
        raise ValueError(f"row has {sorted(values)}, expected {sorted(columns)}")
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_cell(values[column]) for column in columns])
    return stream.getvalue()


def _cell(value: Value) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)


def read_rows(path: Path) -> list[dict[str, str]]:
    """All complete rows of a CSV file, cells as texts; a last line cut short is left out.

    So are zeros at the end, which a file system may leave after a power cut.
    """
    if not path.exists():
        return []
    text, *_ = path.read_bytes().decode("utf-8", errors="replace").split("\0", 1)
    complete = text[: text.rfind("\n") + 1]
    return list(csv.DictReader(io.StringIO(complete)))


def last_row(path: Path) -> dict[str, str] | None:
    """The last complete row of a CSV file that may be growing; None where there is none."""
    try:
        with open(path, "rb") as stream:
            header = stream.readline().decode("utf-8")
            stream.seek(max(stream.tell(), stream.seek(0, io.SEEK_END) - 1000))
            tail = stream.read().decode("utf-8", errors="replace")  # may begin inside a character
    except OSError:
        return None
    lines = tail.split("\n")[:-1]  # what follows the last line end is not complete
    cells = lines[-1].split(",") if lines else []
    columns = header.rstrip("\n").split(",")
    return dict(zip(columns, cells, strict=True)) if len(cells) == len(columns) else None


class CsvLog:
    """A CSV file that grows by rows.

    Parameters
    ----------
    path : Path
    columns : sequence of str
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path = path
        self.columns = columns

    def restart(self, last_step: int) -> list[dict[str, str]]:
        """Drop rows after `last_step`, which a killed run wrote without a checkpoint.

        Returns
        -------
        list of dict
            The rows that stay.
        """

        def stays(row: dict[str, str]) -> bool:
            whole = set(row) == set(self.columns) and None not in row.values()
            return whole and row["step"].isdecimal() and int(row["step"]) <= last_step

        # Up to the checkpoint all is on the disk; what follows may be damaged by a power cut.
        rows = list(takewhile(stays, read_rows(self.path)))
        lines = [format_row(row, self.columns) for row in rows]
        write_text_atomic(self.path, ",".join(self.columns) + "\n" + "".join(lines))
        return rows

    def add(self, **values: Value) -> None:
        """Append one row."""
        append_text(self.path, format_row(values, self.columns))

    def flush(self) -> None:
        """Put what was written on the disk."""
        flush_file(self.path)
