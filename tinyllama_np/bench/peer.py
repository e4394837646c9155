"""PyTorch on the same step, in a process of its own: this package never imports it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tinyllama_np.config import ModelConfig, TrainConfig

SCRIPT = Path(__file__).parents[2] / "examples" / "compare_pytorch.py"
TIMEOUT_SECONDS = 900.0


class PeerError(RuntimeError):
    """PyTorch could not be measured."""


def peer_problem() -> str | None:
    """Why PyTorch cannot be measured here, or None if it can."""
    if importlib.util.find_spec("torch") is None:
        return "PyTorch is not installed"
    if not SCRIPT.is_file():
        return f"examples/{SCRIPT.name} is not beside the package: it is in the source checkout"
    return None


def peer_arguments(model: ModelConfig, train: TrainConfig) -> list[str]:
    """The shapes as options of examples/compare_pytorch.py."""
    options = {
        "vocab-size": model.vocab_size,
        "hidden-size": model.hidden_size,
        "intermediate-size": model.intermediate_size,
        "layers": model.num_hidden_layers,
        "heads": model.num_attention_heads,
        "kv-heads": model.num_key_value_heads,
        "batch": train.batch_size,
        "time": train.sequence_length,
    }
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def run_peer(
    model: ModelConfig, train: TrainConfig, threads: int, steps: int = 3
) -> dict[str, Any]:
    """Measure PyTorch's training step and validation.

    Returns
    -------
    dict
        version, threads, train_tokens_per_second, train_tokens_per_second_range,
        validation_tokens_per_second.

    Raises
    ------
    PeerError
        If its process fails or takes too long.
    """
    command = [sys.executable, str(SCRIPT), "--side", "peer", "--only", "train", "validation"]
    command += ["--threads", str(threads), "--steps", str(steps)]
    try:
        done = subprocess.run(
            [*command, *peer_arguments(model, train)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise PeerError(f"PyTorch took more than {TIMEOUT_SECONDS:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise PeerError(f"PyTorch could not be measured: {lines[-1]}")
    measured = json.loads(done.stdout)
    return {
        "version": measured["version"],
        "threads": threads,
        "train_tokens_per_second": measured["train"]["median"],
        "train_tokens_per_second_range": measured["train"]["range"],
        "validation_tokens_per_second": measured["validation"]["median"],
    }
