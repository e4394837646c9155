"""`tinyllama-np runs` and `resume`: what they show of studies, and that these go on."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from types import SimpleNamespace

import pytest
from test_tinyllama_np_run_states import (
    fake_checkpoint,
    fake_run,
    fake_study,
    not_allowed_into,
)
from tiny_study import (
    BASELINE,
    InlineExecutor,
    run_bytes,
    study_arguments,
    tiny_config,
    tree,
    write_text,
)

from tinyllama_np import Condition
from tinyllama_np.checkpoint import checkpoint_folders
from tinyllama_np.cli import main
from tinyllama_np.commands import carry_out, runs
from tinyllama_np.prepare import staging_folder
from tinyllama_np.presets import preset
from tinyllama_np.run_state import BestInterval, RunState
from tinyllama_np.run_states import StudyState
from tinyllama_np.storage import sole_owner
from tinyllama_np.study import run_jobs
from tinyllama_np.study_file import read_study


@pytest.fixture
def cli(monkeypatch, capsys):
    """Run a command in this process, runs included; returns exit code, stdout and stderr lines."""
    monkeypatch.setattr(carry_out, "Workers", InlineExecutor)
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)
    monkeypatch.setattr("stats.analyse", lambda out: SimpleNamespace(text=lambda: "the verdict"))

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


def fake_studies(folder):
    """A study with a run in every state, and one whose study.json is damaged."""
    config = tiny_config(seeds=(0, 1), conditions=(BASELINE, Condition("wild"), Condition("late")))
    jobs = fake_study(folder / "first", config)
    fake_run(jobs[0], 13, status="finished", checkpoint=13)
    fake_run(jobs[1], 7, checkpoint=6)
    fake_run(jobs[2], 2, status="diverged", message="step 2: nan\x1b[31m", checkpoint=0)
    fake_run(jobs[3], 8, status="failed", message="OSError: disk full", checkpoint=8)
    fake_run(jobs[4], 3, status="stopped", checkpoint=3)
    fake_study(folder / "second")
    (folder / "second" / "study.json").write_text('{"config": \n"\x1b[31m"}')
    for path in folder.rglob("*"):
        os.utime(path, (10.0**9, 10.0**9))


SHOWN = """\
first: preset tiny, configuration HASH, 3 conditions x 2 seeds, 416 tokens a run, text: 4,000
  embedded stories
run              state        tokens   done  best so far      checkpoint    written    size
baseline/seed-0  finished        416  100 %  2 (192): 4.0000     step 13  3 min ago  0.0 MB
baseline/seed-1  interrupted     224   53 %  2 (192): 4.0000      step 6  3 min ago  0.0 MB
wild/seed-0      diverged         64   15 %  0 (0): 5.5000        step 0  3 min ago  0.0 MB
wild/seed-1      failed          256   61 %  2 (192): 4.0000      step 8  3 min ago  0.0 MB
late/seed-0      stopped          96   23 %  1 (96): 4.2500       step 3  3 min ago  0.0 MB
late/seed-1      not begun         0    0 %
  wild/seed-0: diverged and would not go on. step 2: nan [31m
  wild/seed-1: failed, and would go on from step 8. OSError: disk full
  to continue: tinyllama-np resume first  (1,120 tokens left, about 6 s with 2 runs at a time)

second: second/study.json cannot be used"""


def test_runs_lists_studies_and_what_they_need(cli, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "default_threads", lambda: 2)
    monkeypatch.setattr(runs.time, "time", lambda: 10.0**9 + 200)
    fake_studies(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = tree(tmp_path)
    code, stdout, stderr = cli("runs", ".")
    assert (code, stderr) == (1, [])  # the second is damaged
    known = read_study(tmp_path / "first").config_hash[:8]
    assert stdout.startswith(SHOWN.replace("HASH", known))
    assert "\x1b" not in stdout
    assert max(map(len, stdout.splitlines())) <= 100
    assert tree(tmp_path) == before


def test_runs_for_programs(cli, tmp_path):
    fake_studies(tmp_path)
    code, stdout, _ = cli("runs", tmp_path, "--json")
    assert code == 1
    first, second = json.loads(stdout)["studies"]
    assert [run["state"] for run in first["runs"]] == [
        "finished",
        "interrupted",
        "diverged",
        "failed",
        "stopped",
        "not begun",
    ]
    assert first["runs"][0]["best"] == {"interval": 2, "tokens_seen": 192, "val_loss": 4.0}
    assert first["tokens_left"] == 7 * 32 + 5 * 32 + 10 * 32 + 13 * 32 == 1120
    assert shlex.split(first["command"]) == ["tinyllama-np", "resume", str(tmp_path / "first")]
    assert set(second) == {"folder", "error"}


def test_runs_of_a_study_that_has_ended(cli, tmp_path):
    jobs = fake_study(tmp_path / "the study", tiny_config(seeds=(0, 1)))
    for job in jobs:
        fake_run(job, 13, status="finished", checkpoint=13)
    command = f"tinyllama-np resume '{tmp_path}/the study'"
    assert f"nothing is left to train; to analyse: {command}" in " ".join(
        cli("runs", tmp_path)[1].split()
    ).replace("- ", "-")
    (tmp_path / "the study" / "report.md").write_text("")
    assert cli("runs", tmp_path)[1].splitlines()[-1] == "  nothing is left to do"


@pytest.mark.parametrize(
    ("remove", "last"),
    [
        (("tokenizer.json",), "cannot go on until tokenizer.json is put back"),
        (("data",), "cannot go on until data is put back"),
        (("data/valid.bin",), "cannot go on until data/valid.bin is put back"),
        (("RUN/steps.csv",), "cannot go on until steps.csv of baseline/seed-0 is put back, or"),
        (("RUN/outcome.json",), "to conclude: tinyllama-np resume"),
        (("RUN/checkpoints",), "nothing is left to do"),
    ],
)
def test_the_last_line_of_a_damaged_study(cli, tmp_path, remove, last):
    """No run is left to train, and yet not all is well."""
    (job,) = fake_study(tmp_path)
    fake_run(job, 13, status="finished", checkpoint=13)
    (tmp_path / "report.md").write_text("")
    code, stdout, _ = cli("runs", tmp_path)
    assert (code, stdout.splitlines()[-1]) == (0, "  nothing is left to do")
    for name in remove:
        path = tmp_path / name.replace("RUN", "runs/baseline/seed-0")
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    code, stdout, _ = cli("runs", tmp_path)
    lines = " ".join(stdout.split()).replace("- ", "-")
    assert last in lines
    assert code == (last[:11] != "to conclude")
    (study,) = json.loads(cli("runs", tmp_path, "--json")[1])["studies"]
    assert bool(study["cannot_go_on_until"]) == last.startswith("cannot")
    assert (study["command"] is not None) == last.startswith("to conclude")


def test_a_stopped_run_with_a_damaged_outcome_cannot_go_on(cli, tmp_path):
    (job,) = fake_study(tmp_path)
    fake_run(job, 7, status="stopped", checkpoint=7)
    (job.folder / "outcome.json").write_text("{")
    code, stdout, _ = cli("runs", tmp_path)
    last = "cannot go on until outcome.json of baseline/seed-0 is put back, or removed"
    assert (code, last in " ".join(stdout.split())) == (1, True)


def test_a_folder_that_may_not_be_looked_into(cli, tmp_path, monkeypatch):
    not_allowed_into(monkeypatch, tmp_path)
    code, stdout, stderr = cli("runs", tmp_path)
    assert (code, stdout) == (2, "")
    assert stderr[0].startswith(f"error: {tmp_path} cannot be read: Permission denied; no study")
    monkeypatch.undo()
    fake_study(tmp_path / "study")
    (tmp_path / "other").mkdir()
    not_allowed_into(monkeypatch, tmp_path / "other")
    code, stdout, stderr = cli("runs", tmp_path)
    assert (code, "416 tokens left" in stdout) == (0, True)
    assert stderr == [f"warning: {tmp_path / 'other'} cannot be read: Permission denied"]


def test_the_same_remark_is_made_once(cli, tmp_path):
    for job in fake_study(tmp_path, tiny_config(seeds=range(4))):
        fake_run(job, 7, status="diverged", message="nan")
        (fake_checkpoint(job, 6) / "manifest.json").unlink()
    _, stdout, _ = cli("runs", tmp_path)
    lines = stdout.splitlines()
    assert len([line for line in lines if "seed-0 and 3 others: diverged" in line]) == 1
    assert len([line for line in lines if "manifest.json: an older one" in line]) == 1


@pytest.mark.parametrize("name", ["none", "empty", "file"])
def test_runs_refuses_what_holds_no_study(cli, tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("{}")
    code, stdout, stderr = cli("runs", tmp_path / name)
    assert (code, stdout, len(stderr)) == (2, "", 1)
    assert name in stderr[0]


# ------------------------------------------------------------------------------------------- resume


def refused(cli, tmp_path, arguments, *expected):
    before = tree(tmp_path)
    code, stdout, stderr = cli("resume", *arguments)
    assert (code, stdout, len(stderr)) == (2, "", 1)
    for part in expected:
        assert part in stderr[0]
    assert {**tree(tmp_path), "study/.lock": b""} == {**before, "study/.lock": b""}


def test_resume_refuses(cli, tmp_path):
    study = tmp_path / "study"
    refused(cli, tmp_path, [study], "holds no study.json", "tinyllama-np runs")
    staging_folder(study).mkdir(parents=True)
    refused(cli, tmp_path, [study], "never prepared to its end", "give the `study` command")
    staging_folder(study).rmdir()
    fake_study(study)
    (study / "data/train.json").unlink()
    refused(cli, tmp_path, [study, "--jobs=0"], "--jobs 0")
    refused(cli, tmp_path, [study, "--time-limit=soon"], "--time-limit 'soon'")
    refused(cli, tmp_path, [study], "study/tokenizer.json is not the file", "put the file back")
    (study / "tokenizer.json").unlink()
    refused(cli, tmp_path, [study], "tokenizer.json is missing: put the file back")
    (study / "study.json").write_text("{}")
    refused(cli, tmp_path, [study], "study.json cannot be used")


@pytest.mark.slow
def test_a_study_in_use_or_with_a_damaged_outcome_is_not_resumed(cli, tmp_path):
    study = tmp_path / "study"
    assert cli(*study_arguments(write_text(tmp_path / "t.txt"), study, time_limit="1e-6s"))[0] == 0
    with sole_owner(study):
        refused(cli, tmp_path, [study], f"in use by process {os.getpid()}")
    outcome = study / "runs" / "baseline" / "seed-0" / "outcome.json"
    outcome.parent.mkdir(parents=True, exist_ok=True)
    outcome.write_text("{")
    refused(cli, tmp_path, [study], "outcome.json of baseline/seed-0 says nothing", "remove it")


@pytest.mark.slow
def test_resume_ends_like_an_undisturbed_study(cli, tmp_path, monkeypatch):
    """Stopped in the second run; the text file is gone, and the study somewhere else."""
    text = write_text(tmp_path / "text.txt")
    assert cli(*study_arguments(text, tmp_path / "whole", seeds="3"))[0] == 0
    (tmp_path / "a b").mkdir()
    stopped = tmp_path / "a b" / "stopped"
    with monkeypatch.context() as patch:
        now = lambda: stop_after(stopped, step=7)  # noqa: E731
        patch.setattr("tinyllama_np.train.time.time", now)
        code, _, stderr = cli(*study_arguments(text, stopped, seeds="3", time_limit="1s"))
    assert code == 0
    assert stderr[-1].startswith("stopped at 51% of the study's tokens by the time limit; give")
    assert shlex.split(stderr[-1].rpartition(": ")[2]) == ["tinyllama-np", "resume", str(stopped)]
    _, stdout, _ = cli("runs", stopped, "--json")
    (study,) = json.loads(stdout)["studies"]
    assert [(run["state"], run["step"]) for run in study["runs"]] == [
        ("finished", 13),
        ("stopped", 7),
        ("stopped", 0),
    ]
    assert study["tokens_left"] == (6 + 13) * 32
    text.unlink()
    moved = shutil.move(stopped, tmp_path / "moved")
    code, stdout, stderr = cli("resume", moved)
    assert (code, stdout) == (0, "the verdict\n")
    for a, b in zip(jobs_in(moved), jobs_in(tmp_path / "whole"), strict=True):
        assert run_bytes(a) == run_bytes(b)
    assert (moved / "intervals.csv").read_bytes() == (tmp_path / "whole/intervals.csv").read_bytes()
    assert json.loads(cli("runs", moved, "--json")[1])["studies"][0]["tokens_left"] == 0
    before = tree(moved)
    code, _, stderr = cli("resume", moved)
    assert (code, stderr[0]) == (0, "all runs ended before: nothing to train")
    assert tree(moved) == before
    # the numbers stand without the checkpoints; that these are damaged is told
    jobs = jobs_in(moved)
    shutil.rmtree(jobs[0].folder / "checkpoints")
    model = jobs[1].folder / "checkpoints/step-000013/model.safetensors"
    model.write_bytes(model.read_bytes()[:-1] + b"!")
    code, stdout, stderr = cli("resume", moved)
    assert (code, stdout) == (0, "the verdict\n")
    told = [line for line in stderr if line.startswith("warning: ")]
    assert [line.split(":")[1].strip() for line in told] == ["baseline/seed-0", "baseline/seed-1"]
    assert "step-000013 is damaged (model.safetensors has changed since it was written)" in told[1]
    assert all("Its numbers stand without it" in line for line in told)


def stop_after(study, step):
    """A clock that stands still until the second run has made so many steps."""
    rows = study / "runs" / "baseline" / "seed-1" / "steps.csv"
    done = rows.read_text().count("\n") - 1 if rows.exists() else 0
    return 10.0**11 if done >= step else 0.0


def jobs_in(study):
    return run_jobs(read_study(study).config, study)


@pytest.mark.slow
def test_checkpoints_that_were_to_stay_stay(cli, tmp_path):
    """A command without --keep does not thin out what was begun with it."""
    text, out = write_text(tmp_path / "text.txt"), tmp_path / "out"
    arguments = study_arguments(text, out, time_limit="1e-6s")
    assert cli(*arguments, "--keep=all")[0] == 0
    assert cli("resume", out)[0] == 0
    (job,) = jobs_in(out)
    assert len(checkpoint_folders(job.folder / "checkpoints")) == 6
    (job.folder / "outcome.json").unlink()
    (out / ".keep").write_text("some")
    code, _, stderr = cli("resume", out)
    assert code == 2
    assert "says 'some', not last, all, best" in stderr[-1]
    assert cli("resume", out, "--keep=last")[0] == 0
    assert len(checkpoint_folders(job.folder / "checkpoints")) == 1
    assert (out / ".keep").read_text() == "last\n"


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["missing", "damaged", "another"])
def test_a_run_whose_environment_is_not_known_goes_on_when_told_to(cli, tmp_path, damage):
    """The message says what to give, and that does it."""
    text, out = write_text(tmp_path / "text.txt"), tmp_path / "out"
    assert cli(*study_arguments(text, out))[0] == 0
    (job,) = jobs_in(out)
    (job.folder / "outcome.json").unlink()  # as if it had been killed just before its end
    path = job.folder / "environment.json"
    whole = path.read_text()
    path.unlink()
    if damage != "missing":
        path.write_text("[" if damage == "damaged" else whole.replace('"numpy": "', '"numpy": "0'))
    before = tree(job.folder)
    code, _, stderr = cli("resume", out)
    assert (code, len(stderr)) == (2, 1)
    assert "--accept-environment" in stderr[0]
    assert tree(job.folder) == before
    code, _, stderr = cli("resume", out, "--accept-environment")
    assert code == 0
    assert any("goes on from step 13" in line for line in stderr)
    assert [entry["from_step"] for entry in json.loads(path.read_text())][-1] == 13
    (job.folder / "outcome.json").unlink()
    assert cli("resume", out)[0] == 0


@pytest.mark.parametrize(("given", "accepted"), [([], False), (["--accept-environment"], True)])
def test_what_a_run_is_told_of_another_environment(monkeypatch, tmp_path, given, accepted):
    seen = []
    stopped = ([], carry_out._Stop())
    monkeypatch.setattr(carry_out, "_train", lambda jobs, *_: seen.extend(jobs) or stopped)
    monkeypatch.setattr(carry_out, "_conclude", lambda *_: 0)
    monkeypatch.setattr("tinyllama_np.commands.resume.open_study", lambda out: tiny_config())
    monkeypatch.setattr(carry_out, "disk_need", lambda *_: SimpleNamespace(runs=0))
    assert main(["resume", str(tmp_path), *given]) == 0
    assert [job.accept_environment for job in seen] == [accepted]


def test_a_table_of_the_paper_study_fits(tmp_path):
    """100 columns hold the widest row that it can have."""
    config = preset("paper")
    job = run_jobs(config, tmp_path)[-1]
    best = BestInterval(19, 19_000_000, 10.12345)
    state = RunState(
        job.condition,
        5,
        "interrupted",
        4882,
        4883,
        19_996_672,
        20_000_768,
        20_000_768,
        best=best,
        checkpoint=4650,
        written=0.0,
        size=104_000_000,
    )
    ages = {30: "30 s", 5000: "83 min", 100_000: "28 h", 8_000_000: "93 days", -5: "0 s"}
    for now, age in ages.items():
        study = StudyState(tmp_path, config, "0" * 64, None, (state,))
        (row,) = [line for line in runs.described(study, float(now)) if "interrupted" in line]
        assert f" {age} ago " in row
        assert len(row) <= 100
