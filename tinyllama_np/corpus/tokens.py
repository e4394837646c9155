"""The token file: stories as one row of uint16 on disk, with a record beside it.

`train.bin` is the tokens, little-endian, nothing else. `train.json` records what they are: counts,
SHA-256 of the file and of the tokenizer. Opening verifies the first against the second, so a run
never trains on a damaged or mixed-up file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tinyllama_np.corpus.text import SEPARATOR, CorpusError
from tinyllama_np.storage import sha256_bytes, sha256_file, write_atomic

MAX_VOCAB_SIZE = 65_536  # what a uint16 can name
FILE_DTYPE = np.dtype("<u2")  # the byte order is part of the format, whatever the machine

TokenArray = NDArray[np.uint16]


class StoryTokenizer(Protocol):
    """What this file needs of a tokenizer; `tokenizer.Tokenizer` has it."""

    @property
    def vocab_size(self) -> int: ...
    @property
    def end_of_text(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    def encode_array(self, text: str) -> NDArray[Any]: ...
    def token_byte_lengths(self) -> NDArray[Any]: ...


@dataclass(frozen=True)
class TokenFileInfo:
    """The record beside a token file.

    `tokens` counts every token, `<|endoftext|>` included; `stories` counts the latter.
    `text_bytes` is the UTF-8 length of the text that the tokens stand for, specials left out.
    `sha256` is that of the `.bin`; `dtype` is always "uint16" (little-endian).
    """

    tokens: int
    stories: int
    text_bytes: int
    vocab_size: int
    dtype: str
    sha256: str
    tokenizer_sha256: str


@dataclass(frozen=True)
class TokenFile:
    """An open token file: `tokens` is a read-only memory map of shape (U,), uint16."""

    path: Path
    tokens: TokenArray
    info: TokenFileInfo


def info_path(path: Path) -> Path:
    """Where the record of a token file lies: `train.json` for `train.bin`."""
    return path.with_suffix(".json")


def encode_stories(
    stories: Sequence[str], tokenizer: StoryTokenizer, max_tokens: int | None = None
) -> TokenArray:
    """Tokens of `stories`, each followed by end-of-text.

    With `max_tokens` the result has exactly that many: the stories are taken in order, the one
    that does not fit is cut, and the last place is its end-of-text. So the ring always closes with
    a story's end. (Where only that last place is left, the cut story has no token but its end.)

    Returns
    -------
    tokens : ndarray of shape (U,), uint16

    Raises
    ------
    CorpusError
        A vocabulary that uint16 cannot hold; a story with the separator inside; a token outside
        the vocabulary; a text that has fewer tokens than `max_tokens`.
    ValueError
        `max_tokens` below 2.
    """
    if tokenizer.vocab_size > MAX_VOCAB_SIZE:
        raise CorpusError(
            f"vocab_size={tokenizer.vocab_size} does not fit the uint16 token file: "
            f"expected at most {MAX_VOCAB_SIZE}; train a smaller tokenizer"
        )
    if max_tokens is not None and max_tokens < 2:
        raise ValueError(f"max_tokens={max_tokens}: expected at least 2 (a token and its end)")
    pieces: list[TokenArray] = []
    total = 0
    for story in stories:
        if max_tokens is not None and total >= max_tokens:
            break
        pieces.append(_encode_story(story, tokenizer))
        total += pieces[-1].size
    if max_tokens is not None and total < max_tokens:
        raise CorpusError(
            f"the text has {total} tokens and {max_tokens} were asked for: "
            f"give more text or ask for at most {total}"
        )
    if not pieces:
        raise CorpusError("no stories to encode: the text is empty")
    tokens = np.concatenate(pieces)[:max_tokens]
    tokens[-1] = tokenizer.end_of_text
    return tokens


def _encode_story(story: str, tokenizer: StoryTokenizer) -> TokenArray:
    if SEPARATOR in story:
        raise CorpusError(
            f"a story holds {SEPARATOR}: split the text there (starts {story[:30]!r})"
        )
    ids = tokenizer.encode_array(story)
    # Before the cast: uint16 would fold a larger id onto a valid one.
    if ids.size and not 0 <= ids.min() <= ids.max() < tokenizer.vocab_size:
        raise CorpusError(
            f"token {ids.max()} is outside the tokenizer's vocabulary of {tokenizer.vocab_size}"
        )
    return np.append(ids, tokenizer.end_of_text).astype(np.uint16)


def write_token_file(
    path: Path,
    stories: Sequence[str],
    tokenizer: StoryTokenizer,
    max_tokens: int | None = None,
) -> TokenFileInfo:
    """Write `encode_stories(stories, tokenizer, max_tokens)` to `path`, and its record beside it.

    Each of the two files appears whole or not at all, the tokens first: after a power cut between
    them the record is missing or does not match, and `open_token_file` says so.
    """
    tokens = encode_stories(stories, tokenizer, max_tokens)
    data = tokens.astype(FILE_DTYPE).tobytes()
    # end-of-text stands for no text, whatever the tokenizer calls its length
    is_text = tokens != tokenizer.end_of_text
    info = TokenFileInfo(
        tokens=int(tokens.size),
        stories=int(tokens.size - np.count_nonzero(is_text)),
        text_bytes=int(tokenizer.token_byte_lengths()[tokens[is_text]].sum(dtype=np.int64)),
        vocab_size=tokenizer.vocab_size,
        dtype="uint16",
        sha256=sha256_bytes(data),
        tokenizer_sha256=tokenizer.sha256,
    )
    write_atomic(path, data)
    write_atomic(info_path(path), (json.dumps(asdict(info), indent=2) + "\n").encode())
    return info


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
    info = _read_info(info_path(path))
    try:
        size = path.stat().st_size
    except OSError as error:
        raise CorpusError(f"token file {path} cannot be read: {error.strerror}") from None
    expected = info.tokens * FILE_DTYPE.itemsize
    if size != expected:
        raise CorpusError(
            f"token file {path} has {size} bytes and its record says {expected} "
            f"({info.tokens} tokens): write it again from the text"
        )
    if (found := sha256_file(path)) != info.sha256:
        raise CorpusError(
            f"token file {path} has SHA-256 {found[:12]} and its record says "
            f"{info.sha256[:12]}: write it again from the text"
        )
    if tokenizer_sha256 is not None and tokenizer_sha256 != info.tokenizer_sha256:
        raise CorpusError(
            f"token file {path} was written with tokenizer {info.tokenizer_sha256[:12]}, not "
            f"{tokenizer_sha256[:12]}: use that tokenizer or write the file again"
        )
    tokens = np.memmap(path, dtype=FILE_DTYPE, mode="r", shape=(info.tokens,))
    if (largest := int(tokens.max())) >= info.vocab_size:
        raise CorpusError(
            f"token file {path} holds token {largest}, outside its vocabulary of "
            f"{info.vocab_size}: write it again from the text"
        )
    return TokenFile(path, tokens, info)


def _read_info(path: Path) -> TokenFileInfo:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CorpusError(
            f"record {path} of the token file cannot be read: {error.strerror}"
        ) from None
    except ValueError:  # not UTF-8 or not JSON
        raise CorpusError(f"record {path} of the token file is not JSON: write it again") from None
    kinds = {field.name: int if field.type == "int" else str for field in fields(TokenFileInfo)}
    if not isinstance(record, dict):
        raise CorpusError(f"record {path} of the token file is not a JSON object: write it again")
    for name, kind in kinds.items():
        if type(record.get(name)) is not kind:
            raise CorpusError(
                f"record {path} of the token file has {name}={record.get(name)!r}, expected "
                f"{'an integer' if kind is int else 'a string'}: write it again"
            )
    info = TokenFileInfo(**{name: record[name] for name in kinds})
    if info.dtype != "uint16" or info.tokens < 1:
        raise CorpusError(
            f"record {path} of the token file has dtype={info.dtype!r}, tokens={info.tokens}: "
            "expected 'uint16' and at least 1; write it again"
        )
    return info
