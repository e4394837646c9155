"""Every setting of a study: conditions, seeds and text, around the model and training of its runs.

All classes are frozen, as those of `run_config` are.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tinyllama_np.run_config import BACKENDS, MATMULS, SCHEDULES, ModelConfig, TrainConfig
from tinyllama_np.settings import (
    ConfigError,
    check_at_least,
    check_range,
    check_types,
    from_dict,
    plain,
)

__all__ = [
    "BACKENDS",
    "MATMULS",
    "SCHEDULES",
    "Condition",
    "ConfigError",
    "CorpusConfig",
    "ModelConfig",
    "StudyConfig",
    "TrainConfig",
    "apply_overrides",
]

MAX_RUNS = 10_000


@dataclass(frozen=True)
class Condition:
    """A named set of overrides of model and training settings."""

    name: str
    overrides: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or not all(c.isalnum() or c in "-_." for c in self.name):
            raise ConfigError(
                f"condition name {self.name!r} must consist of letters, digits, '-', '_' and '.'; "
                "it names a folder"
            )
        if self.name.startswith("."):
            raise ConfigError(f"condition name {self.name!r} must not begin with a dot")
        for name in ("vocab_size", "seed"):
            if name in self.overrides:
                raise ConfigError(
                    f"condition {self.name!r} sets {name}, which all runs of a study share; "
                    "make a second study for it"
                )

    def apply(self, model: ModelConfig, train: TrainConfig) -> tuple[ModelConfig, TrainConfig]:
        """The two configurations with this condition's overrides."""
        try:
            return apply_overrides(self.overrides, model, train)
        except ConfigError as error:
            raise ConfigError(f"condition {self.name!r}: {error}") from None


def apply_overrides(
    overrides: Mapping[str, Any], model: ModelConfig, train: TrainConfig
) -> tuple[ModelConfig, TrainConfig]:
    """`model` and `train` with some settings changed; each setting belongs to one of them."""
    of_model = {f.name for f in dataclasses.fields(ModelConfig)}
    of_train = {f.name for f in dataclasses.fields(TrainConfig)}
    for name in overrides:
        if name not in of_model | of_train:
            raise ConfigError(
                f"{name!r} is no setting of the model or the training; "
                f"known: {', '.join(sorted(of_model | of_train))}"
            )
    return (
        dataclasses.replace(model, **{n: v for n, v in overrides.items() if n in of_model}),
        dataclasses.replace(train, **{n: v for n, v in overrides.items() if n in of_train}),
    )


@dataclass(frozen=True)
class CorpusConfig:
    """The text of a study: files, known by base name and SHA-256, or the embedded stories.

    `files` and `valid_files` hold (base name, SHA-256) pairs. Without files the embedded
    generator writes `synthetic_stories` stories from `synthetic_seed`. Without `valid_files` the
    share `valid_fraction` of the stories is kept for validation. `text_field` is the field of JSON
    lines and the column of parquet files; with `deduplicate` only the first of equal stories stays.
    """

    files: tuple[tuple[str, str], ...] = ()
    valid_files: tuple[tuple[str, str], ...] = ()
    synthetic_stories: int = 4000
    synthetic_seed: int = 0
    valid_fraction: float = 0.1
    text_field: str = "text"
    deduplicate: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        check_at_least(self, "synthetic_stories", 2)
        check_at_least(self, "synthetic_seed", 0)
        check_range(self, "valid_fraction", 0.0, 1.0, open_below=True, open_above=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CorpusConfig:
        """The inverse of `to_dict`."""
        pairs = {n: tuple((a, b) for a, b in values.get(n, ())) for n in ("files", "valid_files")}
        return from_dict(cls, {**values, **pairs})


@dataclass(frozen=True)
class StudyConfig:
    """A study: every condition is trained with every seed on the same text.

    `seeds` are put in ascending order.
    """

    preset: str
    model: ModelConfig
    train: TrainConfig
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4, 5)
    conditions: tuple[Condition, ...] = (Condition("baseline"),)
    corpus: CorpusConfig = field(default_factory=CorpusConfig)

    def __post_init__(self) -> None:
        check_types(self)
        if not self.seeds:
            raise ConfigError("a study needs at least one seed")
        if not all(type(seed) is int and seed >= 0 for seed in self.seeds):
            raise ConfigError(f"seeds={list(self.seeds)} must be whole numbers of at least 0")
        if len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds={list(self.seeds)} must differ from each other")
        if len(self.seeds) * len(self.conditions) > MAX_RUNS:
            raise ConfigError(
                f"{len(self.conditions)} conditions x {len(self.seeds)} seeds are more than the "
                f"{MAX_RUNS} runs that a study can have"
            )
        # they name runs; with one order, the same runs are the same study
        object.__setattr__(self, "seeds", tuple(sorted(self.seeds)))
        names = [condition.name for condition in self.conditions]
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"conditions {names} must have different names, and be at least one")
        for condition in self.conditions:
            model, train = condition.apply(self.model, self.train)
            if train.sequence_length > model.max_position_embeddings:
                raise ConfigError(
                    f"sequence_length={train.sequence_length} exceeds max_position_embeddings="
                    f"{model.max_position_embeddings}; raise the latter"
                )

    def run_config(self, condition: Condition, seed: int) -> tuple[ModelConfig, TrainConfig]:
        """Model and training configuration of one run."""
        model, train = condition.apply(self.model, self.train)
        return model, dataclasses.replace(train, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "preset": self.preset,
            "model": self.model.to_dict(),
            "train": self.train.to_dict(),
            "seeds": list(self.seeds),
            "conditions": [
                {"name": c.name, "overrides": plain(c.overrides)} for c in self.conditions
            ],
            "corpus": self.corpus.to_dict(),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> StudyConfig:
        """The inverse of `to_dict`; missing and unknown names are refused."""
        known = {f.name for f in dataclasses.fields(cls)}
        if set(values) != known:
            raise ConfigError(
                f"a study's configuration has {', '.join(sorted(known))}; "
                f"got {', '.join(sorted(values))}"
            )
        conditions = []
        for entry in values["conditions"]:
            overrides = dict(entry["overrides"])
            if isinstance(overrides.get("sample_prompts"), list):
                overrides["sample_prompts"] = tuple(overrides["sample_prompts"])
            conditions.append(Condition(entry["name"], overrides))
        return cls(
            preset=values["preset"],
            model=ModelConfig.from_dict(values["model"]),
            train=TrainConfig.from_dict(values["train"]),
            seeds=tuple(values["seeds"]),
            conditions=tuple(conditions),
            corpus=CorpusConfig.from_dict(values["corpus"]),
        )

    @property
    def sha256(self) -> str:
        """Hash of every setting of the study."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()
