"""Files that may come from anyone: bounded before they are read, plain once they are parsed.

Nothing here trusts a size, a number or a name that stands in a file. What is wrong with one is said
in one line; who reads it adds which file it was and what to do.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

LARGEST_JSON = 4 << 20  # bytes; a checkpoint's and a token file's take a few thousand
DEEPEST_JSON = 64  # objects and lists inside each other; ours have four
MOST_DIGITS = 100  # of a whole number; Python reads thousands and refuses to write them
LONGEST_NAME = 255  # bytes of a file's name, as file systems have it


class UnsafeFileError(ValueError):
    """A file holds what no file of its kind holds; one line, without the file's name."""


def check_regular(path: Path) -> None:
    """Refuse what is there but is no file: a folder, a device, or a pipe, at which one waits.

    Raises
    ------
    UnsafeFileError
    """
    if path.exists() and not path.is_file():
        raise UnsafeFileError("it is no regular file")


def read_bounded(path: Path, largest: int) -> bytearray:
    """The content of a file of at most `largest` bytes, which are not asked for but where needed.

    Raises
    ------
    UnsafeFileError
        If it is larger, or no file but a folder, a device or a pipe.
    OSError
        If it cannot be read.
    """
    check_regular(path)
    with open(path, "rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        data = bytearray(size + 1 if size <= largest else 0)
        del data[stream.readinto(data) :]
        if len(data) > size and size <= largest:  # it grows, or tells no size
            data += stream.read(largest + 1 - len(data))
    if size > largest or len(data) > largest:
        raise UnsafeFileError(f"it has more than {largest:,} bytes, which no such file needs")
    return data


def read_json_object(path: Path, largest: int = LARGEST_JSON) -> dict[str, Any]:
    """The JSON object in a file; see `read_bounded` and `parse_json_object`."""
    return parse_json_object(read_bounded(path, largest))


def parse_json_object(data: bytes | bytearray) -> dict[str, Any]:
    """The JSON object that `data` is; see `parse_json`."""
    values = parse_json(data)
    if not isinstance(values, dict):
        raise UnsafeFileError(f"it is not a JSON object but {shown(values)}")
    return values


def parse_json(data: bytes | bytearray) -> Any:
    """The JSON value that `data` is, in UTF-8, as the standard has it and a little less.

    Raises
    ------
    UnsafeFileError
        If it is none; if a name stands twice in one object; for NaN, an infinity, or a number too
        large for a float; for half a character (a lone surrogate); for what is nested more than
        `DEEPEST_JSON` deep.
    """
    try:
        values = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_without_doubles,
            parse_constant=_no_constant,
            parse_int=_whole_number,
            parse_float=_finite_number,
        )
    except UnsafeFileError:
        raise
    except ValueError as error:  # not UTF-8, or not JSON
        raise UnsafeFileError(f"it is not JSON: {error}") from None
    except RecursionError:
        raise _too_deep() from None
    if isinstance(values, (dict, list)):
        _check_depth(values)
    if b"\\u" in data:
        try:
            json.dumps(values, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise UnsafeFileError("it holds half a character (a lone surrogate)") from None
    return values


def shown(value: object, most: int = 60) -> str:
    """`value` for a message: in ASCII on one line, cut where it is long."""
    if isinstance(value, (dict, list)) and len(value) > most:
        return f"a {type(value).__name__} of {len(value)} values"
    text = ascii(value)
    return text if len(text) <= most else text[: most - 3] + "..."


def printable(text: str, most: int = 1000) -> str:
    """Parts of a file as a text for the terminal: no control characters, and cut where long."""
    plain = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text[:most])
    return plain if len(text) <= most else plain + "..."


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        doubled = next(name for name, count in counts.items() if count > 1)
        raise UnsafeFileError(f"the name {shown(doubled)} is there twice in one JSON object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise UnsafeFileError(f"{name} is no number of JSON")


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise UnsafeFileError(f"it has a number of {len(digits)} digits")
    return int(digits)


def _finite_number(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise UnsafeFileError(f"the number {shown(text)} is too large")
    return number


def _check_depth(values: dict[str, Any] | list[Any]) -> None:
    level: list[Any] = [values]
    for _ in range(DEEPEST_JSON):
        inner = [v for item in level for v in (item.values() if type(item) is dict else item)]
        level = [value for value in inner if isinstance(value, (dict, list))]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> UnsafeFileError:
    return UnsafeFileError(f"it is nested more than {DEEPEST_JSON} deep")


def file_inside(folder: Path, name: str) -> Path:
    """The file `name` of `folder`, for a name that a file gave: it may not lead anywhere else.

    Raises
    ------
    UnsafeFileError
        If it is no plain file name on every system (a separator, a drive's colon, a dot name, a
        control character), or a link that leads out of the folder.
    """
    outside = any(sign in name for sign in "/\\:") or name in ("", ".", "..")
    if outside or not name.isprintable() or len(name.encode("utf-8")) > LONGEST_NAME:
        raise UnsafeFileError(f"the name {shown(name)} is no plain file name")
    path = folder / name
    if path.is_symlink() and folder.resolve() not in path.resolve().parents:
        raise UnsafeFileError(f"{name} is a link that leads out of the folder")
    return path
