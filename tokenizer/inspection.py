"""What a tokenizer does to a text: how it is cut, which tokens it takes, how a word is built."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tokenizer.display import Style, clipped, columns, cut_lines, cut_lines_with_ids, padded
from tokenizer.pretokenize import PATTERN, pieces_of
from tokenizer.tokenizer import Special, Tokenizer
from tokenizer.tokenizer_json import GPT2_PATTERN
from tokenizer.vocabulary import N_BYTES

_LOOK_AHEAD = 4096  # characters

_NAMED_PATTERNS = {PATTERN: "the default", GPT2_PATTERN: "GPT-2's"}


# ------------------------------------------------------------------------------------- a text


@dataclass
class Usage:
    """How often a text takes each token.

    Attributes
    ----------
    counts : ndarray of shape (vocab_size,), int64
    n_bytes : int
        Bytes of the text.
    """

    counts: NDArray[np.int64]
    n_bytes: int

    @property
    def n_tokens(self) -> int:
        """Tokens of the text."""
        return int(self.counts.sum())


def usage_of(parts: Iterable[str], tokenizer: Tokenizer, special: Special) -> Usage:
    """Count the tokens of a text that comes in parts."""
    counts = np.zeros(tokenizer.vocab_size, np.int64)
    n_bytes = 0
    for part in parts:
        n_bytes += len(part.encode("utf-8"))
        ids = tokenizer.encode_array(part, special=special)
        counts += np.bincount(ids, minlength=tokenizer.vocab_size)
    return Usage(counts, n_bytes)


def usage_lines(usage: Usage, tokenizer: Tokenizer, top: int, style: Style) -> list[str]:
    """Totals, the `top` most and least used tokens, and what is not used at all."""
    existing = _existing(tokenizer)
    used = existing[usage.counts[existing] > 0]
    bytes_a_token = usage.n_bytes / max(1, usage.n_tokens)
    lines = [
        f"{usage.n_bytes:,} bytes, {usage.n_tokens:,} tokens, {bytes_a_token:.2f} bytes a token",
        f"{len(used):,} different tokens of {len(existing):,} "
        f"({100 * len(used) / len(existing):.1f} %)",
    ]
    if top < 1 or not len(used):
        return lines
    falling = used[np.lexsort((used, -usage.counts[used]))]
    rising = used[np.lexsort((used, usage.counts[used]))]
    half = (style.width - 2) // 2
    left = _count_table(falling[:top], usage, tokenizer, half, style)
    right = _count_table(rising[:top], usage, tokenizer, half, style)
    heads = [padded("most used", half + 2) + "least used, of those used"]
    lines += ["", style.heading(heads[0])]
    lines += [
        (padded(a, half + 2) + b).rstrip() for a, b in zip(left, right, strict=True)
    ]  # both have min(top, used) rows
    return lines + _unused_lines(usage, tokenizer, existing, top, style)


def _count_table(
    ids: NDArray[np.int64], usage: Usage, tokenizer: Tokenizer, width: int, style: Style
) -> list[str]:
    digits = max((len(f"{usage.counts[i]:,}") for i in ids), default=1)
    id_digits = len(str(tokenizer.vocab_size - 1))
    lines = [f"{'count':>{max(5, digits)}}  share %  {'id':>{id_digits}}  token"]
    for token_id in ids.tolist():
        count = int(usage.counts[token_id])
        start = (
            f"{count:>{max(5, digits)},}  {100 * count / usage.n_tokens:7.3f}  "
            f"{token_id:>{id_digits}}  "
        )
        token = style.visible(tokenizer.token_bytes(token_id))
        lines.append(start + clipped(token, width - len(start)))
    return lines


def _unused_lines(
    usage: Usage, tokenizer: Tokenizer, existing: NDArray[np.int64], top: int, style: Style
) -> list[str]:
    unused = existing[usage.counts[existing] == 0]
    ranks = {token_id: rank for rank, token_id in enumerate(tokenizer.ids or ())}
    made = [i for i in unused.tolist() if N_BYTES <= ranks.get(i, i) < N_BYTES + _n(tokenizer)]
    made.sort(key=lambda i: ranks.get(i, i))
    specials = sum(int(i) in unused for i in tokenizer.special_ids.values())
    n_bytes = len(unused) - len(made) - specials
    heading = f"not used: {len(unused):,}"
    lines = ["", style.heading(heading)]
    lines.append(f"{n_bytes} bytes, {len(made):,} made by merges, {specials} special")
    if made:
        lines.append("the first merges among them make:")
        lines += _wrapped([style.visible(tokenizer.token_bytes(i)) for i in made[:top]], style)
    return lines


def shown_lines(
    text: str,
    tokenizer: Tokenizer,
    special: Special,
    with_ids: bool,
    limit: int,
    style: Style,
) -> list[str]:
    """How the first `limit` characters of a text are cut, up to the end of a token."""
    special_ids = set(tokenizer.special_ids.values()) if special == "special" else set()
    # a piece may go on behind the limit, and how it goes on may change its tokens
    ids = tokenizer.encode(text[: limit + _LOOK_AHEAD], special=special)
    tokens = []
    left = len(text[:limit].encode("utf-8"))
    for token_id in ids:
        if left <= 0:
            break
        token = tokenizer.token_bytes(token_id)
        tokens.append((token_id, token, token_id in special_ids))
        left -= len(token)
    if with_ids:
        lines = cut_lines_with_ids(tokens, style)
    else:
        lines = cut_lines([(token, is_special) for _, token, is_special in tokens], style)
    if len(text) > limit:
        lines.append(f"... (--show {limit}: this many characters)")
    return lines


# ------------------------------------------------------------------------------------- a word


@dataclass(frozen=True)
class Rung:
    """One merge on the way from a piece's bytes to its tokens.

    Attributes
    ----------
    rank : int
        Number of the merge, from 0.
    tokens : tuple of int
        The ranks of the piece's tokens after it.
    """

    rank: int
    tokens: tuple[int, ...]


def ladder(piece: bytes, tokenizer: Tokenizer) -> list[Rung]:
    """The merges that apply to a piece, in order; each is done wherever it applies."""
    rank_of = {pair: rank for rank, pair in enumerate(tokenizer.merges)}
    tokens = list(piece)
    rungs: list[Rung] = []
    while True:
        rank = min((rank_of[pair] for pair in pairwise(tokens) if pair in rank_of), default=None)
        if rank is None:
            return rungs
        pair, merged, i = tokenizer.merges[rank], [], 0
        while i < len(tokens):
            both = i + 1 < len(tokens) and (tokens[i], tokens[i + 1]) == pair
            merged.append(N_BYTES + rank if both else tokens[i])
            i += 2 if both else 1
        tokens = merged
        rungs.append(Rung(rank, tuple(tokens)))


def ladder_lines(word: str, tokenizer: Tokenizer, style: Style) -> list[str]:
    """The ladder of each piece of a word, as a table."""
    lines: list[str] = []
    pieces = pieces_of(word, tokenizer.pattern)
    if len(pieces) > 1:
        shown = f" {style.bar} ".join(style.visible(piece.encode("utf-8")) for piece in pieces)
        lines += [
            clipped(f"{len(pieces)} pieces, no merge crosses a cut: {shown}", style.width),
            "",
        ]
    for piece in pieces:
        lines += [*_ladder_of_piece(piece.encode("utf-8"), tokenizer, style), ""]
    return lines[:-1]


def _ladder_of_piece(piece: bytes, tokenizer: Tokenizer, style: Style) -> list[str]:
    known = tokenizer.tokens_by_rank[: N_BYTES + _n(tokenizer)]
    # GPT-4's family looks a piece up before it merges
    at_once = tokenizer.whole_pieces and len(piece) > 1 and piece in known
    rungs = [] if at_once else ladder(piece, tokenizer)
    end = rungs[-1].tokens if rungs else (known.index(piece),) if at_once else tuple(piece)

    def shown(rank: int) -> str:
        return style.visible(known[rank])

    def id_of(rank: int) -> str:
        return str(rank if tokenizer.ids is None else tokenizer.ids[rank])

    counted = ((len(piece), "byte"), (len(rungs), "merge"), (len(end), "token"))
    head = ", ".join(f"{n} {what}{'s' * (n != 1)}" for n, what in counted)
    lines = [style.heading(clipped(f"{style.visible(piece)}: {head}", style.width))]
    rows = [("merge", "left + right", "id", "so far")]
    rows.append(("", "bytes", "", _cut([bytes([byte]) for byte in piece], style)))
    for rung in rungs:
        left, right = tokenizer.merges[rung.rank]
        pair = clipped(f"{shown(left)} + {shown(right)}", style.width // 3)
        so_far = _cut([known[rank] for rank in rung.tokens], style)
        rows.append((str(rung.rank), pair, id_of(N_BYTES + rung.rank), so_far))
    merge, pair_width, made = (max(columns(row[i]) for row in rows) for i in range(3))
    for row in rows:
        start = f"  {row[0]:>{merge}}  {padded(row[1], pair_width)}  {row[2]:>{made}}  "
        room = style.width - columns(start)
        lines.append((start + (row[3] if style.colour else clipped(row[3], room))).rstrip())
    if at_once:
        lines.append("  one token as it stands: this tokenizer looks a piece up before it merges")
    return [*lines, clipped(f"  ids: {' '.join(map(id_of, end))}", style.width)]


def _cut(tokens: Sequence[bytes], style: Style) -> str:
    between = "" if style.colour else style.bar
    return between.join(style.paint(style.visible(t), n) for n, t in enumerate(tokens))


# ------------------------------------------------------------------------------- the vocabulary


def summary_lines(name: str, tokenizer: Tokenizer, top: int, style: Style) -> list[str]:
    """What a vocabulary consists of."""
    gaps = tokenizer.vocab_size - len(_existing(tokenizer))
    specials = sorted(tokenizer.special_ids.items(), key=lambda item: item[1])
    size = f"{tokenizer.vocab_size:,}"
    rows = [
        ("tokens", size + (f", {gaps:,} ids without a token" if gaps else "")),
        ("  bytes", f"{N_BYTES}"),
        ("  from merges", f"{_n(tokenizer):,}"),
        ("  special", f"{len(specials)}"),
        *(("", f"  {token_id} {token}") for token, token_id in specials[:top]),
        ("ids as", "uint16" if tokenizer.vocab_size <= 1 << 16 else "uint32"),
        ("pattern", _NAMED_PATTERNS.get(tokenizer.pattern, "")),
    ]
    lines = [style.heading(clipped(name, style.width))]
    lines += [clipped(f"{key:<14}{value}".rstrip(), style.width) for key, value in rows]
    chunk = style.width - 2
    pattern = tokenizer.pattern
    lines += ["  " + pattern[i : i + chunk] for i in range(0, len(pattern), chunk)]
    lines += [f"sha256        {tokenizer.sha256}"]
    lines += ["", style.heading("bytes of a token"), *_length_lines(tokenizer, style)]
    if top > 0 and tokenizer.merges:
        made = tokenizer.tokens_by_rank[N_BYTES : N_BYTES + _n(tokenizer)]
        longest = sorted(made, key=lambda token: (-len(token), token))[:top]
        lines += ["", style.heading("longest tokens")]
        lines += _wrapped([style.visible(token) for token in longest], style)
    return lines


def _length_lines(tokenizer: Tokenizer, style: Style) -> list[str]:
    """How many tokens have 1, 2, 3 ... bytes, as bars; the last row holds all longer ones."""
    lengths = tokenizer.token_byte_lengths()
    counts = np.bincount(np.minimum(lengths[lengths > 0], 16), minlength=17)[1:]
    last = int(np.flatnonzero(counts)[-1])
    room = style.width - 20
    lines = []
    for index in range(last + 1):
        bar = ("█" if style.unicode else "#") * round(room * counts[index] / counts.max())
        label = "16 or more" if index == 15 else str(index + 1)
        lines.append(f"{label:>10} {counts[index]:>7,} {bar}".rstrip())
    return lines


def _existing(tokenizer: Tokenizer) -> NDArray[np.int64]:
    return np.array(
        [i for i, token in enumerate(tokenizer.tokens_by_id) if token is not None], np.int64
    )


def _n(tokenizer: Tokenizer) -> int:
    return len(tokenizer.merges)


def _wrapped(words: Sequence[str], style: Style) -> list[str]:
    """Words two spaces apart, in lines that are two columns in."""
    lines, line = [], ""
    for word in (clipped(word, style.width - 2) for word in words):
        if line and columns(line) + 2 + columns(word) > style.width:
            lines.append(line)
            line = ""
        line += f"  {word}"
    return [*lines, line] if line else lines
