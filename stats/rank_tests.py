"""Friedman's test, and permuting the levels within each subject: not to be trusted here.

Both ask of the null hypothesis that the levels of a subject could be exchanged. The intervals of a
training run cannot: neighbours are alike. They are here because readers ask for them; every result
carries the warning, and docs/levels.md shows the rates. What to use instead:
`stats.anova.sign_flip_test`, which keeps a subject's levels together.

Shapes: n subjects (seeds), k levels (intervals).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from stats.anova import f_tail
from stats.cells import FloatArray, read_cells
from stats.partition import one_way

AT_ONCE = 2_000_000  # numbers, 16 MB: permuted copies of the table held at a time
# The rates are those of docs/results/statistics/levels.csv, held to it by a test.
WARNING = (
    "Not to be trusted for a trajectory: under the null hypothesis it takes the intervals of a "
    "seed as exchangeable, but neighbouring intervals are alike. With 6 seeds, 21 intervals and "
    "autocorrelation .9 it rejected {rates} of true null hypotheses at the 5 % level "
    "(docs/levels.md); use the sign-flip test."
)
FRIEDMAN_WARNING = WARNING.format(rates="13 % (chi-square) and 15 % (F)")
PERMUTATION_WARNING = WARNING.format(rates="18 %")


@dataclass(frozen=True)
class Concordance:
    """Kendall's W and the two tests of it; `ddof` are those of F."""

    w: float
    chi_square: float
    p_chi_square: float
    f: float
    ddof: tuple[float, float]
    p_f: float


def friedman_test(data: pd.DataFrame, dv: str, within: str, subject: str) -> pd.DataFrame:
    """Friedman's rank test of "the levels do not differ", with Kendall's W.

    Parameters
    ----------
    data : DataFrame
        Long format, one row a cell.
    dv, within, subject : str
        Columns of the measured value, the repeated factor and the subject.

    Returns
    -------
    DataFrame
        One row. Pingouin's Source, W, ddof1, Q (chi-square on ddof1 = k - 1), p_unc; of the F
        form F, ddof1_F, ddof2_F, p_F; and `warning`, why neither holds for a trajectory.

    Raises
    ------
    ValueError
        The data are not complete and balanced (see `read_cells`), or every subject has one and the
        same value at all its levels.

    Notes
    -----
    r_ij is the rank of subject i's value at level j among the k of that subject, equal values
    sharing the mean of their ranks, and t the size of each group of equal values:
    W = (12 sum_j (sum_i r_ij)^2 - 3 n^2 k (k + 1)^2) / (n^2 k (k^2 - 1) - n sum (t^3 - t)),
    Q = n (k - 1) W (Friedman, 1937; Kendall and Babington Smith, 1939; Siegel and Castellan, 1988,
    section 9.2). F = (n - 1) W / (1 - W) with k - 1 - 2 / n and n - 1 times as many degrees of
    freedom (Kendall and Babington Smith, 1939; Marozzi, 2014), as pingouin's `method="f"`. Iman and
    Davenport (1980) take the same F with k - 1 and (n - 1)(k - 1). With complete agreement F is
    infinite and its p 0; with two subjects and two levels the F form has no degrees of freedom and
    is NaN.
    """
    found = concordance(read_cells(data, dv, [within], subject).values)
    return pd.DataFrame(
        {
            "Source": [within],
            "W": [found.w],
            "ddof1": [data[within].nunique() - 1],
            "Q": [found.chi_square],
            "p_unc": [found.p_chi_square],
            "F": [found.f],
            "ddof1_F": [found.ddof[0]],
            "ddof2_F": [found.ddof[1]],
            "p_F": [found.p_f],
            "warning": [FRIEDMAN_WARNING],
        }
    )


def concordance(table: FloatArray) -> Concordance:
    """Kendall's W of (n, k); formulas in `friedman_test`.

    Written as a ratio of centred sums: W is the sum of squares of the mean ranks over that of all
    ranks, which ties shrink by themselves.
    """
    n, k = table.shape
    deviations = mid_ranks(table) - (k + 1) / 2
    total = float((deviations**2).sum())
    if total == 0:
        raise ValueError(
            f"each of the {n} subjects has the same value at all its {k} levels: there are no "
            "ranks to compare and Kendall's W has no value (is the measured column constant?)"
        )
    mean = deviations.mean(axis=0)
    w = min(1.0, n * float(mean @ mean) / total)
    chi_square = n * (k - 1) * w
    f = (n - 1) * w / (1 - w) if w < 1 else np.inf
    ddof1 = k - 1 - 2 / n
    ddof2 = (n - 1) * ddof1
    defined = ddof1 > 0
    return Concordance(
        w=w,
        chi_square=chi_square,
        p_chi_square=float(special.chdtrc(k - 1, chi_square)),
        f=f if defined else np.nan,
        ddof=(ddof1, ddof2),
        p_f=f_tail(f, ddof1, ddof2) if defined else np.nan,
    )


def mid_ranks(table: FloatArray) -> FloatArray:
    """Ranks 1 to k within each row of (n, k); equal values share the mean of their ranks."""
    ranks = np.empty(table.shape)
    for row, values in zip(ranks, table, strict=True):
        ordered = np.sort(values)
        below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
        row[:] = (below + up_to + 1) / 2
    return ranks


def permutation_test(
    data: pd.DataFrame,
    dv: str,
    within: str,
    subject: str,
    *,
    rng: np.random.Generator,
    permutations: int = 10_000,
) -> pd.DataFrame:
    """p of "the levels do not differ" by permuting the levels within each subject, at random.

    Parameters
    ----------
    data : DataFrame
        Long format, one row a cell.
    dv, within, subject : str
        Columns of the measured value, the repeated factor and the subject.
    rng : Generator
    permutations : int
        Permutations drawn; the data as observed are counted as one more, so that the least p is
        1 / (permutations + 1) and the test is exact where levels can be exchanged (Phipson and
        Smyth, 2010).

    Returns
    -------
    DataFrame
        One row: Source, F (uncorrected), p_unc, permutations, and `warning`, why p does not hold
        for a trajectory.

    Raises
    ------
    ValueError
        The data are not complete and balanced (see `read_cells`), the subjects' profiles are
        parallel, or `permutations` is below 1.

    Notes
    -----
    The statistic is SS_within. Permuting changes neither a subject's mean nor the total, so
    SS_within + SS_error stays as it is, and SS_within ranks the permutations as F does. Memory does
    not grow with `permutations`; time does, with permutations x n x k.
    """
    table = read_cells(data, dv, [within], subject).values
    effect = one_way(table, within).effects[0]
    return pd.DataFrame(
        {
            "Source": [within],
            "F": [(effect.ss / effect.ddof) / (effect.error.ss / effect.error.ddof)],
            "p_unc": [permutation_p(table, rng, permutations)],
            "permutations": [permutations],
            "warning": [PERMUTATION_WARNING],
        }
    )


def permutation_p(table: FloatArray, rng: np.random.Generator, permutations: int) -> float:
    """p of `permutation_test` for (n, k)."""
    if permutations < 1:
        raise ValueError(f"permutations={permutations} must be at least 1")
    centred = table - table.mean(axis=1, keepdims=True)
    observed = float((centred.sum(axis=0) ** 2).sum())
    at_once = max(1, AT_ONCE // table.size)
    as_extreme = 1  # the data as observed
    for start in range(0, permutations, at_once):
        count = min(at_once, permutations - start)
        copies = np.broadcast_to(centred, (count, *centred.shape))
        sums = rng.permuted(copies, axis=2).sum(axis=1)  # (count, k)
        as_extreme += int(((sums**2).sum(axis=1) >= observed * (1 - 1e-12)).sum())
    return as_extreme / (permutations + 1)
