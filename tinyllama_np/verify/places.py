"""What a path that somebody names is: a study, a run of it, or a checkpoint of that run."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from tinyllama_np.checkpoint import checkpoint_folders
from tinyllama_np.config import ConfigError


class Place(NamedTuple):
    """A study's folder; the run `<condition>/<seed>` and the checkpoint's step, if named."""

    study: Path
    run: str | None = None
    checkpoint: int | None = None


def place_of(folder: Path) -> Place:
    """What `folder` is.

    Raises
    ------
    ConfigError
        If it is nothing that can be verified: also what lies in a run and is no checkpoint.
    """
    if (folder / "study.json").is_file():
        return Place(folder)
    # As it is named first: a run's folder may be a link that leads out of the study.
    for whole in (Path(os.path.abspath(folder)), folder.resolve()):
        for run in (whole, *whole.parents):
            study = run.parents[2] if len(run.parents) > 2 else run
            named = run.name.startswith("seed-") and run.parent.parent == study / "runs"
            if named and (study / "study.json").is_file():
                name = f"{run.parent.name}/{run.name.removeprefix('seed-')}"
                return Place(study, name, None if run == whole else _checkpoint_step(whole, run))
    raise ConfigError(
        f"{folder} is neither a study's folder (with study.json) nor a run's in it "
        "(runs/<condition>/seed-<k>) nor a checkpoint's in that (checkpoints/step-<n>)"
    )


def _checkpoint_step(folder: Path, run: Path) -> int:
    found = checkpoint_folders(run / "checkpoints")
    if folder in found and re.fullmatch("step-[0-9]+", folder.name):
        return int(folder.name.removeprefix("step-"))
    there = ", ".join(path.name for path in found) or "there is none"
    raise ConfigError(
        f"{folder} is no checkpoint of its run; name the run's folder {run}, or one of its "
        f"checkpoints ({there})"
    )
