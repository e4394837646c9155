"""Repeated-measures ANOVA, and the sign-flip test that needs no normality.

Shapes: n subjects (seeds), k levels (intervals), a and b levels of two factors, g groups. Written
out because 6 seeds x 21 intervals is a case that general tools get wrong: with n - 1 < k - 1
Mauchly's test does not exist, and a tool that lets it choose the correction drops the correction.
Here Greenhouse-Geisser always leads.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from stats.cells import Cells, FloatArray, read_cells
from stats.flips import sign_patterns
from stats.partition import Effect, Partition, mixed, one_way, two_way
from stats.sphericity import greenhouse_geisser, huynh_feldt, mauchly

AT_ONCE = 2_000_000  # numbers, 16 MB: sign patterns and their profiles held at a time


def rm_anova(
    data: pd.DataFrame,
    dv: str,
    within: str | Sequence[str],
    subject: str,
    between: str | None = None,
    *,
    ss_type: int | None = None,
) -> pd.DataFrame:
    """Repeated-measures analysis of variance: one or two repeated factors, or one and groups.

    Parameters
    ----------
    data : DataFrame
        Long format, one row a cell; levels are categories, so their order does not matter.
    dv, subject : str
        Columns of the measured value and of the subject.
    within : str or sequence of one or two str
        The repeated factor, or two that are crossed.
    between : str, optional
        Column of the group; each subject belongs to one. With one repeated factor only.
    ss_type : {2, 3}, optional
        Needed where groups differ in size, for the main effect of `within`: 2 weights each subject
        the same (as pingouin), 3 each group (as SPSS, JASP and afex). Nothing else depends on it.

    Returns
    -------
    DataFrame
        A row an effect, named as pingouin does ("a * b" for two repeated factors, "Interaction"
        with groups), then the rows of what they are tested against. Columns: pingouin's Source, SS,
        ddof1, ddof2, MS, F, p_unc, p_GG_corr, ng2, np2, eps (Greenhouse-Geisser), W_spher, p_spher;
        ours ddof1_GG, ddof2_GG, eps_HF, p_HF_corr, eps_lower_bound, p_LB, sphericity (in words,
        with the reason where Mauchly's test is not defined), omega_p2.

    Raises
    ------
    ValueError
        The data are not complete and balanced (what is wrong is named, see `read_cells`); groups
        differ in size and `ss_type` was not given; or an error sum of squares is zero, so that F
        has no value.

    Notes
    -----
    One repeated factor, y_ij of subject i at level j: SS_within = n sum_j (ybar_.j - ybar)^2,
    SS_subject = k sum_i (ybar_i. - ybar)^2, SS_error = sum (y_ij - ybar_i. - ybar_.j + ybar)^2 and
    F = [SS_within / (k - 1)] / [SS_error / ((n - 1)(k - 1))]. With two, each effect is tested
    against its own interaction with subjects; with groups, the groups against the subjects within
    groups and the rest against the profiles within groups (Winer, 1971; Maxwell and Delaney, 2004,
    chapters 11, 12).

    Epsilon scales both degrees of freedom (Box, 1954; Greenhouse and Geisser, 1959; Huynh and
    Feldt, 1976, corrected by Lecoutre, 1991): formulas in `stats.sphericity`.

    Effect sizes, SS_error being the effect's own error: partial eta squared
    SS / (SS + SS_error); generalised eta squared SS / (SS + SS_subject + all error sums of squares)
    for factors that are manipulated (Olejnik and Algina, 2003; Bakeman, 2005); partial omega
    squared (SS - ddof1 MS_error) / (SS + SS_error + SS_subject + MS_subject), for groups without
    SS_error, which is SS_subject (Lakens, 2013; as effectsize and MOTE in R). It is negative where
    F < 1.
    """
    factors = [within] if isinstance(within, str) else list(within)
    if len(factors) not in (1, 2):
        raise ValueError(f"within={within!r} must name one or two repeated factors")
    if between is not None and len(factors) == 2:
        raise ValueError(
            f"between={between!r} with two repeated factors is not supported: average over one of "
            f"{', '.join(factors)} or analyse the groups one by one"
        )
    if ss_type not in ((None, 2, 3) if between is not None else (None,)):
        raise ValueError(f"ss_type={ss_type!r} must be 2 or 3, and is for a between factor only")
    cells = read_cells(data, dv, factors, subject, between)
    if between is not None:
        kind = _ss_type(cells, factors[0], ss_type)
        partition = mixed(cells.values, cells.groups, factors[0], between, kind)
    elif len(factors) == 2:
        partition = two_way(cells.values, *factors)
    else:
        partition = one_way(cells.values, factors[0])
    conditions = int(np.prod(cells.values.shape[1:]))
    n_groups = max(1, len(cells.group_names))
    rows = [_effect_row(effect, partition, n_groups, conditions) for effect in partition.effects]
    one_factor = between is None and len(factors) == 1
    # with one factor the subjects' sum of squares tests nothing and is not printed
    terms = partition.errors if one_factor else (partition.subject, *partition.errors)
    errors = [
        {"Source": term.source, "SS": term.ss, "ddof1": term.ddof, "MS": term.ss / term.ddof}
        for term in terms
    ]
    return pd.DataFrame([*rows, *errors])


def _ss_type(cells: Cells, within: str, ss_type: int | None) -> int:
    sizes = np.bincount(cells.groups)
    if ss_type is None and sizes.min() < sizes.max():
        named = ", ".join(f"{g}: {n}" for g, n in zip(cells.group_names, sizes, strict=True))
        raise ValueError(
            f"the groups differ in size ({named}), so the main effect of {within} depends on how "
            "they are weighted: choose ss_type=2 (each subject the same) or ss_type=3 (each group "
            "the same)"
        )
    return ss_type or 2  # the same where sizes are equal


def _effect_row(
    effect: Effect, partition: Partition, n_groups: int, conditions: int
) -> dict[str, object]:
    """One row of the table, in its order of columns."""
    ss, ddof1, ddof2 = effect.ss, effect.ddof, effect.error.ddof
    ms, ms_error = ss / ddof1, effect.error.ss / ddof2
    f = ms / ms_error
    subject = partition.subject
    d = int(np.prod([k - 1 for k in effect.levels]))  # contrasts of a subject's measurements
    own_error = effect.error.ss
    if effect.levels:
        eps = greenhouse_geisser(effect.residual, d, subject.ddof)
        eps_hf = huynh_feldt(eps, d, subject.ddof)
        eps_lb = 1 / d
        w, p_spher, sphericity = mauchly(effect.averages, effect.levels, n_groups, conditions)
    else:
        own_error = 0.0  # it is the subjects', which stand in the denominator already
        eps = eps_hf = eps_lb = w = p_spher = np.nan
        sphericity = "not applicable: groups are compared by one mean a subject"
    all_errors = sum(term.ss for term in partition.errors)
    return {
        "Source": effect.source,
        "SS": ss,
        "ddof1": ddof1,
        "ddof2": ddof2,
        "MS": ms,
        "F": f,
        "p_unc": f_tail(f, ddof1, ddof2),
        "p_GG_corr": f_tail(f, eps * ddof1, eps * ddof2),
        "ng2": ss / (ss + subject.ss + all_errors),
        "np2": ss / (ss + effect.error.ss),
        "eps": eps,
        "ddof1_GG": eps * ddof1,
        "ddof2_GG": eps * ddof2,
        "eps_HF": eps_hf,
        "p_HF_corr": f_tail(f, eps_hf * ddof1, eps_hf * ddof2),
        "eps_lower_bound": eps_lb,
        "p_LB": f_tail(f, ddof1 / d, ddof2 / d) if effect.levels else np.nan,
        "sphericity": sphericity,
        "W_spher": w,
        "p_spher": p_spher,
        "omega_p2": (ss - ddof1 * ms_error)
        / (ss + own_error + subject.ss + subject.ss / subject.ddof),
    }


def f_tail(f: float, ddof1: float, ddof2: float) -> float:
    """P(F > f) for real degrees of freedom."""
    return float(special.fdtrc(ddof1, ddof2, f))


def sign_flip_test(data: pd.DataFrame, dv: str, within: str, subject: str) -> float:
    """Distribution-free p of "the levels do not differ", by flipping whole centred subjects.

    Each subject's values are centred on its own mean; under the null hypothesis of a symmetric
    distribution the whole centred profile is as likely as its negative. The statistic is the sum of
    squares of the mean profile, which rises with F. All 2^(n-1) distinct patterns are visited up
    to 16 subjects, so the smallest possible p is 1 / 2^(n-1): 1/32 for six. Unlike Friedman's test
    or permuting intervals it does not assume that intervals are exchangeable.
    """
    return sign_flip_p(read_cells(data, dv, [within], subject).values)


def sign_flip_p(table: FloatArray) -> float:
    """p of `sign_flip_test` for (n, k)."""
    centred = table - table.mean(axis=1, keepdims=True)
    observed = float((centred.sum(axis=0) ** 2).sum())
    threshold = observed * (1 - 1e-12)  # as extreme, but for rounding
    as_extreme = patterns = 0
    at_once = max(1, AT_ONCE // max(table.shape))
    for signs in sign_patterns(len(centred), at_once, cells=table.size):
        as_extreme += int((((signs @ centred) ** 2).sum(axis=1) >= threshold).sum())
        patterns += len(signs)
    return as_extreme / patterns
