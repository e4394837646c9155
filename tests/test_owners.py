"""A folder has one owner: real processes, the refusal that names the first, locks of the dead."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from real_processes import Command
from tiny_study import finished_run, make_study, run_bytes, study_arguments, tiny_job, write_text

from tinyllama_np import storage
from tinyllama_np.storage import FolderInUseError, sole_owner
from tinyllama_np.train import train_run

ROOT = Path(__file__).parents[1]
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
SINCE = r"since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"

OWNER = """
import pathlib, sys
from tinyllama_np.storage import sole_owner
with sole_owner(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def owner(tmp_path):
    """Another process that owns `tmp_path`; it ends when its stdin does."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout.readline() == "locked\n"
        yield process


@pytest.mark.slow
def test_the_refusal_names_process_host_and_time(owner, tmp_path):
    with pytest.raises(FolderInUseError) as caught, sole_owner(tmp_path):
        pass
    expected = f"process {owner.pid} on {socket.gethostname()} "
    assert str(caught.value).startswith(f"folder {tmp_path} is in use by {expected}")
    assert re.search(SINCE, str(caught.value))


@pytest.mark.slow
def test_patience_waits_for_an_owner_that_ends(owner, tmp_path, monkeypatch):
    """The clock stands still: only the end of the owner can end the waiting."""
    looked = []

    def sleep(seconds):
        looked.append(seconds)
        if len(looked) == 2:
            owner.kill()
            owner.wait()

    monkeypatch.setattr(storage.time, "sleep", sleep)
    monkeypatch.setattr(storage.time, "monotonic", lambda: 0.0)
    with sole_owner(tmp_path, patience=1.0):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
    assert len(looked) == 2


def test_patience_ends(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(storage.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(storage.time, "sleep", lambda seconds: now.append(now.pop() + seconds))
    with (
        sole_owner(tmp_path),
        pytest.raises(FolderInUseError, match=f"in use by process {os.getpid()} on "),
        sole_owner(tmp_path, patience=0.2),
    ):
        pass
    assert 0.2 <= now[0] < 0.3


def test_a_lock_of_another_host_is_named(tmp_path):
    """Over a shared file system the text is what tells where the owner is."""
    with sole_owner(tmp_path):
        (tmp_path / ".lock").write_text("process 7 on node12 since 2026-01-02 03:04:05 UTC")
        with (
            pytest.raises(FolderInUseError, match="process 7 on node12 since"),
            sole_owner(tmp_path),
        ):
            pass


@POSIX
def test_a_file_system_without_locks_is_no_owner(tmp_path, monkeypatch):
    import errno
    import fcntl

    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(OSError, match="has no locks; name a folder"), sole_owner(tmp_path):
        pass


@POSIX
def test_a_folder_that_another_process_has_moved_is_not_taken(tmp_path, monkeypatch):
    """Between opening the lock's file and locking it, the owner published the folder."""
    folder = tmp_path / "staging"
    folder.mkdir()
    lock = storage._lock

    def late(*arguments):
        folder.rename(tmp_path / "study")
        return lock(*arguments)

    monkeypatch.setattr(storage, "_lock", late)
    with pytest.raises(FolderInUseError, match="moved by another process"), sole_owner(folder):
        pass


@pytest.mark.slow
@POSIX
def test_two_commands_on_one_study(tmp_path):
    """The second is refused, and the first goes on as if nothing had been."""
    text, out = write_text(tmp_path / "text.txt"), tmp_path / "out"
    arguments = study_arguments(text, out)
    hooks = """
from tinyllama_np.train import _Run
step = _Run.take_step
_Run.take_step = lambda self: here() if self.trainer.step == 5 else step(self)
"""
    first = Command(tmp_path / "first", arguments, hooks)
    first.wait_for("HERE")
    code, stdout, stderr = Command(tmp_path / "second", arguments).end()
    assert (code, stdout) == (2, "")
    (line,) = stderr.splitlines()
    expected = f"folder {out} is in use by process {first.pid} on {socket.gethostname()} since "
    assert line.startswith(f"error: {expected}")
    first.signal(signal.SIGKILL)
    first.end()
    code, stdout, stderr = Command(tmp_path / "third", arguments).end()
    assert (code, stdout) == (0, "the verdict\n"), stderr
    assert run_bytes(tiny_job(out)) == run_bytes(finished_run(tmp_path / "whole"))


@pytest.mark.slow
@POSIX
def test_two_commands_that_make_one_study(tmp_path):
    text, out = write_text(tmp_path / "text.txt"), tmp_path / "out"
    first = Command(
        tmp_path / "first",
        study_arguments(text, out),
        "tinyllama_np.prepare.Tokenizer.train = here",
    )
    first.wait_for("HERE")
    code, _, stderr = Command(tmp_path / "second", study_arguments(text, out)).end()
    assert code == 2
    assert f"is in use by process {first.pid} on " in stderr
    assert first.process.poll() is None
    first.signal(signal.SIGINT)
    assert first.end()[0] == 130


@pytest.mark.slow
def test_two_processes_train_one_run(tmp_path, monkeypatch):
    """By the library: the second call is refused and touches nothing."""
    monkeypatch.setattr("tinyllama_np.train.PATIENCE", 0.1)
    job = tiny_job(make_study(tmp_path))
    job.folder.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(job.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(FolderInUseError, match=f"in use by process {process.pid} on "):
            train_run(job)
        assert [path.name for path in job.folder.iterdir()] == [".lock"]
    assert train_run(job)["status"] == "finished"
