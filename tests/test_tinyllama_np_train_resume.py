"""Exact resume: a run that was stopped, killed or damaged ends with the same bytes."""

from __future__ import annotations

import dataclasses
import errno
import json
import shutil
import time
from types import SimpleNamespace

import pytest
from tiny_study import (
    INTERVAL_STEPS,
    CrashError,
    end_of,
    finished_run,
    rows,
    run_bytes,
    tiny_job,
    tree,
)

from tinyllama_np import checkpoint, storage, telemetry, train, trainer
from tinyllama_np.checkpoint import CheckpointError, checkpoint_folders, load_checkpoint
from tinyllama_np.corpus.batches import BatchSource
from tinyllama_np.study import collect_intervals
from tinyllama_np.telemetry import TelemetryError
from tinyllama_np.train import train_run
from tokenizer import Tokenizer

pytestmark = pytest.mark.slow

STEPS = INTERVAL_STEPS[-1]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A run that nothing disturbed."""
    return finished_run(tmp_path_factory.mktemp("reference"))


@pytest.fixture
def job(tmp_path, reference):
    """The same run, not yet begun."""
    out = tmp_path / "study"
    shutil.copytree(reference.study_folder, out, ignore=shutil.ignore_patterns("runs"))
    return tiny_job(out)


# ------------------------------------------------------------------------- stops that are asked for


def stop_by_deadline(monkeypatch, job, steps):
    """Let the clock pass every deadline once `steps` steps are done."""

    def now():
        done = telemetry.last_row(job.folder / "steps.csv")
        return 2.0 if (int(done["step"]) if done else 0) >= steps else 0.0

    monkeypatch.setattr(train, "time", SimpleNamespace(time=now, perf_counter=time.perf_counter))


@pytest.mark.parametrize("steps", [0, 1, 3, 7, 12])
def test_a_run_stopped_by_its_time_limit_goes_on_exactly(job, reference, monkeypatch, steps):
    stop_by_deadline(monkeypatch, job, steps)
    outcome = train_run(dataclasses.replace(job, deadline=1.0))
    assert (outcome["status"], outcome["step"]) == ("stopped", steps)
    assert json.loads((job.folder / "outcome.json").read_text())["status"] == "stopped"
    assert end_of(job) == run_bytes(reference)


def test_a_run_stopped_before_every_step_goes_on_exactly(job, reference, monkeypatch):
    for steps in range(STEPS):
        stop_by_deadline(monkeypatch, job, steps)
        assert train_run(dataclasses.replace(job, deadline=1.0))["step"] == steps
        # asked again at once: nothing is lost, nothing is done
        assert train_run(dataclasses.replace(job, deadline=1.0))["step"] == steps
    assert end_of(job) == run_bytes(reference)


def test_a_limit_that_has_passed_lets_no_work_begin(job, monkeypatch):
    def no_work(*_, **__):
        raise AssertionError("evaluated after the time limit")

    monkeypatch.setattr(trainer, "evaluate", no_work)
    outcome = train_run(dataclasses.replace(job, deadline=1.0))
    assert (outcome["status"], outcome["step"], outcome["tokens_seen"]) == ("stopped", 0, 0)


def test_a_stop_file_stops_within_a_step(job, reference, monkeypatch):
    """The step that was under way is dropped: it changed nothing yet."""
    at_step(monkeypatch, 7, job.stop_file.touch)
    outcome = train_run(job)
    assert (outcome["status"], outcome["step"]) == ("stopped", 7)
    monkeypatch.undo()
    job.stop_file.unlink()
    assert end_of(job) == run_bytes(reference)


def at_step(monkeypatch, step, action):
    """Do something when the batch of `step` (0 for the first) is asked for."""
    real = BatchSource.batch

    def batch(self, wanted):
        if wanted == step:
            action()
        return real(self, wanted)

    monkeypatch.setattr(BatchSource, "batch", batch)


def test_a_second_stop_leaves_the_checkpoint_alone(job, monkeypatch):
    """It may be the only one: to take it away and write it anew could lose the whole run."""
    stop_by_deadline(monkeypatch, job, steps=6)
    train_run(dataclasses.replace(job, deadline=1.0))

    def forbidden(*_):
        raise AssertionError("the checkpoint was moved")

    monkeypatch.setattr(storage.os, "rename", forbidden)
    train_run(dataclasses.replace(job, deadline=1.0))
    newest = checkpoint_folders(job.folder / "checkpoints")[-1]
    assert load_checkpoint(newest).state["step"] == 6


def test_a_sample_with_unusual_line_ends_does_not_hinder_a_resume(job, monkeypatch):
    """Splitting texts into lines the wrong way would break at U+0085 or U+2028."""
    monkeypatch.setattr(Tokenizer, "decode", lambda *_: "a\x85b\u2028c\u2029d\x1ee")
    stop_by_deadline(monkeypatch, job, steps=5)
    train_run(dataclasses.replace(job, deadline=1.0))
    assert train_run(job)["status"] == "finished"
    lines = (job.folder / "samples.jsonl").read_bytes().decode().split("\n")
    assert lines.pop() == ""
    texts = [json.loads(line)["text"] for line in lines]
    assert texts == ["a\x85b\u2028c\u2029d\x1ee"] * 12


def test_threads_may_change_at_a_resume(job, reference, monkeypatch):
    stop_by_deadline(monkeypatch, job, steps=5)
    train_run(dataclasses.replace(job, threads=2, deadline=1.0))
    assert end_of(dataclasses.replace(job, threads=4)) == run_bytes(reference)


# ----------------------------------------- crashes (on the disk: test_fail_at_every_operation.py)


@pytest.mark.parametrize("step", [0, 3, 4, 12])
def test_a_crash_inside_a_step_is_made_good(job, reference, monkeypatch, step):
    def crash():
        raise CrashError

    at_step(monkeypatch, step, crash)
    with pytest.raises(CrashError):
        train_run(job)
    monkeypatch.undo()
    assert not (job.folder / "outcome.json").exists()
    assert end_of(job) == run_bytes(reference)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(job, reference, monkeypatch):
    stop_by_deadline(monkeypatch, job, steps=9)
    keep_all = dataclasses.replace(job, keep_checkpoints="all")
    train_run(dataclasses.replace(keep_all, deadline=1.0))
    newest = checkpoint_folders(job.folder / "checkpoints")[-1]
    assert newest.name == "step-000009"
    (newest / "optimizer.safetensors").write_bytes(b"x")
    assert end_of(job) == run_bytes(reference)
    assert (job.folder / "log.txt").read_text()[20:] == (
        "checkpoint step-000009 is damaged (optimizer.safetensors has changed since it was "
        "written); goes on from step 8\n"
    )


def unreadable(monkeypatch, *names):
    """Let every read of the weights of some checkpoints fail, as a bad sector does."""
    real = checkpoint.read_bounded

    def read_bounded(path, largest):
        if path.name == "model.safetensors" and path.parent.name in names:
            raise OSError(errno.EIO, "Input/output error")  # an error of read() names no file
        return real(path, largest)

    monkeypatch.setattr(checkpoint, "read_bounded", read_bounded)


def test_a_checkpoint_that_cannot_be_read_gives_way_to_the_one_before(
    job, reference, monkeypatch, capsys
):
    stop_by_deadline(monkeypatch, job, steps=9)
    train_run(dataclasses.replace(job, deadline=1.0))
    monkeypatch.undo()
    with monkeypatch.context() as patch:
        unreadable(patch, "step-000009")
        assert end_of(job) == run_bytes(reference)
    assert (
        "checkpoint step-000009 cannot be read (model.safetensors: Input/output error); "
        "goes on from step 8"
    ) in capsys.readouterr().err


def test_a_run_is_not_begun_again_over_a_checkpoint_that_cannot_be_read(
    job, reference, monkeypatch
):
    """It may be readable tomorrow."""
    stop_by_deadline(monkeypatch, job, steps=9)
    train_run(dataclasses.replace(job, deadline=1.0))
    monkeypatch.undo()
    before = tree(job.folder)
    with monkeypatch.context() as patch:
        unreadable(patch, "step-000008", "step-000009")
        with pytest.raises(CheckpointError, match=r"000009 cannot be read .*remove runs/baseline"):
            train_run(job)
    assert tree(job.folder) == before
    assert end_of(job) == run_bytes(reference)


def test_a_run_whose_checkpoints_were_removed_says_that_it_begins_again(
    job, reference, monkeypatch, capsys
):
    stop_by_deadline(monkeypatch, job, steps=4)
    train_run(dataclasses.replace(job, deadline=1.0))
    assert not (job.folder / "log.txt").exists()
    shutil.rmtree(job.folder / "checkpoints")
    assert end_of(job) == run_bytes(reference)
    said = "no checkpoint is left: the run begins again"
    assert said in capsys.readouterr().err
    assert said in (job.folder / "log.txt").read_text()


def test_a_run_whose_checkpoints_are_all_damaged_begins_again(job, reference, monkeypatch, capsys):
    stop_by_deadline(monkeypatch, job, steps=9)
    train_run(dataclasses.replace(job, deadline=1.0))
    for folder in checkpoint_folders(job.folder / "checkpoints"):
        (folder / "model.safetensors").write_bytes(b"x")
    assert end_of(job) == run_bytes(reference)
    why = "is damaged (model.safetensors has changed since it was written)"
    said = [f"checkpoint step-{step:06d} {why}" for step in (9, 8)]
    said.append("no checkpoint is left: the run begins again")
    told = capsys.readouterr().err.splitlines()
    assert told == [f"baseline/seed-0: {line}" for line in said]
    assert [line[20:] for line in (job.folder / "log.txt").read_text().splitlines()] == said


@pytest.mark.parametrize("name", ["steps.csv", "intervals.csv", "samples.jsonl"])
def test_telemetry_that_reaches_no_checkpoint_is_refused(job, monkeypatch, name):
    stop_by_deadline(monkeypatch, job, steps=9)
    train_run(dataclasses.replace(job, deadline=1.0))
    (job.folder / name).unlink()
    before = tree(job.folder)
    message = f"{name} of baseline/seed-0 is missing .* remove runs/baseline/seed-0"
    with pytest.raises(TelemetryError, match=message):
        train_run(job)
    assert tree(job.folder) == before


def test_telemetry_cut_short_goes_back_to_the_checkpoint_that_it_reaches(
    job, reference, monkeypatch, capsys
):
    """The newest checkpoint is of step 9, the interval's before it of step 8."""
    stop_by_deadline(monkeypatch, job, steps=9)
    train_run(dataclasses.replace(job, deadline=1.0))
    steps = job.folder / "steps.csv"
    steps.write_bytes(steps.read_bytes()[:-5])
    assert end_of(job) == run_bytes(reference)
    said = (
        "steps.csv of baseline/seed-0 is too short for checkpoint step-000009; goes on from step 8"
    )
    assert said in capsys.readouterr().err
    assert said in (job.folder / "log.txt").read_text()


@pytest.mark.parametrize("name", ["steps.csv", "intervals.csv", "samples.jsonl"])
def test_edited_telemetry_is_refused(job, monkeypatch, name):
    stop_by_deadline(monkeypatch, job, steps=9)
    train_run(dataclasses.replace(job, deadline=1.0))
    path = job.folder / name
    text = path.read_text(encoding="utf-8")
    digit = next(c for c in reversed(text) if c in "123456789")
    edited = "0".join(text.rsplit(digit, 1))
    path.write_text(edited, encoding="utf-8", newline="\n")
    before = tree(job.folder)
    with pytest.raises(
        TelemetryError, match=f"{name} of baseline/seed-0 is not what the run wrote"
    ):
        train_run(job)
    assert tree(job.folder) == before
    path.write_text(text, encoding="utf-8", newline="\n")  # put back
    assert train_run(job)["status"] == "finished"


def test_edited_telemetry_of_a_finished_run_is_refused_too(job):
    train_run(job)
    path = job.folder / "intervals.csv"
    path.write_text(path.read_text().replace("5.6", "5.5", 1))
    with pytest.raises(TelemetryError, match=r"intervals\.csv of baseline/seed-0 is not what"):
        collect_intervals([job], job.study_folder)
    assert not (job.study_folder / "intervals.csv").exists()


@pytest.mark.parametrize("call", [1, 2, 3, 7, 8])
def test_a_run_stopped_in_an_evaluation_goes_on_exactly(job, reference, monkeypatch, call):
    """Each interval evaluates twice; the one that was under way is measured again."""
    real, calls = trainer.evaluate, []

    def evaluate(*arguments):
        calls.append(None)
        if len(calls) == call:
            job.stop_file.touch()
        return real(*arguments)

    monkeypatch.setattr(trainer, "evaluate", evaluate)
    outcome = train_run(job)
    assert (outcome["status"], outcome["step"]) == ("stopped", INTERVAL_STEPS[(call - 1) // 2])
    assert len(rows(job.folder / "intervals.csv")) == (call - 1) // 2
    job.stop_file.unlink()
    assert end_of(job) == run_bytes(reference)


def checkpoints_of(job):
    return [int(p.name[5:]) for p in checkpoint_folders(job.folder / "checkpoints")]


@pytest.mark.parametrize(
    ("keep", "after_9", "at_the_end"),
    [
        ("last", [8, 9], [13]),
        ("best", [6, 8, 9], [6, 13]),
        ("all", [0, 3, 6, 8, 9], [0, 3, 6, 8, 11, 13]),
    ],
)
def test_which_checkpoints_stay(job, monkeypatch, keep, after_9, at_the_end):
    losses = iter([5.0, 4.0, 3.0, 4.0, 3.0, 3.5])  # the best is that of the interval at step 6
    real = trainer.Trainer.measure

    def measure(self):
        found = real(self)
        return found._replace(row={**found.row, "val_loss": next(losses)})

    monkeypatch.setattr(trainer.Trainer, "measure", measure)
    with monkeypatch.context() as patch:
        stop_by_deadline(patch, job, steps=9)
        train_run(dataclasses.replace(job, deadline=1.0, keep_checkpoints=keep))
    assert checkpoints_of(job) == after_9
    assert train_run(dataclasses.replace(job, keep_checkpoints=keep))["status"] == "finished"
    assert checkpoints_of(job) == at_the_end


def test_a_finished_run_is_not_touched_again(job, monkeypatch):
    train_run(job)
    before = tree(job.folder)

    def no_work(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(train, "_Run", no_work)
    assert train_run(job)["status"] == "finished"
    assert tree(job.folder) == before
