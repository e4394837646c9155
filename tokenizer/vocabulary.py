"""What a tokenizer is: its merges and special tokens, and for those of other libraries its ids.

Tokens have ranks: a byte its value, what merge number r makes 256 + r, then the special tokens.
In a tokenizer that was trained here a token's id is its rank.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import index
from typing import Any

import regex

from tokenizer.byte_alphabet import to_printable
from tokenizer.pretokenize import END_OF_TEXT, PATTERN

Pair = tuple[int, int]

N_BYTES = 256
MAX_VOCAB_SIZE = 1 << 24


@dataclass(frozen=True)
class Vocabulary:
    """A checked set of tokens.

    Parameters
    ----------
    merges : tuple of (int, int)
        The pairs of ranks that were merged, in order.
    special_tokens : tuple of str
        Texts that are one token each, kept in the order of their ids; the last of them is
        `<|endoftext|>` in our own tokenizers.
    pattern : str
        Regular expression whose matches are the pieces that merges never cross.
    ids : tuple of int, optional
        The id of each rank. By default the rank itself.
    whole_pieces : bool
        Whether a piece that is a token is that token, whatever the merges would make of it.
    """

    merges: tuple[Pair, ...]
    special_tokens: tuple[str, ...] = (END_OF_TEXT,)
    pattern: str = PATTERN
    ids: tuple[int, ...] | None = None
    whole_pieces: bool = False

    tokens_by_rank: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    tokens_by_id: tuple[bytes | None, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        def set_field(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        set_field("merges", tuple(whole_numbers("merges", pair) for pair in self.merges))
        set_field("special_tokens", tuple(self.special_tokens))
        check_special_tokens(self.special_tokens)
        check_pattern(self.pattern)
        ordinary = merged_tokens(self.merges)
        check_names(self.special_tokens, ordinary)
        n_tokens = len(ordinary) + len(self.special_tokens)
        ids = tuple(range(n_tokens)) if self.ids is None else whole_numbers("ids", self.ids)
        check_ids(ids, n_tokens)
        special_ids = dict(zip(self.special_tokens, ids[len(ordinary) :], strict=True))
        set_field("special_tokens", tuple(sorted(special_ids, key=special_ids.__getitem__)))
        ids = (*ids[: len(ordinary)], *sorted(special_ids.values()))
        ranked = (*ordinary, *(token.encode("utf-8") for token in self.special_tokens))
        by_id: list[bytes | None] = [None] * (max(ids) + 1)
        for token_id, token in zip(ids, ranked, strict=True):
            by_id[token_id] = token
        set_field("ids", None if ids == tuple(range(len(ids))) else ids)
        set_field("tokens_by_rank", ranked)
        set_field("tokens_by_id", tuple(by_id))

    @property
    def vocab_size(self) -> int:
        """One more than the largest id: 256 + merges + special tokens, unless ids have gaps."""
        return len(self.tokens_by_id)

    @cached_property
    def special_ids(self) -> dict[str, int]:
        """The id of each special token."""
        first = N_BYTES + len(self.merges)
        return {
            token: self.ids[rank] if self.ids else rank
            for rank, token in enumerate(self.special_tokens, start=first)
        }

    @property
    def end_of_text(self) -> int:
        """Id of `<|endoftext|>`; the last one of a tokenizer trained here.

        Raises
        ------
        ValueError
            If a tokenizer of another library has no such token.
        """
        if END_OF_TEXT not in self.special_ids:
            raise ValueError(
                f"this tokenizer has no special token {END_OF_TEXT}; it has "
                f"{', '.join(self.special_tokens) or 'none'}"
            )
        return self.special_ids[END_OF_TEXT]


def whole_numbers(name: str, values: Iterable[object]) -> tuple[Any, ...]:
    """`values` as int, NumPy's too; a ValueError for anything else, such as 1.0."""
    try:
        return tuple(map(index, values))  # type: ignore[arg-type]
    except TypeError as error:
        raise ValueError(f"{name} must be whole numbers: {error}") from None


def first_doubled(values: Iterable[Hashable]) -> Any:
    """The first of `values` that is there more than once, or None."""
    return next((value for value, n in Counter(values).items() if n > 1), None)


def merged_tokens(merges: Sequence[Pair]) -> list[bytes]:
    """The bytes of every token but the special ones: the 256 bytes, then each merge's two parts.

    Raises
    ------
    ValueError
        If a merge names a token that it cannot know yet, or makes one that exists already.
    """
    tokens = [bytes([byte]) for byte in range(N_BYTES)]
    seen = set(tokens)
    for new_id, (left, right) in enumerate(merges, start=N_BYTES):
        if not (0 <= left < new_id and 0 <= right < new_id):
            raise ValueError(
                f"merge {new_id - N_BYTES} is ({left}, {right}); it makes token {new_id}, so it "
                f"may use the tokens 0 to {new_id - 1} only"
            )
        token = tokens[left] + tokens[right]
        if token in seen:
            raise ValueError(
                f"merge {new_id - N_BYTES} ({left}, {right}) makes {_cut(token)}, which is token "
                f"{tokens.index(token)} already; every token must be a different byte string"
            )
        tokens.append(token)
        seen.add(token)
    return tokens


def _cut(token: object) -> str:
    shown = repr(token)
    return shown if len(shown) <= 100 else shown[:97] + "..."


def check_special_tokens(special_tokens: Sequence[str]) -> None:
    """Refuse special tokens that are no text, empty or there twice."""
    for token in special_tokens:
        if not isinstance(token, str) or not token:
            raise ValueError(f"special token {_cut(token)} must be a str that is not empty")
        try:
            token.encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError(f"special token {_cut(token)} holds a lone surrogate") from None
    doubled = first_doubled(special_tokens)
    if doubled is not None:
        raise ValueError(f"special token {_cut(doubled)} is there twice; name each once")


def check_names(special_tokens: Sequence[str], ordinary: Iterable[bytes]) -> None:
    """Refuse special tokens that a `tokenizer.json` would spell like an ordinary one."""
    names = set(special_tokens)
    for token in ordinary:
        if names and to_printable(token) in names:
            raise ValueError(
                f"special token {_cut(to_printable(token))} is spelled like the ordinary token "
                f"{_cut(token)}; choose a text that no merge makes, as <|...|>"
            )


def check_pattern(pattern: str) -> None:
    """Refuse what is no regular expression, or one that matches where there is no character."""
    shown = repr(pattern) if len(repr(pattern)) <= 200 else repr(pattern)[:197] + "..."
    try:
        matches_nothing = regex.match(pattern, "") is not None
    except (regex.error, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(f"pattern {shown} is no regular expression: {error}") from None
    if matches_nothing:
        raise ValueError(f"pattern {shown} matches the empty text; a piece has a character")


def check_ids(ids: Sequence[int], n_tokens: int) -> None:
    """Refuse ids that are not one for each token, all different and in range."""
    if len(ids) != n_tokens:
        raise ValueError(f"there are {len(ids)} ids for {n_tokens} tokens; expected one for each")
    if len(set(ids)) < len(ids):
        raise ValueError(f"id {first_doubled(ids)} stands for two tokens")
    if min(ids) < 0 or max(ids) >= MAX_VOCAB_SIZE:
        wrong = next(token_id for token_id in ids if not 0 <= token_id < MAX_VOCAB_SIZE)
        raise ValueError(f"id {wrong} must be from 0 to {MAX_VOCAB_SIZE - 1}")
