"""Downloading the TinyStories texts, from a server on this machine that misbehaves in every way."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import ssl
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from scripted_server import (
    COMMIT,
    OTHER_COMMIT,
    body,
    chunked,
    cut_after,
    hang_up,
    running,
    stall_after,
    status,
    whole,
)

from tinyllama_np import storage
from tinyllama_np.corpus import download, tinystories, web
from tinyllama_np.corpus.download import Patience
from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.corpus.tinystories import DEFAULT_URL, FILES, fetch
from tinyllama_np.corpus.web import FetchError, redirect_target, split_login
from tinyllama_np.storage import FolderInUseError, sole_owner

TRAIN, VALID = FILES["train"], FILES["valid"]
TEXT = "\n<|endoftext|>\n".join(
    f"Story {i} has {random.Random(i).random()}." for i in range(900)
).encode()
OTHER = TEXT.replace(b"Story", b"Fable")
SHORT = b"One story. <|endoftext|> Another."


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "HF_TOKEN":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


@pytest.fixture
def server():
    with running() as server:
        server.files = {f"/{TRAIN}": TEXT, f"/{VALID}": SHORT}
        yield server


class Calls:
    """fetch() with waits and lines written down."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.waits, self.lines, self.positions = folder, [], [], []

    def __call__(self, *names: str, attempts: int = 3, progress_bytes: int = 1, **settings):
        settings.setdefault("timeout", 20.0)
        patience = Patience(
            attempts=attempts,
            progress_bytes=progress_bytes,
            timeout=settings.pop("timeout"),
            sleep=self.waits.append,
        )
        return fetch(
            names or ("train",),
            self.folder,
            patience=patience,
            say=self.lines.append,
            progress=lambda file, done, total: self.positions.append((file, done, total)),
            **settings,
        )


@pytest.fixture
def call(tmp_path):
    return Calls(tmp_path / "data" / "stories")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def part(call: Calls) -> Path:
    return call.folder / f"{TRAIN}.part"


def fails(call: Calls, *expected: str, **settings) -> str:
    """The download fails in one line, and nothing has the final name."""
    with pytest.raises(FetchError) as error:
        call(**settings)
    message = str(error.value)
    assert "\n" not in message
    for text in expected:
        assert text in message
    assert not (call.folder / TRAIN).exists()
    return message


# ----------------------------------------------------------------------------------------- it works


def test_the_files_arrive_by_the_commit_of_the_branch(server, call):
    fetched = call("train", "valid", url=server.hub)
    assert (call.folder / TRAIN).read_bytes() == TEXT
    assert (call.folder / VALID).read_bytes() == SHORT
    assert names_in(call.folder) == sorted([".lock", "fetch.json", TRAIN, VALID])
    asked = [(method, path) for method, path, _ in server.requests]
    hub = "/datasets/roneneldan/TinyStories/resolve"
    assert asked == [
        ("HEAD", f"{hub}/main/{TRAIN}"),
        ("GET", f"{hub}/{COMMIT}/{TRAIN}"),
        ("GET", f"/{TRAIN}?Signature=secret"),
        ("GET", f"{hub}/{COMMIT}/{VALID}"),
        ("GET", f"/{VALID}?Signature=secret"),
    ]
    record = json.loads((call.folder / "fetch.json").read_text())
    assert record["dataset"] == "roneneldan/TinyStories"
    assert record["files"][TRAIN] == {
        "url": server.hub,
        "revision": COMMIT,
        "bytes": len(TEXT),
        "sha256": sha256(TEXT),
        "sha256_announced": True,
    }
    assert list(fetched) == ["train", "valid"]
    assert (TRAIN, len(TEXT), len(TEXT)) in call.positions
    assert (call.waits, call.lines) == ([], [])


def test_the_record_is_the_same_every_time(server, call, tmp_path):
    call("valid", "train", url=server.hub)
    other = Calls(tmp_path / "other")
    other("train", url=server.hub)
    other("valid", url=server.hub)
    first, second = (folder / "fetch.json" for folder in (call.folder, other.folder))
    assert first.read_bytes() == second.read_bytes()


def test_what_is_there_is_checked_and_not_asked_for_again(server, call):
    first = call(url=server.hub)
    server.requests.clear()
    assert call(url=server.hub) == first
    assert call(url=server.hub, revision=COMMIT) == first
    assert call(url=server.hub, force=True) == first
    assert server.requests == []
    assert "is there, with the recorded SHA-256" in call.lines[0]


def test_a_second_file_is_of_the_commit_of_the_first(server, call):
    call("train", url=server.hub)
    server.commit = OTHER_COMMIT  # the branch moved on
    assert call("valid", url=server.hub)["valid"].revision == COMMIT


def test_another_revision(server, call, tmp_path):
    assert call(url=server.hub, revision="refs/pr/1")["train"].revision == COMMIT
    assert "/resolve/refs%2Fpr%2F1/" in server.requests[0][1]
    with pytest.raises(CorpusError, match=f"is of revision {COMMIT}, not {OTHER_COMMIT}; --force"):
        call(url=server.hub, revision=OTHER_COMMIT)
    server.files[f"/{TRAIN}"] = OTHER
    assert call(url=server.hub, revision=OTHER_COMMIT, force=True)["train"].revision == OTHER_COMMIT
    assert (call.folder / TRAIN).read_bytes() == OTHER


def test_a_server_without_commits(server, call):
    fetched = call(url=server.url)["train"]
    assert (fetched.revision, fetched.sha256_announced) == (None, False)
    assert [method for method, *_ in server.requests] == ["GET"]


def test_a_hub_that_names_no_commit_says_so(server, call):
    server.commit = None
    assert call(url=server.hub)["train"].revision is None
    assert call.lines == ["the server names no commit: the files are recorded without a revision"]


def test_a_hub_that_gives_another_commit(server, call):
    server.hub_headers = {"X-Repo-Commit": OTHER_COMMIT}
    fails(call, OTHER_COMMIT, COMMIT, url=server.hub, revision=COMMIT)


def test_the_network_s_etag_is_not_taken_for_a_hash(server, call):
    server.etag = '"' + "0123456789abcdef" * 4 + '"'  # 64 digits, as Hugging Face's network sends
    assert call(url=server.hub)["train"].sha256 == sha256(TEXT)
    plain = Calls(call.folder.parent / "plain")
    assert plain(url=server.url)["train"].sha256_announced is False


# -------------------------------------------------------------------------------- connections break


def test_a_broken_download_is_continued(server, call):
    server.script = [cut_after(1000), cut_after(5000), hang_up, whole()]
    call(url=server.hub, attempts=3)
    assert (call.folder / TRAIN).read_bytes() == TEXT
    ranges = [headers.get("Range") for headers in server.asked(path="Signature=secret")]
    assert ranges == [None, "bytes=1000-", "bytes=6000-", "bytes=6000-"]
    assert call.waits == [1.0, 1.0, 2.0]  # the wait grows while nothing moves
    assert "ended after 1,000 of" in call.lines[0]
    assert not any("If-Range" in headers for headers in server.asked())


def test_a_later_call_continues(server, call):
    server.script = [cut_after(1000)]
    fails(call, "1,000 of", "same command again", url=server.hub, attempts=1)
    assert part(call).read_bytes() == TEXT[:1000]
    record = json.loads(part(call).with_name(f"{TRAIN}.part.json").read_text())
    assert record == {
        "url": server.hub.replace("{revision}", COMMIT) + f"/{TRAIN}",
        "revision": COMMIT,
        "bytes": len(TEXT),
        "sha256": sha256(TEXT),
        "etag": '"v1"',
    }
    server.requests.clear()
    call(url=server.hub)
    assert server.asked(path="Signature=secret")[0]["Range"] == "bytes=1000-"
    assert (call.folder / TRAIN).read_bytes() == TEXT
    assert not part(call).exists()


def test_without_a_hash_the_etag_must_be_the_same(server, call):
    server.script = [cut_after(1000)]
    call(url=server.url)
    headers = server.asked()[1]
    assert (headers["Range"], headers["If-Range"]) == ("bytes=1000-", '"v1"')
    assert (call.folder / TRAIN).read_bytes() == TEXT


@pytest.mark.parametrize("heed", [True, False], ids=["If-Range heeded", "If-Range ignored"])
def test_a_file_that_changed_starts_anew(server, call, heed):
    server.script = [cut_after(1000)]
    fails(call, url=server.url, attempts=1)
    server.files[f"/{TRAIN}"], server.etag = OTHER, '"v2"'
    server.script = [whole(heed_if_range=heed)]
    call(url=server.url)
    assert (call.folder / TRAIN).read_bytes() == OTHER
    assert [("another file than before" in line) for line in call.lines] == ([] if heed else [True])


def test_a_hash_that_changed_starts_anew(server, call):
    server.script = [cut_after(1000)]
    fails(call, url=server.hub, attempts=1)
    server.files[f"/{TRAIN}"], server.commit = OTHER, OTHER_COMMIT
    assert call(url=server.hub)["train"].revision == OTHER_COMMIT
    assert (call.folder / TRAIN).read_bytes() == OTHER


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_without_hash_and_strong_etag_it_starts_anew(server, call, etag):
    server.etag = etag
    server.script = [cut_after(1000)]
    call(url=server.url)
    assert not any("Range" in headers for headers in server.asked())
    assert (call.folder / TRAIN).read_bytes() == TEXT


@pytest.mark.parametrize("kind", ["hub", "url"])
def test_a_server_that_ignores_ranges_starts_anew(server, call, kind):
    server.script = [cut_after(1000), cut_after(2000, ranges=False), whole(ranges=False)]
    call(url=getattr(server, kind))
    assert (call.folder / TRAIN).read_bytes() == TEXT


def test_a_range_that_begins_elsewhere_starts_anew(server, call):
    wrong = f"bytes 5-{len(TEXT) - 1}/{len(TEXT)}"
    server.script = [
        cut_after(1000),
        lambda handler: handler.reply(206, TEXT[5:], {"Content-Range": wrong, "ETag": '"v1"'}),
    ]
    call(url=server.url)
    assert (call.folder / TRAIN).read_bytes() == TEXT


def leave_a_part(server, call, url):
    """A part that holds everything, as when the power fails just before the renaming."""
    call(url=url)
    for name in (TRAIN, "fetch.json"):
        (call.folder / name).rename(call.folder.parent / name)
    server.script = [cut_after(1000)]
    fails(call, url=url, attempts=1)
    part(call).write_bytes(TEXT)
    server.requests.clear()
    server.script.clear()


@pytest.mark.parametrize("kind", ["hub", "url"])
def test_a_complete_part_needs_no_bytes(server, call, kind):
    leave_a_part(server, call, getattr(server, kind))
    steps = call.positions.copy()
    call(url=getattr(server, kind))
    assert server.asked()[-1]["Range"] == f"bytes={len(TEXT)}-"
    assert call.positions == steps
    assert (call.folder / TRAIN).read_bytes() == TEXT


def test_a_range_that_is_refused_before_the_end_starts_anew(server, call):
    server.script = [cut_after(1000), status(416, Content_Range="bytes */1000", ETag='"v1"')]
    call(url=server.url)
    assert (call.folder / TRAIN).read_bytes() == TEXT
    assert "no bytes after the first 1,000" in call.lines[1]


def test_a_complete_part_of_another_file_starts_anew(server, call):
    leave_a_part(server, call, server.hub)
    server.files[f"/{TRAIN}"] = OTHER
    call(url=server.hub)
    assert (call.folder / TRAIN).read_bytes() == OTHER


@pytest.mark.parametrize(
    "damage", ["longer", "no record", "not JSON", "foreign JSON", "another url"]
)
def test_a_part_that_cannot_be_trusted_starts_anew(server, call, damage):
    server.script = [cut_after(1000)]
    fails(call, url=server.url, attempts=1)
    record = part(call).with_name(f"{TRAIN}.part.json")
    if damage == "longer":
        part(call).write_bytes(TEXT + b"more")
    elif damage == "no record":
        record.unlink()
    elif damage == "another url":
        record.write_text(record.read_text().replace("127.0.0.1", "127.0.0.2"))
    else:
        record.write_text("{" if damage == "not JSON" else '{"bytes": "many"}')
    server.requests.clear()
    call(url=server.url)
    assert "Range" not in server.asked()[0]
    assert (call.folder / TRAIN).read_bytes() == TEXT


def test_an_attempt_must_make_progress(server, call):
    server.script = [cut_after(3000), *[cut_after(10)] * 9]
    fails(call, "after 3 attempts without progress", url=server.hub, progress_bytes=1000)
    assert call.waits == [1.0, 2.0]
    assert part(call).read_bytes() == TEXT[:3020]


def test_starting_anew_is_no_progress_below_the_best(server, call):
    server.script = [cut_after(3000), *[cut_after(2500, ranges=False)] * 9]
    fails(call, "without progress", url=server.hub)
    assert len(server.script) == 7  # three attempts
    server.script = [cut_after(size, ranges=False) for size in (3100, 10, 2500, 20, 2600, 30, 2700)]
    fails(call, "without progress", url=server.hub)
    assert len(server.script) == 4


def test_a_server_that_stalls(server, call):
    server.script = [stall_after(1000), whole()]
    call(url=server.hub, timeout=0.2)
    assert (call.folder / TRAIN).read_bytes() == TEXT
    assert call.lines == ["the connection broke: nothing came for 0.2 s; trying again in 1 s"]
    assert server.asked(path="secret")[1]["Range"] == "bytes=1000-"


def test_a_server_that_is_not_there(call):
    with running() as server:
        url = server.hub
    fails(call, "cannot reach 127.0.0.1", "gave up after 3 attempts", url=url)
    assert call.waits == [1.0, 2.0]
    assert not call.folder.exists()


# ------------------------------------------------------------------------------------ status codes


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (400, "no file"),
        (401, "refuses access"),
        (403, "refuses access"),
        (404, "no such file"),
        (407, "proxy"),
        (410, "no such file"),
        (204, "no file"),
    ],
)
def test_a_refusal_is_not_asked_again(server, call, code, expected):
    server.script = [status(code)]
    fails(call, expected, f"status {code}", url=server.url)
    assert call.waits == []


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_passing_trouble_is_tried_again(server, call, code):
    server.script = [status(code), whole()]
    call(url=server.url)
    assert call.waits == [1.0]
    assert f"status {code}" in call.lines[0]


def test_a_lasting_trouble_ends(server, call):
    server.script = [status(503)] * 10
    fails(call, "status 503", "4 attempts without progress", url=server.url, attempts=4)
    assert call.waits == [1.0, 2.0, 4.0]


def test_retry_after_is_heeded(server, call):
    server.script = [status(429, Retry_After="7"), status(503, Retry_After="soon"), whole()]
    call(url=server.url)
    assert call.waits == [7.0, 2.0]


def test_a_retry_after_that_is_too_long(server, call):
    server.script = [status(429, Retry_After="3600")]
    fails(call, "status 429", "3600 s", "same command again", url=server.url)
    assert call.waits == []


def test_a_revision_that_is_not_there_leaves_no_folder(server, call):
    fails(call, "no such file", "--revision", url=server.hub, revision="gone")
    assert not call.folder.exists()


# ------------------------------------------------------------------------- not what was announced


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (body(b"<html>Please log in</html>", Content_Type="text/html; charset=utf-8"), "a page"),
        (body(b'{"error": "busy"}', Content_Type="application/json"), "a page"),
        (body(b"\n<!DOCTYPE html><p>Log in", Content_Type="text/plain"), "a web page"),
        (body(b"version https://git-lfs.github.com/spec/v1\noid"), "Git LFS pointer"),
        (body(b"\x1f\x8b", Content_Encoding="gzip"), "compressed"),
        (body(b""), "empty"),
        (body(TEXT, Content_Length=""), "how long"),
        (chunked(TEXT), "how long"),
    ],
)
def test_what_is_no_text(server, call, step, expected):
    server.script = [step]
    fails(call, expected, url=server.url)
    assert call.waits == []
    assert names_in(call.folder) in ([".lock"], [])


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (body(TEXT[:-5]), f"{len(TEXT):,} and {len(TEXT) - 5:,} bytes"),
        (body(TEXT + b"x"), f"{len(TEXT) + 1:,} and {len(TEXT):,} bytes"),
        (chunked(TEXT + b"x"), f"more than the {len(TEXT):,} bytes"),
        (body(OTHER), f"its SHA-256 is {sha256(OTHER)} where {sha256(TEXT)} was announced"),
    ],
)
def test_another_text_than_announced(server, call, step, expected):
    server.script = [step]
    fails(call, expected, url=server.hub)
    assert names_in(call.folder) == [".lock"]


def test_chunks_that_end_too_early_are_continued(server, call):
    server.script = [chunked(TEXT[:1000])]
    call(url=server.hub)
    assert (call.folder / TRAIN).read_bytes() == TEXT


def test_chunks_of_the_announced_length(server, call):
    server.script = [chunked(TEXT)]
    assert call(url=server.hub)["train"].sha256 == sha256(TEXT)
    assert call.waits == []


def test_a_part_that_was_changed_on_the_disk_is_noticed(server, call):
    server.script = [cut_after(1000)]
    fails(call, url=server.hub, attempts=1)
    part(call).write_bytes(b"x" * 1000)
    fails(call, "SHA-256", "discarded", url=server.hub)
    assert names_in(call.folder) == [".lock"]


# --------------------------------------------------------------------------- what is in the folder


def test_a_foreign_file_is_refused(server, call):
    call.folder.mkdir(parents=True)
    (call.folder / TRAIN).write_bytes(b"mine")
    with pytest.raises(CorpusError, match=r"is not recorded in fetch\.json; --force"):
        call(url=server.hub)
    assert names_in(call.folder) == [TRAIN]
    assert server.requests == []
    call(url=server.hub, force=True)
    assert (call.folder / TRAIN).read_bytes() == TEXT


def test_force_keeps_the_old_file_until_the_new_one_is_whole(server, call):
    call.folder.mkdir(parents=True)
    (call.folder / TRAIN).write_bytes(b"mine")
    server.script = [cut_after(1000)]
    with pytest.raises(FetchError):
        call(url=server.hub, force=True, attempts=1)
    assert (call.folder / TRAIN).read_bytes() == b"mine"


@pytest.mark.parametrize("data", [TEXT[:-1] + b"x", TEXT[:-1]])
def test_a_file_that_was_changed_is_refused(server, call, data):
    call(url=server.hub)
    (call.folder / TRAIN).write_bytes(data)
    with pytest.raises(CorpusError, match="changed or damaged; --force"):
        call(url=server.hub)
    call(url=server.hub, force=True)
    assert (call.folder / TRAIN).read_bytes() == TEXT


def test_a_folder_in_the_way(server, call):
    (call.folder / TRAIN).mkdir(parents=True)
    for force in (False, True):
        with pytest.raises(CorpusError, match="is not a file"):
            call(url=server.hub, force=force)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"files": []}', '{"files": {"a": {}}}', '{"files": {"a": 1}}', "\0" * 9],
)
def test_a_record_that_is_none(server, call, text):
    call(url=server.hub)
    (call.folder / "fetch.json").write_text(text)
    with pytest.raises(CorpusError, match=r"fetch\.json is not readable"):
        call(url=server.hub)
    call(url=server.hub, force=True)
    assert (
        json.loads((call.folder / "fetch.json").read_text())["files"][TRAIN]["revision"] == COMMIT
    )


def test_the_out_folder_is_a_file(server, tmp_path):
    (tmp_path / "taken").write_text("mine")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(CorpusError, match="taken is not a folder; name another"):
            Calls(folder)(url=server.hub)


def test_two_downloads_into_one_folder(server, call):
    call.folder.mkdir(parents=True)
    with sole_owner(call.folder), pytest.raises(FolderInUseError, match="in use by"):
        call(url=server.hub)


def test_a_folder_that_cannot_be_written(server, call, monkeypatch):
    def fail(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(
        CorpusError, match=r"--out .*stories: .*data: Permission denied; name another"
    ):
        call(url=server.hub)


# ----------------------------------------------------------------------------------------- the disk


class FullDisk(storage.Disk):
    """Takes so many bytes of a download and then no more."""

    room = 1000

    def write(self, stream, data):
        if not str(stream.name).endswith(".part"):
            return super().write(stream, data)
        super().write(stream, data[: self.room])
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_fills_keeps_what_arrived(server, call, monkeypatch):
    monkeypatch.setattr(storage, "disk", FullDisk())
    message = fails(call, f"{TRAIN}.part", "No space left", "1,000 bytes are kept", url=server.hub)
    assert "same command again" in message
    assert call.waits == []
    monkeypatch.undo()
    call(url=server.hub)
    assert (call.folder / TRAIN).read_bytes() == TEXT


def test_a_disk_without_room_is_said_at_once(server, call, monkeypatch):
    usage = type("Usage", (), {"free": 20_000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    fails(call, "0.0 MB free", "make room", url=server.hub)
    assert not part(call).exists()


@pytest.mark.parametrize("broken", ["replace", "write_text_atomic"])
def test_a_renaming_that_fails_loses_nothing(server, call, monkeypatch, broken):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    owner = tinystories.os if broken == "replace" else tinystories
    with monkeypatch.context() as patch:
        patch.setattr(owner, broken, fail)
        fails(call, "Input/output error", url=server.hub)
        if broken == "write_text_atomic":
            assert part(call).read_bytes() == TEXT
    call(url=server.hub)
    assert (call.folder / TRAIN).read_bytes() == TEXT


def test_the_bytes_are_on_the_disk_before_the_name(server, call, monkeypatch):
    events = []
    flush, replace = download.flush_file, os.replace
    monkeypatch.setattr(
        download, "flush_file", lambda path: (events.append(("flush", path.name)), flush(path))
    )
    monkeypatch.setattr(
        tinystories.os,
        "replace",
        lambda a, b: (events.append(("rename", Path(b).name)), replace(a, b)),
    )
    call(url=server.hub)
    ours = [event for event in events if event[1].startswith(TRAIN) and "json" not in event[1]]
    assert ours == [("flush", f"{TRAIN}.part"), ("rename", TRAIN)]


# -------------------------------------------------------------------------- addresses and redirects


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "https://a.org/b"),
        ("c?x=1&y=%20", "https://a.org/p/c?x=1&y=%20"),
        ("https://b.org:8/x", "https://b.org:8/x"),
        ("//b.org/ä b", "https://b.org/%C3%A4%20b"),
        ("https:///x", "https://a.org/x"),
    ],
)
def test_redirects_that_are_followed(location, target):
    assert redirect_target("https://a.org/p/q", location) == target


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://a.org/x", "from https to http"),
        ("file:///etc/passwd", "no plain http"),
        ("ftp://a.org/x", "no plain http"),
        ("data:text/plain,x", "no plain http"),
        ("https://user:pw@a.org/x", "no plain http"),
        ("https://a.org:port/x", "no plain http"),
        (None, "without saying where"),
    ],
)
def test_redirects_that_are_not_followed(location, expected):
    with pytest.raises(FetchError, match=expected):
        redirect_target("https://a.org/p/q", location)


def test_redirects_in_a_circle(server, call):
    server.script = [status(302, Location=f"/{TRAIN}")] * 50
    fails(call, "redirects more than 10 times", url=server.url)
    assert len(server.requests) == 11


def test_a_redirect_to_a_file_on_the_disk(server, call):
    server.script = [status(302, Location="file:///etc/hostname")]
    fails(call, "no plain http or https", url=server.url)


def test_a_login_goes_to_its_own_server_only(server, call):
    with running() as other:
        other.files = server.files
        secret = f"http://zoe:s3cr%40t@127.0.0.1:{server.port}/x"
        server.script = [status(302, Location=f"{other.url}/{TRAIN}")]
        call(url=secret)
        assert server.asked()[0]["Authorization"] == "Basic em9lOnMzY3JAdA=="
        assert "Authorization" not in other.asked()[0]
    written = b"".join(path.read_bytes() for path in call.folder.iterdir() if path.is_file())
    assert b"s3cr" not in written
    assert b"zoe" not in written.replace(TEXT, b"")


def test_a_login_is_in_no_message_and_no_record(server, call):
    secret = f"http://zoe:s3cr3t@127.0.0.1:{server.port}"
    server.script = [cut_after(1000), status(404)]
    message = fails(call, "no such file", url=secret)
    written = "".join(path.read_text() for path in call.folder.iterdir())
    for text in (message, *call.lines, written.replace(TEXT[:1000].decode(), "")):
        assert "s3cr3t" not in text
        assert "zoe" not in text
    assert "s3cr3t" not in repr(split_login(secret))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("file:///data", "file:///data"),
        ("ftp://a.org/x", "ftp://a.org/x"),
        ("a.org/x", "a.org/x"),
        ("", "''"),
        ("https://", "https://"),
        ("https://zoe:s3cr3t@/x", "'/x'"),
        ("https://zoe:s3cr3t@a.org:port/x", "cannot"),
        ("https://a.org/x?token=s3cr3t", "https://a.org"),
        ("https://a.org/x#s3cr3t", "https://a.org"),
        ("https://a.org/x y", "https://a.org"),
    ],
)
def test_addresses_that_are_refused(call, url, shown):
    with pytest.raises(CorpusError) as error:
        call(url=url)
    assert "http" in str(error.value)
    assert "s3cr3t" not in str(error.value)
    assert shown in str(error.value) or shown == "cannot"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"revision": "../x", "url": "http://a.org/{revision}"}, "'../x'"),
        ({"revision": "", "url": "http://a.org/{revision}"}, "''"),
        ({"revision": "a b", "url": "http://a.org/{revision}"}, "'a b'"),
        ({"revision": "main", "url": "http://a.org"}, "{revision}"),
        ({"token": "two words"}, "HF_TOKEN"),
        ({"token": "line\nbreak"}, "HF_TOKEN"),
    ],
)
def test_settings_that_are_refused(call, settings, expected):
    with pytest.raises(CorpusError) as error:
        call(**settings)
    assert expected in str(error.value)
    assert "break" not in str(error.value)
    assert not call.folder.exists()


@pytest.mark.parametrize("names", [("tests",), ("train", "train"), ("",)])
def test_files_that_are_refused(call, names):
    with pytest.raises(CorpusError, match=r"expected some of train, valid, train-v1, valid-v1"):
        call(*names)


def test_the_token_is_for_the_default_server_alone():
    address, login = tinystories._address(DEFAULT_URL, "hf_x")
    assert login == web.Login("https://huggingface.co:443", "Bearer hf_x")
    assert "hf_x" not in repr(login)
    assert web.origin("https://cdn.huggingface.co/x") != login.origin
    assert tinystories._address("https://mirror.org/{revision}", "hf_x")[1] is None
    assert address == DEFAULT_URL


def test_the_page_lists_the_files() -> None:
    page = Path(__file__).parents[1].joinpath("docs", "fetch.md").read_text(encoding="utf-8")
    for name, file in FILES.items():
        assert f"| `{name}` | `{file}` |" in page
    for code in web.TEMPORARY:
        assert str(code) in page
    usual = Patience()
    assert (usual.attempts, usual.progress_bytes, usual.timeout) == (6, 2**20, 60)
    assert (usual.first_wait, usual.longest_wait) == (1, 300)  # all as the page says


def test_the_default_is_https_and_the_public_dataset():
    at = tinystories._file_url(DEFAULT_URL, "main", TRAIN)
    assert at == f"https://huggingface.co/datasets/roneneldan/TinyStories/resolve/main/{TRAIN}"


# ---------------------------------------------------------------------------- proxies, certificates


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY"])
def test_the_proxy_is_used(server, call, monkeypatch, variable):
    monkeypatch.setenv(variable, f"http://joe:pw@127.0.0.1:{server.port}")
    call(url="http://mirror.invalid")
    assert (call.folder / TRAIN).read_bytes() == TEXT
    assert server.requests[0][1] == f"http://mirror.invalid/{TRAIN}"
    assert "pw" not in (call.folder / "fetch.json").read_text()


def test_no_proxy_is_heeded(server, call, monkeypatch):
    with running() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        call(url=server.url)
        assert proxy.requests == []
    assert server.requests[0][1] == f"/{TRAIN}"


def test_a_proxy_that_refuses_the_tunnel(server, call, monkeypatch):
    monkeypatch.setenv("https_proxy", server.url)  # answers 501 to CONNECT
    fails(call, "the proxy does not connect to mirror.invalid", url="https://mirror.invalid")
    assert call.waits == []


def test_a_certificate_that_is_not_trusted(call, monkeypatch):
    refused = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refused.verify_message = "self-signed certificate"

    def opened(*_, **__):
        raise urllib.error.URLError(refused)

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", opened)
    fails(call, "a.org is not trusted: self-signed certificate", url="https://a.org")
    assert call.waits == []


def test_a_connection_that_is_reset(server, call, monkeypatch):
    real, once = web.read_some, []

    class Reset:
        def read1(self, count):
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    def read(stream, *rest):
        if not once:
            once.append(True)
            stream = Reset()
        return real(stream, *rest)

    monkeypatch.setattr(web, "read_some", read)
    call(url=server.hub)
    assert "the connection broke: the server closed the connection" in call.lines[0]


# ------------------------------------------------------------------------------------ the command


@pytest.fixture
def command(server, tmp_path, monkeypatch, capsys):
    """Run `tinyllama-np fetch tinystories`; returns exit code, stdout and stderr lines."""
    from tinyllama_np.cli import main

    waits: list[float] = []
    patience = Patience(attempts=2, progress_bytes=1, sleep=waits.append)
    monkeypatch.setattr("tinyllama_np.commands.fetch.fetch", partial(fetch, patience=patience))
    monkeypatch.chdir(tmp_path)

    def run(*options: str, url: str | None = None):
        try:
            code = main(["fetch", "tinystories", "--url", url or server.hub, *options])
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


def test_the_command_ends_with_what_to_do_next(command):
    code, out, err = command()
    assert code == 0
    folder = Path("data") / "tinystories"
    assert out.splitlines() == [
        f"{folder / TRAIN}  0.0 MB",
        f"    SHA-256 {sha256(TEXT)} (as announced), revision {COMMIT}",
        f"{folder / VALID}  0.0 MB",
        f"    SHA-256 {sha256(SHORT)} (as announced), revision {COMMIT}",
        "",
        "python examples/run_budget.py --preset paper "
        f"--corpus {folder / TRAIN} --valid {folder / VALID}",
    ]
    assert [line.split("  ")[:2] for line in err] == [["100%", TRAIN], ["100%", VALID]]


def test_the_printed_command_is_one_that_a_study_takes(command, tmp_path):
    import argparse
    import shlex

    from tinyllama_np.commands import study
    from tinyllama_np.corpus.sources import read_stories

    commands = argparse.ArgumentParser().add_subparsers()
    study.add_parser(commands)
    for files in ("train,valid", "train", "valid"):
        _, out, _ = command("--out", "a folder's", "--files", files)
        words = shlex.split(out.splitlines()[-1])
        assert words[:2] == ["python", "examples/run_budget.py"]
        arguments = commands.choices["study"].parse_args(words[2:])
        assert len(read_stories(arguments.corpus)) == (2 if files == "valid" else 900)
        assert len(arguments.valid) == (files == "train,valid")


def test_a_server_without_hash_is_said_to_announce_none(server, command):
    _, out, _ = command("--files", "valid", url=server.url)
    assert "(the server announced none), revision not named by the server" in out


def test_ctrl_c_keeps_the_part(server, command, monkeypatch):
    server.script = [cut_after(1000), lambda handler: None]
    with monkeypatch.context() as patch:
        real = web.read_some

        def read(stream, *rest):
            data = real(stream, *rest)
            if not data:
                raise KeyboardInterrupt
            return data

        patch.setattr(web, "read_some", read)
        code, out, err = command("--files", "train")
    kept = Path("data") / "tinystories" / f"{TRAIN}.part"
    assert (code, out) == (130, "")
    assert err[-1] == f"interrupted; kept: {kept} (0.0 MB); give the same command again to continue"
    assert kept.read_bytes() == TEXT[:1000]
    server.script.clear()
    assert command("--files", "train")[0] == 0
    assert server.asked(path="secret")[-1]["Range"] == "bytes=1000-"


def test_ctrl_c_before_the_first_byte(command, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinyllama_np.commands.fetch.fetch", interrupt)
    assert command() == (130, "", ["interrupted; nothing is kept"])


def test_a_failure_is_exit_code_1(server, command):
    server.script = [status(403)]
    code, out, err = command()
    assert (code, out) == (1, "")
    assert err == [
        "error: 127.0.0.1 refuses access: check --url and, if the server wants one, "
        "the login (status 403)"
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--files", "train,tests"), "'train,tests'"),
        (("--files", ""), "''"),
        (("--out", "taken"), "taken is not a folder"),
        (("--revision", ".."), "'..'"),
        (("--url", "file:///x"), "file:///x"),
    ],
)
def test_a_wrong_argument_is_exit_code_2(command, tmp_path, options, expected):
    (tmp_path / "taken").write_text("mine")
    code, out, err = command(*options)
    assert (code, out) == (2, "")
    assert len(err) == 1
    assert err[0].startswith("error: ")
    assert expected in err[0]
    assert names_in(tmp_path) == ["taken"]


def test_another_text_is_refused_by_name(capsys):
    from tinyllama_np.cli import main

    with pytest.raises(SystemExit) as stop:
        main(["fetch", "wikipedia"])
    assert stop.value.code == 2
    assert "'wikipedia'" in capsys.readouterr().err


def test_lines_of_progress_show_speed_and_time_left(monkeypatch, capsys):
    from tinyllama_np.commands.fetch import DownloadProgress

    clock = [100.0]
    monkeypatch.setattr("tinyllama_np.commands.fetch.time.monotonic", lambda: clock[0])
    with DownloadProgress() as shown:
        for seconds, done in ((0, 500), (4, 1000), (11, 2700), (12, 2800), (20, 4500)):
            clock[0] = 100.0 + seconds
            shown.update("a.txt", done * 10**6, 4500 * 10**6)
    assert capsys.readouterr().err.splitlines() == [
        " 60%  a.txt  2,700.0 of 4,500.0 MB  200.0 MB/s  9 s left",
        "100%  a.txt  4,500.0 of 4,500.0 MB  200.0 MB/s",
    ]


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    import sys

    from tinyllama_np.commands.fetch import DownloadProgress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with DownloadProgress() as shown:
        shown.update("a.txt", 0, 3 * 10**6)
        shown.update("a.txt", 10**6, 3 * 10**6)
        shown.say("trying again")
        shown.update("a.txt", 10**6, 3 * 10**6)
        shown.update("a.txt", 3 * 10**6, 3 * 10**6)
    err = capsys.readouterr().err
    assert "trying again\n" in err
    assert "3.00M/3.00M" in err
