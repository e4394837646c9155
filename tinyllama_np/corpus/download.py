"""One file from one address, continued where it broke off.

The bytes go to `FILE.part`; beside it, `FILE.part.json` says what they belong to. A part is
continued only if the server still has the same file: the SHA-256 that it announces is the one in
the record, or, where it announces none, the strong ETag is (asked for with `If-Range`, RFC 9110
section 13.1.5). Otherwise the download starts anew.

Nothing in here knows sizes or hashes of particular files: both are what the server announces.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from tinyllama_np.corpus import web
from tinyllama_np.corpus.announced import (
    ADVICE,
    Announced,
    announcement,
    linked_sha256,
    same_file,
    strong_etag,
)
from tinyllama_np.corpus.web import Answer, FetchError, Login, TemporaryError
from tinyllama_np.storage import (
    append_bytes,
    flush_file,
    remove_file,
    sha256_file,
    write_text_atomic,
)

PIECE = 1 << 18  # bytes asked of the socket at once
T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to try again.

    Attributes
    ----------
    attempts : int
        Attempts in a row without progress before the download fails.
    progress_bytes : int
        Bytes that count as progress; an attempt that starts anew counts beyond the best before it.
    first_wait, longest_wait : float
        Seconds; the wait doubles after each attempt without progress. A server that asks for more
        than `longest_wait` ends the download.
    timeout : float
        Seconds without a byte after which a connection counts as broken.
    sleep : callable
        Waits that many seconds.
    """

    attempts: int = 6
    progress_bytes: int = 1 << 20
    first_wait: float = 1.0
    longest_wait: float = 300.0
    timeout: float = 60.0
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Source:
    """An address without credentials, the commit it belongs to if known, and the login."""

    url: str
    revision: str | None = None
    login: Login | None = None


def part_of(path: Path) -> Path:
    """Where the beginning of `path` is kept until the whole is there."""
    return path.with_name(f"{path.name}.part")


def discard(part: Path) -> None:
    """Remove a part and its record."""
    remove_file(record_of(part))  # first: a part without record is never continued
    remove_file(part)


def record_of(part: Path) -> Path:
    """The file that says what a part belongs to."""
    return part.with_name(f"{part.name}.json")


def receive(
    source: Source,
    path: Path,
    *,
    patience: Patience,
    say: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> tuple[Announced, str]:
    """Bring the whole file to `part_of(path)`, checked and on the disk, ready to be renamed.

    Parameters
    ----------
    source : Source
    path : Path
        The final name; its folder exists. The file of that name is not touched.
    patience : Patience
    say : callable
        Gets a line when something had to be tried again.
    progress : callable
        Gets the bytes that are there and those of the whole file.

    Returns
    -------
    announced : Announced
    sha256 : str
        Of the bytes on the disk.

    Raises
    ------
    FetchError
        The server does not give the file, or gives another than it announces; or the disk fails.
        What arrived is kept unless it is wrong.
    """
    part = part_of(path)
    try:
        if _continuable(source, part) is None:
            discard(part)
        announced = persist(
            lambda: _attempt(source, part, patience.timeout, progress),
            patience,
            say,
            lambda: _size(part),
        )
        return announced, _verify(part, announced)
    except OSError as error:
        raise FetchError(
            f"{error.filename or part}: {error.strerror or error}; {_size(part):,} bytes are kept: "
            "set the disk right and give the same command again to continue"
        ) from None


def persist(
    attempt: Callable[[], T],
    patience: Patience,
    say: Callable[[str], None],
    position: Callable[[], int] = lambda: 0,
) -> T:
    """Call `attempt` until it succeeds, as long as `patience` allows.

    Raises
    ------
    FetchError
        After `patience.attempts` in a row that failed without moving `position()` on.
    """
    failures, best = 0, position()
    while True:
        try:
            return attempt()
        except TemporaryError as error:
            here = position()
            failures = 1 if here >= best + patience.progress_bytes else failures + 1
            best = max(best, here)
            if failures >= patience.attempts:
                raise FetchError(
                    f"{error}; gave up after {failures} attempts without progress: give the same "
                    "command again later, it continues"
                ) from None
            wait = min(patience.first_wait * 2 ** (failures - 1), patience.longest_wait)
            if error.retry_after is not None:
                wait = error.retry_after
            if wait > patience.longest_wait:
                raise FetchError(
                    f"{error} and wants {wait:.0f} s of waiting: give the same command again then"
                ) from None
            say(f"{error}; trying again in {wait:g} s")
        patience.sleep(wait)


def _attempt(
    source: Source, part: Path, timeout: float, progress: Callable[[int, int], None]
) -> Announced:
    """One request and its body; returns when the part is complete."""
    record = _continuable(source, part)
    offset = _size(part) if record else 0
    headers = {}
    if record and offset:
        headers["Range"] = f"bytes={offset}-"
        # With a hash the content is what counts, and a content network may name it anew each time.
        if record.sha256 is None and record.etag is not None:
            headers["If-Range"] = record.etag
    with web.request(source.url, headers=headers, login=source.login, timeout=timeout) as answer:
        if answer.status == 416:
            return _nothing_left(answer, record, offset, part)
        announced = announcement(source.url, source.revision, answer)
        if answer.status == 206:
            start = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range") or "")
            if (
                not record
                or not start
                or int(start[1]) != offset
                or not same_file(record, announced)
            ):
                discard(part)
                raise TemporaryError(f"{answer.host} has another file than before: starting anew")
        else:
            offset = 0
            discard(part)
        _check_room(part, announced.bytes - offset)
        if not offset:
            append_bytes(part, b"")
            write_text_atomic(record_of(part), json.dumps(asdict(announced), indent=2) + "\n")
        _copy(answer, part, offset, announced.bytes, timeout, progress)
    return announced


def _nothing_left(answer: Answer, record: Announced | None, offset: int, part: Path) -> Announced:
    """What 416, "no such range", means: the part is complete, or it is not a part of this file."""
    total = re.fullmatch(r"bytes \*/(\d+)", answer.headers.get("Content-Range") or "")
    if record and offset == record.bytes and (total is None or int(total[1]) == offset):
        sha256, etag = linked_sha256(answer), strong_etag(answer)
        if sha256 == record.sha256 if sha256 or record.sha256 else etag and etag == record.etag:
            return record
    discard(part)
    raise TemporaryError(f"{answer.host} has no bytes after the first {offset:,}: starting anew")


def _copy(
    answer: Answer,
    part: Path,
    offset: int,
    size: int,
    timeout: float,
    progress: Callable[[int, int], None],
) -> None:
    progress(offset, size)
    while offset < size:
        piece = web.read_some(answer.stream, min(PIECE, size - offset), timeout)
        if not piece:
            raise TemporaryError(f"the connection ended after {offset:,} of {size:,} bytes")
        append_bytes(part, piece)
        offset += len(piece)
        progress(offset, size)
    if "Content-Length" not in answer.headers and web.read_some(answer.stream, 1, timeout):
        discard(part)
        raise FetchError(f"{answer.host} sends more than the {size:,} bytes it announces: {ADVICE}")


def _continuable(source: Source, part: Path) -> Announced | None:
    """The part's record, if there is a part that may be of this file."""
    try:
        with open(record_of(part), encoding="utf-8") as stream:
            record = Announced(**json.loads(stream.read(1 << 16)))
    except (OSError, ValueError, TypeError):
        return None
    texts = (record.url, record.sha256 or "", record.etag or "")
    sound = isinstance(record.bytes, int) and all(isinstance(text, str) for text in texts)
    if not sound or not 0 < _size(part) <= record.bytes:
        return None
    if record.sha256 is None and (record.etag is None or record.url != source.url):
        return None
    return record


def _check_room(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise FetchError(
            f"{part.parent} has {free / 1e6:,.1f} MB free and {needed / 1e6:,.1f} MB are still to "
            "come: make room, or name another folder with --out"
        )


def _verify(part: Path, announced: Announced) -> str:
    """Compare what is on the disk with what was announced; returns its SHA-256."""
    flush_file(part)
    with open(part, "rb") as stream:
        beginning = stream.read(64).lstrip().lower()
    problem = None
    if _size(part) != announced.bytes:
        problem = f"{_size(part):,} bytes arrived where {announced.bytes:,} were announced"
    elif beginning.startswith((b"<!doctype", b"<html", b"<?xml")):
        problem = "what arrived is a web page, not the text"
    elif beginning.startswith(b"version https://git-lfs"):
        problem = "what arrived is a Git LFS pointer, not the text it stands for"
    sha256 = sha256_file(part)
    if problem is None and announced.sha256 not in (None, sha256):
        problem = f"its SHA-256 is {sha256} where {announced.sha256} was announced"
    if problem is not None:
        discard(part)
        raise FetchError(f"{announced.url}: {problem}; it is discarded: {ADVICE}")
    return sha256


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
