"""The model's weights: their names, shapes, place in one flat buffer, and first values.

All tensors of a model lie one behind the other in a single array, so that the optimizer, the
reduction over gradient buffers and a checkpoint treat the model as one vector; the names are views
of it. The order is that of the forward pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from tinyllama_np.config import ModelConfig
from tinyllama_np.ops import FloatArray

EMBED = "model.embed_tokens.weight"
FINAL_NORM = "model.norm.weight"
HEAD = "lm_head.weight"


class LayerTensors(NamedTuple):
    """One decoder layer's weights, or their gradients, by role."""

    input_layernorm: Any  # (D,)
    q_proj: Any  # (D, D)
    k_proj: Any  # (K E, D)
    v_proj: Any  # (K E, D)
    o_proj: Any  # (D, D)
    post_attention_layernorm: Any  # (D,)
    gate_proj: Any  # (F, D)
    up_proj: Any  # (F, D)
    down_proj: Any  # (D, F)


class ModelTensors(NamedTuple):
    """A whole model's weights, or their gradients, by role."""

    embed_tokens: Any  # (V, D)
    layers: tuple[LayerTensors, ...]
    norm: Any  # (D,)
    head: Any  # (V, D); of a tied model the embedding itself


_LAYER_NAMES = LayerTensors(
    "input_layernorm",
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "post_attention_layernorm",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


def layer_tensor_name(layer: int, name: str) -> str:
    """Hugging Face's name of a layer's weight, e.g. `model.layers.0.self_attn.q_proj.weight`."""
    return f"model.layers.{layer}.{name}.weight"


def parameter_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every weight by name, in the order of the flat buffer; matrices are (out, in)."""
    d = config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {EMBED: (config.vocab_size, d)}
    for layer in range(config.num_hidden_layers):
        for name, shape in zip(_LAYER_NAMES, _layer_shapes(config), strict=True):
            shapes[layer_tensor_name(layer, name)] = shape
    shapes[FINAL_NORM] = (d,)
    if not config.tie_word_embeddings:
        shapes[HEAD] = (config.vocab_size, d)
    return shapes


def _layer_shapes(config: ModelConfig) -> LayerTensors:
    d, f, kv = config.hidden_size, config.intermediate_size, config.kv_size
    return LayerTensors((d,), (d, d), (kv, d), (kv, d), (d, d), (d,), (f, d), (f, d), (d, f))


# The two counts come from the sizes alone, not from a list of the tensors: a configuration that was
# read from a file may ask for any number of layers.


def parameter_count(config: ModelConfig) -> int:
    """Number of trained values; a tied head counts once."""
    embeddings = (1 if config.tie_word_embeddings else 2) * config.vocab_size * config.hidden_size
    layer: int = sum(math.prod(shape) for shape in _layer_shapes(config))
    return embeddings + config.num_hidden_layers * layer + config.hidden_size


def tensor_count(config: ModelConfig) -> int:
    """Number of weights with a name of their own."""
    return len(_LAYER_NAMES) * config.num_hidden_layers + (2 if config.tie_word_embeddings else 3)


@dataclass(frozen=True)
class Parameters:
    """A flat buffer and its named views."""

    flat: FloatArray
    views: dict[str, FloatArray]

    @classmethod
    def zeros(cls, config: ModelConfig, dtype: DTypeLike = np.float32) -> Parameters:
        """All zero: a gradient buffer, or weights to be filled in."""
        flat: FloatArray = np.zeros(parameter_count(config), dtype=dtype)
        return cls(flat, flat_views(flat, config))

    @classmethod
    def initial(cls, config: ModelConfig, seed: int) -> Parameters:
        """First weights in float32: matrices normal(0, initializer_range), gains 1."""
        parameters = cls.zeros(config)
        # The key keeps these numbers apart from those of the data order of the same seed.
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(0,))))
        for view in parameters.views.values():
            if view.ndim == 1:
                view[...] = 1
            else:
                view[...] = rng.standard_normal(view.shape, dtype=np.float32)
                view *= np.float32(config.initializer_range)
        return parameters


def flat_views(flat: FloatArray, config: ModelConfig) -> dict[str, FloatArray]:
    """Views of `flat`, one a weight, by name."""
    views, offset = {}, 0
    for name, shape in parameter_shapes(config).items():
        size = math.prod(shape)
        views[name] = flat[offset : offset + size].reshape(shape)
        offset += size
    return views


def init_params(config: ModelConfig, seed: int = 0) -> dict[str, FloatArray]:
    """First weights of a model.

    Parameters
    ----------
    config : ModelConfig
    seed : int
        The same seed gives the same weights.

    Returns
    -------
    dict of str to ndarray of float32
        Views of one flat buffer, under Hugging Face's names.
    """
    return Parameters.initial(config, seed).views


def arrange(
    params: Mapping[str, FloatArray],
    config: ModelConfig,
    matrix: Callable[[str, FloatArray], Any] = lambda name, array: array,
) -> ModelTensors:
    """Weights by role instead of by name; `matrix` may wrap each matrix of a product.

    The embedding is looked up, not multiplied, so `embed_tokens` is never wrapped; `head` is.
    """

    def tensor(name: str) -> Any:
        array = params[name]
        return matrix(name, array) if array.ndim == 2 else array

    layers = tuple(
        LayerTensors(*(tensor(layer_tensor_name(layer, name)) for name in _LAYER_NAMES))
        for layer in range(config.num_hidden_layers)
    )
    head = EMBED if config.tie_word_embeddings else HEAD
    return ModelTensors(params[EMBED], layers, params[FINAL_NORM], tensor(head))


def check_params(params: Mapping[str, Any], config: ModelConfig) -> np.dtype[Any]:
    """Refuse weights that do not fit the configuration; returns their common dtype.

    Raises
    ------
    ValueError
        If a weight is missing or too many, or has another shape or dtype than its fellows.
    """
    if config.num_hidden_layers > max(1000, len(params)):  # before every name is made
        raise ValueError(
            f"params has {len(params)} weights, fewer than num_hidden_layers="
            f"{config.num_hidden_layers}: they belong to another configuration"
        )
    shapes = parameter_shapes(config)
    missing, unknown = sorted(set(shapes) - set(params)), sorted(set(params) - set(shapes))
    if missing:
        raise ValueError(f"params lacks {_some(missing)}, which the configuration asks for")
    if unknown:
        raise ValueError(f"params has {_some(unknown)}, which the configuration does not know")
    dtype = np.asarray(params[EMBED]).dtype
    for name, shape in shapes.items():
        array = params[name]
        if not isinstance(array, np.ndarray) or array.shape != shape:
            raise ValueError(
                f"params[{name!r}] must be an ndarray of shape {shape}, got "
                f"{type(array).__name__} of shape {np.shape(array)}"
            )
        if array.dtype != dtype or dtype.kind != "f":
            raise ValueError(
                f"params[{name!r}] has dtype {array.dtype}; all weights must have one float dtype"
            )
    return dtype


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more
