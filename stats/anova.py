"""One-way repeated-measures ANOVA, and the sign-flip test that needs no normality.

Shapes: n subjects (seeds), k levels (intervals). Written out because 6 seeds x 21 intervals is a
case that general tools get wrong: with n - 1 < k - 1 Mauchly's test does not exist, and a tool that
lets it choose the correction drops the correction. Here Greenhouse-Geisser always leads.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]
MAX_EXACT_SUBJECTS = 16  # 2^15 sign patterns; beyond it they are drawn at random
RANDOM_FLIPS = 20_000


def rm_anova(data: pd.DataFrame, dv: str, within: str, subject: str) -> pd.DataFrame:
    """One-way repeated-measures analysis of variance.

    Parameters
    ----------
    data : DataFrame
        Long format, one row a (subject, level) cell.
    dv, within, subject : str
        Columns of the measured value, the repeated factor and the subject.

    Returns
    -------
    DataFrame
        Rows `within` and "Error". pingouin's columns: Source, SS, ddof1, ddof2, MS, F, p_unc,
        p_GG_corr, ng2, np2, eps (Greenhouse-Geisser), W_spher, p_spher. Ours: ddof1_GG, ddof2_GG,
        eps_HF, p_HF_corr, eps_lower_bound, p_LB, sphericity (in words).

    Raises
    ------
    ValueError
        A column is absent; a cell is missing, not finite or duplicated (each is named); fewer
        than 2 subjects or levels; or the error sum of squares is zero, so that F has no value.

    Notes
    -----
    With y_ij of subject i at level j, SS_within = n sum_j (ybar_.j - ybar)^2, SS_subject =
    k sum_i (ybar_i. - ybar)^2, SS_error = sum (y_ij - ybar_i. - ybar_.j + ybar)^2 and
    F = [SS_within / (k - 1)] / [SS_error / ((n - 1)(k - 1))].

    Epsilon scales both degrees of freedom. Box (1954), Greenhouse and Geisser (1959):
    tr(S)^2 / ((k - 1) tr(S^2)), S the double-centred covariance; it lies between 1 / (k - 1) and
    min(k - 1, n - 1) / (k - 1). Huynh and Feldt (1976):
    (n (k - 1) eps - 2) / ((k - 1)(n - 1 - (k - 1) eps)), at most 1; with a single group of
    subjects Lecoutre's (1991) correction leaves it as it is.

    Generalised eta squared SS_within / (SS_within + SS_subject + SS_error) (Olejnik and Algina,
    2003; Bakeman, 2005), partial eta squared SS_within / (SS_within + SS_error).

    Mauchly (1940): W = det(M) / (tr(M) / (k - 1))^(k - 1), M the covariance of orthonormal
    contrasts; p from the chi-square approximation with its second-order term, as in R and
    pingouin. Where n - 1 < k - 1, M is singular: W is 0 for any population and says nothing.
    """
    table = wide_table(data, dv, within, subject)
    parts = sums_of_squares(table)
    n, k = table.shape
    ddof1, ddof2 = k - 1, (k - 1) * (n - 1)
    ms_within, ms_error = parts.within / ddof1, parts.error / ddof2
    f = ms_within / ms_error
    eps = greenhouse_geisser(parts.residual)
    eps_hf = huynh_feldt(eps, n, k)
    w, p_spher, sphericity = mauchly(table)
    effect = {
        "Source": within,
        "SS": parts.within,
        "ddof1": ddof1,
        "ddof2": ddof2,
        "MS": ms_within,
        "F": f,
        "p_unc": f_tail(f, ddof1, ddof2),
        "p_GG_corr": f_tail(f, eps * ddof1, eps * ddof2),
        "ng2": parts.within / (parts.within + parts.subject + parts.error),
        "np2": parts.within / (parts.within + parts.error),
        "eps": eps,
        "ddof1_GG": eps * ddof1,
        "ddof2_GG": eps * ddof2,
        "eps_HF": eps_hf,
        "p_HF_corr": f_tail(f, eps_hf * ddof1, eps_hf * ddof2),
        "eps_lower_bound": 1 / ddof1,
        "p_LB": f_tail(f, 1.0, ddof2 / ddof1),
        "sphericity": sphericity,
        "W_spher": w,
        "p_spher": p_spher,
    }
    error = {"Source": "Error", "SS": parts.error, "ddof1": ddof2, "MS": ms_error}
    return pd.DataFrame([effect, error])


@dataclass(frozen=True)
class SumsOfSquares:
    """within + subject + error = the total about the grand mean; residual is (n, k)."""

    within: float
    subject: float
    error: float
    residual: FloatArray


def wide_table(data: pd.DataFrame, dv: str, within: str, subject: str) -> FloatArray:
    """`data` as (n, k), a row a subject; refuses what is not exactly one finite value a cell."""
    for name in (dv, within, subject):
        if name not in data.columns:
            raise ValueError(f"no column {name!r} in data; it has {', '.join(map(str, data))}")
    cells = data[[subject, within]]
    for name in (subject, within):
        if cells[name].isna().any():
            raise ValueError(f"column {name!r} has an empty cell; name every row's {name}")
    double = cells[cells.duplicated()].drop_duplicates()
    if not double.empty:
        raise ValueError(f"duplicated ({subject}, {within}) cells: {_name_cells(double)}")
    values = pd.to_numeric(data[dv], errors="coerce").astype("float64")
    finite = data[np.isfinite(values)]
    wanted = pd.MultiIndex.from_product([sorted(cells[subject].unique()), cells[within].unique()])
    have = pd.MultiIndex.from_frame(finite[[subject, within]])
    holes = wanted[~wanted.isin(have)].to_frame()
    if not holes.empty:
        raise ValueError(
            f"{dv} is missing or not finite in the ({subject}, {within}) cells "
            f"{_name_cells(holes)}; complete them or leave those subjects out"
        )
    frame = finite.assign(**{dv: values[finite.index]})
    table = frame.pivot(index=subject, columns=within, values=dv).to_numpy(dtype=np.float64)
    n, k = table.shape
    if n < 2 or k < 2:
        raise ValueError(
            f"rm_anova needs at least 2 subjects and 2 levels, got {n} {subject}(s) and "
            f"{k} {within}(s)"
        )
    return np.asarray(table, dtype=np.float64)


def sums_of_squares(table: FloatArray) -> SumsOfSquares:
    """Partition of (n, k), by centring and not by subtraction of large sums."""
    n, k = table.shape
    grand = table.mean()
    level = table.mean(axis=0) - grand  # (k,)
    person = table.mean(axis=1) - grand  # (n,)
    residual = table - grand - level - person[:, None]
    error = float((residual**2).sum())
    rounding = n * k * (64 * np.finfo(np.float64).eps * float(np.abs(table).max())) ** 2
    if error <= rounding:
        raise ValueError(
            "the subjects' profiles are parallel: the error sum of squares is zero and F has no "
            "value (are the seeds copies of one run?)"
        )
    return SumsOfSquares(n * float(level @ level), k * float(person @ person), error, residual)


def greenhouse_geisser(residual: FloatArray) -> float:
    """Epsilon from the doubly centred values (n, k); 1 with two levels."""
    n, k = residual.shape
    if k == 2:
        return 1.0
    # tr(S) and tr(S^2) of S = R'R / (n - 1), through the smaller R R' (n, n)
    trace = float((residual**2).sum())
    trace_of_square = float(((residual @ residual.T) ** 2).sum())
    eps = trace**2 / ((k - 1) * trace_of_square)
    return float(np.clip(eps, 1 / (k - 1), min(k - 1, n - 1) / (k - 1)))


def huynh_feldt(eps: float, n: int, k: int) -> float:
    """The less biased, less stable epsilon; at most 1."""
    d = k - 1
    if d == 1:
        return 1.0
    denominator = d * (n - 1 - d * eps)
    # eps at its bound (n - 1) / d leaves nothing to divide by: the estimate runs off to 1
    return 1.0 if denominator <= 0 else min(1.0, (n * d * eps - 2) / denominator)


def mauchly(table: FloatArray) -> tuple[float, float, str]:
    """(W, p, words) of Mauchly's test; NaN, NaN and the reason where it is not defined."""
    n, k = table.shape
    d = k - 1
    if d == 1:
        return np.nan, np.nan, "not applicable: two levels have a single difference"
    if n - 1 < d:
        reason = (
            f"undefined: {n} subjects give the covariance of {d} contrasts rank {n - 1} at most "
            f"(n - 1 = {n - 1} < k - 1 = {d})"
        )
        return np.nan, np.nan, reason
    contrasts = np.linalg.svd(np.ones((1, k)))[2][1:]  # (d, k), orthonormal, each summing to 0
    m = contrasts @ np.cov(table, rowvar=False) @ contrasts.T
    sign, log_det = np.linalg.slogdet(m)
    if sign <= 0:
        return np.nan, np.nan, "undefined: the covariance of the contrasts is singular"
    log_w = float(log_det - d * np.log(np.trace(m) / d))
    df = n - 1
    rho = 1 - (2 * d**2 + d + 2) / (6 * d * df)
    # Anderson (2003, section 10.7) has d for the k in the last factor. R's mauchly.test has k, and
    # pingouin follows it; so do we, for p-values (alike in two digits) that agree with theirs.
    second = (d + 2) * (d - 1) * (d - 2) * (2 * d**3 + 6 * d**2 + 3 * k + 2)
    weight = second / (288 * (df * d * rho) ** 2)
    chi2, chi2_ddof = -df * rho * log_w, d * (d + 1) / 2 - 1
    tail = float(special.chdtrc(chi2_ddof, chi2))
    p = min(1.0, tail + weight * (float(special.chdtrc(chi2_ddof + 4, chi2)) - tail))
    w = float(np.exp(log_w))
    return w, p, f"Mauchly W = {w:.3f}, p = {p:.3f}"


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
    table = wide_table(data, dv, within, subject)
    centred = table - table.mean(axis=1, keepdims=True)
    n = len(centred)
    if n <= MAX_EXACT_SUBJECTS:
        # the first sign is fixed: a pattern and its negative give the same statistic
        signs = np.array([(1, *rest) for rest in itertools.product((1, -1), repeat=n - 1)])
    else:
        drawn = np.random.default_rng(0).choice((1, -1), size=(RANDOM_FLIPS, n))
        signs = np.vstack([np.ones((1, n), dtype=drawn.dtype), drawn])
    statistic = ((signs @ centred) ** 2).sum(axis=1)
    observed = statistic[0]
    return float((statistic >= observed * (1 - 1e-12)).mean())


def _name_cells(cells: pd.DataFrame, most: int = 8) -> str:
    names = [f"({a}, {b})" for a, b in cells.to_numpy().tolist()]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
