"""Many seeds and intervals: the same numbers as one by one, and a bounded memory."""

from __future__ import annotations

import csv
import io
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from stats import replay
from stats.effects import seed_table
from stats.measures import MeasureSettings, add_measures, rolling_volatility, stable_phase
from stats.stopping import kept_checkpoint, regret
from stats.stopping_rules import DEFAULT_RULES
from stats.tables import csv_text, exact

S = K = 200
SETTINGS = MeasureSettings()


def rows(seeds=S, intervals=K):
    rng = np.random.default_rng(0)
    t = np.arange(intervals) / intervals
    loss = 2.7 + 5 * np.exp(-12 * t) + t + 0.01 * rng.standard_normal((seeds, intervals))
    step = np.tile(np.arange(intervals), seeds) * 10
    return pd.DataFrame(
        {
            "condition": "baseline",
            "seed": np.repeat(np.arange(seeds), intervals),
            "interval": np.tile(np.arange(intervals), seeds),
            "step": step,
            "tokens_seen": step * 4096,
            "train_sample_loss": (loss - 0.3 * t).ravel(),
            "val_loss": loss.ravel(),
            "val_perplexity": np.nan,
            "flops": step * 1e12,
        }
    )


@pytest.mark.slow
def test_measures_of_all_seeds_at_once_are_those_of_each_alone():
    frame = rows()
    together = add_measures(frame, SETTINGS)
    alone = [add_measures(own, SETTINGS) for _, own in frame.groupby("seed")]
    pd.testing.assert_frame_equal(together, pd.concat(alone, ignore_index=True), check_exact=True)
    tables = [seed_table(own, SETTINGS) for own in alone]
    expected = pd.concat(tables, ignore_index=True)
    pd.testing.assert_frame_equal(seed_table(together, SETTINGS), expected, check_exact=True)


def test_volatility_and_stable_runs_by_brute_force():
    loss = rows(5, 40)["val_loss"].to_numpy().reshape(5, 40)
    for window in (2, 3, 7):
        got = rolling_volatility(loss, window)
        for s, i in np.ndindex(5, 40):
            part = loss[s, max(0, i - window + 1) : i + 1]
            expected = np.std(part, ddof=1) if i >= window - 1 else np.nan
            np.testing.assert_allclose(got[s, i], expected, rtol=1e-11)
    flags = np.random.default_rng(1).random((50, 30)) < 0.7
    for run in (1, 2, 3, 5, 31):
        for row, got in zip(flags, stable_phase(flags, run), strict=True):
            groups = "".join("01"[int(flag)] for flag in row).split("0")
            expected = "0".join(g if len(g) >= run else "0" * len(g) for g in groups)
            assert "".join("01"[int(flag)] for flag in got) == expected


def test_rules_on_all_seeds_at_once_are_those_on_each_alone():
    frame = rows(40, 60)
    table = replay(frame)
    loss = frame["val_loss"].to_numpy().reshape(40, 60)
    train = frame["train_sample_loss"].to_numpy().reshape(40, 60)
    by_label = {rule.label: rule for rule in DEFAULT_RULES}
    for row in table.itertuples():
        found = by_label[row.setting].first_stop(loss[row.seed], train[row.seed])
        stop = 59 if found is None else found
        assert row.stopped == (found is not None)
        assert row.stop_interval == stop
        assert row.best_interval == kept_checkpoint(loss[row.seed], stop)
        assert row.regret == regret(loss[row.seed], stop)


def test_csv_text_is_that_of_each_cell_alone():
    frame = pd.DataFrame(
        {
            "floats": [0.1, np.nan, np.inf, -0.0, 1e300, 1 / 3],
            "single": np.array([0.1, np.nan, 1, 2, 3, 4], dtype=np.float32),
            "whole": [1, -2, 3, 2**53, 5, 6],
            "maybe": pd.array([1, None, 3, 4, 5, 6], dtype="Int64"),
            "flags": [True, False] * 3,
            "texts": ["a", 'b "c"', "d,e", "f\ng", "", "ü"],
            "mixed": [1, 2.5, None, True, "x", np.float64("nan")],
        }
    )
    frame = frame.astype({"mixed": object})
    expected = [list(frame)]
    expected += [[exact(v) for v in row] for row in frame.itertuples(index=False, name=None)]
    assert list(csv.reader(io.StringIO(csv_text(frame), newline=""))) == expected
    assert csv_text(frame.iloc[:0]) == ",".join(frame) + "\n"


def test_memory_of_the_measures_is_a_few_times_the_result():
    frame = rows()
    tracemalloc.start()
    try:
        result = add_measures(frame, SETTINGS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * result.memory_usage(deep=True).sum()
