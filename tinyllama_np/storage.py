"""The one seam to the disk: every file that a run writes passes through here.

A file either has its old content or its new one, never a part: new content goes to a temporary
file beside the old one, is flushed to the disk, and takes the old one's name in one step.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

TEMPORARY_SUFFIX = ".partial"
LOCK_FILE = ".lock"  # in a folder that one process at a time may work in


class Disk:
    """Every kind of change to the disk, a method each.

    All of this file, and so all that a run writes, goes through one object of this class: a test
    puts another in its place and lets any single operation fail.
    """

    def make_folder(self, folder: Path) -> None:
        """Make a folder in one that is there; it may have been made meanwhile."""
        folder.mkdir(exist_ok=True)

    def open(self, path: Path, mode: str) -> BinaryIO:
        """Open a file to write to it, which makes the file; nothing is held back in a buffer."""
        return cast(BinaryIO, open(path, mode, buffering=0))

    def write(self, stream: BinaryIO, data: bytes) -> None:
        """Write all of `data`."""
        rest = memoryview(data)
        while rest:  # a disk that fills up takes a part and reports it at the next call
            rest = rest[stream.write(rest) :]

    def cut(self, stream: BinaryIO, length: int) -> None:
        """Keep the first `length` bytes of an open file."""
        stream.truncate(length)

    def flush(self, descriptor: int) -> None:
        """Ask the system to put a file or a folder on the disk."""
        os.fsync(descriptor)

    def replace(self, old: Path, new: Path) -> None:
        """Give a file another name, in one step; a file of that name is replaced."""
        os.replace(old, new)

    def rename(self, old: Path, new: Path) -> None:
        """Give a folder another name, in one step."""
        os.rename(old, new)

    def remove_file(self, path: Path) -> None:
        """Remove a file, if it is there."""
        path.unlink(missing_ok=True)

    def remove_tree(self, folder: Path) -> None:
        """Remove a folder and all that is in it."""
        shutil.rmtree(folder)

    def remove_empty_folder(self, folder: Path) -> None:
        """Remove a folder that holds nothing."""
        folder.rmdir()


disk = Disk()


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, where they are missing, and put their names on the disk.

    Without the names a power cut could take away with them whatever was flushed inside.
    """
    if not folder.is_dir():
        keep_folder(folder)


def keep_folder(folder: Path) -> None:
    """`make_folder` at the beginning of a work, where the folder may be there without its name.

    A process may have been killed between the making of a folder and the flush of its name, and
    whoever finds the folder would never flush it. Folders are made one by one, each flushed before
    the next: so it is the lowest one found whose name is in doubt, and no other.
    """
    folder = Path(os.path.realpath(folder))  # a link may lead to a folder that is not there yet
    missing = [place for place in (folder, *folder.parents) if not place.is_dir()]
    lowest = missing[-1].parent if missing else folder
    with contextlib.suppress(PermissionError):  # somebody else made that one
        flush_folder(lowest.parent)
    for place in reversed(missing):
        disk.make_folder(place)
        flush_folder(place.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the file `path` by `data` so that a crash leaves the old or the new content."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with disk.open(temporary, "wb") as stream:
            disk.write(stream, data)
            disk.flush(stream.fileno())
        disk.replace(temporary, path)
    finally:
        if temporary.exists():
            disk.remove_file(temporary)  # a disk that is full does not stay so for this
    flush_folder(path.parent)


def write_file(path: Path, data: bytes) -> None:
    """Write a file of a temporary folder, which `publish_folder` puts on the disk as a whole."""
    with disk.open(path, "wb") as stream:
        disk.write(stream, data)


def write_text_atomic(path: Path, text: str) -> None:
    """`write_atomic` of UTF-8 text, line ends as given."""
    write_atomic(path, text.encode("utf-8"))


def append_text(path: Path, text: str) -> None:
    """Add UTF-8 `text` to the end of the file `path`, made with its folder if it is not there."""
    append_bytes(path, text.encode("utf-8"))


def append_bytes(path: Path, data: bytes) -> None:
    """Add `data` to the end of the file `path`, made with its folder if it is not there."""
    make_folder(path.parent)
    if path.exists() and not path.is_file():  # a pipe that nobody reads would be waited for
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    with disk.open(path, "ab") as stream:
        disk.write(stream, data)


def cut_file(path: Path, length: int) -> None:
    """Keep the first `length` bytes of the file."""
    with disk.open(path, "r+b") as stream:
        disk.cut(stream, length)


def publish_file(temporary: Path, final: Path) -> None:
    """Give a finished file its name in one step; a file of that name is replaced."""
    flush_file(temporary)
    disk.replace(temporary, final)
    flush_folder(final.parent)


def flush_file(path: Path) -> None:
    """Ask the system to put the file's content on the disk."""
    with open(path, "r+b") as stream:  # Windows flushes only what is open for writing
        disk.flush(stream.fileno())


def flush_folder(folder: Path) -> None:
    """Put a folder's entries (new names) on the disk, where system and file system know how to."""
    if os.name == "nt":  # Windows cannot open a folder for this
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        disk.flush(descriptor)
    except OSError as error:  # some file systems of a network cannot do it for folders
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def publish_folder(temporary: Path, final: Path) -> None:
    """Give a finished folder its name in one step; a folder of that name is replaced."""
    for file in sorted(temporary.iterdir()):
        flush_file(file)
    flush_folder(temporary)
    doomed = _doomed(final)
    replaces = final.exists()
    if replaces:
        disk.rename(final, doomed)
    move_folder(temporary, final)
    if replaces:
        remove_tree(doomed)


def move_folder(old: Path, new: Path) -> None:
    """Give a folder another name, in one step."""
    disk.rename(old, new)
    flush_folder(new.parent)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there."""
    if path.exists():
        disk.remove_file(path)


def remove_tree(folder: Path) -> None:
    """Remove a folder and what is in it, as it comes; `remove_folder` is for what others read.

    It is gone for good: what a power cut brings back of a run that has ended, none would remove.
    """
    if folder.exists():
        disk.remove_tree(folder)
        flush_folder(folder.parent)


def remove_empty_folder(folder: Path) -> None:
    """Remove a folder that holds nothing.

    Raises
    ------
    OSError
        If it holds something or is not there.
    """
    disk.remove_empty_folder(folder)


def remove_folder(folder: Path) -> None:
    """Remove a folder and what is in it; its name goes first, so that none sees a part of it."""
    doomed = _doomed(folder)
    disk.rename(folder, doomed)
    remove_tree(doomed)


def _doomed(folder: Path) -> Path:
    """The name of a folder on its way out, which `remove_leftovers` knows."""
    return folder.with_name(f".{folder.name}.{os.getpid()}{TEMPORARY_SUFFIX}")


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that a killed process left in `folder`.

    The names that it changed last, and was killed before it flushed them, are flushed too.
    """
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.name.startswith(".") and entry.name.endswith(TEMPORARY_SUFFIX):
            disk.remove_tree(entry) if entry.is_dir() else disk.remove_file(entry)
    flush_folder(folder)


class FolderInUseError(ValueError):
    """Another process works in the folder."""


@contextlib.contextmanager
def sole_owner(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """While it lasts no other process gets the same folder.

    The system gives the lock back when the process ends, however it ends.

    Parameters
    ----------
    folder : Path
    patience : float
        Seconds to wait for the owner to end: a worker outlives its killed parent for a moment.

    Raises
    ------
    FolderInUseError
        If another process has it; the message names that process, its host and since when.
    OSError
        If the folder cannot be written to, or its file system has no locks.
    """
    path = folder / LOCK_FILE
    with disk.open(path, "a+b") as stream:
        given_up = time.monotonic() + patience
        while not _lock(stream.fileno(), path):
            if time.monotonic() >= given_up:
                owner = path.read_bytes().decode("utf-8", errors="replace").strip()
                raise FolderInUseError(
                    f"folder {folder} is in use by {owner or 'another process'}; "
                    "wait for it, or name another folder"
                )
            time.sleep(0.05)
        if not path.exists() or not os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            raise FolderInUseError(f"folder {folder} was moved by another process just now")
        since = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        with contextlib.suppress(OSError):  # a full disk: the lock holds, only its text is missing
            disk.cut(stream, 0)
            disk.write(
                stream, f"process {os.getpid()} on {socket.gethostname()} since {since}".encode()
            )
        yield


def _lock(descriptor: int, path: Path) -> bool:
    """Whether the lock is ours now; False while another has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # a byte far behind the text, which others may then still read
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
            return False
        reason = f"{error.strerror}: this file system has no locks; name a folder on another"
        raise OSError(error.errno, reason, str(path)) from None
    return True


def sha256_bytes(data: bytes | bytearray | memoryview) -> str:
    """Hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's content, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
