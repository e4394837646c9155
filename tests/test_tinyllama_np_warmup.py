"""Compiling before the work: said when it happens, and not when it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_study import InlineExecutor, study_arguments, write_text

from tinyllama_np import warmup
from tinyllama_np.cli import main
from tinyllama_np.kernels import linear

ROOT = Path(__file__).parents[1]
COMPILING = "compiling the kernels for this processor (once, up to a minute)"


@pytest.fixture
def lines(monkeypatch, capsys, tmp_path):
    """Run a tiny study in this process with kernels that seem so; returns what it said."""
    command = "tinyllama_np.commands.carry_out."
    monkeypatch.setattr(command + "Workers", InlineExecutor)
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)
    monkeypatch.setattr("stats.analyse", lambda out: SimpleNamespace(text=lambda: "the verdict"))

    def run(*, are_compiled, compile_kernels, backend="numba"):
        monkeypatch.setattr(command + "kernels_are_compiled", are_compiled)
        monkeypatch.setattr(command + "compile_kernels", compile_kernels)
        # the runs themselves need no kernels here
        monkeypatch.setattr("tinyllama_np.trainer.get_backend", lambda *_, **__: _numpy())
        text = write_text(tmp_path / "text.txt")
        assert main(study_arguments(text, tmp_path / "out", backend=backend)) == 0
        return capsys.readouterr().err.splitlines()

    return run


def _numpy():
    from tinyllama_np.backend import NUMPY

    return NUMPY


def fail(*_):
    raise AssertionError("not to be called")


def test_the_first_compilation_is_said_before_and_its_seconds_after(lines, capsys):
    seen = []

    def compile_kernels():
        seen.extend(capsys.readouterr().err.splitlines())
        return 41.6

    after = lines(are_compiled=lambda: False, compile_kernels=compile_kernels)
    assert seen[-1] == COMPILING
    assert after[0] == "compiled in 42 s"
    assert after[1].startswith("training 1 run")


def test_nothing_is_said_of_kernels_that_are_only_loaded(lines):
    said = lines(are_compiled=lambda: True, compile_kernels=fail)
    assert not any("compil" in line for line in said)


def test_numpy_needs_no_kernels(lines):
    said = lines(are_compiled=fail, compile_kernels=fail, backend="numpy")
    assert not any("compil" in line for line in said)


def test_trouble_with_compiling_is_left_to_the_runs_to_tell(lines):
    def broken(*_):
        raise OSError("no compiler")

    assert not any("compil" in line for line in lines(are_compiled=broken, compile_kernels=fail))


def test_compiling_is_remembered_once_it_is_done(monkeypatch):
    done = []
    monkeypatch.setattr(warmup, "remember_kernels_are_compiled", lambda: done.append("numba"))
    assert warmup.compile_kernels("numpy") > 0
    assert done == []
    assert warmup.compile_kernels() > 0
    assert done == ["numba"]

    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(warmup.Lanes, "logits", stopped)
    with pytest.raises(KeyboardInterrupt):
        warmup.compile_kernels()
    assert done == ["numba"]


STUDY = """
import stats, sys, types
from tinyllama_np.cli import main
if __name__ == "__main__":
    stats.analyse = lambda out: types.SimpleNamespace(text=lambda: "the verdict")
    sys.exit(main())
"""


@pytest.mark.slow
def test_a_real_study_speaks_of_compiling_once(tmp_path):
    """With what is compiled already, so that it is quick, but as a machine that was interrupted."""
    ignore = shutil.ignore_patterns("complete.*", "*.tmp")
    here = Path(linear.linear.stats.cache_path).parent
    shutil.copytree(here, tmp_path / "cache" / here.name, ignore=ignore)
    text = write_text(tmp_path / "text.txt")

    def said(out):
        done = subprocess.run(
            [sys.executable, "-c", STUDY, *study_arguments(text, tmp_path / out, backend="numba")],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "error",
                "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
            },
        )
        assert done.returncode == 0, done.stderr
        return [line for line in done.stderr.splitlines() if "compil" in line]

    first = said("first")
    assert first[0] == COMPILING
    assert first[1].startswith("compiled in ")
    assert len(first) == 2
    assert said("second") == []
