"""One run: its figures against independent ones, the same bytes on any thread, and divergence."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import shutil

import numpy as np
import pytest
from tiny_study import (
    INTERVAL_STEPS,
    MODEL,
    TRAIN,
    end_of,
    finished_run,
    make_study,
    rows,
    run_bytes,
    tiny_config,
    tiny_job,
    tree,
)

from tinyllama_np import forward, init_params, loss_and_grads, trainer
from tinyllama_np.checkpoint import checkpoint_folders, load_checkpoint
from tinyllama_np.corpus.batches import batch_at, consecutive_windows
from tinyllama_np.train import train_run
from tokenizer import Tokenizer

STEPS = INTERVAL_STEPS[-1]


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("tinyllama_np.storage.os.fsync", lambda descriptor: None)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A run that nothing disturbed."""
    return finished_run(tmp_path_factory.mktemp("reference"))


@pytest.fixture
def job(tmp_path, reference):
    """The same run, not yet begun."""
    out = tmp_path / "study"
    shutil.copytree(reference.study_folder, out, ignore=shutil.ignore_patterns("runs"))
    return tiny_job(out)


# -------------------------------------------------------------------------------------- the figures


def test_intervals_are_where_the_configuration_says(reference):
    found = rows(reference.folder / "intervals.csv")
    assert [int(row["step"]) for row in found] == list(INTERVAL_STEPS)
    assert [math.ceil(i * 13 / 5) for i in range(6)] == list(INTERVAL_STEPS)
    assert [row["interval"] for row in found] == ["0", "1", "2", "3", "4", "5"]
    assert {(row["condition"], row["seed"]) for row in found} == {("baseline", "0")}


def test_interval_0_is_before_the_first_step(reference):
    first, second, *_ = rows(reference.folder / "intervals.csv")
    for column in ("lr", "train_loss", "grad_norm"):
        assert first[column] == ""
        assert second[column] != ""
    assert (first["tokens_seen"], first["epoch"], first["flops"]) == ("0", "0.0", "0")
    assert float(first["val_loss"]) == pytest.approx(math.log(280), abs=0.1)


def test_position_columns(reference):
    for name in ("steps.csv", "intervals.csv"):
        for row in rows(reference.folder / name):
            step = int(row["step"])
            assert int(row["tokens_seen"]) == step * 4 * 8
            assert float(row["epoch"]) == step * 32 / 200  # tokens seen / U


def test_one_row_a_step(reference):
    found = rows(reference.folder / "steps.csv")
    assert [int(row["step"]) for row in found] == list(range(1, STEPS + 1))
    assert [float(row["lr"]) for row in found] == [0.005] + [0.01] * 12
    assert {row["clipped"] for row in found} == {"0", "1"}
    for row in found:
        assert row["clipped"] == str(int(float(row["grad_norm"]) + 1e-6 > 1.0))


def test_interval_means_are_those_of_the_steps_since(reference):
    steps = rows(reference.folder / "steps.csv")
    for before, row in zip(
        INTERVAL_STEPS, rows(reference.folder / "intervals.csv")[1:], strict=False
    ):
        since = steps[before : int(row["step"])]
        for column in ("train_loss", "grad_norm"):
            mean = math.fsum(float(s[column]) for s in since) / len(since)
            assert float(row[column]) == pytest.approx(mean, rel=1e-14)
        assert row["lr"] == since[-1]["lr"]


def test_flops_by_hand(reference):
    d, f, v, kv, layers, time_ = 8, 12, 280, 4, 2, 8
    weights = layers * (d * d + 2 * kv * d + d * d + 3 * d * f) + v * d
    a_token = 6 * weights + 6 * layers * time_ * d
    for row in rows(reference.folder / "intervals.csv"):
        assert int(row["flops"]) == int(row["tokens_seen"]) * a_token


def mean_nll(params, inputs, targets):
    logits = forward(params, inputs, MODEL, backend="numpy").astype(np.float64)
    top = logits.max(axis=-1, keepdims=True)
    log_probs = logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_probs, targets[..., None].astype(np.int64), axis=-1)


def test_losses_agree_with_the_checkpoint_through_forward(reference):
    data = reference.study_folder / "data"
    last = rows(reference.folder / "intervals.csv")[-1]
    params = load_checkpoint(checkpoint_folders(reference.folder / "checkpoints")[-1]).params
    for column, name in (("val_loss", "valid.bin"), ("train_sample_loss", "train.bin")):
        tokens = np.fromfile(data / name, dtype="<u2").astype(np.int64)
        windows = [tokens[i : i + 9] for i in range(0, 64, 8)]  # the first 64 tokens
        nll = mean_nll(params, np.array([w[:-1] for w in windows]), np.array(windows)[:, 1:])
        assert float(last[column]) == pytest.approx(nll.mean(), rel=1e-6)
        if column == "val_loss":
            tokenizer = Tokenizer.load(reference.study_folder / "tokenizer.json")
            predicted = tokens[1:65]
            size = sum(
                len(tokenizer.token_bytes(t)) for t in predicted if t != tokenizer.end_of_text
            )
            bits = nll.sum() / math.log(2) / size
            assert float(last["bits_per_byte"]) == pytest.approx(bits, rel=1e-6)
            assert float(last["val_perplexity"]) == math.exp(float(last["val_loss"]))


def test_first_step_agrees_with_the_library(tmp_path):
    """Batch, loss, gradient norm, clipping and AdamW of a run of one step, each computed again."""
    job = finished_run(tmp_path, budget_tokens=32, intervals=2, seed=0, max_grad_norm=0.1)
    ring = np.fromfile(job.study_folder / "data" / "train.bin", dtype="<u2")
    inputs, targets = batch_at(ring, step=0, batch_size=4, sequence_length=8, seed=0)
    params = init_params(MODEL, seed=0)
    loss, grads = loss_and_grads(params, inputs, targets, MODEL, backend="numpy")
    norm = math.sqrt(sum(float((g.astype(np.float64) ** 2).sum()) for g in grads.values()))
    (row,) = rows(job.folder / "steps.csv")
    assert float(row["train_loss"]) == pytest.approx(loss, rel=1e-6)
    assert float(row["grad_norm"]) == pytest.approx(norm, rel=1e-5)
    assert row["clipped"] == "1"
    after = load_checkpoint(job.folder / "checkpoints" / "step-000001").params
    for name, weight in params.items():
        g = grads[name].astype(np.float64) * 0.1 / norm
        decay = 0.1 if weight.ndim == 2 else 0.0
        expected = weight - 0.005 * (g / (np.abs(g) + 1e-8) + decay * weight.astype(np.float64))
        np.testing.assert_allclose(after[name], expected, rtol=1e-3, atol=2e-5, err_msg=name)


def test_the_model_learns(tmp_path):
    job = finished_run(tmp_path, budget_tokens=32 * 150, intervals=3)
    losses = [float(row["train_sample_loss"]) for row in rows(job.folder / "intervals.csv")]
    assert losses[0] > 5.5
    assert losses[-1] < 3.0


def test_samples(reference):
    lines = (reference.folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert [e["interval"] for e in entries] == [i for i in range(6) for _ in range(2)]
    assert [e["prompt"] for e in entries] == ["Mia", "The duck sang"] * 6
    assert [e["step"] for e in entries[::2]] == list(INTERVAL_STEPS)


def test_no_samples_where_none_are_asked_for(tmp_path):
    job = finished_run(tmp_path, sample_tokens=0)
    assert (job.folder / "samples.jsonl").read_bytes() == b""


def test_prompts_longer_than_the_context_and_empty_ones(tmp_path):
    prompts = ("Mia lost the moon. " * 9, "")
    job = finished_run(tmp_path, sample_prompts=prompts, sample_tokens=30)
    lines = (job.folder / "samples.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    texts = [json.loads(line)["text"] for line in lines]
    assert texts[::2] == [""] * 6
    assert any(texts[1::2])  # an empty prompt begins a new story


def test_outcome_and_state(reference):
    outcome = json.loads((reference.folder / "outcome.json").read_text())
    hashes = outcome.pop("sha256")
    assert outcome == {"status": "finished", "step": 13, "tokens_seen": 416, "message": ""}
    assert set(hashes) == {"steps.csv", "intervals.csv", "samples.jsonl"}
    for name, expected in hashes.items():
        assert hashlib.sha256((reference.folder / name).read_bytes()).hexdigest() == expected
    (folder,) = checkpoint_folders(reference.folder / "checkpoints")
    state = load_checkpoint(folder).state
    assert (state["step"], state["tokens_seen"], state["seed"]) == (13, 416, 0)
    assert state["train"] == json.loads(json.dumps(TRAIN.to_dict()))


def test_no_file_holds_an_absolute_path(reference):
    for name, data in tree(reference.study_folder).items():
        assert data is None or str(reference.study_folder).encode() not in data, name


def test_keep_all_keeps_a_checkpoint_at_every_interval(job):
    train_run(dataclasses.replace(job, keep_checkpoints="all"))
    names = [p.name for p in checkpoint_folders(job.folder / "checkpoints")]
    assert names == [f"step-{step:06d}" for step in INTERVAL_STEPS]


# ------------------------------------------------------------------------- seeds and the same bytes


def test_another_seed_has_other_weights_and_another_order(tmp_path, reference):
    other = finished_run(tmp_path, seeds=(1,))
    assert other.train.seed == 1
    a, b = rows(reference.folder / "steps.csv"), rows(other.folder / "steps.csv")
    assert all(x["train_loss"] != y["train_loss"] for x, y in zip(a, b, strict=True))


def test_init_and_data_seed_are_separate(tmp_path, reference):
    same = finished_run(tmp_path / "same", seeds=(7,), init_seed=0, data_seed=0)
    name = "checkpoints/step-000013/model.safetensors"
    assert run_bytes(same)[name] == run_bytes(reference)[name]
    for n, change in enumerate(({"init_seed": 0}, {"data_seed": 0})):
        other = finished_run(tmp_path / str(n), seeds=(7,), **change)
        assert run_bytes(other)[name] != run_bytes(reference)[name]
        first = rows(other.folder / "intervals.csv")[0]["val_loss"]
        equal = first == rows(reference.folder / "intervals.csv")[0]["val_loss"]
        assert equal == ("init_seed" in change)


@pytest.mark.parametrize("threads", [2, 4, 64])
def test_the_same_bytes_for_every_number_of_threads(job, reference, threads):
    assert end_of(dataclasses.replace(job, threads=threads)) == run_bytes(reference)


def test_the_same_bytes_for_every_number_of_threads_in_numba(tmp_path):
    ends = []
    for threads in (1, 2, 4):
        config = tiny_config(backend="numba", micro_batch_size=1)
        out = make_study(tmp_path / str(threads), config)
        ends.append(end_of(tiny_job(out, config, threads=threads)))
    assert ends[0] == ends[1] == ends[2]


# --------------------------------------------------------------------------------------- divergence


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, backend):
    config = tiny_config(learning_rate=1e30, warmup_steps=0, backend=backend)
    job = tiny_job(make_study(tmp_path, config), config, keep_checkpoints="all")
    outcome = train_run(job)
    assert outcome["status"] == "diverged"
    assert "step 2" in outcome["message"]
    assert "\n" not in outcome["message"]
    first, second = rows(job.folder / "steps.csv")
    assert math.isfinite(float(first["train_loss"]))
    bad = (second["train_loss"], second["grad_norm"])
    assert any(cell in ("", "inf") for cell in bad)
    assert second["clipped"] == "0"
    assert len(rows(job.folder / "intervals.csv")) == 1
    for folder in checkpoint_folders(job.folder / "checkpoints"):
        params = load_checkpoint(folder).params
        assert all(np.isfinite(array).all() for array in params.values())
    before = tree(job.folder)
    assert train_run(job) == outcome  # a second call does not try again
    assert tree(job.folder) == before


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_step_of_a_gradient_that_is_not_finite_is_not_applied(job, monkeypatch, value):
    weights = []

    def norm(self, lanes):
        weights.append(None)
        return value if len(weights) == 3 else 0.5

    def update(self, weights_, lanes, *, step, **_):
        assert step < 3
        return False

    monkeypatch.setattr(trainer.Optimizer, "gradient_norm", norm)
    monkeypatch.setattr(trainer.Optimizer, "update", update)
    outcome = train_run(job)
    assert (outcome["status"], outcome["step"]) == ("diverged", 3)
    last = rows(job.folder / "steps.csv")[-1]
    assert (last["step"], last["grad_norm"]) == ("3", "" if math.isnan(value) else "inf")
    assert last["train_loss"] != ""


# ---------------------------------------------------------------------------------------- overrides


def test_a_run_without_train_tokens_uses_the_whole_text(tmp_path):
    job = finished_run(tmp_path, train_tokens=None)
    tokens = os.path.getsize(job.study_folder / "data" / "train.bin") // 2
    last = rows(job.folder / "intervals.csv")[-1]
    assert tokens > 10_000
    assert float(last["epoch"]) == 416 / tokens


def test_a_validation_text_shorter_than_valid_tokens_is_used_whole(tmp_path):
    job = finished_run(tmp_path, valid_tokens=10**6, intervals=2)
    tokens = np.fromfile(job.study_folder / "data" / "valid.bin", dtype="<u2")
    inputs, targets = consecutive_windows(tokens, 10**6, 8)
    params = load_checkpoint(checkpoint_folders(job.folder / "checkpoints")[-1]).params
    last = rows(job.folder / "intervals.csv")[-1]
    assert float(last["val_loss"]) == pytest.approx(
        mean_nll(params, inputs, targets).mean(), rel=1e-6
    )
