"""What a person sees while a study runs."""

from __future__ import annotations

import io
import sys

import pytest
from tiny_study import tiny_job

from tinyllama_np import progress
from tinyllama_np.progress import Progress, format_seconds
from tinyllama_np.telemetry import STEP_COLUMNS, CsvLog


@pytest.fixture
def clock(monkeypatch):
    """The time, to be moved by hand."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def job_with_steps(folder, *losses):
    job = tiny_job(folder)
    log = CsvLog(job.folder / "steps.csv", STEP_COLUMNS)
    log.restart(-1)
    for step, loss in enumerate(losses, start=1):
        log.add(
            step=step,
            tokens_seen=32 * step,
            epoch=0.1,
            lr=0.1,
            train_loss=loss,
            grad_norm=1.0,
            clipped=0,
        )
    return job


def test_lines_where_there_is_no_terminal(tmp_path, clock, capsys):
    job = job_with_steps(tmp_path, 5.5, 5.25)
    with Progress([job], total=4000) as shown:
        shown.update(1000)  # a study that is continued begins at what is done
        clock[0] += 5
        shown.update(1500)  # too soon after the last line
        clock[0] += 5
        shown.update(2000)
    captured = capsys.readouterr()
    assert captured.out == ""
    first, second = captured.err.splitlines()
    assert "25%" in first
    assert "1,000 of 4,000 tokens" in first
    assert "loss baseline/0 5.250" in first
    assert "50%" in second
    assert "100 tokens/s" in second  # 1,000 in 10 s, those done before left out
    assert "20 s left" in second


def test_the_end_is_shown_however_soon_it_comes(tmp_path, clock, capsys):
    with Progress([job_with_steps(tmp_path, *[5.0] * 13)], total=416) as shown:
        shown.update(0)
        clock[0] += 2
        shown.update(416)
    assert capsys.readouterr().err.splitlines()[1:] == ["100%  416 of 416 tokens  208 tokens/s"]


def test_nothing_known_yet(tmp_path, clock, capsys):
    with Progress([tiny_job(tmp_path)], total=416) as shown:
        shown.update(0)
    assert capsys.readouterr().err == "  0%  0 of 416 tokens\n"


def test_finished_runs_show_no_loss(tmp_path, clock, capsys):
    with Progress([job_with_steps(tmp_path, *[5.0] * 13)], total=832) as shown:
        shown.update(416)
    assert "loss" not in capsys.readouterr().err


@pytest.mark.parametrize(("loss", "cell"), [(float("nan"), "nan"), (float("inf"), "inf")])
def test_a_loss_that_is_not_finite_is_shown(tmp_path, clock, capsys, loss, cell):
    """Its cell is empty; the display of one diverged run may not bring down the others."""
    with Progress([job_with_steps(tmp_path, 5.0, loss)], total=416) as shown:
        shown.update(64)
    assert f"loss baseline/0 {cell}" in capsys.readouterr().err


@pytest.mark.parametrize(("old", "new"), [("step,", "stp,"), ("\n2,", "\nx,"), (",5.25,", ",?,")])
def test_an_edited_file_shows_no_loss(tmp_path, clock, capsys, old, new):
    """The run itself will refuse it; the display may not bring down the others."""
    job = job_with_steps(tmp_path, 5.5, 5.25)
    path = job.folder / "steps.csv"
    path.write_text(path.read_text().replace(old, new))
    with Progress([job], total=416) as shown:
        shown.update(64)
    assert capsys.readouterr().err == " 15%  64 of 416 tokens\n"


def test_a_bar_on_a_terminal(tmp_path, capsys, monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stream)
    job = job_with_steps(tmp_path, 5.5)
    with Progress([job], total=416) as shown:
        shown.update(32)
        shown.update(416)
    text = stream.getvalue()
    assert "\r" in text
    assert "100%" in text
    assert "baseline/0 5.500" in text
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("columns", "shown"), [(60, False), (100, True)])
def test_a_narrow_terminal_keeps_its_bar(tmp_path, monkeypatch, columns, shown):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "_columns", lambda: columns)
    with Progress([job_with_steps(tmp_path, 5.5)], total=416) as bar:
        bar.update(32)
    assert ("loss" in stream.getvalue()) == shown


def test_the_bar_of_a_continued_study_counts_from_its_start(tmp_path, monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress([job_with_steps(tmp_path, 5.5)], total=10**9) as bar:
        bar.update(5 * 10**8)
        bar.update(5 * 10**8)
        bar.say("a line")
        assert bar._bar.initial == 5 * 10**8  # what was done before is no speed
    assert stream.getvalue().split("\n")[0].split("\r")[-1] == "a line"
    assert "50%" in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "0 s"),
        (89, "89 s"),
        (90, "2 min"),
        (89.4 * 60, "89 min"),
        (89.9 * 60, "1 h 30 min"),
        (3 * 3600 + 5 * 60, "3 h 05 min"),
        (119.8 * 60, "2 h 00 min"),
    ],
)
def test_format_seconds(seconds, text):
    assert format_seconds(seconds) == text
