"""Numbers that go wrong: what a run does with them when it may go back and halve its rate."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

import pytest
from failing_disk import FailingDisk, Kind, installed
from tiny_study import (
    INTERVAL_STEPS,
    CrashError,
    end_of,
    finished_run,
    make_study,
    rows,
    run_bytes,
    tiny_config,
    tiny_job,
    tree,
)

from tinyllama_np import trainer
from tinyllama_np.checkpoint import CheckpointError, checkpoint_folders, load_checkpoint
from tinyllama_np.job import check_ended_telemetry
from tinyllama_np.telemetry import TelemetryError
from tinyllama_np.train import train_run
from tinyllama_np.trainer import Trainer

BAD_STEP = 10  # between the intervals after steps 8 and 11


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


def not_finite_at(monkeypatch, step, above):
    """Let the loss of a step be NaN while the learning rate's scale is above a value."""
    real_step, real_mean, bad = Trainer.take_step, trainer.mean_loss, [False]

    def take_step(self):
        bad[0] = self.step + 1 == step and self.learning_rate_scale > above
        return real_step(self)

    monkeypatch.setattr(Trainer, "take_step", take_step)
    monkeypatch.setattr(
        trainer, "mean_loss", lambda losses: math.nan if bad[0] else real_mean(losses)
    )


def job_of(folder, **train):
    config = tiny_config(**train)
    return tiny_job(make_study(folder, config), config)


def carry_out_to(job, monkeypatch, stop):
    """Ask the run to stop after a step, and each one from there on; returns the outcome."""
    with monkeypatch.context() as patch:
        real = Trainer.take_step

        def take_step(self):
            result = real(self)
            if self.step >= stop:
                job.stop_file.touch()
            return result

        patch.setattr(Trainer, "take_step", take_step)
        outcome = train_run(job)
    job.stop_file.unlink(missing_ok=True)
    return outcome


def test_a_run_goes_back_to_its_last_interval_at_half_the_rate(tmp_path, monkeypatch, capsys):
    undisturbed = finished_run(tmp_path / "undisturbed")
    job = job_of(tmp_path / "this", divergence_retries=2)
    not_finite_at(monkeypatch, BAD_STEP, above=0.3)
    outcome = train_run(job)
    assert (outcome["status"], outcome["step"]) == ("finished", 13)
    assert outcome["message"] == "went back 2 times; see recoveries.csv"

    found = rows(job.folder / "recoveries.csv")
    assert [(row["step"], row["back_to_step"]) for row in found] == [("10", "8")] * 2
    assert [row["learning_rate_scale"] for row in found] == ["0.5", "0.25"]
    assert {row["train_loss"] for row in found} == {""}
    assert all(float(row["grad_norm"]) > 0 for row in found)

    mine, theirs = rows(job.folder / "steps.csv"), rows(undisturbed.folder / "steps.csv")
    assert [row["step"] for row in mine] == [str(step) for step in range(1, 14)]
    assert mine[:8] == theirs[:8]
    assert mine[8]["train_loss"] == theirs[8]["train_loss"]  # the same weights and batch
    assert mine[9]["train_loss"] != theirs[9]["train_loss"]
    assert [float(row["lr"]) for row in mine] == [0.005] + [0.01] * 7 + [0.0025] * 5
    assert [row["lr"] for row in rows(job.folder / "intervals.csv")][-2:] == ["0.0025"] * 2
    assert capsys.readouterr().err.count("step 10 was not finite: back to step 8") == 2

    check_ended_telemetry(job)
    path = job.folder / "recoveries.csv"
    path.write_text(path.read_text().replace(",8,", ",6,", 1))
    with pytest.raises(TelemetryError, match="of baseline/seed-0 is not what the run wrote"):
        check_ended_telemetry(job)


@pytest.mark.slow
def test_a_run_that_goes_back_often_does_not_fill_the_screen(tmp_path, monkeypatch, capsys):
    job = job_of(tmp_path, divergence_retries=9)
    not_finite_at(monkeypatch, BAD_STEP, above=0.04)
    assert train_run(job)["message"] == "went back 5 times; see recoveries.csv"
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 3
    assert shown[-1].endswith("; the next times are in log.txt and recoveries.csv alone")
    assert (job.folder / "log.txt").read_text().count("was not finite") == 5


def test_the_weights_are_those_of_the_halved_rate(tmp_path, monkeypatch):
    """Computed by the trainer alone: to the last interval, then on at half the rate."""
    job = job_of(tmp_path, divergence_retries=1)
    not_finite_at(monkeypatch, BAD_STEP, above=0.5)
    train_run(job)
    monkeypatch.undo()
    data = trainer.open_run_data(job.study_folder, job.train.train_tokens)
    other = Trainer(job.model, job.train, data)
    for _ in range(8):
        other.take_step()
    other.recoveries = [{}]
    while other.step < 13:
        other.take_step()
    (folder,) = checkpoint_folders(job.folder / "checkpoints")
    params = load_checkpoint(folder).params
    assert all((params[name] == view).all() for name, view in other.weights.views.items())


@pytest.mark.slow
@pytest.mark.parametrize("stops", [(8,), (9,), (10,), (9, 10), (8, 9, 10, 12)])
def test_a_run_that_went_back_and_was_stopped_ends_with_the_same_bytes(
    tmp_path, monkeypatch, stops
):
    """A stop leaves a checkpoint between the intervals, which must not be what it goes back to."""
    job = job_of(tmp_path, divergence_retries=3)
    not_finite_at(monkeypatch, BAD_STEP, above=0.2)
    train_run(job)
    expected = run_bytes(job)
    assert len(rows(job.folder / "recoveries.csv")) == 3
    shutil.rmtree(job.folder)
    for stop in stops:
        assert carry_out_to(job, monkeypatch, stop)["status"] in ("stopped", "finished")
    assert end_of(job) == expected
    assert len(rows(job.folder / "recoveries.csv")) == 3


@pytest.mark.slow
@pytest.mark.parametrize("write", range(0, 12, 2))
def test_a_run_that_is_killed_while_it_goes_back_ends_with_the_same_bytes(
    tmp_path, monkeypatch, write
):
    job = job_of(tmp_path, divergence_retries=1)
    not_finite_at(monkeypatch, BAD_STEP, above=0.5)
    train_run(job)
    expected = run_bytes(job), (job.folder / "recoveries.csv").read_bytes()
    shutil.rmtree(job.folder)
    with monkeypatch.context() as patch:
        real, left = trainer.Trainer.restore, [write]

        def restore(self, *arguments):
            real(self, *arguments)
            if self.step == 8:  # from here on the disk takes a few more operations
                for name in ("open", "cut", "replace", "rename", "remove_tree", "flush"):
                    patch.setattr(f"tinyllama_np.storage.Disk.{name}", dies(left, name))

        patch.setattr(Trainer, "restore", restore)
        with pytest.raises(CrashError):
            train_run(job)
    assert end_of(job) == expected[0]
    assert (job.folder / "recoveries.csv").read_bytes() == expected[1]


def dies(left, name):
    from tinyllama_np.storage import Disk

    real = getattr(Disk, name)

    def call(*arguments):
        left[0] -= 1
        if left[0] < 0:
            raise CrashError
        return real(*arguments)

    return call


def test_a_run_that_diverges_again_and_again_ends(tmp_path):
    job = job_of(tmp_path, divergence_retries=3, learning_rate=1e30, warmup_steps=0)
    outcome = train_run(job)
    assert (outcome["status"], outcome["step"]) == ("diverged", 2)
    assert "(went back 3 times before)" in outcome["message"]
    found = rows(job.folder / "recoveries.csv")
    assert [row["learning_rate_scale"] for row in found] == ["0.5", "0.25", "0.125"]
    assert {(row["step"], row["back_to_step"]) for row in found} == {("2", "0")}
    assert float(rows(job.folder / "steps.csv")[0]["lr"]) == 1e30 / 8
    assert train_run(job) == outcome


def test_it_is_off_unless_asked_for(tmp_path, monkeypatch):
    job = job_of(tmp_path)
    not_finite_at(monkeypatch, BAD_STEP, above=0.5)
    outcome = train_run(job)
    assert (outcome["status"], outcome["step"]) == ("diverged", 10)
    assert not (job.folder / "recoveries.csv").exists()
    assert json.loads((job.folder / "outcome.json").read_text()) == outcome
    assert len(rows(job.folder / "intervals.csv")) == INTERVAL_STEPS.index(8) + 1


@pytest.mark.parametrize("kind", [Kind.LOST, Kind.ZEROS])
def test_a_run_that_diverged_is_whole_after_a_power_cut(tmp_path, monkeypatch, kind):
    """The rows since its last checkpoint are on the disk before the outcome speaks of them."""
    job = job_of(tmp_path)
    not_finite_at(monkeypatch, BAD_STEP, above=0.5)
    disk = FailingDisk(0, kind)
    with installed(disk):
        assert train_run(job)["status"] == "diverged"
    disk.cut_power(tmp_path)
    check_ended_telemetry(job)
    assert [row["step"] for row in rows(job.folder / "steps.csv")][-1] == "10"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stops", "damaged", "goes_on_from"),
    [((), 8, "goes on from step 6"), ((9,), 8, "the run begins again"), ((9,), 9, None)],
)
def test_a_damaged_checkpoint_to_go_back_to_is_trained_again(
    tmp_path, monkeypatch, capsys, stops, damaged, goes_on_from
):
    """Silently taking an older one would make it another run: less at the full rate."""
    job = job_of(tmp_path, divergence_retries=2)
    not_finite_at(monkeypatch, BAD_STEP, above=0.3)
    train_run(job)
    expected = run_bytes(job)
    assert len(rows(job.folder / "recoveries.csv")) == 2
    shutil.rmtree(job.folder)
    for stop in stops:
        assert carry_out_to(job, monkeypatch, stop)["step"] == stop
    real, done = Trainer.take_step, []

    def take_step(self):
        if self.step == BAD_STEP - 1 and not done:
            done.append(None)
            (job.folder / f"checkpoints/step-{damaged:06d}/config.json").unlink()
        return real(self)

    monkeypatch.setattr(Trainer, "take_step", take_step)
    capsys.readouterr()
    assert train_run(job)["status"] == "finished"
    assert run_bytes(job) == expected
    assert done
    told = capsys.readouterr().err
    if goes_on_from:
        assert "step 10 was not finite, and there is no going back to 8" in told
        assert "checkpoint step-000008 is damaged (it lacks config.json)" in told
        assert goes_on_from in told
    else:
        assert "damaged" not in told  # it was not one to go back to


def test_a_checkpoint_that_is_damaged_whenever_it_is_written_ends_the_run(tmp_path, monkeypatch):
    job = job_of(tmp_path, divergence_retries=2)
    not_finite_at(monkeypatch, BAD_STEP, above=0.3)
    real = Trainer.take_step

    def take_step(self):
        if self.step == BAD_STEP - 1:
            (job.folder / "checkpoints/step-000008/config.json").unlink()
        return real(self)

    monkeypatch.setattr(Trainer, "take_step", take_step)
    with pytest.raises(CheckpointError, match=r"step-000008 is damaged \(it lacks config\.json\)"):
        train_run(job)


def test_the_option_alone_changes_no_number(tmp_path):
    plain = finished_run(tmp_path / "plain")
    with_option = finished_run(tmp_path / "option", divergence_retries=2)
    for name in ("steps.csv", "intervals.csv", "checkpoints/step-000013/model.safetensors"):
        assert run_bytes(plain)[name] == run_bytes(with_option)[name]
    assert rows(with_option.folder / "recoveries.csv") == []


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("train", {"learning_rate": 0.02}, r"learning_rate=0\.01, not 0\.02"),
        ("model", {"rope_theta": 500.0}, "another model"),
    ],
)
def test_a_run_begun_with_other_settings_is_not_gone_on_with(
    tmp_path, monkeypatch, part, changes, message
):
    """And is left as it is: rows since the checkpoint would be cut by going on only."""
    job = job_of(tmp_path)

    def crash(self):
        raise CrashError

    with monkeypatch.context() as patch:
        real = Trainer.take_step
        patch.setattr(Trainer, "take_step", lambda self: (real, crash)[self.step == 5](self))
        with pytest.raises(CrashError):
            train_run(job)
    assert len(rows(job.folder / "steps.csv")) == 5
    before = tree(job.folder)
    settings = dataclasses.replace(getattr(job, part), **changes)
    with pytest.raises(CheckpointError, match=message):
        train_run(dataclasses.replace(job, **{part: settings}))
    assert tree(job.folder) == before
