"""A run's job: what is to be trained where, and how a run has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyllama_np.config import ModelConfig, TrainConfig
from tinyllama_np.safe_files import UnsafeFileError, read_json_object
from tinyllama_np.storage import sha256_file
from tinyllama_np.telemetry import TelemetryError
from tinyllama_np.training_state import MARKED_FILES

FINISHED, STOPPED, DIVERGED, FAILED = "finished", "stopped", "diverged", "failed"
KEEP = ("last", "all", "best")


@dataclass(frozen=True)
class RunJob:
    """All that a worker process needs to carry out one run."""

    study_folder: Path
    condition: str
    model: ModelConfig
    train: TrainConfig
    threads: int = 1
    keep_checkpoints: str = "last"
    deadline: float | None = None  # time.time() at which to stop at a checkpoint
    accept_environment: bool = False  # go on where other versions or another processor began

    @property
    def folder(self) -> Path:
        """Where the run's files go."""
        return run_folder(self.study_folder, self.condition, self.train.seed)

    @property
    def stop_file(self) -> Path:
        """While this file exists, runs stop at their next step."""
        return self.study_folder / ".stop"


def run_folder(study_folder: Path, condition: str, seed: int) -> Path:
    """runs/<condition>/seed-<k> of a study."""
    return study_folder / "runs" / condition / f"seed-{seed}"


def finished_outcome(job: RunJob) -> dict[str, Any] | None:
    """The outcome of a run that has ended and would not go on if asked; None for any other.

    Raises
    ------
    TelemetryError
        If outcome.json is damaged.
    """
    path = job.folder / "outcome.json"
    if not path.exists():
        return None
    try:
        outcome = read_json_object(path)
    except UnsafeFileError:
        outcome = {}
    if not _is_outcome(outcome):
        raise TelemetryError(
            f"outcome.json of {job.condition}/{job.folder.name} says nothing that can be used; "
            "remove it to let the run go on from its checkpoint"
        )
    return outcome if outcome["status"] in (FINISHED, DIVERGED) else None


def _is_outcome(outcome: Mapping[str, Any]) -> bool:
    """Whether an outcome has what is asked of it later."""
    hashes = outcome.get("sha256", {})
    return (
        all(type(outcome.get(name)) is int for name in ("step", "tokens_seen"))
        and all(isinstance(outcome.get(name), str) for name in ("status", "message"))
        and isinstance(hashes, dict)
        and set(hashes) <= set(MARKED_FILES)
    )


def check_ended_telemetry(job: RunJob) -> None:
    """See that a run that has ended still has the telemetry that its outcome speaks of.

    Raises
    ------
    TelemetryError
        If a file has other bytes than when the run ended.
    """
    for name, expected in (finished_outcome(job) or {}).get("sha256", {}).items():
        path = job.folder / name
        if not path.is_file() or sha256_file(path) != expected:
            raise TelemetryError(
                f"{name} of {job.condition}/{job.folder.name} is not what the run wrote: it was "
                f"edited or damaged; put the file back, or remove runs/{job.condition}/"
                f"{job.folder.name} to train the run again"
            )
