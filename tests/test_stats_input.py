"""Bad input is refused by name, or left out with a count: run folders and frames, one by one."""

from __future__ import annotations

import errno
import json
import re

import numpy as np
import pandas as pd
import pytest
from stats_fake_run import fake_run_folder

from stats import (
    between_seed_variability,
    intraclass_correlations,
    precision_curve,
    predict_turns,
    read_long,
    replay,
    rm_anova,
    sign_flip_test,
    variance_components,
)
from stats.cli import main
from stats.csv_files import CsvFileError, read_csv_file
from stats.io import RunFolderError, read_run_folder
from stats.matrix import seed_matrix
from stats.measures import MeasureSettings, add_measures, step_spike, wide


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    folder = fake_run_folder(tmp_path_factory.mktemp("good") / "run", seeds=3, with_runs=False)
    return (folder / "intervals.csv").read_text(encoding="utf-8")


def replaced(column, value, row=30):
    """Edit one cell: data row 30 is seed 1 at interval 9, on line 32."""

    def edit(text):
        lines = text.split("\n")
        fields = lines[row + 1].split(",")
        fields[lines[0].split(",").index(column)] = value
        lines[row + 1] = ",".join(fields)
        return "\n".join(lines)

    return edit


def lines(change):
    return lambda text: "\n".join(change(text.rstrip("\n").split("\n"))) + "\n"


def header(old, new):
    return lines(lambda rows: [rows[0].replace(old, new), *rows[1:]])


def other_budget(text):
    rows = text.rstrip("\n").split("\n")
    at = rows[0].split(",").index("tokens_seen")
    for i in range(22, 43):
        fields = rows[i].split(",")
        fields[at] = str(int(fields[at]) // 2)
        rows[i] = ",".join(fields)
    return "\n".join(rows) + "\n"


BAD_FILES = {
    "empty": (lambda t: "", r"intervals.csv is empty: not even a header"),
    "blank lines": (lambda t: "\n\n", r"intervals.csv is empty"),
    "header only": (lines(lambda r: r[:1]), "has a header and no rows"),
    "no column": (header("val_loss", "loss"), r"lacks the column\(s\) val_loss; it has condition,"),
    "doubled column": (header("lr", "val_loss"), "more than one column val_loss; rename"),
    "semicolons": (lambda t: t.replace(",", ";"), "separated by semicolons, not by commas"),
    "semicolons, decimal commas": (
        lambda t: t.replace(",", ";").replace(".", ","),
        "separated by semicolons",
    ),
    "tabs": (lambda t: t.replace(",", "\t"), "separated by tabs"),
    "decimal comma": (replaced("val_loss", '"2,5"'), r"line 32: val_loss='2,5' .*decimal comma"),
    "decimal comma, no quotes": (replaced("val_loss", "2,5"), "line 32 has 15 fields"),
    "one field too many everywhere": (
        lines(lambda r: [r[0], *(row + "," for row in r[1:])]),
        "line 2 has 15 fields, the header has 14",
    ),
    "cut off": (lambda t: t[:-60], r"line 64 has \d+ fields, the header has 14: was the file cut"),
    "text": (replaced("val_loss", "much"), "line 32: val_loss='much' is not a number"),
    "true": (replaced("val_loss", "True"), "line 32: val_loss='True' is not a number"),
    "text after blank lines": (
        lambda t: replaced("val_loss", "much")(t).replace("\n", "\n\n", 1),
        "line 33: val_loss='much'",
    ),
    "empty seed": (replaced("seed", ""), "line 32: seed must be a whole number, got nothing"),
    "text seed": (replaced("seed", "one"), "line 32: seed='one' is not a number"),
    "interval 1.5": (replaced("interval", "1.5"), "line 32: interval must be .* got 1.5"),
    "interval -1": (replaced("interval", "-1"), "line 32: interval must be a whole .*, got -1"),
    "interval 1e300": (replaced("interval", "1e300"), r"interval must be .*, got 1e\+300"),
    "interval by name": (replaced("interval", "i9"), "line 32: interval='i9' is not a number"),
    "a very late interval": (replaced("interval", "1000000000"), r"lacks .*\(baseline, 0, 21\)"),
    "empty condition": (replaced("condition", ""), "line 32: condition is empty"),
    "missing": (lines(lambda r: r[:31] + r[32:]), r"lacks a finite val_loss .*\(baseline, 1, 9\)"),
    "blank loss": (replaced("val_loss", ""), r"lacks a finite val_loss .*\(baseline, 1, 9\)"),
    "nan loss": (replaced("val_loss", "nan"), r"lacks a finite val_loss .*\(baseline, 1, 9\)"),
    "infinite loss": (replaced("val_loss", "inf"), r"lacks a finite .*\(baseline, 1, 9\)"),
    "doubled": (lines(lambda r: [*r, r[31]]), r"duplicated .* cells: \(baseline, 1, 9\); remove"),
    "zero loss": (replaced("val_loss", "0"), r"of 0 or below .*\(baseline, 1, 9\)"),
    "negative loss": (replaced("val_loss", "-2.5"), r"\(baseline, 1, 9\) \(the first is -2.5\)"),
    "huge loss": (replaced("val_loss", "1e300"), r"above 700 nats .*\(baseline, 1, 9\)"),
    "huge value": (replaced("flops", "1e300"), r"flops=1e\+300 .*\(baseline, 1, 9\)"),
    "infinite norm": (replaced("grad_norm", "inf"), r"grad_norm=inf .*\(baseline, 1, 9\)"),
    "tokens that fall": (
        replaced("tokens_seen", "5"),
        r"tokens_seen is smaller .*\(baseline, 1, 9\)",
    ),
    "another budget": (other_budget, r"interval 1: .* differ in tokens_seen \(seed 0: 1,003,520, "),
    "a gap in all seeds": (
        lines(lambda r: [row for row in r if not re.match(r"baseline,\d,7,", row)]),
        r"\(baseline, 0, 7\), \(baseline, 1, 7\), \(baseline, 2, 7\)",
    ),
    "stopped early": (
        lines(lambda r: r[:-8]),
        r"condition baseline, seed 2, stops at interval 12 of 20 \(step 2,930\)",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_run_folder_is_refused(name, good, tmp_path, capsys):
    change, message = BAD_FILES[name]
    (tmp_path / "intervals.csv").write_text(change(good), encoding="utf-8")
    with pytest.raises(RunFolderError, match=message) as caught:
        read_run_folder(tmp_path)
    assert "\n" not in str(caught.value)
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert [path.name for path in tmp_path.iterdir()] == ["intervals.csv"]


HARMLESS = {
    "byte-order mark": lambda t: "\ufeff" + t,
    "CRLF": lambda t: t.replace("\n", "\r\n"),
    "quotes": lambda t: t.replace("baseline", '"baseline"'),
    "another order": lines(lambda r: [r[0], *r[:0:-1]]),
    "blank lines": lambda t: t.replace("\n", "\n\n"),
    "underscores": replaced("flops", "30_000"),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_no_harm_is_read(name, good, tmp_path):
    (tmp_path / "intervals.csv").write_bytes(HARMLESS[name](good).encode("utf-8"))
    got = read_run_folder(tmp_path).intervals
    (tmp_path / "intervals.csv").write_text(good, encoding="utf-8")
    expected = read_run_folder(tmp_path).intervals
    if name == "underscores":
        assert got.loc[30, "flops"] == 30_000
        got.loc[30, "flops"] = expected.loc[30, "flops"]
    pd.testing.assert_frame_equal(got, expected, check_exact=True)


def test_floats_are_read_exactly(tmp_path):
    values = np.random.default_rng(0).random(2000) * 10.0 ** np.arange(-10, 10).repeat(100)
    (tmp_path / "x.csv").write_text("x\n" + "\n".join(map(repr, values.tolist())) + "\n")
    np.testing.assert_array_equal(read_csv_file(tmp_path / "x.csv", ["x"], ["x"])["x"], values)


def test_what_is_no_utf8_is_refused(tmp_path):
    for encoded in ("höhe,x\n1,2\n".encode("latin-1"), "x,y\n1,2\n".encode("utf-16")):
        (tmp_path / "x.csv").write_bytes(encoded)
        with pytest.raises(CsvFileError, match=r"x.csv is not UTF-8 text; save it as"):
            read_csv_file(tmp_path / "x.csv", ["x"])


def test_exclusions_are_counted(good, tmp_path):
    (tmp_path / "intervals.csv").write_text(lines(lambda r: r[:-8])(good), encoding="utf-8")
    run = read_run_folder(tmp_path, drop_incomplete=True)
    assert run.notices[:2] == (
        "Left out on request: condition baseline, seed 2, which lacks 8 intervals.",
        "Condition baseline rests on 2 of 3 seeds: 0, 1.",
    )
    assert set(run.intervals["seed"]) == {0, 1}


def test_a_run_that_diverged_is_left_out_and_counted(tmp_path):
    folder = fake_run_folder(tmp_path / "run", seeds=3, outcomes={1: "diverged"})
    notices = read_run_folder(folder).notices
    assert "seed 1, diverged, last measured at step 4,883: loss was nan." in notices[0]
    assert notices[1] == "Condition baseline rests on 2 of 3 seeds: 0, 2."
    with pytest.raises(RunFolderError, match="no run has finished"):
        read_run_folder(fake_run_folder(folder, seeds=2, outcomes=dict.fromkeys((0, 1), "stopped")))


def test_runs_that_ended_alike_share_a_notice(tmp_path):
    folder = fake_run_folder(tmp_path / "run", seeds=4, outcomes=dict.fromkeys((0, 1, 3), "failed"))
    for seed, message in enumerate(("step 7: loss nan is bad", "step 9: loss inf is bad", "", "")):
        path = folder / "runs" / "baseline" / f"seed-{seed}" / "outcome.json"
        if message:
            text = json.dumps({"status": "diverged", "message": message})
            path.write_text(text, encoding="utf-8")
    notices = read_run_folder(folder).notices
    assert notices == (
        "Left out: condition baseline, seeds 0, 1, diverged, last measured at step 4,883; seed 0: "
        "step 7: loss nan is bad.",
        "Left out: condition baseline, seed 3, failed, last measured at step 4,883.",
        "Condition baseline rests on 1 of 4 seeds: 2.",
    )


def test_unlike_conditions_and_partial_blanks_are_said(good, tmp_path):
    short = [row.replace("baseline", "short") for row in good.split("\n")[1:12]]
    text = replaced("train_sample_loss", "")(good).rstrip("\n") + "\n" + "\n".join(short) + "\n"
    (tmp_path / "intervals.csv").write_text(text, encoding="utf-8")
    notices = " ".join(read_run_folder(tmp_path).notices)
    assert "number of intervals (baseline has 21, short has 11)" in notices
    assert (
        "train_sample_loss is blank in the (condition, seed, interval) cells (baseline, 1, 9):"
        in (notices)
    )


def test_the_files_of_a_run_are_checked(tmp_path):
    folder = fake_run_folder(tmp_path / "run", seeds=2)
    steps = folder / "runs" / "baseline" / "seed-1" / "steps.csv"
    text = steps.read_text(encoding="utf-8")
    steps.write_text(text.replace("step,", "at,", 1), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"runs/baseline/seed-1/steps.csv lacks .* step"):
        read_run_folder(folder)
    steps.write_text(text.replace("\n11,", "\nx,", 1), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"seed-1/steps.csv line 3: step='x' is not a number"):
        read_run_folder(folder)
    assert not step_spike(np.array([1.0, np.inf, np.nan, 2, 1, 9], dtype=float), 4).any()


S, K = 4, 6


def frame():
    rng = np.random.default_rng(0)
    loss = 3 + 0.1 * (np.arange(K) - 2.5) ** 2 + 0.02 * rng.standard_normal((S, K))
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(S), K),
            "interval": np.tile(np.arange(K), S) + 6,
            "tokens_seen": np.tile(np.arange(K), S) * 1000,
            "val_loss": loss.ravel(),
            "train_sample_loss": loss.ravel() - 0.1,
        }
    )


LIBRARY = {
    "rm_anova": lambda f: rm_anova(f, "val_loss", "interval", "seed"),
    "sign_flip_test": lambda f: sign_flip_test(f, "val_loss", "interval", "seed"),
    "seed_matrix": lambda f: seed_matrix(f, "val_loss").values,
    "replay": replay,
    "turns": lambda f: predict_turns(f, [0.7]),
    "variability": between_seed_variability,
    "variance": variance_components,
    "icc": intraclass_correlations,
    "precision": lambda f: precision_curve(f, np.random.default_rng(0), [3], simulations=20),
    "read_long": lambda f: read_long(f, "val_loss", "interval", "seed"),
}


def cell(value, kind=object):
    def edit(f):
        out = f.astype({"val_loss": kind})
        out.loc[8, "val_loss"] = value
        return out

    return edit


BAD_FRAMES = {
    "no rows": (lambda f: f.iloc[:0], "no rows"),
    "no column": (
        lambda f: f.drop(columns="val_loss"),
        "no column 'val_loss' in data; it has seed",
    ),
    "doubled column": (lambda f: pd.concat([f, f[["val_loss"]]], axis=1), "2 columns 'val_loss'"),
    "missing": (lambda f: f.drop(index=8), r"missing or not finite .* \(1, 8\); complete"),
    "nan": (cell(np.nan, float), r"missing or not finite .* \(1, 8\); complete"),
    "infinite": (cell(np.inf, float), r"missing or not finite .* \(1, 8\); complete"),
    "doubled": (lambda f: pd.concat([f, f.iloc[[8]]]), r"duplicated .* cells: \(1, 8\)"),
    "text": (cell("much"), r"no number in the \(seed, interval\) cells \(1, 8\) .*'much'"),
    "decimal comma": (cell("2,5"), r"\(1, 8\) \(the first reads '2,5'; a decimal comma\?"),
    "1e300": (cell(1e300, float), r"largest size of val_loss is 1e\+300, .* \(1, 8\): too far"),
    "empty seed": (lambda f: f.assign(seed=f["seed"].where(f.index > 0)), "'seed' has an empty"),
    "empty interval": (
        lambda f: f.assign(interval=f["interval"].where(f.index > 0)),
        "'interval' has an empty cell",
    ),
}


@pytest.mark.parametrize("table", LIBRARY)
@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_is_refused(name, table):
    change, message = BAD_FRAMES[name]
    with pytest.raises(ValueError, match=message):
        LIBRARY[table](change(frame()))


@pytest.mark.parametrize("table", LIBRARY)
def test_order_and_texts_of_numbers_change_nothing(table):
    """Intervals 6 to 11: as texts "10" would come before "9"."""
    shuffled = frame().sample(frac=1, random_state=0)
    expected = LIBRARY[table](frame())
    columns = ["source", "SS"] if table == "read_long" else None
    for other in (shuffled, shuffled.assign(interval=shuffled["interval"].astype(str))):
        got = LIBRARY[table](other)
        if columns is None:
            np.testing.assert_allclose(_numbers(got), _numbers(expected), rtol=1e-12)


def _numbers(result):
    if isinstance(result, pd.DataFrame):
        return result.select_dtypes("number").to_numpy(dtype=float)
    return np.asarray(result, dtype=float)


def test_intervals_that_cannot_be_ordered_are_refused():
    named = frame().assign(interval="i" + frame()["interval"].astype(str))
    with pytest.raises(ValueError, match=r"'interval' must hold numbers, to be put in .*'i6'"):
        seed_matrix(named, "val_loss")
    assert rm_anova(named, "val_loss", "interval", "seed").shape[0] == 2  # categories
    mixed = frame().astype({"interval": object})
    mixed.loc[0, "interval"] = "six"
    with pytest.raises(ValueError, match=r"mixes text and other levels \('six' and 7\)"):
        rm_anova(mixed, "val_loss", "interval", "seed")
    halves = frame().assign(interval=frame()["interval"] * 1.5)  # gaps and fractions have an order
    assert seed_matrix(halves, "val_loss").intervals == [9.0, 10.5, 12.0, 13.5, 15.0, 16.5]


def test_constant_losses_and_single_ones_are_refused_where_nothing_can_be_said():
    constant = frame().assign(val_loss=3.0)
    with pytest.raises(ValueError, match="parallel"):
        rm_anova(constant, "val_loss", "interval", "seed")
    assert variance_components(constant)["share"].isna().all()
    assert intraclass_correlations(constant)["icc"].isna().all()
    assert (between_seed_variability(constant)["sd"] == 0).all()
    for few in (frame()[frame()["seed"] == 0], frame()[frame()["interval"] == 6]):
        for table in ("rm_anova", "variance", "icc", "precision"):
            with pytest.raises(ValueError, match=r"1 (seed|interval)\(s\)"):
                LIBRARY[table](few)
    with pytest.raises(ValueError, match=r"val_loss=-1.0 of seed 1 at interval 8 must be positive"):
        replay(cell(-1.0, float)(frame()))


def test_measures_sort_their_rows_and_refuse_holes(good, tmp_path):
    (tmp_path / "intervals.csv").write_text(good, encoding="utf-8")
    rows = read_run_folder(tmp_path).intervals
    shuffled = rows.sample(frac=1, random_state=0)
    settings = MeasureSettings()
    pd.testing.assert_frame_equal(add_measures(shuffled, settings), add_measures(rows, settings))
    np.testing.assert_array_equal(wide(shuffled, "val_loss"), wide(rows, "val_loss"))
    with pytest.raises(ValueError, match=r"lacks the \(seed, interval\) cells \(1, 9\)"):
        add_measures(rows.drop(index=30), settings)
    with pytest.raises(ValueError, match="one condition at a time"):
        wide(pd.concat([rows, rows.assign(condition="b")]), "val_loss")


def test_any_csv_can_be_read_for_an_anova(tmp_path):
    path = tmp_path / "words.csv"
    frame().rename(columns={"seed": "person", "interval": "day", "val_loss": "score"}).to_csv(
        path, index=False
    )
    table = rm_anova(read_long(path, "score", "day", "person"), "score", "day", "person")
    expected = rm_anova(frame(), "val_loss", "interval", "seed")
    np.testing.assert_array_equal(_numbers(table), _numbers(expected))
    with pytest.raises(CsvFileError, match=r"words.csv lacks the column\(s\) speed; it has person"):
        read_long(path, "speed", "day", "person")
    path.write_text("person;day;score\n1;1;2,5\n", encoding="utf-8")
    with pytest.raises(CsvFileError, match=r"words.csv is separated by semicolons"):
        read_long(path, "score", "day", "person")


def test_losses_without_differences_are_said_loudly(tmp_path):
    folder = fake_run_folder(tmp_path / "run", with_runs=False, seeds=3)
    frame = pd.read_csv(folder / "intervals.csv")
    first = frame[frame["seed"] == frame["seed"].min()]["val_loss"].to_numpy()
    frame["val_loss"], frame["val_perplexity"] = np.tile(first, 3), np.nan
    frame.to_csv(folder / "intervals.csv", index=False)
    (notice,) = read_run_folder(folder).notices
    assert "all 3 seeds hold the same losses" in notice
    frame["val_loss"] = 2.5
    frame.to_csv(folder / "intervals.csv", index=False)
    (notice,) = read_run_folder(folder).notices
    assert "val_loss is 2.5 in every cell" in notice


def test_a_perplexity_that_contradicts_the_loss_is_refused(tmp_path):
    folder = fake_run_folder(tmp_path / "run", with_runs=False, seeds=2)
    frame = pd.read_csv(folder / "intervals.csv")
    frame.loc[5, "val_perplexity"] *= 1.01
    frame.to_csv(folder / "intervals.csv", index=False)
    with pytest.raises(RunFolderError, match=r"not exp\(val_loss\).*\(baseline, 0, 5\).*expected"):
        read_run_folder(folder)
    frame["val_perplexity"] = np.nan
    frame.to_csv(folder / "intervals.csv", index=False)
    assert len(read_run_folder(folder).intervals) == len(frame)


def test_half_a_character_in_study_json_is_replaced(tmp_path):
    folder = fake_run_folder(tmp_path / "run", with_runs=False, seeds=2)
    (folder / "study.json").write_text('{"note": "half \\ud800"}', encoding="utf-8")
    assert read_run_folder(folder).study == {"note": "half ?"}


def test_a_study_that_cannot_be_read_is_wrong_input(tmp_path, capsys, monkeypatch):
    folder = fake_run_folder(tmp_path / "study", seeds=2, intervals=3, with_runs=False)

    def refused(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr("stats.io.read_intervals", refused)
    assert main([str(folder)]) == 2
    assert "intervals.csv: Permission denied; change its permissions" in capsys.readouterr().err
