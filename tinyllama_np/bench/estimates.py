"""Models to measure by name, and how long a study takes at a given speed."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from tinyllama_np.config import ConfigError, ModelConfig, StudyConfig, TrainConfig
from tinyllama_np.presets import preset

PAPER = "paper"
TOKENS_PER_STEP = 4096


def _tiny_stories(
    hidden: int, layers: int, heads: int, intermediate: int, context: int, vocab: int = 32000
) -> ModelConfig:
    return ModelConfig(
        vocab_size=vocab,
        hidden_size=hidden,
        intermediate_size=intermediate,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=context,
    )


# The paper's model, a smaller one, and the TinyStories models of llama2.c
# (https://github.com/karpathy/llama2.c), all with a tied head.
SHAPES = {
    PAPER: ModelConfig(),
    "1M": _tiny_stories(128, 4, 4, 352, 256, vocab=2048),
    "15M": _tiny_stories(288, 6, 6, 768, 256),
    "42M": _tiny_stories(512, 8, 8, 1376, 1024),
    "110M": _tiny_stories(768, 12, 12, 2048, 1024),
}


def bench_shape(name: str) -> tuple[ModelConfig, TrainConfig]:
    """A model of SHAPES and its training: 4,096 tokens a step in sequences of its full context.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in SHAPES:
        raise ConfigError(f"--model {name!r} must be one of {', '.join(SHAPES)}")
    model, time = SHAPES[name], SHAPES[name].max_position_embeddings
    train = TrainConfig(batch_size=TOKENS_PER_STEP // time, sequence_length=time)
    return model, train


@dataclass(frozen=True)
class Estimate:
    """How long a preset's study takes."""

    preset: str
    runs: int
    tokens_per_run: int  # trained on
    measured_per_run: int  # tokens of all measurements together
    train_tokens_per_second: float  # of one run
    validation_tokens_per_second: float
    at_once: int  # runs at the same time
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values by name."""
        return dataclasses.asdict(self)


def estimate_study(
    study: StudyConfig,
    *,
    train_speed: float,
    validation_speed: float,
    jobs: int,
    threads: int,
    cores: int,
) -> Estimate:
    """The time of a study's training and measuring, from the speeds of one run in tokens/s.

    The tokenizer's training, the sample texts and the report are left out.

    Parameters
    ----------
    study : StudyConfig
    train_speed, validation_speed : float
        Tokens/s of one run on `threads` threads, alone on the machine.
    jobs, threads : int
        Runs at the same time, and the threads of each.
    cores : int
    """
    runs = len(study.seeds) * len(study.conditions)
    t = study.train
    trained = t.steps * t.tokens_per_step
    # validation and training sample, each in whole windows
    measured = 2 * t.intervals * (t.valid_tokens // t.sequence_length * t.sequence_length)
    seconds_per_run = trained / train_speed + measured / validation_speed
    return Estimate(
        preset=study.preset,
        runs=runs,
        tokens_per_run=trained,
        measured_per_run=measured,
        train_tokens_per_second=train_speed,
        validation_tokens_per_second=validation_speed,
        at_once=min(jobs, runs),
        seconds=study_seconds(seconds_per_run, runs, jobs, threads, cores),
    )


def study_seconds(seconds_per_run: float, runs: int, jobs: int, threads: int, cores: int) -> float:
    """Seconds of `runs` equal runs, `jobs` at a time on `threads` threads each.

    Runs go in rounds; the last round may have fewer. A round that asks for more threads than there
    are cores takes longer in proportion.
    """
    whole, last = divmod(runs, jobs)
    rounds = [jobs] * whole + [last] * (last > 0)
    return seconds_per_run * sum(max(1.0, at_once * threads / cores) for at_once in rounds)


def presets_to_measure() -> dict[str, StudyConfig]:
    """The presets whose models are small enough to be measured on the side."""
    return {name: preset(name) for name in ("smoke", "quick")}
