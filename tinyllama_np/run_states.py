"""The studies in a folder, how far they are, and what hinders them: read from their files alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tinyllama_np.config import ConfigError, StudyConfig
from tinyllama_np.job import DIVERGED, FINISHED
from tinyllama_np.owner import owner
from tinyllama_np.prepare import staging_folder
from tinyllama_np.run_state import MISSING, RunState, run_state, unreadable
from tinyllama_np.study import run_jobs
from tinyllama_np.study_file import OLDER_VERSION, STUDY_DATA_FILES, STUDY_FILE, read_study

_LEVELS = 3  # folders below the one that is named


@dataclass(frozen=True)
class StudyState:
    """A study and its runs."""

    folder: Path
    config: StudyConfig
    config_hash: str
    process: str | None  # the one that works in the folder
    runs: tuple[RunState, ...]
    damage: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()  # by what is no run's

    @property
    def tokens_left(self) -> int:
        """Of all runs that would go on."""
        return sum(run.tokens_left for run in self.runs)

    @property
    def all_blocked(self) -> tuple[str, ...]:
        """What has to be so before the study can go on, its runs' included."""
        return (*self.blocked, *(reason for run in self.runs for reason in run.blocked))

    @property
    def has_ended(self) -> bool:
        """Whether no run would go on."""
        return all(run.state in (FINISHED, DIVERGED) for run in self.runs)

    @property
    def is_damaged(self) -> bool:
        """Whether something is not as the study wrote it, whether or not it can go on."""
        return bool(self.damage) or any(run.damage for run in self.runs)


@dataclass(frozen=True)
class UnreadableStudy:
    """A study that has no study.json yet, or one that says nothing that can be used."""

    folder: Path
    error: str
    is_damaged: bool = True


def find_studies(
    folder: Path,
    levels: int = _LEVELS,
    refused: Callable[[Path, str], None] = lambda folder, reason: None,
) -> list[Path]:
    """The folders with a study, prepared or not to the end: `folder`, or those below it, by name.

    Hidden folders and links are passed over; nothing is looked for inside a study.

    Parameters
    ----------
    folder : Path
    levels : int
    refused : callable
        Called with each folder that cannot be looked into, and why.
    """
    try:
        for sign in (folder / STUDY_FILE, staging_folder(folder)):
            with suppress(FileNotFoundError, NotADirectoryError):
                sign.stat()  # whatever it is: why it cannot be used is told later
                return [folder]
        with os.scandir(folder) as entries:
            below = sorted(
                entry.name
                for entry in entries
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".")
            )
    except FileNotFoundError:  # it goes away, or was never there
        return []
    except OSError as error:  # not ours to read
        refused(folder, error.strerror or str(error))
        return []
    if not levels:
        return []
    return [found for name in below for found in find_studies(folder / name, levels - 1, refused)]


def study_state(folder: Path) -> StudyState | UnreadableStudy:
    """What the study in `folder` has done."""
    if staging_folder(folder).exists() and not (folder / STUDY_FILE).exists():
        return UnreadableStudy(folder, _unprepared(folder), is_damaged=False)
    try:
        study = read_study(folder)
        jobs = run_jobs(study.config, folder)
    except ConfigError as error:
        return UnreadableStudy(folder, str(error))
    process = owner(folder)
    damage, blocked = list[str](), list[str]()
    if study.is_of_an_older_version:
        damage.append(f"{STUDY_FILE} {OLDER_VERSION}")
        blocked.append("it is begun anew in a new folder")
    for name in STUDY_DATA_FILES if (folder / "data").exists() else ("tokenizer.json", "data"):
        reason = unreadable(folder / name)
        if reason == MISSING:
            damage.append(f"{name} is missing: no run can go on")
            blocked.append(f"{name} is put back")
        elif reason:
            damage.append(f"{name} cannot be read: {reason}: no run can go on")
            blocked.append(f"{name} can be read")
    runs = tuple(run_state(job, process) for job in jobs)
    return StudyState(
        folder, study.config, study.config_hash, process, runs, tuple(damage), tuple(blocked)
    )


def _unprepared(folder: Path) -> str:
    process = owner(folder)
    if process is not None:
        return f"is being prepared by {process}"
    return (
        "its preparation was interrupted; the `study` command that began it takes over what was "
        "encoded, or remove the folder"
    )
