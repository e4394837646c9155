"""The ranks of a vocabulary as `tiktoken` keeps them, and merges from ranks.

The file lists tokens, not merges: each line is a token's bytes in base64, a space and its rank,
which is also its id. Two neighbouring tokens merge if what they make is a token, the lowest rank
first. So the merge that made a token is what remains of its bytes when all older merges are done:
two tokens, in a vocabulary that came from BPE.
"""

from __future__ import annotations

import base64
import binascii

from tokenizer.encode import encode_piece
from tokenizer.vocabulary import N_BYTES, Pair, Vocabulary, first_doubled

LARGEST_RANKS = 32 << 20  # bytes; o200k_base has 3.6 MB


def read_ranks(data: bytes) -> tuple[tuple[Pair, ...], tuple[int, ...]]:
    """Merges, and the ids of the bytes and of what the merges make.

    Raises
    ------
    ValueError
        If a line is not base64 and a number, a token or rank is there twice, a byte is missing, or
        a token is not made by two others.
    """
    id_of: dict[bytes, int] = {}
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            encoded, rank = line.split()
            if not rank.isdigit():  # int would take b"1_0" and b"+1" too
                raise ValueError
            token, token_id = base64.b64decode(encoded, validate=True), int(rank)
        except (ValueError, binascii.Error):
            raise ValueError(
                f"line {number} is {line[:60]!r}; expected a token in base64 and its rank"
            ) from None
        if token in id_of:
            raise ValueError(f"line {number}: token {_shown(token)} is there twice")
        id_of[token] = token_id
    if (doubled := first_doubled(id_of.values())) is not None:
        raise ValueError(f"rank {doubled} is there twice")
    missing = [byte for byte in range(N_BYTES) if bytes([byte]) not in id_of]
    if missing:
        raise ValueError(
            f"{len(missing)} of the {N_BYTES} bytes are no token, the first is "
            f"0x{missing[0]:02x}; a byte-level vocabulary has all"
        )
    longer = sorted((token for token in id_of if len(token) > 1), key=id_of.__getitem__)
    merges = merges_of(longer)
    ids = [id_of[bytes([byte])] for byte in range(N_BYTES)]
    return merges, (*ids, *(id_of[token] for token in longer))


def _shown(token: bytes) -> str:
    return repr(token) if len(token) <= 60 else f"{token[:60]!r}..."


def merges_of(tokens: list[bytes]) -> tuple[Pair, ...]:
    """The merge that makes each of `tokens`, which are in the order in which they were learnt.

    Raises
    ------
    ValueError
        If older merges leave of a token anything but two parts.
    """
    merged_id: dict[Pair, int] = {}
    for token in tokens:
        parts = encode_piece(token, merged_id)
        if len(parts) != 2:
            raise ValueError(
                f"token {_shown(token)} is not made by merging two tokens of lower rank (they "
                f"leave {len(parts)}), so this is no vocabulary of byte-pair encoding"
            )
        merged_id[parts[0], parts[1]] = N_BYTES + len(merged_id)
    return tuple(merged_id)


def write_ranks(vocabulary: Vocabulary) -> bytes:
    """The file's content, lines in the order of the ids.

    Raises
    ------
    ValueError
        If ids do not rise with the order of the merges.
    """
    n = N_BYTES + len(vocabulary.merges)
    ids = range(n) if vocabulary.ids is None else vocabulary.ids[:n]
    made = list(ids[N_BYTES:])
    if made != sorted(made):
        raise ValueError(
            "the ids of merged tokens do not rise with the order of the merges; a file of ranks "
            "cannot say so, save a tokenizer.json instead"
        )
    lines = sorted(zip(ids, vocabulary.tokens_by_rank[:n], strict=True))
    return b"".join(b"%s %d\n" % (base64.b64encode(token), token_id) for token_id, token in lines)
