"""Which values of two studies may be subtracted: the same seeds at the same places.

A side is one condition of one run folder. Seeds are paired where the same number ran in both, for a
seed sets initialisation and order of the data; places are paired where both have the same
`tokens_seen`. Whatever is left out is said and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.io import RunFolder, RunFolderError, read_run_folder
from stats.matrix import seed_matrix
from stats.wording import count, joined, million

FloatArray = NDArray[np.float64]
MAX_NAMED = 8


@dataclass(frozen=True)
class Side:
    """One of the two: a condition of a run folder.

    Attributes
    ----------
    label : str
        What it is called in sentences; the two labels differ.
    condition : str
    run : RunFolder
    rows : DataFrame
        The condition's rows of intervals.csv.
    """

    label: str
    condition: str
    run: RunFolder
    rows: pd.DataFrame


@dataclass(frozen=True)
class Aligned:
    """The values that are compared.

    Attributes
    ----------
    a, b : ndarray of shape (n_a, K) and (n_b, K)
        A row a seed, a column a place.
    seeds_a, seeds_b : list of int
        The same list where `paired`.
    intervals_a : list of int
        The intervals of A at these places; -1 nowhere.
    intervals_b : list of int
        Those of B; -1 where B was interpolated.
    tokens : ndarray of shape (K,)
    paired : bool
    notices : tuple of str
    """

    a: FloatArray
    b: FloatArray
    seeds_a: list[int]
    seeds_b: list[int]
    intervals_a: list[int]
    intervals_b: list[int]
    tokens: FloatArray
    paired: bool
    notices: tuple[str, ...]


def open_sides(
    a: str | Path,
    b: str | Path | None = None,
    conditions: str | Sequence[str] | None = None,
    *,
    drop_incomplete: bool = False,
) -> tuple[Side, Side]:
    """Read both folders, or two conditions of one.

    Parameters
    ----------
    a, b : path
        Without `b` both conditions are of `a`.
    conditions : str or two str, optional
        One name for both folders, or A's and B's. Not needed where there is no choice.

    Raises
    ------
    RunFolderError
        A folder cannot be read, which of the two is named; or a condition is not in it.
    """
    names = [conditions] if isinstance(conditions, str) else list(conditions or [])
    if len(names) > 2 or not all(names):
        raise RunFolderError(f"conditions={names} must be one name for both, or A's and B's")
    if b is None:
        run_a = run_b = _read(a, "run folder", drop_incomplete)
        if not names and len(run_a.conditions) == 2:
            names = run_a.conditions
        if len(names) != 2:
            raise RunFolderError(
                f"one folder, {str(a)!r}, has the condition(s) {joined(run_a.conditions)}: name "
                "two of them with --conditions A_NAME B_NAME, or give a second folder"
            )
        if names[0] == names[1]:
            raise RunFolderError(f"condition {names[0]!r} is named twice: nothing to compare")
    else:
        run_a, run_b = _read(a, "study A", drop_incomplete), _read(b, "study B", drop_incomplete)
    chosen_a = _condition(run_a, names[0] if names else None, "A")
    chosen_b = _condition(run_b, names[-1] if names else None, "B")
    label_a, label_b = _labels(run_a, run_b, chosen_a, chosen_b, one_folder=b is None)
    return _side(run_a, chosen_a, label_a), _side(run_b, chosen_b, label_b)


def align(
    side_a: Side,
    side_b: Side,
    measure: str = "val_loss",
    *,
    paired: bool | None = None,
    interpolate: bool = False,
) -> Aligned:
    """The values of `measure` that both sides have.

    Parameters
    ----------
    measure : str
        A column of intervals.csv.
    paired : bool, optional
        None pairs by seed where at least two seeds match; True insists; False compares all seeds
        of each side as independent samples.
    interpolate : bool
        Take B at A's places, linearly between the two places of B around each.

    Raises
    ------
    ValueError
        No place beyond the start matches, fewer than two seeds match though pairs were asked for,
        or a value is missing; the message names both sides.
    """
    matrix_a, matrix_b = (_matrix(side, measure) for side in (side_a, side_b))
    notices: list[str] = []
    pairs = _pair_seeds(side_a, side_b, paired, notices)
    seeds_a = pairs or sorted(matrix_a.index)
    seeds_b = pairs or sorted(matrix_b.index)
    values_a = matrix_a.loc[seeds_a].to_numpy(dtype=np.float64)
    values_b = matrix_b.loc[seeds_b].to_numpy(dtype=np.float64)
    tokens_a, tokens_b = _tokens(side_a), _tokens(side_b)
    tokens, at_a, at_b = np.intersect1d(tokens_a, tokens_b, return_indices=True)
    if interpolate and len(tokens) < max(len(tokens_a), len(tokens_b)):
        tokens, values_b, at_a = _interpolated(side_a, side_b, values_b, notices)
        return Aligned(
            values_a[:, at_a],
            values_b,
            seeds_a,
            seeds_b,
            at_a.tolist(),
            [-1] * len(at_a),
            tokens,
            bool(pairs),
            tuple(notices),
        )
    if not (tokens > 0).any():
        raise ValueError(
            f"{side_a.label} and {side_b.label} were not measured at the same places: "
            f"{_places(tokens_a)} and {_places(tokens_b)} tokens; run both with the same budget "
            "and intervals, or ask for straight lines between the places with --interpolate"
        )
    if len(tokens) < max(len(tokens_a), len(tokens_b)):
        notices.append(
            f"Only the {count(len(tokens), 'place')} that both measured are compared, of "
            f"{len(tokens_a)} of {side_a.label} and {len(tokens_b)} of {side_b.label}: "
            f"up to {million(tokens[-1])} tokens. What lies elsewhere plays no part."
        )
    return Aligned(
        values_a[:, at_a],
        values_b[:, at_b],
        seeds_a,
        seeds_b,
        at_a.tolist(),
        at_b.tolist(),
        tokens.astype(np.float64),
        bool(pairs),
        tuple(notices),
    )


def _read(path: str | Path, which: str, drop_incomplete: bool) -> RunFolder:
    try:
        return read_run_folder(path, drop_incomplete=drop_incomplete)
    except RunFolderError as error:
        raise RunFolderError(f"{which} ({path}): {error}") from error


def _condition(run: RunFolder, name: str | None, which: str) -> str:
    there = run.conditions
    if name is None and len(there) == 1:
        return there[0]
    if name is None:
        raise RunFolderError(
            f"study {which} ({run.path}) has several conditions, {joined(there)}: name one with "
            "--condition"
        )
    if name not in there:
        raise RunFolderError(
            f"study {which} ({run.path}) has no condition {name!r}; it has {joined(there)}"
        )
    return name


def _labels(
    run_a: RunFolder, run_b: RunFolder, a: str, b: str, *, one_folder: bool
) -> tuple[str, str]:
    """The shortest names that tell the two apart."""
    if one_folder:
        return a, b
    path_a, path_b = run_a.path.resolve(), run_b.path.resolve()
    if path_a.name != path_b.name:
        return path_a.name, path_b.name
    if a != b:
        return f"{path_a.name}, {a}", f"{path_b.name}, {b}"
    if path_a.parent.name != path_b.parent.name:
        return f"{path_a.parent.name}/{path_a.name}", f"{path_b.parent.name}/{path_b.name}"
    return f"{path_a.name} (A)", f"{path_b.name} (B)"


def _side(run: RunFolder, condition: str, label: str) -> Side:
    rows = run.intervals[run.intervals["condition"] == condition].reset_index(drop=True)
    return Side(label, condition, run, rows)


def _matrix(side: Side, measure: str) -> pd.DataFrame:
    try:
        matrix = seed_matrix(side.rows, measure)
    except ValueError as error:
        raise ValueError(f"{side.label}: {error}") from error
    return pd.DataFrame(matrix.values, index=matrix.seeds, columns=matrix.intervals)


def _tokens(side: Side) -> FloatArray:
    """Tokens seen at each interval (K,), the same for all seeds; refused where they do not grow."""
    tokens = side.rows.groupby("interval", sort=True)["tokens_seen"].first()
    if (np.diff(tokens) <= 0).any():
        at = int(tokens.index[int(np.argmax(np.diff(tokens) <= 0)) + 1])
        raise ValueError(f"{side.label}: tokens_seen does not grow up to interval {at}")
    return np.asarray(tokens, dtype=np.float64)


def _pair_seeds(
    side_a: Side, side_b: Side, paired: bool | None, notices: list[str]
) -> list[int] | None:
    """The seeds in common, or None where the two are to be independent samples."""
    own = [sorted({int(s) for s in side.rows["seed"]}) for side in (side_a, side_b)]
    common = sorted(set(own[0]) & set(own[1]))
    if paired is False:
        if common:
            notices.append(
                f"Unpaired on request, though {count(len(common), 'seed')} ran in both: what the "
                "two share by a seed counts as noise."
            )
        return None
    if len(common) < 2:
        what = "No seed" if not common else f"Only seed {common[0]}"
        if paired:
            raise ValueError(
                f"{what} ran in both {side_a.label} (seeds {_listed(own[0])}) and {side_b.label} "
                f"(seeds {_listed(own[1])}): pairs take at least two"
            )
        notices.append(
            f"{what} ran in both {side_a.label} (seeds {_listed(own[0])}) and {side_b.label} "
            f"(seeds {_listed(own[1])}): they are compared as independent samples (Welch)."
        )
        return None
    for side, seeds in zip((side_a, side_b), own, strict=True):
        alone = [seed for seed in seeds if seed not in common]
        if alone:
            notices.append(
                f"Left out: {count(len(alone), 'seed')} of {side.label} without a partner "
                f"({_listed(alone)}); {len(common)} of {len(seeds)} are compared, in pairs."
            )
    return common


def _interpolated(
    side_a: Side, side_b: Side, values_b: FloatArray, notices: list[str]
) -> tuple[FloatArray, FloatArray, NDArray[np.intp]]:
    """A's places within B's reach, B's values there, and which of A's intervals they are."""
    tokens_a, tokens_b = _tokens(side_a), _tokens(side_b)
    inside = np.flatnonzero((tokens_a >= tokens_b[0]) & (tokens_a <= tokens_b[-1]))
    tokens = tokens_a[inside]
    if not (tokens > 0).any():
        raise ValueError(
            f"no place of {side_a.label} after the start ({_places(tokens_a)} tokens) lies within "
            f"those of {side_b.label} ({_places(tokens_b)}): nothing to interpolate"
        )
    drawn = np.stack([np.interp(tokens, tokens_b, row) for row in values_b])
    exact = int(np.isin(tokens, tokens_b).sum())
    notices.append(
        f"Interpolated on request: {side_b.label} is read off straight lines between its places "
        f"at {len(tokens) - exact} of the {count(len(tokens), 'place')} compared, those of "
        f"{side_a.label} up to {million(tokens[-1])} tokens. Where a loss bends upwards, as "
        "it does while it flattens out, the line lies above it."
    )
    return tokens, drawn, inside


def _places(tokens: FloatArray) -> str:
    shown = [f"{t:,.0f}" for t in tokens]
    if len(shown) > 4:
        shown = [*shown[:3], "...", shown[-1]]
    return ", ".join(shown)


def _listed(seeds: list[int]) -> str:
    shown = ", ".join(map(str, seeds[:MAX_NAMED]))
    return shown + (f" and {len(seeds) - MAX_NAMED} more" if len(seeds) > MAX_NAMED else "")
