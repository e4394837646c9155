"""The ready-made studies: `smoke` for a first sign of life, `quick` to see it all, `paper`."""

from __future__ import annotations

from tinyllama_np.config import ConfigError, CorpusConfig, ModelConfig, StudyConfig, TrainConfig


def _smoke() -> StudyConfig:
    """Seconds: shows that everything runs, and nothing about learning."""
    return StudyConfig(
        preset="smoke",
        model=ModelConfig(
            vocab_size=320,
            hidden_size=32,
            intermediate_size=88,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=32,
        ),
        train=TrainConfig(
            budget_tokens=10_240,
            batch_size=8,
            sequence_length=32,
            train_tokens=4_000,
            valid_tokens=1_024,
            intervals=6,
            learning_rate=3e-3,
            warmup_steps=4,
            sample_tokens=12,
        ),
        seeds=(0, 1, 2),
        corpus=CorpusConfig(synthetic_stories=200),
    )


def _quick() -> StudyConfig:
    """Minutes: six seeds whose validation loss falls, turns and rises."""
    return StudyConfig(
        preset="quick",
        model=ModelConfig(
            vocab_size=1024,
            hidden_size=64,
            intermediate_size=176,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
        ),
        train=TrainConfig(
            budget_tokens=600_000,
            batch_size=8,
            sequence_length=64,
            train_tokens=20_000,
            valid_tokens=8_192,
            learning_rate=3e-3,
            warmup_steps=30,
        ),
        corpus=CorpusConfig(synthetic_stories=3000),
    )


def _paper() -> StudyConfig:
    """The published study: 4,262,144 parameters, 4,883 steps of 4,096 tokens, six seeds.

    Shape, batch and the 600,000 unique tokens are our deduction; see docs/study_design.md.
    """
    return StudyConfig(
        preset="paper",
        model=ModelConfig(),
        train=TrainConfig(train_tokens=600_000),
        corpus=CorpusConfig(synthetic_stories=12_000),
    )


PRESETS = {"smoke": _smoke, "quick": _quick, "paper": _paper}


def preset(name: str) -> StudyConfig:
    """The study of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset={name!r} must be one of {', '.join(PRESETS)}")
    return PRESETS[name]()
