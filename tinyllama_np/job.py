"""A run's job: what is to be trained where, and how a run has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyllama_np.checkpoint import CheckpointError, load_checkpoint
from tinyllama_np.config import ModelConfig, TrainConfig
from tinyllama_np.safe_files import UnsafeFileError, read_json_object
from tinyllama_np.storage import sha256_file
from tinyllama_np.telemetry import TelemetryError
from tinyllama_np.training_state import MARKED_FILES

RECOVERIES_FILE = "recoveries.csv"
STOP_FILE = ".stop"
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
    def name(self) -> str:
        """What messages call the run: `<condition>/seed-<k>`."""
        return f"{self.condition}/{self.folder.name}"

    @property
    def stop_file(self) -> Path:
        """While this file exists, runs stop at their next step."""
        return self.study_folder / STOP_FILE


def run_folder(study_folder: Path, condition: str, seed: int) -> Path:
    """runs/<condition>/seed-<k> of a study."""
    return study_folder / "runs" / condition / f"seed-{seed}"


def read_outcome(job: RunJob) -> dict[str, Any] | None:
    """What outcome.json says of a run; None where there is none.

    Raises
    ------
    TelemetryError
        If it is damaged, or does not vouch for all that a run that has ended leaves.
    OSError
        If it cannot be read.
    """
    path = job.folder / "outcome.json"
    if not path.exists():
        return None
    try:
        outcome = read_json_object(path)
    except UnsafeFileError:
        outcome = {}
    if not _is_outcome(outcome, job.train):
        raise TelemetryError(
            f"outcome.json of {job.name} says nothing that can be used; "
            "remove it to let the run go on from its checkpoint"
        )
    if outcome["status"] in (FINISHED, DIVERGED):
        vouched = outcome.get("sha256", {})
        missing = [name for name in vouched_files(job.train) if name not in vouched]
        if missing:
            raise TelemetryError(
                f"outcome.json of {job.name} has no SHA-256 of {', '.join(missing)}: it was "
                "edited or damaged, or an older version wrote it; remove it to let the run go on "
                "from its checkpoint"
            )
    return outcome


def finished_outcome(job: RunJob) -> dict[str, Any] | None:
    """The outcome of a run that has ended and would not go on if asked; None for any other.

    Raises
    ------
    TelemetryError, OSError
        As `read_outcome`.
    """
    outcome = read_outcome(job)
    return outcome if outcome and outcome["status"] in (FINISHED, DIVERGED) else None


def vouched_files(train: TrainConfig) -> tuple[str, ...]:
    """The files whose SHA-256 stands in the outcome of a run that has ended."""
    return (*MARKED_FILES, *([RECOVERIES_FILE] if train.divergence_retries else []))


def _is_outcome(outcome: Mapping[str, Any], train: TrainConfig) -> bool:
    """Whether an outcome has what is asked of it later, and ends where such a run can end."""
    status, hashes = outcome.get("status"), outcome.get("sha256", {})
    if not (
        all(type(outcome.get(name)) is int for name in ("step", "tokens_seen"))
        and all(isinstance(outcome.get(name), str) for name in ("status", "message"))
        and isinstance(hashes, dict)
        and set(hashes) <= {*MARKED_FILES, RECOVERIES_FILE}
    ):
        return False
    if status not in (FINISHED, DIVERGED):
        return status in (STOPPED, FAILED)
    step: int = outcome["step"]
    tokens: int = outcome["tokens_seen"]
    at_an_end = status == DIVERGED or step == train.steps
    return at_an_end and tokens == step * train.tokens_per_step


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
                f"{name} of {job.name} is not what the run wrote: it was "
                f"edited or damaged; put the file back, or remove runs/{job.name} "
                "to train the run again"
            )


def last_checkpoint_problem(job: RunJob) -> str:
    """What is wrong with the checkpoint that a finished run has kept; "" if it is whole.

    Telemetry and analysis do not depend on it: it is for whoever wants the model.
    """
    try:
        load_checkpoint(job.folder / "checkpoints" / f"step-{job.train.steps:06d}")
    except CheckpointError as error:
        found = str(error).partition("; ")[0]
    except OSError as error:
        found = f"{error.filename}: {error.strerror}"
    else:
        return ""
    return (
        f"{job.name}: {found}. Its numbers stand without it; to have the model, put the "
        f"checkpoint back, or remove runs/{job.name} to train the run again"
    )
