"""What a server's headers say about a file: length, SHA-256, ETag and commit.

Hugging Face names the last three in the redirect to its content network: `X-Linked-Size`,
`X-Linked-Etag` (the SHA-256 of a file that is kept in Git LFS) and `X-Repo-Commit`. A plain web
server says `Content-Length` and, mostly, `ETag`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tinyllama_np.corpus import web
from tinyllama_np.corpus.web import Answer, FetchError, Login

COMMIT_NAME = re.compile(r"[0-9a-f]{40}")
# What a web page or an error message is sent as; a text may come as almost anything else.
PAGE_TYPES = (
    "text/html",
    "application/xhtml+xml",
    "application/json",
    "application/xml",
    "text/xml",
)
ADVICE = "give the command again later, or try another --url"


@dataclass(frozen=True)
class Announced:
    """What a server says about a file; a part's record holds the same.

    `sha256` and `etag` are None where it says nothing that can be relied on.
    """

    url: str
    revision: str | None
    bytes: int
    sha256: str | None
    etag: str | None


def announcement(url: str, revision: str | None, answer: Answer) -> Announced:
    """What the headers say about the file, refused where it cannot be the file.

    The final ETag is never taken for a hash: on Hugging Face's content network it is one of another
    kind that also has 64 digits. Only `X-Linked-Etag` is the SHA-256 (of files kept in Git LFS).
    """
    host, headers = answer.host, answer.headers
    kind = (headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if kind in PAGE_TYPES:
        raise FetchError(
            f"{host} sends a page ({kind}) instead of the text: check --url, and whether a proxy "
            "or a network's log-in page answers in its place"
        )
    if (headers.get("Content-Encoding") or "identity").strip().lower() != "identity":
        raise FetchError(
            f"{host} sends the text compressed although not asked to: try another --url"
        )
    commit = named_commit(answer)
    if revision and commit and commit != revision:
        raise FetchError(f"{host} gives revision {commit} where {revision} was asked for: {ADVICE}")
    stated = headers.get("Content-Length")
    if answer.status == 206:
        stated = (headers.get("Content-Range") or "").rpartition("/")[2]
    numbers = (_number(stated), _number(answer.announced.get(web.LINKED_SIZE)))
    sizes = {number for number in numbers if number is not None}
    if not sizes:
        raise FetchError(f"{host} does not say how long the file is: try another --url")
    if sizes == {0}:
        raise FetchError(f"{host} has an empty file: {ADVICE}")
    if len(sizes) == 2:
        raise FetchError(
            f"{host} announces {max(sizes):,} and {min(sizes):,} bytes for one file: {ADVICE}"
        )
    return Announced(
        url=url,
        revision=revision or commit,
        bytes=sizes.pop(),
        sha256=linked_sha256(answer),
        etag=strong_etag(answer),
    )


def commit_of(url: str, login: Login | None, timeout: float) -> str | None:
    """The commit that a branch or tag stands for, where the server says so."""
    with web.request(url, method="HEAD", login=login, timeout=timeout) as answer:
        return named_commit(answer)


def named_commit(answer: Answer) -> str | None:
    """The commit that the answer belongs to, if it names one."""
    commit = answer.announced.get(web.COMMIT, "").strip().lower()
    return commit if COMMIT_NAME.fullmatch(commit) else None


def _number(text: str | None) -> int | None:
    return int(text) if text and re.fullmatch(r"[0-9]{1,15}", text.strip()) else None


def linked_sha256(answer: Answer) -> str | None:
    """The announced SHA-256; files outside Git LFS have a tag of 40 digits, which is none."""
    tag = answer.announced.get(web.LINKED_ETAG, "").strip().removeprefix("W/").strip('"').lower()
    return tag if re.fullmatch(r"[0-9a-f]{64}", tag) else None


def strong_etag(answer: Answer) -> str | None:
    """The entity tag, if equal tags mean equal bytes (RFC 9110 section 8.8.1: not `W/"…"`)."""
    tag = (answer.headers.get("ETag") or "").strip()
    return tag if re.fullmatch(r'"[!#-~]{1,200}"', tag) else None


def same_file(record: Announced, announced: Announced) -> bool:
    """Whether the server has the file that a part was begun from."""
    if record.bytes != announced.bytes:
        return False
    if record.sha256 or announced.sha256:
        return record.sha256 == announced.sha256
    return record.etag is not None and record.etag == announced.etag
