"""docs/contrasts.md: its example computed again, its tables held to the CSV, a small simulation."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_docs_worked_examples import NUMBER, agrees

from stats import adjacent_contrasts, bca_interval, best_contrasts
from stats.bootstrap import resampled_mean
from stats.contrasts import polynomial_weights

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "contrasts.md").read_text(encoding="utf-8")
RESULTS = ROOT / "docs" / "results" / "statistics"
FROM_CONTRASTS = ("estimate", "se", "t", "p", "p_holm", "low", "high", "cohen_dz", "hedges_gz",
                  "dz_low", "dz_high", "low_bca", "high_bca")  # fmt: skip


def printed(text):
    section = text.partition("\n## Worked example\n")[2]
    block = re.search(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].split("=") for line in block[1].splitlines() if line]
    return {name.strip(): value.strip() for name, value in lines}


def computed(loss):
    s, k = np.indices(loss.shape).reshape(2, -1)
    frame = pd.DataFrame({"seed": s, "interval": k, "val_loss": loss.ravel()})
    table, best = adjacent_contrasts(frame), best_contrasts(frame)
    of = bca_interval(loss[:, 1] - loss[:, 0], resampled_mean)
    weights = polynomial_weights(range(3), 2).T
    return {name: table[name].tolist() for name in FROM_CONTRASTS} | {
        "resamples": of.resamples,
        "bias_correction": of.bias_correction,
        "acceleration": of.acceleration,
        "percentile_low": of.percentile_low,
        "percentile_high": of.percentile_high,
        "linear": weights[0],
        "quadratic": weights[1],
        "chosen": [int(i) for i in best["chosen"][0].split(", ")],
        "p_flip": best["p_flip"].tolist(),
    }


def test_the_example_is_right():
    page = printed(TEXT)
    values = computed(np.array(ast.literal_eval(page.pop("loss")), dtype=float))
    assert set(page) == set(values)
    for name, text in page.items():
        numbers, want = NUMBER.findall(text), np.ravel(values[name])
        assert len(numbers) == len(want), name
        for number, value in zip(numbers, want, strict=True):
            assert agrees(number, float(value)), (name, number, value)


def table_after(heading, first):
    section = TEXT.partition(heading)[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    at = next(i for i, line in enumerate(lines) if line.startswith(f"| {first} "))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[at:]]
    return cells[0], cells[2:]


def test_the_table_of_coverage():
    csv = pd.read_csv(RESULTS / "coverage.csv")
    assert (csv["se"] <= 0.008).all()
    lookup = csv.set_index(["quantity", "distribution", "method", "seeds"])["coverage"]
    head, rows = table_after("## Does a 95 %", "quantity")
    for quantity, distribution, method, *cells in rows:
        for seeds, cell in zip(head[3:], cells, strict=True):
            assert cell == shown(lookup[quantity, distribution, method, int(seeds)])
    assert len(rows) * 5 == len(csv)
    six = csv[csv["seeds"] == 6].set_index(["quantity", "method"])["coverage"]
    assert six[["mean", "difference"]].loc[:, "t"].between(0.905, 0.965).all()
    assert six[["mean", "difference"]].loc[:, ["percentile", "BCa"]].between(0.82, 0.865).all()
    assert six[["eta squared 0.5", "eta squared 0.9"]].loc[:, "BCa"].between(0.6, 0.75).all()


def test_the_table_of_levels():
    csv = pd.read_csv(RESULTS / "best_contrasts.csv")
    assert (csv["studies"] >= 4000).all()
    lookup = csv[csv["contrast"] == "rise"].set_index(["trajectory", "rho", "test"])
    head, rows = table_after("## From the first", "trajectory")
    assert len(rows) * len(head[2:]) == len(lookup)
    for trajectory, rho, *cells in rows:
        for test, cell in zip(head[2:], cells, strict=True):
            of = lookup.loc[(trajectory, float(rho), test)]
            own_flips = np.isnan(of["two_sided"])
            assert cell == shown(of["upwards"] if own_flips else of["two_sided"])
    nulls = csv[~csv["trajectory"].str.contains("rises")]
    recommended = nulls[nulls["test"] == "own best, t, flips"]
    assert recommended["upwards"].max() <= 0.0535


def shown(share):
    return f"{share:.3f}".lstrip("0")


@pytest.fixture(scope="module")
def example():
    path = ROOT / "examples" / "simulate_coverage.py"
    spec = importlib.util.spec_from_file_location("simulate_coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_small_simulation_says_the_same(example):
    committed = pd.read_csv(RESULTS / "coverage.csv")
    small = example.coverage(400, seeds=(6,))
    both = small.merge(committed, on=["quantity", "distribution", "method", "seeds"])
    assert len(both) == len(small) == len(committed) / 5
    se = np.sqrt(both["coverage_y"] * (1 - both["coverage_y"]) / 400)
    assert ((both["coverage_x"] - both["coverage_y"]).abs() <= 4 * se).all()
    normal = small[small["distribution"] == "normal"].set_index(["quantity", "method"])["coverage"]
    within = 4 * np.sqrt(0.95 * 0.05 / 400)
    for key in (("mean", "t"), ("difference", "t"), ("dz", "noncentral t")):
        assert normal[key] == pytest.approx(0.95, abs=within)
    assert normal["mean", "BCa"] < 0.95 - within


@pytest.mark.slow
def test_flips_hold_their_level_and_t_does_not(example, monkeypatch):
    profile = example.trajectories()["flat"][0]
    monkeypatch.setattr(example, "trajectories", lambda: {"flat": (profile, (0.0, 0.9))})
    table = example.levels(300)
    by_test = table.groupby("test")
    flips = by_test.get_group("own best, t, flips")["upwards"]
    assert (flips <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 300)).all()
    assert by_test.get_group("own best, t")["upwards"].max() > 0.2


def test_true_eta_squared_is_that_of_many_seeds(example):
    from stats.effect_sizes import resampled_eta_squared
    from stats.simulated import ar1_studies

    profile = np.linspace(1, -1, 21)
    profile *= np.sqrt(2 * 0.5 / 0.5 / np.mean(profile**2))
    values = profile + ar1_studies(np.random.default_rng(0), 1, 20_000, 21, example.ETA_RHO)[0]
    eta = resampled_eta_squared(values, np.ones((1, 20_000)))
    assert float(eta[0]) == pytest.approx(0.5, abs=0.01)
