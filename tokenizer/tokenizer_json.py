"""A vocabulary as the text of a Hugging Face `tokenizer.json`, and back.

Writing is deterministic: the text is a function of the vocabulary alone. Reading is strict: a file
that asks for anything this package would not do exactly so (another model, a normalizer, prefix
spaces, tokens that strip the space beside them) is refused with the reason, never half understood.

Decoding is the same too, but for an added token written in Latin letters with accents, such as
``éé``: Hugging Face reads such a name in the byte alphabet, here it stands for itself.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import regex

from tokenizer.byte_alphabet import BYTE_TO_CHARACTER, to_printable
from tokenizer.encode import encode_piece
from tokenizer.oniguruma import check_portable
from tokenizer.vocabulary import N_BYTES, Pair, Vocabulary, first_doubled

# What Hugging Face's ByteLevel step cuts with when no other pattern is given: GPT-2's.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

# Real files have up to some 40 MB and 2 million values, Llama 3's 9 MB and 1 million. A value takes
# up to 220 bytes once it is read: the second bound is the one that holds the memory.
LARGEST_TOKENIZER_JSON = 64 << 20  # bytes
MOST_VALUES = 3_000_000

_BYTE_LEVEL = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": False,
}
_ADDS_TOKENS = ["TemplateProcessing", "RobertaProcessing", "BertProcessing"]
_CHARACTER_TO_BYTE = {character: byte for byte, character in BYTE_TO_CHARACTER.items()}


def write_tokenizer_json(vocabulary: Vocabulary) -> str:
    """Return the text of `tokenizer.json` (ASCII, ends with a newline)."""
    n = N_BYTES + len(vocabulary.merges)
    printable = [to_printable(token) for token in vocabulary.tokens_by_rank[:n]]
    names = [*printable, *vocabulary.special_tokens]
    ids = range(len(names)) if vocabulary.ids is None else vocabulary.ids
    id_of = dict(sorted(zip(names, ids, strict=True), key=lambda item: item[1]))
    split = {
        "type": "Split",
        "pattern": {"Regex": vocabulary.pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": token_id,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": True,
            }
            for token, token_id in sorted(vocabulary.special_ids.items(), key=lambda item: item[1])
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, _BYTE_LEVEL]},
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
            "ignore_merges": vocabulary.whole_pieces,
            "vocab": id_of,
            "merges": [
                f"{printable[left]} {printable[right]}" for left, right in vocabulary.merges
            ],
        },
    }
    return json.dumps(content, indent=2) + "\n"


def read_tokenizer_json(text: str) -> dict[str, Any]:
    """Return the parameters of the `Vocabulary` that a `tokenizer.json` describes.

    Both spellings of a merge are read, ``"a b"`` and ``["a", "b"]``.

    Raises
    ------
    ValueError
        With what was found and what was expected, if this package cannot follow the file exactly.

    Warns
    -----
    UserWarning
        If a post-processor would add tokens around a text.
    """
    _check_size(text)
    try:
        content = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_no_constant)
        return _parameters(_object(content, "the file"))
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error}); expected a Hugging Face tokenizer.json") from None
    except RecursionError:
        raise ValueError("the file is nested too deeply for a tokenizer.json") from None


def _check_size(text: str) -> None:
    """Refuse what would take too much memory to parse; signs inside of strings count too."""
    values = sum(text.count(sign) for sign in ",[{")
    if len(text) > LARGEST_TOKENIZER_JSON or values > MOST_VALUES:
        raise ValueError(
            f"the file has {len(text):,} characters and up to {values:,} values; at most "
            f"{LARGEST_TOKENIZER_JSON:,} and {MOST_VALUES:,} are supported"
        )


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        doubled = first_doubled(name for name, _ in pairs)
        raise ValueError(f"the name {_short(doubled)} is there twice in one JSON object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _parameters(content: dict[str, Any]) -> dict[str, Any]:
    model = _object(content.get("model"), '"model"')
    _expect("version", content.get("version"), [None, "1.0"])
    _expect("model.type", model.get("type"), ["BPE", None])  # GPT-2's own file has none
    for name in ("normalizer", "truncation", "padding"):
        _expect(name, content.get(name), [None])
    _expect("model.dropout", model.get("dropout"), [None, 0.0, 0])
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        _expect(f"model.{name}", model.get(name), [None, ""])
    for name in ("fuse_unk", "byte_fallback"):
        _expect(f"model.{name}", model.get(name), [None, False])
    _expect("model.ignore_merges", model.get("ignore_merges"), [None, False, True])
    _expect("decoder.type", _object(content.get("decoder"), '"decoder"').get("type"), ["ByteLevel"])
    adds_tokens = _adds_tokens(content.get("post_processor"))
    pattern = _read_pattern(content.get("pre_tokenizer"))
    vocab = _read_vocab(model)
    specials = _read_added_tokens(content.get("added_tokens"), vocab)
    merges, tokens = _read_merges(model.get("merges"), vocab)
    made = set(tokens)
    if unexplained := [token for token in vocab if token not in made and token not in specials]:
        raise ValueError(
            f"token {_short(min(unexplained))} of the vocab is no byte, not made by any merge and "
            "not among added_tokens"
        )
    if both := made & set(specials):
        raise ValueError(
            f"token {_short(min(both))} is made by merges and among added_tokens; this package "
            "supports only added tokens that no merge makes"
        )
    if adds_tokens:
        warnings.warn(
            "the post_processor adds tokens around a text; encode adds none, as Hugging Face with "
            "add_special_tokens=False",
            UserWarning,
            stacklevel=4,  # whoever calls Tokenizer.load
        )
    return {
        "merges": merges,
        "special_tokens": tuple(specials),
        "pattern": pattern,
        "ids": (*(vocab[token] for token in tokens), *specials.values()),
        "whole_pieces": bool(model.get("ignore_merges")),
    }


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {_short(value)}; expected a JSON object")
    return value


def _short(value: Any) -> str:
    """`value` as JSON, cut where it is long or deep."""

    def pruned(value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return value[:60]
        if isinstance(value, (list, dict)) and depth == 0:
            return "..."
        if isinstance(value, list):
            return [pruned(item, depth - 1) for item in value[:6]]
        if isinstance(value, dict):
            first = list(value.items())[:6]
            return {name[:60]: pruned(item, depth - 1) for name, item in first}
        return value

    text = json.dumps(pruned(value, 3))
    return text if len(text) <= 60 else text[:57] + "..."


def _expect(name: str, value: Any, supported: list[Any]) -> None:
    if not any(value is s or (value == s and type(value) is type(s)) for s in supported):
        choices = " or ".join(_short(choice) for choice in supported)
        raise ValueError(f"{name} is {_short(value)}; this package supports only {choices}")


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{name} is {_short(value)}; expected a list")
    return value


def _read_pattern(pre_tokenizer: Any) -> str:
    """The regular expression that cuts texts into pieces.

    Either a ByteLevel step does it, with GPT-2's, or a Split step before it, with its own.
    """
    pre_tokenizer = _object(pre_tokenizer, '"pre_tokenizer"')
    _expect("pre_tokenizer.type", pre_tokenizer.get("type"), ["ByteLevel", "Sequence"])
    steps = [pre_tokenizer]
    if pre_tokenizer["type"] == "Sequence":
        steps = _list(pre_tokenizer.get("pretokenizers"), "pre_tokenizer.pretokenizers")
    kinds = [_object(step, "a step of pre_tokenizer").get("type") for step in steps]
    if kinds not in (["ByteLevel"], ["Split", "ByteLevel"]):
        raise ValueError(
            f"pre_tokenizer has the steps {_short(kinds)}; this package supports only ByteLevel, "
            "or Split and ByteLevel"
        )
    byte_level = steps[-1]
    _expect("pre_tokenizer ByteLevel.add_prefix_space", byte_level.get("add_prefix_space"), [False])
    if len(steps) == 1:
        _expect(
            "pre_tokenizer ByteLevel.use_regex without a Split step",
            byte_level.get("use_regex", True),
            [True],
        )
        return GPT2_PATTERN
    _expect("pre_tokenizer ByteLevel.use_regex", byte_level.get("use_regex", True), [False])
    split = steps[0]
    _expect("pre_tokenizer Split.behavior", split.get("behavior"), ["Isolated"])
    _expect("pre_tokenizer Split.invert", split.get("invert"), [False])
    pattern = _object(split.get("pattern"), "pre_tokenizer Split.pattern")
    if isinstance(pattern.get("Regex"), str):
        check_portable(pattern["Regex"])
        return str(pattern["Regex"])
    if isinstance(pattern.get("String"), str) and pattern["String"]:
        return str(regex.escape(pattern["String"]))
    raise ValueError(
        f'pre_tokenizer Split.pattern is {_short(pattern)}; expected {{"Regex": ...}} or '
        '{"String": ...}'
    )


def _adds_tokens(post_processor: Any) -> bool:
    """Whether it adds tokens around a text. A ByteLevel one only moves offsets."""
    if post_processor is None:
        return False
    kind = _object(post_processor, '"post_processor"').get("type")
    _expect("post_processor.type", kind, ["ByteLevel", "Sequence", *_ADDS_TOKENS])
    if kind == "Sequence":
        steps = _list(post_processor.get("processors"), "post_processor.processors")
        return any([_adds_tokens(step) for step in steps])
    return kind in _ADDS_TOKENS[1:] or bool(post_processor.get("special_tokens"))


def _read_vocab(model: dict[str, Any]) -> dict[str, int]:
    vocab = _object(model.get("vocab"), "model.vocab")
    for token, token_id in vocab.items():
        if type(token_id) is not int or token_id < 0:
            raise ValueError(
                f"token {_short(token)} has id {_short(token_id)}; expected a whole number"
            )
    missing = [byte for byte, name in BYTE_TO_CHARACTER.items() if name not in vocab]
    if missing:
        raise ValueError(
            f"{len(missing)} of the {N_BYTES} bytes are no token of the vocab, the first is "
            f"0x{missing[0]:02x}; a byte-level vocabulary has all"
        )
    return vocab


def _read_merges(written: Any, vocab: Mapping[str, int]) -> tuple[tuple[Pair, ...], list[str]]:
    """The merges by rank, and the printable tokens in the order of their ranks.

    Vocabularies that were converted from ranks list every pair that makes a token. When the first
    merges, up to some place in the list, are done to a token's bytes, they leave the same parts
    wherever the token may come to stand: what merges inside it does not depend on what is around
    it. So of the pairs that make one token a single one can ever stand side by side, the one that
    the merges before it leave of the token, and the others are dropped.
    """
    pairs_of: dict[str, list[tuple[str, str]]] = {}
    in_order: list[tuple[str, str]] = []
    for i, merge in enumerate(_list(written, "model.merges")):
        parts = merge.split(" ") if isinstance(merge, str) else merge
        if not (
            isinstance(parts, list)
            and len(parts) == 2
            and all(isinstance(part, str) and part in vocab for part in parts)
            and "".join(parts) in vocab
        ):
            raise ValueError(
                f"merge {i} is {_short(merge)}; expected two tokens of the vocab that make a third"
            )
        pair = (parts[0], parts[1])
        pairs_of.setdefault("".join(pair), []).append(pair)
        in_order.append(pair)
    if (doubled := first_doubled(in_order)) is not None:
        raise ValueError(f"merge {_short(list(doubled))} is there twice")

    tokens = [BYTE_TO_CHARACTER[byte] for byte in range(N_BYTES)]
    rank_of = {token: rank for rank, token in enumerate(tokens)}
    merged_id: dict[Pair, int] = {}
    for i, (left, right) in enumerate(in_order):
        made = left + right
        if made in rank_of:
            continue
        choice = len(pairs_of[made]) > 1
        if left not in rank_of or right not in rank_of:
            if choice:
                continue  # another pair makes it, or it is named below
            late = left if left not in rank_of else right
            raise ValueError(f"merge {i} uses {_short(late)}, which no merge before it makes")
        pair_of_ranks = rank_of[left], rank_of[right]
        if choice:
            data = bytes(_CHARACTER_TO_BYTE[character] for character in made)
            if encode_piece(data, merged_id) != [*pair_of_ranks]:
                continue
        merged_id[pair_of_ranks] = rank_of[made] = len(tokens)
        tokens.append(made)
    if len(tokens) < N_BYTES + len(pairs_of):
        never = next(made for made in pairs_of if made not in rank_of)
        raise ValueError(
            f"token {_short(never)} is made by {len(pairs_of[never])} merges, and by none that the "
            "merges before it leave"
        )
    return tuple(merged_id), tokens


def _read_added_tokens(added_tokens: Any, vocab: Mapping[str, int]) -> dict[str, int]:
    """Tokens that are cut out of a text before anything else, and their ids.

    Hugging Face takes the id from the vocab, and for a token that is not there the next free one,
    whatever the file says. A file that says otherwise is refused.
    """
    specials: dict[str, int] = {}
    normalized: dict[str, bool] = {}
    largest = -1
    for i, token in enumerate(_list(added_tokens, "added_tokens")):
        token = _object(token, f"added_tokens[{i}]")
        for name in ("single_word", "lstrip", "rstrip"):
            _expect(f"added_tokens[{i}].{name}", token.get(name), [False, None])
        _expect(f"added_tokens[{i}].normalized", token.get("normalized"), [False, True])
        content, token_id = token.get("content"), token.get("id")
        if not isinstance(content, str) or not content or type(token_id) is not int:
            raise ValueError(
                f"added_tokens[{i}] is {_short(token)}; expected a content and a whole number as id"
            )
        if content in specials:
            raise ValueError(f"added_tokens[{i}]: {_short(content)} is there twice")
        next_free = largest + 1 if largest >= len(vocab) else len(vocab)
        given = vocab.get(content, next_free)
        if token_id != given:
            where = "in the vocab" if content in vocab else "in Hugging Face's reading"
            raise ValueError(
                f"token {_short(content)} has id {given} {where} and {_short(token_id)} in "
                "added_tokens"
            )
        specials[content] = token_id
        normalized[content] = token["normalized"]
        largest = max(largest, token_id)
    _refuse_overlaps(normalized)
    return specials


def _refuse_overlaps(normalized: Mapping[str, bool]) -> None:
    """Refuse added tokens of the two kinds where it matters which is looked for first.

    Hugging Face cuts a text at those that are not ``normalized`` first, then what is left at the
    others; this package at all of them at once. It makes no difference if no token of one kind
    begins inside one of the other, or at the same place.
    """
    begins = {kind: {t[0] for t, n in normalized.items() if n == kind} for kind in (False, True)}
    for token, kind in normalized.items():
        if not begins[not kind].isdisjoint(token[1:]):
            raise ValueError(
                f'added token {_short(token)} may overlap one whose "normalized" is '
                f"{_short(not kind)}; this package cuts at all added tokens at once"
            )
    for token, longer in pairwise(sorted(normalized)):
        if longer.startswith(token) and normalized[token] != normalized[longer]:
            raise ValueError(
                f"added tokens {_short(token)} and {_short(longer)} begin alike and differ in "
                '"normalized"; this package cuts at all added tokens at once'
            )
