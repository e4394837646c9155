"""Whether the files of a study still are what its runs wrote: edited numbers are not analysed.

A run that has ended keeps in its outcome.json the SHA-256 of each file that it wrote. Folders of
other programs have none, and a folder with intervals.csv alone is taken as it is: so whoever means
to analyse other numbers can.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stats.run_checks import RunFolderError, RunKey

ENDED = ("finished", "diverged")  # any other run may have gone on since
INTERVALS = "intervals.csv"
OTHER_NUMBERS = "to analyse other numbers, put intervals.csv alone into another folder"

Line = tuple[int, list[str]]  # number of the line, its cells


def refuse_edited(folder: Path, ended: Mapping[RunKey, Path]) -> None:
    """See that the study's intervals.csv has the rows that its ended runs have, and no others.

    Parameters
    ----------
    folder : Path
        The study's.
    ended : mapping of (condition, seed) -> Path
        Folders of runs whose own intervals.csv is what they wrote (see `vouches`).

    Raises
    ------
    RunFolderError
        Rows of a run differ. A run of which intervals.csv has no row at all is left to others.
    """
    if not ended:
        return
    joined_header, joined = _rows_by_run(folder / INTERVALS)
    for run, place in ended.items():
        header, rows = _rows_by_run(place / INTERVALS)
        ours, theirs = joined.get(_key(run), []), rows.get(_key(run), [])
        if header == joined_header and [row for _, row in ours] == [row for _, row in theirs]:
            continue
        pairs = zip(ours, theirs, strict=False)
        lines = [number for (number, row), (_, wanted) in pairs if row != wanted]
        where = f" line {lines[0]}" if lines and header == joined_header else ""
        raise RunFolderError(
            f"{INTERVALS}{where} is not what {run[0]}/seed-{run[1]} measured (runs/{run[0]}/"
            f"seed-{run[1]}/{INTERVALS}): it was edited, or is older than the run; "
            f"`tinyllama-np resume {folder}` writes it anew; {OTHER_NUMBERS}"
        )


def vouches(place: Path, name: str, outcome: Mapping[str, Any]) -> bool:
    """Whether a run has ended and vouches for its intervals.csv; refuses files that it disowns.

    Parameters
    ----------
    place : Path
        The run's folder.
    name : str
        What messages call it.
    outcome : mapping
        What its outcome.json says.

    Raises
    ------
    RunFolderError
        A file has other bytes than when the run ended. One that is absent is not missed here.
    """
    hashes = outcome.get("sha256")
    if outcome.get("status") not in ENDED or not isinstance(hashes, dict):
        return False
    for file, expected in hashes.items():
        path = place / Path(str(file)).name
        if path.is_file() and _sha256(path) != expected:
            raise RunFolderError(
                f"{name}/{path.name} is not what the run wrote: it was edited or damaged; put the "
                f"file back, or remove {name} to train the run again; {OTHER_NUMBERS}"
            )
    return INTERVALS in hashes and (place / INTERVALS).is_file()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _key(run: RunKey) -> tuple[str, str]:
    return run[0], str(run[1])


def _rows_by_run(path: Path) -> tuple[list[str], dict[tuple[str, str], list[Line]]]:
    """The header, and the rows of each (condition, seed), cells as texts."""
    found: dict[tuple[str, str], list[Line]] = defaultdict(list)
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        try:
            header = next(reader, [])
            for row in reader:
                if len(row) >= 2:
                    found[row[0], row[1]].append((reader.line_num, row))
        except csv.Error as error:
            raise RunFolderError(f"{path.name} line {reader.line_num}: {error}") from None
    return header, found
