"""Every measure of a trajectory, as a plain function of the validation loss.

Shapes: S seeds, K intervals. `loss` is (..., K), the mean validation loss in nats a token, interval
on the last axis; a result has the same shape. Where a measure is not defined (the first interval
has no predecessor, the first w - 1 have no full window) the value is NaN or False: these blanks
are structural, not missing data.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stats.cells import keys_of, lay_out

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class MeasureSettings:
    """The thresholds behind every verdict. None is published; all are ours to choose and vary.

    Attributes
    ----------
    volatility_window : int
        Intervals in the rolling window w.
    volatility_of : "levels" or "changes"
        SD of the last w losses, or of their last w changes.
    backslide_tolerance : float
        Nats a token by which the loss must rise to count.
    spike_ratio : float
        An interval spike is a rise by more than this fraction.
    step_spike_window, step_spike_sds : int, float
        A step spike exceeds the mean of this many steps before it by this many SD.
    stable_volatility : float
        Largest volatility of a stable interval, as a fraction of its loss.
    stable_run : int
        Stable intervals in a row that make a stable phase.
    gain_threshold : float
        Nats a token per million tokens below which returns have diminished.
    confidence : float
        Level of every interval.
    """

    volatility_window: int = 3
    volatility_of: str = "levels"
    backslide_tolerance: float = 0.0
    spike_ratio: float = 0.05
    step_spike_window: int = 128
    step_spike_sds: float = 6.0
    stable_volatility: float = 0.01
    stable_run: int = 3
    gain_threshold: float = 0.01
    confidence: float = 0.95

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "volatility_of":
                if value not in ("levels", "changes"):
                    raise ValueError(f"volatility_of={value!r} must be 'levels' or 'changes'")
                continue
            least = _SMALLEST[field.name]
            if not (np.isfinite(value) and value >= least):
                raise ValueError(f"{field.name}={value} must be a number of at least {least}")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence={self.confidence} must lie between 0 and 1, like 0.95")

    @property
    def first_volatility(self) -> int:
        """The first interval at which rolling volatility is defined."""
        return self.volatility_window - (self.volatility_of == "levels")


_SMALLEST: dict[str, float] = {
    "volatility_window": 2,
    "backslide_tolerance": 0.0,
    "spike_ratio": 0.0,
    "step_spike_window": 2,
    "step_spike_sds": 0.0,
    "stable_volatility": 0.0,
    "stable_run": 1,
    "gain_threshold": 0.0,
    "confidence": 0.0,
}


def change(loss: FloatArray) -> FloatArray:
    """L_i - L_(i-1); NaN at the first interval."""
    out = np.full(loss.shape, np.nan)
    out[..., 1:] = np.diff(loss, axis=-1)
    return out


def rolling_volatility(loss: FloatArray, window: int = 3, of: str = "levels") -> FloatArray:
    """Sample SD (divisor w - 1) of the last `window` losses, or of their last `window` changes.

    NaN before interval w - 1 ("levels") or w ("changes"): a structural blank.
    """
    values, first = (loss, window - 1) if of == "levels" else (np.diff(loss, axis=-1), window)
    out = np.full(loss.shape, np.nan)
    count = values.shape[-1] - window + 1
    if count > 0:
        # summed window by window: a reduction over an axis this short is ten times slower
        shifted = [values[..., i : i + count] for i in range(window)]
        mean = sum(shifted[1:], shifted[0]) / window
        squares = [(part - mean) ** 2 for part in shifted]
        out[..., first:] = np.sqrt(sum(squares[1:], squares[0]) / (window - 1))
    return out


def backslide(loss: FloatArray, tolerance: float = 0.0) -> BoolArray:
    """Whether the loss rose by more than `tolerance` nats since the interval before."""
    return np.asarray(change(loss) > tolerance, dtype=np.bool_)  # NaN compares False


def best_so_far(loss: FloatArray) -> FloatArray:
    """The lowest loss up to and including each interval."""
    return np.minimum.accumulate(loss, axis=-1)


def drawdown(loss: FloatArray) -> FloatArray:
    """How far the loss stands above the best so far; never negative."""
    return loss - best_so_far(loss)


def interval_spike(loss: FloatArray, ratio: float = 0.05) -> BoolArray:
    """Whether L_i > (1 + ratio) L_(i-1)."""
    out = np.zeros(loss.shape, dtype=bool)
    out[..., 1:] = loss[..., 1:] > (1 + ratio) * loss[..., :-1]
    return out


def step_spike(values: FloatArray, window: int = 128, sds: float = 6.0) -> BoolArray:
    """Whether a step's value exceeds mean + `sds` sample SD of the `window` steps before it.

    The rule by which OLMo-core skips an optimizer step; like there, at least half a window of
    history is wanted, so the first steps are never spikes.

    Parameters
    ----------
    values : ndarray of shape (N,)
        Training loss or gradient norm of every step of one run.
    """
    mean, sd = step_history(values, window)
    with np.errstate(invalid="ignore"):  # 0 SD of an infinite spread: no number, so no spike
        return np.asarray(values > mean + sds * sd, dtype=bool)


def step_history(values: FloatArray, window: int) -> tuple[FloatArray, FloatArray]:
    """Mean and sample SD (N,) of the `window` steps before each; NaN for less than half a window.

    A history with an infinite or missing value, as a run leaves that diverged, has no SD.
    """
    mean, sd = np.full(len(values), np.nan), np.full(len(values), np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        for step in range(max(2, window // 2), min(window, len(values))):
            history = values[:step]
            mean[step], sd[step] = history.mean(), history.std(ddof=1)
        if len(values) > window:
            windows = np.lib.stride_tricks.sliding_window_view(values[:-1], window)
            mean[window:], sd[window:] = windows.mean(axis=-1), windows.std(axis=-1, ddof=1)
    return mean, sd


def stable(
    loss: FloatArray, settings: MeasureSettings, volatility: FloatArray | None = None
) -> BoolArray:
    """Whether the window that ends here is quiet: small volatility, no backslide, no spike.

    A backslide or spike belongs to the interval it arrives at; those of the w intervals of the
    window count. `volatility` is that of `loss`, if it is known already.
    """
    window = settings.volatility_window
    if volatility is None:
        volatility = rolling_volatility(loss, window, settings.volatility_of)
    rise = backslide(loss, settings.backslide_tolerance) | interval_spike(
        loss, settings.spike_ratio
    )
    risen = np.cumsum(rise, axis=-1)
    before = np.zeros_like(risen)
    before[..., window:] = risen[..., :-window]
    quiet = (volatility < settings.stable_volatility * loss) & (risen == before)
    return np.asarray(quiet, dtype=bool)


def stable_phase(is_stable: BoolArray, run: int = 3) -> BoolArray:
    """Whether an interval lies in a run of at least `run` stable intervals."""
    out = np.zeros(is_stable.shape, dtype=bool)
    count = is_stable.shape[-1] - run + 1
    if count > 0:
        begins = np.ones_like(is_stable[..., :count])
        for i in range(run):
            begins &= is_stable[..., i : i + count]
        for i in range(run):
            out[..., i : i + count] |= begins
    return out


def marginal_gain(loss: FloatArray, cost: FloatArray) -> FloatArray:
    """Fall of the best loss so far per unit of `cost` spent between intervals; never negative.

    Parameters
    ----------
    loss : ndarray of shape (..., K)
    cost : ndarray of shape (..., K) or (K,)
        Cumulated cost at each interval: million tokens, PFLOP, CPU-hours.

    Returns
    -------
    ndarray of shape (..., K)
        NaN at the first interval, and where no cost was recorded.
    """
    spent = change(np.asarray(cost, dtype=np.float64))
    gain = -change(best_so_far(loss))
    out = np.full(np.broadcast_shapes(gain.shape, spent.shape), np.nan)
    np.divide(gain, spent, out=out, where=spent > 0)
    return out


def diminishing_interval(gain: FloatArray, threshold: float) -> tuple[int | None, int | None]:
    """Where marginal gain (K,) falls below `threshold`: for the first time, and for good.

    None where it never does (or not at the last interval).
    """
    below = gain < threshold
    first = int(below.argmax()) if below.any() else None
    above = np.flatnonzero(gain >= threshold)
    for_good = int(above[-1]) + 1 if above.size else first
    return first, (for_good if for_good is not None and for_good < len(gain) else None)


def best_interval(loss: FloatArray) -> NDArray[np.intp]:
    """Interval of the lowest loss (...,); the earliest of equals."""
    return np.asarray(loss.argmin(axis=-1))


def wide(frame: pd.DataFrame, column: str) -> FloatArray:
    """One condition's `column` as (S, K): a row a seed, a column an interval, both ascending."""
    ordered = in_order(frame)
    seeds = ordered["seed"].nunique()
    values = ordered[column].to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(values.reshape(seeds, -1), dtype=np.float64)


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of one condition by seed, then interval.

    Raises
    ------
    ValueError
        A (seed, interval) is doubled or missing, or an interval is no number.
    """
    keys = keys_of(
        frame, ["seed", "interval"], in_order="interval", remedy="; give one condition at a time"
    )
    missing, total = keys.missing()
    if total:
        raise ValueError(
            f"the frame lacks the {keys.label} cells {keys.named(missing, total)}; complete them "
            "or leave those seeds out"
        )
    if (np.diff(keys.flat) > 0).all():
        return frame
    return frame.iloc[np.argsort(keys.flat)]


def add_measures(
    frame: pd.DataFrame,
    settings: MeasureSettings,
    steps: dict[tuple[str, int], pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """The rows of intervals.csv with every derived measure: telemetry.csv.

    Parameters
    ----------
    frame : DataFrame
        As `stats.io.read_run_folder` gives it; rows of a condition in another order are sorted.
    settings : MeasureSettings
    steps : dict of (condition, seed) -> DataFrame, optional
        steps.csv of the runs, for the count of step spikes.

    Raises
    ------
    ValueError
        A cell is missing, doubled, or without a finite loss.
    """
    if not len(frame):
        raise ValueError("the frame has no rows")
    pieces = [
        _measures_of_condition(in_order(rows), str(condition), settings, steps or {})
        for condition, rows in frame.groupby("condition", sort=False)
    ]
    return pd.concat(pieces, ignore_index=True) if len(pieces) > 1 else pieces[0]


def _measures_of_condition(
    rows: pd.DataFrame,
    condition: str,
    settings: MeasureSettings,
    steps: dict[tuple[str, int], pd.DataFrame],
) -> pd.DataFrame:
    rows = rows.reset_index(drop=True)
    loss = lay_out(rows, "val_loss", keys_of(rows, ["seed", "interval"]))  # (S, K)
    tokens = np.asarray(rows["tokens_seen"], dtype=np.float64).reshape(loss.shape)
    flops = np.asarray(rows["flops"], dtype=np.float64).reshape(loss.shape)
    seeds = rows["seed"].to_numpy().reshape(loss.shape)[:, 0]
    ends = rows["step"].to_numpy().reshape(loss.shape)
    spikes = [
        _step_spikes_by_interval(own, settings, steps.get((condition, int(seed))))
        for seed, own in zip(seeds, ends, strict=True)
    ]
    rises = change(loss)
    slides = backslide(loss, settings.backslide_tolerance)
    is_stable = stable(loss, settings)
    with np.errstate(over="ignore"):  # a perplexity too large for a float is infinite, and refused
        perplexity = np.exp(rows["val_loss"])
    columns = {
        "change": rises,
        "volatility": rolling_volatility(loss, settings.volatility_window, settings.volatility_of),
        "backslide": slides,
        "backslide_size": np.where(slides, rises, np.nan),
        "best_so_far": best_so_far(loss),
        "drawdown": drawdown(loss),
        "interval_spike": interval_spike(loss, settings.spike_ratio),
        "step_spikes": np.stack(spikes),
        "stable": is_stable,
        "stable_phase": stable_phase(is_stable, settings.stable_run),
        "generalisation_gap": loss - np.reshape(rows["train_sample_loss"], loss.shape),
        "gain_per_million_tokens": marginal_gain(loss, tokens / 1e6),
        "gain_per_pflop": marginal_gain(loss, flops / 1e15),
    }
    return rows.assign(
        val_perplexity=rows["val_perplexity"].fillna(perplexity),
        **{name: values.ravel() for name, values in columns.items()},
    )


def _step_spikes_by_interval(
    ends: NDArray[np.int64], settings: MeasureSettings, steps: pd.DataFrame | None
) -> FloatArray:
    """Steps since the interval before that spiked in training loss or gradient norm.

    `ends` (K,) are the steps at which one run was measured.
    """
    counts = np.full(len(ends), np.nan)
    if steps is None or "step" not in steps.columns:
        return counts
    spiked = np.zeros(len(steps), dtype=bool)
    for name in ("train_loss", "grad_norm"):
        if name in steps.columns:
            values = np.asarray(steps[name], dtype=np.float64)
            spiked |= step_spike(values, settings.step_spike_window, settings.step_spike_sds)
    at = np.asarray(steps["step"])
    for i in range(1, len(ends)):
        counts[i] = np.count_nonzero(spiked & (at > ends[i - 1]) & (at <= ends[i]))
    return counts
