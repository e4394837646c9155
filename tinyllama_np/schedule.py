"""The learning rate as a pure function of the step, so that a resumed run cannot drift."""

from __future__ import annotations

import math

from tinyllama_np.config import TrainConfig


def learning_rate(step: int, config: TrainConfig) -> float:
    """Rate of the update that completes `step` (1 for the first).

    A linear warm-up over `warmup_steps`, then by `schedule`: "constant"; "cosine" or "linear"
    down to `min_learning_rate_ratio` of the peak at the last step; "wsd" (warm-up, stable, decay:
    Hu et al. 2024, https://arxiv.org/abs/2404.06395), constant until the last `decay_fraction`
    of the steps and linear from there.
    """
    peak = config.learning_rate
    if step <= config.warmup_steps:
        return peak * step / config.warmup_steps
    first = config.warmup_steps
    if config.schedule == "wsd":
        first = max(first, config.steps - math.ceil(config.decay_fraction * config.steps))
    progress = min(1.0, max(0, step - first) / max(1, config.steps - first))
    low = config.min_learning_rate_ratio
    if config.schedule == "constant":
        return peak
    if config.schedule == "cosine":
        return peak * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * progress)))
    return peak * (1 - (1 - low) * progress)  # linear, and the decay of wsd
