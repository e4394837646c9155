"""`tinyllama-np generate`: continue a text with a trained model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from tinyllama_np.checkpoint import CheckpointError, load_model, load_tokenizer
from tinyllama_np.commands import complain
from tinyllama_np.config import ConfigError
from tinyllama_np.generate import generate


def add_parser(commands: Any) -> None:
    """Add the command `generate` to the command line."""
    parser = commands.add_parser(
        "generate",
        help="continue a text with a trained model",
        description="Continue a text with the model of a checkpoint folder, such as "
        "runs/quick/runs/baseline/seed-0/checkpoints/step-001172.",
    )
    parser.add_argument("checkpoint", type=Path, metavar="FOLDER", help="checkpoint folder")
    parser.add_argument(
        "--prompt", default="Once upon a time", help="text to continue (%(default)s)"
    )
    parser.add_argument(
        "--max-new-tokens",
        type=int,
        metavar="N",
        help="tokens to generate at most (100, or what the context has room for)",
    )
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="0 takes the likeliest token (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the drawing (%(default)s)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code."""
    try:
        if arguments.seed < 0:
            raise ConfigError(f"--seed {arguments.seed} must be at least 0")
        config, params = load_model(arguments.checkpoint)
        tokenizer = load_tokenizer(arguments.checkpoint)
        prompt = tokenizer.encode(arguments.prompt) or [tokenizer.end_of_text]
        limit = arguments.max_new_tokens
        if limit is None:
            limit = max(0, min(100, config.max_position_embeddings - len(prompt)))
        new = generate(
            params,
            prompt,
            config,
            max_new_tokens=limit,
            temperature=arguments.temperature,
            stop_token=tokenizer.end_of_text,
            rng=np.random.default_rng(arguments.seed),
        )
    except (CheckpointError, ConfigError, ValueError, OSError) as error:
        return complain(error)
    print(arguments.prompt + tokenizer.decode([i for i in new if i != tokenizer.end_of_text]))
    return 0
