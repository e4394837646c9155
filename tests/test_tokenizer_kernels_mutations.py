"""Planted bugs in the kernels: each must be caught.

The kernels run as plain Python here, on small inputs, so that a changed line takes no compiling.
The unchanged source must pass the same checks.
"""

import inspect
import random
import types
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from tokenizer import kernels, train_naive
from tokenizer.encode import encode_piece
from tokenizer.pretokenize import character_classes, pretokenize

SOURCE = inspect.getsource(kernels)


def as_python(source):
    """The module of this source, with decorators that compile nothing."""
    for name in ("compiled", "part"):
        source = source.replace(f"@{name}\n", "")
    module = types.ModuleType("plain")
    exec(source.replace("from numba import njit\n", ""), module.__dict__)
    return module


def pieces_of(module, capacity=64, n_bytes=4096, n_slots=None):
    return module.Pieces(
        slots=np.full(n_slots or 4 * capacity, -1, np.int32),
        hashes=np.empty(capacity, np.uint64),
        start=np.zeros(capacity + 1, np.int64),
        content=np.zeros(n_bytes, np.uint8),
        used=np.zeros(2, np.int64),
    )


def as_array(data):
    return np.frombuffer(data, np.uint8)


def as_text(data):
    return data.decode("utf-8", "surrogateescape")


def cut(data):
    return [piece.encode("utf-8", "surrogateescape") for piece in pretokenize(as_text(data))]


AWKWARD = [
    b"It's 2024, isn't it?  \n\n x\t\ty \r\n 'LL 're'l 's 'x ''t ",
    "a1 1a 12345 !!\n\n?a  !a \n!\u00a0a\u00a0\u2028  é'é日本 ٣Ⅷ\u0301 '\u017f 'vE'rE'lv'".encode(),
    b"  ", b" \n ", b"\n a", b"\n\n  ", b"'", b"'l", b"'ll", b"'v", b" '", b"a'", b" 1", b"12",
    b"!\r\n\n !", b"\xc3", b"a\xe2\x82 \xe2\x82\xac", b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80\xf4\x90\x80\x80",
    b"'tx'vax'lx'vex\na\n  x\t!\n\na\t \n  ", b"x\xc1\xa1x\xe0\x81\xa1x",
    b"\xc0\xaf \xe0\x80\x80 \xf0\x80\x80\x80 \xc3\x28 \xf0\x9f\x98z \xf8",
]  # fmt: skip


def check_scan(module):
    for data in AWKWARD:
        ends, i = [0], 0
        while i < len(data):
            i = int(module.scan(as_array(data), i, len(data), character_classes()))
            assert ends[-1] < i <= len(data)
            ends.append(i)
        assert [data[i:j] for i, j in pairwise(ends)] == cut(data)


def counts_by(module, parts, pieces, counts):
    """`count` over all parts, starting again with more room whenever it stops, at most once."""
    text = as_array(b"".join(parts))
    ends = np.cumsum([len(part) for part in parts])
    bounds = np.stack([ends - [len(part) for part in parts], ends], axis=1)
    place = np.zeros(2, np.int64)
    found = Counter()
    for _ in range(100):
        done = module.count(text, bounds, character_classes(), pieces, counts, place)
        if done:
            break
        assert pieces.used[0] > 0
        found.update(counted(pieces, counts))
        pieces.slots[:], pieces.used[:] = -1, 0
    assert done
    found.update(counted(pieces, counts))
    return found


def counted(pieces, counts):
    content, start = pieces.content.tobytes(), pieces.start.tolist()
    n = int(pieces.used[0])
    distinct = [content[start[p] : start[p + 1]] for p in range(n)]
    assert len(set(distinct)) == n
    return dict(zip(distinct, counts[:n].tolist(), strict=True))


def check_count(module):
    parts = [*AWKWARD[:2], b"the end", b" of the end of the", b"", b"end", b" end end end"]
    wanted = Counter(piece for part in parts for piece in cut(part))
    for capacity, n_bytes in ((128, 4096), (4, 4096), (128, 24)):
        pieces = pieces_of(module, capacity, n_bytes)
        counts = np.full(capacity, 7, np.int64)
        assert counts_by(module, parts, pieces, counts) == wanted
        before = pieces.slots.copy()
        pieces.slots[:] = -1
        module.fill_slots(pieces)
        assert sorted(before) == sorted(pieces.slots)
        found = counted(pieces, counts)
        for data in found:  # every piece is found again
            key = module.hash_of(as_array(data), 0, len(data))
            slot = module.find_slot(pieces, as_array(data), 0, len(data), key)
            assert pieces.slots[slot] == list(found).index(data)


def check_find_slot(module):
    """All with one and the same hash, in a table with hardly any room to spare."""
    pieces = pieces_of(module, 8, 64, n_slots=8)
    words = [b"ab", b"abc", b"abd", b"b", b"", b"ba"]
    key = np.uint64(0xFFFF_FFFF_0000_0001)
    for number, word in enumerate(words):
        slot = module.find_slot(pieces, as_array(word), 0, len(word), key)
        assert pieces.slots[slot] == -1
        text = as_array(b"x" + word)
        assert module.add(pieces, slot, text, 1, 1 + len(word), key) == number
    for number, word in enumerate(words):
        text = as_array(b"x" + word + b"x")
        for other, found in ((0, number), (1, -1)):  # with another hash it is another piece
            slot = module.find_slot(pieces, text, 1, 1 + len(word), key + np.uint64(other))
            assert pieces.slots[slot] == found
    assert list(pieces.start[:7]) == list(np.cumsum([0, *map(len, words)]))


def texts_to_learn():
    rng = random.Random(0)
    yield [b"low", b" lower", b" lowest"]
    yield [b"aaabdaaabac"]
    yield [b"aaaaaaa", b"abab", b"a", b""]
    for _ in range(25):
        alphabet = rng.choice([b"ab", b"abc", b"aab"])
        yield [bytes(rng.choices(alphabet, k=rng.randrange(12))) for _ in range(rng.randrange(9))]
    yield [bytes(rng.choices(range(256), k=9000))]  # more pairs than there is room for at first


def check_learn(module):
    for texts in texts_to_learn():
        n_merges = 30 if len(texts) != 1 or len(texts[0]) < 100 else 3
        counts = Counter(text for text in texts if text)
        pieces = pieces_of(module, n_bytes=1 << 14)
        for word in counts:
            key = module.hash_of(as_array(word), 0, len(word))
            slot = module.find_slot(pieces, as_array(word), 0, len(word), key)
            module.add(pieces, slot, as_array(word), 0, len(word), key)
        merges, signal = np.empty(n_merges, np.int64), np.zeros(2, np.int64)
        n = module.learn(pieces, np.array([*counts.values(), 0]), merges, signal)
        wanted = train_naive.train_naive(texts, n_merges)
        assert [(int(m) >> 32, int(m) & 0xFFFFFFFF) for m in merges[:n]] == wanted
        assert signal[0] == n


def check_merge_piece(module):
    for texts in [*texts_to_learn()][:20]:
        merges = train_naive.train_naive(texts, 12)
        merged_id = {pair: rank for rank, pair in enumerate(merges, start=256)}
        keys = np.array([left << 32 | right for left, right in merges], np.int64)
        slots = module.slots_for(keys, len(keys), 64)
        for piece in [*texts, b"abcabcaabbaaabaaaa", b"aaaaaaaaaaa", b" lowestlow", b"b"]:
            for before in (b"", b"aa"):  # where the piece and its tokens begin
                out = np.full(len(piece) + 4, 9999, np.uint32)
                text = as_array(before + piece + b"ab")
                i, at = len(before), len(before)
                end = module.merge_piece(text, i, i + len(piece), slots, keys, out, at)
                assert out[at:end].tolist() == encode_piece(piece, merged_id)
                assert set(out[:at]) | set(out[end:]) == {9999}


def check_encode(module):
    merges = train_naive.train_naive([b"low", b" lower", b" lowest", b"aaaa"], 12)
    merged_id = {pair: rank for rank, pair in enumerate(merges, start=256)}
    keys = np.array([left << 32 | right for left, right in merges], np.int64)
    slots = module.slots_for(keys, len(keys), 64)
    parts = [b"low lower lowest low lower aa", b"", b"a" * 70 + b" low a lowest", *AWKWARD[:2]]
    behind = [300, 301, -1, -1, 302]
    wanted, wanted_ends = [], []
    for part, token in zip(parts, behind, strict=True):
        wanted += [token for piece in cut(part) for token in encode_piece(piece, merged_id)]
        wanted += [token] * (token >= 0)
        wanted_ends.append(len(wanted))
    text = as_array(b"".join(parts))
    ends_of_parts = np.cumsum([len(part) for part in parts])
    bounds = np.stack([ends_of_parts - [len(part) for part in parts], ends_of_parts], axis=1)
    for capacity, n_bytes, n_tokens in (
        (128, 4096, 4096),
        (2, 99, 99),
        (128, 66, 99),
        (64, 99, 64),
    ):
        pieces = pieces_of(module, capacity, n_bytes)
        tokens, token_start = np.zeros(n_tokens, np.int32), np.zeros(capacity + 1, np.int64)
        for _ in range(2):  # with a store that has met nothing, and one that has met all
            out, ends = np.zeros(len(text) + 9, np.uint32), np.zeros(len(parts), np.int64)
            module.encode(
                text, bounds, np.array(behind), character_classes(), pieces, tokens, token_start,
                slots, keys, out, ends,
            )  # fmt: skip
            assert out[: ends[-1]].tolist() == wanted
            assert ends.tolist() == wanted_ends
            assert not out[ends[-1] :].any()
        assert b"a" * 70 not in pieces.content.tobytes()


def check_decode(module):
    words = [b"a", b"", b"0123456789abcdef", b"0123456789abcdefXY", b"z" * 50]
    start = np.cumsum([0, *map(len, words)])
    table = as_array(b"".join(word[:16].ljust(16, b"\0") for word in words)).reshape(-1, 16)
    for ids in ([], [0, 1, 2, 3, 4], [4, 4, 0, 3, 3, 2, 0], [3], [1, 1]):
        wanted = b"".join(words[i] for i in ids)
        out = np.zeros(len(wanted) + 16, np.uint8)
        n = module.decode(np.array(ids, np.uint32), table, start, as_array(b"".join(words)), out)
        assert n == len(wanted)
        assert out[:n].tobytes() == wanted


@pytest.fixture(autouse=True)
def _hashes_may_overflow():
    with np.errstate(over="ignore"):
        yield


CHECKS = [check_scan, check_count, check_find_slot, check_learn, check_merge_piece, check_encode]
CHECKS += [check_decode]


@pytest.mark.parametrize("check", CHECKS)
def test_checks_pass_without_a_bug(check):
    check(as_python(SOURCE))


PLANTED_BUGS = [
    # UTF-8
    (check_scan, "if a < 0xC2 or a > 0xF4:", "if a < 0xC0 or a > 0xF4:"),
    (check_scan, "if i + width > end:", "if i + width > end + 9:"),
    (check_scan, "0xA0 if a == 0xE0 else ", ""),
    (check_scan, "if c & 0xC0 != 0x80:", "if False:"),
    (check_scan, "code = code << 6 | (c & 0x3F)", "code = code << 6"),
    # scan
    (check_scan, "for _ in range(2):", "for _ in range(3):"),
    (check_scan, "if first <= T:", "if first < T:"),
    (check_scan, "(first in (V, R)) and second == E", "(first in (V, R))"),
    (check_scan, "if kind != NEWLINE and j < end:", "if j < end:"),
    (check_scan, "if text[i] == 0x20 and found", "if found"),
    (check_scan, "return run_of(NEWLINE, text, run_of(", "return run_of(OTHER, text, run_of("),
    (check_scan, "last_break = j if kind == NEWLINE else i", "last_break = i"),
    (check_scan, "if last_break > i:", "if False:"),
    (check_scan, "return j if j == end or last == i else last", "return j"),
    (check_scan, "if found & KIND < SPACE:", "if found & KIND != SPACE:"),
    # the table of pieces, and counting
    (check_find_slot, "if k == j - i:\n", "if True:\n"),
    (check_find_slot, "if pieces.start[piece + 1] - at == j - i:", "if True:"),
    (check_find_slot, "if pieces.hashes[piece] == key:", "if True:"),
    (
        check_find_slot,
        "slot = (slot + 1) & mask\n\n\n@compiled\ndef fill",
        "slot += 1\n\n\ndef fill",
    ),
    (check_find_slot, "pieces.start[piece + 1] = at + j - i", "pieces.start[piece + 1] = at + j"),
    (check_find_slot, "pieces.hashes[piece] = key", "pieces.hashes[piece] = 0"),
    (
        check_count,
        "pieces.content[at + k - i] = text[k]",
        "pieces.content[at + k - i] = text[k - i]",
    ),
    (check_count, "place[0], place[1] = part, i", "place[0], place[1] = part, j"),
    (check_count, "i = max(place[1], bounds[part, 0])", "i = bounds[part, 0]"),
    (check_count, "counts[piece] = 0", "pass"),
    (check_count, "pieces.used[0] < len(pieces.hashes)", "True"),
    (check_count, "and pieces.used[1] + size <= len(pieces.content)", ""),
    (check_count, "while pieces.slots[slot] != NONE:", "while False:"),
    # learning
    (check_learn, "keys[slots[slot]] != key:", "False:"),
    (check_learn, "counts[pair] += weight", "counts[pair] += 1"),
    (check_learn, "following[last[pair]] = n_chained", "pass"),
    (check_learn, "last[pair] = n_chained\n", "pass\n"),
    (
        check_learn,
        "token[i] != left or j == NONE or token[j] != right",
        "token[i] != left or j == NONE",
    ),
    (check_learn, "token[i] != left or j == NONE or", "j == NONE or"),
    (check_learn, "token[i], token[j], after[i] = new, NONE, k", "token[i], after[i] = new, k"),
    (check_learn, "token[i], token[j], after[i] = new, NONE, k", "token[i], token[j] = new, NONE"),
    (check_learn, "<< 32 | left)]] -= weight[i]", "<< 32 | left)]] -= 1"),
    (check_learn, "<< 32 | left)]] -= weight[i]", "<< 32 | left)]] -= 0"),
    (check_learn, "right << 32 | token[k])]] -= weight[i]", "right << 32 | token[k])]] -= 0"),
    (check_learn, "before[k] = i\n", "pass\n"),
    (
        check_learn,
        "heap = [(-counts[pair], keys[pair], pair)",
        "heap = [(-counts[pair], pair, pair)",
    ),
    (check_learn, "if counts[best] != -negative_count:", "if False:"),
    (check_learn, "heappush(heap, (-counts[best], key, best))", "pass"),
    (check_learn, "oldest_born = n_pairs", "oldest_born = n_pairs + 1"),
    (check_learn, "before[i] = i - 1 if i > start else NONE", "before[i] = i - 1"),
    (check_learn, "after[i] = i + 1 if i + 1 < stop else NONE", "after[i] = i + 1"),
    (
        check_learn,
        "slots = slots_for(keys, n_pairs, 4 * size)",
        "slots = slots_for(keys, 0, 4 * size)",
    ),
    (check_learn, "signal[0] = n_merges", "pass"),
    # encoding
    (check_merge_piece, "token[k] << 32 | token[right] != keys[merge]", "False"),
    (check_merge_piece, "token[k], token[right] = 256 + merge, NONE", "token[k] = 256 + merge"),
    (check_merge_piece, "after[k] = m", "pass"),
    (check_merge_piece, "before[m] = k", "pass"),
    (check_merge_piece, "if h >= 0:", "if h > 0:"),
    (check_merge_piece, "heappush(candidates, (np.int64(merge), h))", "pass"),
    (check_merge_piece, "heapify(candidates)", "candidates.sort(reverse=True)"),
    (
        check_merge_piece,
        "token[k], before[k], after[k] = text[i + k]",
        "token[k], before[k], after[k] = text[k]",
    ),
    (check_encode, "elif j - i > MAX_KEPT:", "elif False:"),
    (check_encode, "pieces.used[:] = 0", "pass"),
    (check_encode, "room = token_start[pieces.used[0]] + done - n <= len(tokens)", "room = True"),
    (check_encode, "tokens[at : at + done - n] = out[n:done]", "pass"),
    (check_encode, "token_start[piece + 1] = at + done - n", "token_start[piece + 1] = at + j - i"),
    (check_encode, "if behind[number] >= 0:", "if behind[number] > 300:"),
    (check_encode, "ends[number] = n", "ends[number] = n - 1"),
    # decoding
    (check_decode, "for k in range(STRIDE, length):", "for k in range(STRIDE, length - 1):"),
    (check_decode, "content[start[token] + k]", "content[start[token]]"),
    (check_decode, "at += np.uint64(length)", "at += np.uint64(min(length, STRIDE))"),
    (check_decode, "for byte in range(8):", "for byte in range(7):"),
    (check_decode, "np.uint64(8 + k)", "np.uint64(7 + k)"),
    (check_decode, "eight_bytes(table, token, 8)", "eight_bytes(table, token, 0)"),
]


@pytest.mark.parametrize(("check", "line", "bug"), PLANTED_BUGS)
def test_planted_bug_is_caught(check, line, bug):
    assert line in SOURCE
    broken = as_python(SOURCE.replace(line, bug))
    with pytest.raises((AssertionError, LookupError, ValueError, OverflowError)):
        check(broken)
