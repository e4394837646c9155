"""A file appears whole or not at all, and is read whole only if it is not too large."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replaced(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` at the end; a reader finds the old or the new.

    A device or pipe is written as it comes: to rename a file onto /dev/null would replace it.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_bounded(path: Path, largest: int) -> bytes:
    """The content of a file of at most `largest` bytes; a pipe is read as it comes.

    Raises
    ------
    ValueError
        If it is larger.
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        too_large = path.is_file() and os.fstat(file.fileno()).st_size > largest
        data = b"" if too_large else file.read(largest + 1)
    if too_large or len(data) > largest:
        raise ValueError(f"the file has more than {largest:,} bytes, which no vocabulary needs")
    return data
