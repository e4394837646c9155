"""The figures in docs/notation.md and docs/study_design.md follow from the code."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from tinyllama_np import init_params, loss_and_grads, parameter_count, preset
from tinyllama_np.config import ModelConfig
from tinyllama_np.corpus.batches import windows_per_epoch
from tinyllama_np.parameters import layer_tensor_name, parameter_shapes

DOCS = Path(__file__).parents[1] / "docs"
STUDY = preset("paper")
MODEL, TRAIN = STUDY.model, STUDY.train


def page(name: str) -> str:
    """The page with its lines joined, so that a wrapped phrase is found."""
    return " ".join((DOCS / name).read_text(encoding="utf-8").split())


def table_rows(name: str) -> list[list[str]]:
    lines = (DOCS / name).read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in lines if row[:1] == "|"]


def test_tensor_table_lists_every_weight_with_its_shape_and_in_order() -> None:
    printed = [
        (row[0].strip("`"), row[2]) for row in table_rows("notation.md") if ".weight" in row[0]
    ]
    shapes = parameter_shapes(ModelConfig(num_hidden_layers=1, tie_word_embeddings=False))
    computed = [
        (name.replace("layers.0.", "layers.i."), " x ".join(map(str, shape)))
        for name, shape in shapes.items()
    ]
    computed[-1] = (computed[-1][0], "absent")  # the preset is tied
    assert "lm_head.weight" not in parameter_shapes(MODEL)
    assert printed == computed
    assert layer_tensor_name(0, "mlp.up_proj").replace(".0.", ".i.") in dict(printed)


def test_shape_letters_have_the_values_of_the_preset() -> None:
    printed = {row[0]: (row[2], row[3]) for row in table_rows("notation.md") if len(row[0]) == 1}
    for settings, value in printed.values():
        if settings:
            name = settings.strip("`")
            owner = MODEL if hasattr(MODEL, name) else TRAIN
            assert getattr(owner, name) == int(value.replace(",", "")), name
    assert printed["G"][1] == str(MODEL.num_attention_heads // MODEL.num_key_value_heads)


def test_counts_of_the_flat_buffer() -> None:
    sizes = {name: math.prod(shape) for name, shape in parameter_shapes(MODEL).items()}
    a_layer = sum(size for name, size in sizes.items() if ".layers.0." in name)
    text = page("notation.md")
    for count in (a_layer, sizes["model.embed_tokens.weight"], parameter_count(MODEL)):
        assert f" {count:,}" in text


def test_steps_intervals_and_epochs() -> None:
    text = page("study_design.md")
    first = [f"{TRAIN.interval_step(i):,}" for i in range(5)]
    assert f"{TRAIN.steps:,} steps" in text
    assert f"after {', '.join(first)}, … {TRAIN.interval_step(20):,}." in text
    assert f"Interval 4 is at {TRAIN.interval_step(4) * TRAIN.tokens_per_step:,} tokens" in text
    total = TRAIN.steps * TRAIN.tokens_per_step
    assert f"last checkpoint at {total:,}" in text
    assert TRAIN.train_tokens is not None
    assert f"repeats {total / TRAIN.train_tokens:.1f} times" in text
    windows = windows_per_epoch(TRAIN.train_tokens, TRAIN.sequence_length)
    left = TRAIN.train_tokens - windows * TRAIN.sequence_length
    assert f"W = {windows:,}." in text
    assert f"U - W T = {left} tokens" in text
    assert f"{TRAIN.valid_tokens // TRAIN.sequence_length} windows" in text


def test_cost() -> None:
    flops = MODEL.training_flops_per_token(TRAIN.sequence_length)
    total = flops * TRAIN.steps * TRAIN.tokens_per_step
    text = page("study_design.md")
    assert f"costs {flops / 1e6:.1f} MFLOP a token" in text
    assert f"a seed {total / 1e12:.0f} TFLOP" in text


def test_preset_table_is_the_preset() -> None:
    checked = 0
    for row in table_rows("study_design.md"):
        names = [name for name in row[0].replace("`", "").split(", ") if name.isidentifier()]
        owners = [MODEL if hasattr(MODEL, name) else TRAIN for name in names]
        if not row[0].startswith("`") or len(row) != 3 or not hasattr(owners[0], names[0]):
            continue
        values = row[1].split(", ")
        for owner, name, value in zip(owners, names, values, strict=True):
            setting = getattr(owner, name)
            plain = value.replace(",", "")
            same = plain == str(setting).lower() or (
                not isinstance(setting, str | bool) and float(plain) == setting
            )
            assert same, f"{name}: printed {value}, preset {setting}"
            checked += 1
    assert checked == 21


def test_only_powers_of_two_that_stop_at_the_published_count() -> None:
    stops = {2**k: math.ceil(20_000_000 / 2**k) * 2**k for k in range(6, 17)}
    assert [size for size, end in stops.items() if end == 20_000_768] == [1024, 2048, 4096]
    assert "only 1024, 2048 and 4096 tokens a step stop at 20,000,768" in page("study_design.md")


def test_only_shape_of_the_published_size() -> None:
    hits = [
        config
        for hidden_size in range(64, 2049, 64)
        for layers in range(1, 13)
        for tied in (True, False)
        for config in [
            ModelConfig(
                hidden_size=hidden_size,
                intermediate_size=64 * math.ceil(8 * hidden_size / 3 / 64),
                num_hidden_layers=layers,
                num_attention_heads=hidden_size // 64,
                num_key_value_heads=hidden_size // 64,
                tie_word_embeddings=tied,
            )
        ]
        if round(parameter_count(config) / 1e6, 2) == 4.26
    ]
    assert hits == [MODEL]
    other = ModelConfig(vocab_size=2048, tie_word_embeddings=False)
    assert parameter_count(other) == parameter_count(MODEL) == 4_262_144


@pytest.mark.slow
def test_loss_at_the_start() -> None:
    tokens = np.random.default_rng(0).integers(0, MODEL.vocab_size, (2, 257))
    losses = [
        loss_and_grads(init_params(MODEL, seed), tokens[:, :-1], tokens[:, 1:], MODEL, "numpy")[0]
        for seed in range(3)
    ]
    first, second, third = (f"{loss:.3f}" for loss in losses)
    text = page("study_design.md")
    assert f"seeds 0, 1 and 2 start at {first}, {second} and {third}" in text
    variance = MODEL.hidden_size * MODEL.initializer_range**2
    assert f"about D · 0.02² = {variance:.2f}" in text
    assert f"added to the mean loss: {math.log(MODEL.vocab_size) + variance / 2:.2f}." in text


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("attention.md", f"{16 * 4 * 256 * 4:,} bytes instead of {16 * 4 * 256 * 256 * 4:,}"),
        ("cross_entropy.md", f"{16 * 256 * 4096:,} a step of the paper preset"),
        ("cross_entropy.md", f"{256 * 4096 * 4 // 2**20} MiB for one sequence"),
        ("cross_entropy.md", f"{math.log(4096):.4f} for V = 4096"),
        ("rope.md", f"needs {2 * math.pi * 10000 ** (62 / 64):,.0f} positions"),
        ("rmsnorm.md", f"bounds r, at {1 / math.sqrt(1e-5):.0f}"),
        ("rmsnorm.md", f"{100 * (1 - math.sqrt(4e-4 / 4.1e-4)):.1f} % of r"),
        ("cross_entropy.md", f"z = {math.log(np.finfo(np.float32).max):.1f}"),
        ("swiglu.md", f"g = -{math.log(np.finfo(np.float32).max):.1f}"),
    ],
)
def test_figures_in_the_text_of_the_op_pages(name: str, phrase: str) -> None:
    assert phrase in page(f"ops/{name}")


def test_dip_of_silu() -> None:
    g = np.linspace(-3, 0, 300_001)
    silu = g / (1 + np.exp(-g))
    lowest = silu.argmin()
    assert f"is {silu[lowest]:.4f}, at g = {g[lowest]:.4f}" in page("ops/swiglu.md")


def test_decay_over_the_run() -> None:
    ramp = [min(1.0, (step + 1) / TRAIN.warmup_steps) for step in range(TRAIN.steps)]
    rate = TRAIN.learning_rate * TRAIN.weight_decay
    kept = math.exp(sum(math.log1p(-rate * share) for share in ramp))
    assert f"1 - 5e-5 a step, {kept:.3f} over the whole run" in page("ops/adamw.md")


def test_calibration_table_has_its_turn_in_bold() -> None:
    """The bold cell of each row of the first table is its lowest value."""
    rows = [r for r in table_rows("study_design.md") if r[0] in ("650,000", "550,000")][:2]
    assert len(rows) == 2
    for row in rows:
        losses = [float(cell.strip("*").split(" ")[0].strip("*")) for cell in row[1:]]
        bold = next(i for i, cell in enumerate(row[1:]) if "**" in cell)
        assert losses[bold] == min(losses)
        assert all(after <= before for before, after in pairwise(losses[: bold + 1]))
