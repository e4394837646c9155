"""The token file's format: a row of tokens on disk, with a record beside it.

`train.bin` is the tokens, little-endian, nothing else. `train.json` records what they are: counts,
SHA-256 of the file and of the tokenizer. Opening verifies the first against the second, so damage
is seen. That the two are not those of another study is known from study.json alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyllama_np.corpus.text import CorpusError
from tinyllama_np.safe_files import UnsafeFileError, read_json_object, shown
from tinyllama_np.storage import write_atomic

# The byte order is part of the format, whatever the machine.
DTYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("<u2"), "uint32": np.dtype("<u4")}

TokenArray: TypeAlias = NDArray[np.unsignedinteger[Any]]  # uint16 or uint32


def dtype_name(vocab_size: int) -> str:
    """How wide a token is stored: "uint16" up to 65,536 tokens in the vocabulary, else "uint32"."""
    return "uint16" if vocab_size <= 1 << 16 else "uint32"


@dataclass(frozen=True)
class TokenFileInfo:
    """The record beside a token file.

    `tokens` counts every token, `<|endoftext|>` included; `stories` counts the latter.
    `text_bytes` is the UTF-8 length of the text that the tokens stand for, specials left out.
    `sha256` is that of the `.bin`; `dtype` is "uint16" or "uint32" (little-endian).

    The rest describes the text that the stories were taken from, and is None where it was not
    asked for: `duplicates` stories stood in it earlier already, `duplicates_dropped` of them were
    left out, and so were `overlap` stories of a validation text that stand in the training text.
    """

    tokens: int
    stories: int
    text_bytes: int
    vocab_size: int
    dtype: str
    sha256: str
    tokenizer_sha256: str
    duplicates: int | None = None
    duplicates_dropped: int | None = None
    overlap: int | None = None


@dataclass(frozen=True)
class TokenFile:
    """An open token file: `tokens` is a read-only memory map of shape (U,), uint16 or uint32."""

    path: Path
    tokens: TokenArray
    info: TokenFileInfo


def info_path(path: Path) -> Path:
    """Where the record of a token file lies: `train.json` for `train.bin`."""
    return path.with_suffix(".json")


def write_info(path: Path, info: TokenFileInfo) -> None:
    """Write the record of the token file `path`."""
    record = {name: value for name, value in asdict(info).items() if value is not None}
    write_atomic(info_path(path), (json.dumps(record, indent=2) + "\n").encode())


def open_token_file(path: Path, tokenizer_sha256: str | None = None) -> TokenFile:
    """Open a token file read-only and verify it against its record.

    Parameters
    ----------
    path : Path
        The `.bin`.
    tokenizer_sha256 : str, optional
        When given, the file must have been written with this tokenizer.

    Raises
    ------
    CorpusError
        A missing or damaged file or record; a size, SHA-256 or tokenizer that differs from the
        record; a token outside the vocabulary.
    """
    path = Path(path)
    info = read_info(info_path(path))
    dtype = DTYPES[info.dtype]
    expected = info.tokens * dtype.itemsize
    try:
        size = path.stat().st_size
        if size != expected:
            raise CorpusError(
                f"token file {path} has {size} bytes and its record says {expected} "
                f"({info.tokens} tokens of {info.dtype}): write it again from the text "
                "(a study: start it in a new folder)"
            )
        found, largest = _digest_and_largest(path, dtype)
    except OSError as error:
        raise CorpusError(
            f"token file {path} cannot be read ({error.strerror}): put it back, or write it again "
            "from the text (a study: start it in a new folder)"
        ) from None
    if found != info.sha256:
        raise CorpusError(
            f"token file {path} has SHA-256 {found[:12]} and its record says "
            f"{info.sha256[:12]}: write it again from the text (a study: start it in a new folder)"
        )
    if tokenizer_sha256 is not None and tokenizer_sha256 != info.tokenizer_sha256:
        raise CorpusError(
            f"token file {path} was written with tokenizer {info.tokenizer_sha256[:12]}, not "
            f"{tokenizer_sha256[:12]}: use that tokenizer or write the file again"
        )
    if largest >= info.vocab_size:
        raise CorpusError(
            f"token file {path} holds token {largest}, outside its vocabulary of "
            f"{info.vocab_size}: write it again from the text (a study: start it in a new folder)"
        )
    tokens: TokenArray = np.memmap(path, dtype=dtype, mode="r", shape=(info.tokens,))
    return TokenFile(path, tokens, info)


def _digest_and_largest(path: Path, dtype: np.dtype[Any]) -> tuple[str, int]:
    """SHA-256 and largest token in one reading, in pieces: a map would stay in memory."""
    digest, largest = hashlib.sha256(), -1
    with open(path, "rb") as stream:
        while piece := stream.read(1 << 20):  # a whole number of tokens: the size was checked
            digest.update(piece)
            largest = max(largest, int(np.frombuffer(piece, dtype).max()))
    return digest.hexdigest(), largest


def read_info(path: Path) -> TokenFileInfo:
    """Read and check a record.

    Raises
    ------
    CorpusError
        If it is missing, damaged or says what cannot be.
    """
    try:
        record = read_json_object(path)
    except OSError as error:
        raise CorpusError(
            f"record {path} of the token file cannot be read ({error.strerror}): put it back, or "
            "write the token file again (a study: start it in a new folder)"
        ) from None
    except UnsafeFileError as error:
        raise CorpusError(
            f"record {path} of the token file cannot be used: {error}; write it again"
        ) from None
    for field in fields(TokenFileInfo):
        kind = int if str(field.type).startswith("int") else str
        optional = "None" in str(field.type) and field.name not in record
        value = record.get(field.name)
        if not optional and type(value) is not kind:
            raise CorpusError(
                f"record {path} of the token file has {field.name}={shown(value)}, "
                f"expected {'an integer' if kind is int else 'a string'}: write it again"
            )
        if isinstance(value, str) and not (value.isprintable() and len(value) <= 128):
            raise CorpusError(
                f"record {path} of the token file has {field.name}={shown(value)}, which no "
                "hash or type is written as: write it again"
            )
        if isinstance(value, int) and not 0 <= value < 1 << 63:
            raise CorpusError(
                f"record {path} of the token file has {field.name}={shown(value)}, "
                "which cannot be counted: write it again"
            )
    names = [field.name for field in fields(TokenFileInfo)]
    info = TokenFileInfo(**{name: record[name] for name in names if name in record})
    if info.dtype not in DTYPES or info.tokens < 1:
        raise CorpusError(
            f"record {path} of the token file has dtype={shown(info.dtype)}, tokens={info.tokens}: "
            f"expected {' or '.join(map(repr, DTYPES))} and at least 1; write it again"
        )
    return info
