"""Files of an analysis: whole after a power cut, and named where they cannot be written."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest
from stats_fake_run import fake_run_folder

import stats
from stats import writing
from stats.cli import main
from tinyllama_np.os_errors import explain


def test_content_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """And the name before anything that is written later."""
    done = []

    def flush(descriptor):
        done.append(("flush", os.readlink(f"/proc/self/fd/{descriptor}").rsplit("/", 1)[1]))

    def replace(old, new):
        done.append(("rename", new.name))
        os.rename(old, new)

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("what a descriptor stands for is asked of /proc")
    monkeypatch.setattr(writing, "flush", flush)
    monkeypatch.setattr(writing.os, "replace", replace)
    writing.write_text(tmp_path / "tables" / "report.md", "text")
    assert done == [("flush", "report.md.partial"), ("rename", "report.md"), ("flush", "tables")]
    assert (tmp_path / "tables" / "report.md").read_text(encoding="utf-8") == "text"


def fail_with(code):
    def failing(*_):
        raise OSError(code, os.strerror(code))

    return failing


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_a_failed_flush_keeps_the_old_file(tmp_path, monkeypatch, code):
    path = tmp_path / "report.md"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setattr(writing, "flush", fail_with(code))
    with pytest.raises(OSError, match=r"error|space") as caught:
        writing.write_text(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_its_file_system_cannot_flush_is_no_error(tmp_path, monkeypatch):
    def refuse_folders(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writing, "flush", refuse_folders)
    for code in (errno.EINVAL, errno.ENOTSUP):
        writing.write_text(tmp_path / "report.md", str(code))
        assert (tmp_path / "report.md").read_text(encoding="utf-8") == str(code)
    code = errno.EIO
    with pytest.raises(OSError, match=os.strerror(code)):
        writing.write_text(tmp_path / "report.md", "text")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "kind"), [("report.html", "folder"), ("tables", "file")])
def test_what_is_in_the_way_is_named(tmp_path, capsys, monkeypatch, name, kind):
    monkeypatch.setattr("stats.outputs.write_figure", lambda *_: b"<svg></svg>")
    folder = fake_run_folder(tmp_path / "study", seeds=2, intervals=3, with_runs=False)
    in_the_way = folder / name
    in_the_way.mkdir() if kind == "folder" else in_the_way.write_text("", encoding="utf-8")
    assert main([str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {in_the_way}: ")
    wanted = "file" if kind == "folder" else "folder"
    assert line.endswith(f"; a {kind} is where a {wanted} has to be: rename or remove it")
    assert not list(folder.rglob("*.partial"))


def test_the_study_names_it_too():
    error = IsADirectoryError(errno.EISDIR, "Is a directory", "out/report.html")
    assert explain(error) == (
        "out/report.html: Is a directory; a folder is where a file has to be: rename or remove it"
    )


def test_all_that_the_package_shows_is_found():
    assert set(stats.__all__) == set(stats._WHERE)
    assert all(hasattr(stats, name) for name in stats.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        stats.nothing  # noqa: B018


HOLD = """
import os, signal, sys
from importlib.abc import MetaPathFinder
class Stop(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stop())
sys.argv = ["stats", {folder!r}]
import runpy
runpy.run_module("stats", run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("name", ["stats.cli", "scipy.special", "pandas", "matplotlib"])
def test_ctrl_c_is_one_line(tmp_path, name):
    """While libraries are loaded, and while it works: matplotlib is loaded to draw."""
    folder = fake_run_folder(tmp_path / "study", seeds=2, intervals=3, with_runs=False)
    done = subprocess.run(
        [sys.executable, "-c", HOLD.format(name=name, folder=str(folder))],
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    assert not list(folder.rglob("*.partial"))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes of POSIX")
def test_a_reader_that_has_gone_is_no_error(tmp_path):
    folder = fake_run_folder(tmp_path / "study", seeds=2, intervals=3, with_runs=False)
    columns = ("--dv=val_loss", "--within=interval", "--subject=seed")
    reading, writing_end = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "stats", "anova", str(folder / "intervals.csv"), *columns],
        stdout=writing_end,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing_end)
    assert (done.returncode, done.stderr) == (0, "")
