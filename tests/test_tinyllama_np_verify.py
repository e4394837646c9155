"""`tinyllama-np verify`: what is as it was computed is found so, and what is not is named."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import shutil

import numpy as np
import pytest
from safetensors import numpy as safetensors
from test_tinyllama_np_recovery import not_finite_at
from test_tinyllama_np_train_resume import at_step, stop_by_deadline
from tiny_study import (
    INTERVAL_STEPS,
    CrashError,
    end_of,
    make_study,
    run_bytes,
    tiny_config,
    tiny_job,
    tree,
)

from tinyllama_np import optimizer, train
from tinyllama_np.checkpoint import checkpoint_folders, whole_checkpoints
from tinyllama_np.cli import main
from tinyllama_np.environment import current_environment
from tinyllama_np.environment_record import begin_or_continue
from tinyllama_np.optimizer import Optimizer
from tinyllama_np.storage import sha256_bytes, sha256_file
from tinyllama_np.study import collect_intervals, run_jobs
from tinyllama_np.train import train_run
from tinyllama_np.verify import retrain
from tinyllama_np.verify.comparison import line_difference, tensor_difference
from tinyllama_np.verify.joined import compare_joined

END = INTERVAL_STEPS[-1]
WEIGHT = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


def trained(folder, keep="all", **changes):
    folder.mkdir(exist_ok=True)
    config = tiny_config(**changes)
    job = tiny_job(make_study(folder, config), config, keep_checkpoints=keep)
    assert train_run(job)["status"] == "finished"
    return job


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with all its checkpoints; not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)
        return trained(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def copied(tmp_path, finished):
    """The same, to be damaged."""
    out = tmp_path / "study"
    shutil.copytree(finished.study_folder, out)
    return dataclasses.replace(finished, study_folder=out)


@pytest.fixture
def verify(capsys):
    """The command: exit code, JSON of the first run. It leaves every file as it was."""

    def call(job, *options):
        before = tree(job.study_folder)
        capsys.readouterr()
        code = main(["verify", str(job.study_folder), "--json", *map(str, options)])
        assert tree(job.study_folder) == before
        found = capsys.readouterr()
        if code == 2:
            return code, found.err
        result = json.loads(found.out)
        assert result["agrees"] == (code == 0)
        return code, result["runs"][0]

    return call


@pytest.fixture
def text_of(capsys):
    def call(job, *options):
        capsys.readouterr()
        code = main(["verify", str(job.study_folder), *map(str, options)])
        return code, capsys.readouterr().out

    return call


def rows(result):
    return {name: (count["agree"], count["compared"]) for name, count in result["rows"].items()}


# ---------------------------------------------------------------------------------------- agreement


def test_a_finished_run_agrees(finished, verify):
    code, result = verify(finished, "--from", 0, "--to-end")
    assert (code, result["verdict"], result["start"], result["end"]) == (0, "agrees", 0, END)
    assert rows(result) == {
        "steps.csv": (13, 13),
        "intervals.csv": (6, 6),
        "samples.jsonl": (12, 12),
    }
    agrees = {"model": True, "optimizer": True, "training_state": True}
    assert result["checkpoints"] == {f"step-{step:06d}": agrees for step in INTERVAL_STEPS}


@pytest.mark.slow
@pytest.mark.parametrize(("start", "threads"), [(0, 1), (3, 2), (6, 4), (8, 1), (11, 2)])
def test_from_each_checkpoint(finished, verify, start, threads):
    following = INTERVAL_STEPS[INTERVAL_STEPS.index(start) + 1]
    code, result = verify(finished, "--from", start, "--threads", threads)
    assert (code, result["end"], result["from_checkpoint"]) == (0, following, start > 0)
    measured = 1 + (start == 0)  # interval 0 too
    steps = following - start
    assert rows(result) == {
        "steps.csv": (steps, steps),
        "intervals.csv": (measured, measured),
        "samples.jsonl": (2 * measured, 2 * measured),
    }
    assert list(result["checkpoints"])[-1] == f"step-{following:06d}"


def test_the_default_is_the_last_stretch(finished, verify):
    code, result = verify(finished)
    assert (code, result["start"], result["end"]) == (0, 11, END)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keep", "changes"),
    [("last", {}), ("best", {"sample_tokens": 0}), ("last", {"backend": "numba"})],
)
def test_whatever_was_kept(tmp_path, verify, keep, changes):
    job = trained(tmp_path / "run", keep, **changes)
    code, result = verify(job, "--to-end")
    kept = [int(path.name[5:]) for path in checkpoint_folders(job.folder / "checkpoints")]
    assert code == 0
    assert result["start"] == max([0, *(step for step in kept if step < END)])
    assert result["checkpoints"]["step-000013"]["optimizer"] is True
    assert ("samples.jsonl" in result["rows"]) == (changes != {"sample_tokens": 0})


@pytest.mark.slow
def test_a_number_of_steps(finished, verify):
    _, result = verify(finished, "--from", 3, "--steps", 2)
    assert (result["end"], rows(result)) == (5, {"steps.csv": (2, 2)})
    _, result = verify(finished, "--from", 3, "--steps", 3)
    assert (rows(result)["intervals.csv"], list(result["checkpoints"])) == ((1, 1), ["step-000006"])
    _, result = verify(finished, "--from", 11, "--steps", 500)  # to the end of what there is
    assert (result["end"], rows(result)["steps.csv"]) == (END, (2, 2))


# ---------------------------------------------------------------------------------- unfinished runs


@pytest.fixture
def job(tmp_path, finished):
    """The run, not yet begun, of which only the newest checkpoints are kept."""
    out = tmp_path / "study"
    shutil.copytree(finished.study_folder, out, ignore=shutil.ignore_patterns("runs"))
    return tiny_job(out)


@pytest.mark.slow
def test_a_stopped_run(job, verify, monkeypatch):
    with monkeypatch.context() as patch:
        stop_by_deadline(patch, job, steps=9)
        train_run(dataclasses.replace(job, deadline=1.0))
    code, result = verify(job)
    assert (code, result["start"], result["end"]) == (0, 8, 9)
    assert rows(result) == {"steps.csv": (1, 1)}
    assert result["checkpoints"]["step-000009"]["training_state"] is True
    code, result = verify(job, "--from", 0, "--to-end")
    assert (code, rows(result)["steps.csv"], rows(result)["intervals.csv"]) == (0, (9, 9), (4, 4))
    steps = job.folder / "steps.csv"
    whole = steps.read_bytes()
    steps.write_bytes(whole[:-5])
    code, result = verify(job, "--to-end")
    assert (code, result["verdict"], result["end"]) == (1, "damaged", 8)
    assert "steps.csv is shorter than when checkpoint step-000009" in result["damage"][0]
    steps.write_bytes(whole)
    change_cell(steps, 2, "train_loss")
    code, result = verify(job)
    assert (code, result["verdict"], result["rows"]) == (1, "damaged", {})
    assert "steps.csv of baseline/seed-0 was edited" in result["damage"][0]


@pytest.mark.slow
def test_from_a_checkpoint_between_two_intervals(job, verify, monkeypatch):
    with monkeypatch.context() as patch:
        stop_by_deadline(patch, job, steps=9)
        train_run(dataclasses.replace(job, deadline=1.0))
    kept = shutil.copytree(job.folder / "checkpoints/step-000009", job.study_folder / "kept")
    train_run(job)
    shutil.copytree(kept, job.folder / "checkpoints/step-000009")
    code, result = verify(job)
    assert (code, result["start"], rows(result)["intervals.csv"]) == (0, 9, (1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("call", [3, 8])
def test_a_run_stopped_in_an_evaluation(job, verify, monkeypatch, call):
    """Its newest checkpoint stands before the interval that is due."""
    from tinyllama_np import trainer

    real, calls = trainer.evaluate, []

    def evaluate(*arguments, **options):
        calls.append(None)
        if len(calls) == call:
            job.stop_file.touch()
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "evaluate", evaluate)
        train_run(job)
    code, result = verify(job, "--to-end")
    measured = (call - 1) // 2
    assert (code, result["end"]) == (0, INTERVAL_STEPS[measured])
    assert rows(result).get("intervals.csv") == ((1, 1) if call == 3 else None)  # of step 0
    assert list(result["checkpoints"])[-1] == f"step-{INTERVAL_STEPS[measured]:06d}"


@pytest.mark.slow
def test_of_a_killed_run_what_its_newest_checkpoint_vouches_for(job, verify, monkeypatch):
    def crash():
        raise CrashError

    with monkeypatch.context() as patch:
        at_step(patch, 10, crash)
        with pytest.raises(CrashError):
            train_run(job)
    with open(job.folder / "steps.csv", "a") as stream:
        stream.write("11,what,a,power,cut,leaves\0\0")
    code, result = verify(job, "--to-end")
    assert (code, result["start"], result["end"]) == (0, 6, 8)
    assert rows(result)["steps.csv"] == (2, 2)


@pytest.mark.slow
def test_a_run_that_is_being_trained_is_not_disturbed(job, finished, verify, monkeypatch):
    codes = []

    def look():
        if not codes:  # the verification asks for this batch as well
            codes.append(None)
            before = tree(job.study_folder)
            codes[0] = main(["verify", str(job.folder)]), tree(job.study_folder) == before

    at_step(monkeypatch, 10, look)
    train_run(job)
    assert codes == [(0, True)]
    end_of(job)
    whole = run_bytes(finished)
    assert {name: whole[name] for name in run_bytes(job)} == run_bytes(job)


@pytest.mark.slow
def test_a_checkpoint_that_the_run_removes_meanwhile(copied, text_of, monkeypatch):
    real = retrain.load_checkpoint

    def load(folder):
        shutil.rmtree(folder)
        return real(folder)

    monkeypatch.setattr(retrain, "load_checkpoint", load)
    code, text = text_of(copied, "--from", 3)
    assert code == 0
    assert "  note: checkpoint step-000006 was removed by the run meanwhile\n" in text


# ---------------------------------------------------------------------------------- going back


@pytest.mark.slow
@pytest.mark.parametrize("start", [0, 6, 8, 11])
def test_a_run_that_went_back(tmp_path, verify, monkeypatch, start):
    with monkeypatch.context() as patch:
        not_finite_at(patch, 10, above=0.3)
        job = trained(tmp_path / "run", divergence_retries=2)
        code, result = verify(job, "--from", start, "--to-end")
    assert (code, result["verdict"]) == (0, "agrees")
    assert rows(result).get("recoveries.csv", (2, 2)) == (2, 2)
    assert ("recoveries.csv" in result["rows"]) == (start <= 8)
    assert result["checkpoints"]["step-000013"]["training_state"] is True
    # where the step is finite now, that is named, and what follows is no false difference
    code, result = verify(job, "--from", start, "--to-end")
    if start == 11:
        assert code == 0
        return
    (difference,) = result["differences"]
    assert (code, difference["file"], difference["what"]) == (1, "recoveries.csv", "train_loss")
    assert (difference["step"], difference["recorded"]) == (8, "nothing")


@pytest.mark.slow
def test_a_run_that_went_back_further_the_second_time(tmp_path, verify, monkeypatch):
    """The last interval's checkpoint was damaged meanwhile; rows 7 and 8 are of the third try.

    Older versions took the one before it instead.
    """
    folder, damaged = tmp_path / "run", []

    def damage():
        damaged.append(None)
        if len(damaged) == 2:
            (
                tmp_path / "run/study/runs/baseline/seed-0/checkpoints/step-000008/config.json"
            ).unlink()

    with monkeypatch.context() as patch:
        not_finite_at(patch, 10, above=0.3)
        at_step(patch, 9, damage)
        patch.setattr(
            train, "load_checkpoint", lambda path: next(whole_checkpoints(path.parent))[1]
        )
        job = trained(folder, divergence_retries=2)
    with open(job.folder / "recoveries.csv", newline="") as stream:
        assert [row["back_to_step"] for row in csv.DictReader(stream)] == ["8", "6"]
    code, result = verify(job, "--from", 3, "--to-end")
    assert (code, len(result["notes"])) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 3])
def test_a_diverged_run(tmp_path, verify, retries):
    config = tiny_config(divergence_retries=retries, learning_rate=1e30, warmup_steps=0)
    job = tiny_job(make_study(tmp_path, config), config)
    assert train_run(job)["status"] == "diverged"
    code, result = verify(job)
    assert (code, result["end"], rows(result)["steps.csv"]) == (0, 2, (2, 2))
    assert rows(result).get("recoveries.csv", (0, 0)) == (retries, retries)
    assert result["notes"] == []  # nobody asked for more steps than there are


@pytest.mark.slow
def test_a_run_that_diverged_where_an_interval_ends(job, verify, monkeypatch):
    """That interval was not measured, since the step was not applied."""
    not_finite_at(monkeypatch, 11, above=0.5)
    assert train_run(job)["status"] == "diverged"
    code, result = verify(job)
    assert (code, result["start"], result["end"]) == (0, 8, 11)
    assert rows(result) == {"steps.csv": (3, 3)}


@pytest.mark.slow
def test_an_invented_recovery_is_named(tmp_path, verify):
    config = tiny_config(divergence_retries=1, learning_rate=1e30, warmup_steps=0)
    job = tiny_job(make_study(tmp_path, config), config)
    train_run(job)
    path = job.folder / "recoveries.csv"
    text = path.read_text()
    path.write_text(text.replace("\n2,0,", "\n1,0,"))
    code, result = verify(job)
    assert (code, result["verdict"]) == (1, "damaged")
    assert "recoveries.csv of baseline/seed-0 was edited or damaged" in result["damage"][0]
    vouch_again_with_sizes(job)
    code, result = verify(job)
    assert (code, result["differences"][0]["file"]) == (1, "recoveries.csv")
    path.write_text(text.replace("\n2,0,", "\n2,zero,"))
    vouch_again_with_sizes(job)
    code, result = verify(job)
    assert (code, result["verdict"]) == (1, "damaged")


# ---------------------------------------------------------------------------------- planted changes


def vouch_again(job):
    """Let all hashes that a run records speak of its files as they are now."""
    outcome = json.loads((job.folder / "outcome.json").read_text())
    outcome["sha256"] = {name: sha256_file(job.folder / name) for name in outcome["sha256"]}
    (job.folder / "outcome.json").write_text(json.dumps(outcome))
    for folder in checkpoint_folders(job.folder / "checkpoints"):
        path = folder / "training_state.json"
        state = json.loads(path.read_text())
        for name, mark in state["telemetry"].items():
            mark["sha256"] = sha256_bytes((job.folder / name).read_bytes()[: mark["size"]])
        path.write_text(json.dumps(state))
        renew_manifest(folder)


def renew_manifest(folder):
    path = folder / "manifest.json"
    path.write_text(
        json.dumps({name: sha256_file(folder / name) for name in json.loads(path.read_text())})
    )


def change_cell(path, row, column):
    """Another digit in a cell; returns its old and its new text."""
    found = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))
    place = found[0].index(column)
    old = found[row][place]
    found[row][place] = new = old[:-1] + ("3" if old[-1] != "3" else "4")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(found)
    path.write_bytes(text.getvalue().encode())
    return old, new


@pytest.mark.slow
@pytest.mark.parametrize("column", ["epoch", "train_loss", "clipped"])
def test_a_changed_cell_is_named_though_all_hashes_agree_with_it(copied, verify, column):
    old, new = change_cell(copied.folder / "steps.csv", 5, column)
    vouch_again(copied)
    code, result = verify(copied, "--from", 3, "--to-end")
    assert (code, rows(result)["steps.csv"]) == (1, (9, 10))
    (difference,) = result["differences"]
    assert [difference[key] for key in ("file", "step", "what")] == ["steps.csv", 5, column]
    assert (difference["recorded"], difference["computed"]) == (new, old)
    assert "the row was changed after it was written" in result["reasons"][-1]


@pytest.mark.slow
def test_a_changed_interval_and_sample_are_named(copied, verify):
    old, new = change_cell(copied.folder / "intervals.csv", 3, "val_loss")
    samples = copied.folder / "samples.jsonl"
    lines = samples.read_bytes().decode().split("\n")
    sample = {**json.loads(lines[4]), "text": "x"}
    samples.write_bytes("\n".join([*lines[:4], json.dumps(sample), *lines[5:]]).encode())
    vouch_again_with_sizes(copied)
    code, result = verify(copied, "--from", 3)
    interval, text = result["differences"][:2]
    assert (code, interval["file"], interval["step"]) == (1, "intervals.csv", 6)
    assert [interval[key] for key in ("what", "recorded", "computed")] == ["val_loss", new, old]
    assert [text[key] for key in ("file", "what", "recorded")] == ["samples.jsonl", "text", '"x"']
    assert "all steps agree" in result["reasons"][0]


def vouch_again_with_sizes(job):
    """Of the run's end only: `verify` needs no more."""
    outcome = json.loads((job.folder / "outcome.json").read_text())
    outcome["sha256"] = {name: sha256_file(job.folder / name) for name in outcome["sha256"]}
    (job.folder / "outcome.json").write_text(json.dumps(outcome))


def norms_one_bit_off():
    real = Optimizer.gradient_norm
    return lambda *arguments: float(np.nextafter(real(*arguments), np.inf))


def flip_last_bit(folder, file="model.safetensors", name=WEIGHT, place=7):
    """Change a number by one unit in the last place, and the manifest with it."""
    tensors = {key: array.copy() for key, array in safetensors.load_file(folder / file).items()}
    tensors[name].reshape(-1).view(np.int32)[place] ^= 1
    safetensors.save_file(tensors, folder / file)
    renew_manifest(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "part", "name"),
    [
        ("model.safetensors", "model", WEIGHT),
        ("optimizer.safetensors", "optimizer", f"m.{WEIGHT}"),
        ("optimizer.safetensors", "optimizer", f"v.{WEIGHT}"),
    ],
)
def test_a_flipped_last_bit_is_named_though_the_manifest_agrees(copied, verify, file, part, name):
    folder = copied.folder / "checkpoints/step-000006"
    flip_last_bit(folder, file, name)
    code, result = verify(copied, "--from", 3)
    assert (code, rows(result)["steps.csv"]) == (1, (3, 3))
    assert result["checkpoints"]["step-000006"][part] is False
    assert sum(result["checkpoints"]["step-000006"].values()) == 2
    (difference,) = result["differences"]
    assert difference["file"] == f"{part} of checkpoint step-000006"
    assert (difference["what"], difference["values"], difference["of"]) == (name, 1, 96)
    assert (difference["ulps"], difference["tensors"]) == (1, 1)
    assert "all steps agree" in result["reasons"][-1]
    # from that checkpoint on: what to look at is said
    code, result = verify(copied, "--from", 6, "--to-end")
    if part == "model":  # a moment's last bit may be rounded away again
        assert (code, result["verdict"]) == (1, "differs")
        assert "the checkpoint of step 6 may not be what the run went on from" in str(result)


@pytest.mark.slow
def test_a_changed_training_state_is_named(copied, verify):
    folder = copied.folder / "checkpoints/step-000006"
    path = folder / "training_state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps({**state, "epoch": 5}))
    renew_manifest(folder)
    code, result = verify(copied, "--from", 3)
    (difference,) = result["differences"]
    assert (code, difference["file"]) == (1, "training_state of checkpoint step-000006")
    assert (difference["what"], difference["recorded"]) == ("epoch", "5")
    path.write_text(json.dumps({**state, "interval": 1}))
    renew_manifest(folder)
    code, result = verify(copied, "--from", 6)  # its intervals would be passed over
    assert (code, result["verdict"]) == (1, "damaged")
    assert "training_state.json of the checkpoint of step 6" in result["damage"][0]


@pytest.mark.slow
def test_what_a_person_sees_of_a_difference(copied, text_of):
    flip_last_bit(copied.folder / "checkpoints/step-000006")
    _, text = text_of(copied, "--from", 6, "--to-end")
    lines = text.splitlines()
    assert "  checkpoint step-000013: training_state agrees; model, optimizer differ" in lines
    told = [line for line in lines if line.startswith("DIFFERS: steps.csv, step 7, grad_norm: ")]
    assert len(told) == 1
    assert "  and 4 more (--json tells them all)" in lines
    assert lines[-3].startswith("  why? memory was damaged, then or now")
    assert lines[-2:] == ["", "intervals.csv of the study: there is none (yet)"]


@pytest.mark.slow
def test_a_fault_in_the_optimizer_shows_at_the_first_step_that_sees_it(
    finished, verify, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(Optimizer, "gradient_norm", norms_one_bit_off())
        code, result = verify(finished, "--from", 3)
    assert (code, result["differences"][0]["step"]) == (1, 4)
    assert result["differences"][0]["what"] == "grad_norm"

    real_update = Optimizer.update

    def update(self, weights, lanes, *, step, **options):  # a bias correction that is one behind
        return real_update(self, weights, lanes, step=step + 1, **options)

    monkeypatch.setattr(optimizer.Optimizer, "update", update)
    code, result = verify(finished, "--from", 3)
    first = result["differences"][0]  # step 4 computes its loss before the update
    assert (code, first["file"], first["step"], first["what"]) == (1, "steps.csv", 5, "train_loss")
    assert rows(result)["steps.csv"] == (1, 3)
    assert result["checkpoints"]["step-000006"] == {
        "model": False,
        "optimizer": False,
        "training_state": True,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"step": 8},
        {"interval": "3"},
        {"recoveries": [{"step": 3}]},
        {"recoveries": None},
        {"telemetry": {"steps.csv": {}}},
        {"train": []},
    ],
)
def test_a_training_state_that_is_none_is_told_as_edited(copied, verify, change):
    for step in (6, 13):
        path = copied.folder / f"checkpoints/step-{step:06d}/training_state.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
        renew_manifest(path.parent)
    code, result = verify(copied, "--from", 6)
    assert (code, result["verdict"]) == (1, "damaged")
    assert "training_state.json of checkpoint step-000006 was edited" in str(result["damage"])
    (copied.folder / "outcome.json").unlink()
    assert verify(copied, "--from", 3)[1]["verdict"] != "agrees"


@pytest.mark.slow
def test_what_an_older_version_wrote(copied, verify):
    outcome = copied.folder / "outcome.json"
    values = json.loads(outcome.read_text())
    del values["sha256"]
    outcome.write_text(json.dumps(values))
    code, result = verify(copied)
    assert (code, "or an older version wrote it" in result["damage"][0]) == (1, True)
    outcome.unlink()
    for folder in checkpoint_folders(copied.folder / "checkpoints"):
        path = folder / "training_state.json"
        state = json.loads(path.read_text())
        for name in ("telemetry", "interval", "recoveries"):
            del state[name]
        path.write_text(json.dumps(state))
        renew_manifest(folder)
    code, message = verify(copied)
    assert (code, "was written by an older version" in message) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "runs/baseline/seed-0/steps.csv",
        "runs/baseline/seed-0/intervals.csv",
        "runs/baseline/seed-0/samples.jsonl",
        "runs/baseline/seed-0/outcome.json",
        "runs/baseline/seed-0/checkpoints/step-000013/optimizer.safetensors",
        "data/train.bin",
        "tokenizer.json",
    ],
)
def test_an_edited_file_is_told_as_that(copied, verify, text_of, name):
    path = copied.study_folder / name
    data = path.read_bytes()
    path.write_bytes(data[:-30] + bytes([data[-30] ^ 1]) + data[-29:])
    code, result = verify(copied)
    assert (code, result["verdict"], result["differences"]) == (1, "damaged", [])
    assert path.name in result["damage"][0]
    code, text = text_of(copied)
    assert code == 1
    assert "EDITED OR DAMAGED" in text
    assert "AGREES" not in text


@pytest.mark.slow
def test_a_damaged_checkpoint_does_not_hinder_the_others(copied, verify):
    (copied.folder / "checkpoints/step-000011/model.safetensors").write_bytes(b"no")
    code, result = verify(copied, "--to-end")
    assert (code, result["start"], rows(result)["steps.csv"]) == (1, 8, (5, 5))
    assert len(result["damage"]) == 1
    assert verify(copied, "--from", 3)[0] == 0  # it has no part in this
    assert verify(copied, "--from", 11)[1]["verdict"] == "damaged"


# -------------------------------------------------------------------------------------- environment


@pytest.mark.slow
def test_the_environment_is_compared(copied, verify, text_of, monkeypatch):
    current = current_environment("numpy")
    code, result = verify(copied)
    assert (code, result["environment_differences"]) == (0, [])
    begin_or_continue(copied.folder, 6, {**current, "numpy": "1.0"}, accept=True)
    assert verify(copied, "--from", 3)[1]["environment_differences"] == []
    code, result = verify(copied, "--from", 6)
    (told,) = result["environment_differences"]
    assert (code, told["name"], told["recorded"]) == (0, "numpy", "1.0")
    with monkeypatch.context() as patch:
        patch.setattr(Optimizer, "gradient_norm", norms_one_bit_off())
        code, text = text_of(copied, "--from", 6)
    assert code == 1
    assert "numpy: 1.0 before" in text
    assert "why? the run was computed in another environment" in text
    (copied.folder / "environment.json").unlink()
    assert verify(copied)[1]["environment_differences"] is None
    (copied.folder / "environment.json").write_text("{}")
    assert "environment.json" in verify(copied, "--from", 3)[1]["damage"][0]


# ------------------------------------------------------------------------------------- the command


@pytest.mark.slow
def test_all_runs_of_a_study(tmp_path, capsys):
    config = tiny_config(seeds=(0, 1, 2), sample_tokens=0)
    out = make_study(tmp_path, config)
    assert main(["verify", str(out)]) == 2
    assert (
        "has no checkpoint yet: nothing to verify (and likewise 2 more)" in capsys.readouterr().err
    )
    for job in run_jobs(config, out)[1:]:
        train_run(job)
    assert main(["verify", str(out)]) == 0
    found = capsys.readouterr().out.splitlines()
    assert found[0].startswith("baseline/seed-1: steps 0 to 3 trained again")
    assert "  no checkpoint in this stretch: no weights compared (--to-end for all)" in found
    assert "AGREES in every byte of these rows" in found
    assert "1 of 3 runs looked at (--all for all)" in found
    assert main(["verify", str(out), "--all"]) == 0
    found = capsys.readouterr()
    summary = "2 of 3 runs agree in every byte of what was compared (--from 0 --to-end for all)"
    assert found.out.splitlines()[-2] == f"{summary}; 1 left out"
    assert main(["verify", str(out), "--all", "--to-end"]) == 0
    found = capsys.readouterr()
    assert "\n2 of 3 runs agree in every byte; 1 left out\n" in found.out
    assert found.out.count("checkpoint step-000013: model, optimizer, training_state agree") == 2
    assert "left out: run baseline/seed-0" in found.err
    assert main(["verify", str(out), "--run", "baseline/2"]) == 0
    assert capsys.readouterr().out.startswith("baseline/seed-2")


def test_what_a_person_sees(finished, capsys, monkeypatch):
    monkeypatch.chdir(finished.folder)
    assert main(["verify", ".", "--from", "8", "--threads", "1"]) == 0
    found = capsys.readouterr()
    assert found.err.startswith("training baseline/seed-0 again from step 8 to step 11, 1 thread; ")
    first, *others = found.out.splitlines()
    assert first.startswith(
        "baseline/seed-0: steps 8 to 11 trained again from checkpoint step-000008 ("
    )
    assert others == [
        "  environment     the same as recorded",
        "  steps.csv       3 rows agree",
        "  intervals.csv   1 row agrees",
        "  samples.jsonl   2 rows agree",
        "  checkpoint step-000011: model, optimizer, training_state agree",
        "AGREES in every byte",
    ]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--from", "-1"], "--from -1 must be at least 0"),
        (["--steps", "0"], "--steps 0 must be at least 1"),
        (["--threads", "0"], "--threads 0 must be at least 1"),
        (["--from", "5"], "no checkpoint of step 5; name one of its checkpoints (3, 6, 8, 11, 13)"),
        (["--from", "13"], "no step after 13 is recorded"),
        (["--run", "baseline/9"], "--run baseline/9 is no run of the study; there are baseline/0"),
    ],
)
def test_wrong_usage(finished, capsys, options, expected):
    assert main(["verify", str(finished.study_folder), *options]) == 2
    assert expected in capsys.readouterr().err


def test_a_folder_that_is_no_run(finished, copied, tmp_path, capsys):
    assert main(["verify", str(tmp_path / "no")]) == 2
    assert "is neither a study's folder" in capsys.readouterr().err
    assert main(["verify", str(finished.folder), "--all"]) == 2
    assert "is one run's" in capsys.readouterr().err
    path = copied.study_folder / "study.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    assert main(["verify", str(copied.study_folder)]) == 2
    assert "it was changed" in capsys.readouterr().err


# ------------------------------------------------------------------------------ where it is looked


@pytest.mark.slow
def test_up_to_a_checkpoint(finished, capsys):
    folder = finished.folder / "checkpoints"
    for step, start, options in ((8, 6, []), (8, 3, ["--from=3"]), (0, 0, [])):
        assert main(["verify", str(folder / f"step-{step:06d}"), *options]) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"baseline/seed-0: steps {start} to {step} trained again from ")
        assert f"  checkpoint step-{step:06d}: model, optimizer, training_state agree\n" in text


def test_a_run_whose_folder_is_a_link(copied, tmp_path, capsys):
    moved = tmp_path / "elsewhere"
    copied.folder.rename(moved)
    copied.folder.symlink_to(moved)
    for place in (copied.folder, copied.folder / "checkpoints" / "step-000008"):
        assert main(["verify", str(place)]) == 0
        assert "AGREES" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("below", "options", "expected"),
    [
        ("checkpoints/step-000777", [], "is no checkpoint of its run; name the run's folder"),
        ("checkpoints/step-13", [], "(step-000000, step-000003, step-000006, step-000008, "),
        ("checkpoints", [], "is no checkpoint of its run"),
        ("steps.csv", [], "is no checkpoint of its run"),
        ("checkpoints/step-000008/model.safetensors", [], "is no checkpoint of its run"),
        ("checkpoints/step-000008", ["--to-end"], "--to-end says how far, and so does"),
        ("checkpoints/step-000008", ["--steps=1"], "--steps says how far, and so does"),
        ("checkpoints/step-000008", ["--from=8"], "no step lies between --from 8 and the"),
    ],
)
def test_what_lies_in_a_run_and_is_no_checkpoint_is_refused(
    finished, capsys, below, options, expected
):
    assert main(["verify", str(finished.folder / below), *options]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.slow
def test_a_checkpoint_that_is_missing_or_damaged_is_told(copied, verify, text_of, capsys):
    folder = copied.folder / "checkpoints"
    (folder / "step-000013/config.json").unlink()
    assert main(["verify", str(folder / "step-000013")]) == 1
    text = capsys.readouterr().out
    assert "EDITED OR DAMAGED" in text
    assert "use an older checkpoint" not in text
    assert "  what to do? put it back as it was, or remove runs/baseline/seed-0 to train" in text
    shutil.rmtree(folder / "step-000013")
    code, result = verify(copied)
    assert (code, result["verdict"], rows(result)["steps.csv"]) == (1, "damaged", (2, 2))
    assert result["damage"] == [
        "checkpoint step-000013, which the finished run kept, is missing",
    ]
    shutil.rmtree(folder)
    code, result = verify(copied)
    assert (code, result["verdict"], result["weights_compared"]) == (1, "damaged", False)
    (copied.folder / "outcome.json").unlink()
    code, result = verify(copied)
    assert (code, result["verdict"]) == (1, "damaged")
    assert "is left, though it has taken steps" in result["damage"][0]


def test_more_steps_than_there_are(finished, verify):
    code, result = verify(finished, "--from", 11, "--steps", 99_999)
    assert (code, result["end"]) == (0, END)
    assert result["notes"] == ["--steps 99999 is more than is recorded: to the end, step 13"]


@pytest.mark.parametrize(
    "name",
    ["outcome.json", "steps.csv", "train.bin", "valid.json", "tokenizer.json", "manifest.json"],
)
def test_what_may_not_be_read_is_not_called_damaged(finished, capsys, monkeypatch, name):
    real = open

    def refuse(path, *arguments, **options):
        if str(path).endswith(name):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", refuse)
    code = main(["verify", str(finished.study_folder)])
    found = capsys.readouterr()
    assert (code, found.out) == (2, "")
    assert f"{name} cannot be read: Permission denied" in found.err


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_in_a_file_s_place_is_not_waited_for(copied, verify):
    for name in ("outcome.json", "steps.csv", "environment.json"):
        path = copied.folder / name
        data = path.read_bytes()
        path.unlink()
        os.mkfifo(path)
        code = main(["verify", str(copied.study_folder)])
        assert code == 1
        path.unlink()
        path.write_bytes(data)


def test_a_record_cannot_lead_the_terminal(copied, text_of):
    entry = {**current_environment("numpy"), "numpy": "1\x1b[2J\x9b\nAGREES in every byte"}
    begin_or_continue(copied.folder, 6, entry, accept=True)
    code, text = text_of(copied, "--from", 8)
    assert code == 0
    assert r"numpy: '1\x1b[2J\x9b\nAGREES in every byte' before, " in text
    assert text.count("\nAGREES") == 1


# ------------------------------------------------------------------------ the study's intervals.csv


@pytest.fixture
def joined(copied):
    """The study's intervals.csv, as lines."""
    collect_intervals([copied], copied.study_folder)
    path = copied.study_folder / "intervals.csv"
    return path, path.read_bytes().decode().splitlines(keepends=True)


@pytest.mark.slow
def test_the_study_s_intervals_are_compared_with_those_of_the_runs(copied, joined, text_of):
    path, lines = joined
    code, text = text_of(copied)
    assert code == 0
    assert "intervals.csv of the study: 6 rows agree with those of the runs\n" in text
    old, new = change_cell(path, 4, "val_loss")
    code, text = text_of(copied)
    told = f"baseline/seed-0, interval 3, val_loss: {new} there, {old} in the run's own"
    assert (code, f"EDITED OR DAMAGED: intervals.csv of the study: {told}\n" in text) == (1, True)
    assert f"tinyllama-np resume {copied.study_folder} puts it together" in text
    assert text_of(copied, "--run", "baseline/0")[0] == 1
    path.write_text("".join(lines))
    assert text_of(copied)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda lines: lines[:-1], "baseline/seed-0: 5 rows there, 6 in the run's own"),
        (lambda lines: [*lines, lines[-1]], "baseline/seed-0: 7 rows there, 6 in the run's own"),
        (lambda lines: [*lines, "x,0\n"], "line 8 is of no run of the study"),
        (lambda lines: ["x\n", *lines[1:]], "has other columns than this version writes"),
        (lambda lines: [], "has other columns than this version writes"),
    ],
)
def test_rows_of_the_study_that_no_run_has(copied, joined, change, expected):
    path, lines = joined
    path.write_text("".join(change(lines)))
    assert compare_joined([copied], copied.study_folder).problems == [expected]


def test_while_a_run_goes_on_the_study_may_have_fewer_rows(copied, joined):
    path, lines = joined
    (copied.folder / "outcome.json").unlink()
    path.write_text("".join(lines[:3]))
    assert compare_joined([copied], copied.study_folder).problems == []
    path.unlink()
    assert compare_joined([copied], copied.study_folder) is None


# -------------------------------------------------------------------------------------- comparisons


def test_tensors_are_compared_by_their_bits():
    one = {"a": np.array([[1.0, -0.0, np.nan]], np.float32), "b": np.zeros(2, np.float32)}
    other = {name: array.copy() for name, array in one.items()}
    assert tensor_difference(one, other) == {}
    other["a"][0, 1] = 0.0  # equal as numbers
    found = tensor_difference(one, other)
    assert (found["what"], found["values"], found["ulps"], found["tensors"]) == ("a", 1, 0, 1)
    other["a"][0, 0] = np.nextafter(np.float32(1), np.float32(2))
    other["b"][0], one["b"][0] = 1e-45, -1e-45  # the two numbers beside 0
    found = tensor_difference(one, other)
    assert (found["values"], found["of"], found["ulps"], found["tensors"]) == (2, 3, 1, 2)
    assert tensor_difference({"b": one["b"]}, {"b": other["b"]})["ulps"] == 2
    assert tensor_difference({"a": one["a"]}, one)["recorded"] == "no tensor"
    found = tensor_difference({"b": np.zeros(3, np.float32)}, {"b": one["b"]})
    assert (found["recorded"], found["computed"]) == (
        "float32 of shape (3,)",
        "float32 of shape (2,)",
    )


def test_lines_that_differ_only_in_how_they_are_written():
    assert line_difference(b"1,2\n", b"1,2\n", ("a", "b")) == {}
    assert line_difference(b'1,"2"\n', b"1,2\n", ("a", "b"))["what"] == "line"
    assert line_difference(b"1,\n", b"1,2\n", ("a", "b"))["recorded"] == "nothing"
    assert line_difference(b"1\n", b"1,2\n", ("a", "b"))["what"] == "line"
    assert line_difference(b'{"a": 1}\n', b'{"a": 2}\n')["what"] == "a"
    assert line_difference(b"[1]\n", b'{"a": 2}\n')["what"] == "line"
