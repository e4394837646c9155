"""Studies that never ran: trajectories with a known truth, to see what a test makes of them.

Shapes: M studies, S seeds, K intervals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
INNOVATIONS = ("normal", "t3", "exponential")


def ar1_studies(
    rng: np.random.Generator,
    studies: int,
    seeds: int,
    intervals: int,
    rho: float,
    *,
    seed_sd: float = 1.0,
    innovations: str = "normal",
    interval_sd: ArrayLike = 1.0,
) -> FloatArray:
    """Studies without any effect of the interval, errors autocorrelated within a seed.

    y_si = seed_s + sd_i e_si with e_s0 = z_s0 and e_si = rho e_s(i-1) + sqrt(1 - rho²) z_si, the
    innovations z independent with mean 0 and variance 1; so e has variance 1 at every interval and
    neighbours correlate by rho.

    Parameters
    ----------
    rng : Generator
    studies, seeds, intervals : int
    rho : float
        Autocorrelation, in (-1, 1).
    seed_sd : float
        SD of the seeds' own levels; tests on differences within a seed do not see it.
    innovations : "normal", "t3" or "exponential"
        Distribution of z: normal, Student's t with 3 degrees of freedom (heavy tails), or
        exponential less its mean (skewed), the last two scaled to variance 1.
    interval_sd : float or array of shape (K,)
        sd_i, the SD of the errors at each interval.

    Returns
    -------
    ndarray of shape (M, S, K)
    """
    if not -1 < rho < 1:
        raise ValueError(f"rho={rho} must lie between -1 and 1, both excluded")
    sd = np.asarray(interval_sd, dtype=np.float64)
    if sd.shape not in ((), (intervals,)) or not (sd > 0).all():
        raise ValueError(
            f"interval_sd={sd.tolist()} must be one positive SD, or one for each of the "
            f"{intervals} intervals"
        )
    out = _innovations(rng, (studies, seeds, intervals), innovations)
    for i in range(1, intervals):
        out[..., i] = rho * out[..., i - 1] + np.sqrt(1 - rho**2) * out[..., i]
    return sd * out + seed_sd * rng.standard_normal((studies, seeds, 1))


def random_walk_studies(
    rng: np.random.Generator, studies: int, seeds: int, intervals: int
) -> FloatArray:
    """Studies of shape (M, S, K) whose seeds walk at random: autocorrelation 1.

    y_s0 ~ N(0, 1) and y_si = y_s(i-1) + N(0, 1). The variance grows with the interval, so no
    interval's is the error's; the mean of the walks is the same, 0, at every interval.
    """
    steps = rng.standard_normal((studies, seeds, intervals))
    return np.cumsum(steps, axis=2)


def u_shape(intervals: int, size: float) -> FloatArray:
    """A mean trajectory of shape (K,) that falls from `size` to 0 halfway and rises back to it."""
    return size * np.linspace(-1, 1, intervals) ** 2


def _innovations(rng: np.random.Generator, shape: tuple[int, ...], kind: str) -> FloatArray:
    """Independent values of mean 0 and variance 1."""
    if kind == "normal":
        return rng.standard_normal(shape)
    if kind == "t3":
        return rng.standard_t(3, shape) / 3**0.5  # its variance is 3 / (3 - 2)
    if kind == "exponential":
        return rng.standard_exponential(shape) - 1
    raise ValueError(f"innovations={kind!r} must be one of {', '.join(map(repr, INNOVATIONS))}")
