"""What is read from the files of runs: every state, every damage, and nothing is touched."""

from __future__ import annotations

import json
import math
import os
import random
import sys

import pytest
from tiny_study import BASELINE, INTERVAL_STEPS, tiny_config, tree, write_study_json

from tinyllama_np import Condition, owner
from tinyllama_np.commands.runs import as_json, described
from tinyllama_np.prepare import staging_folder
from tinyllama_np.run_state import BestInterval, run_state
from tinyllama_np.run_states import StudyState, UnreadableStudy, find_studies, study_state
from tinyllama_np.storage import sole_owner
from tinyllama_np.study import run_jobs
from tinyllama_np.telemetry import INTERVAL_COLUMNS, STEP_COLUMNS, TIMING_COLUMNS, CsvLog

DATA = ("train.bin", "train.json", "valid.bin", "valid.json")
LOSSES = (5.5, 4.25, 4.0, 4.0, 4.5, 4.75)  # the third and the fourth are equal


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


def fake_study(folder, config=None):
    """A study's folder without runs; returns its jobs."""
    config = config or tiny_config()
    folder.mkdir(parents=True, exist_ok=True)
    data = {"tokenizer": {"sha256": "0" * 64}}
    write_study_json(folder, {"config": json.loads(json.dumps(config.to_dict())), "data": data})
    (folder / "data").mkdir()
    for name in ("tokenizer.json", *(f"data/{n}" for n in DATA)):
        (folder / name).write_text("")
    return run_jobs(config, folder)


@pytest.fixture
def job(tmp_path):
    return fake_study(tmp_path / "study")[0]


def fake_run(job, steps, *, status=None, message="", at=None, checkpoint=None):
    """A run that has done `steps` steps, with the outcome of step `at`."""
    logs = [
        CsvLog(job.folder / name, columns)
        for name, columns in (
            ("steps.csv", STEP_COLUMNS),
            ("intervals.csv", INTERVAL_COLUMNS),
            ("timing.csv", TIMING_COLUMNS),
        )
    ]
    for log in logs:
        log.path.unlink(missing_ok=True)
        log.restart(-1)
    record = [{"from_step": 0, "environment": {}}]
    (job.folder / "environment.json").write_text(json.dumps(record))
    for step in range(steps + 1):
        position = {"step": step, "tokens_seen": 32 * step, "epoch": 0.5}
        if step:
            values = dict.fromkeys(STEP_COLUMNS, 1.0) | position
            logs[0].add(**values)
        if step in INTERVAL_STEPS:
            interval = INTERVAL_STEPS.index(step)
            own = {"condition": job.condition, "interval": interval, "val_loss": LOSSES[interval]}
            logs[1].add(**{**dict.fromkeys(INTERVAL_COLUMNS, 1), **position, **own})
            speed = (None, 900.0, 100.0, 100.0, 100.0, 100.0)[interval]  # the first after a stop
            own = {"step": step, "tokens_per_s": speed, "evaluation_s": 0.5}
            logs[2].add(**{**dict.fromkeys(TIMING_COLUMNS, 1.0), **own})
    if status:
        step = steps if at is None else at
        hashes = dict.fromkeys(("steps.csv", "intervals.csv", "samples.jsonl"), "0" * 64)
        position = {"status": status, "step": step, "tokens_seen": 32 * step}
        outcome = {**position, "message": message, "sha256": hashes}
        (job.folder / "samples.jsonl").write_text("")
        (job.folder / "outcome.json").write_text(json.dumps(outcome))
    if checkpoint is not None:
        fake_checkpoint(job, checkpoint)


def fake_checkpoint(job, step):
    folder = job.folder / "checkpoints" / f"step-{step:06d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text("{}")
    return folder


def shown(study_folder):
    return described(study_state(study_folder), now=10.0**10)


# ------------------------------------------------------------------------------------------ states


def test_a_run_that_has_not_begun(job):
    for _ in range(2):
        state = run_state(job)
        assert (state.state, state.step, state.tokens_seen, state.size) == ("not begun", 0, 0, 0)
        assert (state.tokens, state.tokens_left, state.steps) == (416, 416, 13)
        assert (state.best, state.checkpoint, state.written, state.damage) == (None, None, None, ())
        job.folder.mkdir(parents=True, exist_ok=True)  # an empty folder is no beginning


@pytest.mark.parametrize(
    ("steps", "status", "at", "checkpoint", "state", "left"),
    [
        (7, None, None, 6, "interrupted", 7 * 32),
        (0, None, None, None, "interrupted", 13 * 32),
        (7, "stopped", 7, 7, "stopped", 6 * 32),
        (8, "stopped", 7, 7, "interrupted", 6 * 32),  # it went on and was killed
        (7, "failed", 7, 6, "failed", 7 * 32),
        (8, "failed", 7, 6, "interrupted", 7 * 32),
        (7, "diverged", 7, 6, "diverged", 0),
        (13, "finished", 13, 13, "finished", 0),
    ],
)
def test_the_state_of_a_run(job, steps, status, at, checkpoint, state, left):
    fake_run(job, steps, status=status, at=at, checkpoint=checkpoint, message="because")
    found = run_state(job)
    assert (found.state, found.tokens_left, found.process) == (state, left, None)
    assert (found.step, found.tokens_seen, found.checkpoint) == (steps, 32 * steps, checkpoint)
    assert found.message == ("because" if status else "")
    assert found.damage == ()


def test_the_newest_checkpoint_counts(job):
    fake_run(job, 12, checkpoint=6)
    fake_checkpoint(job, 11)
    fake_checkpoint(job, 3)
    assert run_state(job).checkpoint == 11


def test_the_best_interval_is_the_first_of_equal_ones(job):
    fake_run(job, 13)
    assert run_state(job).best == BestInterval(2, 6 * 32, 4.0)
    lines = (job.folder / "intervals.csv").read_text().splitlines(keepends=True)
    no_loss = lines[1].replace("5.5", "", 1)
    (job.folder / "intervals.csv").write_text("".join([lines[0], no_loss, *lines[2:4], "base"]))
    assert run_state(job).best == BestInterval(2, 6 * 32, 4.0)


def test_size_and_time_are_those_of_all_files(job):
    fake_run(job, 3, checkpoint=3)
    files = [path for path in job.folder.rglob("*") if path.is_file()]
    for number, path in enumerate(files):
        os.utime(path, (1000 + number, 1000 + number))
    state = run_state(job)
    assert state.size == sum(path.stat().st_size for path in files)
    assert state.written == 1000 + len(files) - 1


def test_the_speed_counts_evaluations_and_is_not_that_after_a_stop(job):
    fake_run(job, 2)
    assert run_state(job).tokens_per_s is None  # interval 0 alone says nothing
    fake_run(job, 8)
    assert run_state(job).tokens_per_s == pytest.approx(416 / (416 / 100 + 6 * 0.5))


# ---------------------------------------------------------------------------------- who is at work


def test_a_lock_is_seen_and_not_touched(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    assert owner.owner(folder) is None  # no lock file
    for system in (owner._SYSTEM_LOCKS, tmp_path / "no such list"):
        monkeypatch.setattr(owner, "_SYSTEM_LOCKS", system)
        with sole_owner(folder):
            before = tree(tmp_path)
            assert owner.owner(folder).startswith(f"process {os.getpid()} on ")
            assert owner.owner(folder).startswith(f"process {os.getpid()} on ")
            assert tree(tmp_path) == before
        assert (folder / ".lock").exists()
        assert owner.owner(folder) is None
        with sole_owner(folder):  # asking left no lock behind
            pass


@pytest.mark.skipif(os.name == "nt", reason="Windows shares no locks")
def test_two_that_ask_do_not_see_each_other(tmp_path, monkeypatch):
    import fcntl

    monkeypatch.setattr(owner, "_SYSTEM_LOCKS", tmp_path / "no such list")
    (tmp_path / ".lock").write_text("process 4711")
    with open(tmp_path / ".lock") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert owner.owner(tmp_path) is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux lists its locks")
def test_where_the_system_lists_locks_none_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(owner, "_can_share", None)
    with sole_owner(tmp_path):
        assert owner.owner(tmp_path).startswith(f"process {os.getpid()} on ")
    assert owner.owner(tmp_path) is None


LISTED = """\
1: POSIX  ADVISORY  WRITE 77 00:2a:5 0 EOF
2: FLOCK  ADVISORY  WRITE {pid} {device}:{inode} 0 EOF
2: -> FLOCK  ADVISORY  WRITE 78 {device}:{inode} 0 EOF
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux lists its locks")
def test_a_listed_lock_must_be_this_files(tmp_path, monkeypatch):
    lock, listed = tmp_path / ".lock", tmp_path / "locks"
    lock.write_text("process 4711")
    monkeypatch.setattr(owner, "_SYSTEM_LOCKS", listed)
    status = lock.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    for pid, place, inode, held in (
        (9, device, status.st_ino, True),
        (4711, "00:ff", status.st_ino, True),  # a layered file system
        (9, "00:ff", status.st_ino, False),
        (4711, device, status.st_ino + 1, False),
    ):
        listed.write_text(LISTED.format(pid=pid, device=place, inode=inode))
        assert owner.owner(tmp_path) == ("process 4711" if held else None)
    listed.write_text(LISTED.splitlines()[2].format(device=device, inode=status.st_ino) + "\nx\n")
    assert owner.owner(tmp_path) is None  # one that waits has nothing


def test_a_run_at_work(job):
    fake_run(job, 7, checkpoint=6)
    with sole_owner(job.folder):
        state = run_state(job)
        assert (state.state, state.tokens_left) == ("running", 6 * 32)
        assert state.process.startswith(f"process {os.getpid()} on ")
    assert run_state(job, study_process="process 1").state == "interrupted"  # waits for its turn
    (job.folder / ".lock").unlink()
    state = run_state(job, study_process="process 1")
    assert (state.state, state.process) == ("running", "process 1")
    for status in ("stopped", "failed", "diverged", "finished"):
        fake_run(job, 7, status=status, at=13 if status == "finished" else 7)
        assert run_state(job, study_process="process 1").state == status


def test_a_study_at_work(job):
    with sole_owner(job.study_folder):
        study = study_state(job.study_folder)
        assert study.process.startswith(f"process {os.getpid()} on ")
        assert study.runs[0].state == "not begun"
        assert shown(job.study_folder)[-1] == f"  {study.process} is at work in it: 416 tokens left"
        assert as_json(study)["command"] is None


# ------------------------------------------------------------------------------------------ damage


def damaged(job, **files):
    fake_run(job, 7, status="stopped", checkpoint=6)
    for name, content in files.items():
        (job.folder / name.replace("_", ".")).write_bytes(content)
    return run_state(job)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"status": "ended"}', b"\xff", b"[" * 9999]
)
def test_an_outcome_that_says_nothing(job, content):
    state = damaged(job, outcome_json=content)
    assert (state.state, state.tokens_left) == ("interrupted", 7 * 32)
    (problem,) = state.damage
    assert problem.startswith("outcome.json says nothing that can be used; remove it")


def test_rows_that_are_none(job):
    header = ",".join(STEP_COLUMNS)
    for row in ("14,1,1,1,1,1,0", "x,1,1,1,1,1,0", "0,1,1,1,1,1,0", "-1,1,1,1,1,1,0"):
        state = damaged(job, steps_csv=f"{header}\n{row}\n".encode())
        assert state.step == 0
        assert state.damage[0] == "steps.csv ends with a row of no step from 1 to 13"
    columns = b"interval,tokens_seen,val_loss\n"
    for content in (
        b"val_loss\n1.0\n",
        columns + b"x,1,1\n",
        columns + b"6,480,1\n",  # the last is 5
        columns + b"1,32,1\n",  # it ends at 96
    ):
        assert damaged(job, intervals_csv=content).damage == (
            "intervals.csv has a row that is none",
        )
    columns = b"evaluation_s,tokens_per_s\n"
    for content in (b"a\n1\n", columns + b"1,0\n", columns + b"x,1\n"):
        state = damaged(job, timing_csv=content)
        assert state.damage == ("timing.csv has a row that is none",)
        assert state.tokens_per_s is None


def test_rows_before_the_checkpoint_are_missing(job):
    fake_run(job, 5, checkpoint=6)
    state = run_state(job)
    assert state.damage == ("steps.csv ends at step 5, before the checkpoint of step 6",)
    assert state.blocked == (
        "steps.csv of baseline/seed-0 is put back, or runs/baseline/seed-0 removed",
    )
    fake_checkpoint(job, 3)  # which the file reaches
    state = run_state(job)
    assert (state.checkpoint, state.tokens_left, state.blocked) == (6, 10 * 32, ())
    assert state.damage[0].endswith("of step 6: it would go on from that of step 3")
    with sole_owner(job.folder):  # it may be going back just now
        assert run_state(job).damage == ()


def test_a_run_whose_checkpoints_are_gone(job):
    for status in (None, "stopped", "failed"):
        fake_run(job, 7, status=status)
        state = run_state(job)
        assert (state.tokens_left, state.blocked) == (13 * 32, ())
        assert state.damage == ("no checkpoint is left: it will begin again from step 0",)
    fake_run(job, 13, status="finished")
    state = run_state(job)
    assert (state.state, state.tokens_left, state.blocked) == ("finished", 0, ())
    assert state.damage[0].startswith("the checkpoint of its last step is missing")


@pytest.mark.parametrize("name", ["steps.csv", "intervals.csv", "samples.jsonl"])
@pytest.mark.parametrize("cut", [True, False])
def test_a_finished_run_that_lost_something_cannot_go_on(job, name, cut):
    fake_run(job, 13, status="finished", checkpoint=13)
    assert run_state(job).blocked == ()
    path = job.folder / name
    if cut and name != "samples.jsonl":
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    else:
        path.unlink()
    state = run_state(job)
    assert (state.state, state.tokens_left, len(state.damage)) == ("finished", 0, 1)
    assert state.damage[0].startswith(name)
    assert state.blocked == (
        f"{name} of baseline/seed-0 is put back, or runs/baseline/seed-0 removed",
    )


@pytest.mark.parametrize("name", ["steps.csv", "intervals.csv", "timing.csv", "outcome.json"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_is_named_and_not_waited_for(job, name):
    fake_run(job, 13, status="finished", checkpoint=13)
    (job.folder / name).unlink()
    os.mkfifo(job.folder / name)
    state = run_state(job)
    assert f"{name} cannot be read: it is no regular file" in state.damage
    assert f"{name} of baseline/seed-0 can be read" in state.blocked


def test_a_checkpoint_without_its_manifest(job):
    fake_run(job, 7, checkpoint=3)
    (fake_checkpoint(job, 6) / "manifest.json").unlink()
    state = run_state(job)
    assert (state.checkpoint, state.tokens_left) == (3, 10 * 32)
    assert state.damage == ("checkpoint step-000006 has no manifest.json: an older one counts",)


def test_a_file_that_is_far_too_large_is_not_read(job):
    fake_run(job, 7)
    for name in ("intervals.csv", "timing.csv", "outcome.json", "steps.csv"):
        with open(job.folder / name, "wb") as stream:
            stream.truncate(1 << 40)  # a hole: takes no place
    state = run_state(job)
    assert (state.step, state.best, state.tokens_per_s) == (0, None, None)
    assert len(state.damage) == 3


def test_data_that_is_missing(job):
    (job.study_folder / "data" / "valid.bin").unlink()
    assert study_state(job.study_folder).damage == ("data/valid.bin is missing: no run can go on",)
    assert any("valid.bin is missing" in line for line in shown(job.study_folder))


def test_names_that_no_disk_can_have(tmp_path):
    config = tiny_config(conditions=(BASELINE, Condition("x" * 300)))
    fake_study(tmp_path / "study", config)
    states = study_state(tmp_path / "study").runs
    assert [state.state for state in states] == ["not begun"] * 2


def test_a_folder_that_cannot_be_read(job, monkeypatch):
    def refuse(folder):
        raise PermissionError(13, "Permission denied")

    fake_run(job, 7)
    monkeypatch.setattr("tinyllama_np.run_state.checkpoint_folders", refuse)
    state = run_state(job)
    assert (state.state, state.damage) == ("unreadable", ("cannot be read: Permission denied",))
    assert state.blocked == ("runs/baseline/seed-0 can be read",)


def test_a_record_of_the_environment_that_is_damaged(job):
    """It hinders a run that would go on, and none that has ended."""
    for status, hindered in (("stopped", True), ("finished", False)):
        fake_run(job, 13, status=status, checkpoint=13)
        for content in (None, "[", '[{"from_step": 14, "environment": {}}]'):
            (job.folder / "environment.json").unlink(missing_ok=True)
            if content:
                (job.folder / "environment.json").write_text(content)
            state = run_state(job)
            assert bool(state.damage) == bool(state.blocked) == hindered
    fake_run(job, 7, checkpoint=6, status="stopped")
    (job.folder / "environment.json").unlink()
    (reason,) = run_state(job).blocked
    assert reason.startswith("environment.json of baseline/seed-0 is put back, or --accept-env")


def not_allowed_into(monkeypatch, refused):
    """Let a folder be one that may not be looked into."""
    real = os.scandir

    def scandir(path):
        if os.fspath(path) == os.fspath(refused):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)


def test_a_run_that_may_not_be_looked_into_is_not_taken_for_one_that_has_not_begun(
    job, monkeypatch
):
    fake_run(job, 7, checkpoint=6)
    not_allowed_into(monkeypatch, job.folder)
    assert run_state(job).state == "unreadable"
    last = shown(job.study_folder)[-1]
    assert last.startswith("  cannot go on until runs/baseline/seed-0 can be read")


def test_folders_that_may_not_be_looked_into_are_named(tmp_path, monkeypatch):
    fake_study(tmp_path / "a" / "study")
    (tmp_path / "b").mkdir()
    not_allowed_into(monkeypatch, tmp_path / "b")
    refused = []
    found = find_studies(tmp_path, refused=lambda folder, why: refused.append((folder, why)))
    assert found == [tmp_path / "a" / "study"]
    assert refused == [(tmp_path / "b", "Permission denied")]


@pytest.mark.parametrize("rounds", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_whatever_the_files_hold_is_shown(job, rounds):
    """Mutations of all files of a study: described, as text and as JSON, without an error."""
    rng = random.Random(rounds)
    fake_run(job, 11, status="failed", checkpoint=11, message="no room")
    files = [path for path in job.study_folder.rglob("*") if path.is_file()]
    whole = {path: path.read_bytes() for path in files}
    pieces = [
        b"\0",
        b"\xff",
        b'"',
        b",",
        b"\n",
        b"-",
        b"9" * 400,
        b"1e999",
        b"nan",
        b"{}",
        b"[",
        b"",
    ]
    for _ in range(rounds):
        path = rng.choice(files)
        data = bytearray(whole[path])
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data) + 1)
            data[place : place + rng.choice((0, 1, 1, 9, 99))] = rng.choice(pieces)
        path.write_bytes(data)
        assert shown(job.study_folder)
        json.dumps(as_json(study_state(job.study_folder)), allow_nan=False)
        path.write_bytes(whole[path])


# -------------------------------------------------------------------------------------- the studies


def test_studies_are_found_some_levels_deep(tmp_path):
    for name in ("b", "a/x", "a/y/z", ".hidden", "a/y/z/runs/inside", "1/2/3/too-deep"):
        fake_study(tmp_path / name)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    found = [str(path.relative_to(tmp_path)) for path in find_studies(tmp_path)]
    assert found == ["a/x", "a/y/z", "b"]
    assert find_studies(tmp_path / "a" / "x") == [tmp_path / "a" / "x"]
    assert find_studies(tmp_path / "none") == []


def test_an_unreadable_study_has_one_line(tmp_path):
    fake_study(tmp_path)
    (tmp_path / "study.json").write_text("{")
    study = study_state(tmp_path)
    assert isinstance(study, UnreadableStudy)
    assert "study.json cannot be used" in study.error
    assert as_json(study) == {"folder": str(tmp_path), "error": study.error}


def test_a_study_whose_preparation_was_interrupted(tmp_path):
    staging = staging_folder(tmp_path / "study")
    staging.mkdir(parents=True)
    assert find_studies(tmp_path) == [tmp_path / "study"]
    study = study_state(tmp_path / "study")
    assert isinstance(study, UnreadableStudy)
    assert not study.is_damaged
    assert "the `study` command that began it takes over" in study.error
    with sole_owner(tmp_path / "study"):
        assert "is being prepared by process " in study_state(tmp_path / "study").error
    fake_study(tmp_path / "study")  # published; the staging folder is removed at the next start
    assert isinstance(study_state(tmp_path / "study"), StudyState)


def test_looking_changes_nothing(tmp_path):
    jobs = fake_study(tmp_path / "study", tiny_config(seeds=(0, 1, 2)))
    fake_run(jobs[0], 13, status="finished", checkpoint=13)
    fake_run(jobs[1], 7, checkpoint=6)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    content = tree(tmp_path)
    shown(tmp_path / "study")
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert tree(tmp_path) == content


def test_the_time_left_is_that_of_the_operations(tmp_path):
    """A run without a speed of its own has that of the others, for a model of another size."""
    deep = Condition("deep", {"num_hidden_layers": 6})
    jobs = fake_study(tmp_path / "study", tiny_config(conditions=(BASELINE, deep)))
    study = as_json(study_state(tmp_path / "study"))
    assert (study["seconds_left"], study["tokens_left"]) == (None, 832)
    fake_run(jobs[0], 13, status="finished", checkpoint=13)
    study = as_json(study_state(tmp_path / "study"))
    cost = [job.model.training_flops_per_token(8) for job in jobs]
    speed = 416 / (4.16 + 3.0) * cost[0] / cost[1]
    assert study["seconds_left"] == pytest.approx(416 / speed)
    assert study["command"] == f"tinyllama-np resume {tmp_path / 'study'}"
    assert math.isfinite(study["seconds_left"])
