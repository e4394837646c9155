"""Merges: worked by hand, fast equals naive, and every planted bug is caught."""

import inspect
import random
import types
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer import encode, train, train_naive
from tokenizer.vocabulary import merged_tokens as vocabulary

A, B, C, D = b"abcd"
reproducible = settings(derandomize=True, deadline=None, max_examples=300)
few_bytes = st.text("ab", max_size=14) | st.text("abc", max_size=14)
piece_lists = st.lists(few_bytes.map(str.encode), max_size=12)

# (pieces, merges, or the first of them): worked out on paper from the definition.
BY_HAND = {
    "the documentation's example": (
        [b"low", b" lower", b" lowest"],
        [(108, 111), (256, 119), (32, 257), (258, 101), (115, 116), (259, 114), (259, 260)],
    ),
    # aa occurs 4 times, overlapping; then (aa, a) and (a, b) tie with 2, and 97 < 256.
    "one piece": ([b"aaabdaaabac"], [(A, A), (A, B), (256, 257)]),
    # (c, d) comes first in the text and in the alphabet comes last.
    "tie on the first id": ([b"cd", b"ab"], [(A, B), (C, D)]),
    "tie on the second id": ([b"ad", b"ab"], [(A, B), (A, D)]),
    # aa overlaps with itself: twice in aaa, so it beats the tie with (b, c), which has 1.
    "overlap counts": ([b"aaa", b"bc"], [(A, A), (B, C), (256, A)]),
    # Left to right: (aa) a, never a (aa).
    "left to right": ([b"aaa"], [(A, A), (256, A)]),
    "run": ([b"aaaaaaa"], [(A, A), (256, 256), (256, A), (257, 258)]),
    "never across pieces": ([b"a", b"b", b"a", b"b"], []),
    "empty": ([b""], []),
}


def random_texts(n=150):
    rng = random.Random(0)
    for _ in range(n):
        alphabet = rng.choice([b"ab", b"abc", b"aab"])
        yield [bytes(rng.choices(alphabet, k=rng.randrange(12))) for _ in range(rng.randrange(9))]


def check_naive(module):
    """The definition, on the texts worked by hand."""
    for pieces, merges in BY_HAND.values():
        assert module.train_naive(pieces, len(merges)) == merges


def check_fast(module):
    """The fast trainer against the naive one, to the last merge there is."""
    for pieces in [*(pieces for pieces, _ in BY_HAND.values()), *random_texts()]:
        assert module.train(Counter(pieces), 50) == train_naive.train_naive(pieces, 50)


def apply_in_order(piece, merges):
    """Encode as the definition says: each merge in turn, over the whole piece."""
    ids = list(piece)
    for new_id, pair in enumerate(merges, start=256):
        ids = train_naive.merge(ids, pair, new_id)
    return ids


def check_encode(module):
    for pieces in random_texts(60):
        merges = train_naive.train_naive(pieces, 12)
        merged_id = {pair: new_id for new_id, pair in enumerate(merges, start=256)}
        for piece in [*pieces, b"abcabcaabbaaabaaaa", b"aaaaaaaaaaa", b""]:
            assert module.encode_piece(piece, merged_id) == apply_in_order(piece, merges)


CHECKS = {train_naive: check_naive, train: check_fast, encode: check_encode}


@pytest.mark.parametrize("module", CHECKS, ids=lambda module: module.__name__)
def test_merges_are_right(module):
    CHECKS[module](module)


PLANTED_BUGS = [
    # the tie rule
    (train_naive, "-pair[0], -pair[1]", "pair[0], -pair[1]"),
    (train_naive, "-pair[0], -pair[1]", "-pair[0], pair[1]"),
    (train_naive, "(counts[pair], -pair[0], -pair[1])", "counts[pair]"),
    (train, "(-count, pair) for", "(-count, pair[::-1]) for"),
    # overlapping pairs
    (train_naive, "pairwise(ids)", "zip(ids[::2], ids[1::2])"),
    (train_naive, "i += 2", "i += 1"),
    (train, "token[i] != left or j == _END or token[j] != right", "token[i] != left or j == _END"),
    (train, "token[i] != left or j == _END or", "j == _END or"),
    (train, "in positions.pop(pair)", "in reversed(positions.pop(pair))"),
    # counts and links that are not kept up
    (train, "counts[token[h], left] -= w", "pass"),
    (train, "counts[right, token[k]] -= w", "pass"),
    (train, "counts[new_pair] += w", "counts[new_pair] += 1"),
    (train, "self.counts[pair] += count", "self.counts[pair] += 1"),
    (train, "positions[new_pair].append(h)", "positions[new_pair].append(i)"),
    (train, "before[k] = i", "pass"),
    (train, "after[i] = k", "pass"),
    (train, "token[j] = _GONE", "pass"),
    (train, "if count != -negative_count:", "if False:"),
    (train, "heappush(heap, (-count, pair))", "pass"),
    (train, "_END, *range(start, stop - 1)", "start - 1, *range(start, stop - 1)"),
    # encoding
    (encode, "(merged_id[pair], i)", "(-merged_id[pair], i)"),
    (encode, "or merged_id.get((ids[i], ids[j])) != new_id", ""),
    (encode, "before[k] = i", "pass"),
    (encode, "after[i] = k", "pass"),
    (encode, "if h >= 0 and (ids", "if h > 0 and (ids"),
    (encode, "heappush(candidates, (merged_id[new_id, ids[k]], i))", "pass"),
]


@pytest.mark.parametrize(("module", "line", "bug"), PLANTED_BUGS)
def test_planted_bug_is_caught(module, line, bug):
    source = inspect.getsource(module)
    assert line in source
    broken = types.ModuleType("broken")
    exec(source.replace(line, bug), broken.__dict__)
    with pytest.raises((AssertionError, LookupError)):
        CHECKS[module](broken)


@reproducible
@given(piece_lists)
def test_fast_equals_naive(pieces):
    assert train.train(Counter(pieces), 60) == train_naive.train_naive(pieces, 60)


@reproducible
@given(piece_lists, st.randoms(use_true_random=False))
def test_order_of_the_text_does_not_matter(pieces, rng):
    shuffled = rng.sample(pieces, len(pieces))
    assert train.train(Counter(shuffled), 60) == train.train(Counter(pieces), 60)


@reproducible
@given(piece_lists)
def test_every_token_is_a_different_byte_string_and_encodes_to_itself(pieces):
    merges = train.train(Counter(pieces), 60)
    tokens = vocabulary(tuple(merges))  # refuses equal tokens
    merged_id = {pair: new_id for new_id, pair in enumerate(merges, start=256)}
    assert [encode.encode_piece(token, merged_id) for token in tokens] == [
        [token_id] for token_id in range(len(tokens))
    ]


@pytest.mark.parametrize(
    "piece",
    [
        b"a" * 3001,
        b"ab" * 1500 + b"a",
        bytes(random.Random(0).choices(b"abcd", k=3000)),
        bytes(range(256)) * 8,
    ],
    ids=["run", "alternating", "random", "all bytes"],
)
def test_one_giant_piece(piece):
    merges = train.train({piece: 1}, 40)
    assert merges == train_naive.train_naive([piece], 40)
    merged_id = {pair: new_id for new_id, pair in enumerate(merges, start=256)}
    assert encode.encode_piece(piece, merged_id) == apply_in_order(piece, merges)


def test_giant_pieces_take_no_quadratic_time():
    """The work is counted, not timed: positions visited, for a run and for random bytes."""
    for n in (1_000, 4_000):
        for piece in (b"a" * n, bytes(random.Random(1).choices(b"abcd", k=n))):
            pieces = train._Pieces({piece: 1})
            visited = 0
            merges = train.train({piece: 1}, 300)
            for new_id, pair in enumerate(merges, start=256):
                visited += len(pieces.positions[pair])
                pieces.merge(pair, new_id)
            assert n - 1 <= visited <= 3 * n


def test_progress_is_called_after_each_merge():
    calls = []
    train.train({b"aaab": 1}, 10, lambda *call: calls.append(call))
    assert calls == [(1, 10), (2, 10), (3, 10)]
