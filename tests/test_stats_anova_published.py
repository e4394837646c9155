"""rm_anova against printed results of published data, each with its source.

A number is compared to the digits that are printed. Fixtures are the published numbers themselves.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stats import rm_anova

FIXTURES = Path(__file__).parent / "fixtures"

# R, nlme::ergoStool: effort (Borg scale) of nine people to rise from four types of stool. Printed
# by Pinheiro and Bates, "Mixed-Effects Models in S and S-PLUS" (2000), section 1.2: for Type
# F(3, 24) = 22.3556, p < .0001, and the residual standard deviation 1.100295, root of MS_error.
ERGO_STOOL = [
    [12, 15, 12, 10], [10, 14, 13, 12], [7, 14, 13, 9], [7, 11, 10, 9], [8, 11, 8, 7],
    [9, 11, 11, 10], [8, 12, 12, 11], [7, 11, 8, 7], [9, 13, 10, 8],
]  # fmt: skip

# R, datasets::sleep: hours of extra sleep of ten patients under two drugs (Student, 1908). Printed
# by R's example of the paired t.test: t = -4.0621, df = 9, p-value = 0.002833.
SLEEP = [
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
]


def rows_of(table):
    n, k = np.shape(table)
    return pd.DataFrame(
        {"s": np.repeat(range(n), k), "level": np.tile(range(k), n), "y": np.ravel(table)}
    )


def printed(column, values, digits):
    """The column's first values are those printed with so many digits after the point."""
    found = column.iloc[: len(values)].to_numpy(dtype=np.float64)
    half = 0.5000001 * 10.0**-digits
    np.testing.assert_allclose(found, values, rtol=0, atol=half, err_msg=str(column.name))


def pingouin_data(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its imports
        from pingouin import read_dataset

        return read_dataset(name)


def test_ergo_stool():
    out = rm_anova(rows_of(ERGO_STOOL), "y", "level", "s")
    assert tuple(out.loc[0, ["ddof1", "ddof2"]]) == (3, 24)
    printed(out["F"], [22.3556], 4)
    assert out["p_unc"][0] < 0.0001
    printed(out["MS"].iloc[1:] ** 0.5, [1.100295], 6)


def test_students_sleep():
    out = rm_anova(rows_of(np.transpose(SLEEP)), "y", "level", "s")
    printed(out["F"] ** 0.5, [4.0621], 4)
    printed(out["p_unc"], [0.002833], 6)
    assert out["ddof2"][0] == 9


def test_partial_omega_squared_of_the_textbook_example():
    """Field (the bushtucker data of test_stats_anova): omega squared = .24 by his formula."""
    from test_stats_anova import BUSHTUCKER

    out = rm_anova(rows_of(BUSHTUCKER), "y", "level", "s")
    n, k = BUSHTUCKER.shape
    ms, ms_error = out["MS"]
    ms_subject = k * BUSHTUCKER.mean(axis=1).var(ddof=1)
    effect = (k - 1) / (n * k) * (ms - ms_error)
    by_field = effect / (ms_error + (ms_subject - ms_error) / k + effect)
    assert out["omega_p2"][0] == pytest.approx(by_field, rel=1e-12)
    printed(out["omega_p2"], [0.24], 2)


def test_maxwell_and_delaney_two_way():
    """Table 12.1 of "Designing Experiments and Analyzing Data" (2004, p. 574): 10 x 2 x 3.

    Reaction times in ms to a letter, alone or among others (noise), at three angles. Sums of
    squares and F are the book's Tables 12.5 and 12.6 (p. 578), as R's afex has them in its tests;
    ges is printed by afex; GGe, p[GG], W and its p by R's ez on these data, HFe there being 1.218
    and 1.118, which are clipped at 1 here.
    """
    data = pd.read_csv(FIXTURES / "maxwell_delaney_table_12_1.csv")
    out = rm_anova(data, "reaction_time", ["angle", "noise"], "subject")
    assert list(out["Source"][:3]) == ["angle", "noise", "angle * noise"]
    printed(out["SS"], [289920, 285660, 105120, 292140, 64080, 76140, 20880], 6)
    assert list(out["ddof1"]) == [2, 1, 2, 9, 18, 9, 18]
    printed(out["F"], [40.7191, 33.7660, 45.3103], 4)
    printed(out["p_unc"] * 1e7, [2.09, 2559.74, 0.942], 2)
    printed(out["ng2"], [0.39, 0.39, 0.19], 2)
    printed(out["np2"], [0.819, 0.790, 0.834], 3)
    printed(out["eps"], [0.962, 1, 0.904], 3)
    printed(out["ddof1_GG"], [1.92, 1, 1.81], 2)
    printed(out["ddof2_GG"], [17.31, 9, 16.27], 2)
    printed(out["p_GG_corr"] * 1e7, [3.40, 2559.74, 3.45], 2)
    printed(out["W_spher"].drop(1), [0.960, 0.894], 3)
    printed(out["p_spher"].drop(1), [0.850, 0.638], 3)
    assert list(out["eps_HF"][:3]) == [1, 1, 1]


def test_potthoff_and_roy_groups_of_unequal_size():
    """Biometrika 51 (1964): a jaw distance in mm, 11 girls and 16 boys at ages 8 to 14.

    SAS PROC GLM, REPEATED, type III: sex F = 9.29, p = .0054; age F = 35.35; age x sex F = 2.36,
    p = .0781; Greenhouse-Geisser epsilon .8672.
    """
    data = pd.read_csv(FIXTURES / "potthoff_roy.csv")
    out = rm_anova(data, "distance", "age", "child", "sex", ss_type=3)
    assert list(out["ddof1"]) == [1, 3, 3, 25, 75]
    printed(out["F"], [9.29, 35.35, 2.36], 2)
    printed(out["p_unc"].drop(1), [0.0054, 0.0781], 4)
    printed(out["eps"].iloc[1:], [0.8672, 0.8672], 4)


@pytest.mark.skipif(find_spec("statsmodels") is None, reason="statsmodels is not installed")
def test_data_of_statsmodels():
    """statsmodels' test data; its tests print F and p of R's ez::ezANOVA."""
    import statsmodels

    path = Path(statsmodels.__file__).parent / "stats/tests/results/anova-rm-test-data.csv"
    if not path.exists():
        pytest.skip("this build of statsmodels comes without its test data")
    data = pd.read_csv(path)
    one = rm_anova(data.iloc[:16], "DV", "B", "id")
    printed(one["F"], [22.4], 5)
    printed(one["p_unc"], [0.002125452], 9)
    two = rm_anova(data.iloc[:48], "DV", ["A", "B"], "id")
    printed(two["F"], [40.14159, 29.21739, 17.10545], 5)
    printed(two["p_unc"], [3.905263e-04, 1.007549e-05, 1.741322e-04], 9)
    assert list(two["ddof2"][:3]) == [7, 14, 14]


def test_jamovi_one_way():
    """pingouin's "rm_anova_wide", complete subjects; printed by jamovi (pingouin's tests)."""
    wide = pingouin_data("rm_anova_wide").dropna()
    out = rm_anova(rows_of(wide.to_numpy()), "y", "level", "s")
    wanted = {
        "F": 5.20065,
        "p_unc": 0.00656,
        "ng2": 0.34639,
        "eps": 0.69433,
        "np2": 0.39397,
        "W_spher": 0.30678,
        "p_GG_corr": 0.01670,
    }
    for name, value in wanted.items():
        printed(out[name], [value], 5)


def test_jamovi_two_way():
    """real-statistics.com, employees at two times in three areas; by jamovi (pingouin's tests)."""
    data = pingouin_data("rm_anova2")
    out = rm_anova(data, "Performance", ["Time", "Metric"], "Subject")
    printed(out["MS"], [828.81667, 682.61667, 112.21667], 5)
    printed(out["F"], [33.85228, 26.95919, 12.63227], 5)
    printed(out["ng2"], [0.25401, 0.35933, 0.08442], 5)
    printed(out["np2"], [0.78998, 0.74972, 0.58395], 5)
    printed(out["eps"], [1.0, 0.96910, 0.72717], 5)
    printed(out["W_spher"].iloc[1:], [0.96812, 0.6248], 5)
    printed(out["p_spher"].iloc[1:], [0.87844, 0.15239], 5)


def test_afex_mixed():
    """pingouin's "mixed_anova"; values of JASP and R's afex::aov_ez (pingouin's tests)."""
    data = pingouin_data("mixed_anova")
    out = rm_anova(data, "Scores", "Time", "Subject", "Group")
    printed(out["SS"], [5.45996, 7.62843, 5.16719], 5)
    assert list(out["ddof2"][:3]) == [58, 116, 116]
    printed(out["F"], [5.05171, 4.02739, 2.72800], 5)
    printed(out["np2"], [0.08012, 0.06493, 0.04492], 5)
    printed(out["ng2"], [0.03067, 0.04234, 0.02908], 5)
    printed(out["eps"].iloc[1:], [0.99812, 0.99812], 5)
    printed(out["W_spher"].iloc[1:], [0.99812, 0.99812], 5)
    printed(out["p_spher"].iloc[1:], [0.94769, 0.94769], 5)
    printed(out["p_GG_corr"].iloc[1:], [0.02044, 0.06966], 5)


def test_jasp_mixed_with_groups_of_unequal_size():
    """pingouin's "mixed_anova_unbalanced"; values of JASP, type II, and afex (pingouin's tests)."""
    data = pingouin_data("mixed_anova_unbalanced")
    complete = data.groupby("Subject")["Scores"].transform(lambda scores: scores.notna().all())
    out = rm_anova(data[complete], "Scores", "Time", "Subject", "Group", ss_type=2)
    assert list(out["ddof2"][:3]) == [23, 69, 69]
    printed(out["F"], [2.3026, 1.7071, 0.8877], 4)
    printed(out["p_unc"], [0.1226, 0.1736, 0.5088], 4)
    printed(out["np2"], [0.1668, 0.0691, 0.0717], 4)
    printed(out["ng2"], [0.0371, 0.0566, 0.0587], 4)
    printed(out["eps"].iloc[1:], [0.9254, 0.9254], 4)
    printed(out["W_spher"].iloc[1:], [0.8850, 0.8850], 4)
    printed(out["p_GG_corr"].iloc[1:], [0.1779, 0.5031], 4)
