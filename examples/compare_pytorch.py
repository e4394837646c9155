"""The training step beside PyTorch: the same model, batch and optimizer, in alternating runs.

    python examples/compare_pytorch.py                      seven runs of each side, some minutes
    python examples/compare_pytorch.py --compile            torch.compile as well
    python examples/compare_pytorch.py --only attention     attention alone, 256 and 1,024 tokens
    python examples/compare_pytorch.py --runs 3 --threads 1 --hidden-size 512 --layers 8 --heads 8

Each run is a process of its own; ours and PyTorch's take turns. It prints a table: what was
measured, the median and range over the runs of each side, the ratio of the medians (above 1: ours
is faster), and how far the results differ when both sides get the same weights and the same batch.
`--markdown` prints the rows of a Markdown table instead. PyTorch's side is llama_pytorch.py.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

CHECKED_STEPS = 3
PARTS = ("train", "validation", "attention")
LABELS = {
    "train": "training step, tokens/s",
    "compiled": "training step against torch.compile, tokens/s",
    "validation": "validation, tokens/s",
    "attention_256": "attention forward and backward, T = 256, ms",
    "attention_1024": "attention forward and backward, T = 1024, ms",
}
# What both sides share beside the options.
SHARED: dict[str, Any] = {
    "learning_rate": 5e-4,
    "betas": (0.9, 0.95),
    "adam_epsilon": 1e-8,
    "weight_decay": 0.1,
    "max_grad_norm": 1.0,
    "attention_times": (256, 1024),
    "attention_heads": 4,
    "attention_head_size": 64,
}
SHAPE = {
    "vocab-size": 4096,
    "hidden-size": 256,
    "intermediate-size": 704,
    "layers": 4,
    "heads": 4,
    "batch": 16,
    "time": 256,
}


# ---------------------------------------------------------------------------------------- our side


def our_configs(options: argparse.Namespace) -> tuple[Any, Any]:
    """Model and training configuration of the options."""
    from tinyllama_np import ModelConfig, TrainConfig

    model = ModelConfig(
        vocab_size=options.vocab_size,
        hidden_size=options.hidden_size,
        intermediate_size=options.intermediate_size,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        num_key_value_heads=options.kv_heads,
        max_position_embeddings=options.time,
    )
    train = TrainConfig(
        budget_tokens=max(20_000_000, 20 * options.batch * options.time),
        batch_size=options.batch,
        sequence_length=options.time,
        valid_tokens=max(65_536, options.time),
        learning_rate=options.learning_rate,
        warmup_steps=0,
        beta1=options.betas[0],
        beta2=options.betas[1],
        adam_epsilon=options.adam_epsilon,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        gradient_lanes=max(4, min(options.threads, options.batch)),
    )
    return model, train


def measure_ours(options: argparse.Namespace) -> dict[str, Any]:
    """Our figures of one run."""
    from tinyllama_np import __version__
    from tinyllama_np.bench import Repeats, measure_attention, measure_step, measure_validation

    model, train = our_configs(options)
    repeats = Repeats(least=options.steps, most=options.steps, seconds=0.0)
    often = Repeats(least=5 * options.steps, most=5 * options.steps, seconds=0.0)
    measured: dict[str, Any] = {"version": __version__}
    if "train" in options.only:
        rates = measure_step(model, train, options.threads, repeats)
        measured["train"] = {"median": rates.median, "range": list(rates.range)}
    if "validation" in options.only:
        rates = measure_validation(model, train, options.threads, repeats)
        measured["validation"] = {"median": rates.median, "range": list(rates.range)}
    if "attention" in options.only:
        for length in options.attention_times:
            passes = measure_attention(
                length, options.attention_heads, options.attention_head_size, repeats=often
            )
            both = [sum(pair) for pair in zip(*(p.values for p in passes), strict=True)]
            measured[f"attention_{length}"] = {"median": 1e3 * statistics.median(both)}
    return measured


# ------------------------------------------------------------------ do both compute the same thing


def differences(options: argparse.Namespace) -> dict[str, str]:
    """How far the two sides' results differ for the same weights and batches, by row."""
    found: dict[str, str] = {}
    if {"train", "validation"} & set(options.only):
        first, later = loss_differences(options)
        found["validation"] = f"{first:.1e} nats"
        found["train"] = found["compiled"] = f"{later:.1e} nats in {CHECKED_STEPS} steps"
    if "attention" in options.only:
        for length in options.attention_times:
            found[f"attention_{length}"] = f"{attention_difference(length, options):.1e} relative"
    return found


def loss_differences(options: argparse.Namespace) -> tuple[float, float]:
    """Difference of the mean loss before the first step, and the largest after one step or more."""
    import torch
    from llama_pytorch import joined_weights, llama, training_step

    from tinyllama_np.backend import get_backend
    from tinyllama_np.bench.step import random_batches
    from tinyllama_np.lanes import Lanes, mean_loss
    from tinyllama_np.optimizer import Optimizer
    from tinyllama_np.parameters import Parameters

    torch.set_num_threads(options.threads)
    model, train = our_configs(options)
    weights = Parameters.initial(model, seed=0)
    batches = random_batches(model, train, CHECKED_STEPS + 1)
    joined = joined_weights(weights.views, options.layers)
    take_step = training_step(joined, llama(options), options)
    theirs = [take_step(*(torch.from_numpy(array).long() for array in b)) for b in batches]
    ours = []
    optimizer = Optimizer(model, train)
    with Lanes(
        model,
        time=train.sequence_length,
        micro_batch=train.micro_batch_size,
        lanes=train.gradient_lanes,
        threads=options.threads,
        backend=get_backend("numba"),
    ) as lanes:
        for step, batch in enumerate(batches, start=1):
            lanes.use_weights(weights.views)
            ours.append(mean_loss(lanes.loss_and_gradient(*batch)))
            norm = optimizer.gradient_norm(lanes)
            rate = options.learning_rate
            optimizer.update(weights, lanes, step=step, learning_rate=rate, norm=norm)
    apart = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    return apart[0], max(apart[1:])


def attention_difference(length: int, options: argparse.Namespace) -> float:
    """Largest difference of result and gradients, relative to the largest value of each."""
    import numpy as np
    import torch
    from torch.nn import functional as F

    from tinyllama_np.backend import get_backend

    ops = get_backend("numba")
    heads, head_size = options.attention_heads, options.attention_head_size
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((4, 1, length, heads, head_size), dtype=np.float32)
    q, k, v, dout = (array.copy() for array in drawn)
    out, dq, dk, dv = (np.empty_like(q) for _ in range(4))
    lse = np.empty((1, heads, length), dtype=np.float32)
    # angles of 0: PyTorch's attention has no rotary embedding
    cos = np.ones((length, head_size // 2), dtype=np.float32)
    sin = np.zeros_like(cos)
    ops.attention(q, k, v, cos, sin, out, lse)
    ops.attention_backward(dout, q, k, v, out, lse, cos, sin, dq, dk, dv)

    leaves = [torch.from_numpy(array.copy()).requires_grad_() for array in drawn[:3]]
    turned = (leaf.transpose(1, 2) for leaf in leaves)  # (B, H, T, E)
    mixed = F.scaled_dot_product_attention(*turned, is_causal=True).transpose(1, 2)
    mixed.backward(torch.from_numpy(dout))
    theirs = [mixed.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)]
    pairs = zip((out, dq, dk, dv), theirs, strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


# ---------------------------------------------------------------------------------- the comparison


def run_side(side: str, arguments: Sequence[str]) -> dict[str, Any]:
    """One side in a process of its own."""
    command = [sys.executable, __file__, *arguments, "--side", side]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def compare(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Alternate the sides and print the table."""
    say("the same weights and batch on both sides")
    difference = run_side("check", arguments)
    runs: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    if options.compile and "train" in options.only:
        runs["compiled"] = []
    for number in range(1, options.runs + 1):
        say(f"run {number} of {options.runs}")
        for side, results in runs.items():
            results.append(run_side(side, arguments))
    version = runs["peer"][0]["version"]
    if not options.markdown:
        print(
            f"tinyllama-np {runs['ours'][0]['version']} and PyTorch {version}, eager unless said; "
            f"batch {options.batch} x {options.time}, float32;\nthreads {options.threads}, in "
            f"attention {options.attention_threads} (ours always 1); "
            f"median (range) of {options.runs} runs\n"
        )
    heading = ("what", "ours", "PyTorch", "ratio", "difference")
    print_table([heading, *table_rows(runs, difference)], options.markdown)


def table_rows(
    runs: dict[str, list[dict[str, Any]]], difference: dict[str, Any]
) -> list[tuple[str, ...]]:
    """The table's rows, from what every run of every side reported."""
    found = []
    for name, label in LABELS.items():
        side, our_name = ("compiled", "train") if name == "compiled" else ("peer", name)
        ours = [run[our_name]["median"] for run in runs["ours"] if our_name in run]
        theirs = [run[name]["median"] for run in runs.get(side, []) if name in run]
        if not ours or not theirs:
            continue
        ratio = statistics.median(ours) / statistics.median(theirs)
        of_time = label.endswith("ms")
        digits = 2 if of_time else 0
        cells = [
            f"{statistics.median(v):,.{digits}f} ({min(v):,.{digits}f} to {max(v):,.{digits}f})"
            for v in (ours, theirs)
        ]
        shown = 1 / ratio if of_time else ratio  # less time is better
        found.append((label, *cells, f"{shown:.2f}", difference[name]))
    return found


def print_table(rows: Sequence[Sequence[str]], markdown: bool) -> None:
    """Aligned columns, or a Markdown table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print(f"| {' | '.join(cells)} |" if markdown else "  ".join(cells).rstrip())
        if markdown and number == 0:
            print("|" + "---|" * len(row))


def say(message: str) -> None:
    """A line of progress on stderr."""
    print(message, file=sys.stderr, flush=True)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; shapes are those of the paper's model unless given."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0],
        epilog="Ours has rotary embedding in its attention, PyTorch's attention alone has not.",
    )
    parser.add_argument("--runs", type=int, default=7, help="runs of each side (%(default)s)")
    parser.add_argument("--steps", type=int, default=7, help="timed steps a run (%(default)s)")
    parser.add_argument("--threads", type=int, help="threads of both sides (processors)")
    parser.add_argument(
        "--attention-threads", type=int, default=1, help="PyTorch's in attention alone (1)"
    )
    parser.add_argument("--compile", action="store_true", help="measure torch.compile as well")
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, default=PARTS, help="measure only these (all)"
    )
    parser.add_argument("--markdown", action="store_true", help="print rows of a Markdown table")
    for name, value in SHAPE.items():
        parser.add_argument(f"--{name}", type=int, default=value, help="(%(default)s)")
    parser.add_argument("--kv-heads", type=int, help="key and value heads (as many as heads)")
    sides = ("ours", "peer", "compiled", "check")
    parser.add_argument("--side", choices=sides, help=argparse.SUPPRESS)
    parser.set_defaults(**SHARED)
    options = parser.parse_args(arguments)
    options.kv_heads = options.heads if options.kv_heads is None else options.kv_heads
    if options.threads is None:
        from tinyllama_np.lanes import default_threads

        options.threads = default_threads()
    for name in ("runs", "steps", "threads", "attention_threads"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} {getattr(options, name)} must be at least 1")
    return options


def main(arguments: Sequence[str]) -> int:
    """Compare, or carry out one side; returns the exit code."""
    options = parse(arguments)
    if importlib.util.find_spec("torch") is None:
        say(
            "error: PyTorch is not installed; python -m pip install torch "
            "--index-url https://download.pytorch.org/whl/cpu"
        )
        return 2
    if options.side is None:
        try:
            our_configs(options)
            compare(options, arguments)
        except ValueError as error:  # ConfigError
            say(f"error: {error}")
            return 2
        except subprocess.CalledProcessError as error:
            say(f"error: side {error.cmd[-1]} ended with exit code {error.returncode}; see above")
            return 1
    elif options.side == "ours":
        print(json.dumps(measure_ours(options)))
    elif options.side == "check":
        print(json.dumps(differences(options)))
    else:
        from llama_pytorch import measure_pytorch

        only = ["compiled"] if options.side == "compiled" else options.only
        print(json.dumps(measure_pytorch(options, only)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
