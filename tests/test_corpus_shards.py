"""Making a token file in pieces: by threads, after a kill, on a disk that fills."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from failing_disk import FailingDisk, Kind, installed
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyllama_np import storage
from tinyllama_np.corpus.shards import encode_shard, map_in_order, shard_texts
from tinyllama_np.corpus.text import SEPARATOR, CorpusError
from tinyllama_np.corpus.tokens import encode_stories, open_token_file, write_token_file
from tokenizer import Tokenizer

ROOT = Path(__file__).parents[1]
STORIES = [f"Story {n}: the cat {'sat ' * (n % 5)}and café {n * n}." for n in range(30)]
SHARD = 60  # characters: about two stories


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.train(STORIES, vocab_size=300)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def expected_files(
    folder: Path, tokenizer: Tokenizer, stories: list[str] = STORIES, limit: int | None = None
) -> dict[str, bytes]:
    """The token file of all stories, made in one piece."""
    folder.mkdir()
    write_token_file(folder / "train.bin", stories, tokenizer, limit)
    return contents(folder)


# ------------------------------------------------------------------------------- the same bytes


@settings(max_examples=60, deadline=None, derandomize=True)
@pytest.mark.slow
@given(
    stories=st.lists(st.sampled_from([*STORIES, ""]), min_size=1, max_size=40),
    shard=st.integers(1, 2000),
    workers=st.integers(1, 4),
    limit=st.one_of(st.none(), st.integers(2, 400)),
)
def test_shards_and_workers_do_not_show(
    tmp_path_factory: pytest.TempPathFactory,
    tokenizer: Tokenizer,
    stories: list[str],
    shard: int,
    workers: int,
    limit: int | None,
) -> None:
    ids = np.concatenate(  # the definition: story by story
        [[*tokenizer.encode(story), tokenizer.end_of_text] for story in stories]
    )
    path = tmp_path_factory.mktemp("shards") / "train.bin"

    def write() -> None:
        write_token_file(path, stories, tokenizer, limit, workers=workers, shard_characters=shard)

    if limit is not None and limit > len(ids):
        with pytest.raises(CorpusError, match=f"has {len(ids)} tokens and {limit} were asked"):
            write()
        assert list(path.parent.iterdir()) == []
        return
    write()
    ids = ids[:limit]
    ids[-1] = tokenizer.end_of_text
    info = open_token_file(path, tokenizer.sha256).info
    np.testing.assert_array_equal(open_token_file(path).tokens, ids)
    np.testing.assert_array_equal(encode_stories(stories, tokenizer, limit), ids)
    assert info.stories == np.count_nonzero(ids == tokenizer.end_of_text)
    assert info.text_bytes == len(tokenizer.decode_bytes(ids[ids != tokenizer.end_of_text]))
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["train.bin", "train.json"]


def test_the_order_in_which_shards_are_ready_does_not_show(tokenizer: Tokenizer) -> None:
    """The first of three waits for the third."""
    third = threading.Event()

    def encode(text: str) -> Any:
        if "Story 0:" in text:
            assert third.wait(20)
        if "Story 2:" in text:
            third.set()
        return encode_shard(text, tokenizer)

    texts = list(shard_texts(STORIES[:3], 1))
    found = map_in_order(encode, texts, workers=3)
    np.testing.assert_array_equal(
        np.concatenate(list(found)), encode_stories(STORIES[:3], tokenizer)
    )


def test_only_a_few_shards_are_ahead() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = map_in_order(lambda number: -number, items(), workers=2)
    assert [next(results) for _ in range(10)] == [-n for n in range(10)]
    assert len(taken) == 12
    results.close()  # the rest is not worked on
    assert len(taken) == 12


def test_an_error_in_a_thread_arrives(tmp_path: Path, tokenizer: Tokenizer) -> None:
    stories = [*STORIES[:20], "\ud800"]
    with pytest.raises(CorpusError, match="surrogate"):
        write_token_file(tmp_path / "a.bin", stories, tokenizer, workers=2, shard_characters=SHARD)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["workers", "shard_characters"])
def test_sizes_below_one_are_refused(tmp_path: Path, tokenizer: Tokenizer, name: str) -> None:
    sizes: dict[str, Any] = {name: 0}
    with pytest.raises(ValueError, match=f"{name}=0"):
        write_token_file(tmp_path / "a.bin", STORIES, tokenizer, **sizes)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------ after a kill


class Killed(BaseException):
    """What a kill is to the code: nothing is cleaned up behind it."""


def killed_after(stories: list[str], count: int) -> Iterator[str]:
    yield from stories[:count]
    raise Killed


def kill_after(
    path: Path, tokenizer: Tokenizer, count: int, stories: list[str] = STORIES, **how: Any
) -> Path:
    """Write until `count` stories were read; returns the folder of what is finished."""
    with pytest.raises(Killed):
        write_token_file(
            path, killed_after(stories, count), tokenizer, shard_characters=SHARD, **how
        )
    assert not path.exists()
    return path.parent / f".{path.name}.partial"


def counting(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are encoded from now on."""
    seen: list[str] = []
    real = Tokenizer.encode_array

    def encode_array(self: Tokenizer, text: str, **how: Any) -> Any:
        seen.append(text)
        return real(self, text, **how)

    monkeypatch.setattr(Tokenizer, "encode_array", encode_array)
    return seen


@pytest.mark.parametrize("limit", [None, 200, 201, 350])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_call_goes_on_from_every_shard(
    tmp_path: Path,
    tokenizer: Tokenizer,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    limit: int | None,
) -> None:
    expected = expected_files(tmp_path / "whole", tokenizer, limit=limit)
    seen = counting(tokenizer, monkeypatch)
    shards = list(shard_texts(STORIES, SHARD))
    for count in range(len(STORIES)):
        path = tmp_path / f"{count}" / "train.bin"
        if limit is not None and encode_stories(STORIES[: count + 1], tokenizer).size > limit:
            continue  # it would end before
        folder = kill_after(path, tokenizer, count, max_tokens=limit, workers=workers)
        finished = len((folder / "journal.jsonl").read_text().splitlines()) - 1
        seen.clear()
        write_token_file(path, STORIES, tokenizer, limit, workers=workers, shard_characters=SHARD)
        assert contents(path.parent) == expected
        assert sorted(seen)[:1] >= sorted(shards[finished:])[:1]
        assert not set(seen) & set(shards[:finished])


def edit(folder: Path, how: str) -> None:
    tokens, journal = folder / "tokens", folder / "journal.jsonl"
    header, *lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(lines) > 4
    if how == "token":
        data = tokens.read_bytes()
        tokens.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    elif how == "tokens cut short":
        tokens.write_bytes(tokens.read_bytes()[:-1])
    elif how == "tokens of half a shard more":
        tokens.write_bytes(tokens.read_bytes() + b"\1\0\2")
    elif how == "no tokens":
        tokens.unlink()
    elif how == "no journal":
        journal.unlink()
    elif how == "line cut short":
        journal.write_text("".join([header, *lines])[:-9], encoding="utf-8")
    elif how == "a line less":
        journal.write_text("".join([header, *lines[:-1]]), encoding="utf-8")
    elif how == "lines exchanged":
        journal.write_text("".join([header, lines[1], lines[0], *lines[2:]]), encoding="utf-8")
    elif how == "length":
        line = json.dumps({**json.loads(lines[1]), "tokens": -1}) + "\n"
        journal.write_text("".join([header, lines[0], line]), encoding="utf-8")
    elif how == "fields":
        journal.write_text(header + '{"tokens": 3}\n', encoding="utf-8")
    else:
        journal.write_bytes(b"\xff\0")


@pytest.mark.parametrize(
    "how",
    [
        "token",
        "tokens cut short",
        "tokens of half a shard more",
        "no tokens",
        "no journal",
        "line cut short",
        "a line less",
        "lines exchanged",
        "length",
        "fields",
        "no text",
    ],
)
def test_what_a_kill_left_is_not_trusted(tmp_path: Path, tokenizer: Tokenizer, how: str) -> None:
    expected = expected_files(tmp_path / "whole", tokenizer)
    path = tmp_path / "new" / "train.bin"
    edit(kill_after(path, tokenizer, 20), how)
    write_token_file(path, STORIES, tokenizer, shard_characters=SHARD)
    assert contents(path.parent) == expected


@pytest.mark.parametrize("change", ["text", "tokenizer", "limit", "shard", "order", "fewer"])
def test_what_was_made_of_another_text_or_tokenizer_is_not_taken_over(
    tmp_path: Path, tokenizer: Tokenizer, change: str
) -> None:
    path = tmp_path / "new" / "train.bin"
    kill_after(path, tokenizer, 20)
    stories, limit, shard = STORIES, None, SHARD
    if change == "text":
        stories = [*STORIES[:7], "Another story.", *STORIES[8:]]
    elif change == "order":
        stories = STORIES[::-1]
    elif change == "fewer":
        stories = STORIES[:9]
    elif change == "tokenizer":
        tokenizer = Tokenizer.train(STORIES, vocab_size=290)
    elif change == "limit":
        limit = 101
    else:
        shard = 2 * SHARD
    write_token_file(path, stories, tokenizer, limit, shard_characters=shard)
    assert contents(path.parent) == expected_files(tmp_path / "w", tokenizer, stories, limit)


def test_a_limited_call_that_was_killed_at_its_end_does_not_cut_another(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shard that was cut for the limit is no whole shard."""
    path = tmp_path / "new" / "train.bin"

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("tinyllama_np.corpus.tokens.publish_file", killed)
        with pytest.raises(Killed):
            write_token_file(path, STORIES, tokenizer, 101, shard_characters=SHARD)
    write_token_file(path, STORIES, tokenizer, shard_characters=SHARD)
    assert contents(path.parent) == expected_files(tmp_path / "whole", tokenizer)


def test_two_calls_do_not_write_the_same_file(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "train.bin"
    folder = kill_after(path, tokenizer, 20)
    before = contents(folder)
    with storage.sole_owner(folder), pytest.raises(storage.FolderInUseError, match="in use by"):
        write_token_file(path, STORIES, tokenizer, shard_characters=SHARD)
    assert {**contents(folder), ".lock": b""} == {**before, ".lock": b""}


KILLED_CHILD = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_corpus_shards import SHARD, STORIES
from tinyllama_np.corpus.tokens import write_token_file
from tokenizer import Tokenizer

def stories():
    yield from STORIES[:20]
    os.kill(os.getpid(), signal.SIGKILL)

tokenizer = Tokenizer.load(sys.argv[2])
write_token_file(Path(sys.argv[1]), stories(), tokenizer, workers=2, shard_characters=SHARD)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_process_that_was_killed(
    tmp_path: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = expected_files(tmp_path / "whole", tokenizer)
    tokenizer.save(tmp_path / "tokenizer.json")
    path = tmp_path / "new" / "train.bin"
    done = subprocess.run(
        [sys.executable, "-c", KILLED_CHILD, str(path), str(tmp_path / "tokenizer.json")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    journal = path.parent / ".train.bin.partial" / "journal.jsonl"
    finished = len(journal.read_text().splitlines()) - 1
    assert finished > 3
    seen = counting(tokenizer, monkeypatch)
    write_token_file(path, STORIES, tokenizer, shard_characters=SHARD)
    assert len(seen) == len(list(shard_texts(STORIES, SHARD))) - finished
    assert contents(path.parent) == expected


# ----------------------------------------------------------------------------------- a full disk


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("old", [False, True])
def test_a_disk_that_fills_at_any_write_leaves_nothing_half_written(
    tmp_path: Path, tokenizer: Tokenizer, workers: int, old: bool
) -> None:
    expected = expected_files(tmp_path / "whole", tokenizer)
    path = tmp_path / "new" / "train.bin"
    path.parent.mkdir()
    before = {"train.bin": b"old tokens", "train.json": b"old record"} if old else {}
    for count in range(1, 300):
        for name, content in before.items():
            (path.parent / name).write_bytes(content)
        with installed(FailingDisk(count, Kind.FULL)):
            failure = None
            try:
                write_token_file(path, STORIES, tokenizer, workers=workers, shard_characters=SHARD)
            except OSError as error:
                failure = error
        if failure is None:
            break
        assert failure.errno == errno.ENOSPC
        assert failure.filename == str(path)
        assert failure.strerror == os.strerror(errno.ENOSPC)
        found = contents(path.parent)
        assert set(found) <= {"train.bin", "train.json"}  # no shard is left
        for name, content in found.items():
            assert content in (before.get(name), expected[name])
        if not old and "train.json" in found:
            assert found == expected  # a record never comes before its tokens
        for name in found:
            (path.parent / name).unlink()
    else:
        raise AssertionError("the disk was never large enough")
    assert count > 2 * len(list(shard_texts(STORIES, SHARD)))
    assert contents(path.parent) == expected


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small file system")
def test_a_small_file_system(tmp_path: Path, tokenizer: Tokenizer) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no permission to mount")
    try:
        with pytest.raises(OSError, match=r"No space left on device: .*train\.bin"):
            write_token_file(disk / "train.bin", STORIES * 300, tokenizer, shard_characters=10_000)
        assert list(disk.iterdir()) == []
        write_token_file(disk / "train.bin", STORIES * 10, tokenizer)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# ------------------------------------------------------------------------------------- real text


@pytest.mark.slow
@pytest.mark.skipif("TINYLLAMA_REAL_TEXT" not in os.environ, reason="no real text here")
def test_real_text(tmp_path: Path) -> None:
    from tinyllama_np.corpus.sources import iter_stories
    from tinyllama_np.corpus.text import select_stories

    source = Path(os.environ["TINYLLAMA_REAL_TEXT"]) / "valid.txt"
    train, valid = select_stories(lambda: iter_stories([source]), valid_fraction=0.5)
    tokenizer = Tokenizer.train(valid, vocab_size=1000)
    files = []
    for workers, shard in ((1, 1 << 30), (2, 1 << 18)):
        path = tmp_path / str(workers) / "train.bin"
        write_token_file(path, train, tokenizer, workers=workers, shard_characters=shard)
        files.append(contents(path.parent))
    assert files[0] == files[1]
    text = tokenizer.decode(open_token_file(path).tokens)
    assert text.split(SEPARATOR)[:-1] == list(train)
