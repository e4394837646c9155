"""Who works in a folder: asked without touching its lock, which a starting study may be taking."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tinyllama_np.safe_files import UnsafeFileError, check_regular
from tinyllama_np.storage import LOCK_FILE

_SYSTEM_LOCKS = Path("/proc/locks")  # Linux's list of all locks on files


def owner(folder: Path) -> str | None:
    """The process that holds the folder's lock (see `storage.sole_owner`), None if none does.

    A process on another machine that shares the disk may not be seen.
    """
    path = folder / LOCK_FILE
    try:
        check_regular(path)
        with open(path, encoding="utf-8", errors="replace") as stream:
            recorded = stream.read(100).strip()
            try:
                held = _is_listed(os.fstat(stream.fileno()), recorded)
            except OSError:  # a system without such a list
                held = not _can_share(stream.fileno())
    except (OSError, UnsafeFileError):
        return None
    return (recorded or "another process") if held else None


def _is_listed(status: os.stat_result, recorded: str) -> bool:
    """Whether the system lists a lock on the file, in a line such as

        1: FLOCK  ADVISORY  WRITE 4711 fe:00:2212833 0 EOF

    with process, device and inode. Layered file systems (those of containers) have another device
    there than in the file's status; then the process must be the one that the file names. (A line
    of a process that waits has an arrow before FLOCK, and so no inode at this place.)
    """
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for line in _SYSTEM_LOCKS.read_text(encoding="ascii", errors="replace").splitlines():
        fields = line.split()
        if len(fields) < 6:
            continue
        process, (listed, _, inode) = fields[4], fields[5].rpartition(":")
        named = f"{recorded} ".startswith(f"process {process} ")
        if inode == str(status.st_ino) and (listed == device or named):
            return True
    return False


def _can_share(descriptor: int) -> bool:
    """Whether nobody holds the lock, by taking a part in it for a moment."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError:
        return False
    return True
