"""What comes out when a stretch is compared: what agrees, and the first place that does not."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyllama_np.environment import Difference as EnvironmentDifference
from tinyllama_np.ops import FloatArray
from tinyllama_np.verify.record import STEPS

MODEL, OPTIMIZER, STATE = "model", "optimizer", "training_state"


@dataclass(frozen=True)
class Difference:
    """The first place of a file that is not as it was computed again.

    `what` is a column, a field or a tensor. Of tensors, `values` of `of` differ in this one, by at
    most `ulps` units in the last place, and `tensors` tensors of the file differ.
    """

    file: str
    step: int
    what: str
    recorded: str
    computed: str
    values: int | None = None
    of: int | None = None
    ulps: int | None = None
    tensors: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}, step {self.step}, {self.what}"
        told = f"{place}: {self.recorded} recorded, {self.computed} computed"
        if self.values is None:
            return told
        more = f"; {self.tensors} tensors of the file differ" if (self.tensors or 0) > 1 else ""
        units = "unit" if self.ulps == 1 else "units"
        return (
            f"{told} ({self.values:,} of {self.of:,} values differ, by at most {self.ulps:,} "
            f"{units} in the last place{more})"
        )


@dataclass
class Count:
    """Rows of a file that were compared, and how many agree; `last` is whether the last one did."""

    agree: int = 0
    compared: int = 0
    last: bool = True

    def add(self, agrees: bool) -> None:
        """Count one row."""
        self.agree, self.compared, self.last = (
            self.agree + agrees,
            self.compared + 1,
            agrees,
        )


@dataclass
class Verification:
    """What was trained again, and how it compares.

    Attributes
    ----------
    environment : list of environment.Difference or None
        In what this environment differs from that of the run; None if that was not recorded.
    rows : dict of str to Count
        By file.
    checkpoints : dict of str to dict of str to bool
        By folder, whether model, optimizer and training_state agree.
    differences : list of Difference
        The first one of each file, in the order of training.
    damage : list of str
        Files that are not what the run wrote by their own hashes.
    notes : list of str
    kept : list of int
        Steps of the run's checkpoints, wherever they are.
    remedy : str
        What is to be done about the damage, if that is known.
    """

    run: str
    start: int
    end: int
    from_checkpoint: bool
    threads: int
    environment: list[EnvironmentDifference] | None
    seconds: float = 0.0
    rows: dict[str, Count] = field(default_factory=dict)
    checkpoints: dict[str, dict[str, bool]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    remedy: str = ""

    @property
    def weights_compared(self) -> bool:
        """Whether a checkpoint was compared with what was trained again."""
        return bool(self.checkpoints)

    @property
    def wider(self) -> str:
        """The options of a stretch that takes in a checkpoint, where this one has none."""
        if any(step > self.end for step in self.kept):
            return "--to-end"
        return "--from 0 --to-end" if self.kept and self.from_checkpoint else ""

    @property
    def verdict(self) -> str:
        """agrees, differs or damaged."""
        return "differs" if self.differences else "damaged" if self.damage else "agrees"

    def reasons(self) -> list[str]:
        """What may have made the differences, the likeliest first."""
        if not self.differences:
            return []
        rows = self.rows.get(STEPS, Count())
        *_, newest = [{MODEL: False}, *self.checkpoints.values()]
        one_row = rows.agree == rows.compared - 1 and newest[MODEL]
        if rows.agree < rows.compared and (rows.last or one_row):
            return [
                "what follows agrees again, so the training was the same: the row was changed "
                "after it was written, and so were the hashes that vouch for it"
            ]
        same_training = rows.agree == rows.compared
        found = []
        if same_training:
            found.append(
                "all steps agree, so the training was the same: what differs was changed after it "
                "was computed, and so was the hash that vouches for it, or memory was damaged then"
            )
            if all(name not in self.rows for name in (d.file for d in self.differences)):
                return found  # only what a checkpoint holds
        if self.environment is None:
            found.append(
                "what the run was computed with is not recorded: another version, processor or "
                "library would explain it"
            )
        elif any(difference.binds for difference in self.environment):
            found.insert(0, "the run was computed in another environment, named above")
        if not same_training and self.from_checkpoint:
            found.append(
                f"the checkpoint of step {self.start} may not be what the run went on from: "
                "verify the stretch before it (--from), at whose end it is compared"
            )
        if not same_training:
            found.append(
                "memory was damaged, then or now: give the same command again; if it computes "
                "other values, it is this machine"
            )
        return found


def line_difference(
    recorded: bytes, computed: bytes, columns: Sequence[str] | None = None
) -> dict[str, Any]:
    """The first cell in which two lines differ; nothing if they are the same bytes.

    Parameters
    ----------
    recorded, computed : bytes
    columns : sequence of str, optional
        Of a CSV file; without them a line is a JSON object.

    Returns
    -------
    dict
        `what`, `recorded` and `computed` of a `Difference`.
    """
    if recorded == computed:
        return {}
    old, new = _fields(recorded, columns), _fields(computed, columns)
    for name in new if old else ():
        if old.get(name) != new[name]:
            return {"what": name, "recorded": old.get(name, "nothing"), "computed": new[name]}
    return {"what": "line", "recorded": repr(recorded), "computed": repr(computed)}


def _fields(line: bytes, columns: Sequence[str] | None) -> dict[str, str]:
    """A line's cells, or the values of its JSON object, as texts by name."""
    try:
        text = line.decode("utf-8")
        if columns is None:
            values = json.loads(text)
            return {key: json.dumps(values[key], ensure_ascii=False) for key in values}
        (cells,) = csv.reader([text])
        return {name: cell or "nothing" for name, cell in zip(columns, cells, strict=True)}
    except (ValueError, TypeError, LookupError):
        return {}


def value_difference(recorded: Any, computed: Any, name: str = "") -> dict[str, Any]:
    """The first field in which two JSON values differ, likewise."""
    if isinstance(recorded, Mapping) and isinstance(computed, Mapping):
        for key in [*computed, *(key for key in recorded if key not in computed)]:
            below = f"{name}.{key}" if name else str(key)
            if found := value_difference(recorded.get(key), computed.get(key), below):
                return found
        return {}
    old, new = json.dumps(recorded, sort_keys=True), json.dumps(computed, sort_keys=True)
    return {} if old == new else {"what": name, "recorded": old, "computed": new}


def tensor_difference(
    recorded: Mapping[str, FloatArray], computed: Mapping[str, FloatArray]
) -> dict[str, Any]:
    """The first tensor whose bits differ, as the fields of a `Difference`; nothing if none does."""
    first: dict[str, Any] = {}
    tensors = 0
    for name in [*computed, *(name for name in recorded if name not in computed)]:
        found = _bits_difference(recorded.get(name), computed.get(name))
        if found:
            tensors += 1
            first = first or {"what": name, **found}
    return {**first, "tensors": tensors} if first else {}


def _bits_difference(old: FloatArray | None, new: FloatArray | None) -> dict[str, Any]:
    if old is None or new is None or old.shape != new.shape or old.dtype != new.dtype:
        told = ["no tensor" if a is None else f"{a.dtype} of shape {a.shape}" for a in (old, new)]
        return {"recorded": told[0], "computed": told[1]}
    differ = _bits(old) != _bits(new)
    if not differ.any():
        return {}
    place = int(differ.argmax())
    distance = np.abs(_ordered(_bits(old)) - _ordered(_bits(new)))
    return {
        "recorded": str(old.ravel()[place]),
        "computed": str(new.ravel()[place]),
        "values": int(differ.sum()),
        "of": differ.size,
        "ulps": int(distance.max()),
    }


def _bits(values: FloatArray) -> np.ndarray[Any, np.dtype[np.int32]]:
    return np.ascontiguousarray(values, dtype=np.float32).ravel().view(np.int32)


def _ordered(bits: np.ndarray[Any, np.dtype[np.int32]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Whole numbers in the order of the floats, neighbours one apart."""
    wide = bits.astype(np.int64)
    return np.where(wide < 0, -(wide & 0x7FFFFFFF), wide)
