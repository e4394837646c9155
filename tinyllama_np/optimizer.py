"""AdamW over the flat buffer: clipping by the global norm, decay on matrices only."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinyllama_np.config import ModelConfig, TrainConfig
from tinyllama_np.lanes import Lanes
from tinyllama_np.parameters import Parameters, parameter_shapes


class Optimizer:
    """The running means of AdamW and the update.

    Parameters
    ----------
    config : ModelConfig
    train : TrainConfig
        Gives the betas, epsilon, weight decay and the norm to clip at.
    dtype : dtype of the weights

    Attributes
    ----------
    m, v : Parameters
        Running means of the gradient and of its square, beginning at 0.
    """

    def __init__(
        self,
        config: ModelConfig,
        train: TrainConfig,
        dtype: np.dtype[Any] | type[Any] = np.float32,
    ) -> None:
        self.m = Parameters.zeros(config, dtype)
        self.v = Parameters.zeros(config, dtype)
        self._train = train
        self._segments = decay_segments(config)

    def gradient_norm(self, lanes: Lanes) -> float:
        """Euclidean norm of the whole gradient."""
        gradient = lanes.gradient.flat

        def squares(chunk: slice) -> float:
            return float(lanes.backend.sum_of_squares(gradient[chunk]))

        return math.sqrt(math.fsum(lanes.map_chunks(gradient.size, squares)))

    def update(
        self, weights: Parameters, lanes: Lanes, *, step: int, learning_rate: float, norm: float
    ) -> bool:
        """Change `weights` by the gradient in `lanes`; returns whether it was clipped.

        Parameters
        ----------
        step : int
            1 for the first update.
        norm : float
            The gradient's norm. A gradient longer than max_grad_norm is scaled to it: multiplied
            by max_grad_norm / (norm + 1e-6), as PyTorch does.
        """
        t = self._train
        scale = min(1.0, t.max_grad_norm / (norm + 1e-6))

        def change(chunk: slice) -> None:
            for segment, decays in self._segments:
                part = slice(max(chunk.start, segment.start), min(chunk.stop, segment.stop))
                if part.start < part.stop:
                    lanes.backend.adamw(
                        weights.flat[part],
                        lanes.gradient.flat[part],
                        self.m.flat[part],
                        self.v.flat[part],
                        learning_rate,
                        t.beta1,
                        t.beta2,
                        t.adam_epsilon,
                        t.weight_decay if decays else 0.0,
                        step,
                        scale,
                    )

        lanes.map_chunks(weights.flat.size, change)
        return scale < 1.0


def decay_segments(config: ModelConfig) -> list[tuple[slice, bool]]:
    """The flat buffer cut where weight decay begins or ends: matrices decay, gains do not."""
    segments: list[tuple[slice, bool]] = []
    offset = 0
    for shape in parameter_shapes(config).values():
        end, decays = offset + math.prod(shape), len(shape) == 2
        if segments and segments[-1][1] == decays:
            segments[-1] = (slice(segments[-1][0].start, end), decays)
        else:
            segments.append((slice(offset, end), decays))
        offset = end
    return segments
