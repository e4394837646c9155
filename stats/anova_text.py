"""An analysis of variance as a person reads it: a row a quantity, a column an effect.

The table of `rm_anova` has a column for each quantity, more than a page is wide.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stats.anova_verdict import ALPHA, apa
from stats.wording import equals, joined, number, p_value, unit_fraction

Row = Mapping[Hashable, Any]
QUANTITIES = {
    "SS": "sum of squares",
    "MS": "mean square",
    "F": "F",
    "ddof": "degrees of freedom",
    "p_unc": "p, uncorrected",
    "eps": "epsilon, Greenhouse-Geisser",
    "ddof_GG": "  degrees of freedom with it",
    "p_GG_corr": "  p with it",
    "eps_HF": "epsilon, Huynh-Feldt-Lecoutre",
    "p_HF_corr": "  p with it",
    "eps_lower_bound": "epsilon, lower bound",
    "p_LB": "  p with it",
    "W_spher": "Mauchly's W",
    "p_spher": "  p of W",
    "ng2": "generalised eta squared",
    "np2": "partial eta squared",
    "omega_p2": "partial omega squared",
}
UNIT = ("eps", "eps_HF", "eps_lower_bound", "W_spher", "ng2", "np2", "omega_p2")


def quantities(table: pd.DataFrame) -> pd.DataFrame:
    """`rm_anova`'s effects transposed: a column "quantity", then one of text for each effect.

    A quantity that no effect has is left out; one that an effect lacks is "-".
    """
    effects = table[np.isfinite(table["F"])].to_dict("records")
    columns = {"quantity": list(QUANTITIES.values())}
    columns |= {str(row["Source"]): [_cell(row, name) for name in QUANTITIES] for row in effects}
    out = pd.DataFrame(columns)
    return out[(out.drop(columns="quantity") != "-").any(axis=1)].reset_index(drop=True)


def error_terms(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that effects are tested against: tested against, SS, degrees of freedom, MS."""
    rows = table[~np.isfinite(table["F"])]
    return pd.DataFrame(
        {
            "tested against": [str(name) for name in rows["Source"]],
            "sum of squares": [number(v) for v in rows["SS"]],
            "degrees of freedom": [f"{v:.0f}" for v in rows["ddof1"]],
            "mean square": [number(v) for v in rows["MS"]],
        }
    )


def sentences(table: pd.DataFrame, dv: str, sign_flip: float | None = None) -> list[str]:
    """Each effect in a plain sentence with its APA part, the sign-flip test, then sphericity.

    Parameters
    ----------
    table : DataFrame
        Of `rm_anova`.
    dv : str
        The measured value, for the wording.
    sign_flip : float, optional
        p of `sign_flip_test`, with one repeated factor.
    """
    effects = table[np.isfinite(table["F"])].to_dict("records")
    out = [_sentence(row, [str(r["Source"]) for r in effects], dv) for row in effects]
    if sign_flip is not None:
        out.append(
            f"The sign-flip test, which needs no normality and no sphericity: {p_value(sign_flip)}."
        )
    reasons: dict[str, list[str]] = {}
    for row in effects:
        reasons.setdefault(str(row["sphericity"]), []).append(str(row["Source"]))
    out += [f"Sphericity of {joined(names)}: {why}." for why, names in reasons.items()]
    return out


def anova_text(
    table: pd.DataFrame, dv: str, sign_flip: float | None = None, width: int = 100
) -> str:
    """Sentences, then the quantities and the error terms, no line longer than `width`."""
    lines = [
        textwrap.fill(
            text, width, initial_indent="- ", subsequent_indent="  ", break_on_hyphens=False
        )
        for text in sentences(table, dv, sign_flip)
    ]
    main = quantities(table)
    key = []
    if _widest(main) > width:  # long names: numbers stand for the effects
        effects = list(main.columns[1:])
        main.columns = ["quantity", *(f"({i})" for i in range(1, len(effects) + 1))]
        key = [
            textwrap.fill(f"({i}) {name}", width, subsequent_indent="    ")
            for i, name in enumerate(effects, start=1)
        ]
    errors = error_terms(table)
    room = max(12, width - _widest(errors) + max(map(len, errors["tested against"]), default=0))
    errors["tested against"] = [
        textwrap.shorten(name, room, placeholder="...") for name in errors["tested against"]
    ]
    return "\n".join([*lines, "", *key, _aligned(main), "", _aligned(errors)])


def _cell(row: Row, name: str) -> str:
    if name in ("ddof", "ddof_GG"):
        end = name.removeprefix("ddof")
        pair = [row[f"ddof{i}{end}"] for i in (1, 2)]
        if not np.isfinite(pair).all():
            return "-"
        return ", ".join(f"{v:.2f}" if end else f"{v:.0f}" for v in pair)
    value = float(row[name])
    if math.isnan(value):
        return "-"
    if name.startswith("p_"):
        return p_value(value).removeprefix("p ").removeprefix("= ")
    if name in UNIT:
        text = unit_fraction(abs(value))
        return f"-{text}" if value < 0 else text
    return number(value)


def _sentence(row: Row, effects: Sequence[str], dv: str) -> str:
    name = str(row["Source"])
    corrected = np.isfinite(row["p_GG_corr"])
    p = row["p_GG_corr"] if corrected else row["p_unc"]
    last_of_three = len(effects) == 3 and name == effects[2]
    what = (
        f"the effect of {effects[1]} on {dv} depends on {effects[0]}"
        if last_of_three
        else f"{dv} differs between the levels of {name}"
    )
    no = f"that {what} was not shown" if p >= ALPHA else what
    text = no[0].upper() + no[1:] if p >= ALPHA or last_of_three else no
    sizes = f"{equals('η²p', row['np2'])}, ω²p = {_cell(row, 'omega_p2')}"
    if corrected and row["ddof1"] > 1:
        return f"{text}: {apa(row)}, {sizes}."
    plain_f = f"F({row['ddof1']:.0f}, {row['ddof2']:.0f}) = {number(row['F'], 2)}"
    return f"{text}: {plain_f}, {p_value(p)}, {equals('η²G', row['ng2'])}, {sizes}."


def _widths(frame: pd.DataFrame) -> list[int]:
    return [max([len(str(n)), *(len(str(v)) for v in frame[n])]) for n in frame.columns]


def _widest(frame: pd.DataFrame) -> int:
    return sum(_widths(frame)) + 2 * (len(frame.columns) - 1)


def _aligned(frame: pd.DataFrame) -> str:
    widths = _widths(frame)
    rows = [list(map(str, frame.columns)), *frame.to_numpy().tolist()]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if i else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
