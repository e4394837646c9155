"""Studies that never ran: trajectories with a known truth, to see what a test makes of them.

Shapes: M studies, S seeds, K intervals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def ar1_studies(
    rng: np.random.Generator,
    studies: int,
    seeds: int,
    intervals: int,
    rho: float,
    *,
    seed_sd: float = 1.0,
) -> FloatArray:
    """Studies without any effect of the interval, errors autocorrelated within a seed.

    y_si = seed_s + e_si with e_s0 ~ N(0, 1) and e_si = rho e_s(i-1) + sqrt(1 - rho²) N(0, 1), so
    that every interval has variance 1 about its seed, and neighbours correlate by rho.

    Parameters
    ----------
    rng : Generator
    studies, seeds, intervals : int
    rho : float
        Autocorrelation, in (-1, 1).
    seed_sd : float
        SD of the seeds' own levels; tests on differences within a seed do not see it.

    Returns
    -------
    ndarray of shape (M, S, K)
    """
    if not -1 < rho < 1:
        raise ValueError(f"rho={rho} must lie between -1 and 1, both excluded")
    out = rng.standard_normal((studies, seeds, intervals))
    for i in range(1, intervals):
        out[..., i] = rho * out[..., i - 1] + np.sqrt(1 - rho**2) * out[..., i]
    return out + seed_sd * rng.standard_normal((studies, seeds, 1))
