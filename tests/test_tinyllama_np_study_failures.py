"""Runs that fail, that another process works on, that somebody edited: the others go on."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext

import pytest
from tiny_study import (
    BASELINE,
    InlineExecutor,
    finish,
    make_study,
    prepared,
    run_bytes,
    tiny_config,
    tree,
)

from tinyllama_np import Condition, study, train
from tinyllama_np.lanes import StopRequested
from tinyllama_np.storage import FolderInUseError, sha256_file, sole_owner
from tinyllama_np.study import collect_intervals, run_jobs, run_study
from tinyllama_np.telemetry import TelemetryError
from tinyllama_np.train import train_run


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


class BrokenPool(InlineExecutor):
    """A process pool whose worker ended before the first run was given to it."""

    def submit(self, function, /, *args, **kwargs):
        raise BrokenProcessPool("a child process terminated abruptly")


@pytest.mark.parametrize(("stopping", "status"), [(True, "stopped"), (False, "failed")])
def test_a_pool_that_is_broken_at_the_start_ends_all_runs(tmp_path, stopping, status):
    """Ctrl-C while the kernels are compiled: stopped; without it the runs failed."""
    _, jobs = prepared(tmp_path, tiny_config(seeds=(0, 1)))
    outcomes = run_study(jobs, BrokenPool(), stop_requested=lambda: stopping, poll_seconds=0.01)
    assert [outcome["status"] for outcome in outcomes] == [status, status]


def test_a_run_that_raises_is_recorded_and_the_others_go_on(tmp_path, monkeypatch):
    _, jobs = prepared(tmp_path, tiny_config(seeds=(0, 1, 2)))
    real = study.train_run

    def fail_for_seed_1(job):
        if job.train.seed == 1:
            real(dataclasses.replace(job, deadline=0.0))  # leaves a folder
            raise MemoryError("no room for the logits")
        return real(job)

    monkeypatch.setattr(study, "train_run", fail_for_seed_1)
    outcomes = run_study(jobs, InlineExecutor(), poll_seconds=0.01)
    assert [o["status"] for o in outcomes] == ["finished", "failed", "finished"]
    assert outcomes[1]["message"] == "MemoryError: no room for the logits"
    assert json.loads((jobs[1].folder / "outcome.json").read_text()) == outcomes[1]
    monkeypatch.undo()
    finish(jobs)  # given again, the failed run is tried again


@pytest.mark.parametrize("error", [FolderInUseError("in use"), MemoryError("none left")])
def test_a_run_that_another_process_finished_keeps_its_outcome(tmp_path, monkeypatch, error):
    _, jobs = prepared(tmp_path, tiny_config())

    def too_late(job):
        train_run(job)  # by the other process
        raise error

    monkeypatch.setattr(study, "train_run", too_late)
    (outcome,) = run_study(jobs, InlineExecutor(), poll_seconds=0.01)
    assert outcome["status"] == "finished"
    assert json.loads((jobs[0].folder / "outcome.json").read_text()) == outcome


@pytest.mark.parametrize("error", [FolderInUseError("in use"), MemoryError("none left")])
def test_no_outcome_is_written_for_a_run_that_another_process_trains(tmp_path, monkeypatch, error):
    _, jobs = prepared(tmp_path, tiny_config())
    real = train_run

    def in_use(job):
        real(dataclasses.replace(job, deadline=0.0))
        raise error

    monkeypatch.setattr(study, "train_run", in_use)
    left = ".steps.csv.123.partial"  # which the other is about to give its name
    jobs[0].folder.mkdir(parents=True)
    with sole_owner(jobs[0].folder):
        monkeypatch.setattr("tinyllama_np.train.sole_owner", lambda *_, **__: nullcontext())
        monkeypatch.setattr("tinyllama_np.train.remove_leftovers", lambda folder: None)
        (jobs[0].folder / left).touch()
        (outcome,) = run_study(jobs, InlineExecutor(), poll_seconds=0.01)
    assert outcome["status"] == "failed"
    assert json.loads((jobs[0].folder / "outcome.json").read_text())["status"] == "stopped"
    assert (jobs[0].folder / left).exists()


def test_what_ended_processes_left_is_removed(tmp_path, monkeypatch):
    """They hear no signal while they begin a run, or write its outcome."""
    _, jobs = prepared(tmp_path, tiny_config(seeds=(0, 1)))

    def ended(job):
        for name in (".outcome.json.123.partial", "checkpoints/.step-000003.123.partial"):
            (job.folder / name).mkdir(parents=True)
        raise BrokenProcessPool("its process was ended by SIGTERM")

    for stopping in (False, True):  # a start that stops at once tidies too
        if stopping:
            (jobs[0].folder / ".steps.csv.123.partial").touch()
        monkeypatch.setattr(study, "train_run", ended)
        run_study(
            jobs, InlineExecutor(), stop_requested=lambda stop=stopping: stop, poll_seconds=0.01
        )
        assert not [name for name in tree(tmp_path) if "partial" in name]
    monkeypatch.undo()
    finish(jobs)


def stop_at(step, monkeypatch):
    """Let every run stop before the step after this one."""
    take_step = train._Run.take_step

    def stopping(run):
        if run.trainer.step == step:
            raise StopRequested
        return take_step(run)

    monkeypatch.setattr(train._Run, "take_step", stopping)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "rows_left"),
    [
        pytest.param("val_loss", "valloss", 0, id="a column's name"),
        pytest.param("baseline,0,0,0,0", "baseline,0,0,0,0,7", 0, id="a cell too many"),
        pytest.param("baseline,0,3,8,256", "baseline,0,3,8,255", 3, id="a digit in the last row"),
    ],
)
def test_an_edited_run_is_left_out_and_the_others_are_collected(
    tmp_path, monkeypatch, old, new, rows_left
):
    config = tiny_config(seeds=(0, 1))
    out = make_study(tmp_path, config)
    jobs = run_jobs(config, out, keep_checkpoints="all")
    with monkeypatch.context() as patch:
        stop_at(9, patch)
        train_run(jobs[0])
    path = jobs[0].folder / "intervals.csv"
    text = path.read_text()
    path.write_text(text.replace(old, new, 1))
    outcomes = run_study(jobs, InlineExecutor(), poll_seconds=0.01)
    assert [outcome["status"] for outcome in outcomes] == ["failed", "finished"]
    assert outcomes[0]["message"].startswith("intervals.csv of baseline/seed-0 is not what the run")
    collected = collect_intervals(jobs, out).read_text().splitlines()
    of_seed_1 = (jobs[1].folder / "intervals.csv").read_text().splitlines()
    assert collected == [*text.splitlines()[: 1 + rows_left], *of_seed_1[1:]]


@pytest.mark.slow
def test_rows_that_no_run_writes_are_told_in_one_line(tmp_path):
    """In a run that has ended, whose outcome.json was given the hash of the edited file too."""
    out, jobs = prepared(tmp_path, tiny_config())
    finish(jobs)
    folder = jobs[0].folder
    outcome = json.loads((folder / "outcome.json").read_text())
    text = (folder / "intervals.csv").read_text()
    for damaged in (text.replace("val_loss", "valloss"), text + "7\n", text.replace(",8,", ",8,,")):
        (folder / "intervals.csv").write_text(damaged)
        outcome["sha256"]["intervals.csv"] = sha256_file(folder / "intervals.csv")
        (folder / "outcome.json").write_text(json.dumps(outcome))
        with pytest.raises(TelemetryError, match=r"^intervals\.csv of baseline/seed-0 has rows"):
            collect_intervals(jobs, out)
    assert not (out / "intervals.csv").exists()


def test_a_run_that_diverges_leaves_the_others_alone(tmp_path):
    wild = Condition("wild", {"learning_rate": 1e30, "warmup_steps": 0})
    _, jobs = prepared(tmp_path / "both", tiny_config(conditions=(wild, BASELINE)))
    outcomes = run_study(jobs, InlineExecutor(), poll_seconds=0.01)
    assert [o["status"] for o in outcomes] == ["diverged", "finished"]
    _, alone = prepared(tmp_path / "alone", tiny_config())
    assert finish(alone) == [run_bytes(jobs[1])]
