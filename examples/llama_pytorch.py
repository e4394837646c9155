"""The study's model and its training step in PyTorch, for compare_pytorch.py.

Written for speed, as functions of weights by name: scaled_dot_product_attention, fused AdamW,
projections that read the same input joined in one matrix. It does not import our package, so that
no other library's threads are in its process.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional as F

WARM_UP = 2


def llama(options: argparse.Namespace) -> Callable[[dict[str, Any], Any, Any], Any]:
    """The model's mean loss as a function of weights by name, tokens and targets."""
    heads, kv_heads = options.heads, options.kv_heads
    head_size = options.hidden_size // heads
    inverse = 10000.0 ** (-torch.arange(0, head_size, 2, dtype=torch.float64) / head_size)
    angles = torch.outer(torch.arange(options.time, dtype=torch.float64), inverse)
    cos, sin = (torch.cat([f(angles)] * 2, dim=-1).float() for f in (torch.cos, torch.sin))

    def rotate(x: Any) -> Any:  # (B, H, T, E); pairs are (e, e + E/2)
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-second, first), dim=-1) * sin

    def normed(x: Any, weight: Any) -> Any:
        return F.rms_norm(x, weight.shape, weight, 1e-5)

    def attention(x: Any, qkv: Any, out: Any) -> Any:
        batch, length, width = x.shape
        sizes = [heads * head_size, kv_heads * head_size, kv_heads * head_size]
        q, k, v = (
            part.view(batch, length, -1, head_size).transpose(1, 2)
            for part in F.linear(x, qkv).split(sizes, dim=-1)
        )
        mixed = F.scaled_dot_product_attention(
            rotate(q), rotate(k), v, is_causal=True, enable_gqa=heads != kv_heads
        )
        return F.linear(mixed.transpose(1, 2).reshape(batch, length, width), out)

    def loss(weights: dict[str, Any], tokens: Any, targets: Any) -> Any:
        x = F.embedding(tokens, weights["embed"])
        for layer in range(options.layers):
            w = {name: weights[f"{layer}.{name}"] for name in ("qkv", "o", "gate_up", "down")}
            x = x + attention(normed(x, weights[f"{layer}.norm1"]), w["qkv"], w["o"])
            gate, up = F.linear(normed(x, weights[f"{layer}.norm2"]), w["gate_up"]).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, w["down"])
        logits = F.linear(normed(x, weights["norm"]), weights["embed"])
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    return loss


def random_weights(options: argparse.Namespace) -> dict[str, Any]:
    """First weights: matrices normal(0, 0.02), gains 1; the head is the embedding."""
    d, f = options.hidden_size, options.intermediate_size
    kv = d // options.heads * options.kv_heads
    shapes: dict[str, tuple[int, ...]] = {"embed": (options.vocab_size, d), "norm": (d,)}
    for layer in range(options.layers):
        shapes |= {f"{layer}.norm1": (d,), f"{layer}.norm2": (d,)}
        shapes |= {f"{layer}.qkv": (d + 2 * kv, d), f"{layer}.o": (d, d)}
        shapes |= {f"{layer}.gate_up": (2 * f, d), f"{layer}.down": (d, f)}
    torch.manual_seed(0)
    return {
        name: torch.ones(shape) if len(shape) == 1 else 0.02 * torch.randn(shape)
        for name, shape in shapes.items()
    }


def joined_weights(views: dict[str, Any], layers: int) -> dict[str, Any]:
    """Weights under Hugging Face's names (NumPy arrays) as `llama` takes them."""

    def joined(*names: str) -> Any:
        return torch.cat([torch.from_numpy(views[f"model.{name}.weight"].copy()) for name in names])

    weights = {"embed": joined("embed_tokens"), "norm": joined("norm")}
    for layer in range(layers):
        at, mlp = f"layers.{layer}.self_attn", f"layers.{layer}.mlp"
        weights[f"{layer}.norm1"] = joined(f"layers.{layer}.input_layernorm")
        weights[f"{layer}.norm2"] = joined(f"layers.{layer}.post_attention_layernorm")
        weights[f"{layer}.qkv"] = joined(f"{at}.q_proj", f"{at}.k_proj", f"{at}.v_proj")
        weights[f"{layer}.o"] = joined(f"{at}.o_proj")
        weights[f"{layer}.gate_up"] = joined(f"{mlp}.gate_proj", f"{mlp}.up_proj")
        weights[f"{layer}.down"] = joined(f"{mlp}.down_proj")
    return weights


def training_step(
    weights: dict[str, Any], loss_of: Callable[..., Any], options: argparse.Namespace
) -> Callable[[Any, Any], float]:
    """A function that takes one training step on a batch and returns its loss."""
    tensors = [tensor.requires_grad_() for tensor in weights.values()]
    groups = [
        {"params": [t for t in tensors if t.dim() == 2], "weight_decay": options.weight_decay},
        {"params": [t for t in tensors if t.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(
        groups,
        lr=options.learning_rate,
        betas=options.betas,
        eps=options.adam_epsilon,
        fused=True,
    )

    def step(tokens: Any, targets: Any) -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(weights, tokens, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(tensors, options.max_grad_norm)
        optimizer.step()
        return float(loss.detach())

    return step


def measure_pytorch(options: argparse.Namespace, only: Sequence[str]) -> dict[str, Any]:
    """PyTorch's figures of one run: of "train", "compiled", "validation" and "attention"."""
    torch.set_num_threads(options.threads)
    loss_of = llama(options)
    tokens, targets = torch.randint(options.vocab_size, (2, options.batch, options.time))
    size = tokens.numel()
    measured: dict[str, Any] = {"version": torch.__version__}
    if "train" in only:
        step = training_step(random_weights(options), loss_of, options)
        measured["train"] = spread(size, timed(lambda: step(tokens, targets), options.steps))
    if "compiled" in only:
        step = training_step(random_weights(options), torch.compile(loss_of), options)
        measured["compiled"] = spread(size, timed(lambda: step(tokens, targets), options.steps))
    if "validation" in only:
        weights = random_weights(options)
        with torch.no_grad():
            seconds = timed(lambda: loss_of(weights, tokens, targets), options.steps)
        measured["validation"] = spread(size, seconds)
    if "attention" in only:
        torch.set_num_threads(options.attention_threads)
        for length in options.attention_times:
            seconds = timed(attention_alone(length, options), 5 * options.steps)
            measured[f"attention_{length}"] = {"median": 1e3 * statistics.median(seconds)}
    return measured


def attention_alone(length: int, options: argparse.Namespace) -> Callable[[], object]:
    """Forward and backward pass of attention over one sequence."""
    shape = (1, options.attention_heads, length, options.attention_head_size)
    q, k, v = (torch.randn(shape, requires_grad=True) for _ in range(3))
    dout = torch.randn(shape)

    def run() -> None:
        q.grad = k.grad = v.grad = None
        F.scaled_dot_product_attention(q, k, v, is_causal=True).backward(dout)

    return run


def timed(function: Callable[[], object], count: int) -> list[float]:
    """Seconds of `count` calls after a warm-up."""
    seconds = []
    for _ in range(WARM_UP + count):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return seconds[WARM_UP:]


def spread(tokens: int, seconds: Sequence[float]) -> dict[str, Any]:
    """Tokens/s: median and range."""
    rates = [tokens / value for value in seconds]
    return {"median": statistics.median(rates), "range": [min(rates), max(rates)]}
