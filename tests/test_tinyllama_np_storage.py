"""The seam to the disk: a write that fails at any point leaves the old content."""

from __future__ import annotations

import errno
import hashlib
import os

import pytest
from failing_disk import FailingDisk, installed

from tinyllama_np import storage


def fail(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_write_atomic_writes_and_replaces(tmp_path):
    path = tmp_path / "new" / "folder" / "file.bin"
    storage.write_atomic(path, b"one")
    storage.write_atomic(path, b"two, longer")
    assert path.read_bytes() == b"two, longer"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_content(tmp_path, monkeypatch, call):
    path = tmp_path / "file.txt"
    storage.write_text_atomic(path, "old\n")
    monkeypatch.setattr(storage.os, call, fail)
    with pytest.raises(OSError, match="No space"):
        storage.write_text_atomic(path, "new\n")
    assert path.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_nothing_behind(tmp_path, monkeypatch, call):
    monkeypatch.setattr(storage.os, call, fail)
    with pytest.raises(OSError, match="No space"):
        storage.write_text_atomic(tmp_path / "file.txt", "new\n")
    assert list(tmp_path.iterdir()) == []


def test_data_is_on_the_disk_before_the_name_changes(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            storage.os, name, lambda *a, n=name, r=real: (calls.append(n), r(*a))[1]
        )
    storage.write_atomic(tmp_path / "file", b"x")
    assert calls == ["fsync", "replace", "fsync"]  # the file, its name, the folder


def test_a_finished_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    (tmp_path / "made").write_bytes(b"new")
    (tmp_path / "final").write_bytes(b"old")
    seen = []

    def record(name, real):
        def call(*arguments):
            seen.append((name, (tmp_path / "final").read_bytes()))
            return real(*arguments)

        return call

    for name in ("fsync", "replace"):
        monkeypatch.setattr(storage.os, name, record(name, getattr(os, name)))
    storage.publish_file(tmp_path / "made", tmp_path / "final")
    assert seen == [("fsync", b"old"), ("replace", b"old"), ("fsync", b"new")]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"final": b"new"}


def test_a_file_is_added_to_and_cut(tmp_path):
    path = tmp_path / "folder" / "file"
    for piece in (b"abc", b"", b"def"):
        storage.append_bytes(path, piece)
    storage.cut_file(path, 4)
    assert path.read_bytes() == b"abcd"


def test_text_keeps_its_line_ends_and_is_utf_8(tmp_path):
    path = tmp_path / "text"
    storage.write_text_atomic(path, "é\r\nb\n")
    storage.append_text(path, "ü\n")
    assert path.read_bytes() == "é\r\nb\nü\n".encode()


def test_append_makes_the_file_and_its_folder(tmp_path):
    storage.append_text(tmp_path / "a" / "b.csv", "x\n")
    assert (tmp_path / "a" / "b.csv").read_bytes() == b"x\n"


def folder_of(tmp_path, name, content):
    folder = tmp_path / name
    folder.mkdir()
    (folder / "file").write_bytes(content)
    return folder


def test_publish_folder_renames(tmp_path):
    temporary = folder_of(tmp_path, ".final.partial", b"new")
    storage.publish_folder(temporary, tmp_path / "final")
    assert (tmp_path / "final" / "file").read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["final"]


def test_publish_folder_replaces_a_folder_of_that_name(tmp_path):
    final = folder_of(tmp_path, "final", b"old")
    (final / "another").write_bytes(b"old too")
    storage.publish_folder(folder_of(tmp_path, ".final.partial", b"new"), final)
    assert {p.name: p.read_bytes() for p in final.iterdir()} == {"file": b"new"}
    assert [p.name for p in tmp_path.iterdir()] == ["final"]


def test_publish_folder_that_fails_leaves_the_old_folder(tmp_path, monkeypatch):
    final = folder_of(tmp_path, "final", b"old")
    temporary = folder_of(tmp_path, ".final.partial", b"new")
    monkeypatch.setattr(storage.os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        storage.publish_folder(temporary, final)
    assert (final / "file").read_bytes() == b"old"


def test_remove_folder_takes_the_name_away_first(tmp_path, monkeypatch):
    folder = folder_of(tmp_path, "doomed", b"x")
    monkeypatch.setattr(storage.shutil, "rmtree", fail)  # killed while removing
    with pytest.raises(OSError, match="No space"):
        storage.remove_folder(folder)
    assert not folder.exists()
    monkeypatch.undo()
    storage.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_remove_leftovers_takes_only_our_own(tmp_path):
    folder_of(tmp_path, ".step-000003.partial", b"x")
    (tmp_path / ".steps.csv.77.partial").write_bytes(b"x")
    kept = (".hidden", "notes.partial", "steps.csv")
    for name in kept:
        (tmp_path / name).write_bytes(b"x")
    storage.remove_leftovers(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(kept)
    storage.remove_leftovers(tmp_path / "is not there")


def test_hashes(tmp_path):
    data = bytes(range(256)) * 5000  # more than one piece
    (tmp_path / "file").write_bytes(data)
    expected = hashlib.sha256(data).hexdigest()
    assert storage.sha256_bytes(data) == storage.sha256_file(tmp_path / "file") == expected


def test_a_folder_has_one_owner_at_a_time(tmp_path):
    with (
        storage.sole_owner(tmp_path),
        pytest.raises(storage.FolderInUseError, match=f"in use by process {os.getpid()}"),
        storage.sole_owner(tmp_path),
    ):
        pass
    with storage.sole_owner(tmp_path):  # given back
        pass


def test_a_dead_owner_does_not_keep_the_folder(tmp_path):
    (tmp_path / ".lock").write_text("process 1 of long ago", encoding="utf-8")
    with storage.sole_owner(tmp_path):
        text = (tmp_path / ".lock").read_text(encoding="utf-8")
        assert text.startswith(f"process {os.getpid()} on ")


# ------------------------------------------------------------------------------ names on the disk


@pytest.mark.skipif(os.name == "nt", reason="folders are not flushed there")
def test_a_folder_that_its_file_system_cannot_flush_is_no_error(tmp_path, monkeypatch):
    """A file that cannot be flushed is one, and so is any other trouble of a folder."""
    number = errno.EINVAL

    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("tinyllama_np.storage.os.fsync", refuse)
    for number in (errno.EINVAL, errno.ENOTSUP):
        storage.make_folder(tmp_path / "a" / "b")
        with pytest.raises(OSError, match=os.strerror(number)):
            storage.write_atomic(tmp_path / "file", b"x")
    number = errno.EIO
    with pytest.raises(OSError, match=os.strerror(number)):
        storage.flush_folder(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="folders are not flushed there")
def test_the_name_of_a_folder_that_was_found_is_flushed(tmp_path):
    """Whoever made it may have been killed before he did."""
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    for folder, expected in (
        ("a", [""]),
        ("a/b/c", ["", "a", "a/b"]),
        ("a/b/c", ["a/b"]),
        ("link", [""]),
    ):
        disk = FailingDisk()
        with installed(disk):
            storage.keep_folder(tmp_path / folder)
        flushed = [o.path for o in disk.operations if o.name == "flush"]
        assert flushed == [tmp_path / name for name in expected]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_nothing_is_added_to_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "log.txt")
    with pytest.raises(OSError, match="it is no regular file"):
        storage.append_text(tmp_path / "log.txt", "a line\n")
