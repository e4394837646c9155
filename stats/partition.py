"""Sums of squares of three designs, by centring and not by subtraction of large sums.

Each effect is set against the error term that has all its sources of chance: the variation between
subjects of the effect itself. docs/statistics.md derives the decompositions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stats.cells import FloatArray, IntArray


@dataclass(frozen=True)
class ErrorTerm:
    """What effects are tested against."""

    source: str
    ss: float
    ddof: int


@dataclass(frozen=True)
class Effect:
    """An effect and the error it is tested against.

    Attributes
    ----------
    source : str
    ss : float
    ddof : int
    error : ErrorTerm
    levels : tuple of int
        Levels of the repeated factors in it; empty for a comparison of groups.
    residual : array of shape (n, product of levels)
        What is left of the subjects' profiles without their own mean and the (group's) mean
        profile; its sum of squares is proportional to that of the error. Empty for groups.
    averages : array of the same shape
        The subjects' values that the effect compares, about their group's where there are groups.
    """

    source: str
    ss: float
    ddof: int
    error: ErrorTerm
    levels: tuple[int, ...]
    residual: FloatArray
    averages: FloatArray


@dataclass(frozen=True)
class Partition:
    """Effects, what varies between the subjects' means (within groups), and between profiles."""

    effects: tuple[Effect, ...]
    subject: ErrorTerm
    errors: tuple[ErrorTerm, ...]


@dataclass(frozen=True)
class SumsOfSquares:
    """within + subject + error = the total about the grand mean; residual is (n, k)."""

    within: float
    subject: float
    error: float
    residual: FloatArray


def sums_of_squares(table: FloatArray) -> SumsOfSquares:
    """Partition of (n, k)."""
    n, k = table.shape
    grand = table.mean()
    level = table.mean(axis=0) - grand  # (k,)
    person = table.mean(axis=1) - grand  # (n,)
    residual = table - grand - level - person[:, None]
    error = float((residual**2).sum())
    return SumsOfSquares(n * float(level @ level), k * float(person @ person), error, residual)


def one_way(table: FloatArray, within: str) -> Partition:
    """One repeated factor, (n, k)."""
    n, k = table.shape
    parts = sums_of_squares(table)
    _refuse_no_error(parts.error, table, "the subjects' profiles are parallel")
    error = ErrorTerm("Error", parts.error, (k - 1) * (n - 1))
    effect = Effect(within, parts.within, k - 1, error, (k,), parts.residual, table)
    return Partition((effect,), ErrorTerm("Subject", parts.subject, n - 1), (error,))


def two_way(values: FloatArray, factor_a: str, factor_b: str) -> Partition:
    """Two repeated factors, (n, a, b): each main effect is the one-way analysis of averages.

    The interaction's profile is what the averages over either factor leave of a subject's table,
    y_sij - ybar_si. - ybar_s.j + ybar_s..; its mean over subjects is the effect, what the subjects
    differ in is the error.
    """
    n, a, b = values.shape
    over_b, over_a = values.mean(axis=2), values.mean(axis=1)  # (n, a), (n, b)
    main_a, main_b = sums_of_squares(over_b), sums_of_squares(over_a)
    own_mean = values.mean(axis=(1, 2))  # (n,)
    profile = values - over_b[:, :, None] - over_a[:, None, :] + own_mean[:, None, None]
    effect = profile.mean(axis=0)  # (a, b)
    residual = profile - effect
    error = float((residual**2).sum())
    sizes = (a - 1, b - 1, (a - 1) * (b - 1))
    # an average over b levels stands for b measurements
    sums = (b * main_a.within, a * main_b.within, n * float((effect**2).sum()))
    error_sums = (b * main_a.error, a * main_b.error, error)
    sources = (factor_a, factor_b, f"{factor_a} * {factor_b}")
    for source, size in zip(sources, (main_a.error, main_b.error, error), strict=True):
        _refuse_no_error(size, values, f"all subjects have the same effect of {source}")
    errors = tuple(
        ErrorTerm(f"Error ({source})", ss, d * (n - 1))
        for source, ss, d in zip(sources, error_sums, sizes, strict=True)
    )
    levels = ((a,), (b,), (a, b))
    residuals = (main_a.residual, main_b.residual, residual.reshape(n, a * b))
    averages = (over_b, over_a, values.reshape(n, a * b))
    effects = tuple(map(Effect, sources, sums, sizes, errors, levels, residuals, averages))
    return Partition(effects, ErrorTerm("Subject", b * main_a.subject, n - 1), errors)


def mixed(
    table: FloatArray, groups: IntArray, within: str, between: str, ss_type: int
) -> Partition:
    """One repeated factor, (n, k), and groups of subjects, (n,).

    A subject is its mean and its profile about that mean. Groups are compared by the means, as in a
    one-way analysis of independent groups; the levels and the interaction by the profiles.
    """
    n, k = table.shape
    sizes = np.bincount(groups)  # (g,)
    g = len(sizes)
    person = table.mean(axis=1) - table.mean()  # (n,)
    group_person = _group_means(person[:, None], groups, sizes)[:, 0]  # (g,)
    person_error = person - group_person[groups]
    profile = table - table.mean(axis=1, keepdims=True)  # (n, k)
    group_profile = _group_means(profile, groups, sizes)  # (g, k)
    residual = profile - group_profile[groups]
    between_error, error = float(person_error @ person_error), float((residual**2).sum())
    _refuse_no_error(between_error, table, "the subjects of each group have the same mean")
    _refuse_no_error(error, table, "the subjects' profiles are parallel in each group")

    level = sizes @ group_profile / n  # (k,), each subject counts the same
    apart = group_profile - level  # (g, k)
    ss_within = n * float(level @ level)
    if ss_type == 3:
        # each group counts the same: the mean of g means of sizes[i] profiles each has the variance
        # of a mean of g^2 / sum(1 / sizes) profiles
        unweighted = group_profile.mean(axis=0)
        ss_within = g**2 / float((1 / sizes).sum()) * float(unweighted @ unweighted)
    ss_groups = k * float(sizes @ group_person**2)
    ss_apart = float(sizes @ (apart**2).sum(axis=1))
    d, v = k - 1, n - g
    subject = ErrorTerm(f"Error ({between})", k * between_error, v)
    profiles = ErrorTerm(f"Error ({within})", error, d * v)
    nothing = np.empty((n, 0))
    effects = (
        Effect(between, ss_groups, g - 1, subject, (), nothing, nothing),
        Effect(within, ss_within, d, profiles, (k,), residual, residual),
        Effect("Interaction", ss_apart, d * (g - 1), profiles, (k,), residual, residual),
    )
    return Partition(effects, subject, (profiles,))


def _group_means(rows: FloatArray, groups: IntArray, sizes: IntArray) -> FloatArray:
    """Mean of the rows (n, k) of each group, (g, k)."""
    return np.stack([rows[groups == i].mean(axis=0) for i in range(len(sizes))])


def _refuse_no_error(error: float, table: FloatArray, reason: str) -> None:
    """Refuse an error sum of squares that is no more than rounding makes of zero."""
    rounding = table.size * (64 * np.finfo(np.float64).eps * float(np.abs(table).max())) ** 2
    if error <= rounding:
        raise ValueError(
            f"{reason}: the error sum of squares is zero and F has no value (are the seeds copies "
            "of one run?)"
        )
