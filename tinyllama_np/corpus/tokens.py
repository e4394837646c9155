"""From stories to the token file: encoded in parallel, resumable, whole or not there.

The file's format is in `record.py`, its making in pieces in `shards.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from tinyllama_np.corpus.record import (
    DTYPES,
    TokenArray,
    TokenFile,
    TokenFileInfo,
    dtype_name,
    info_path,
    open_token_file,
    write_info,
)
from tinyllama_np.corpus.shards import (
    SHARD_CHARACTERS,
    ShardStore,
    StoryTokenizer,
    described,
    encode_shard,
    encoded_shard,
    map_in_order,
    sha256_text,
    shard_texts,
)
from tinyllama_np.corpus.text import CorpusError, SelectedStories
from tinyllama_np.storage import (
    TEMPORARY_SUFFIX,
    make_folder,
    publish_file,
    remove_empty_folder,
    remove_tree,
    sha256_file,
    sole_owner,
)

__all__ = [
    "StoryTokenizer",
    "TokenArray",
    "TokenFile",
    "TokenFileInfo",
    "encode_stories",
    "info_path",
    "open_token_file",
    "unfinished",
    "write_token_file",
]


def encode_stories(
    stories: Iterable[str], tokenizer: StoryTokenizer, max_tokens: int | None = None
) -> TokenArray:
    """Tokens of `stories`, each followed by end-of-text.

    With `max_tokens` the result has exactly that many: the stories are taken in order, the one
    that does not fit is cut, and the last place is its end-of-text. So the ring always closes with
    a story's end. (Where only that last place is left, the cut story has no token but its end.)

    Returns
    -------
    tokens : ndarray of shape (U,), uint16; uint32 for a vocabulary of more than 65,536

    Raises
    ------
    CorpusError
        A story with the separator inside; a token outside the vocabulary; a text that has fewer
        tokens than `max_tokens`.
    ValueError
        `max_tokens` below 2.
    """
    _check_limit(max_tokens)
    pieces: list[TokenArray] = []
    total = 0
    for text in shard_texts(stories):
        pieces.append(encode_shard(text, tokenizer))
        total += pieces[-1].size
        if max_tokens is not None and total >= max_tokens:
            break
    _check_total(total, max_tokens)
    return _cut(np.concatenate(pieces), max_tokens, tokenizer)


def _check_limit(max_tokens: int | None) -> None:
    if max_tokens is not None and max_tokens < 2:
        raise ValueError(f"max_tokens={max_tokens}: expected at least 2 (a token and its end)")


def _check_total(total: int, max_tokens: int | None) -> None:
    if max_tokens is not None and total < max_tokens:
        raise CorpusError(
            f"the text has {total} tokens and {max_tokens} were asked for: "
            f"give more text or ask for at most {total}"
        )
    if total == 0:
        raise CorpusError("no stories to encode: the text is empty")


def _cut(tokens: TokenArray, length: int | None, tokenizer: StoryTokenizer) -> TokenArray:
    """The first `length` tokens, closed by an end-of-text."""
    if length is None:
        return tokens
    tokens = tokens[:length].copy()
    tokens[-1] = tokenizer.end_of_text
    return tokens


def write_token_file(
    path: Path,
    stories: Iterable[str],
    tokenizer: StoryTokenizer,
    max_tokens: int | None = None,
    *,
    workers: int = 1,
    shard_characters: int = SHARD_CHARACTERS,
) -> TokenFileInfo:
    """Write `encode_stories(stories, tokenizer, max_tokens)` to `path`, and its record beside it.

    The stories are read once and encoded in shards; memory holds a few shards, whatever the size
    of the text. Each of the two files appears whole or not at all, the tokens first: after a power
    cut between them the record is missing or does not match, and `open_token_file` says so.

    A call that is killed leaves its finished shards in a hidden folder beside `path`. The same
    call continues with those that are whole and still stand for the same stories, and gives the
    same bytes; one that fails removes them.

    Parameters
    ----------
    path : Path
    stories : iterable of str
        Of `SelectedStories`, the counts of duplicates and overlap go into the record.
    tokenizer : StoryTokenizer
    max_tokens : int, optional
    workers : int
        Threads that encode; the bytes do not depend on it.
    shard_characters : int
        Length of a shard; neither do they depend on this.

    Raises
    ------
    CorpusError, ValueError
        As `encode_stories`.
    FolderInUseError
        If another process writes this file now.
    OSError
        If the disk does not take it, with the file's name.

    Examples
    --------
    Token files of one's own, from a folder of any size:

    >>> read = partial(iter_stories, expand_sources(["stories"]))  # doctest: +SKIP
    >>> train, valid = select_stories(read, deduplicate=True)  # doctest: +SKIP
    >>> tokenizer = Tokenizer.train(train, vocab_size=4096)  # doctest: +SKIP
    >>> write_token_file(Path("train.bin"), train, tokenizer, workers=2)  # doctest: +SKIP
    >>> write_token_file(Path("valid.bin"), valid, tokenizer, workers=2)  # doctest: +SKIP
    """
    path = Path(path)
    _check_limit(max_tokens)
    if workers < 1 or shard_characters < 1:
        raise ValueError(
            f"workers={workers}, shard_characters={shard_characters}: expected at least 1 of each"
        )
    folder = unfinished(path)
    try:
        make_folder(folder)
        with sole_owner(folder), _removed(folder):
            texts = shard_texts(stories, shard_characters)
            info = _write(path, folder, texts, stories, tokenizer, max_tokens, workers)
        if os.name == "nt":
            remove_tree(folder)
    except OSError as error:
        with suppress(OSError):  # the disk would not even take the lock
            remove_empty_folder(folder)
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    return info


@contextmanager
def _removed(folder: Path) -> Iterator[None]:
    """Remove the folder at the end or after an error, while no other process can have it.

    A kill leaves it, and so does Ctrl-C.
    """
    try:
        yield
    except Exception:
        if os.name != "nt":  # which removes no open file, and the lock is one
            remove_tree(folder)
        raise
    if os.name != "nt":
        remove_tree(folder)


def unfinished(path: Path) -> Path:
    """The folder of the finished shards of a token file that is not finished."""
    return path.with_name(f".{path.name}{TEMPORARY_SUFFIX}")


def _write(
    path: Path,
    folder: Path,
    texts: Iterator[str],
    stories: Iterable[str],
    tokenizer: StoryTokenizer,
    max_tokens: int | None,
    workers: int,
) -> TokenFileInfo:
    dtype = dtype_name(tokenizer.vocab_size)
    purpose = {"tokenizer_sha256": tokenizer.sha256, "dtype": dtype}
    store = ShardStore(folder, purpose, DTYPES[dtype].itemsize)
    _encode(store, texts, tokenizer, max_tokens, workers)
    _check_total(store.tokens, max_tokens)
    info = TokenFileInfo(
        tokens=store.tokens,
        stories=sum(shard.stories for shard in store.shards),
        text_bytes=sum(shard.text_bytes for shard in store.shards),
        vocab_size=tokenizer.vocab_size,
        dtype=dtype,
        sha256=sha256_file(store.tokens_path),
        tokenizer_sha256=tokenizer.sha256,
        **_counts(stories),
    )
    publish_file(store.tokens_path, path)
    write_info(path, info)
    return info


def _counts(stories: Iterable[str]) -> dict[str, int]:
    """What is known of the text that the stories were taken from."""
    if not isinstance(stories, SelectedStories):
        return {}
    return {
        "duplicates": stories.duplicates,
        "duplicates_dropped": stories.duplicates_dropped,
        "overlap": stories.overlap,
    }


def _encode(
    store: ShardStore,
    texts: Iterator[str],
    tokenizer: StoryTokenizer,
    max_tokens: int | None,
    workers: int,
) -> None:
    """Bring the store to all shards of the text, or to `max_tokens` tokens."""
    texts = _after_finished(store, texts, max_tokens)
    if store.tokens == max_tokens:
        return
    encoded = map_in_order(partial(encoded_shard, tokenizer=tokenizer), texts, workers)
    with closing(encoded):
        for shard, tokens in encoded:
            left = None if max_tokens is None else max_tokens - store.tokens
            if left is not None and shard.tokens > left:
                tokens = _cut(tokens, left, tokenizer)
                shard = described(tokens, tokenizer, text_sha256="")
            store.append(shard, tokens)
            if shard.tokens == left:
                return


def _after_finished(
    store: ShardStore, texts: Iterator[str], max_tokens: int | None
) -> Iterator[str]:
    """The texts that are not in the store yet; what the store has of other texts is dropped."""
    total = 0
    for number, shard in enumerate(store.shards):
        text = next(texts, None)
        total += shard.tokens
        too_many = max_tokens is not None and total > max_tokens
        if text is None or sha256_text(text) != shard.text_sha256 or too_many:
            store.keep(number)
            return texts if text is None else chain([text], texts)
    return texts
