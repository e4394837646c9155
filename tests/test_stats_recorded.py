"""Numbers that were changed after a run wrote them are not analysed without a word."""

from __future__ import annotations

import json
import shutil

import pytest
from tiny_study import make_study, tiny_config

from stats.cli import main
from stats.io import RunFolderError, read_run_folder
from tinyllama_np.study import collect_intervals, run_jobs
from tinyllama_np.train import train_run

SEEDS = (0, 1)
RUN = "runs/baseline/seed-1"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A study whose two runs have ended."""
    config = tiny_config(seeds=SEEDS)
    out = make_study(tmp_path_factory.mktemp("recorded"), config)
    jobs = run_jobs(config, out)
    for job in jobs:
        assert train_run(job)["status"] == "finished"
    collect_intervals(jobs, out)
    return out


@pytest.fixture
def study(original, tmp_path):
    return shutil.copytree(original, tmp_path / "study")


def edit(path, column, value, row=-1):
    """Change a cell of a CSV file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = lines[row].split(",")
    cells[lines[0].split(",").index(column)] = value
    lines[row] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def outcome(study, **changes):
    path = study / RUN / "outcome.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), encoding="utf-8")


def test_a_study_as_it_was_written_is_read(study):
    assert len(read_run_folder(study).intervals) == len(SEEDS) * 6


@pytest.mark.parametrize(
    ("file", "column", "message"),
    [
        ("intervals.csv", "train_loss", r"intervals.csv line 13 is not what baseline/seed-1 measu"),
        ("intervals.csv", "seed", r"intervals.csv is not what baseline/seed-1 measured \(runs/"),
        (f"{RUN}/steps.csv", "grad_norm", rf"{RUN}/steps.csv is not what the run wrote"),
        (f"{RUN}/intervals.csv", "val_loss", rf"{RUN}/intervals.csv is not what the run wrote"),
        (f"{RUN}/samples.jsonl", "", rf"{RUN}/samples.jsonl is not what the run wrote"),
    ],
)
def test_an_edited_file_is_refused_by_name(study, capsys, file, column, message):
    if column:
        edit(study / file, column, "9" if column == "seed" else "1.5")
    else:
        (study / file).write_text("{}\n", encoding="utf-8")
    with pytest.raises(RunFolderError, match=message) as caught:
        read_run_folder(study)
    assert "\n" not in str(caught.value)
    assert main([str(study)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert not (study / "telemetry.csv").exists()


def test_a_loss_whose_perplexity_was_emptied_is_refused(study):
    edit(study / "intervals.csv", "val_loss", "1.5")
    edit(study / "intervals.csv", "val_perplexity", "")
    with pytest.raises(RunFolderError, match="edited, or is older than the run; `tinyllama-np res"):
        read_run_folder(study)


def test_a_row_too_few_or_too_many_is_refused(study):
    path = study / "intervals.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for changed in (lines[:-1], [*lines, lines[-1]]):
        path.write_text("".join(changed), encoding="utf-8", newline="\n")
        with pytest.raises(RunFolderError, match="is not what baseline/seed-1 measured"):
            read_run_folder(study)


def test_changed_numbers_alone_in_a_folder_are_analysed(study, tmp_path):
    edit(study / "intervals.csv", "train_loss", "1.5")
    (tmp_path / "alone").mkdir()
    shutil.copy(study / "intervals.csv", tmp_path / "alone")
    assert read_run_folder(tmp_path / "alone").intervals["train_loss"].iloc[-1] == 1.5


@pytest.mark.parametrize("status", ["diverged", "finished"])
def test_an_ended_run_is_held_to_its_hashes(study, status):
    outcome(study, status=status)
    assert read_run_folder(study).intervals["seed"].max() == int(status == "finished")
    edit(study / RUN / "steps.csv", "lr", "1.5")
    with pytest.raises(RunFolderError, match=r"steps.csv is not what the run wrote"):
        read_run_folder(study)


@pytest.mark.parametrize("status", ["stopped", "failed", None])
def test_a_run_that_may_have_gone_on_is_not_refused(study, status):
    """Its files have grown since outcome.json was written, and the study's are older."""
    if status:
        outcome(study, status=status)
    else:
        (study / RUN / "outcome.json").unlink()
    for name in ("steps.csv", "intervals.csv"):
        with (study / RUN / name).open("a", encoding="utf-8") as file:
            file.write((study / RUN / name).read_text(encoding="utf-8").splitlines()[-1] + "\n")
    run = read_run_folder(study)
    assert set(run.intervals["seed"]) == {0}
    assert f"seed 1, {status or 'unfinished'}" in run.notices[0]


def test_files_that_were_not_copied_are_not_missed(study):
    for name in ("steps.csv", "intervals.csv", "samples.jsonl"):
        (study / RUN / name).unlink()
    assert set(read_run_folder(study).intervals["seed"]) == {0, 1}


def test_a_study_that_goes_on_is_told_apart_from_an_empty_folder(study, tmp_path):
    (study / "intervals.csv").unlink()
    with pytest.raises(RunFolderError, match=r"has not ended.*`tinyllama-np resume .*study`"):
        read_run_folder(study)
    with pytest.raises(RunFolderError, match=r"is this a study's folder\?"):
        read_run_folder(tmp_path)


def test_a_single_run_is_refused_and_its_study_named(study, capsys):
    before = sorted((study / RUN).iterdir())
    assert main([str(study / RUN)]) == 2
    assert f"is one run; give its study's folder, {study}" in capsys.readouterr().err
    assert sorted((study / RUN).iterdir()) == before
