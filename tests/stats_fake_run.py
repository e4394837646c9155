"""A run folder as a study leaves it, made up: U-shaped losses, a few backslides, sample texts."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np

COLUMNS = ["condition", "seed", "interval", "step", "tokens_seen", "epoch", "lr", "train_loss"]
COLUMNS += ["train_sample_loss", "val_loss", "val_perplexity", "bits_per_byte", "grad_norm"]
COLUMNS += ["flops"]
TOKENS_A_STEP = 4096
TRAIN_TOKENS = 600_000


# 4.26 M parameters on 600,000 tokens over and over: falls, turns near 4 million tokens, rises
VALID = (8.355, 3.42, 3.0, 2.835, 2.76, 2.765, 2.79, 2.84, 2.905, 2.99, 3.08, 3.165, 3.26, 3.345)
VALID += (3.43, 3.52, 3.6, 3.68, 3.76, 3.83, 3.9)
TRAIN = (8.356, 3.38, 2.93, 2.6, 2.32, 2.1, 1.9, 1.72, 1.56, 1.4, 1.28, 1.16, 1.06, 0.98, 0.9)
TRAIN += (0.84, 0.78, 0.74, 0.7, 0.67, 0.64)
# the same model on text it never sees twice
FRESH = (8.355, 3.42, 2.96, 2.76, 2.63, 2.55, 2.48, 2.42, 2.37, 2.33, 2.29, 2.255, 2.225, 2.195)
FRESH += (2.17, 2.145, 2.125, 2.1, 2.085, 2.065, 2.05)


def trajectory(rng, intervals=20, noise=0.012, fresh=False):
    """Validation and training-sample loss (K,) of one seed: a fall, a turn, a rise."""
    t = np.arange(intervals + 1) / intervals
    knots = np.arange(21) / 20
    val = np.interp(t, knots, FRESH if fresh else VALID)
    train = np.interp(t, knots, FRESH if fresh else TRAIN) - 0.03 * fresh * t
    drift = noise * rng.standard_normal() * 4 * t
    val = val + drift + noise * rng.standard_normal(intervals + 1)
    return val, train - drift / 2 + 0.5 * noise * rng.standard_normal(intervals + 1)


def interval_rows(condition, seed, losses, steps):
    val, train = losses
    for i in range(len(val)):
        step = math.ceil(i * steps / (len(val) - 1))
        tokens = step * TOKENS_A_STEP
        started = i > 0
        yield {
            "condition": condition,
            "seed": seed,
            "interval": i,
            "step": step,
            "tokens_seen": tokens,
            "epoch": tokens / TRAIN_TOKENS,
            "lr": 5e-4 if started else "",
            "train_loss": float(np.float32(train[i] + 0.05)) if started else "",
            "train_sample_loss": float(np.float32(train[i])),
            "val_loss": float(np.float32(val[i])),
            "val_perplexity": math.exp(np.float32(val[i])),
            "bits_per_byte": float(val[i]) / math.log(2) / 3.9,
            "grad_norm": 0.5 + 0.01 * i if started else "",
            "flops": tokens * 27e6,
        }


def write_csv(path, rows, columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_run(folder, rng, rows, status):
    """What one run keeps for itself; of ten steps one is kept, to stay small."""
    steps, losses = [], [row["train_loss"] or row["train_sample_loss"] for row in rows]
    for step in range(1, rows[-1]["step"] + 1, 10):
        loss = np.interp(step, [row["step"] for row in rows], losses)
        steps.append(
            {
                "step": step,
                "tokens_seen": step * TOKENS_A_STEP,
                "epoch": step * TOKENS_A_STEP / TRAIN_TOKENS,
                "lr": 5e-4,
                "train_loss": loss + 0.03 * rng.standard_normal(),
                "grad_norm": 0.5 + 0.05 * rng.standard_normal(),
                "clipped": 0,
            }
        )
    write_csv(folder / "steps.csv", steps, list(steps[0]))
    timing = [
        {
            "step": row["step"],
            "wall_s": 140.0,
            "tokens_per_s": 7100.0,
            "forward_backward_s": 130.0,
            "optimizer_s": 4.0,
            "evaluation_s": 6.0,
            "threads": 2,
        }
        for row in rows[1:]
    ]
    if timing:
        write_csv(folder / "timing.csv", timing, list(timing[0]))
    last = rows[-1]
    outcome = {"status": status, "step": last["step"], "tokens_seen": last["tokens_seen"]}
    if status == "diverged":
        outcome["message"] = "loss was nan"
    (folder / "outcome.json").write_text(json.dumps(outcome) + "\n", encoding="utf-8")
    with (folder / "samples.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            sample = {
                "interval": row["interval"],
                "step": row["step"],
                "tokens_seen": row["tokens_seen"],
                "prompt": "Once upon a time",
                "text": f", Tom & <b>Mia</b> saw a dog ({row['interval']}).\n\nIt ran home.",
            }
            file.write(json.dumps(sample) + "\n")


def fake_run_folder(
    folder: Path,
    *,
    seeds=6,
    intervals=20,
    steps=4883,
    conditions=("baseline",),
    outcomes=None,
    with_runs=True,
    with_study=True,
    preset="paper",
    losses=None,
    **shape,
):
    """Write a run folder and return its path.

    `losses(condition, seed, rng)` may give (val, train); `outcomes` maps seed to a status.
    """
    folder.mkdir(parents=True, exist_ok=True)
    everything = []
    for number, condition in enumerate(conditions):
        for seed in range(seeds):
            rng = np.random.default_rng([number, seed])
            pair = (
                losses(condition, seed, rng)
                if losses
                else trajectory(rng, intervals, fresh=number > 0, **shape)
            )
            rows = list(interval_rows(condition, seed, pair, steps))
            everything += rows
            if with_runs:
                status = (outcomes or {}).get(seed, "finished")
                write_run(folder / "runs" / condition / f"seed-{seed}", rng, rows, status)
    write_csv(folder / "intervals.csv", everything, COLUMNS)
    if with_study:
        study = {
            "config": {
                "preset": preset,
                "model": {"vocab_size": 4096, "hidden_size": 256, "num_hidden_layers": 4},
                "train": {
                    "budget_tokens": 20_000_000,
                    "batch_size": 16,
                    "sequence_length": 256,
                    "intervals": intervals,
                    "train_tokens": TRAIN_TOKENS,
                    "learning_rate": 5e-4,
                },
                "seeds": list(range(seeds)),
                "conditions": [{"name": name, "overrides": {}} for name in conditions],
                "corpus": {"name": "tinystories"},
            },
            "config_hash": "0123abcd",
            "versions": {"python": "3.11", "numpy": "2.4"},
            "parameters": 4_262_144,
            "data": {"train": {"tokens": TRAIN_TOKENS, "stories": 3000, "bytes": 2_400_000}},
        }
        (folder / "study.json").write_text(json.dumps(study, indent=1) + "\n", encoding="utf-8")
    return folder
