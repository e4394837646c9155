"""Files of an analysis, each written as a whole; and what the system refuses, in one line."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_TO_DO = {
    errno.ENOSPC: "make room and analyse again",
    errno.EDQUOT: "make room and analyse again",
    errno.EACCES: "change its permissions, or name another folder, such as a copy",
    errno.EPERM: "change its permissions, or name another folder, such as a copy",
    errno.EROFS: "make it writable, or name another folder, such as a copy",
    errno.EISDIR: "a folder is where a file has to be: rename or remove it",
    errno.ENOTDIR: "a file is where a folder has to be: rename or remove it",
    errno.EEXIST: "a file is where a folder has to be: rename or remove it",
}


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8 text, line ends as given."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Replace `path` as a whole: no reader finds half a file, nor does anybody after a power cut.

    What is written later is on the disk later: where the report is there, so are its tables.

    Raises
    ------
    OSError
        Names `path` and not the temporary file beside it, or the folder that cannot be made.
    """
    with _named(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with _named(path):
        try:
            with open(partial, "wb") as file:
                file.write(content)
                file.flush()
                flush(file.fileno())
            os.replace(partial, path)
        finally:
            with contextlib.suppress(OSError):  # what was in its way is told of already
                partial.unlink(missing_ok=True)  # after Ctrl-C, or on a full disk
        _flush_folder(path.parent)


def flush(descriptor: int) -> None:
    """Ask the system to put a file or a folder on the disk."""
    os.fsync(descriptor)


def _flush_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where system and file system know how to."""
    if os.name == "nt":  # Windows cannot open a folder for this
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        flush(descriptor)
    except OSError as error:  # some file systems of a network cannot do it for folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Let an error of the system name `path`."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def explain(error: OSError) -> str:
    """The line that tells a user of `error`: where, why, what to do."""
    reason = error.strerror or str(error)
    to_do = _TO_DO.get(error.errno or 0, "")
    line = f"{error.filename}: {reason}" if error.filename else reason
    return f"{line}; {to_do}" if to_do else line
