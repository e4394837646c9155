"""Places that cannot be written or read: one clear line, the right exit code, nothing lost.

A disk that is full, and one that is read-only, are real ones (a small tmpfs) where the process may
mount them. Permissions are tried as an unprivileged user, for root is allowed everything.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_study import (
    InlineExecutor,
    finished_run,
    run_bytes,
    study_arguments,
    tiny_job,
    tree,
    write_text,
)

from stats.writing import write_bytes
from tinyllama_np.cli import main
from tinyllama_np.os_errors import explain
from tinyllama_np.train import _Run

NOBODY = 65534
POSIX = pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run a command in this process, runs included; returns exit code, stdout and stderr lines."""
    monkeypatch.setattr("tinyllama_np.commands.carry_out.Workers", InlineExecutor)
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)
    monkeypatch.setattr("stats.analyse", lambda out: SimpleNamespace(text=lambda: "the verdict"))

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return code, captured.out, captured.err.splitlines()

    return run


@pytest.fixture
def place():
    """A folder that an unprivileged user can reach and, like its owner, write to."""
    with tempfile.TemporaryDirectory(prefix="bad_places_") as name:
        os.chmod(name, 0o777)
        yield Path(name)


@contextlib.contextmanager
def unprivileged():
    """While it lasts, this process has no more rights than any user."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def small_disk(monkeypatch, tmp_path):
    """A file system of its own; `small_disk(kib, "ro")` changes its size and mode.

    The look at the free space beforehand is left out, as if others had filled the disk since.
    """
    for command in ("study", "carry_out"):
        name = f"tinyllama_np.commands.{command}.check_free_space"
        monkeypatch.setattr(name, lambda need, folder: "disk: enough")
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if os.name == "nt" or not shutil.which("mount") or not mount("size=1024k"):
        pytest.skip("mounting is not permitted")

    def resize(kib=1024, mode="rw"):
        assert mount("remount", f"size={kib}k", mode)

    resize.folder = folder
    try:
        yield resize
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The bytes of an undisturbed run of `study_arguments`."""
    return run_bytes(finished_run(tmp_path_factory.mktemp("whole")))


def refused(cli, arguments, *parts):
    """Exit code 2 and one line of error."""
    code, stdout, stderr = cli(*arguments)
    assert (code, stdout) == (2, ""), stderr
    (line,) = [line for line in stderr if "error" in line]
    assert line == stderr[-1]
    assert line.startswith("error: ")
    for part in parts:
        assert str(part) in line


# ------------------------------------------------------------------------ before anything was begun


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("file", ["file is a file; name a folder"]),
        ("file/study", ["file", "name another folder"]),
        ("file/deep/study", ["file", "name another folder"]),
        ("n" * 300, ["n" * 300, "File name too long; name a shorter one"]),
    ],
)
@POSIX
def test_a_path_that_cannot_be_a_folder(cli, tmp_path, name, parts):
    text = write_text(tmp_path / "text.txt")
    (tmp_path / "file").write_text("something else")
    before = tree(tmp_path)
    refused(cli, study_arguments(text, tmp_path / name), *parts)
    assert tree(tmp_path) == before


@POSIX
def test_a_folder_that_may_not_be_written_to(cli, place):
    text = write_text(place / "text.txt")
    (place / "closed").mkdir(mode=0o555)
    for out in (place / "closed" / "study", place / "closed" / "deep" / "study"):
        with unprivileged():
            refused(cli, study_arguments(text, out), "Permission denied; change its permissions")
        assert {*tree(place)} == {"text.txt", "closed"}


@POSIX
def test_a_text_that_may_not_be_read(cli, place):
    text = write_text(place / "text.txt")
    text.chmod(0)
    with unprivileged():
        refused(
            cli,
            study_arguments(text, place / "study"),
            f"text file {text} cannot be read: Permission denied",
        )
    assert [path.name for path in place.iterdir()] == ["text.txt"]


@POSIX
def test_a_study_of_somebody_else(cli, place, expected):
    """It may be read, so that its owner can go on with it, and is not touched."""
    text, out = write_text(place / "text.txt"), place / "study"
    assert cli(*study_arguments(text, out, time_limit="0.000001s"))[0] == 0
    out.chmod(0o555)
    (out / ".lock").chmod(0o444)
    before = tree(place)
    with unprivileged():
        refused(cli, study_arguments(text, out), out / ".lock", "Permission denied")
    assert tree(place) == before
    out.chmod(0o755)
    (out / ".lock").chmod(0o644)
    assert cli(*study_arguments(text, out))[0] == 0
    assert run_bytes(tiny_job(out)) == expected


@pytest.mark.slow
def test_a_read_only_file_system(cli, tmp_path, small_disk, expected):
    text = write_text(tmp_path / "text.txt")
    out = small_disk.folder / "study"
    small_disk(mode="ro")
    refused(cli, study_arguments(text, out), "Read-only file system; make it writable, or name")
    small_disk()
    assert cli(*study_arguments(text, out, time_limit="0.000001s"))[0] == 0
    small_disk(mode="ro")
    before = tree(out)
    refused(cli, study_arguments(text, out), out / ".lock", "Read-only file system")
    assert tree(out) == before
    small_disk()
    assert cli(*study_arguments(text, out))[0] == 0
    assert run_bytes(tiny_job(out)) == expected


# -------------------------------------------------------------------------------------- a full disk

MAKE_ROOM = "No space left on device; make room and give the same command again to continue"


@pytest.mark.slow
def test_a_disk_that_is_full_while_the_study_is_made(cli, tmp_path, small_disk, expected):
    """Whatever little room there is, nothing stays of what does not fit."""
    text = write_text(tmp_path / "text.txt")
    arguments = study_arguments(text, small_disk.folder / "study")
    for kib in (4, 8, 16, 24):
        small_disk(kib)
        refused(cli, arguments, MAKE_ROOM)
        assert not list(small_disk.folder.iterdir())
    small_disk()
    assert cli(*arguments)[0] == 0
    assert run_bytes(tiny_job(small_disk.folder / "study")) == expected


def kib_used(folder):
    return (lambda room: (room.f_blocks - room.f_bfree) * room.f_bsize // 1024)(os.statvfs(folder))


@pytest.mark.slow
@pytest.mark.parametrize("begun", [False, True])
def test_a_disk_that_becomes_full_while_training(cli, tmp_path, small_disk, expected, begun):
    """The room grows by a page each time: the first checkpoint, a row, a later one do not fit."""
    text = write_text(tmp_path / "text.txt")
    out = small_disk.folder / "study"
    if begun:
        stop_at_step(cli, study_arguments(text, out), 7)
    else:
        cli(*study_arguments(text, out, time_limit="0.000001s"))
    used, seen = kib_used(small_disk.folder), set()
    for more in range(0, 400, 4):
        small_disk(used + more)
        code, stdout, stderr = cli(*study_arguments(text, out))
        if code == 0:
            break
        assert (code, stdout) == (1, ""), stderr
        lines = [line for line in stderr if "No space" in line]
        assert lines
        for line in lines:
            assert line.startswith(("error: ", "run baseline/seed-0 failed: "))
            assert line.endswith(MAKE_ROOM)
        seen |= {Path(line.split(": ")[1]).name.split(".")[-3:][0] for line in lines}
    else:
        raise AssertionError(stderr)
    assert len(seen) > 1, seen  # it failed in several places
    assert run_bytes(tiny_job(out)) == expected


def stop_at_step(cli, arguments, step):
    """Let the study go so far, and stop at a checkpoint."""
    take_step = _Run.take_step

    def take(run):
        if run.trainer.step == step:
            run.job.stop_file.touch()
        return take_step(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Run, "take_step", take)
        cli(*arguments)


def test_a_disk_that_becomes_full_while_analysing(cli, tmp_path, monkeypatch):
    def full(out):
        raise OSError(errno.ENOSPC, "No space left on device", str(out / "report.html"))

    monkeypatch.setattr("stats.analyse", full)
    out = tmp_path / "out"
    code, stdout, stderr = cli(*study_arguments(write_text(tmp_path / "text.txt"), out))
    assert (code, stdout) == (1, "")
    assert stderr[-1] == f"error: {out / 'report.html'}: {MAKE_ROOM}"


@pytest.mark.slow
def test_a_mount_point_takes_a_study(cli, tmp_path, small_disk):
    arguments = study_arguments(write_text(tmp_path / "text.txt"), small_disk.folder)
    code, _, stderr = cli(*arguments, "--time-limit=0.000001s")
    assert code == 0, stderr
    assert (small_disk.folder / "study.json").is_file()


@pytest.mark.slow
def test_a_table_that_does_not_fit_keeps_the_old_one(small_disk):
    table = small_disk.folder / "table.csv"
    write_bytes(table, b"old")
    with pytest.raises(OSError, match="No space left"):
        write_bytes(table, b"x" * 2_000_000)
    assert tree(small_disk.folder) == {"table.csv": b"old"}


# ----------------------------------------------------------------------------------- gone meanwhile


@pytest.mark.parametrize("step", [5, 7])
@POSIX
def test_a_study_that_is_removed_while_it_trains(cli, tmp_path, monkeypatch, expected, step):
    """It is not begun again half-way, without its first rows."""
    text, out = write_text(tmp_path / "text.txt"), tmp_path / "out"
    take_step = _Run.take_step

    def take(run):
        if run.trainer.step == step:
            shutil.rmtree(out)
        return take_step(run)

    with monkeypatch.context() as patch:
        patch.setattr(_Run, "take_step", take)
        code, stdout, stderr = cli(*study_arguments(text, out))
    assert (code, stdout) == (1, "")
    assert stderr[-1].startswith(f"run baseline/seed-0 failed: {out}")
    assert stderr[-1].endswith("No such file or directory; was it moved or removed meanwhile?")
    assert not out.exists()
    assert cli(*study_arguments(text, out))[0] == 0
    assert run_bytes(tiny_job(out)) == expected


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(errno.ENOSPC, "Full", "a/b"), "a/b: Full; make room and give the same command"),
        (OSError(errno.EIO, "Broken"), "the study: Broken; check the disk"),
        (OSError("odd"), "the study: odd"),
        (OSError(errno.ENOTTY, "Odd", "a"), "a: Odd"),
    ],
)
def test_what_the_system_refuses_is_said_in_one_line(error, line):
    assert explain(error, "the study").startswith(line)
