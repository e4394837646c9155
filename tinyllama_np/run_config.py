"""Every setting of a model and of a training run, with its meaning and its check.

The defaults are those of the `paper` preset. All classes are frozen: a configuration that exists
has passed its checks, and a changed one is a new one (`dataclasses.replace`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tinyllama_np.settings import (
    ConfigError,
    check_at_least,
    check_choice,
    check_positive,
    check_range,
    check_text,
    check_types,
    from_dict,
    setting,
)

SCHEDULES = ("constant", "cosine", "linear", "wsd")
BACKENDS = ("numba", "numpy")
MATMULS = ("numba", "blas")
# Far above any in use: a typing error, not a plan.
MAX_VOCAB_SIZE = 1 << 24
MAX_RETRIES = 20  # a rate halved so often is a millionth
USUAL_LANES = 4


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a Llama model, under the names of Hugging Face's `LlamaConfig`.

    Raises
    ------
    ConfigError
        If the sizes do not fit together.
    """

    vocab_size: int = setting(4096, "V, tokens in the vocabulary")
    hidden_size: int = setting(256, "D, width of the residual stream")
    intermediate_size: int = setting(704, "F, width of the SwiGLU layer")
    num_hidden_layers: int = setting(4, "L, number of decoder layers")
    num_attention_heads: int = setting(4, "H, query heads")
    num_key_value_heads: int = setting(4, "K, key and value heads; must divide H")
    max_position_embeddings: int = setting(256, "longest context, tokens")
    rms_norm_eps: float = setting(1e-5, "added to the mean square in RMSNorm")
    rope_theta: float = setting(10000.0, "base of the rotary angles")
    tie_word_embeddings: bool = setting(True, "use the embedding as the output head")
    initializer_range: float = setting(0.02, "standard deviation of the initial weights")

    def __post_init__(self) -> None:
        check_types(self)
        for name in (
            "hidden_size",
            "intermediate_size",
            "num_hidden_layers",
            "num_attention_heads",
            "num_key_value_heads",
            "max_position_embeddings",
        ):
            check_at_least(self, name, 1)
        check_at_least(self, "vocab_size", 2)
        for name in ("rms_norm_eps", "rope_theta", "initializer_range"):
            check_positive(self, name)
        d, h, k = self.hidden_size, self.num_attention_heads, self.num_key_value_heads
        if d % h:
            raise ConfigError(
                f"num_attention_heads={h} must divide hidden_size={d}; choose a divisor of {d}"
            )
        if h % k:
            raise ConfigError(
                f"num_key_value_heads={k} must divide num_attention_heads={h}; "
                f"choose a divisor of {h}"
            )
        if self.head_size % 2:
            raise ConfigError(
                f"hidden_size={d} / num_attention_heads={h} gives the odd head size "
                f"{self.head_size}; rotary embedding turns pairs: choose an even quotient"
            )
        if self.vocab_size > MAX_VOCAB_SIZE:
            raise ConfigError(f"vocab_size={self.vocab_size} must be at most {MAX_VOCAB_SIZE}")

    @property
    def head_size(self) -> int:
        """E, the width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def kv_size(self) -> int:
        """K E, the width of the key and of the value projection."""
        return self.num_key_value_heads * self.head_size

    @property
    def matmul_weights(self) -> int:
        """Number of weights used in matrix products; the head counts, a lookup table does not."""
        d, f = self.hidden_size, self.intermediate_size
        layer = 2 * d * d + 2 * d * self.kv_size + 3 * d * f
        return self.num_hidden_layers * layer + self.vocab_size * d

    def training_flops_per_token(self, sequence_length: int) -> int:
        """6 N + 6 L T D: two FLOP a weight forward, four backward, and causal attention.

        Causal attention needs half of the T x T square, forward 2 T D and backward 4 T D a layer.
        Recomputation is not counted.
        """
        attention = 6 * self.num_hidden_layers * sequence_length * self.hidden_size
        return 6 * self.matmul_weights + attention

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field name."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModelConfig:
        """The inverse of `to_dict`; unknown names are refused."""
        return from_dict(cls, values)


@dataclass(frozen=True)
class TrainConfig:
    """How one run trains and what it measures. Lengths are in tokens unless said otherwise.

    Raises
    ------
    ConfigError
        If a value is out of its range or the budget is too small for its intervals.
    """

    budget_tokens: int = setting(20_000_000, "tokens to train on; rounded up to whole steps")
    batch_size: int = setting(16, "B, sequences in a step")
    sequence_length: int = setting(256, "T, tokens in a sequence")
    train_tokens: int | None = setting(
        None, "U, unique training tokens: the training text's first U; all if not given"
    )
    valid_tokens: int = setting(65_536, "validation tokens measured at every interval")
    intervals: int = setting(21, "measurements of a run, the one before the first step included")
    learning_rate: float = setting(5e-4, "peak learning rate")
    schedule: str = setting("constant", "after the warm-up: " + ", ".join(SCHEDULES))
    warmup_steps: int = setting(100, "steps of linear warm-up")
    min_learning_rate_ratio: float = setting(0.1, "final over peak rate: cosine, linear, wsd")
    decay_fraction: float = setting(0.2, "share of the steps in which wsd decays")
    beta1: float = setting(0.9, "AdamW: decay of the mean of gradients")
    beta2: float = setting(0.95, "AdamW: decay of the mean of squared gradients")
    adam_epsilon: float = setting(1e-8, "AdamW: added to the root")
    weight_decay: float = setting(0.1, "AdamW: decoupled decay, on matrices only")
    max_grad_norm: float = setting(1.0, "gradients are scaled down to this global norm")
    divergence_retries: int = setting(
        0, "times to go back an interval and halve the rate after numbers that are not finite"
    )
    micro_batch_size: int = setting(1, "sequences that one thread takes through the model at once")
    gradient_lanes: int = setting(
        USUAL_LANES, "gradient buffers summed in fixed order; bounds the threads"
    )
    backend: str = setting("numba", "operations: " + " or ".join(BACKENDS))
    matmul: str = setting("numba", "the numba backend's products: " + " or ".join(MATMULS))
    sample_prompts: tuple[str, ...] = setting(
        ("Once upon a time", "The little dog", '"I am sorry," said'),
        "texts continued at every interval; separated by | on the command line",
    )
    sample_tokens: int = setting(48, "tokens generated for each sample prompt; 0 for none")
    sample_temperature: float = setting(0.0, "temperature of the sample texts; 0 is greedy")
    seed: int = setting(0, "seed of the run; a study sets it")
    init_seed: int | None = setting(None, "seed of the initial weights; derived from seed if empty")
    data_seed: int | None = setting(None, "seed of the data order; derived from seed if empty")

    def __post_init__(self) -> None:
        check_types(self)
        prompts = self.sample_prompts
        if not isinstance(prompts, tuple) or not all(isinstance(text, str) for text in prompts):
            raise ConfigError(f"sample_prompts={prompts!r} must be a tuple of texts")
        for text in prompts:
            check_text("sample_prompts", text)
        for name in (
            "budget_tokens",
            "batch_size",
            "sequence_length",
            "valid_tokens",
            "micro_batch_size",
            "gradient_lanes",
        ):
            check_at_least(self, name, 1)
        check_at_least(self, "intervals", 2)
        for name in ("warmup_steps", "divergence_retries", "sample_tokens", "seed"):
            check_at_least(self, name, 0)
        for name in ("train_tokens", "init_seed", "data_seed"):
            if getattr(self, name) is not None:
                check_at_least(self, name, 1 if name == "train_tokens" else 0)
        for name in ("learning_rate", "adam_epsilon", "max_grad_norm"):
            check_positive(self, name)
        if self.divergence_retries > MAX_RETRIES:
            raise ConfigError(
                f"divergence_retries={self.divergence_retries} must be at most {MAX_RETRIES}: each "
                "halves the learning rate"
            )
        # Each lane has a gradient of its own in memory. The usual number may exceed a small batch.
        most = max(-(-self.batch_size // self.micro_batch_size), USUAL_LANES)
        if self.gradient_lanes > most:
            raise ConfigError(
                f"gradient_lanes={self.gradient_lanes} must be at most {most}: a step of "
                f"batch_size={self.batch_size} has no more micro-batches to give them"
            )
        check_range(self, "beta1", 0.0, 1.0, open_above=True)
        check_range(self, "beta2", 0.0, 1.0, open_above=True)
        check_range(self, "min_learning_rate_ratio", 0.0, 1.0)
        check_range(self, "decay_fraction", 0.0, 1.0)
        check_range(self, "weight_decay", 0.0, math.inf)
        check_range(self, "sample_temperature", 0.0, math.inf)
        check_choice(self, "schedule", SCHEDULES)
        check_choice(self, "backend", BACKENDS)
        check_choice(self, "matmul", MATMULS)
        if self.budget_tokens < self.tokens_per_step:
            raise ConfigError(
                f"budget_tokens={self.budget_tokens} is below one step of batch_size x "
                f"sequence_length = {self.tokens_per_step} tokens; raise it or take smaller steps"
            )
        if self.intervals - 1 > self.steps:
            raise ConfigError(
                f"intervals={self.intervals} needs at least {self.intervals - 1} steps, but "
                f"budget_tokens={self.budget_tokens} gives {self.steps}; "
                "ask for fewer intervals or a larger budget"
            )
        if self.valid_tokens < self.sequence_length:
            raise ConfigError(
                f"valid_tokens={self.valid_tokens} must be at least one sequence of "
                f"sequence_length={self.sequence_length}"
            )
        if self.train_tokens is not None and self.train_tokens <= self.sequence_length:
            raise ConfigError(
                f"train_tokens={self.train_tokens} must exceed sequence_length="
                f"{self.sequence_length}: a window holds one token more than the sequence"
            )

    @property
    def tokens_per_step(self) -> int:
        """B T."""
        return self.batch_size * self.sequence_length

    @property
    def steps(self) -> int:
        """Steps of the run: ceil(budget / (B T))."""
        return -(-self.budget_tokens // self.tokens_per_step)

    def interval_step(self, interval: int) -> int:
        """The number of steps after which `interval` is measured: ceil(i steps / last)."""
        return -(-interval * self.steps // (self.intervals - 1))

    def to_dict(self) -> dict[str, Any]:
        """Plain values by field name."""
        return {**dataclasses.asdict(self), "sample_prompts": list(self.sample_prompts)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The inverse of `to_dict`; unknown names are refused."""
        prompts = values.get("sample_prompts")
        if isinstance(prompts, list):
            values = {**values, "sample_prompts": tuple(prompts)}
        return from_dict(cls, values)
