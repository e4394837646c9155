"""Planted bugs: one expression of the package changed, and a check must notice."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from anova_designs import check_mixed, check_one_way, check_two_way, random_mixed, random_two_way

PACKAGE = Path(__file__).parents[1] / "stats"
CHAIN = ("cells", "sphericity", "partition", "anova")  # each imports from those before it


def one_way(rm_anova):
    check_one_way(rm_anova, np.random.default_rng(0).standard_normal((6, 4)))  # HF exceeds 1
    check_one_way(rm_anova, random_two_way(8, 4, 1)[:, :, 0])


def two_way(rm_anova):
    check_two_way(rm_anova, random_two_way(8, 3, 4))


def mixed(rm_anova):
    check_mixed(rm_anova, *random_mixed([5, 5, 5], 4))


def unequal(rm_anova):
    for ss_type in (2, 3):
        check_mixed(rm_anova, *random_mixed([3, 6, 4], 4), ss_type=ss_type)


# bug: (file, right, wrong, checks that must fail)
BUGS = {
    "error ddof with n for n - 1": ("partition", "(k - 1) * (n - 1))", "(k - 1) * n)", one_way),
    "error ddof with n for n - 1, two-way": ("partition", "d * (n - 1))", "d * n)", two_way),
    "error ddof with n - 1 for n - g": ("partition", "error, d * v)", "error, d * (n - 1))", mixed),
    "effect with n - 1 for n": (
        "partition",
        "n * float(level @ level), k",
        "(n - 1) * float(level @ level), k",
        one_way,
    ),
    "variance biased: residuals shrunk": (
        "partition",
        "error = float((residual**2).sum())\n    return Sums",
        "error = float((residual**2).sum()) * (n - 1) / n\n    return Sums",
        one_way,
    ),
    "subject left in the error": (
        "partition",
        "- grand - level - person[:, None]",
        "- grand - level",
        one_way,
    ),
    "subject's mean left in the interaction": (
        "partition",
        " + own_mean[:, None, None]",
        "",
        two_way,
    ),
    "averages not multiplied": (
        "partition",
        "(b * main_a.within, a *",
        "(main_a.within, a *",
        two_way,
    ),
    "all effects on the error of the first": (
        "partition",
        "sums, sizes, errors, levels",
        "sums, sizes, errors[:1] * 3, levels",
        two_way,
    ),
    "interaction on the error of the second": (
        "partition",
        "sums, sizes, errors, levels",
        "sums, sizes, (*errors[:2], errors[1]), levels",
        two_way,
    ),
    "groups on the error of the profiles": (
        "partition",
        "g - 1, subject, ()",
        "g - 1, profiles, ()",
        mixed,
    ),
    "interaction on the error of the groups": (
        "partition",
        "d * (g - 1), profiles,",
        "d * (g - 1), subject,",
        mixed,
    ),
    "covariance not pooled within groups": (
        "partition",
        'residual, residual),\n        Effect("Inter',
        'profile, residual),\n        Effect("Inter',
        mixed,
    ),
    "type III for type II": ("partition", "if ss_type == 3", "if ss_type == 2", unequal),
    "type III with the arithmetic mean of sizes": (
        "partition",
        "g**2 / float((1 / sizes).sum())",
        "n",
        unequal,
    ),
    "eps without its degrees of freedom": (
        "sphericity",
        "trace**2 / (ddof *",
        "trace**2 / ((ddof + 1) *",
        one_way,
    ),
    "Huynh-Feldt not clipped": (
        "sphericity",
        "return min(1.0, ((subject_ddof",
        "return max(0.0, ((subject_ddof",
        one_way,
    ),
    "Huynh-Feldt without Lecoutre": (
        "sphericity",
        "(subject_ddof + 1) *",
        "(subject_ddof + 3) *",
        mixed,
    ),
    "only ddof1 corrected": (
        "anova",
        "f_tail(f, eps * ddof1, eps * ddof2)",
        "f_tail(f, eps * ddof1, ddof2)",
        two_way,
    ),
    "tail with degrees of freedom swapped": (
        "anova",
        "fdtrc(ddof1, ddof2",
        "fdtrc(ddof2, ddof1",
        one_way,
    ),
    "lower bound of an interaction with groups": (
        "anova",
        "ddof1 / d, ddof2 / d",
        "1.0, ddof2 / ddof1",
        mixed,
    ),
    "eta generalised without subjects": (
        "anova",
        "(ss + subject.ss + all_errors)",
        "(ss + all_errors)",
        mixed,
    ),
    "omega without its correction": ("anova", "(ss - ddof1 * ms_error)", "ss", two_way),
}


def load(monkeypatch, changed=None, right="", wrong=""):
    """rm_anova of a copy of the package in which `right` has become `wrong`."""
    for name in CHAIN:
        source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        if name == changed:
            assert source.count(right) == 1, f"{right!r} is there {source.count(right)} times"
            source = source.replace(right, wrong)
        module = types.ModuleType(f"stats.{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(source, f"<{name}>", "exec"), module.__dict__)
    return module.rm_anova


def test_the_checks_pass_without_a_bug(monkeypatch):
    rm_anova = load(monkeypatch)
    for check in (one_way, two_way, mixed, unequal):
        check(rm_anova)


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught(bug, monkeypatch):
    changed, right, wrong, check = BUGS[bug]
    rm_anova = load(monkeypatch, changed, right, wrong)
    with pytest.raises(AssertionError):
        check(rm_anova)
