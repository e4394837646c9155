"""`Tokenizer`: train, encode, decode, save, load.

A tokenizer is its merges and nothing else; everything here follows from them. Ids: the bytes are
0 to 255, the merges follow in the order in which they were learnt, and `<|endoftext|>` comes last.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tokenizer.encode import encode_piece
from tokenizer.pretokenize import (
    END_OF_TEXT,
    count_pieces,
    encode_utf8,
    pretokenize,
    pretokenize_blocks,
)
from tokenizer.tokenizer_json import read_tokenizer_json, vocabulary, write_tokenizer_json
from tokenizer.train import train

Special = Literal["text", "special", "refuse"]
TokenArray = NDArray[np.uint16] | NDArray[np.uint32]

MIN_VOCAB_SIZE = 257  # 256 bytes and <|endoftext|>
MAX_VOCAB_SIZE = 65536  # ids fit uint16

_CACHED_PIECES = 1 << 17
_CACHED_PIECE_LENGTH = 64  # characters; longer pieces hardly ever come back


class _PieceIds(dict[str, bytes]):
    """The ids of each piece met so far, as the bytes of an array: so a text is one join.

    It forgets everything when it is full; what it returns never depends on what it holds.
    """

    def __init__(self, merges: tuple[tuple[int, int], ...], dtype: np.dtype[np.unsignedinteger]):
        super().__init__()
        self._merged_id = {pair: new_id for new_id, pair in enumerate(merges, start=256)}
        self._dtype = dtype

    def __missing__(self, piece: str) -> bytes:
        encoded = self.encode(encode_utf8(piece))
        if len(piece) <= _CACHED_PIECE_LENGTH:
            if len(self) >= _CACHED_PIECES:
                self.clear()
            self[piece] = encoded
        return encoded

    def encode(self, piece: bytes) -> bytes:
        return np.array(encode_piece(piece, self._merged_id), dtype=self._dtype).tobytes()


@dataclass(frozen=True)
class Tokenizer:
    """Byte-level byte-pair encoding.

    Parameters
    ----------
    merges : tuple of (int, int)
        The pairs of ids that were merged, in order; merge number r makes token 256 + r. Use
        `Tokenizer.train` or `Tokenizer.load` to get them.

    Examples
    --------
    >>> tokenizer = Tokenizer.train(["low lower lowest"], vocab_size=260)
    >>> tokenizer.encode("low"), tokenizer.decode([257, 259])
    ([257], 'low<|endoftext|>')
    """

    merges: tuple[tuple[int, int], ...]

    _tokens: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "merges", tuple((int(a), int(b)) for a, b in self.merges))
        object.__setattr__(self, "_tokens", (*vocabulary(self.merges), END_OF_TEXT.encode()))

    def __repr__(self) -> str:
        return f"<Tokenizer of {self.vocab_size} tokens, sha256 {self.sha256[:12]}>"

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        vocab_size: int,
        *,
        progress: Callable[[int, int], object] | None = None,
    ) -> Tokenizer:
        """Learn a vocabulary of `vocab_size` tokens from `texts`.

        Parameters
        ----------
        texts : iterable of str
            Read once, so a generator will do. Nothing is merged across two texts, nor across
            `<|endoftext|>` inside a text. Their order does not matter.
        vocab_size : int
            From 257 (bytes and `<|endoftext|>`, no merges) to 65,536.
        progress : callable, optional
            Called as ``progress(merges_done, merges_wanted)`` after each merge.

        Returns
        -------
        Tokenizer

        Raises
        ------
        ValueError
            If there is no text, or `vocab_size` is out of range.

        Warns
        -----
        UserWarning
            If the text has too few different pairs. Then there are fewer merges, `vocab_size`
            is smaller than asked, and `<|endoftext|>` is still the last id.
        """
        if not MIN_VOCAB_SIZE <= vocab_size <= MAX_VOCAB_SIZE:
            raise ValueError(
                f"vocab_size={vocab_size} must be from {MIN_VOCAB_SIZE} (the 256 bytes and "
                f"{END_OF_TEXT}) to {MAX_VOCAB_SIZE}"
            )
        if isinstance(texts, str):
            raise ValueError("texts is one str, expected an iterable of str; write [text]")
        piece_counts = count_pieces(texts)
        if not piece_counts:
            raise ValueError("texts holds no text to train on; give at least one non-empty str")
        merges = train(piece_counts, vocab_size - MIN_VOCAB_SIZE, progress)
        tokenizer = cls(tuple(merges))
        if tokenizer.vocab_size < vocab_size:
            warnings.warn(
                f"vocab_size={vocab_size} needs {vocab_size - MIN_VOCAB_SIZE} merges, but the "
                f"text has pairs for {len(merges)} only: the vocabulary has "
                f"{tokenizer.vocab_size} tokens, and {END_OF_TEXT} is {tokenizer.end_of_text}; "
                "train on more text or ask for fewer tokens",
                UserWarning,
                stacklevel=2,
            )
        return tokenizer

    @property
    def vocab_size(self) -> int:
        """Number of tokens: 256 + merges + 1."""
        return len(self._tokens)

    @property
    def end_of_text(self) -> int:
        """Id of `<|endoftext|>`, the last one."""
        return self.vocab_size - 1

    @cached_property
    def _dtype(self) -> np.dtype[np.unsignedinteger]:
        return np.dtype(np.uint16 if self.vocab_size <= MAX_VOCAB_SIZE else np.uint32)

    @cached_property
    def _piece_ids(self) -> _PieceIds:
        return _PieceIds(self.merges, self._dtype)

    def encode(self, text: str, *, special: Special = "text") -> list[int]:
        """Token ids of `text`; nothing is added at either end.

        Parameters
        ----------
        text : str
        special : {"text", "special", "refuse"}
            What `<|endoftext|>` inside `text` is: thirteen ordinary characters, the special
            token, or a ValueError. The default lets no user's text end a story.

        Returns
        -------
        list of int

        Raises
        ------
        ValueError
            If `text` holds a lone surrogate, or the marker where `special` is "refuse".
        """
        ids: list[int] = self.encode_array(text, special=special).tolist()
        return ids

    def encode_array(self, text: str, *, special: Special = "text") -> TokenArray:
        """As `encode`, but an ndarray of shape (n_tokens,): uint16, or uint32 above 65,536 ids."""
        if special not in ("text", "special", "refuse"):
            raise ValueError(f"special={special!r} must be 'text', 'special' or 'refuse'")
        if special == "refuse" and END_OF_TEXT in text:
            raise ValueError(
                f"text holds the special token {END_OF_TEXT} at character "
                f"{text.index(END_OF_TEXT)}; remove it, or pass special='text' or 'special'"
            )
        parts = text.split(END_OF_TEXT) if special == "special" else [text]
        marker = np.array([self.end_of_text], dtype=self._dtype).tobytes()
        return np.frombuffer(
            bytearray(marker.join(map(self._encode_part, parts))), dtype=self._dtype
        )

    def _encode_part(self, text: str) -> bytes:
        lookup = self._piece_ids.__getitem__
        return b"".join(b"".join(map(lookup, pieces)) for pieces in pretokenize_blocks(text))

    def encode_bytes(self, data: bytes) -> list[int]:
        """Token ids of any bytes; ``decode_bytes(encode_bytes(data)) == data``.

        For valid UTF-8 this is ``encode(data.decode())``. A byte that is not part of valid UTF-8
        is treated like a punctuation mark when the text is cut into pieces.
        """
        # surrogateescape stands a lone surrogate in for each stray byte, and turns it back.
        text = data.decode("utf-8", errors="surrogateescape")
        pieces = [piece.encode("utf-8", "surrogateescape") for piece in pretokenize(text)]
        encoded = b"".join(map(self._piece_ids.encode, pieces))
        ids: list[int] = np.frombuffer(encoded, dtype=self._dtype).tolist()
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of `ids`; the special token gives its name, `<|endoftext|>`.

        Raises
        ------
        ValueError
            If an id is not in the vocabulary.
        """
        ids = ids.tolist() if isinstance(ids, np.ndarray) else list(ids)
        if ids and not 0 <= min(ids) <= max(ids) < self.vocab_size:
            wrong = next(token_id for token_id in ids if not 0 <= token_id < self.vocab_size)
            raise ValueError(f"token id {wrong} must be from 0 to {self.vocab_size - 1}")
        return b"".join(map(self._tokens.__getitem__, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`. Bytes that are not UTF-8, as of half a character, become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that one token stands for."""
        return self.decode_bytes([token_id])

    def token_byte_lengths(self) -> NDArray[np.int64]:
        """Bytes of text in each token, shape (vocab_size,); 0 for `<|endoftext|>`."""
        lengths = np.array([len(token) for token in self._tokens], dtype=np.int64)
        lengths[self.end_of_text] = 0
        return lengths

    def to_json(self) -> str:
        """The text of `tokenizer.json`, exactly what `save` writes; a function of the merges."""
        return write_tokenizer_json(self.merges)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of `to_json` in UTF-8, in hexadecimal: names this tokenizer in other files."""
        return hashlib.sha256(self.to_json().encode("utf-8")).hexdigest()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a Hugging Face `tokenizer.json`; the file appears whole or not at all."""
        path = Path(path)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(self.to_json().encode("utf-8"))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Tokenizer:
        """Read a `tokenizer.json` written by `save`, or by Hugging Face from such a file.

        Raises
        ------
        ValueError
            If the file needs anything that this tokenizer would do differently.
        OSError
            If it cannot be read.
        """
        try:
            return cls(read_tokenizer_json(Path(path).read_bytes().decode("utf-8")))
        except ValueError as error:  # includes bytes that are not UTF-8
            raise ValueError(f"{path}: {error}") from None
