"""The disk that a study needs: an upper bound, not far above the truth, and refused in time."""

from __future__ import annotations

import dataclasses
import shutil
from collections import namedtuple

import pytest
from tiny_study import (
    TRAIN,
    InlineExecutor,
    make_study,
    study_arguments,
    tiny_config,
    tiny_job,
    tree,
    write_text,
)

from tinyllama_np import Condition, disk_need
from tinyllama_np.checkpoint import checkpoint_folders
from tinyllama_np.cli import main
from tinyllama_np.config import ConfigError
from tinyllama_np.disk_need import DiskNeed, check_free_space, format_bytes
from tinyllama_np.presets import preset
from tinyllama_np.study import collect_intervals, run_jobs, run_study

Usage = namedtuple("Usage", "total used free")
BLOCK = 4096


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


@pytest.fixture
def free(monkeypatch):
    """Let the disk have so many bytes free; keeps the folders that were asked about."""
    asked = []

    def set_free(size, total=10**12):
        def usage(folder):
            asked.append(folder)
            return Usage(total, total - size, size)

        monkeypatch.setattr(disk_need.shutil, "disk_usage", usage)
        return asked

    return set_free


def taken(folder):
    """Bytes of a folder's files and folders in blocks of the disk."""
    sizes = [path.stat().st_size if path.is_file() else BLOCK for path in folder.rglob("*")]
    return sum(-(-size // BLOCK) * BLOCK for size in sizes)


def need_of(jobs, workers=1):
    return disk_need.disk_need(jobs, workers)


# -------------------------------------------------------------------------------------- how much


@pytest.mark.slow
@pytest.mark.parametrize("layers", [2, 9])
def test_the_need_is_an_upper_bound_and_not_far_above(tmp_path, layers):
    """Where a checkpoint is as small as here, it is mostly headers, tokenizer and blocks."""
    config = tiny_config(
        seeds=(0, 1, 2),
        model={"num_hidden_layers": layers},
        sample_prompts=("Mia " * 30, '"\x01\n"', "ß"),
    )
    out = make_study(tmp_path, config)
    jobs = run_jobs(config, out, keep_checkpoints="all")
    before, need = taken(out), need_of(jobs)
    run_study(jobs, InlineExecutor(), poll_seconds=0.01)
    collect_intervals(jobs, out)
    grown = taken(out) - before
    assert grown <= need.size <= 1.5 * grown
    folder = checkpoint_folders(jobs[0].folder / "checkpoints")[-1]
    assert taken(folder) + BLOCK <= need.checkpoint <= 1.2 * (taken(folder) + BLOCK)
    assert need_of(jobs) == DiskNeed(0, 0, 0, 0)


@pytest.mark.slow
def test_what_is_there_already_is_not_needed_again(tmp_path):
    config = tiny_config(seeds=(0, 1))
    first, second = run_jobs(config, make_study(tmp_path, config), keep_checkpoints="all")
    new = need_of([first])
    run_study([first], InlineExecutor(), poll_seconds=0.01)
    assert need_of([first, second]).runs == 1
    (first.folder / "outcome.json").unlink()  # killed at the last moment
    late = need_of([first])
    assert 2 * new.checkpoint <= late.size < 2 * new.checkpoint + 8 * BLOCK  # a stop's, one begun
    for folder in checkpoint_folders(first.folder / "checkpoints")[-2:]:
        shutil.rmtree(folder)
    assert need_of([first]).size == late.size + 2 * new.checkpoint
    last = dataclasses.replace(first, keep_checkpoints="last")
    assert need_of([last]).size < new.checkpoint + 8 * BLOCK  # four are there, two stay


def test_what_is_kept_and_how_many_work_at_once(tmp_path):
    config = tiny_config(seeds=(0, 1, 2))
    needs = {
        (keep, workers): need_of(run_jobs(config, tmp_path, keep_checkpoints=keep), workers)
        for keep in ("last", "best", "all")
        for workers in (1, 2, 50)
    }
    one = needs["last", 1].checkpoint
    assert [needs[keep, 1].kept for keep in ("last", "best", "all")] == [2, 3, 7]
    base = needs["last", 1].size
    assert 7 * one < base < 7 * one + 200_000  # two for each of three runs, and one in the making
    assert needs["best", 1].size == base + 3 * one
    assert needs["all", 1].size == base + 15 * one
    assert needs["last", 2].size == base + one
    assert needs["last", 50].size == base + 2 * one


def test_the_largest_condition_counts(tmp_path):
    deep = Condition("deep", {"num_hidden_layers": 12})
    config = tiny_config(conditions=(Condition("baseline"), deep))
    both, alone = need_of(run_jobs(config, tmp_path)), need_of([tiny_job(tmp_path)])
    assert both.checkpoint > alone.checkpoint
    assert both.size > alone.size + 3 * both.checkpoint - alone.checkpoint


def test_the_paper_study():
    jobs = run_jobs(preset("paper"), disk_need.Path("nowhere"))
    need = need_of(jobs, 2)
    assert str(need).startswith("6 runs need up to 7")
    assert "(checkpoints of 51 MB, up to 2 a run)" in str(need)
    assert 12 * 4_262_144 < need.checkpoint < 1.005 * 12 * 4_262_144
    assert str(need_of(jobs[:1], 1)).startswith("1 run needs up to 15")


def test_token_files():
    """Known before the text is read only where the number of tokens is a setting."""
    more, all_of_it = Condition("x", {"train_tokens": 900}), Condition("y", {"train_tokens": None})
    assert disk_need.token_files_at_least(tiny_config(conditions=(more, all_of_it))) == 1800
    assert disk_need.token_files_at_least(tiny_config(train_tokens=None)) == 0
    wide = tiny_config(model={"vocab_size": 70_000})
    assert disk_need.token_files_at_least(wide) == 4 * TRAIN.train_tokens


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0.0 MB"), (440_000, "0.4 MB"), (51_400_000, "51 MB"), (71 * 10**9, "71 GB")],
)
def test_bytes_as_text(size, text):
    assert format_bytes(size) == text


# ---------------------------------------------------------------------------- against what is free


NEED = DiskNeed(runs=6, size=620_000_000, checkpoint=51_000_000, kept=2)


def test_the_line_says_both(tmp_path, free):
    asked = free(71 * 10**9)
    expected = "6 runs need up to 620 MB more (checkpoints of 51 MB, up to 2 a run), 71 GB free"
    assert check_free_space(NEED, tmp_path / "not" / "yet") == f"disk: {expected}"
    assert asked == [tmp_path]
    free(620_000_000)
    check_free_space(NEED, tmp_path)


def test_too_little_is_refused(tmp_path, free):
    free(619_999_999)
    with pytest.raises(ConfigError) as caught:
        check_free_space(NEED, tmp_path / "out")
    message = str(caught.value)
    assert "out: 620 MB are free" in message
    assert "6 runs need up to 620 MB more" in message
    assert "--keep" not in message  # it is what was asked for
    with pytest.raises(ConfigError, match="give --keep last, free space or use a folder on"):
        check_free_space(dataclasses.replace(NEED, kept=22), tmp_path)


def test_a_disk_that_does_not_say_what_is_free(tmp_path, free):
    free(0, total=0)
    assert check_free_space(NEED, tmp_path).endswith("free space unknown")


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("tinyllama_np.commands.carry_out.Workers", InlineExecutor)
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().err.splitlines()


def test_a_new_study_is_refused_before_its_text_is_read(tmp_path, free, monkeypatch, capsys):
    arguments = study_arguments(write_text(tmp_path / "text.txt"), tmp_path / "a" / "out")
    free(100_000)
    before = tree(tmp_path)
    code, lines = command(monkeypatch, capsys, *arguments, "--keep=all")
    assert (code, len(lines)) == (2, 1)
    assert lines[0].startswith("error: ")
    assert "0.1 MB are free" in lines[0]
    assert "give --keep last" in lines[0]
    assert tree(tmp_path) == before


def test_a_study_is_refused_before_it_trains(tmp_path, free, monkeypatch, capsys):
    out = tmp_path / "out"
    arguments = study_arguments(write_text(tmp_path / "text.txt"), out)
    free(10**9)
    code, lines = command(monkeypatch, capsys, *arguments, "--time-limit=1e-6s")
    assert code == 0
    (line,) = [line for line in lines if line.startswith("disk: ")]
    assert line.endswith("(checkpoints of 0.1 MB, up to 2 a run), 1.0 GB free")
    assert lines.index(line) < lines.index("training 1 run: 416 tokens in all")
    free(100_000)
    before = tree(out)
    code, lines = command(monkeypatch, capsys, *arguments)
    assert (code, len(lines)) == (2, 1)
    assert "0.1 MB are free" in lines[0]
    assert tree(out) == before
