"""Merges to the text of a Hugging Face `tokenizer.json`, and back.

Writing is deterministic: the text is a function of the merges alone. Reading is strict: a file
that asks for anything this package would not do exactly so (another pattern, a normalizer, more
special tokens, other ids) is refused with the reason, never half understood.
"""

from __future__ import annotations

import json
from typing import Any

from tokenizer.byte_alphabet import to_printable
from tokenizer.pretokenize import END_OF_TEXT, PATTERN

Pair = tuple[int, int]

_SPLIT = {
    "type": "Split",
    "pattern": {"Regex": PATTERN},
    "behavior": "Isolated",
    "invert": False,
}
_BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": False,
}


def vocabulary(merges: tuple[Pair, ...]) -> list[bytes]:
    """The bytes of every token but the special one: the 256 bytes, then each merge's two parts.

    Raises
    ------
    ValueError
        If a merge names a token that it cannot know yet, or makes one that exists already.
    """
    tokens = [bytes([byte]) for byte in range(256)]
    seen = set(tokens)
    for new_id, (left, right) in enumerate(merges, start=256):
        if not (0 <= left < new_id and 0 <= right < new_id):
            raise ValueError(
                f"merge {new_id - 256} is ({left}, {right}); it makes token {new_id}, so it may "
                f"use the tokens 0 to {new_id - 1} only"
            )
        token = tokens[left] + tokens[right]
        if token in seen:
            raise ValueError(
                f"merge {new_id - 256} ({left}, {right}) makes {token!r}, which is token "
                f"{tokens.index(token)} already; every token must be a different byte string"
            )
        tokens.append(token)
        seen.add(token)
    return tokens


def write_tokenizer_json(merges: tuple[Pair, ...]) -> str:
    """Return the text of `tokenizer.json` (ASCII, ends with a newline)."""
    printable = [to_printable(token) for token in vocabulary(merges)]
    end_of_text = len(printable)
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": end_of_text,
                "content": END_OF_TEXT,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [_SPLIT, _BYTE_LEVEL]},
        "post_processor": None,
        "decoder": _BYTE_LEVEL,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: i for i, token in enumerate([*printable, END_OF_TEXT])},
            "merges": [f"{printable[left]} {printable[right]}" for left, right in merges],
        },
    }
    return json.dumps(content, indent=2) + "\n"


def read_tokenizer_json(text: str) -> tuple[Pair, ...]:
    """Return the merges of a `tokenizer.json` that this package can follow exactly.

    Both spellings of a merge are read, ``"a b"`` and ``["a", "b"]``.

    Raises
    ------
    ValueError
        With what was found and what was expected, if the file is anything else.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON ({error}); expected a Hugging Face tokenizer.json") from None
    content = _object(content, "the file")
    model = _object(content.get("model"), '"model"')
    _expect("model.type", model.get("type"), ["BPE"])
    for name in ("normalizer", "truncation", "padding"):
        _expect(name, content.get(name), [None])
    for name in ("dropout", "unk_token"):
        _expect(f"model.{name}", model.get(name), [None])
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        _expect(f"model.{name}", model.get(name), [None, ""])
    for name in ("fuse_unk", "byte_fallback", "ignore_merges"):
        _expect(f"model.{name}", model.get(name), [None, False])
    _expect_pre_tokenizer(content.get("pre_tokenizer"))
    _expect("decoder.type", _object(content.get("decoder"), '"decoder"').get("type"), ["ByteLevel"])
    _expect_nothing_added(content.get("post_processor"))
    merges = _read_merges(model)
    _expect_end_of_text(content.get("added_tokens"), 256 + len(merges))
    return merges


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {_short(value)}; expected a JSON object")
    return value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _expect(name: str, value: Any, supported: list[Any]) -> None:
    if not any(value is s or (value == s and type(value) is type(s)) for s in supported):
        choices = " or ".join(_short(choice) for choice in supported)
        raise ValueError(f"{name} is {_short(value)}; this package supports only {choices}")


def _expect_pre_tokenizer(value: Any) -> None:
    steps = _object(value, '"pre_tokenizer"').get("pretokenizers")
    if not isinstance(steps, list) or len(steps) != 2:
        raise ValueError("pre_tokenizer must be the sequence of a Split and a ByteLevel step")
    split, byte_level = _object(steps[0], "Split"), _object(steps[1], "ByteLevel")
    pattern = split.get("pattern")
    if pattern != _SPLIT["pattern"]:
        raise ValueError(
            f"pre_tokenizer splits with {_short(pattern)}; this package supports only its own "
            "pattern (tokenizer.pretokenize.PATTERN)"
        )
    for name in ("type", "behavior", "invert"):
        _expect(f"pre_tokenizer Split.{name}", split.get(name), [_SPLIT[name]])
    for name in ("type", "add_prefix_space", "use_regex"):
        _expect(f"pre_tokenizer ByteLevel.{name}", byte_level.get(name), [_BYTE_LEVEL[name]])


def _expect_nothing_added(post_processor: Any) -> None:
    """Refuse a post-processor that adds tokens. A ByteLevel one only moves offsets."""
    if post_processor is None:
        return
    post_processor = _object(post_processor, '"post_processor"')
    if post_processor.get("type") == "TemplateProcessing":  # transformers writes an empty one
        _expect("post_processor.special_tokens", post_processor.get("special_tokens"), [{}])
    else:
        _expect("post_processor.type", post_processor.get("type"), ["ByteLevel"])


def _read_merges(model: dict[str, Any]) -> tuple[Pair, ...]:
    vocab = _object(model.get("vocab"), "model.vocab")
    written = model.get("merges")
    if not isinstance(written, list):
        raise ValueError(f"model.merges is {_short(written)}; expected a list")
    pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in written]
    merges: list[Pair] = []
    for i, parts in enumerate(pairs):
        found = [vocab.get(str(part)) for part in parts] if isinstance(parts, list) else []
        ids = [token_id for token_id in found if type(token_id) is int]
        if len(found) != 2 or len(ids) != 2:
            raise ValueError(f"merge {i} is {_short(written[i])}; expected two tokens of the vocab")
        merges.append((ids[0], ids[1]))
    tokens = [*map(to_printable, vocabulary(tuple(merges))), END_OF_TEXT]
    for i, token in enumerate(tokens):
        if vocab.get(token) != i and not (token == END_OF_TEXT and token not in vocab):
            raise ValueError(
                f"token {token!r} has id {_short(vocab.get(token))}, expected {i}: the bytes are "
                "0 to 255, then the merges in order, then the special token"
            )
    unexplained = set(vocab) - set(tokens)
    if unexplained:
        raise ValueError(f"token {min(unexplained)!r} of the vocab is not made by any merge")
    return tuple(merges)


def _expect_end_of_text(added_tokens: Any, end_of_text: int) -> None:
    if not isinstance(added_tokens, list) or len(added_tokens) != 1:
        raise ValueError(
            f"added_tokens is {_short(added_tokens)}; expected {END_OF_TEXT!r} and no other"
        )
    token = _object(added_tokens[0], "added token")
    wanted = {"content": END_OF_TEXT, "id": end_of_text, "special": True}
    wanted |= dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    for name, value in wanted.items():
        _expect(f"added_tokens[0].{name}", token.get(name), [value])
