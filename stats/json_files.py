"""JSON of a run folder, whoever wrote it: bounded in size and depth, all its text printable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stats.run_checks import RunFolderError

LARGEST_JSON = 16 << 20  # bytes of study.json or outcome.json; ours take a few thousand
LARGEST_SAMPLES = 64 << 20  # bytes of samples.jsonl; ours take a few hundred a text
DEEPEST_JSON = 64  # objects and lists inside each other


def read_text_file(path: Path, largest: int, name: str | None = None) -> str:
    """The text of a UTF-8 file of at most `largest` bytes; messages call it `name`.

    Raises
    ------
    RunFolderError
        If it is larger, not UTF-8, no file or cannot be read.
    """
    name = name or path.name
    if not path.is_file():  # a pipe would be waited for
        raise RunFolderError(f"{name} is missing or no file")
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise RunFolderError(f"{name} cannot be read: {error.strerror}") from None
    if len(data) > largest:
        raise RunFolderError(f"{name} has more than {largest:,} bytes: is it the right file?")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise RunFolderError(f"{name} is not UTF-8 text") from None


def read_json_object(path: Path, name: str | None = None) -> dict[str, Any]:
    """The JSON object in a file.

    Raises
    ------
    RunFolderError
        If the file holds none, or one that is nested too deeply.
    """
    name = name or path.name
    value = parse_json(read_text_file(path, LARGEST_JSON, name), name)
    if not isinstance(value, dict):
        raise RunFolderError(f"{name} must hold a JSON object, not a {type(value).__name__}")
    return value


def parse_json(text: str, name: str) -> Any:
    """What `text` says, half a character (a lone surrogate) replaced by a question mark.

    Raises
    ------
    RunFolderError
        If it is no JSON, or nested too deeply; the message begins with `name`.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError as error:
        raise RunFolderError(f"{name} is not valid JSON: {error}") from None
    _check_depth(value, name)
    # "\\ud800" is JSON, but half a character: neither UTF-8 nor a frame of texts can hold it
    if "\\u" in text:
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return value


def _check_depth(value: Any, name: str) -> None:
    level = [value]
    for _ in range(DEEPEST_JSON + 1):
        level = [item for item in level if isinstance(item, (dict, list))]
        level = [v for item in level for v in (item.values() if type(item) is dict else item)]
        if not level:
            return
    raise _too_deep(name)


def _too_deep(name: str) -> RunFolderError:
    return RunFolderError(f"{name} is nested more than {DEEPEST_JSON} deep")
