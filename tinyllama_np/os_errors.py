"""What the system refuses, said in one line: where, why, and what to do."""

from __future__ import annotations

import errno

_TO_DO = {
    errno.ENOSPC: "make room and give the same command again to continue",
    errno.EDQUOT: "make room and give the same command again to continue",
    errno.EFBIG: "raise the limit on a file's size and give the same command again to continue",
    errno.EACCES: "change its permissions, or name another folder",
    errno.EPERM: "change its permissions, or name another folder",
    errno.EROFS: "make it writable, or name another folder",
    errno.ENOTDIR: "a part of this path is a file: name another folder",
    errno.EISDIR: "a folder is where a file has to be: rename or remove it",
    errno.EEXIST: "a file is where a folder has to be: name another folder",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.ENOENT: "was it moved or removed meanwhile?",
    errno.EIO: "check the disk; give the same command again to continue",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or take fewer --jobs",
}


def explain(error: OSError, place: object = "") -> str:
    """The line that tells a user of `error`.

    Parameters
    ----------
    error : OSError
    place : object
        What is named if the error does not know its file.
    """
    where = str(error.filename or place)
    reason = error.strerror or str(error)
    to_do = _TO_DO.get(error.errno or 0, "")
    line = ": ".join(part for part in (where, reason) if part)
    return f"{line}; {to_do}" if to_do else line
