"""The one seam to the disk: every file that a run writes passes through here.

A file either has its old content or its new one, never a part: new content goes to a temporary
file beside the old one, is flushed to the disk, and takes the old one's name in one step.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

TEMPORARY_SUFFIX = ".partial"


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file `path` by `data` so that a crash leaves the old or the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with open(temporary, "wb") as stream:
            _write(stream, data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)  # a disk that is full does not stay so for this
    flush_folder(path.parent)


def write_text_atomic(path: Path, text: str) -> None:
    """`write_atomic` of UTF-8 text, line ends as given."""
    write_atomic(path, text.encode("utf-8"))


def append_text(path: Path, text: str) -> None:
    """Add UTF-8 `text` to the end of the file `path`, made with its folder if it is not there."""
    append_bytes(path, text.encode("utf-8"))


def append_bytes(path: Path, data: bytes) -> None:
    """Add `data` to the end of the file `path`, made with its folder if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab") as stream:
        _write(stream, data)


def cut_file(path: Path, length: int) -> None:
    """Keep the first `length` bytes of the file."""
    with open(path, "r+b") as stream:
        stream.truncate(length)


def publish_file(temporary: Path, final: Path) -> None:
    """Give a finished file its name in one step; a file of that name is replaced."""
    flush_file(temporary)
    os.replace(temporary, final)
    flush_folder(final.parent)


def _write(stream: BinaryIO, data: bytes) -> None:
    """Every byte that is written goes through here: where a test lets the disk be full."""
    stream.write(data)


def flush_file(path: Path) -> None:
    """Ask the system to put the file's content on the disk."""
    with open(path, "r+b") as stream:  # Windows flushes only what is open for writing
        os.fsync(stream.fileno())


def flush_folder(folder: Path) -> None:
    """Put a folder's entries (new names) on the disk, where the system knows how to."""
    if os.name == "nt":  # Windows cannot open a folder for this
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_folder(temporary: Path, final: Path) -> None:
    """Give a finished folder its name in one step; a folder of that name is replaced."""
    for file in sorted(temporary.iterdir()):
        flush_file(file)
    flush_folder(temporary)
    if final.exists():
        remove_folder(final)
    os.rename(temporary, final)
    flush_folder(final.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder and what is in it; its name goes first, so that none sees a part of it."""
    doomed = folder.with_name(f".{folder.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    os.rename(folder, doomed)
    shutil.rmtree(doomed)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that a killed process left in `folder`."""
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name.startswith(".") and entry.name.endswith(TEMPORARY_SUFFIX):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


class FolderInUseError(ValueError):
    """Another process works in the folder."""


@contextlib.contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """While it lasts no other process gets the same folder.

    The system gives the lock back when the process ends, however it ends.

    Raises
    ------
    FolderInUseError
        If another process has it; the message names that process.
    """
    path = folder / ".lock"
    with open(path, "a+", encoding="utf-8") as stream:
        if not _lock(stream.fileno()):
            stream.seek(0)
            owner = stream.read().strip() or "another process"
            raise FolderInUseError(
                f"folder {folder} is in use by {owner}; wait for it, or name another folder"
            )
        stream.truncate(0)
        stream.write(f"process {os.getpid()}")
        stream.flush()
        yield


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            # a byte far behind the text, which others may then still read
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's content, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
