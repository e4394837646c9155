"""study.json, read and checked in one way by all that continue a study or list it.

It vouches for the study's tokenizer and token files too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinyllama_np.config import ConfigError, StudyConfig
from tinyllama_np.corpus.record import TokenFile, TokenFileInfo, open_token_file
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.safe_files import read_json_object, shown
from tinyllama_np.storage import sha256_file

STUDY_FILE = "study.json"
_MOST_BYTES = 1 << 24  # a hundred thousand text files
# What every study has beside it, without which no run can be trained.
STUDY_DATA_FILES = (
    "tokenizer.json",
    *(f"data/{name}{end}" for name in ("train", "valid") for end in (".bin", ".json")),
)
OLDER_VERSION = (
    "was written by an older version, which did not record the study's data: its runs can be "
    "analysed and not continued; start the study in a new folder"
)
_TO_DO = "put the file back, or start the study in a new folder"


@dataclass(frozen=True)
class StudyFile:
    """What study.json says that continuing needs."""

    config: StudyConfig
    config_hash: str  # as recorded: of the settings that existed when the study was made
    data: Any = None  # as recorded: `describe_data`, if it was not edited

    @property
    def is_of_an_older_version(self) -> bool:
        """Whether it was written before study.json vouched for the study's data."""
        return not (isinstance(self.data, dict) and "tokenizer" in self.data)


@dataclass(frozen=True)
class StudyData:
    """A study's tokenizer and token files, which are those that study.json speaks of."""

    tokenizer_sha256: str
    train: TokenFile
    valid: TokenFile


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
    return StudyFile(config, found, values.get("data"))


def describe_data(
    tokenizer_sha256: str, train: TokenFileInfo, valid: TokenFileInfo
) -> dict[str, dict[str, int | str]]:
    """The section `data` of study.json."""
    return {
        "tokenizer": {"sha256": tokenizer_sha256},
        "train": _describe_tokens(train),
        "valid": _describe_tokens(valid),
    }


def _describe_tokens(info: TokenFileInfo) -> dict[str, int | str]:
    return {
        "stories": info.stories,
        "tokens": info.tokens,
        "bytes": info.text_bytes,
        "sha256": info.sha256,
    }


def open_data(out: Path) -> StudyData:
    """Open the tokenizer and the token files of the study in the folder `out`.

    Each is checked against study.json: a file of another study is refused although its own record
    agrees with it.

    Raises
    ------
    ConfigError
        If study.json cannot be used.
    CorpusError
        If a file is missing or is not the one that the study was made with.
    """
    study = read_study(out)
    recorded = study.data
    path = out / "tokenizer.json"
    if study.is_of_an_older_version:
        raise CorpusError(f"{out / STUDY_FILE} {OLDER_VERSION}")
    if not path.is_file():
        raise CorpusError(f"{path} is missing: {_TO_DO}")
    made_with = sha256_file(path)
    _check_entry(path, recorded, "tokenizer", {"sha256": made_with})
    opened = {}
    for name in ("train", "valid"):
        opened[name] = open_token_file(out / "data" / f"{name}.bin", made_with)
        entry = _describe_tokens(opened[name].info)
        _check_entry(opened[name].path, recorded, name, entry)
    return StudyData(made_with, opened["train"], opened["valid"])


def _check_entry(path: Path, recorded: Any, name: str, found: Mapping[str, int | str]) -> None:
    """See that study.json says of a file what was found."""
    expected = recorded.get(name) if isinstance(recorded, dict) else None
    expected = expected if isinstance(expected, dict) else {}
    for key, value in found.items():
        if expected.get(key) != value:
            raise CorpusError(
                f"{path} is not the file that the study was made with ({key} {_short(value)}, and "
                f"{STUDY_FILE} says {_short(expected.get(key, 'nothing'))}): {_TO_DO}"
            )


def _short(value: Any) -> str:
    """A count, or the beginning of a hash."""
    return shown(value[:12])[1:-1] if isinstance(value, str) else shown(value)


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
            + "; seeds cannot be added to a study, they all train in a new folder"
            * any(line.startswith("seeds is ") for line in differences)
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
