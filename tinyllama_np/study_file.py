"""study.json: read and checked in one way by all that continue a study or list it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyllama_np.config import ConfigError, StudyConfig
from tinyllama_np.safe_files import read_json_object, shown

STUDY_FILE = "study.json"
_MOST_BYTES = 1 << 24  # a hundred thousand text files


@dataclass(frozen=True)
class StudyFile:
    """What study.json says that continuing needs."""

    config: StudyConfig
    config_hash: str  # as recorded: of the settings that existed when the study was made


def read_study(out: Path) -> StudyFile:
    """The study in the folder `out`.

    Settings that came after the study was made have their defaults, which stand for what was done
    before there was a choice. That they were not lost is known from the recorded hash.

    Raises
    ------
    ConfigError
        If study.json is missing, damaged, changed by hand or of a version that knew more settings.
    """
    path = out / STUDY_FILE
    try:
        values = read_json_object(path, _MOST_BYTES)
        recorded = values["config"]
        found = hashlib.sha256(json.dumps(recorded, sort_keys=True).encode()).hexdigest()
        if values["config_hash"] != found:
            raise ConfigError("its settings are not those of its config_hash: it was changed")
        config = StudyConfig.from_dict(recorded)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from None
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        ArithmeticError,
        RecursionError,
    ) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ConfigError(
            f"{path} cannot be used ({what}); put the file back as it was, or name another folder"
        ) from None
    return StudyFile(config, found)


def check_same_study(config: StudyConfig, out: Path) -> None:
    """Refuse to go on in the folder `out` if its study has other settings than `config`.

    Raises
    ------
    ConfigError
        The message names each setting that differs, with both values.
    """
    differences = [
        f"{name} is {old} there and {new} here"
        for name, old, new in _differences(read_study(out).config.to_dict(), config.to_dict())
    ]
    if differences:
        raise ConfigError(
            f"folder {out} holds another study: {'; '.join(differences)}. "
            "Name another folder, or give the same settings to continue it"
        )


def _differences(a: Any, b: Any, name: str = "") -> list[tuple[str, str, str]]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        found = []
        for key in sorted({*a, *b}):
            below = f"{name}.{key}" if name else str(key)
            found += _differences(a.get(key), b.get(key), below)
        return found
    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    return [] if same else [(shown(name)[1:-1], _cut(json.dumps(a)), _cut(json.dumps(b)))]


def _cut(text: str) -> str:
    return text if len(text) <= 100 else text[:97] + "..."
