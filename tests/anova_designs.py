"""Random designs, pingouin's answers, and the definitions that rm_anova is held against.

Each `check_` takes the function to be judged, so that the mutation tests can hand in a wrong one.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

CLOSE = 1e-10


def two_way_frame(values):
    """(n, a, b) as rows in random order, with text levels that do not sort as they were drawn."""
    n, a, b = values.shape
    s, i, j = np.indices(values.shape).reshape(3, -1)
    names_a, names_b = [f"A{7 * x % 11}" for x in range(a)], [f"{5 * x % 13}" for x in range(b)]
    frame = pd.DataFrame(
        {
            "seed": s,
            "condition": [names_a[x] for x in i],
            "interval": [names_b[x] for x in j],
            "loss": values.ravel(),
        }
    )
    return frame.sample(frac=1, random_state=n)


def mixed_frame(table, groups):
    n, k = table.shape
    return pd.DataFrame(
        {
            "seed": np.repeat([f"s{i}" for i in range(n)], k),
            "interval": np.tile(np.arange(k)[::-1], n),
            "group": np.repeat([f"g{g}" for g in groups], k),
            "loss": table.ravel(),
        }
    )


def random_two_way(n, a, b, seed=0):
    """Correlated errors with unequal variances, effects, and a subject effect."""
    rng = np.random.default_rng([seed, n, a, b])
    noise = rng.standard_normal((n, a * b)) @ rng.standard_normal((a * b, a * b))
    effects = rng.standard_normal(a)[:, None] + rng.standard_normal((a, b))
    return 3 + 2 * rng.standard_normal((n, 1, 1)) + effects + noise.reshape(n, a, b)


def random_mixed(sizes, k, seed=0):
    rng = np.random.default_rng([seed, k, *sizes])
    groups = np.repeat(np.arange(len(sizes)), sizes)
    noise = rng.standard_normal((len(groups), k)) @ rng.standard_normal((k, k))
    effects = rng.standard_normal((len(sizes), k)) + rng.standard_normal((len(sizes), 1))
    return noise + 2 * rng.standard_normal((len(groups), 1)) + effects[groups], groups


def pingouin_table(function, frame, **names):
    """All of pingouin's columns, with both effect sizes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # imports of its own, and log(0) of a singular matrix
        import pingouin

        run = getattr(pingouin, function)
        tables = [
            run(data=frame, dv="loss", subject="seed", effsize=size, **names)
            for size in ("ng2", "np2")
        ]
    return tables[0].assign(np2=tables[1]["np2"])


def contrasts(*levels):
    """Orthonormal contrasts (d, cells) by QR of random ones: not those of the package."""
    rng = np.random.default_rng(levels)
    found = np.ones((1, 1))
    for k in levels:
        start = np.column_stack([np.ones(k), rng.standard_normal((k, k - 1))])
        found = np.kron(found, np.linalg.qr(start)[0].T[1:])
    return found


def epsilons_by_definition(scores, v):
    """Greenhouse-Geisser, Huynh-Feldt-Lecoutre from centred contrast scores (n, d)."""
    d = scores.shape[1]
    m = scores.T @ scores / v
    t2, q = np.trace(m) ** 2, np.trace(m @ m)
    if d == 1:
        return 1.0, 1.0
    # unbiased estimates (up to one factor) of tr^2 and of the trace of the square, Wishart, v d.f.
    above, below = (v + 1) * t2 - 2 * q, d * (v * q - t2)
    # with v = d or fewer a single direction may carry it all, and the denominator vanishes
    return t2 / (d * q), min(1.0, above / below) if below > 1e-9 * q else 1.0


def check_row(row, effect_ss, error_ss, subject_ss, all_errors, ddofs, scores):
    """One row of rm_anova against definitions; `scores` (n, d) centred, None for groups."""
    ddof1, ddof2, v = ddofs
    f = (effect_ss / ddof1) / (error_ss / ddof2)
    near = {"rel": CLOSE, "abs": 1e-13}
    assert (row["ddof1"], row["ddof2"]) == (ddof1, ddof2)
    assert row["SS"] == pytest.approx(effect_ss, rel=CLOSE, abs=1e-11 * all_errors)
    assert row["F"] == pytest.approx(f, rel=CLOSE, abs=1e-11)
    assert row["p_unc"] == pytest.approx(scipy_stats.f.sf(f, ddof1, ddof2), **near)
    assert row["np2"] == pytest.approx(effect_ss / (effect_ss + error_ss), **near)
    assert row["ng2"] == pytest.approx(effect_ss / (effect_ss + subject_ss + all_errors), **near)
    own = 0 if scores is None else error_ss
    omega = (effect_ss - ddof1 * error_ss / ddof2) / (effect_ss + own + subject_ss * (1 + 1 / v))
    assert row["omega_p2"] == pytest.approx(omega, rel=CLOSE, abs=1e-11)
    if scores is None:
        assert np.isnan(row["eps"])
        assert np.isnan(row["p_GG_corr"])
        return
    d = scores.shape[1]
    gg, hf = epsilons_by_definition(scores, v)
    for eps, name, p in (
        (gg, "eps", "p_GG_corr"),
        (hf, "eps_HF", "p_HF_corr"),
        (1 / d, "eps_lower_bound", "p_LB"),
    ):
        assert row[name] == pytest.approx(eps, rel=1e-8 if name == "eps_HF" else CLOSE), name
        tail = scipy_stats.f.sf(f, row[name] * ddof1, row[name] * ddof2)
        assert row[p] == pytest.approx(tail, **near), p


def check_one_way(rm_anova, table):
    """By regression on dummies and by contrasts."""
    n, k = table.shape
    frame = pd.DataFrame(
        {
            "seed": np.repeat(np.arange(n), k),
            "interval": np.tile(range(k), n),
            "loss": table.ravel(),
        }
    )
    out = rm_anova(frame, "loss", "interval", "seed")
    z = table @ contrasts(k).T
    error = ((z - z.mean(axis=0)) ** 2).sum()
    subject = k * table.mean(axis=1).var() * n
    ddofs = (k - 1, (k - 1) * (n - 1), n - 1)
    check_row(
        out.iloc[0],
        n * (z.mean(axis=0) ** 2).sum(),
        error,
        subject,
        error,
        ddofs,
        z - z.mean(axis=0),
    )
    assert out["SS"][1] == pytest.approx(error, rel=CLOSE)


def check_two_way(rm_anova, values):
    """Each effect as the sum over its orthonormal contrasts."""
    n, a, b = values.shape
    out = rm_anova(two_way_frame(values), "loss", ["condition", "interval"], "seed")
    assert list(out["Source"]) == [
        "condition",
        "interval",
        "condition * interval",
        "Subject",
        "Error (condition)",
        "Error (interval)",
        "Error (condition * interval)",
    ]
    flat = values.reshape(n, a * b)
    mean_a, mean_b = np.full((1, a), a**-0.5), np.full((1, b), b**-0.5)
    sets = (np.kron(contrasts(a), mean_b), np.kron(mean_a, contrasts(b)), contrasts(a, b))
    scores = [flat @ c.T for c in sets]
    errors = [((z - z.mean(axis=0)) ** 2).sum() for z in scores]
    subject = a * b * n * flat.mean(axis=1).var()
    for i, z in enumerate(scores):
        d = z.shape[1]
        check_row(
            out.iloc[i],
            n * (z.mean(axis=0) ** 2).sum(),
            errors[i],
            subject,
            sum(errors),
            (d, d * (n - 1), n - 1),
            z - z.mean(axis=0),
        )
        assert out["SS"][4 + i] == pytest.approx(errors[i], rel=CLOSE)
        assert out["ddof1"][4 + i] == d * (n - 1)
    assert out["SS"].sum() == pytest.approx(((flat - flat.mean()) ** 2).sum(), rel=CLOSE)
    assert out["ddof1"].sum() == n * a * b - 1
    return out


def check_mixed(rm_anova, table, groups, ss_type=None):
    """Groups by one-way ANOVA of the means; the rest by regression of contrast scores on groups."""
    n, k = table.shape
    frame = mixed_frame(table, groups)
    out = rm_anova(frame, "loss", "interval", "seed", "group", ss_type=ss_type)
    assert list(out["Source"]) == [
        "group",
        "interval",
        "Interaction",
        "Error (group)",
        "Error (interval)",
    ]
    g = groups.max() + 1
    means, z = table.mean(axis=1), table @ contrasts(k).T
    # effect coding: the intercept is the unweighted mean of the groups
    coding = np.where(groups[:, None] == g - 1, -1.0, groups[:, None] == np.arange(g - 1))
    one, full = np.ones((n, 1)), np.column_stack([np.ones(n), coding])

    def left(x, y):
        return float(((y - x @ np.linalg.lstsq(x, y, rcond=None)[0]) ** 2).sum())

    subject, error = k * left(full, means), left(full, z)
    between = k * left(one, means) - subject
    apart = left(one, z) - error
    level = left(coding, z) - error if ss_type == 3 else float((z**2).sum()) - left(one, z)
    centred = z - full @ np.linalg.lstsq(full, z, rcond=None)[0]
    d, v = k - 1, n - g
    rows = (
        (between, subject, (g - 1, v, v), None),
        (level, error, (d, d * v, v), centred),
        (apart, error, (d * (g - 1), d * v, v), centred),
    )
    for i, (ss, own_error, ddofs, scores) in enumerate(rows):
        check_row(out.iloc[i], ss, own_error, subject, error, ddofs, scores)
    assert tuple(out["ddof1"][3:]) == (v, d * v)
    if ss_type != 3:
        assert out["SS"].sum() == pytest.approx(((table - table.mean()) ** 2).sum(), rel=CLOSE)
    return out
