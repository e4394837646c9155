"""Settings: presets, JSON both ways, conditions, and a refusal for everything that cannot work."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re

import pytest

from tinyllama_np import (
    Condition,
    ConfigError,
    CorpusConfig,
    ModelConfig,
    StudyConfig,
    TrainConfig,
    parameter_count,
    preset,
)
from tinyllama_np.presets import PRESETS


def through_json(values):
    return json.loads(json.dumps(values))


# ----------------------------------------------------------------------------------------- presets


@pytest.mark.parametrize("name", PRESETS)
def test_presets_hold_together(name):
    study = preset(name)
    assert study.preset == name
    assert study == preset(name)
    assert study.train.sequence_length <= study.model.max_position_embeddings
    steps = [study.train.interval_step(i) for i in range(study.train.intervals)]
    assert steps[0] == 0
    assert steps[-1] == study.train.steps
    assert all(a < b for a, b in itertools.pairwise(steps))


def test_paper_preset_is_the_published_study():
    study = preset("paper")
    assert parameter_count(study.model) == 4_262_144
    assert study.train.steps == 4883  # ceil(20e6 / 4096)
    assert study.train.tokens_per_step == 4096
    assert study.train.train_tokens == 600_000
    assert len(study.seeds) == 6
    assert study.train.intervals == 21
    assert study.model == ModelConfig()  # the defaults are the paper's
    assert dataclasses.replace(study.train, train_tokens=None) == TrainConfig()


def test_unknown_preset():
    with pytest.raises(ConfigError, match="preset='big' must be one of smoke, quick, paper"):
        preset("big")


# --------------------------------------------------------------------------------- derived numbers


def test_derived_sizes_of_the_model():
    config = ModelConfig(num_key_value_heads=2)
    assert config.head_size == 64
    assert config.kv_size == 128
    # By hand: q, o: D D; k, v: K E D; three of D F; the head V D, tied or not.
    layer = 2 * 256 * 256 + 2 * 128 * 256 + 3 * 256 * 704
    assert config.matmul_weights == 4 * layer + 4096 * 256
    untied = dataclasses.replace(config, tie_word_embeddings=False)
    assert untied.matmul_weights == config.matmul_weights
    flops = config.training_flops_per_token(100)
    assert flops == 6 * config.matmul_weights + 6 * 4 * 100 * 256


def test_steps_and_intervals():
    train = TrainConfig(budget_tokens=1000, batch_size=3, sequence_length=7, intervals=5)
    assert train.tokens_per_step == 21
    assert train.steps == 48  # 47.6 rounded up
    assert [train.interval_step(i) for i in range(5)] == [0, 12, 24, 36, 48]
    uneven = dataclasses.replace(train, intervals=11)
    wanted = [math.ceil(i * 48 / 10) for i in range(11)]
    assert [uneven.interval_step(i) for i in range(11)] == wanted


# -------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("name", PRESETS)
def test_study_survives_json(name):
    study = preset(name)
    again = StudyConfig.from_dict(through_json(study.to_dict()))
    assert again == study
    assert again.sha256 == study.sha256


def test_study_with_every_kind_of_setting_survives_json():
    study = dataclasses.replace(
        preset("smoke"),
        seeds=(5, 1),
        conditions=(
            Condition("baseline"),
            Condition("fresh", {"train_tokens": 5000, "sample_prompts": ("a", "b")}),
            Condition("wide-1.5", {"hidden_size": 48, "tie_word_embeddings": False}),
        ),
        corpus=CorpusConfig(files=(("a.txt", "00ff"), ("b.txt", "11")), valid_files=(("c", "2"),)),
    )
    again = StudyConfig.from_dict(through_json(study.to_dict()))
    assert again == study
    assert again.conditions[1].overrides["sample_prompts"] == ("a", "b")
    assert again.corpus.files == (("a.txt", "00ff"), ("b.txt", "11"))


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(hidden_size=96, rope_theta=5e5, tie_word_embeddings=False),
        TrainConfig(train_tokens=1000, schedule="wsd", sample_prompts=(), init_seed=7),
        CorpusConfig(files=(("a", "b"),), valid_fraction=0.25),
    ],
    ids=["model", "train", "corpus"],
)
def test_parts_survive_json_and_refuse_unknown_names(config):
    values = through_json(config.to_dict())
    assert type(config).from_dict(values) == config
    with pytest.raises(ConfigError, match="has no setting n_embd; known: "):
        type(config).from_dict({**values, "n_embd": 3})


def test_hash_depends_on_every_setting_and_on_nothing_else():
    study = preset("smoke")
    changed = [
        dataclasses.replace(study, seeds=(0, 1)),
        dataclasses.replace(study, conditions=(Condition("other"),)),
        dataclasses.replace(study, conditions=(Condition("baseline", {"beta1": 0.8}),)),
        dataclasses.replace(study, corpus=CorpusConfig(synthetic_stories=201)),
        dataclasses.replace(study, model=dataclasses.replace(study.model, rope_theta=1e3)),
        dataclasses.replace(study, train=dataclasses.replace(study.train, learning_rate=2e-3)),
    ]
    assert len({study.sha256, *(other.sha256 for other in changed)}) == 1 + len(changed)
    same = dataclasses.replace(
        study,
        model=dataclasses.replace(study.model, rope_theta=10000),  # an integer
    )
    assert same.sha256 == study.sha256


# --------------------------------------------------------------------------------------- conditions


def test_condition_overrides_model_and_training_settings():
    model, train = ModelConfig(), TrainConfig()
    condition = Condition("wide", {"hidden_size": 512, "learning_rate": 1e-4, "train_tokens": None})
    wide, slow = condition.apply(model, train)
    assert wide == dataclasses.replace(model, hidden_size=512)
    assert slow == dataclasses.replace(train, learning_rate=1e-4)
    assert Condition("baseline").apply(model, train) == (model, train)


def test_run_config_sets_the_seed():
    study = dataclasses.replace(
        preset("smoke"), conditions=(Condition("slow", {"learning_rate": 1e-4}),)
    )
    model, train = study.run_config(study.conditions[0], 2)
    assert model == study.model
    assert train == dataclasses.replace(study.train, learning_rate=1e-4, seed=2)


def test_configurations_are_frozen():
    for config, name in (
        (ModelConfig(), "hidden_size"),
        (TrainConfig(), "seed"),
        (preset("smoke"), "seeds"),
    ):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(config, name, 1)


# ----------------------------------------------------------------------------------------- refusals


def refuses(make, *parts):
    """A ConfigError of one line that holds every part."""
    with pytest.raises(ConfigError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"hidden_size": 250}, ["num_attention_heads=4", "hidden_size=250"]),
        ({"num_key_value_heads": 3}, ["num_key_value_heads=3", "num_attention_heads=4"]),
        ({"num_key_value_heads": 8}, ["num_key_value_heads=8", "num_attention_heads=4"]),
        ({"hidden_size": 12}, ["hidden_size=12", "num_attention_heads=4", "odd head size 3"]),
        ({"vocab_size": 2**24 + 1}, ["vocab_size=16777217", "16777216"]),
        ({"vocab_size": 1}, ["vocab_size=1", "at least 2"]),
        *(
            ({name: 0}, [f"{name}=0", "at least 1"])
            for name in (
                "hidden_size",
                "intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "num_key_value_heads",
                "max_position_embeddings",
            )
        ),
        *(
            ({name: value}, [f"{name}={value}", "must be positive"])
            for name in ("rms_norm_eps", "rope_theta", "initializer_range")
            for value in (0.0, -1.5)
        ),
        ({"rope_theta": math.nan}, ["rope_theta=nan", "finite"]),
        ({"rope_theta": math.inf}, ["rope_theta=inf", "finite"]),
        ({"hidden_size": 256.0}, ["hidden_size=256.0", "type int"]),
        ({"hidden_size": True}, ["hidden_size=True", "type int"]),
        ({"hidden_size": None}, ["hidden_size=None", "type int"]),
        ({"rope_theta": "1e4"}, ["rope_theta='1e4'", "type float"]),
        ({"tie_word_embeddings": 1}, ["tie_word_embeddings=1", "type bool"]),
    ],
    ids=str,
)
def test_models_that_cannot_be(changes, parts):
    refuses(lambda: ModelConfig(**changes), *parts)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        *(
            ({name: 0}, [f"{name}=0", "at least 1"])
            for name in (
                "budget_tokens",
                "batch_size",
                "sequence_length",
                "valid_tokens",
                "micro_batch_size",
                "gradient_lanes",
                "train_tokens",
            )
        ),
        *(
            ({name: -1}, [f"{name}=-1", "at least 0"])
            for name in ("warmup_steps", "sample_tokens", "seed", "init_seed", "data_seed")
        ),
        *(
            ({name: value}, [f"{name}={value}", "must be positive"])
            for name in ("learning_rate", "adam_epsilon", "max_grad_norm")
            for value in (0.0, -1.0)
        ),
        ({"intervals": 1}, ["intervals=1", "at least 2"]),
        ({"beta1": 1.0}, ["beta1=1.0", "[0.0, 1.0)"]),
        ({"beta2": -0.1}, ["beta2=-0.1", "[0.0, 1.0)"]),
        ({"min_learning_rate_ratio": 1.1}, ["min_learning_rate_ratio=1.1", "[0.0, 1.0]"]),
        ({"decay_fraction": -0.1}, ["decay_fraction=-0.1", "[0.0, 1.0]"]),
        ({"weight_decay": -0.1}, ["weight_decay=-0.1 must be at least 0"]),
        ({"sample_temperature": -1.0}, ["sample_temperature=-1.0 must be at least 0"]),
        ({"divergence_retries": 21}, ["divergence_retries=21", "at most 20"]),
        ({"gradient_lanes": 17}, ["gradient_lanes=17", "at most 16", "batch_size=16"]),
        (
            {"gradient_lanes": 9, "micro_batch_size": 2},
            ["gradient_lanes=9", "at most 8", "micro-batches"],
        ),
        ({"sample_prompts": ("a", "\udcff")}, ["sample_prompts='\\udcff'", "UTF-8"]),
        ({"schedule": "step"}, ["schedule='step'", "constant, cosine, linear, wsd"]),
        ({"backend": "torch"}, ["backend='torch'", "numba, numpy"]),
        ({"budget_tokens": 4095}, ["budget_tokens=4095", "4096"]),
        ({"budget_tokens": 40_960}, ["intervals=21", "budget_tokens=40960", "gives 10"]),
        ({"train_tokens": 256}, ["train_tokens=256", "sequence_length=256"]),
        ({"learning_rate": math.nan}, ["learning_rate=nan", "finite"]),
        ({"weight_decay": math.inf}, ["weight_decay=inf", "finite"]),
        ({"batch_size": "16"}, ["batch_size='16'", "type int"]),
        ({"train_tokens": 1e6}, ["train_tokens=1000000.0", "type int"]),
        ({"schedule": 3}, ["schedule=3", "type str"]),
        ({"sample_prompts": "Once"}, ["sample_prompts='Once'", "tuple of texts"]),
        ({"sample_prompts": ("a", 1)}, ["sample_prompts=('a', 1)", "tuple of texts"]),
    ],
    ids=str,
)
def test_training_that_cannot_be(changes, parts):
    refuses(lambda: TrainConfig(**changes), *parts)


def test_limits_are_allowed():
    ModelConfig(vocab_size=2**24)
    ModelConfig(vocab_size=2, hidden_size=2, num_attention_heads=1, num_key_value_heads=1)
    TrainConfig(
        budget_tokens=4096,
        intervals=2,
        train_tokens=257,
        beta1=0.0,
        beta2=0.0,
        min_learning_rate_ratio=0.0,
        decay_fraction=1.0,
        weight_decay=0.0,
        warmup_steps=0,
        sample_tokens=0,
        sample_prompts=(),
    )


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", ".hidden", "a\n"])
def test_condition_names_that_cannot_name_a_folder(name):
    refuses(lambda: Condition(name), repr(name))


@pytest.mark.parametrize("name", ["vocab_size", "seed"])
def test_conditions_do_not_set_what_a_study_shares(name):
    refuses(lambda: Condition("a", {name: 3}), "'a'", name)


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ({"lr": 1e-3}, ["'fast'", "'lr'", "learning_rate"]),
        ({"learning_rate": "high"}, ["learning_rate='high'"]),
        ({"num_attention_heads": 5}, ["num_attention_heads=5", "hidden_size=32"]),
        ({"sequence_length": 33}, ["sequence_length=33", "max_position_embeddings=32"]),
    ],
    ids=str,
)
def test_conditions_that_cannot_run_are_refused_by_the_study(overrides, parts):
    study = preset("smoke")
    refuses(lambda: dataclasses.replace(study, conditions=(Condition("fast", overrides),)), *parts)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"seeds": ()}, ["at least one seed"]),
        ({"seeds": (0, -1)}, ["seeds=[0, -1]"]),
        ({"seeds": (2, 1, 2)}, ["seeds=[2, 1, 2]"]),
        ({"conditions": ()}, ["conditions []"]),
        ({"conditions": (Condition("a"), Condition("a"))}, ["conditions ['a', 'a']"]),
    ],
    ids=str,
)
def test_studies_that_cannot_be(changes, parts):
    refuses(lambda: dataclasses.replace(preset("smoke"), **changes), *parts)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"synthetic_stories": 1}, "synthetic_stories=1"),
        ({"synthetic_seed": -1}, "synthetic_seed=-1"),
        ({"valid_fraction": 0.0}, "valid_fraction=0.0"),
        ({"valid_fraction": 1.0}, "valid_fraction=1.0"),
    ],
    ids=str,
)
def test_corpora_that_cannot_be(changes, part):
    refuses(lambda: CorpusConfig(**changes), part)


def test_the_order_in_which_seeds_are_named_makes_no_other_study():
    study = dataclasses.replace(preset("smoke"), seeds=(10, 0, 9))
    assert study.seeds == (0, 9, 10)
    same = dataclasses.replace(study, seeds=(9, 10, 0))
    assert (same, same.sha256) == (study, study.sha256)


def test_every_setting_has_a_help_text():
    """The command line shows them."""
    for cls in (ModelConfig, TrainConfig):
        for field in dataclasses.fields(cls):
            assert re.search(r"\w{3}", field.metadata["help"]), field.name
