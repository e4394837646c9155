"""The worked example of two factors and groups in docs/statistics.md, computed again.

As on the pages of the operations: four decimals are rounded, any other number is exact, and names
agree both ways.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_docs_worked_examples import NUMBER, agrees

from stats import rm_anova

PAGE = Path(__file__).parents[1] / "docs" / "statistics.md"


def printed(text):
    """{name: value as printed} of the example's block."""
    section = text.partition("\n**Worked example.**")[2]
    block = re.search(r"^```\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].split("=") for line in block[1].splitlines() if line]
    return {name.strip(): value.strip() for name, value in lines}


def computed(condition_a, condition_b):
    values = np.stack([condition_a, condition_b], axis=1)  # (seeds, conditions, intervals)
    s, i, j = np.indices(values.shape).reshape(3, -1)
    rows = pd.DataFrame({"seed": s, "condition": i, "interval": j, "y": values.ravel()})
    rows["run"] = rows["seed"] + 10 * rows["condition"]
    two = rm_anova(rows, "y", ["condition", "interval"], "seed").to_dict("list")
    apart = rm_anova(rows, "y", "interval", "run", "condition").to_dict("list")
    names = ("condition", "interval", "interaction", "seed", "condition_error", "interval_error",
             "interaction_error")  # fmt: skip
    out = {f"ss_{name}": ss for name, ss in zip(names, two["SS"], strict=True)}
    for row, name in enumerate(names[:3]):
        out[f"f_{name}"], out[f"p_{name}"] = two["F"][row], two["p_unc"][row]
        out[f"mixed_f_{name}"] = apart["F"][row]
    for row, name in ((1, "interval"), (2, "interaction")):
        out[f"eps_{name}"], out[f"p_gg_{name}"] = two["eps"][row], two["p_GG_corr"][row]
    return out | {
        "mixed_ss_condition_error": apart["SS"][3],
        "mixed_ss_interval_error": apart["SS"][4],
        "mixed_eps": apart["eps"][1],
        "mixed_eps_hf": apart["eps_HF"][1],
        "mixed_p_interaction": apart["p_unc"][2],
        "mixed_p_gg_interaction": apart["p_GG_corr"][2],
    }


def disagreements(text):
    page = printed(text)
    inputs = [np.array(ast.literal_eval(page.pop(name))) for name in ("condition_a", "condition_b")]
    values = computed(*inputs)
    assert set(page) == set(values)
    return [name for name, value in page.items() if not agrees(value, values[name])]


def test_the_example_is_right():
    assert disagreements(PAGE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", sorted(printed(PAGE.read_text(encoding="utf-8"))))
def test_a_changed_digit_is_noticed(name):
    text = PAGE.read_text(encoding="utf-8")
    value = printed(text)[name]
    last = list(NUMBER.finditer(value))[-1].end() - 1
    changed = value[:last] + str((int(value[last]) + 1) % 10) + value[last + 1 :]
    planted = re.sub(rf"^{name} = .*$", f"{name} = {changed}", text, flags=re.MULTILINE)
    assert planted != text
    assert disagreements(planted)
