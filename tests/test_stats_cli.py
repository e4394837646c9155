"""The command line of `stats`: its commands, their help, exit codes and one-line errors."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from stats_fake_run import fake_run_folder, trajectory

import stats.cli
from stats import rm_anova, sign_flip_test
from stats.anova_text import anova_text, quantities
from stats.cli import main


def fake(path, **options):
    options = {"seeds": 3, "intervals": 4, "steps": 40, "with_runs": False} | options
    return fake_run_folder(path, **options)


def moved(condition, seed, rng):
    val, train = trajectory(rng, 4)
    return val + 0.1 + 0.01 * np.random.default_rng(seed).standard_normal(5), train


def long_table(groups=False):
    rng = np.random.default_rng(0)
    rows = [
        {"person": f"p{s}", "dose": d, "week": w, "score": rng.normal() + 0.5 * w,
         "group": "xy"[s > 2]}
        for s in range(6) for d in ("low", "high") for w in range(3)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    return table[table["dose"] == "low"] if groups else table


@pytest.fixture
def at(monkeypatch):
    """A terminal of so many columns."""
    return lambda columns: monkeypatch.setenv("COLUMNS", str(columns))


def csv(tmp_path, table):
    table.to_csv(tmp_path / "long.csv", index=False)
    return str(tmp_path / "long.csv")


@pytest.mark.parametrize("words", [["--help"], ["compare", "--help"], ["anova", "--help"]])
def test_help_says_what_each_command_does(words, capsys, at):
    at(80)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert "exit codes: 0 done" in text
    assert "==SUPPRESS==" not in text
    assert max(map(len, text.splitlines())) <= 80
    assert "compare A" in text or words[0] != "--help"


@pytest.mark.parametrize(
    "words", [[], ["compare"], ["anova", "x.csv"], ["compare", "a", "b", "--paired", "--unpaired"]]
)
def test_wrong_usage_is_2(words, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "error:" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [80, 100])
def test_compare_prints_and_writes(tmp_path, capsys, at, columns):
    at(columns)
    a, b = fake(tmp_path / "a"), fake(tmp_path / "b", losses=moved)
    out = tmp_path / "new" / "out"
    assert main(["compare", str(a), str(b), "--out", str(out), "--margin", "0.5"]) == 0
    text = capsys.readouterr().out.partition("\n\n")
    assert "b is 0.1" in text[0].replace("\n  ", " ")
    assert "Equivalence at the last place" in text[0].replace("\n  ", " ")
    assert max(map(len, "\n".join(text).splitlines()[:-1])) <= columns
    names = {path.name for path in (out / "tables").iterdir()}
    assert {"by_interval.csv", "summary.csv", "equivalence.csv", "values.csv"} <= names
    assert not list(out.rglob("*.partial"))


def test_conditions_are_named_either_way(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(stats.cli, "compare", lambda a, b, **options: asked.append((a, b, options)))
    monkeypatch.setattr(stats.cli, "write_comparison", lambda *_, **__: [Path("comparison.html")])
    monkeypatch.setattr(stats.cli, "comparison_text", lambda *_: "")
    for words in (
        ["A", "--conditions", "x", "y"],
        ["A", "B", "--condition", "x,y", "--unpaired"],
        ["A", "B", "--condition", "x", "--target-loss", "3", "--confidence", "0.9"],
        ["A", "B", "--paired"],
    ):
        assert main(["compare", *words]) == 0
    assert [(a, b, o.get("conditions"), o.get("paired")) for a, b, o in asked] == [
        ("A", None, ["x", "y"], None),
        ("A", "B", ["x", "y"], False),
        ("A", "B", ["x"], None),
        ("A", "B", None, True),
    ]
    assert asked[2][2]["target"] == 3
    assert asked[2][2]["settings"].confidence == 0.9


def one_line(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_wrong_input_is_2_and_names_the_side(tmp_path, capsys):
    good = str(fake(tmp_path / "good"))
    assert main(["compare", good, str(tmp_path / "absent")]) == 2
    assert "study B" in one_line(capsys)
    assert main(["compare", str(tmp_path / "absent"), good]) == 2
    assert "study A" in one_line(capsys)
    assert main(["compare", good]) == 2
    assert "--conditions" in one_line(capsys)
    assert main(["compare", good, good, "--confidence", "2"]) == 2
    assert "confidence=2" in one_line(capsys)
    assert main(["compare", good, good, "--out", good]) == 2
    assert "is a run folder" in one_line(capsys)
    assert not (tmp_path / "good" / "tables").exists()


def test_what_cannot_be_written_is_1(tmp_path, capsys):
    good = str(fake(tmp_path / "good"))
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["compare", good, good, "--out", str(tmp_path / "file")]) == 1
    one_line(capsys)


def test_a_folder_called_compare_is_reached_by_its_path(tmp_path, monkeypatch):
    asked = []

    def analyse(folder, settings, **options):
        asked.append((folder, options))
        return SimpleNamespace(text=lambda: "")

    monkeypatch.setattr(stats.cli, "analyse", analyse)
    assert main(["./compare"]) == 0
    assert main(["runs/x", "--latex", "--drop-incomplete"]) == 0
    assert asked == [
        ("./compare", {"drop_incomplete": False, "latex": False}),
        ("runs/x", {"drop_incomplete": True, "latex": True}),
    ]


@pytest.mark.parametrize("columns", [80, 100])
def test_anova_of_one_factor(tmp_path, capsys, at, columns):
    at(columns)
    table = long_table(groups=True)
    words = [csv(tmp_path, table), "--dv", "score", "--within", "week", "--subject", "person"]
    assert main(["anova", *words]) == 0
    text = capsys.readouterr().out
    row = rm_anova(table, "score", "week", "person").iloc[0]
    shown = f"F({row['ddof1_GG']:.2f}, {row['ddof2_GG']:.2f}) = {row['F']:.2f}"
    assert shown in text.replace("\n  ", " ")
    flips = sign_flip_test(table, "score", "week", "person")
    assert f"p = {flips:.3f}".replace("0.", ".") in text
    assert "Sphericity of week: Mauchly W" in text
    assert max(map(len, text.splitlines())) <= columns


def test_anova_says_why_sphericity_is_undefined(tmp_path, capsys):
    rng = np.random.default_rng(0)
    rows = [(s, i, rng.normal()) for s in range(3) for i in range(5)]
    path = csv(tmp_path, pd.DataFrame(rows, columns=["s", "i", "y"]))
    assert main(["anova", path, "--dv", "y", "--within", "i", "--subject", "s"]) == 0
    text = capsys.readouterr().out.replace("\n  ", " ")
    assert "Sphericity of i: undefined: 3 subjects" in text
    assert "Mauchly's W" not in text  # no row for what no effect has


@pytest.mark.parametrize("form", ["--csv", "--markdown", "--latex", ""])
def test_anova_of_two_factors_in_each_form(tmp_path, capsys, form):
    table = long_table()
    words = [csv(tmp_path, table), "--dv", "score", "--within", "dose", "week"]
    words += ["--subject", "person", *([form] if form else [])]
    assert main(["anova", *words]) == 0
    text = capsys.readouterr().out
    want = rm_anova(table, "score", ["dose", "week"], "person")
    if form == "--csv":
        pd.testing.assert_frame_equal(
            pd.read_csv(io.StringIO(text)), want, check_dtype=False, rtol=1e-14
        )
    elif form == "--markdown":
        assert text.startswith(r"| quantity | dose | week | dose \* week |")
    elif form == "--latex":
        assert text.count(r"\\") == 1 + len(quantities(want))
        assert "&" in text
    else:
        assert "effect of week on score depends on dose" in text.replace("\n  ", " ")
        assert "sign-flip" not in text
        assert "Error (dose * week)" in text


def test_anova_of_groups(tmp_path, capsys):
    table = long_table(groups=True)
    words = [csv(tmp_path, table), "--dv", "score", "--within", "week", "--subject", "person"]
    assert main(["anova", *words, "--between", "group"]) == 0
    text = capsys.readouterr().out
    want = rm_anova(table, "score", "week", "person", "group")
    assert f"F(1, 4) = {want['F'][0]:.2f}" in text
    assert "nan" not in text
    unequal = csv(tmp_path, table[table["person"] != "p0"])
    assert main(["anova", unequal, *words[1:], "--between", "group"]) == 2
    assert "ss_type=2" in one_line(capsys)
    assert main(["anova", unequal, *words[1:], "--between", "group", "--ss-type", "3"]) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "bad.csv"),
        ("", "bad.csv is empty"),
        ("a,b\n1,2\n", "bad.csv lacks the column(s)"),
        ("s,i,y\n1,1,2\n1,2,3\n2,1,1\n", r"missing"),
        ("s,i,y\n1,1,2\n1,2,x\n2,1,1\n2,2,3\n", "bad.csv line 3: y='x' is not a number"),
        ('s,i,y\n1,1,2\n1,2,"x\n', "bad.csv line 3"),
    ],
)
def test_a_bad_file_is_2(tmp_path, capsys, content, message):
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    words = ["anova", str(path), "--dv", "y", "--within", "i", "--subject", "s"]
    assert main(words) == 2
    assert message in one_line(capsys)


def test_long_names_are_replaced_by_numbers():
    long = "a_repeated_factor_with_a_name_as_long_as_a_line"
    table = rm_anova(
        long_table().rename(columns={"week": long, "dose": long[::-1]}),
        "score", [long, long[::-1]], "person",
    )  # fmt: skip
    text = anova_text(table, "score", width=80)
    assert "(3) " in text
    assert max(map(len, text.splitlines())) <= 80 + len(long)  # a name is not broken


def test_a_terminal_without_greek_letters_shows_marks(tmp_path, monkeypatch):
    words = [csv(tmp_path, long_table(groups=True)), "--dv", "score", "--within", "week"]
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", screen)
    assert main(["anova", *words, "--subject", "person"]) == 0
    screen.flush()
    assert b"?" in screen.buffer.getvalue()
