"""What the analyses of variance say, for readers who never heard of one, and as APA prints it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from stats.document import Finding
from stats.effects import DEPENDENT, AnovaResults
from stats.wording import equals, number, p_value

ALPHA = 0.05


def anova_findings(anova: AnovaResults, n_seeds: int) -> list[Finding]:
    """A finding for each measure, its analyses with and without interval 0 told together."""
    if n_seeds < 2:
        return [
            Finding(
                "No analysis of variance: with one seed nothing tells an effect of the interval "
                "from chance. Run at least two seeds, better six."
            )
        ]
    findings = [Finding(refusal) for refusal in anova.refusals]
    for dv, rows in anova.table.groupby("dv", sort=False) if len(anova.table) else []:
        records = rows.to_dict("records")
        statistics = "; ".join(f"intervals {_places(row)}: {apa(row)}" for row in records)
        sentence = f"The {DEPENDENT[str(dv)]} {_difference(records)}"
        findings.append(Finding(sentence, f"{statistics[0].upper()}{statistics[1:]}."))
    return findings


def _difference(records: list[dict[Hashable, Any]]) -> str:
    """What the F tests of one measure, with and without interval 0, say together."""
    differs = {bool(row["with_interval_0"]): row["p_GG_corr"] < ALPHA for row in records}
    more = "differs between intervals by more than the seeds disagree"
    unproven = "no more than the seeds' disagreement could produce"
    if len(differs) == 1:
        where = f" (intervals {_places(records[0])})"
        if differs.popitem()[1]:
            return f"{more}{where}."
        return f"is not shown to differ between intervals: its differences are {unproven}{where}."
    if all(differs.values()):
        return f"{more}, with interval 0 left out as well."
    if differs[True]:
        return (
            f"{more}, but only as long as interval 0, the untrained model, counts: the "
            f"differences between the others are {unproven}."
        )
    if differs[False]:
        return f"{more} once interval 0 is left out; with it no difference is shown."
    return (
        f"is not shown to differ between intervals: its differences are {unproven}, with "
        "interval 0 or without."
    )


def _places(row: Mapping[Hashable, Any]) -> str:
    return str(row["intervals"]).replace("..", " to ")


def apa(row: Mapping[Hashable, Any]) -> str:
    """As APA prints it, the degrees of freedom corrected by Greenhouse and Geisser's epsilon.

    "F(2.84, 14.19) = 766.72, p < .001, ε = .142, η²G = .987".
    """
    return (
        f"F({row['ddof1_GG']:.2f}, {row['ddof2_GG']:.2f}) = {number(row['F'], 2)}, "
        f"{p_value(row['p_GG_corr'])}, {equals('ε', row['eps'])}, "
        f"{equals('η²G', row['ng2'])}"
    )
