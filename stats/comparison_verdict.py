"""What a comparison found, in plain sentences, each followed by what APA style prints.

An interval that includes 0 is "no difference was shown", never "they are equal": with few seeds a
difference must be large to show. Equality within a margin is what two one-sided tests can show.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from stats.anova_verdict import apa
from stats.comparison import DESCRIPTIONS, Comparison
from stats.comparison_tables import ALPHA
from stats.document import Finding
from stats.flips import MAX_EXACT
from stats.wording import count, equals, joined, million, number, p_value

Row = Mapping[Hashable, Any]


def findings(c: Comparison) -> tuple[Finding, ...]:
    """The sentences, most important first; those that cannot be said are left out."""
    out = [_plan(c), Finding(c.configuration_sentence)]
    if c.unexplained:
        out.append(
            Finding(
                "The same settings, versions and seeds should have given the same values, and did "
                "not: look for a difference that is not recorded."
            )
        )
    if c.identical:
        return (
            *out,
            Finding(
                f"{c.names[0]} and {c.names[1]} hold the same values: every difference is exactly "
                "0, so there is nothing to test."
            ),
        )
    summary = {str(row["measure"]): row for row in c.summary.to_dict("records")}
    at_end = f"At the last place compared ({_end(c)} tokens)"
    out.append(_difference(c, summary["final"], at_end))
    out.append(
        _difference(c, summary["best_held_out"], "At the best place, which the other seeds chose,")
    )
    out += _places(c)
    out += _trajectory(c)
    out += _reach(c)
    out += [_course(c, summary[name]) for name in ("rise", "backslides")]
    out += _equivalence(c)
    out += [_speed(c, summary[name]) for name in ("tokens_per_s",) if name in summary]
    return tuple(out)


def apa_difference(row: Row, *, paired: bool) -> str:
    """ "t(5) = -59.22, p < .001, gz = -20.33, sign-flip p = .031"; Welch's d.f. have a fraction."""
    if not np.isfinite(row["t"]):
        return ""
    ddof = f"{row['ddof']:.0f}" if paired else f"{row['ddof']:.2f}"
    parts = [f"{'' if paired else 'Welch '}t({ddof}) = {row['t']:.2f}", p_value(row["p"])]
    if np.isfinite(row["g"]):
        parts.append(f"{'gz' if paired else 'gs'} = {row['g']:.2f}")
    if np.isfinite(row["p_sign_flip"]):
        parts.append(f"sign-flip {p_value(row['p_sign_flip'])}")
    return ", ".join(parts)


def interval_text(row: Row, level: float, unit: str = "") -> str:
    """ "95 % interval [-0.8247, -0.7561] bits a byte"."""
    low, high = fixed(row["low"], row), fixed(row["high"], row)
    return f"{100 * level:g} % interval [{low}, {high}]{unit and ' ' + unit}"


def fixed(value: float, row: Row) -> str:
    """`value` with 4 decimals, or as many as show two digits of the interval's half width."""
    size = (row["high"] - row["low"]) / 2
    if not (np.isfinite(size) and size > 0):
        size = abs(row["difference"])
    decimals = 4 if size == 0 else max(4, min(12, 1 - math.floor(math.log10(size))))
    return f"{value:,.{decimals}f}" if abs(value) < 1e6 else number(value)


def _end(c: Comparison) -> str:
    return million(float(c.by_interval["tokens_seen"].iloc[-1]))


def _plan(c: Comparison) -> Finding:
    first = c.by_interval.iloc[0]
    n_a, n_b = int(first["n_a"]), int(first["n_b"])
    seeds = (
        f"{count(n_a, 'seed')}, the same in both, compared in pairs"
        if c.paired
        else f"{count(n_a, 'seed')} and {count(n_b, 'seed')}, compared as independent samples"
    )
    unit = f" ({c.unit})" if c.unit else ""
    return Finding(
        f"{c.names[0]} and {c.names[1]}: {DESCRIPTIONS[c.measure]}{unit} at "
        f"{count(len(c.by_interval), 'place')} up to {_end(c)} tokens; {seeds}. "
        f"Differences are {c.names[1]} minus {c.names[0]}."
    )


def _difference(c: Comparison, row: Row, where: str) -> Finding:
    a, b = c.names
    what, unit = DESCRIPTIONS[c.measure], f" {c.unit}" if c.unit else ""
    d = row["difference"]
    side = "lower" if d < 0 else "higher"
    size = f"{fixed(abs(d), row)}{unit}"
    means = f"{fixed(row['mean_b'], row)} against {fixed(row['mean_a'], row)}"
    plainly = f"{what} of {b} is {size} {side} than that of {a} ({means})"
    if not np.isfinite(row["low"]):
        return Finding(
            f"{where} {plainly}. With one seed on a side nothing tells this from chance."
        )
    if not np.isfinite(row["t"]):
        if d == 0:
            return Finding(f"{where} all seeds have the same {what} in both.")
        return Finding(
            f"{where} {plainly}, by the same amount for every seed: there is no spread to judge by."
        )
    ci = interval_text(row, c.confidence, c.unit)
    end = apa_difference(row, paired=c.paired)
    if row["low"] <= 0 <= row["high"]:
        return Finding(
            f"{where} no difference in {what} was shown: {b} minus {a} is {fixed(d, row)}{unit}, "
            f"{ci}, which includes 0.",
            end,
        )
    return Finding(f"{where} {plainly}; {ci}.", end)


def _places(c: Comparison) -> list[Finding]:
    table = c.by_interval
    tested = table[np.isfinite(table["p"])]
    if tested.empty:
        return []
    flat = table.loc[~np.isfinite(table["p"]), "interval"]
    rest = ""
    if len(flat):
        rest = (
            f" Not tested: interval{'s' if len(flat) > 1 else ''} {runs_of(flat)}, where all seeds "
            "differ by the same amount."
        )
    clear = tested[tested["p_holm"] < ALPHA]
    many = count(len(tested), "place")
    if clear.empty:
        return [
            Finding(
                f"Taken one by one, none of the {many} shows a difference after Holm's correction "
                f"for {len(tested)} tests (smallest adjusted {p_value(tested['p_holm'].min())})."
                + rest
            )
        ]
    parts = []
    for side, rows in (("lower", clear[clear["difference"] < 0]),
                       ("higher", clear[clear["difference"] > 0])):  # fmt: skip
        if len(rows):
            plural = "s" if len(rows) > 1 else ""
            parts.append(f"{side} at interval{plural} {runs_of(rows['interval'])}")
    return [
        Finding(
            f"Taken one by one, {len(clear)} of {many} differ after Holm's correction (p < .05): "
            f"{c.names[1]} is {joined(parts)}.{rest}"
        )
    ]


def runs_of(intervals: pd.Series) -> str:
    """[1, 2, 3, 7] -> "1 to 3 and 7"."""
    numbers = sorted(int(i) for i in intervals)
    breaks = [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1]
    edges = zip([0, *breaks], [*breaks, len(numbers)], strict=True)
    runs = [(numbers[i], numbers[j - 1]) for i, j in edges]
    return joined(f"{a}" if a == b else f"{a} to {b}" for a, b in runs)


def _trajectory(c: Comparison) -> list[Finding]:
    out = []
    rows = c.trajectory.to_dict("records")
    for effect, what in (
        ("study", "a difference of the averages over the places"),
        ("study x interval", "a change of the difference in the course of training"),
    ):
        found = [row for row in rows if row["effect"] == effect]
        if found:
            text = f"Analysis of variance: {what} {_shown(found)}."
            out.append(Finding(text, "; ".join(apa_effect(row) for row in found)))
    out += [Finding(text) for text in c.refusals]
    for row in c.sign_flip.to_dict("records")[-1:]:
        least = ""
        if row["n"] <= MAX_EXACT:
            smallest = 2.0 ** (1 - row["n"])
            least = f"; with {count(row['n'], 'pair')} p cannot be below {number(smallest, 3)}"
        without = "" if row["with_interval_0"] else " after interval 0"
        verb = "differ" if row["p_sign_flip"] < ALPHA else "are not shown to differ"
        out.append(
            Finding(
                f"The whole trajectories{without} {verb} by the sign-flip test, which needs no "
                f"normality{least}.",
                p_value(row["p_sign_flip"]),
            )
        )
    return out


def apa_effect(row: Row) -> str:
    """As `anova_verdict.apa`; the difference of two studies has one contrast, so no epsilon."""
    if row["effect"] != "study":
        return apa(row)
    return (
        f"F({row['ddof1']}, {row['ddof2']}) = {number(row['F'], 2)}, {p_value(row['p_unc'])}, "
        f"{equals('η²G', row['ng2'])}"
    )


def _shown(rows: Sequence[Row]) -> str:
    """ "was shown with interval 0, not without it"; `rows` of one effect, with it first."""
    name = "p_unc" if rows[0]["effect"] == "study" else "p_GG_corr"
    shown = [bool(row[name] < ALPHA) for row in rows]
    if len(rows) == 1:
        return "was shown" if shown[0] else "was not shown"
    if shown[0] == shown[1]:
        return f"was {'' if shown[0] else 'not '}shown, with interval 0 and without it"
    return (
        "was shown with interval 0, not without it"
        if shown[0]
        else ("was shown without interval 0, not with it")
    )


def _reach(c: Comparison) -> list[Finding]:
    a, b = c.reach.to_dict("records")
    target = number(a["target"])
    there = [row for row in (a, b) if np.isfinite(row["tokens"])]
    if len(there) < 2:
        names = [str(row["study"]) for row in (a, b) if row not in there]
        return [Finding(f"The mean of {joined(names)} never comes down to {target}.")]
    slow, fast = (a, b) if a["tokens"] >= b["tokens"] else (b, a)
    if slow["tokens"] == fast["tokens"]:
        return [Finding(f"Both means come down to {target} at {million(a['tokens'])} tokens.")]
    single = f"{fast['seeds_reaching']} of {fast['n']}, {slow['seeds_reaching']} of {slow['n']}"
    return [
        Finding(
            f"The mean of {fast['study']} comes down to {target} after about "
            f"{_thousands(fast['tokens'])} tokens, {100 * fast['share']:.0f} % of the "
            f"{_thousands(slow['tokens'])} that "
            f"{slow['study']} takes (single seeds that get there: {single})."
        )
    ]


def _thousands(tokens: float) -> str:
    """A place between two measured ones is not known to the token."""
    return f"{round(tokens, -3) if tokens >= 1e5 else tokens:,.0f}"


def _course(c: Comparison, row: Row) -> Finding:
    a, b = c.names
    unit = f" {c.unit}" if c.unit and row["measure"] == "rise" else ""
    digits = 4 if row["measure"] == "rise" else 1
    mean_a, mean_b = number(row["mean_a"], digits), number(row["mean_b"], digits)
    text = (
        f"From best to last place the mean of {a} rises by {mean_a}{unit}, that of {b} by {mean_b}"
        if row["measure"] == "rise"
        else f"{a} slides back at {mean_a} places a seed, {b} at {mean_b}"
    )
    if not np.isfinite(row["t"]):
        return Finding(f"{text}.")
    ci = interval_text(row, c.confidence)
    includes = "; it includes 0" if row["low"] <= 0 <= row["high"] else ""
    return Finding(
        f"{text}; difference {number(row['difference'], digits)}, {ci}{includes}.",
        apa_difference(row, paired=c.paired),
    )


def _speed(c: Comparison, row: Row) -> Finding:
    a, b = c.names
    return Finding(
        f"Speed, which is not a function of the configuration and says nothing of the method: {a} "
        f"{row['mean_a']:,.0f} tokens a second, {b} {row['mean_b']:,.0f}."
    )


def _equivalence(c: Comparison) -> list[Finding]:
    out = []
    places = {"final": "the last place", "best_held_out": "the best place"}
    for row in c.equivalence.to_dict("records"):
        where = f"Equivalence at {places[str(row['measure'])]}"
        margin = f"within ±{row['margin']:g} {c.unit}".rstrip()
        if not np.isfinite(row["p"]):
            out.append(Finding(f"{where} {margin} cannot be tested: no spread between the seeds."))
            continue
        ci = interval_text(row, 1 - 2 * ALPHA)
        if row["p"] < ALPHA:
            text = f"{where} {margin} was shown: the {ci} lies inside."
        else:
            text = f"{where} {margin} was not shown: the {ci} reaches beyond. "
            text += "That is no proof of a difference."
        out.append(Finding(text, f"TOST {p_value(row['p'])}"))
    return out
