"""The CSV files: their columns, numbers that lose no bits, and the cut at a resume."""

from __future__ import annotations

import csv
import math
import os
import struct

import numpy as np
import pytest

from tinyllama_np.telemetry import (
    INTERVAL_COLUMNS,
    STEP_COLUMNS,
    TIMING_COLUMNS,
    CsvLog,
    TelemetryError,
    format_row,
    last_row,
    read_rows,
)


def test_columns_are_the_documented_ones_in_their_order():
    """Other programs read these files: a change of a name breaks them."""
    assert ",".join(INTERVAL_COLUMNS) == (
        "condition,seed,interval,step,tokens_seen,epoch,lr,train_loss,train_sample_loss,val_loss,"
        "val_perplexity,bits_per_byte,grad_norm,flops"
    )
    assert ",".join(STEP_COLUMNS) == "step,tokens_seen,epoch,lr,train_loss,grad_norm,clipped"
    assert ",".join(TIMING_COLUMNS) == (
        "step,wall_s,tokens_per_s,forward_backward_s,optimizer_s,evaluation_s,threads"
    )


def test_floats_come_back_with_the_same_bits():
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2**63, 300, dtype=np.uint64).tobytes()
    values = [v for v in struct.unpack("<300d", patterns) if math.isfinite(v)]
    values += [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, 1e16, float(np.float32(0.1))]
    for value in values:
        cell = format_row({"x": value}, ["x"]).rstrip("\n")
        assert struct.pack("<d", float(cell)) == struct.pack("<d", value)


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, ""),
        (math.nan, ""),
        (np.float64("nan"), ""),
        (math.inf, "inf"),
        (0, "0"),
        (0.0, "0.0"),
        (np.float64(0.25), "0.25"),
        (123456789012345678901, "123456789012345678901"),
        ("fresh", "fresh"),
    ],
)
def test_cells(value, cell):
    assert format_row({"a": 1, "x": value, "b": 2}, ["a", "x", "b"]) == f"1,{cell},2\n"


def test_a_row_with_other_columns_is_refused():
    with pytest.raises(ValueError, match="step"):
        format_row({"stepp": 1}, ["step"])
    with pytest.raises(ValueError, match="expected"):
        format_row({"step": 1, "more": 2}, ["step"])


def filled_log(tmp_path, steps=6):
    log = CsvLog(tmp_path / "run" / "steps.csv", ("step", "loss"))
    log.restart(-1)
    for step in range(1, steps + 1):
        log.add(step=step, loss=step / 7)
    log.flush()
    return log


def test_rows_are_what_a_csv_reader_reads(tmp_path):
    log = filled_log(tmp_path, 2)
    assert log.path.read_bytes() == f"step,loss\n1,{1 / 7!r}\n2,{2 / 7!r}\n".encode()
    with open(log.path, encoding="utf-8", newline="") as stream:
        assert list(csv.DictReader(stream)) == read_rows(log.path)


def test_restart_drops_what_came_after_the_checkpoint(tmp_path):
    log = filled_log(tmp_path)
    whole = log.path.read_bytes()
    kept = log.restart(4)
    assert [row["step"] for row in kept] == ["1", "2", "3", "4"]
    assert whole.startswith(log.path.read_bytes())
    log.add(step=5, loss=5 / 7)
    log.add(step=6, loss=6 / 7)
    assert log.path.read_bytes() == whole


def test_restart_of_a_complete_file_changes_nothing(tmp_path):
    log = filled_log(tmp_path)
    whole = log.path.read_bytes()
    assert len(log.restart(6)) == 6
    assert log.path.read_bytes() == whole


@pytest.mark.parametrize("cut", range(1, 25))
def test_restart_after_a_line_cut_short(tmp_path, cut):
    log = filled_log(tmp_path)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-cut])
    kept = log.restart(6)
    assert len(kept) == 5 if cut < 22 else 4
    for step in range(len(kept) + 1, 7):
        log.add(step=step, loss=step / 7)
    assert log.path.read_bytes() == whole


@pytest.mark.parametrize("garbage", [b"\0" * 40, b"\0\n\0\n", b"7,0.\xff\xfe\n", b"x,y\n", b"7\n"])
def test_restart_drops_what_a_power_cut_left_behind_the_last_checkpoint(tmp_path, garbage):
    """A file system may grow a file before it writes the data: the tail is zeros or old blocks."""
    log = filled_log(tmp_path)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + garbage)
    assert len(log.restart(6)) == 6
    assert log.path.read_bytes() == whole


def test_restart_makes_a_file_with_a_header(tmp_path):
    log = CsvLog(tmp_path / "run" / "new.csv", ("step", "loss"))
    assert log.restart(100) == []
    assert log.path.read_bytes() == b"step,loss\n"


def test_restart_before_the_first_row_leaves_the_header(tmp_path):
    log = filled_log(tmp_path)
    assert log.restart(-1) == []
    assert log.path.read_bytes() == b"step,loss\n"


def test_restart_keeps_empty_cells_and_names_with_commas(tmp_path):
    log = CsvLog(tmp_path / "x.csv", ("step", "name", "loss"))
    log.restart(-1)
    log.add(step=1, name='a,"b"', loss=None)
    before = log.path.read_bytes()
    assert log.restart(1) == [{"step": "1", "name": 'a,"b"', "loss": ""}]
    assert log.path.read_bytes() == before


def test_last_row_of_a_growing_file(tmp_path):
    path = tmp_path / "steps.csv"
    assert last_row(path) is None
    whole = filled_log(tmp_path, 300).path.read_bytes()
    lines = whole.decode().splitlines(keepends=True)
    assert len(whole) > 2000  # longer than what is read of the end
    for size in [*range(0, 120), *range(len(whole) - 60, len(whole) + 1)]:
        path.write_bytes(whole[:size])
        complete = whole[:size].count(b"\n")
        row = last_row(path)
        if complete < 2:
            assert row is None, size
        else:
            step, loss = lines[complete - 1].rstrip("\n").split(",")
            assert row == {"step": step, "loss": loss}, size


def test_last_row_of_a_file_whose_tail_begins_inside_a_character(tmp_path):
    path = tmp_path / "intervals.csv"
    for extra in range(4):
        path.write_text("condition,step\n" + "x" * extra + "é,1\n" * 400, encoding="utf-8")
        assert last_row(path) == {"condition": "é", "step": "1"}


def test_a_file_that_is_almost_all_hole_takes_no_memory(tmp_path):
    log = filled_log(tmp_path)
    mark, whole = log.mark(), log.path.read_bytes()
    os.truncate(log.path, 1 << 40)
    assert len(read_rows(log.path)) == whole.count(b"\n") - 1
    again = CsvLog(log.path, log.columns)
    assert again.compare(mark) == "whole"
    again.back_to(mark)
    assert (log.path.read_bytes(), again.mark()) == (whole, mark)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "steps.csv"
    os.mkfifo(path)
    assert last_row(path) is None
    log = CsvLog(path, ("step", "loss"))
    for read in (lambda: read_rows(path), lambda: log.compare(log.mark())):
        with pytest.raises(TelemetryError, match="it is no regular file"):
            read()
