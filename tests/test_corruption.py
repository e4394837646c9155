"""Any flipped bit in a file whose hash is recorded is seen when the file is read."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from tiny_study import finished_run

from tinyllama_np.checkpoint import checkpoint_folders, load_checkpoint
from tinyllama_np.corpus.tokens import open_token_file
from tinyllama_np.job import RunJob, check_ended_telemetry, finished_outcome
from tinyllama_np.telemetry import GrowingFile, Mark, TelemetryError
from tinyllama_np.trainer import open_run_data

FLIPS = 1000


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> RunJob:
    """A finished run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)
        job = finished_run(tmp_path_factory.mktemp("corruption"), train_tokens=None)
    return job


def hashed_files(job: RunJob) -> list[Path]:
    """Every file of the study whose hash is recorded somewhere."""
    (checkpoint,) = checkpoint_folders(job.folder / "checkpoints")
    data = job.study_folder / "data"
    telemetry = [job.folder / name for name in ("steps.csv", "intervals.csv", "samples.jsonl")]
    tokens = [data / "train.bin", data / "valid.bin"]
    return [*checkpoint.iterdir(), *telemetry, *tokens, job.study_folder / "tokenizer.json"]


def is_seen(job: RunJob, path: Path) -> bool:
    """Whether reading the file, as a run or a study reads it, refuses it."""
    try:
        if path.parent.name.startswith("step-"):
            load_checkpoint(path.parent)
        elif path.suffix == ".bin":
            open_token_file(path)
        elif path.name == "tokenizer.json":
            open_run_data(job.study_folder, None)
        else:
            check_ended_telemetry(job)
    except ValueError:
        return True
    return False


def test_nothing_is_refused_that_is_whole(job):
    assert not any(is_seen(job, path) for path in hashed_files(job))


@pytest.mark.slow
def test_every_flipped_bit_is_seen(job):
    rng = random.Random(0)
    files = hashed_files(job)
    assert len(files) == 8 + 3 + 2 + 1
    missed = []
    for _ in range(FLIPS):
        path = rng.choice(files)
        data = path.read_bytes()
        bit = rng.randrange(8 * len(data))
        with open(path, "r+b") as stream:
            stream.seek(bit // 8)
            stream.write(bytes([data[bit // 8] ^ 1 << bit % 8]))
        if not is_seen(job, path):
            missed.append((path.name, bit))
        with open(path, "r+b") as stream:
            stream.seek(bit // 8)
            stream.write(data[bit // 8 : bit // 8 + 1])
    assert missed == []
    assert not any(is_seen(job, path) for path in files)  # all put back


@pytest.mark.slow
def test_a_resume_sees_every_flipped_bit_of_its_telemetry(job):
    """Against the marks of the checkpoint, as a run compares them that goes on."""
    (folder,) = checkpoint_folders(job.folder / "checkpoints")
    marks = load_checkpoint(folder).state["telemetry"]
    rng = random.Random(1)
    for name, mark in marks.items():
        log = GrowingFile(job.folder / name)
        data = log.path.read_bytes()
        assert log.compare(Mark(**mark)) == "whole"
        for _ in range(60):
            bit = rng.randrange(8 * len(data))
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            log.path.write_bytes(flipped)
            assert log.compare(Mark(**mark)) == "changed"
        log.path.write_bytes(data[:-1])
        assert log.compare(Mark(**mark)) == "short"
        log.path.write_bytes(data + b"more")
        assert log.compare(Mark(**mark)) == "whole"
        log.path.write_bytes(data)


def test_a_file_that_is_gone_is_seen(job):
    for path in hashed_files(job):
        moved = path.rename(path.with_name("elsewhere"))
        assert is_seen(job, path), path.name
        moved.rename(path)


@pytest.mark.slow
def test_every_flipped_bit_of_an_outcome_is_seen_or_says_the_same(job):
    """Nothing vouches for the file itself: what it says has to be what a run that ended says."""
    path = job.folder / "outcome.json"
    data = path.read_bytes()
    whole, seen = finished_outcome(job), 0
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            outcome = finished_outcome(job)
        except TelemetryError:
            seen += 1
            continue
        finally:
            path.write_bytes(data)
        assert outcome is not None
        hashes = outcome.pop("sha256")
        assert outcome == {name: whole[name] for name in outcome}  # white space was flipped
        assert set(hashes) == set(whole["sha256"])  # another value is seen in the file
        seen += hashes != whole["sha256"]
    assert seen > 0.8 * 8 * len(data)


@pytest.mark.parametrize("name", [None, "steps.csv", "intervals.csv", "samples.jsonl"])
def test_a_finished_run_whose_hashes_are_missing_is_refused(job, name):
    path = job.folder / "outcome.json"
    before = path.read_text()
    outcome = json.loads(before)
    if name is None:
        del outcome["sha256"]
    else:
        del outcome["sha256"][name]
    path.write_text(json.dumps(outcome))
    with pytest.raises(TelemetryError, match=f"no SHA-256 of {name or 'steps.csv'}"):
        check_ended_telemetry(job)
    path.write_text(before)
