"""The tables and figures of docs/levels.md, and those of the traps in docs/statistics.md.

The tables are those of docs/results/statistics, to the last digit. The two committed studies are
run again now and then and their last digits move, so theirs are held less tightly.
"""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_docs_worked_examples import NUMBER, agrees

from stats import friedman_test, residual_autocorrelation, rm_anova, sign_flip_test
from stats.autocorrelation import expected_lag1
from stats.levels import TESTS

DOCS = Path(__file__).parents[1] / "docs"
TEXT = (DOCS / "levels.md").read_text(encoding="utf-8")
TRAPS = (DOCS / "statistics.md").read_text(encoding="utf-8").partition("## The traps of 6 x 21")[2]
SHOWN = ("Greenhouse-Geisser", "Huynh-Feldt", "lower bound", "sign flip")


def results(name):
    return pd.read_csv(DOCS / "results" / "statistics" / f"{name}.csv")


def short(rate):
    """.031 for 0.0312, as the page prints it."""
    return f"{rate:.3f}".removeprefix("0")


def markdown(headings, rows):
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def levels_table():
    """A row a study, a column a test; bold where the test rejects too often."""
    rows = []
    keys = ["seeds", "intervals", "errors", "rho"]
    for (seeds, intervals, errors, rho), of_study in results("levels").groupby(keys, sort=False):
        cells = of_study.set_index("test").loc[list(TESTS)]
        shown = [
            f"**{short(rate)}**" if verdict == "too often" else short(rate)
            for rate, verdict in zip(cells["rejected"], cells["verdict"], strict=True)
        ]
        rows.append([f"{seeds} x {intervals}", errors, f"{rho:g}", *shown])
    return markdown(["study", "errors", "rho", *TESTS], rows)


def power_table():
    rows = []
    for (size, rho), of_study in results("power").groupby(["size", "rho"], sort=False):
        power = of_study.set_index("test")["rejected"]
        rows.append([f"{rho:g}", f"{size:g}", *(short(power[test]) for test in SHOWN)])
    return markdown(["rho", "size, SD", *SHOWN], rows)


def autocorrelation_table():
    rows = [
        [
            f"{row.rho:g}",
            f"{row.expected:.2f}",
            f"{row.lag1_mean:.2f} ({row.lag1_q05:.2f} to {row.lag1_q95:.2f})",
            f"{round(row.solved_mean, 2) + 0.0:.2f} ({row.solved_q05:.2f} to {row.solved_q95:.2f})",
        ]
        for row in results("autocorrelation").itertuples()
    ]
    return markdown(["true rho", "expected lag1", "lag1 found", "rho made of it"], rows)


@pytest.mark.parametrize("table", [levels_table, power_table, autocorrelation_table])
def test_tables_are_those_of_the_csv(table):
    assert table() in TEXT


def rates(rho, seeds=6, intervals=21, errors="normal"):
    table = results("levels").query(
        "seeds == @seeds and intervals == @intervals and errors == @errors and rho == @rho"
    )
    return table.set_index("test")["rejected"]


def test_what_the_page_claims_of_the_table():
    table = results("levels")
    assert (table["studies"] >= 4000).all()
    verdicts = table.set_index("test")["verdict"]
    for test in ("Greenhouse-Geisser", "lower bound", "sign flip"):
        assert "too often" not in set(verdicts[test])
    # undefined at 6 x 21 and at 20 x 21: letting Mauchly choose is not correcting
    undefined = table[table["seeds"] <= table["intervals"] - 1].set_index("test")["rejected"]
    assert undefined["let Mauchly choose"].tolist() == undefined["uncorrected F"].tolist()
    defined = rates(0.9, 30, 5)
    assert defined["let Mauchly choose"] < defined["uncorrected F"] - 0.02


def test_population_epsilon():
    (line,) = re.findall(r"^ε at 21 intervals: (.*)$", TEXT, flags=re.MULTILINE)
    for rho, printed in re.findall(r"(\S+) at rho ([\d.]+\d)", line):
        rho, printed = printed, rho
        steps = np.arange(21)
        centre = np.eye(21) - 1 / 21
        if float(rho) == 1:
            r = np.minimum.outer(steps, steps)
        else:
            r = np.power(float(rho), np.abs(np.subtract.outer(steps, steps)))
        c = centre @ r @ centre
        assert f"{np.trace(c) ** 2 / (20 * np.trace(c @ c)):.2f}".removeprefix("0") == printed


@pytest.mark.parametrize("study", ["quick", "first-real-run"])
def test_autocorrelation_of_the_committed_studies(study):
    rows = pd.read_csv(DOCS / "results" / study / "telemetry.csv")
    (line,) = re.findall(rf"^\| `{study}` \|(.*)\|$", TEXT, flags=re.MULTILINE)
    printed = [float(number) for number in line.split("|")]
    found = []
    for first in (0, 1):
        row = residual_autocorrelation(rows[rows["interval"] >= first]).iloc[0]
        found += [row["lag1"], row["rho"], row["lag1_scaled"], row["rho_scaled"]]
    np.testing.assert_allclose(printed, found, atol=0.03)
    assert found[0] < expected_lag1(1, 21)


def example():
    """{name: value as printed} of the worked example."""
    block = re.search(r"^```\n(table = .*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].split("=") for line in block[1].splitlines() if line]
    return {name.strip(): value.strip() for name, value in lines}


def computed(table):
    i, j = np.indices(table.shape).reshape(2, -1)
    rows = pd.DataFrame({"seed": i, "interval": j, "y": table.ravel()})
    names = {"dv": "y", "within": "interval", "subject": "seed"}
    ranks, anova = friedman_test(rows, **names).iloc[0], rm_anova(rows, **names)
    centred = table - table.mean(axis=1, keepdims=True)
    flips = {
        f"flip_{word}": ((np.array([1, b, c]) @ centred) ** 2).sum()
        for word, b, c in (("none", 1, 1), ("third", 1, -1), ("second", -1, 1), ("both", -1, -1))
    }
    # the first row may stay: permuting all columns alike changes no statistic
    orders = [np.array(list(itertools.permutations(row))) for row in centred[1:]]
    sums = centred[0] + orders[0][:, None] + orders[1][None]
    statistic = (sums**2).sum(axis=-1)
    return flips | {
        "kendall_w": ranks["W"],
        "q": ranks["Q"],
        "p_chi_square": ranks["p_unc"],
        "f_of_ranks": ranks["F"],
        "p_f_of_ranks": ranks["p_F"],
        "ss_within": anova["SS"][0],
        "ss_error": anova["SS"][1],
        "f": anova["F"][0],
        "p_uncorrected": anova["p_unc"][0],
        "p_gg": anova["p_GG_corr"][0],
        "p_sign_flip": sign_flip_test(rows, **names),
        "as_extreme_permutations": (statistic >= flips["flip_none"] - 1e-9).sum(),
        "p_all_permutations": (statistic >= flips["flip_none"] - 1e-9).mean(),
    }


def disagreements(page):
    table = np.array(ast.literal_eval(page["table"]), dtype=float)
    values = computed(table)
    assert set(page) == {"table", *values}
    return [name for name in values if not agrees(page[name], values[name])]


def test_the_example_is_right():
    assert disagreements(example()) == []


@pytest.mark.parametrize("name", sorted(set(example()) - {"table"}))
def test_a_changed_digit_is_noticed(name):
    page = example()
    value = page[name]
    last = list(NUMBER.finditer(value))[-1].end() - 1
    page[name] = value[:last] + str((int(value[last]) + 1) % 10) + value[last + 1 :]
    assert name in disagreements(page)


def span(test, rhos=(0.0, 0.5, 0.9, 0.99)):
    found = [rates(rho)[test] for rho in rhos]
    return f"{min(found):.2f}".removeprefix("0"), f"{max(found):.2f}".removeprefix("0")


def test_the_traps_are_ours():
    joined = " ".join(TRAPS.split())
    assert "(levels.md)" in TRAPS
    assert "10,000 simulations" in joined
    assert set(results("levels")["studies"]) == {10_000}
    for test, words in (
        ("uncorrected F", "{} to {} as autocorrelation grows"),
        ("Greenhouse-Geisser", "Greenhouse-Geisser {} to {}"),
        ("Huynh-Feldt", "Huynh-Feldt {} to {}"),
    ):
        assert words.format(*span(test)) in joined
    at = rates(0.9).map("{:.2f}".format).str.removeprefix("0")
    friedman = [at[test] for test in TESTS if test.startswith("Friedman")]
    assert (
        f"at autocorrelation .9 they reject {friedman[0]} (Friedman's chi-square), {friedman[1]} "
        f"(its F) and {at['permutation within seeds']} of true nulls at 5 %"
    ) in joined
    assert f"flipping the sign of whole seeds rejected {at['sign flip']}" in joined
