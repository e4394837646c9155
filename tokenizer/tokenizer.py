"""`Tokenizer`: train, encode, decode, save, load.

A tokenizer is its `Vocabulary` (merges, special tokens, pattern) and nothing else; everything here
follows from it. Ids of one that was trained here: the bytes are 0 to 255, the merges follow in the
order in which they were learnt, and `<|endoftext|>` comes last. Those of other libraries have their
own.
"""

from __future__ import annotations

import hashlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from tokenizer.batching import Block, SpecialCutter, gather, in_order
from tokenizer.count import PieceCounts, count_pieces
from tokenizer.encode import PieceEncoder
from tokenizer.files import read_bounded, replaced
from tokenizer.oniguruma import check_portable
from tokenizer.pretokenize import END_OF_TEXT, PATTERN, encode_utf8
from tokenizer.tiktoken_ranks import LARGEST_RANKS, read_ranks, write_ranks
from tokenizer.token_ids import known_ids
from tokenizer.tokenizer_json import (
    LARGEST_TOKENIZER_JSON,
    read_tokenizer_json,
    write_tokenizer_json,
)
from tokenizer.train import learn_merges
from tokenizer.vocabulary import (
    MAX_VOCAB_SIZE,
    N_BYTES,
    Vocabulary,
    check_pattern,
    check_special_tokens,
    whole_numbers,
)

if TYPE_CHECKING:
    from tokenizer.compiled import CompiledDecoder, CompiledEncoder

Special = Literal["text", "special", "refuse"]
TokenArray = NDArray[Any]  # uint16 or uint32

LARGEST_UINT16 = 1 << 16  # tokens; ids of a larger vocabulary take uint32

# Bytes and ids below which one call does not load the kernels, which takes most of a second.
_LOAD_KERNELS_FROM = 1 << 16


@dataclass(frozen=True)
class Tokenizer(Vocabulary):
    """Byte-level byte-pair encoding.

    Use `Tokenizer.train`, `Tokenizer.load` or `Tokenizer.load_tiktoken` to get one; `Vocabulary`
    has the parameters.

    Examples
    --------
    >>> tokenizer = Tokenizer.train(["low lower lowest"], vocab_size=260)
    >>> tokenizer.encode("low"), tokenizer.decode([257, 259])
    ([257], 'low<|endoftext|>')
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """What goes to another process: not the stores, which are of this one's threads."""
        return type(self), tuple(getattr(self, f.name) for f in fields(self) if f.init)

    def __repr__(self) -> str:
        return f"<Tokenizer of {self.vocab_size} tokens, sha256 {self.sha256[:12]}>"

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        *,
        special_tokens: Sequence[str] = (END_OF_TEXT,),
        pattern: str = PATTERN,
        progress: Callable[[int, int], object] | None = None,
        counted: Callable[[Mapping[bytes, int] | PieceCounts], object] | None = None,
    ) -> Tokenizer:
        """Learn a vocabulary of `vocab_size` tokens from `texts`.

        Parameters
        ----------
        texts : iterable of str
            Read once, so a generator will do. Nothing is merged across two texts, nor across a
            special token inside a text. Their order does not matter.
        vocab_size : int
            Bytes, merges and special tokens; from 257 (no merges) to 16,777,216. Up to 65,536 an
            id fits uint16.
        special_tokens : sequence of str
            They take the last ids, in this order; `<|endoftext|>` must be the last of all.
        pattern : str
            Regular expression (of the `regex` package) whose matches are the pieces.
        progress : callable, optional
            Called as ``progress(merges_done, merges_wanted)`` now and then.
        counted : callable, optional
            Called with the counts of the pieces, before the merges are learnt.

        Returns
        -------
        Tokenizer

        Raises
        ------
        ValueError
            If there is no text, or an argument is out of range.

        Warns
        -----
        UserWarning
            If the text has too few different pairs. Then there are fewer merges, `vocab_size`
            is smaller than asked, and `<|endoftext|>` is still the last id.
        """
        if isinstance(special_tokens, str):
            raise ValueError(f"special_tokens={special_tokens!r} is one str; write a list of str")
        check_special_tokens(special_tokens)
        check_pattern(pattern)
        if not special_tokens or special_tokens[-1] != END_OF_TEXT:
            raise ValueError(
                f"special_tokens={list(special_tokens)} must end with {END_OF_TEXT!r}, which "
                "stands between two stories"
            )
        least = N_BYTES + len(special_tokens)
        (vocab_size,) = whole_numbers("vocab_size", [vocab_size])
        if not least <= vocab_size <= MAX_VOCAB_SIZE:
            named = END_OF_TEXT if len(special_tokens) == 1 else f"{least - N_BYTES} special tokens"
            raise ValueError(
                f"vocab_size={vocab_size} must be from {least} (the {N_BYTES} bytes and {named}) "
                f"to {MAX_VOCAB_SIZE}"
            )
        if isinstance(texts, str):
            raise ValueError("texts is one str, expected an iterable of str; write [text]")
        piece_counts = count_pieces(texts, pattern, special_tokens[:-1])
        if not piece_counts:
            raise ValueError("texts holds no text to train on; give at least one non-empty str")
        if counted is not None:
            counted(piece_counts)
        merges = learn_merges(piece_counts, vocab_size - least, progress)
        tokenizer = cls(tuple(merges), tuple(special_tokens), pattern)
        if tokenizer.vocab_size < vocab_size:
            warnings.warn(
                f"vocab_size={vocab_size} needs {vocab_size - least} merges, but the "
                f"text has pairs for {len(merges)} only: the vocabulary has "
                f"{tokenizer.vocab_size} tokens, and {END_OF_TEXT} is {tokenizer.end_of_text}; "
                "train on more text or ask for fewer tokens",
                UserWarning,
                stacklevel=2,
            )
        return tokenizer

    @cached_property
    def _dtype(self) -> np.dtype[np.unsignedinteger]:
        return np.dtype(np.uint16 if self.vocab_size <= LARGEST_UINT16 else np.uint32)

    @cached_property
    def _id_of_rank(self) -> TokenArray | None:
        return None if self.ids is None else np.array(self.ids, dtype=self._dtype)

    @cached_property
    def _piece_encoder(self) -> PieceEncoder:
        ordinary = self.tokens_by_rank[: N_BYTES + len(self.merges)]
        whole = {token: rank for rank, token in enumerate(ordinary)} if self.whole_pieces else {}
        return PieceEncoder(self.merges, self.pattern, whole)

    @cached_property
    def _compiled_encoder(self) -> CompiledEncoder:
        from tokenizer.compiled import CompiledEncoder

        return CompiledEncoder(self.merges)

    @cached_property
    def _compiled_decoder(self) -> CompiledDecoder:
        from tokenizer.compiled import CompiledDecoder

        return CompiledDecoder([token or b"" for token in self.tokens_by_id])

    @cached_property
    def _cut_at_specials(self) -> SpecialCutter:
        first = N_BYTES + len(self.merges)
        return SpecialCutter({name: first + i for i, name in enumerate(self.special_tokens)})

    def encode(self, text: str, *, special: Special = "text") -> list[int]:
        """Token ids of `text`; nothing is added at either end.

        Parameters
        ----------
        text : str
        special : {"text", "special", "refuse"}
            What `<|endoftext|>` (or another special token) inside `text` is: ordinary characters,
            the special token, or a ValueError. The default lets no user's text end a story.

        Returns
        -------
        list of int

        Raises
        ------
        ValueError
            If `text` holds a lone surrogate, or a special token where `special` is "refuse".
        """
        return self._as_list(self.encode_array(text, special=special))

    def encode_array(self, text: str, *, special: Special = "text") -> TokenArray:
        """As `encode`, but an ndarray of shape (n_tokens,): uint16, or uint32 above 65,536 ids."""
        return self._encode([text], special, 1)[0]

    def encode_ragged(
        self, texts: Iterable[str], *, special: Special = "text", threads: int = 1
    ) -> tuple[TokenArray, NDArray[np.int64]]:
        """Token ids of many texts end to end.

        Parameters
        ----------
        texts : iterable of str
        special : {"text", "special", "refuse"}
        threads : int
            They run at the same time; the result does not depend on their number.

        Returns
        -------
        ids : ndarray of shape (n_tokens,)
        ends : ndarray of shape (n_texts,), int64
            Text t has ids[ends[t - 1] : ends[t]].
        """
        return self._encode(texts, special, threads)

    def encode_batch(
        self, texts: Iterable[str], *, special: Special = "text", threads: int = 1
    ) -> list[list[int]]:
        """Token ids of each text, as `encode` of it; `threads` run at the same time."""
        ids, ends = self.encode_ragged(texts, special=special, threads=threads)
        flat, stops = self._as_list(ids), ends.tolist()
        starts = [0, *stops[:-1]]
        return [flat[start:stop] for start, stop in zip(starts, stops, strict=True)]

    def encode_bytes(self, data: bytes) -> list[int]:
        """Token ids of any bytes; ``decode_bytes(encode_bytes(data)) == data``.

        For valid UTF-8 this is ``encode(data.decode())``. A byte that is not part of valid UTF-8
        is treated like a punctuation mark when the text is cut into pieces.
        """
        return self._as_list(self._encode_parts([[(data, -1)]], 1)[0])

    def _encode(
        self, texts: Iterable[str], special: Special, threads: int
    ) -> tuple[TokenArray, NDArray[np.int64]]:
        if special not in ("text", "special", "refuse"):
            raise ValueError(f"special={special!r} must be 'text', 'special' or 'refuse'")
        if threads < 1:
            raise ValueError(f"threads={threads} must be at least 1")
        if isinstance(texts, str):
            raise ValueError("texts is one str, expected an iterable of str; write [text]")

        def cut(text: str) -> Iterable[tuple[bytes, int]]:
            if not isinstance(text, str):
                raise TypeError(
                    f"text is {type(text).__name__}, expected str"
                    + ("; use encode_bytes" if isinstance(text, bytes) else "")
                )
            if special == "refuse":
                self._refuse_specials(text)
            data = encode_utf8(text)
            return self._cut_at_specials(data) if special == "special" else [(data, -1)]

        return self._encode_parts(map(cut, texts), threads)

    def _as_list(self, ids: TokenArray) -> list[int]:
        """As `ids.tolist()`, but with one int object an id, which is faster for long texts."""
        if len(ids) < self.vocab_size:
            few: list[int] = ids.tolist()
            return few
        many: list[int] = self._int_of_id[ids].tolist()
        return many

    @cached_property
    def _int_of_id(self) -> NDArray[np.object_]:
        return np.array(range(self.vocab_size), dtype=object)

    def _refuse_specials(self, text: str) -> None:
        for token in self.special_tokens:
            if token in text:
                raise ValueError(
                    f"text holds the special token {token} at character {text.index(token)}; "
                    "remove it, or pass special='text' or 'special'"
                )

    def _encode_parts(
        self, texts: Iterable[Iterable[tuple[bytes, int]]], threads: int
    ) -> tuple[TokenArray, NDArray[np.int64]]:
        """Ids of texts that are cut at special tokens already, and where each text's end."""
        has_kernel = self.pattern == PATTERN and not self.whole_pieces
        id_of_rank = self._id_of_rank

        def encode_block(block: Block) -> tuple[TokenArray, NDArray[np.int64]]:
            encoder: PieceEncoder | CompiledEncoder = self._piece_encoder
            if has_kernel and (_kernels_loaded() or block.n_bytes >= _LOAD_KERNELS_FROM):
                encoder = self._compiled_encoder
            tokens, ends = encoder.encode(block.parts, block.behind)
            ids = tokens.astype(self._dtype) if id_of_rank is None else id_of_rank[tokens]
            return ids, ends[block.closes]

        pieces, closes = [np.empty(0, self._dtype)], [np.empty(0, np.int64)]
        total = 0
        for ids, ends in in_order(encode_block, gather(texts, has_kernel), threads):
            pieces.append(ids)
            closes.append(total + ends)
            total += len(ids)
        return np.concatenate(pieces), np.concatenate(closes)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of `ids`; a special token gives its name, like `<|endoftext|>`.

        Raises
        ------
        ValueError
            If an id is not in the vocabulary.
        """
        return bytes(self._decode(ids))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`. Bytes that are not UTF-8, as of half a character, become U+FFFD."""
        return str(self._decode(ids), "utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that one token stands for."""
        return self.decode_bytes([token_id])

    def _decode(self, ids: Iterable[int]) -> bytes | memoryview:
        known = known_ids(ids, self.tokens_by_id, self._gaps)
        if _kernels_loaded() or len(known) >= _LOAD_KERNELS_FROM:
            return self._compiled_decoder.decode(known)
        return b"".join(self.tokens_by_id[token_id] or b"" for token_id in known.tolist())

    @cached_property
    def _gaps(self) -> NDArray[np.int64]:
        """Ids in range that no token has."""
        missing = [i for i, token in enumerate(self.tokens_by_id) if token is None]
        return np.array(missing, dtype=np.int64)

    def token_byte_lengths(self) -> NDArray[np.int64]:
        """Bytes of text in each token, shape (vocab_size,); 0 for special tokens."""
        lengths = np.array([len(token or b"") for token in self.tokens_by_id], dtype=np.int64)
        lengths[list(self.special_ids.values())] = 0
        return lengths

    def to_json(self) -> str:
        """The text of `tokenizer.json`, exactly what `save` writes."""
        return write_tokenizer_json(self)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of `to_json` in UTF-8, in hexadecimal: names this tokenizer in other files."""
        return hashlib.sha256(self.to_json().encode("utf-8")).hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a Hugging Face `tokenizer.json`; the file appears whole or not at all.

        Raises
        ------
        ValueError
            If Hugging Face's regular expressions may read `pattern` differently.
        """
        check_portable(self.pattern)
        data = self.to_json().encode("utf-8")
        with replaced(Path(path)) as file:
            file.write(data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Read a `tokenizer.json`: ours, or another byte-level BPE such as GPT-2's.

        Raises
        ------
        ValueError
            If the file needs anything that this tokenizer would do differently.
        OSError
            If it cannot be read.

        Warns
        -----
        UserWarning
            If the file adds tokens around each text on request; `encode` adds none.
        """
        try:
            data = read_bounded(Path(path), LARGEST_TOKENIZER_JSON)
            return cls(**read_tokenizer_json(data.decode("utf-8")))
        except ValueError as error:  # includes bytes that are not UTF-8
            raise ValueError(f"{path}: {error}") from None

    @classmethod
    def from_json(cls, text: str) -> Tokenizer:
        """The tokenizer of the content of a `tokenizer.json`, such as `to_json` gives.

        Raises
        ------
        ValueError
            If it needs anything that this tokenizer would do differently.
        """
        return cls(**read_tokenizer_json(text))

    @classmethod
    def load_tiktoken(
        cls,
        path: str | os.PathLike[str],
        *,
        pattern: str = PATTERN,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Tokenizer:
        """Read a file of ranks as `tiktoken` has them: lines of base64 bytes and a rank.

        Parameters
        ----------
        path : path
        pattern : str
            The file has none; it must be the one the ranks were learnt with.
        special_tokens : mapping of str to int, optional
            Special tokens and their ids; the file has none either.

        Returns
        -------
        Tokenizer
            With the ids of `tiktoken`, but that `tiktoken` leaves out the text between the matches
            of a pattern that does not match everything; here it is encoded like any piece.

        Raises
        ------
        ValueError
            If the file is no such table, or its tokens cannot come from merging pairs.
        OSError
            If it cannot be read.
        """
        try:
            merges, ids = read_ranks(read_bounded(Path(path), LARGEST_RANKS))
            special_tokens = special_tokens or {}
            return cls(merges, tuple(special_tokens), pattern, (*ids, *special_tokens.values()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def save_tiktoken(self, path: str | os.PathLike[str]) -> None:
        """Write the ranks of all tokens but the special ones, as `tiktoken` reads them.

        Raises
        ------
        ValueError
            If ids do not rise with the order of the merges, which is all the format can say.
        """
        data = write_ranks(self)
        with replaced(Path(path)) as file:
            file.write(data)


def _kernels_loaded() -> bool:
    return "tokenizer.kernels" in sys.modules
