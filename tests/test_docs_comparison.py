"""docs/comparison.md: the worked example computed again, and its simulated numbers in small."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from test_docs_worked_examples import NUMBER, agrees

from stats.contrasts import holm
from stats.two_samples import differences, equivalence, sign_flip_p

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"
INPUTS = ("loss_a", "loss_b", "margin", "p_places")


def printed(text):
    """{name: value as printed} of the example's block."""
    section = text.partition("\n## Worked example\n")[2]
    block = re.search(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].split("=") for line in block[1].splitlines() if line]
    return {name.strip(): value.strip() for name, value in lines}


def computed(loss_a, loss_b, margin, p_places):
    a, b = loss_a[:, None], loss_b[:, None]
    pair = differences(a, b, paired=True).iloc[0]
    apart = differences(a, b, paired=False).iloc[0]
    inside = equivalence(a, b, float(margin), paired=True).iloc[0]
    return {
        "difference": pair["difference"],
        "sd_of_differences": (b - a).std(ddof=1),
        "p_sign_flip": pair["p_sign_flip"],
        "gz": pair["g"],
        "gs": apart["g"],
        "tost_low_paired": inside["low"],
        "tost_high_paired": inside["high"],
        "p_tost_paired": inside["p"],
        "p_tost_welch": equivalence(a, b, float(margin), paired=False)["p"][0],
        "p_holm": holm(p_places),
    } | {
        f"{short}_{name}": row[column]
        for name, row in (("paired", pair), ("welch", apart))
        for short, column in zip(("t", "df", "p", "low", "high"), ("t", "ddof", "p", "low", "high"),
                                 strict=True)
    }  # fmt: skip


def disagreements(text):
    page = printed(text)
    values = computed(*(np.array(ast.literal_eval(page.pop(name))) for name in INPUTS))
    assert set(page) == set(values)
    found = []
    for name, value in page.items():
        numbers, wanted = NUMBER.findall(value), np.ravel(values[name])
        assert len(numbers) == len(wanted), name
        if not all(agrees(n, float(w)) for n, w in zip(numbers, wanted, strict=True)):
            found.append(name)
    return found


def test_the_example_is_right():
    assert disagreements(PAGE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", sorted(set(printed(PAGE.read_text(encoding="utf-8"))) - {*INPUTS}))
def test_a_changed_digit_is_noticed(name):
    text = PAGE.read_text(encoding="utf-8")
    value = printed(text)[name]
    last = list(NUMBER.finditer(value))[-1].end() - 1
    changed = value[:last] + str((int(value[last]) + 1) % 10) + value[last + 1 :]
    planted = re.sub(rf"^{name} = .*$", f"{name} = {changed}", text, flags=re.MULTILINE)
    assert planted != text
    assert name in disagreements(planted)


def two_studies(rng, shape, correlation, shift=0.0):
    """Two arrays of `shape` that share variance `correlation`, the second moved by `shift`."""
    common, own_a, own_b = rng.normal(size=(3, *shape))
    root, rest = np.sqrt(correlation), np.sqrt(1 - correlation)
    return root * common + rest * own_a, root * common + rest * own_b + shift


def row(name):
    line = re.search(rf"^\| {re.escape(name)} \|(.*)\|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return [float(cell) for cell in line[1].split("|")]


def test_the_gain_of_pairing_is_as_printed():
    """A column of the arrays is a simulated study; 4,000 of them, standard error .008."""
    for rho, pairs, welch in zip(
        row("ρ"), row("in pairs"), row("independent samples (Welch)"), strict=True
    ):
        a, b = two_studies(np.random.default_rng(0), (6, 4000), rho, 1.0)
        assert (differences(a, b, paired=True)["p"] < 0.05).mean() == pytest.approx(pairs, abs=0.03)
        assert (differences(a, b, paired=False)["p"] < 0.05).mean() == pytest.approx(
            welch, abs=0.03
        )


@pytest.mark.slow
def test_levels_hold_over_many_places():
    rng = np.random.default_rng(0)
    somewhere = adjusted = flips = 0
    for _ in range(400):
        a, b = two_studies(rng, (6, 20), 0.5)
        p = differences(a, b, paired=True)["p"].to_numpy()
        somewhere += (p < 0.05).any()
        adjusted += (holm(p) < 0.05).any()
        flips += sign_flip_p(b - a, together=True)[0] < 0.05
    assert somewhere / 400 == pytest.approx(0.62, abs=0.08)
    assert adjusted / 400 < 0.08
    assert flips / 400 < 0.06
