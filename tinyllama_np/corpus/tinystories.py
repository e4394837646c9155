"""The public TinyStories texts: which files there are, and a folder that holds them.

TinyStories (Eldan & Li 2023, arXiv:2305.07759) is the Hugging Face dataset roneneldan/TinyStories.
A branch of it can change, a commit cannot. So the commit that the branch stands for is asked for
first, the files are downloaded by that commit, and `fetch.json` records it with the size and the
SHA-256 of what arrived.
"""

from __future__ import annotations

import json
import os
import re
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tinyllama_np.corpus import download
from tinyllama_np.corpus.announced import COMMIT_NAME, commit_of
from tinyllama_np.corpus.download import Patience, Source
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.corpus.web import FetchError, Login, origin, split_login
from tinyllama_np.storage import (
    LOCK_FILE,
    append_bytes,
    make_folder,
    publish_file,
    sha256_file,
    sole_owner,
    write_text_atomic,
)

DEFAULT_URL = "https://huggingface.co/datasets/roneneldan/TinyStories/resolve/{revision}"
DEFAULT_REVISION = "main"
# V2 holds stories written by GPT-4 alone; the first version also those of GPT-3.5.
FILES = {
    "train": "TinyStoriesV2-GPT4-train.txt",
    "valid": "TinyStoriesV2-GPT4-valid.txt",
    "train-v1": "TinyStories-train.txt",
    "valid-v1": "TinyStories-valid.txt",
}
RECORD = "fetch.json"
UNHURRIED = Patience()


@dataclass(frozen=True)
class FetchedFile:
    """A file in the folder, as `fetch.json` records it.

    Attributes
    ----------
    url : str
        The address it came from, without credentials; `{revision}` where the commit stands.
    revision : str or None
        The commit, or None where the server names none.
    bytes : int
    sha256 : str
        Of the bytes on the disk.
    sha256_announced : bool
        Whether the server announced this hash, so that it says more than what arrived.
    """

    url: str
    revision: str | None
    bytes: int
    sha256: str
    sha256_announced: bool


def fetch(
    names: Sequence[str],
    folder: Path,
    *,
    url: str = DEFAULT_URL,
    revision: str | None = None,
    force: bool = False,
    token: str | None = None,
    patience: Patience = UNHURRIED,
    say: Callable[[str], None] = lambda line: None,
    progress: Callable[[str, int, int], None] = lambda file, done, total: None,
) -> dict[str, FetchedFile]:
    """Download the files `names` of FILES into `folder`; those that are there are only checked.

    Parameters
    ----------
    names : sequence of str
        Keys of FILES.
    folder : Path
    url : str
        The address of a folder of the files, with `{revision}` where it names a commit. User and
        password in it are sent to its server and to no other, and recorded nowhere.
    revision : str, optional
        Branch, tag or commit; by default that of the files that are there, else "main".
    force : bool
        Replace a file that is there and is not the one asked for.
    token : str, optional
        Hugging Face access token, sent with DEFAULT_URL only.
    patience : Patience
    say : callable
        Gets a line of progress.
    progress : callable
        Gets the file's name, the bytes that are there and those of the whole file.

    Returns
    -------
    dict of str to FetchedFile
        By name of FILES, in the order of `names`.

    Raises
    ------
    CorpusError
        A wrong argument, or a file in the way; nothing is written.
    FetchError
        A download that failed; what arrived is kept where it can be continued.
    """
    unknown = [name for name in names if name not in FILES]
    if unknown or not names or len(set(names)) != len(names):
        raise CorpusError(
            f"files {','.join(names)!r}: expected some of {', '.join(FILES)}, each once"
        )
    address, login = _address(url, token)
    pinned = "{revision}" in address
    _check_revision(revision, pinned)
    _check_folder(folder)
    record = _read_record(folder, force)
    if pinned and revision is None:
        revision = _revision_of(record, address)
    commit = revision if revision and COMMIT_NAME.fullmatch(revision) else None
    there = _files_there(names, folder, record, commit, force, say)
    missing = [name for name in names if name not in there]
    if missing:
        if pinned and commit is None:
            at = _file_url(address, revision or DEFAULT_REVISION, FILES[missing[0]])
            commit = download.persist(lambda: commit_of(at, login, patience.timeout), patience, say)
            if commit is None:
                say("the server names no commit: the files are recorded without a revision")
        _make_folder(folder)
        with sole_owner(folder):
            for name in missing:
                file = FILES[name]
                at = _file_url(address, commit or revision or DEFAULT_REVISION, file)
                there[name] = _fetch_file(
                    Source(at, commit, login),
                    address,
                    folder / file,
                    patience,
                    say,
                    lambda done, total, file=file: progress(file, done, total),  # type: ignore[misc]
                )
    return {name: there[name] for name in names}


def _fetch_file(
    source: Source,
    address: str,
    path: Path,
    patience: Patience,
    say: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> FetchedFile:
    announced, sha256 = download.receive(
        source, path, patience=patience, say=say, progress=progress
    )
    fetched = FetchedFile(
        address, announced.revision, announced.bytes, sha256, announced.sha256 is not None
    )
    record = _read_record(path.parent, ignore_damage=True)
    record[path.name] = fetched
    part = download.part_of(path)
    try:
        # The record first: if the power fails in between, the next call finds the part complete.
        _write_record(path.parent, record)
        publish_file(part, path)
        download.discard(part)
    except OSError as error:
        raise FetchError(f"{path}: {error.strerror or error}; {part.name} holds the text") from None
    return fetched


def _address(url: str, token: str | None) -> tuple[str, Login | None]:
    address, login = split_login(url)
    if token and url == DEFAULT_URL:
        if not re.fullmatch(r"[!-~]+", token.strip()):
            raise CorpusError("HF_TOKEN is no token: expected letters, digits and signs, no spaces")
        login = Login(origin(address), f"Bearer {token.strip()}")
    return address, login


def _check_revision(revision: str | None, pinned: bool) -> None:
    if revision is None:
        return
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", revision) or ".." in revision:
        raise CorpusError(f"--revision {revision!r}: expected a branch, a tag or a commit")
    if not pinned:
        raise CorpusError(
            f"--revision {revision!r} has no place in --url: write {{revision}} where it belongs"
        )


def _file_url(address: str, revision: str, file: str) -> str:
    quoted = urllib.parse.quote(revision, safe="")  # refs/pr/1 is one segment of the path
    return f"{address.replace('{revision}', quoted)}/{file}"


def _revision_of(record: dict[str, FetchedFile], address: str) -> str | None:
    """The one commit that the folder's other files have, so that all are of one."""
    commits = {entry.revision for entry in record.values() if entry.url == address}
    return commits.pop() if len(commits) == 1 else None


def _files_there(
    names: Sequence[str],
    folder: Path,
    record: dict[str, FetchedFile],
    commit: str | None,
    force: bool,
    say: Callable[[str], None],
) -> dict[str, FetchedFile]:
    """The files that need no download; raises where another file has a name that is needed."""
    there = {}
    for name in names:
        path, entry = folder / FILES[name], record.get(FILES[name])
        if not os.path.lexists(path):
            continue
        if not path.is_file():
            raise CorpusError(
                f"{path} is not a file: move it away, or name another folder with --out"
            )
        if entry is None:
            problem = f"is not recorded in {RECORD}"
        elif path.stat().st_size != entry.bytes or sha256_file(path) != entry.sha256:
            problem = f"is not what {RECORD} records: it was changed or damaged"
        elif commit is not None and entry.revision != commit:
            problem = f"is of revision {entry.revision}, not {commit}"
        else:
            there[name] = entry
            say(f"{path} is there, with the recorded SHA-256")
            continue
        if not force:
            raise CorpusError(f"{path} {problem}; --force replaces it, --out names another folder")
    return there


def _check_folder(folder: Path) -> None:
    for place in (folder, *folder.parents):
        if os.path.lexists(place):
            if not place.is_dir():
                raise CorpusError(f"--out {folder}: {place} is not a folder; name another one")
            return


def _make_folder(folder: Path) -> None:
    try:
        make_folder(folder)
        append_bytes(folder / LOCK_FILE, b"")  # what sole_owner opens
    except OSError as error:
        place = error.filename or folder
        raise CorpusError(
            f"--out {folder}: {place}: {error.strerror or error}; name another folder"
        ) from None


def _read_record(folder: Path, ignore_damage: bool) -> dict[str, FetchedFile]:
    path = folder / RECORD
    try:
        with open(path, encoding="utf-8") as stream:
            values = json.loads(stream.read(1 << 20))
        return {file: _entry(value) for file, value in values["files"].items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        if ignore_damage and not isinstance(error, OSError):
            return {}
        raise CorpusError(
            f"{path} is not readable as a record of this command; --force writes a new one, "
            "--out names another folder"
        ) from None


def _entry(value: dict[str, Any]) -> FetchedFile:
    entry = FetchedFile(**value)
    sound = isinstance(entry.url, str) and isinstance(entry.bytes, int)
    if not sound or not re.fullmatch(r"[0-9a-f]{64}", entry.sha256):
        raise ValueError("not an entry of fetch.json")
    if entry.revision is not None and not COMMIT_NAME.fullmatch(entry.revision):
        raise ValueError("not a commit")
    return entry


def _write_record(folder: Path, record: dict[str, FetchedFile]) -> None:
    files = {file: asdict(entry) for file, entry in sorted(record.items())}
    values = {"dataset": "roneneldan/TinyStories", "files": files}
    write_text_atomic(folder / RECORD, json.dumps(values, indent=2) + "\n")
