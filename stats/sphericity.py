"""How far the levels are from sphericity: Greenhouse-Geisser, Huynh-Feldt and Mauchly's test.

An effect with d degrees of freedom within subjects is a set of d orthonormal contrasts of the
levels: sphericity says that all d have the same variance in the population and no correlation. What
is estimated from n subjects in g groups rests on n - g degrees of freedom, `subject_ddof`.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]


def orthonormal_contrasts(*levels: int) -> FloatArray:
    """Contrasts of an effect, of shape (d, product of levels), d = the product of (k - 1).

    For one factor k - 1 orthonormal rows, each summing to 0. For an interaction the Kronecker
    product of the factors' contrasts: a difference of differences. Which of the many orthonormal
    sets is taken does not matter to the trace or determinant of their covariance.
    """
    return reduce(np.kron, [np.linalg.svd(np.ones((1, k)))[2][1:] for k in levels])


def greenhouse_geisser(residual: FloatArray, ddof: int, subject_ddof: int) -> float:
    """Epsilon of an effect; 1 with one degree of freedom.

    tr(M)^2 / (d tr(M^2)), M the covariance of the d contrasts (Box, 1954; Greenhouse and Geisser,
    1959). `residual` (n, cells) is centred over the levels and over the subjects of each group, so
    it equals its contrast scores times the contrasts, and its covariance has the eigenvalues of M
    and zeros: neither trace needs M.
    """
    if ddof == 1:
        return 1.0
    n, cells = residual.shape
    # tr(S^2) of S = R'R / (n - g) is also that of R R', (n, n), which few subjects make the smaller
    few = n <= max(cells, 1000)
    gram = residual @ residual.T if few else residual.T @ residual
    trace = float((residual**2).sum())
    trace_of_square = float((gram**2).sum())
    eps = trace**2 / (ddof * trace_of_square)
    return float(np.clip(eps, 1 / ddof, min(ddof, subject_ddof) / ddof))


def huynh_feldt(eps: float, ddof: int, subject_ddof: int) -> float:
    """The less biased, less stable epsilon with Lecoutre's correction; at most 1.

    ((v + 1) d eps - 2) / (d (v - d eps)) with v = n - g. Huynh and Feldt (1976) have n in the place
    of v + 1, which is the same with one group and was corrected by Lecoutre (1991) for several.
    """
    if ddof == 1:
        return 1.0
    denominator = ddof * (subject_ddof - ddof * eps)
    # eps at its bound v / d leaves nothing to divide by: the estimate runs off to 1
    if denominator <= 0:
        return 1.0
    return min(1.0, ((subject_ddof + 1) * ddof * eps - 2) / denominator)


def mauchly(
    averages: FloatArray, levels: tuple[int, ...], n_groups: int, conditions: int
) -> tuple[float, float, str]:
    """(W, p, words) of Mauchly's test; NaN, NaN and the reason where it is not defined.

    Mauchly (1940): W = det(M) / (tr(M) / d)^d. p is the chi-square approximation of -2 log of the
    likelihood ratio with its second-order term (Anderson, 2003, section 10.7).

    Parameters
    ----------
    averages : array of shape (n, cells)
        Values of the subjects, centred in each group where there are several.
    levels : tuple of int
        Levels of the effect's factors; their product is cells.
    n_groups : int
    conditions : int
        Measurements of a subject in the whole design.
    """
    n = len(averages)
    d = int(np.prod([k - 1 for k in levels]))
    df = n - n_groups
    if d == 1:
        return np.nan, np.nan, "not applicable: two levels have a single difference"
    if df < d:
        several = n_groups > 1
        who = f"{n} subjects in {n_groups} groups" if several else f"{n} subjects"
        left = f"n - {'g' if several else 1} = {df}"
        right = f"{'k - 1' if len(levels) == 1 else '(a - 1)(b - 1)'} = {d}"
        reason = f"give the covariance of {d} contrasts rank {df} at most ({left} < {right})"
        return np.nan, np.nan, f"undefined: {who} {reason}"
    contrasts = orthonormal_contrasts(*levels)
    # divided by n - 1 also with groups: W does not depend on the unit
    m = contrasts @ np.cov(averages, rowvar=False) @ contrasts.T  # (d, d)
    sign, log_det = np.linalg.slogdet(m)
    if sign <= 0 or np.linalg.matrix_rank(m, hermitian=True) < d:
        return np.nan, np.nan, "undefined: the covariance of the contrasts is singular"
    log_w = float(log_det - d * np.log(np.trace(m) / d))
    rho = 1 - (2 * d**2 + d + 2) / (6 * d * df)
    # Anderson has d for `conditions` in the last factor. R's mauchly.test has the conditions of the
    # whole design, and car, afex and pingouin follow it; so do we, for p-values (alike in two
    # digits) that agree with theirs.
    second = (d + 2) * (d - 1) * (d - 2) * (2 * d**3 + 6 * d**2 + 3 * conditions + 2)
    weight = second / (288 * (df * d * rho) ** 2)
    chi2, chi2_ddof = -df * rho * log_w, d * (d + 1) / 2 - 1
    tail = float(special.chdtrc(chi2_ddof, chi2))
    p = min(1.0, tail + weight * (float(special.chdtrc(chi2_ddof + 4, chi2)) - tail))
    w = float(np.exp(log_w))
    return w, p, f"Mauchly W = {w:.3f}, p = {p:.3f}"
