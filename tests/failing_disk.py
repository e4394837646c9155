"""A disk that fails at one operation, to be put in the place of `storage.disk`.

It counts the operations of `storage.Disk` and lets the chosen one fail in one of seven ways. What
it writes is really written, but nothing is ever flushed: what a flush promises is kept in mind, and
`cut_power` takes away from the folder what was not promised. A disk outlives the processes that die
on it: what one did not flush the next may take for safe, so `start` forgets nothing of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO

from tinyllama_np import storage


class CrashError(BaseException):
    """The end of the process. No `except Exception` sees it."""


class Kind(Enum):
    """How an operation fails."""

    ERROR = "input/output error"  # once
    FULL = "full disk"  # half of a write, then nothing that grows until there is space
    DEATH = "killed before it"  # from then on nothing happens any more
    HALF = "killed halfway"  # of a write or of the removal of a folder
    LOST = "power cut, content lost"  # killed, and what was not flushed is not in the files
    ZEROS = "power cut, zeros"  # files have their length, what was not flushed is zeros
    UNDONE = "power cut, names undone"  # content lost, and names whose folder was not flushed

    @property
    def ends_process(self) -> bool:
        """Whether it is the end of the process, not an error that the program may report."""
        return self not in (Kind.ERROR, Kind.FULL)

    @property
    def cuts_power(self) -> bool:
        """Whether what was not flushed is lost."""
        return self in (Kind.LOST, Kind.ZEROS, Kind.UNDONE)


@dataclass(frozen=True)
class Operation:
    """One call of a method of the disk."""

    name: str
    path: Path
    grows: bool  # needs space
    halves: bool  # can be done in part

    def can_fail(self, kind: Kind) -> bool:
        """Whether this kind of failure is one of its own here."""
        return {Kind.FULL: self.grows, Kind.HALF: self.halves}.get(kind, True)


@dataclass(frozen=True)
class NameChange:
    """A change to the entries of a folder that a power cut may undo."""

    number: int  # of the operation
    folder: int  # inode of the folder that must be flushed
    name: str  # create, remove, replace, rename
    path: Path
    new_path: Path | None = None
    saved: dict[str, bytes | None] | None = None  # what was at `path` (`new_path`): name -> content


class FailingDisk(storage.Disk):
    """A disk whose operation number `fail_at`, counted from 1, fails; 0: none does.

    Attributes
    ----------
    fail_at : int
    operations : list of Operation
        All that were asked for since the start, the one that failed included.
    failed : bool
        Whether the failure has happened.
    """

    def __init__(self, fail_at: int = 0, kind: Kind = Kind.ERROR) -> None:
        self._count = 0  # of operations, at all starts
        self.start(fail_at, kind)
        self._flushed: dict[int, int] = {}  # inode of a file -> bytes that are safe
        self._before_cut: dict[int, bytes] = {}  # inode -> safe content of a file since cut
        self._names: list[NameChange] = []  # not flushed, in order
        self._moves: list[NameChange] = []  # all renames of folders

    def start(self, fail_at: int = 0, kind: Kind = Kind.ERROR) -> None:
        """Another process begins, and there is space again; what was not flushed still is not."""
        self.operations: list[Operation] = []
        self.failed = False
        self.space = True
        self.fail_at, self._kind = fail_at, kind

    # ------------------------------------------------------------------------------ the operations

    def make_folder(self, folder: Path) -> None:
        with self._operation("make_folder", folder, grows=True):
            new = not folder.exists()
            super().make_folder(folder)
            if new:
                self._renamed("create", folder)

    def open(self, path: Path, mode: str) -> BinaryIO:
        new = not path.exists()
        with self._operation("open", path, grows=new):
            before = None if new else self._safe_content(path)
            stream = super().open(path, mode)
            inode = os.fstat(stream.fileno()).st_ino
            if new:
                self._flushed[inode] = 0
                self._before_cut.pop(inode, None)
                self._renamed("create", path)
            elif "w" in mode and before is not None:
                self._before_cut.setdefault(inode, before)
                self._flushed[inode] = 0
            else:
                self._flushed.setdefault(inode, path.stat().st_size)
            return stream

    def write(self, stream: BinaryIO, data: bytes) -> None:
        def half() -> None:
            stream.write(data[: len(data) // 2])

        path = Path(str(stream.name))
        with self._operation("write", path, half if data else None, grows=len(data) > 0):
            super().write(stream, data)

    def cut(self, stream: BinaryIO, length: int) -> None:
        path = Path(str(stream.name))
        with self._operation("cut", path):
            inode = os.fstat(stream.fileno()).st_ino
            self._before_cut.setdefault(inode, self._safe_content(path))
            super().cut(stream, length)
            self._flushed[inode] = min(length, self._flushed.get(inode, length))

    def flush(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        link = Path(f"/proc/self/fd/{descriptor}")  # for messages, where there is such a thing
        with self._operation("flush", Path(os.readlink(link)) if link.is_symlink() else Path()):
            if stat.S_ISDIR(status.st_mode):
                safe = [change for change in self._names if change.folder == status.st_ino]
                removed = [change for change in safe if change.name == "remove"]
                self._names = [
                    change
                    for change in self._names
                    if change.folder != status.st_ino
                    and not any(self._was_in(change, folder) for folder in removed)
                ]
            else:
                self._flushed[status.st_ino] = status.st_size
                self._before_cut.pop(status.st_ino, None)

    def replace(self, old: Path, new: Path) -> None:
        with self._operation("replace", new):
            saved = self._saved(new)
            super().replace(old, new)
            self._renamed("replace", old, new, saved)

    def rename(self, old: Path, new: Path) -> None:
        with self._operation("rename", new):
            super().rename(old, new)
            self._renamed("rename", old, new)

    def remove_file(self, path: Path) -> None:
        with self._operation("remove_file", path):
            saved = self._saved(path)
            super().remove_file(path)
            self._renamed("remove", path, saved=saved)

    def remove_tree(self, folder: Path) -> None:
        saved = self._saved(folder)

        def half() -> None:
            entries = sorted(folder.iterdir())
            for entry in entries[: (len(entries) + 1) // 2]:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

        with self._operation("remove_tree", folder, half):
            super().remove_tree(folder)
            self._renamed("remove", folder, saved=saved)

    def remove_empty_folder(self, folder: Path) -> None:
        with self._operation("remove_empty_folder", folder):
            super().remove_empty_folder(folder)
            self._renamed("remove", folder, saved={"": None})

    # ----------------------------------------------------------------------------------- failures

    @contextlib.contextmanager
    def _operation(
        self, name: str, path: Path, half: Callable[[], Any] | None = None, grows: bool = False
    ) -> Iterator[None]:
        """Count the operation and carry out what follows, or let it fail."""
        if self.failed and self._kind.ends_process:
            raise CrashError
        self.operations.append(Operation(name, path, grows, half is not None))
        self._count += 1
        if len(self.operations) == self.fail_at:
            self.failed = True
            if self._kind is Kind.ERROR:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            if self._kind is Kind.FULL:
                self.space = False
            else:
                if self._kind is Kind.HALF and half is not None:
                    half()
                raise CrashError
        if grows and not self.space:
            if half is not None:
                half()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        yield

    # ---------------------------------------------------------------------------------- power cuts

    def cut_power(self, root: Path) -> None:
        """Take from the folder `root` what was not flushed, as the kind of failure says.

        What is left is on the disk.
        """
        for path in sorted(root.rglob("*")):
            if path.is_file():
                content = self._safe_content(path)
                if content != path.read_bytes():
                    path.write_bytes(content)
        if self._kind is Kind.UNDONE:
            kept = [change for change in self._moves if change not in self._names]
            for change in reversed(self._names):
                _undo(change, [move for move in kept if move.number > change.number])
        for memory in (self._flushed, self._before_cut, self._names, self._moves):
            memory.clear()

    def _safe_content(self, path: Path) -> bytes:
        """What a power cut leaves of a file."""
        inode, content = path.stat().st_ino, path.read_bytes()
        safe = min(self._flushed.get(inode, len(content)), len(content))
        if self._kind is Kind.ZEROS:
            return content[:safe] + bytes(len(content) - safe)
        return self._before_cut.get(inode, content[:safe])

    def _saved(self, path: Path) -> dict[str, bytes | None]:
        """All that is at `path`, for the case that its removal is undone."""
        if not path.exists():
            return {}
        if path.is_file():
            return {"": self._safe_content(path)}
        inside = {
            str(p.relative_to(path)): self._safe_content(p) if p.is_file() else None
            for p in sorted(path.rglob("*"))
        }
        return {"": None, **inside}

    def _was_in(self, change: NameChange, removed: NameChange) -> bool:
        """Whether it was made to the entries of a folder that was removed after it."""
        path = change.new_path or change.path
        for move in self._moves:
            if change.number < move.number < removed.number:
                path = _moved(path, move)
        return change.number < removed.number and removed.path in path.parents

    def _renamed(
        self,
        name: str,
        path: Path,
        new_path: Path | None = None,
        saved: dict[str, bytes | None] | None = None,
    ) -> None:
        folder = (new_path or path).parent.stat().st_ino
        number = self._count
        self._names.append(NameChange(number, folder, name, path, new_path, saved))
        if name == "rename":
            self._moves.append(self._names[-1])


def _undo(change: NameChange, moves: list[NameChange]) -> None:
    """Bring back what a folder's entries were before the change.

    Later changes are undone already, but for those that were flushed, of which `moves` are the
    renames of folders.
    """
    path, new_path, saved = change.path, change.new_path, change.saved or {}
    for move in moves:
        path = _moved(path, move)
        new_path = new_path and _moved(new_path, move)
    if not (new_path or path).parent.is_dir():
        return
    if change.name == "create" and path.exists():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif new_path is not None and new_path.exists() and path.parent.is_dir():
        os.replace(new_path, path)
    for name, content in saved.items():
        place = (new_path or path) / name
        if content is None:
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(content)


def _moved(path: Path, move: NameChange) -> Path:
    """Where `path` is after a folder was renamed."""
    if move.new_path is None or not path.is_relative_to(move.path):
        return path
    return move.new_path / path.relative_to(move.path)


@contextlib.contextmanager
def installed(disk: storage.Disk) -> Iterator[None]:
    """While it lasts, all of `storage` goes through `disk`."""
    before, storage.disk = storage.disk, disk
    try:
        yield
    finally:
        storage.disk = before
