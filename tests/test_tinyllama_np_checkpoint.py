"""Checkpoints: every bit comes back, damage is noticed, and transformers reads the folder."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from safetensors import numpy as safetensors
from tiny_study import MODEL, TRAIN, CrashError, stories

from tinyllama_np import ModelConfig, checkpoint, forward
from tinyllama_np.checkpoint import (
    CheckpointError,
    checkpoint_folders,
    load_checkpoint,
    load_model,
    load_tokenizer,
    restore,
    save_checkpoint,
    whole_checkpoints,
)
from tinyllama_np.optimizer import Optimizer
from tinyllama_np.parameters import Parameters
from tokenizer import Tokenizer

FILES = {
    "model.safetensors",
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "optimizer.safetensors",
    "training_state.json",
    "manifest.json",
}
SHAPES = {
    "tied, grouped": {},
    "untied, grouped": {"tie_word_embeddings": False},
    "tied, not grouped": {"num_key_value_heads": 2},
    "untied, another base": {"tie_word_embeddings": False, "rope_theta": 500.0},
}


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(stories(), MODEL.vocab_size)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


def trained_state(config, seed=0):
    """Weights and moments in which no value is like another."""
    rng = np.random.default_rng(seed)
    weights, optimizer = Parameters.initial(config, seed), Optimizer(config, TRAIN)
    weights.flat[...] += 0.3 * rng.standard_normal(weights.flat.size, dtype=np.float32)
    optimizer.m.flat[...] = rng.standard_normal(weights.flat.size)
    optimizer.v.flat[...] = rng.random(weights.flat.size) * 1e-20
    optimizer.v.flat[:3] = [0.0, 1e-45, 3e38]
    return weights, optimizer


def save(folder, tokenizer, config=MODEL, seed=0, step=3):
    weights, optimizer = trained_state(config, seed)
    path = folder / f"step-{step:06d}"
    save_checkpoint(
        path,
        config=config,
        tokenizer=tokenizer,
        weights=weights,
        optimizer=optimizer,
        state={"step": step, "epoch": 0.1},
    )
    return path, weights, optimizer


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_every_bit_comes_back(tmp_path, tokenizer, shape):
    config = ModelConfig(**{**MODEL.to_dict(), **shape})
    path, weights, optimizer = save(tmp_path, tokenizer, config)
    found = load_checkpoint(path)
    assert found.config == config
    assert found.state == {"step": 3, "epoch": 0.1}
    new, new_optimizer = Parameters.zeros(config), Optimizer(config, TRAIN)
    restore(found, new, new_optimizer)
    assert new.flat.tobytes() == weights.flat.tobytes()
    assert new_optimizer.m.flat.tobytes() == optimizer.m.flat.tobytes()
    assert new_optimizer.v.flat.tobytes() == optimizer.v.flat.tobytes()
    assert Tokenizer.load(path / "tokenizer.json") == tokenizer


def test_the_same_state_gives_the_same_bytes(tmp_path, tokenizer):
    first, *_ = save(tmp_path / "a", tokenizer)
    second, *_ = save(tmp_path / "b", tokenizer)
    assert {p.name for p in first.iterdir()} == FILES
    for name in FILES:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_manifest_names_every_other_file(tmp_path, tokenizer):
    path, *_ = save(tmp_path, tokenizer)
    assert set(json.loads((path / "manifest.json").read_text())) == FILES - {"manifest.json"}


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 1.0])
def test_a_flipped_bit_is_noticed_and_the_older_checkpoint_taken(tmp_path, tokenizer, name, place):
    save(tmp_path, tokenizer, seed=1, step=3)
    newer, *_ = save(tmp_path, tokenizer, seed=2, step=10)
    data = bytearray((newer / name).read_bytes())
    data[round(place * (len(data) - 1))] ^= 0x04
    (newer / name).write_bytes(data)
    with pytest.raises(CheckpointError):
        load_checkpoint(newer)
    _, found = next(whole_checkpoints(tmp_path))
    assert found is not None
    assert found.state["step"] == 3


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", ["removed", "empty", "cut", "a folder"])
def test_a_damaged_file_is_noticed(tmp_path, tokenizer, name, damage):
    path, *_ = save(tmp_path, tokenizer)
    file = path / name
    data = file.read_bytes()
    file.unlink()
    if damage == "a folder":
        file.mkdir()
    elif damage != "removed":
        file.write_bytes(b"" if damage == "empty" else data[: len(data) // 2])
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert list(whole_checkpoints(tmp_path)) == []


def test_a_manifest_that_leaves_a_file_out_is_refused(tmp_path, tokenizer):
    path, *_ = save(tmp_path, tokenizer)
    (path / "manifest.json").write_text("{}\n")
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


@pytest.mark.parametrize("writes", range(9))
def test_a_crash_while_writing_leaves_the_older_checkpoint(
    tmp_path, tokenizer, monkeypatch, writes
):
    save(tmp_path, tokenizer, seed=1, step=3)
    real, count = checkpoint.write_file, 0

    def crash_after(*arguments):
        nonlocal count
        count += 1
        if count > writes:
            raise CrashError
        real(*arguments)

    def crash(*arguments):
        raise CrashError

    monkeypatch.setattr(checkpoint, "write_file", crash_after)
    if writes == 8:  # all files there, the folder not yet renamed
        monkeypatch.setattr(checkpoint, "publish_folder", crash)
    with pytest.raises(CrashError):
        save(tmp_path, tokenizer, seed=2, step=10)
    monkeypatch.undo()
    _, found = next(whole_checkpoints(tmp_path))
    assert found is not None
    assert found.state["step"] == 3
    path, weights, _ = save(tmp_path, tokenizer, seed=2, step=10)  # over what was left
    written = load_checkpoint(path).params
    assert all(np.array_equal(written[name], view) for name, view in weights.views.items())
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["step-000003", "step-000010"]


def test_checkpoints_are_ordered_by_step_and_other_folders_ignored(tmp_path):
    for name in ("step-999999", "step-1000000", "step-000002", "step-000002 copy", "step-", "x"):
        (tmp_path / name).mkdir()
    (tmp_path / "step-000007").write_text("a file")
    names = [path.name for path in checkpoint_folders(tmp_path)]
    assert names == ["step-000002", "step-999999", "step-1000000"]
    assert checkpoint_folders(tmp_path / "missing") == []
    assert list(whole_checkpoints(tmp_path / "missing")) == []


def test_no_file_holds_a_path_or_a_pickle(tmp_path, tokenizer):
    path, *_ = save(tmp_path, tokenizer)
    for file in path.iterdir():
        data = file.read_bytes()
        assert str(tmp_path).encode() not in data, file.name
        if file.suffix == ".json":
            text = data.decode("utf-8")
            assert "\r" not in text
            assert text.endswith("}\n")
            json.loads(text)
        else:  # a safetensors header: its length, then JSON
            assert file.suffix == ".safetensors"
            size = int.from_bytes(data[:8], "little")
            json.loads(data[8 : 8 + size])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "config.json").unlink(), "config.json"),
        (lambda path: (path / "config.json").write_text("{"), "config.json"),
        (lambda path: (path / "config.json").write_text("[]"), "config.json"),
        (lambda path: (path / "model.safetensors").unlink(), "model.safetensors"),
        (lambda path: (path / "model.safetensors").write_bytes(b""), "model.safetensors"),
        (lambda path: (path / "model.safetensors").write_bytes(b"\xff" * 99), "model.safetensors"),
    ],
)
def test_load_model_refuses_what_is_no_model_in_one_line(tmp_path, tokenizer, damage, message):
    path, *_ = save(tmp_path, tokenizer)
    damage(path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_what_is_generated_from_has_no_flipped_bit(tmp_path, tokenizer, name):
    """Every one of them still parses: only the manifest knows."""
    path, weights, _ = save(tmp_path, tokenizer)
    right = load_model(path)[1]
    assert all(np.array_equal(right[key], view) for key, view in weights.views.items())
    assert load_tokenizer(path) == tokenizer
    data = (path / name).read_bytes()
    changed = {
        "config.json": data.replace(b"10000.0", b"10001.0"),
        "model.safetensors": data[:-1] + bytes([data[-1] ^ 1]),
        "tokenizer.json": data + b" ",
    }[name]
    assert changed != data
    (path / name).write_bytes(changed)
    load = load_tokenizer if name == "tokenizer.json" else load_model
    with pytest.raises(CheckpointError, match=f"{name} has changed since it was written; use"):
        load(path)
    (path / "manifest.json").unlink()  # as in a folder of another program
    load(path)
    (path / "manifest.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"manifest\.json: it is not JSON"):
        load(path)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("spaces", range(3))
def test_the_weights_of_another_program_may_lie_anywhere(tmp_path, tokenizer, dtype, spaces):
    """Behind a header of any length."""
    path, weights, _ = save(tmp_path, tokenizer)
    (path / "manifest.json").unlink()
    data = safetensors.save({name: view.astype(dtype) for name, view in weights.views.items()})
    length = int.from_bytes(data[:8], "little")
    start = (length + spaces).to_bytes(8, "little") + data[8 : 8 + length] + b" " * spaces
    (path / "model.safetensors").write_bytes(start + data[8 + length :])
    _, found = load_model(path)
    for name, view in weights.views.items():
        assert np.array_equal(found[name], view.astype(dtype))
        assert found[name].dtype == dtype
        assert found[name].flags.aligned
        assert found[name].flags.writeable


def test_a_folder_above_is_told_its_newest_checkpoint(tmp_path, tokenizer):
    run = tmp_path / "runs" / "baseline" / "seed-0"
    save(run / "checkpoints", tokenizer, step=3)
    newest, *_ = save(run / "checkpoints", tokenizer, step=12)
    for folder in (tmp_path, run.parent.parent, run.parent, run, run / "checkpoints"):
        with pytest.raises(CheckpointError) as caught:
            load_model(folder)
        message = f"{folder} holds no config.json; name a checkpoint folder: {newest}"
        assert str(caught.value) == message
    with pytest.raises(CheckpointError, match=r"holds no config\.json; name a checkpoint folder$"):
        load_model(tmp_path / "nothing")


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_transformers_reads_the_folder(tmp_path, tokenizer, shape, caplog):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it says about itself while it is imported
        transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = ModelConfig(**{**MODEL.to_dict(), **shape})
    path, weights, _ = save(tmp_path, tokenizer, config)

    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        path, output_loading_info=True, local_files_only=True
    )
    assert type(model).__name__ == "LlamaForCausalLM"
    assert not any(info.values()), info  # no missing, unexpected or mismatched key
    assert model.config.rope_parameters["rope_theta"] == config.rope_theta
    assert model.generation_config.eos_token_id == tokenizer.end_of_text

    tokens = np.random.default_rng(0).integers(0, 280, (2, 16))
    with torch.no_grad():
        theirs = model(torch.from_numpy(tokens)).logits.numpy()
    ours = forward(weights.views, tokens, config, backend="numpy")
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()

    reader = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
    assert reader.eos_token_id == reader.bos_token_id == tokenizer.end_of_text
    for text in [*stories(20), "  two  spaces\n\nZoë… 12345 <b>日本</b>\t"]:
        assert reader(text)["input_ids"] == tokenizer.encode(text)
        assert reader.decode(tokenizer.encode(text)) == text
    assert "Some weights" not in caplog.text
    assert "not initialized" not in caplog.text
