"""The stopping rules: plain functions of a trajectory, and one frozen class that names them.

A rule at interval t sees intervals 0..t and nothing later. Shapes: `loss` and `train` are (..., K),
interval on the last axis.

The rules are those of Prechelt (1998), "Early Stopping - But When?", in Neural Networks: Tricks of
the Trade, Springer (LNCS 1524), and the patience of today's libraries. One difference: his PQ and
UP look only at the ends of strips of k epochs; here every interval is such an end, the strip of PQ
being the last k intervals. With his thresholds a rule may so stop earlier than his.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stats.measures import best_so_far

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class StoppingRule:
    """One rule at one threshold.

    Attributes
    ----------
    kind : "GL", "PQ", "UP", "patience" or "never"
    threshold : float
        alpha of GL and PQ: stop where their value exceeds it. s of UP, p of patience: whole
        numbers of intervals, stop where they are reached. "never" has none.
    strip : int
        k of PQ: intervals over which training progress is measured.
    """

    kind: str
    threshold: float = np.nan
    strip: int = 5

    def __post_init__(self) -> None:
        if self.kind not in ("GL", "PQ", "UP", "patience", "never"):
            raise ValueError(f"kind={self.kind!r} must be GL, PQ, UP, patience or never")
        if self.kind in ("GL", "PQ") and not (np.isfinite(self.threshold) and self.threshold >= 0):
            raise ValueError(f"{self.kind} threshold={self.threshold} must be 0 or a number above")
        counts = self.kind in ("UP", "patience")
        if counts and not (self.threshold >= 1 and float(self.threshold).is_integer()):
            raise ValueError(f"{self.kind} threshold={self.threshold} must be a whole number >= 1")
        if self.strip < 2 or int(self.strip) != self.strip:
            raise ValueError(f"strip={self.strip} must be a whole number of at least 2 intervals")

    @property
    def label(self) -> str:
        """As in `GL(2)`, `PQ(0.5, 5)`, `UP(3)`, `patience(2)`, `never`."""
        if self.kind == "never":
            return self.kind
        strip = f", {self.strip}" if self.kind == "PQ" else ""
        return f"{self.kind}({self.threshold:g}{strip})"

    def fires(self, loss: FloatArray, train: FloatArray | None = None) -> NDArray[np.bool_]:
        """Where in trajectories (..., K) the rule says stop."""
        if self.kind == "never":
            return np.zeros(loss.shape, dtype=bool)
        if self.kind == "GL":
            return generalization_loss(loss) > self.threshold
        if self.kind == "PQ":
            if train is None:
                raise ValueError("PQ needs the training loss, and none was given")
            return progress_quotient(loss, train, self.strip) > self.threshold  # NaN: False
        count = rises_in_a_row(loss) if self.kind == "UP" else intervals_without_best(loss)
        return np.asarray(count >= self.threshold)

    def first_stop(self, loss: FloatArray, train: FloatArray | None = None) -> int | None:
        """Position in a trajectory (K,) at which the rule stops; None if it never does."""
        fires = self.fires(loss, train)
        return int(fires.argmax()) if fires.any() else None


# Prechelt's fourteen; patience, "never" and the small alphas of PQ are ours. Between two intervals
# the training loss may fall by a tenth; P is then 100 to 300 per mille, and a loss some per cent
# above its best never exceeds his alphas.
DEFAULT_RULES = (
    *(StoppingRule("GL", alpha) for alpha in (1, 2, 3, 5)),
    *(StoppingRule("PQ", alpha) for alpha in (0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 0.75, 1, 2, 3)),
    *(StoppingRule("UP", s) for s in (2, 3, 4, 6, 8)),
    *(StoppingRule("patience", p) for p in (1, 2, 3, 5)),
    StoppingRule("never"),
)


def generalization_loss(loss: FloatArray) -> FloatArray:
    """GL_t = 100 (L_t / min_(s<=t) L_s - 1), percent above the best so far; (..., K)."""
    return 100 * (loss / best_so_far(loss) - 1)


def training_progress(train: FloatArray, strip: int) -> FloatArray:
    """P_k = 1000 (sum of the strip / (k min of the strip) - 1), per mille; (..., K).

    How much the training loss averaged over the last k intervals stands above its least: large
    while training moves, near 0 when it has stalled. The first value of a trajectory belongs to no
    strip (nothing was trained before it), so the first k results are NaN.
    """
    out = np.full(train.shape, np.nan)
    if train.shape[-1] > strip:
        strips = np.lib.stride_tricks.sliding_window_view(train[..., 1:], strip, axis=-1)
        progress = 1000 * (strips.mean(axis=-1) / strips.min(axis=-1) - 1)
        out[..., strip:] = np.maximum(progress, 0)  # a mean of equals may round below them
    return out


def progress_quotient(loss: FloatArray, train: FloatArray, strip: int) -> FloatArray:
    """PQ_t = GL_t / P_k(t); (..., K). 0 at a new best, infinite where nothing progresses."""
    gl, progress = generalization_loss(loss), training_progress(train, strip)
    out = np.where(np.isnan(progress), np.nan, np.where(gl > 0, np.inf, 0.0))
    np.divide(gl, progress, out=out, where=progress > 0)
    return out


def rises_in_a_row(loss: FloatArray) -> NDArray[np.intp]:
    """How many rises in succession end at each interval; (..., K). Equal is no rise."""
    count = np.zeros(loss.shape, dtype=np.intp)
    for t in range(1, loss.shape[-1]):
        count[..., t] = np.where(loss[..., t] > loss[..., t - 1], count[..., t - 1] + 1, 0)
    return count


def intervals_without_best(loss: FloatArray) -> NDArray[np.intp]:
    """Intervals since the best so far; (..., K). Equalling it is no new best."""
    position = np.arange(loss.shape[-1])
    is_best = np.ones(loss.shape, dtype=bool)
    is_best[..., 1:] = loss[..., 1:] < best_so_far(loss)[..., :-1]
    return position - np.maximum.accumulate(np.where(is_best, position, 0), axis=-1)
