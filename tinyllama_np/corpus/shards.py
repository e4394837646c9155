"""Encoding in shards: consecutive stories, encoded by several threads, and kept if one is killed.

The tokens of a shard depend on its stories and on the tokenizer alone, and shards are taken in
order. So neither their size nor the number of threads shows in the result.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tinyllama_np.corpus.record import DTYPES, TokenArray, dtype_name
from tinyllama_np.corpus.text import SEPARATOR, CorpusError
from tinyllama_np.storage import (
    append_bytes,
    append_text,
    cut_file,
    sha256_bytes,
    write_text_atomic,
)

SHARD_CHARACTERS = 1 << 20

Item = TypeVar("Item")
Result = TypeVar("Result")


class StoryTokenizer(Protocol):
    """What encoding needs of a tokenizer; `tokenizer.Tokenizer` has it.

    Several threads call `encode_array` at once. With ``special="special"`` it turns
    `<|endoftext|>` into `end_of_text`.
    """

    @property
    def vocab_size(self) -> int: ...
    @property
    def end_of_text(self) -> int: ...
    @property
    def sha256(self) -> str: ...
    def encode_array(self, text: str, *, special: Any = ...) -> NDArray[Any]: ...
    def token_byte_lengths(self) -> NDArray[Any]: ...


# ------------------------------------------------------------------------------- stories to tokens


def shard_texts(stories: Iterable[str], characters: int = SHARD_CHARACTERS) -> Iterator[str]:
    """The stories in texts of at least `characters` (the last may be shorter), each story closed.

    Raises
    ------
    CorpusError
        A story with the separator inside.
    """
    shard: list[str] = []
    size = 0
    for story in stories:
        if SEPARATOR in story:
            raise CorpusError(
                f"a story holds {SEPARATOR}: split the text there (starts {story[:30]!r})"
            )
        shard.append(story)
        size += len(story)
        if size >= characters:
            yield SEPARATOR.join([*shard, ""])
            shard, size = [], 0
    if shard:
        yield SEPARATOR.join([*shard, ""])


def encode_shard(text: str, tokenizer: StoryTokenizer) -> TokenArray:
    """Tokens of a shard, in the byte order and the width of the file.

    Raises
    ------
    CorpusError
        A token outside the vocabulary; a lone surrogate.
    """
    try:
        ids = tokenizer.encode_array(text, special="special")
    except ValueError as error:
        raise CorpusError(str(error)) from None
    # Before the cast: it would fold a larger id onto a valid one.
    if ids.size and not 0 <= ids.min() <= ids.max() < tokenizer.vocab_size:
        raise CorpusError(
            f"token {ids.max()} is outside the tokenizer's vocabulary of {tokenizer.vocab_size}"
        )
    tokens: TokenArray = ids.astype(DTYPES[dtype_name(tokenizer.vocab_size)], copy=False)
    return tokens


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int
) -> Generator[Result, None, None]:
    """`map` over threads: the results in the order of the items, a few items ahead at most."""
    if workers == 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as executor:
        try:
            for item in items:
                waiting.append(executor.submit(function, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # an error, or nobody wants the rest
            for future in waiting:
                future.cancel()


# -------------------------------------------------------------------------------- finished shards


@dataclass(frozen=True)
class Shard:
    """A finished shard: what was encoded, and what came of it."""

    text_sha256: str  # empty: a text that was cut, which no text equals
    tokens: int
    stories: int
    text_bytes: int
    sha256: str


def sha256_text(text: str) -> str:
    """Hexadecimal SHA-256 of the text in UTF-8; lone surrogates count as what they are."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def encoded_shard(text: str, tokenizer: StoryTokenizer) -> tuple[Shard, TokenArray]:
    """`encode_shard` with the description of the result."""
    tokens = encode_shard(text, tokenizer)
    return described(tokens, tokenizer, sha256_text(text)), tokens


def described(tokens: TokenArray, tokenizer: StoryTokenizer, text_sha256: str) -> Shard:
    """The shard of these tokens."""
    # end-of-text stands for no text, whatever the tokenizer calls its length
    lengths = np.array(tokenizer.token_byte_lengths(), dtype=np.int64)
    lengths[tokenizer.end_of_text] = 0
    return Shard(
        text_sha256=text_sha256,
        tokens=tokens.size,
        stories=int(np.count_nonzero(tokens == tokenizer.end_of_text)),
        text_bytes=int(lengths[tokens].sum()),
        sha256=sha256_bytes(tokens.tobytes()),
    )


class ShardStore:
    """The finished shards of a token file in the making: one file of tokens and a journal.

    Tokens are appended first, their line in the journal follows. A start after a kill keeps the
    shards whose tokens have the SHA-256 that the journal says, up to the first that has not.

    Parameters
    ----------
    folder : Path
        Where the two files lie; made if it is not there.
    purpose : dict
        What the shards depend on beside their text. Shards of another purpose are thrown away.
    itemsize : int
        Bytes of a token.
    """

    def __init__(self, folder: Path, purpose: dict[str, Any], itemsize: int) -> None:
        self.tokens_path = folder / "tokens"
        self._journal = folder / "journal.jsonl"
        self._header = json.dumps(purpose, sort_keys=True) + "\n"
        self._itemsize = itemsize
        self.shards = self._whole_shards()
        self.tokens = 0  # of all shards
        self.keep(len(self.shards))

    def _whole_shards(self) -> list[Shard]:
        whole: list[Shard] = []
        with suppress(OSError, ValueError, TypeError):  # nothing there, or a line cut short
            header, *lines = self._journal.read_text(encoding="utf-8").splitlines(keepends=True)
            with open(self.tokens_path, "rb") as stream:
                for line in lines if header == self._header else ():
                    shard = Shard(**json.loads(line))
                    data = stream.read(max(0, shard.tokens) * self._itemsize)
                    if sha256_bytes(data) != shard.sha256:
                        break
                    whole.append(shard)
        return whole

    def keep(self, count: int) -> None:
        """Drop all but the first `count` shards."""
        del self.shards[count:]
        self.tokens = sum(shard.tokens for shard in self.shards)
        write_text_atomic(self._journal, self._header + "".join(map(_line, self.shards)))
        append_bytes(self.tokens_path, b"")  # so that it is there
        cut_file(self.tokens_path, self.tokens * self._itemsize)

    def append(self, shard: Shard, tokens: TokenArray) -> None:
        """Add the next shard."""
        append_bytes(self.tokens_path, tokens.tobytes())
        append_text(self._journal, _line(shard))
        self.shards.append(shard)
        self.tokens += shard.tokens


def _line(shard: Shard) -> str:
    return json.dumps(asdict(shard)) + "\n"
