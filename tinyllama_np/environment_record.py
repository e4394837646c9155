"""A run's record of its environments: `environment.json`, and the check at a resume.

A run that goes on in another environment still trains, but it is no longer the run that it would
have been: sums are rounded otherwise, and small differences grow from step to step. So it goes on
only when told to, and the record says from which step on:

    [{"from_step": 0, "environment": {...}}, {"from_step": 200, "environment": {...}}]
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tinyllama_np.environment import Difference, Environment, differences
from tinyllama_np.safe_files import LARGEST_JSON, UnsafeFileError, parse_json, read_bounded
from tinyllama_np.storage import write_text_atomic

FILE_NAME = "environment.json"
OPTION = "--accept-environment"


class EnvironmentMismatch(ValueError):
    """A run would go on in an environment that may give it other numbers."""


@dataclass(frozen=True)
class Entry:
    """From which step on a run was computed in which environment."""

    from_step: int
    environment: Environment


def read_environments(run_folder: Path) -> list[Entry]:
    """The environments of a run, oldest first; none where nothing was recorded.

    Raises
    ------
    EnvironmentMismatch
        If the file is no such record.
    """
    try:
        content = parse_json(read_bounded(run_folder / FILE_NAME, LARGEST_JSON))
        entries = [Entry(entry["from_step"], entry["environment"]) for entry in content]
        steps = [entry.from_step for entry in entries]
        whole = all(type(step) is int for step in steps) and steps == sorted(steps)
        whole = whole and all(isinstance(entry.environment, dict) for entry in entries)
        problem = "" if whole and entries else "it is no list of steps and environments"
    except FileNotFoundError:
        return []
    except OSError as error:
        problem = error.strerror or str(error)
    except UnsafeFileError as error:
        problem = str(error)
    except (KeyError, TypeError):
        problem = "it is no list of steps and environments"
    if problem:
        raise EnvironmentMismatch(
            f"{FILE_NAME} of run {_name(run_folder)} is damaged ({problem}), so that what the run "
            f"was computed with is not known; {OPTION} goes on and begins the record anew"
        )
    return entries


def check_environment(
    run_folder: Path, step: int, current: Environment, accept: bool
) -> list[Difference]:
    """In what `current` differs from the environment that took a run to its checkpoint at `step`.

    A run that was told to go on from this step in this environment may do so again.

    Raises
    ------
    EnvironmentMismatch
        If it may give the run other numbers, or what took it there is not recorded, and `accept` is
        False; the message is one line.
    """
    entries = _entries_up_to(run_folder, step, accept)
    return _checked(run_folder, entries, step, current, accept) if entries else []


def _entries_up_to(run_folder: Path, step: int, accept: bool) -> list[Entry]:
    """A run's record, if it tells what took the run to `step`; none where it need not."""
    try:
        entries = read_environments(run_folder)
    except EnvironmentMismatch:
        if not accept:
            raise
        return []
    if entries and entries[0].from_step <= step:
        return entries
    if not accept:
        found = f"begins at step {entries[0].from_step}" if entries else "is missing"
        raise EnvironmentMismatch(
            f"what run {_name(run_folder)} was computed with up to step {step} is not recorded: "
            f"{FILE_NAME} {found}. Put it back, or give {OPTION} to go on and begin it anew"
        )
    return []


def _checked(
    run_folder: Path, entries: Sequence[Entry], step: int, current: Environment, accept: bool
) -> list[Difference]:
    found = differences(_before(entries, step)[-1].environment, current)
    binding = [difference for difference in found if difference.binds]
    if binding and not accept and not _accepted(entries, step, current):
        raise EnvironmentMismatch(
            f"run {_name(run_folder)} was computed in another environment up to step {step}: "
            f"{_told(binding)}. Its losses would differ in the last digits and drift "
            f"apart. Continue it where it was begun, or give {OPTION} to go on here, which "
            f"{FILE_NAME} then records"
        )
    return found


def begin_or_continue(run_folder: Path, step: int, current: Environment, accept: bool) -> str:
    """Check and record the environment of a run that begins, or goes on from a checkpoint.

    Call it before anything is computed. Where nothing differs, nothing is written.

    Parameters
    ----------
    run_folder : Path
    step : int
        Of the checkpoint; -1 without one: the run begins (again) and so does the record.
    current : dict
        From `current_environment`.
    accept : bool
        Go on in an environment that may give the run other numbers.

    Returns
    -------
    str
        A line for the user; "" where nothing differs.

    Raises
    ------
    EnvironmentMismatch
        As in `check_environment`; nothing was written.
    """
    if step < 0:
        _write(run_folder, [Entry(0, current)])
        return ""
    entries = _entries_up_to(run_folder, step, accept)
    if not entries:
        _write(run_folder, [Entry(step, current)])
        return f"goes on from step {step}; what the run was computed with before is not recorded"
    found = _checked(run_folder, entries, step, current, accept)
    before = _before(entries, step)
    _write(run_folder, [*before, Entry(step, current)] if found else before)
    if not found:
        return ""
    return f"goes on from step {step} in another environment: {_told(found)}"


def _before(entries: Sequence[Entry], step: int) -> list[Entry]:
    """The entries that had a part in the state after `step`.

    One of `step` itself had none: it stands for the steps that follow. But for the first.
    """
    return [*entries[:1], *(entry for entry in entries[1:] if entry.from_step < step)]


def _accepted(entries: Sequence[Entry], step: int, current: Environment) -> bool:
    return any(
        entry.from_step == step and not differences(entry.environment, current)
        for entry in entries[1:]
    )


def _write(run_folder: Path, entries: Sequence[Entry]) -> None:
    """Replace the record, if it says something else."""
    text = json.dumps([vars(entry) for entry in entries], indent=2) + "\n"
    path = run_folder / FILE_NAME
    try:
        same = read_bounded(path, LARGEST_JSON) == text.encode("utf-8")
    except (OSError, UnsafeFileError):
        same = False
    if not same:
        write_text_atomic(path, text)


def _told(found: Sequence[Difference], most: int = 20) -> str:
    """Differences in one line; a record may have any number of names."""
    more = f"; and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(map(str, found[:most])) + more


def _name(run_folder: Path) -> str:
    return f"{run_folder.parent.name}/{run_folder.name}"
