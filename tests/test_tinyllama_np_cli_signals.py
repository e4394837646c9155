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
from real_processes import Command
from tiny_study import (
    run_bytes,
    study_arguments,
    tiny_job,
    tree,
    write_text,
)

from tinyllama_np.interrupts import StopSignals
from tinyllama_np.telemetry import last_row

ROOT = Path(__file__).parents[1]


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text.txt")


# SIGHUP is heard even where the tests themselves run under `nohup`.
WITHOUT_ANALYSIS = """
import signal, stats, sys, types
from tinyllama_np.cli import main
if __name__ == "__main__":
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
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
def test_signals_stop_at_a_checkpoint_and_the_command_goes_on(whole, text, tmp_path):
    """Ctrl-C and a terminal that is closed reach the workers as well; `kill` the parent alone."""
    out = tmp_path / "out"
    outcome = out / "runs/baseline/seed-0/outcome.json"
    for number, send, steps in ((2, "killpg", 10), (15, "kill", 40), (1, "killpg", 70)):
        process = start(*long_study(text, out))
        wait_for_steps(process, out, steps)
        getattr(os, send)(process.pid, number)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 128 + number, stderr
        assert "Traceback" not in stderr
        assert "give the same command again to continue" in stderr
        values = json.loads(outcome.read_text())
        assert values["status"] == "stopped"
        assert steps <= values["step"] < 200
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


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("before", "received"), [(signal.SIG_DFL, 1), (signal.SIG_IGN, 0)], ids=["terminal", "nohup"]
)
def test_a_terminal_that_is_closed_asks_for_a_stop(before, received):
    mine = signal.signal(signal.SIGHUP, before)
    try:
        with StopSignals() as signals:
            os.kill(os.getpid(), signal.SIGHUP)
        assert signals.received == received
        assert signal.getsignal(signal.SIGHUP) == before
    finally:
        signal.signal(signal.SIGHUP, mine)


# ------------------------------------------------------------------------------ in every phase

INT, TERM = signal.SIGINT, signal.SIGTERM
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


def check_stopped(command, number):
    """It ended by the signal, said how to go on, and nothing else."""
    code, stdout, stderr = command.end()
    assert code == 128 + number, stderr
    assert stdout == ""
    for word in ("Traceback", "Warning", "Error", "leaked", "Exception"):
        assert word not in stderr
    *_, last = stderr.splitlines()
    assert last.startswith("stopped"), stderr
    assert "give the same command again to" in last


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize(
    ("hooks", "number", "to"),
    [
        pytest.param("tinyllama_np.prepare.Tokenizer.train = here", TERM, "parent", id="tokenizer"),
        pytest.param(
            "tinyllama_np.corpus.tokens.ShardStore.append = here", TERM, "group", id="encoding"
        ),
        pytest.param(
            "tinyllama_np.commands.carry_out.collect_intervals = here", INT, "group", id="end"
        ),
        pytest.param("if not WORKER: stats.analyse = here", TERM, "parent", id="analysis"),
    ],
)
def test_a_signal_in_the_parent_ends_it_at_once(text, tmp_path, hooks, number, to):
    out = tmp_path / "out"
    command = Command(tmp_path / "stopped", study_arguments(text, out), hooks)
    command.wait_for("HERE")
    command.signal(number, to)
    check_stopped(command, number)
    code, stdout, stderr = Command(tmp_path / "again", study_arguments(text, out)).end()
    assert (code, stdout) == (0, "the verdict\n"), stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "again",
        "out",
        "stopped",
        "text.txt",
    ]
    assert not [name for name in tree(out) if "partial" in name or name.endswith(".stop")]


COMPILING = """
tinyllama_np.commands.carry_out.kernels_are_compiled = no
tinyllama_np.commands.carry_out.compile_kernels = here
"""
STARTING = "if WORKER: here()"
LOADING = "if WORKER: tinyllama_np.train._Run.__init__ = here"


@pytest.mark.slow
@POSIX
@pytest.mark.parametrize(
    ("hooks", "number", "to"),
    [
        pytest.param(COMPILING, INT, "group", id="compiling-INT"),
        pytest.param(STARTING, INT, "group", id="starting-INT"),
        pytest.param(LOADING, TERM, "group", id="loading-TERM"),
    ],
)
def test_a_signal_ends_workers_that_have_nothing_to_lose(text, tmp_path, hooks, number, to):
    """They do not wait for the end of a compilation, which takes up to a minute."""
    backend = "numba" if hooks == COMPILING else "numpy"
    arguments = study_arguments(text, tmp_path / "out", backend=backend, seeds="2", jobs=2)
    command = Command(tmp_path / "stopped", arguments, hooks)
    command.wait_for("HERE", times=1 if hooks == COMPILING else 2)
    command.signal(number, to)
    check_stopped(command, number)
    assert "stopped at 0% of the study's tokens" in command.stderr


@pytest.mark.slow
@POSIX
def test_the_time_limit_does_not_wait_for_the_compilation(text, tmp_path):
    arguments = study_arguments(text, tmp_path / "out", backend="numba", time_limit="0.1s")
    code, stdout, stderr = Command(tmp_path / "stopped", arguments, COMPILING).end()
    assert (code, stdout) == (0, ""), stderr
    assert "by the time limit, without one step done since the start; give the same" in stderr


@pytest.mark.slow
@POSIX
def test_a_second_signal_stops_at_once(whole, text, tmp_path):
    """The runs hang in a step; what the last checkpoint holds is kept."""
    out = tmp_path / "out"
    hooks = """
from tinyllama_np.train import _Run
step = _Run.take_step
_Run.take_step = lambda self: here() if self.trainer.step == 80 else step(self)
"""
    command = Command(tmp_path / "stopped", long_study(text, out), hooks)
    command.wait_for("HERE", times=2)
    command.signal(INT)
    command.wait_for("once more to stop at once")
    command.signal(INT)
    check_stopped(command, INT)
    assert list((out / "runs/baseline/seed-0/checkpoints").glob("step-*"))
    code, _, stderr = Command(tmp_path / "again", long_study(text, out)).end()
    assert code == 0, stderr
    assert runs_of(out) == runs_of(whole[0])


# ------------------------------------------------------------------------------ a worker alone


@pytest.mark.slow
@POSIX
def test_a_run_whose_worker_is_stopped_is_continued(whole, text, tmp_path):
    out = tmp_path / "out"
    command = Command(tmp_path / "command", long_study(text, out))
    wait_for_steps(command.process, out, 40)
    first, second = command.workers
    os.kill(first, TERM)
    command.wait_for("its process was told to stop; continuing it")
    os.kill(second, signal.SIGKILL)
    code, stdout, stderr = command.end()
    assert (code, stdout) == (0, "the verdict\n"), stderr
    lines = [line for line in stderr.splitlines() if "continuing it" in line]
    assert sorted(line[:20] for line in lines) == ["run baseline/seed-0:", "run baseline/seed-1:"]
    assert "was killed (SIGKILL), as the system does when memory runs out" in lines[1]
    assert "Traceback" not in stderr
    assert runs_of(out) == runs_of(whole[0])


@pytest.mark.slow
@POSIX
def test_a_run_that_is_killed_again_fails_and_the_others_go_on(text, tmp_path):
    out = tmp_path / "out"
    hooks = """
from tinyllama_np.train import _Run
step = _Run.take_step
def die(self):
    if self.job.train.seed == 1 and self.trainer.step > 50:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self)
_Run.take_step = die
"""
    code, _, stderr = Command(tmp_path / "killed", long_study(text, out), hooks).end()
    assert code == 1
    assert "Traceback" not in stderr
    (line,) = [line for line in stderr.splitlines() if "failed" in line]
    assert line.startswith("run baseline/seed-1 failed: its process was killed (SIGKILL)")
    assert stderr.count("; continuing it") == 1
    status = [
        json.loads((out / f"runs/baseline/seed-{seed}/outcome.json").read_text())["status"]
        for seed in (0, 1)
    ]
    assert status == ["finished", "failed"]


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
