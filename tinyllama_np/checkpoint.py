"""A training state on disk, which is at the same time a Hugging Face model folder.

    model.safetensors  config.json  generation_config.json  tokenizer.json  tokenizer_config.json
    optimizer.safetensors  training_state.json  manifest.json

The first five are what `AutoModelForCausalLM` and `AutoTokenizer` read; the others let training go
on. A checkpoint is written to a temporary folder and renamed, and its manifest holds the SHA-256 of
each file: it is either whole or not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import numpy as safetensors

from tinyllama_np.config import ConfigError, ModelConfig
from tinyllama_np.ops import FloatArray
from tinyllama_np.optimizer import Optimizer
from tinyllama_np.parameters import (
    Parameters,
    parameter_count,
    parameter_shapes,
    tensor_count,
)
from tinyllama_np.safe_files import (
    LARGEST_JSON,
    UnsafeFileError,
    file_inside,
    parse_json_object,
    read_bounded,
)
from tinyllama_np.safetensors_header import (
    ITEM_SIZES,
    check_header,
    largest_file,
    read_header,
    tensors_in,
)
from tinyllama_np.storage import (
    TEMPORARY_SUFFIX,
    make_folder,
    publish_folder,
    remove_tree,
    sha256_bytes,
    write_file,
)
from tokenizer import LARGEST_TOKENIZER_JSON, Tokenizer, huggingface_tokenizer_config

MODEL_FILE = "model.safetensors"
OPTIMIZER_FILE = "optimizer.safetensors"
STATE_FILE = "training_state.json"
MANIFEST_FILE = "manifest.json"


class CheckpointError(ValueError):
    """A folder that is no checkpoint, or one that has changed since it was written."""


class UnreadableCheckpointError(CheckpointError):
    """A checkpoint of which the system does not give a file: it may be as good as it was."""


@dataclass(frozen=True)
class Checkpoint:
    """What `load_checkpoint` found."""

    config: ModelConfig
    params: dict[str, FloatArray]
    moments: dict[str, FloatArray]  # m.<name> and v.<name>
    state: dict[str, Any]


def huggingface_config(config: ModelConfig, end_of_text: int) -> dict[str, Any]:
    """The content of config.json for transformers' `LlamaForCausalLM`.

    The rotary base stands twice: newer versions read `rope_parameters`, older `rope_theta`.
    """
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **config.to_dict(),
        "head_dim": config.head_size,
        "hidden_act": "silu",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "mlp_bias": False,
        "pretraining_tp": 1,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "bos_token_id": end_of_text,
        "eos_token_id": end_of_text,
        "dtype": "float32",
        "torch_dtype": "float32",
        "use_cache": True,
    }


def save_checkpoint(
    folder: Path,
    *,
    config: ModelConfig,
    tokenizer: Tokenizer,
    weights: Parameters,
    optimizer: Optimizer,
    state: Mapping[str, Any],
) -> None:
    """Write the checkpoint `folder`, whole or not at all."""
    moments = {f"m.{name}": view for name, view in optimizer.m.views.items()}
    moments |= {f"v.{name}": view for name, view in optimizer.v.views.items()}
    end = tokenizer.end_of_text
    files = {
        MODEL_FILE: safetensors.save(weights.views, metadata={"format": "pt"}),
        OPTIMIZER_FILE: safetensors.save(moments),
        "config.json": _json(huggingface_config(config, end)),
        "generation_config.json": _json({"bos_token_id": end, "eos_token_id": end}),
        "tokenizer.json": tokenizer.to_json().encode("utf-8"),
        "tokenizer_config.json": _json(
            huggingface_tokenizer_config(tokenizer, config.max_position_embeddings)
        ),
        STATE_FILE: _json(dict(state)),
    }
    files[MANIFEST_FILE] = _json({name: sha256_bytes(data) for name, data in files.items()})

    temporary = folder.with_name(f".{folder.name}{TEMPORARY_SUFFIX}")
    remove_tree(temporary)  # left by a killed process
    make_folder(temporary)
    for name, data in files.items():
        write_file(temporary / name, data)
    publish_folder(temporary, folder)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint and check every file against the manifest.

    What is checked is what is used: each file is read once.

    Raises
    ------
    UnreadableCheckpointError
        If the system does not give a file.
    CheckpointError
        If a file is missing, has other bytes than when it was written, or holds what no checkpoint
        holds; if the manifest names a file outside the folder.
    """
    try:
        manifest = _read_manifest(folder)
        config = _parse_config(_read_file(folder, "config.json", manifest))
        model, moments, state = (
            _read_file(folder, name, manifest, _largest_file(name, config))
            for name in (MODEL_FILE, OPTIMIZER_FILE, STATE_FILE)
        )
        for name in set(manifest) - {"config.json", MODEL_FILE, OPTIMIZER_FILE, STATE_FILE}:
            _read_file(folder, name, manifest, _largest_file(name, config))
        return Checkpoint(
            config=config,
            params=_parse_tensors(MODEL_FILE, model, config),
            moments=_parse_tensors(OPTIMIZER_FILE, moments, config, ("m.", "v.")),
            state=_parse_json(STATE_FILE, state),
        )
    except UnsafeFileError as error:
        raise CheckpointError(f"checkpoint {folder.name} is damaged ({error})") from None
    except OSError as error:
        raise UnreadableCheckpointError(
            f"checkpoint {folder.name} cannot be read ({_reason(error)})"
        ) from None


def load_model(folder: Path) -> tuple[ModelConfig, dict[str, FloatArray]]:
    """Configuration and weights of a checkpoint, or of any Llama folder in our sizes.

    The weights are of one float dtype, those of a checkpoint float32. Where there is a manifest,
    the two files are those of which it speaks.

    Raises
    ------
    CheckpointError
        If the folder holds no such model, its two files contradict each other, or one has changed
        since it was written.
    """
    with _named(folder):
        if not (folder / "config.json").exists():
            raise CheckpointError(f"{folder} holds no config.json; name {_a_checkpoint_in(folder)}")
        manifest = _manifest_if_any(folder)
        config = _parse_config(_read_file(folder, "config.json", manifest))
        largest = _largest_file(MODEL_FILE, config, max(ITEM_SIZES.values()))
        data = _read_file(folder, MODEL_FILE, manifest, largest)
        return config, _parse_tensors(MODEL_FILE, data, config, dtypes=tuple(ITEM_SIZES))


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint, or of a folder of that kind; see `load_model`.

    Raises
    ------
    CheckpointError
        If the folder holds none, or one that has changed since it was written.
    """
    with _named(folder):
        data = _read_file(
            folder, "tokenizer.json", _manifest_if_any(folder), LARGEST_TOKENIZER_JSON
        )
        try:
            return Tokenizer.from_json(data.decode("utf-8"))
        except ValueError as error:  # includes bytes that are not UTF-8
            raise UnsafeFileError(f"tokenizer.json: {error}") from None


def _a_checkpoint_in(folder: Path) -> str:
    """What a user may have meant by the folder of a study, a condition or a run."""
    for place in ("", "checkpoints", "*/checkpoints", "*/*/checkpoints", "runs/*/*/checkpoints"):
        for checkpoints in sorted(folder.glob(place)) if place else [folder]:
            if found := checkpoint_folders(checkpoints):
                return f"a checkpoint folder: {found[-1]}"
    return "a checkpoint folder"


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Tell of what is wrong in a folder that the user named."""
    try:
        yield
    except UnsafeFileError as error:
        raise CheckpointError(f"{folder}: {error}; use another checkpoint") from None
    except OSError as error:
        raise UnreadableCheckpointError(f"{folder}: {_reason(error)}") from None


def _largest_file(name: str, config: ModelConfig, item_size: int = 4) -> int:
    """Bytes that a checkpoint's file may have, before anything of it has been read."""
    if name == "tokenizer.json":
        return LARGEST_TOKENIZER_JSON
    if not name.endswith(".safetensors"):
        return LARGEST_JSON
    each = 2 if name == OPTIMIZER_FILE else 1
    return largest_file(each * tensor_count(config), each * parameter_count(config), item_size)


def _read_manifest(folder: Path) -> dict[str, Any]:
    return _parse_json(MANIFEST_FILE, _read_file(folder, MANIFEST_FILE, None))


def _manifest_if_any(folder: Path) -> dict[str, Any] | None:
    """A folder of another program has none."""
    return _read_manifest(folder) if (folder / MANIFEST_FILE).exists() else None


def _read_file(
    folder: Path, name: str, manifest: Mapping[str, Any] | None, largest: int = LARGEST_JSON
) -> bytearray:
    """A file's content, which is what it was when the manifest was written.

    Raises
    ------
    UnsafeFileError
        If it is not, or not there; with the file's name.
    OSError
        If it cannot be read; with the file's name.
    """
    source = name
    try:
        if manifest is not None:  # it may name any file; without one the folder may hold links
            source = MANIFEST_FILE
            file_inside(folder, name)
            source = name
        data = read_bounded(folder / name, largest)
    except FileNotFoundError:
        raise UnsafeFileError(f"it lacks {name}") from None
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{source}: {error}") from None
    except OSError as error:  # one of reading knows no name
        raise OSError(error.errno, error.strerror or str(error), name) from None
    if manifest is not None and sha256_bytes(data) != manifest.get(name):
        raise UnsafeFileError(f"{name} has changed since it was written")
    return data


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}"


def _parse_json(name: str, data: bytearray) -> dict[str, Any]:
    try:
        return parse_json_object(data)
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{name}: {error}") from None


def _parse_config(data: bytearray) -> ModelConfig:
    values = _parse_json("config.json", data)
    names = ModelConfig.__dataclass_fields__
    try:
        return ModelConfig.from_dict({n: values[n] for n in names if n in values})
    except ConfigError as error:
        raise UnsafeFileError(f"config.json: {error}") from None


def _parse_tensors(
    name: str,
    data: bytearray,
    config: ModelConfig,
    prefixes: Sequence[str] = ("",),
    dtypes: Collection[str] = ("F32",),
) -> dict[str, FloatArray]:
    """The tensors of a file, once its header has been found to announce exactly these.

    There is one for each weight and prefix of its name.
    """
    try:
        header, data_size = read_header(data, len(prefixes) * tensor_count(config))
        # only now: of a configuration that asks for too much the names alone would fill the memory
        shapes = parameter_shapes(config)
        expected = {f"{prefix}{n}": shape for prefix in prefixes for n, shape in shapes.items()}
        check_header(header, data_size, expected, dtypes)
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{name}: {error}") from None
    return tensors_in(data, header)


def restore(checkpoint: Checkpoint, weights: Parameters, optimizer: Optimizer) -> None:
    """Copy a checkpoint's weights and moments into the buffers of a run."""
    for name, view in weights.views.items():
        view[...] = checkpoint.params[name]
        optimizer.m.views[name][...] = checkpoint.moments[f"m.{name}"]
        optimizer.v.views[name][...] = checkpoint.moments[f"v.{name}"]


def checkpoint_folders(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first."""
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if p.is_dir() and re.fullmatch("step-[0-9]+", p.name)]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def whole_checkpoints(
    folder: Path, damaged: Callable[[CheckpointError], None] = lambda error: None
) -> Iterator[tuple[Path, Checkpoint]]:
    """The checkpoints in `folder` that are whole, newest first, each loaded when it is asked for.

    Parameters
    ----------
    folder : Path
    damaged : callable
        Called with the reason for each one that is left out.
    """
    for path in reversed(checkpoint_folders(folder)):
        try:
            checkpoint = load_checkpoint(path)
        except CheckpointError as error:
            damaged(error)
            continue  # the one before it is as good, only older
        yield path, checkpoint


def steps_to_keep(
    saved: Collection[int],
    current: int,
    interval_steps: Collection[int],
    keep: str,
    *,
    best: int | None = None,
    finished: bool = False,
) -> set[int]:
    """Of a run's checkpoints, those that stay now that the one of step `current` is on the disk.

    Parameters
    ----------
    saved : collection of int
        The steps of all checkpoints there are.
    current : int
    interval_steps : collection of int
        The steps after which intervals are measured.
    keep : {"last", "all", "best"}
        "last": the current one and, until the run has finished, the newest interval's before it,
        to fall back on. "best": also that of the lowest validation loss. "all": every interval's.
    best : int, optional
        The step of the lowest validation loss.
    finished : bool

    Returns
    -------
    set of int
        A later step than the current is never among them: the run went back behind it.
    """
    at_intervals = {step for step in saved if step in interval_steps and step < current}
    kept = {current}
    if keep == "all":
        kept |= at_intervals
    elif not finished and at_intervals:
        kept.add(max(at_intervals))
    if keep == "best" and best in at_intervals:
        kept.add(best)
    return kept


def _json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode("utf-8")
