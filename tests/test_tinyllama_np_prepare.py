"""Where a study's folder may lie, and what is kept of its preparation when that breaks off."""

from __future__ import annotations

import dataclasses
import errno
import os

import pytest
from tiny_study import make_study, tiny_config, tree, write_text

from tinyllama_np import ConfigError, prepare
from tinyllama_np.prepare import Texts, open_study, prepare_study, staging_folder


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


@pytest.fixture
def texts(tmp_path):
    return Texts((write_text(tmp_path / "text.txt"),))


@pytest.fixture
def prepared(texts):
    """Prepare the tiny study in a folder; returns what was said."""

    def prepare_in(out, **changes):
        config, said = tiny_config(**changes), []
        config = dataclasses.replace(config, corpus=texts.describe(config.corpus))
        prepare_study(config, texts, out, said.append)
        return said

    return prepare_in


def place_of(kind, folder, monkeypatch):
    """A folder for a study that cannot be replaced by another, and where it really is."""
    real = folder / "real"
    if kind == "link to nothing":
        (folder / "link").symlink_to(real / "below")
        return folder / "link", real / "below"
    real.mkdir()
    if kind == "link":
        (folder / "link").symlink_to(real)
        return folder / "link", real
    if kind == "disk":
        (real / "lost+found").mkdir()
        return real, real
    monkeypatch.chdir(real)
    return type(folder)("."), real


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize("kind", ["link", "link to nothing", "disk", "."])
def test_a_folder_that_cannot_be_replaced_takes_a_study(tmp_path, monkeypatch, prepared, kind):
    prepared(tmp_path / "plain")
    out, real = place_of(kind, tmp_path, monkeypatch)
    before = real.stat().st_ino if real.exists() else None
    prepared(out)
    found = tree(real)
    found.pop("lost+found", None)
    assert found == tree(tmp_path / "plain")
    assert before in (None, real.stat().st_ino)
    open_study(out)
    assert prepared(out) == []  # found again


def test_a_folder_with_a_stop_file_takes_a_study(tmp_path, prepared):
    """It was made while a preparation went on that was interrupted."""
    out = tmp_path / "out"
    out.mkdir()
    (out / ".stop").touch()
    prepared(out)
    open_study(out)


@pytest.mark.parametrize("moved", [0, 1, 2])
def test_work_is_kept_where_only_the_publishing_fails(tmp_path, monkeypatch, prepared, moved):
    prepared(tmp_path / "plain")
    out = tmp_path / "out"
    move_folder, publish_file = prepare.move_folder, prepare.publish_file
    done = []

    def failing(move):
        def move_or_fail(old, new):
            if len(done) == moved:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(new))
            move(old, new)
            done.append(new)

        return move_or_fail

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "move_folder", failing(move_folder))
        patch.setattr(prepare, "publish_file", failing(publish_file))
        with pytest.raises(OSError, match=r"Input/output error"):
            prepared(out)
    with pytest.raises(ConfigError, match="never prepared to its end"):
        open_study(out)
    kept = tree(out)
    monkeypatch.setattr(prepare, "_build", None)  # not built again
    assert prepared(out) == []
    assert tree(out) == tree(tmp_path / "plain")
    monkeypatch.undo()

    make_again(out, kept)
    prepared(out, learning_rate=0.25)  # another study in its place
    assert open_study(out).train.learning_rate == 0.25
    assert not staging_folder(out).exists()


def make_again(out, files):
    """Give a folder the content that it had."""
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    for name, content in files.items():
        if content is None and not name.endswith(".lock"):
            (out / name).mkdir()
        else:
            (out / name).write_bytes(content or b"")


def test_a_break_while_encoding_says_where_the_work_lies(tmp_path, monkeypatch, prepared):
    out, said = tmp_path / "out", []

    def broken_off(config, texts, folder, say, workers):
        (folder / "data" / ".train.bin.partial").mkdir(parents=True)
        said.append(say)
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "_build", broken_off)
    with pytest.raises(KeyboardInterrupt):
        prepared(out)
    (line,) = said[0].__self__  # the list that it adds to
    assert str(staging_folder(out)) in line
    assert "goes on from it; remove it to give up" in line


def test_a_vocabulary_without_all_bytes_is_refused_before_the_text_is_read(
    tmp_path, monkeypatch, prepared
):
    monkeypatch.setattr(prepare, "_stories", None)
    with pytest.raises(ConfigError, match="vocab_size=10 must be at least 257"):
        prepared(tmp_path / "out", model={"vocab_size": 10})
    assert not (tmp_path / "out").exists()


def test_files_of_others_are_not_touched(tmp_path, prepared):
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    staging_folder(out).mkdir()  # begun, but nothing can have been moved out of it
    before = tree(out)
    with pytest.raises(ConfigError, match=r"holds files but no study\.json"):
        prepared(out)
    assert tree(out) == before


def test_what_a_kill_at_the_very_end_left_is_removed(tmp_path):
    out = make_study(tmp_path)
    before = tree(out)
    staging_folder(out).mkdir()
    make_study(tmp_path)
    assert tree(out) == before
