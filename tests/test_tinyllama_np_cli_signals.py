"""Real processes and real signals: what stops a study, and that it goes on where it was."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_study import (
    run_bytes,
    study_arguments,
    tiny_job,
    tree,
    write_text,
)

from tinyllama_np.telemetry import last_row

ROOT = Path(__file__).parents[1]


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text.txt")


WITHOUT_ANALYSIS = """
import stats, sys, types
from tinyllama_np.cli import main
if __name__ == "__main__":
    stats.analyse = lambda out: types.SimpleNamespace(text=lambda: "the verdict")
    sys.exit(main())
"""


def start(*arguments, program=("-c", WITHOUT_ANALYSIS)):
    """The command in a process group of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    return subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        start_new_session=True,
    )


def long_study(text, out):
    """Two runs of 200 steps, a few seconds."""
    return study_arguments(text, out, seeds="2", budget_tokens=32 * 200, jobs=2)


def wait_for_steps(process, out, steps):
    """Until both runs have made some steps."""
    files = [out / "runs" / "baseline" / f"seed-{seed}" / "steps.csv" for seed in (0, 1)]
    while process.poll() is None:
        found = [last_row(file) for file in files]
        if all(row and int(row["step"]) >= steps for row in found):
            return
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError(f"ended with {process.returncode}: {process.communicate()}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The long study without a break, in real processes."""
    folder = tmp_path_factory.mktemp("whole")
    arguments = long_study(write_text(folder / "text.txt"), folder / "out")
    process = start(*arguments, program=("-m", "tinyllama_np"))
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return folder / "out", stdout, stderr


def runs_of(out):
    job = tiny_job(out)
    both = [dataclasses.replace(job.train, seed=seed) for seed in (0, 1)]
    return [run_bytes(dataclasses.replace(job, train=train)) for train in both]


@pytest.mark.slow
def test_a_real_study_ends_with_verdict_and_report(whole):
    out, stdout, stderr = whole
    assert "Traceback" not in stderr
    assert "Warning" not in stderr
    assert str(out / "report.html") in stdout
    assert (out / "report.html").is_file()
    assert len(runs_of(out)) == 2
    for name in ("study.json", "intervals.csv", "telemetry.csv"):
        assert str(out).encode() not in (out / name).read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "send"), [(2, "killpg"), (15, "kill")], ids=["INT", "TERM"])
def test_a_signal_stops_at_a_checkpoint_and_the_command_goes_on(
    whole, text, tmp_path, number, send
):
    """Ctrl-C on a terminal reaches the workers as well; `kill` the parent alone."""
    out = tmp_path / "out"
    process = start(*long_study(text, out))
    wait_for_steps(process, out, 20)
    getattr(os, send)(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number, stderr
    assert "Traceback" not in stderr
    assert "give the same command again to continue" in stderr
    outcome = json.loads((out / "runs/baseline/seed-0/outcome.json").read_text())
    assert outcome["status"] == "stopped"
    assert 20 <= outcome["step"] < 200
    process = start(*long_study(text, out))
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert runs_of(out) == runs_of(whole[0])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_signal_at_the_very_start(whole, text, tmp_path):
    """The workers are still being started and know nothing of Ctrl-C."""
    out = tmp_path / "out"
    process = start(*long_study(text, out))
    while not (out / "study.json").exists() and process.poll() is None:
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
    try:
        process.wait(0.3)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "stopped at" in stderr
    process = start(*long_study(text, out))
    process.communicate(timeout=120)
    assert runs_of(out) == runs_of(whole[0])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_pulling_the_plug(whole, text, tmp_path):
    """All processes end at once, twice; the same command then gives the same bytes."""
    out = tmp_path / "out"
    for steps in (20, 90):
        process = start(*long_study(text, out))
        wait_for_steps(process, out, steps)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
    process = start(*long_study(text, out))
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert runs_of(out) == runs_of(whole[0])
    assert not [name for name in tree(out) if "partial" in name or name == ".stop"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_workers_do_not_outlive_their_parent(text, tmp_path):
    """Else they would write into the folder in which the command, given again, is at work."""
    out = tmp_path / "out"
    process = start(*long_study(text, out))
    wait_for_steps(process, out, 20)
    os.kill(process.pid, signal.SIGKILL)
    # The workers hold the other ends of the pipes: this returns when the last one has ended.
    process.communicate(timeout=30)
    steps = last_row(out / "runs" / "baseline" / "seed-0" / "steps.csv")["step"]
    assert int(steps) < 200
