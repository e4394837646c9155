"""The compiled half of the tokenizer: cutting text, counting pieces, learning and applying merges.

Everything here has a readable twin that defines it: `scan` is the regular expression of
`pretokenize`, `learn` is `train_naive`, `encode` is `encode_piece` over `pretokenize`.
Tests hold each to its twin. Texts are UTF-8 bytes, never Python strings.

One file on purpose: Numba keeps the compiled code of a function as long as *its* source file is
unchanged, so what calls each other stays together. Every function is called with one combination
of types only.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import NamedTuple

import numpy as np
from numba import njit

OTHER, LETTER, NUMBER, SPACE, NEWLINE = range(5)
KIND = 7  # the low three bits of a character class; above them its letter in a contraction
CONTRACTED = "sdmtlver"  # 1 to 8 in the bits above
T, L, V, E, R = range(4, 9)

NONE = -1
MAX_KEPT = 64  # bytes; longer pieces hardly ever come back
STRIDE = 16  # bytes that `decode` moves at once
PRIME = 1099511628211  # of the FNV-1a hash
MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads a key over the high bits


def compiled(function):
    """A function that Python calls; its machine code is kept on the disk where that is possible.

    Numba refuses, when a function is decorated, where neither the folder of this file nor one of
    the user's own can be written to: a container without a home. Then each process compiles anew.
    """
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:
        return njit(nogil=True, error_model="numpy")(function)


def part(function):
    return njit(nogil=True, error_model="numpy", forceinline=True)(function)


# ---------------------------------------------------------------------------- cutting text


@part
def character(text, i, end):
    """Code point at byte i and its width; a byte that is no valid UTF-8 is (-1, 1)."""
    a = np.int64(text[i])
    if a < 0x80:
        return a, 1
    if a < 0xC2 or a > 0xF4:
        return -1, 1
    width = 2 if a < 0xE0 else 3 if a < 0xF0 else 4
    if i + width > end:
        return -1, 1
    b = np.int64(text[i + 1])
    low = 0xA0 if a == 0xE0 else 0x90 if a == 0xF0 else 0x80  # overlong forms
    high = 0x9F if a == 0xED else 0x8F if a == 0xF4 else 0xBF  # surrogates, above U+10FFFF
    if b < low or b > high:
        return -1, 1
    code = (a & (0x7F >> width)) << 6 | (b & 0x3F)
    for k in range(2, width):
        c = np.int64(text[i + k])
        if c & 0xC0 != 0x80:
            return -1, 1
        code = code << 6 | (c & 0x3F)
    return code, width


@part
def class_at(text, i, end, classes):
    """Character class at byte i, and where the next character begins."""
    byte = text[i]
    if byte < 0x80:
        return classes[byte], i + 1
    code, width = character(text, i, end)
    return (np.uint8(OTHER) if code < 0 else classes[code]), i + width


@part
def contraction(text, i, end, classes):
    """End of 's, 't, 'll, ... whose apostrophe is at i; i if there is none."""
    if i + 1 >= end:
        return i
    first, j = class_at(text, i + 1, end, classes)
    first >>= 3
    if first == 0:
        return i
    if first <= T:
        return j
    if j >= end:
        return i
    second, k = class_at(text, j, end, classes)
    second >>= 3
    if (first == L and second == L) or ((first in (V, R)) and second == E):
        return k
    return i


@part
def run_of(kind, text, i, end, classes):
    """End of the run of characters of `kind` that begins at i."""
    while i < end:
        found, after = class_at(text, i, end, classes)
        if found & KIND != kind:
            break
        i = after
    return i


@part
def scan(text, i, end, classes):
    """End of the piece that begins at i, as the alternatives of `pretokenize.PATTERN` in turn."""
    found, j = class_at(text, i, end, classes)
    kind = found & KIND
    if kind == LETTER:
        return run_of(LETTER, text, j, end, classes)
    if kind == NUMBER:
        for _ in range(2):
            if j < end:
                found, after = class_at(text, j, end, classes)
                if found & KIND == NUMBER:
                    j = after
        return j
    if text[i] == 0x27:  # apostrophe
        k = contraction(text, i, end, classes)
        if k > i:
            return k
    if kind != NEWLINE and j < end:  # one character that is no line break before a word
        found, after = class_at(text, j, end, classes)
        if found & KIND == LETTER:
            return run_of(LETTER, text, after, end, classes)
        if text[i] == 0x20 and found & KIND == OTHER:
            kind, j = OTHER, after
    if kind == OTHER:
        return run_of(NEWLINE, text, run_of(OTHER, text, j, end, classes), end, classes)
    # white space: up to its last line break; else all but the last character; else that one
    last_break = j if kind == NEWLINE else i
    last = i
    while j < end:
        found, after = class_at(text, j, end, classes)
        if found & KIND < SPACE:
            break
        last = j
        j = after
        if found & KIND == NEWLINE:
            last_break = j
    if last_break > i:
        return last_break
    return j if j == end or last == i else last


# ---------------------------------------------------------------------------- known pieces


class Pieces(NamedTuple):
    """Distinct byte strings, found by their hash (open addressing, linear probing).

    `used` holds the number of pieces and the number of their bytes; piece p is
    content[start[p] : start[p + 1]].
    """

    slots: np.ndarray  # (a power of two,) int32: a piece, or NONE
    hashes: np.ndarray  # (capacity,) uint64
    start: np.ndarray  # (capacity + 1,) int64
    content: np.ndarray  # (bytes,) uint8
    used: np.ndarray  # (2,) int64


@part
def find_slot(pieces, text, i, j, key):
    """Slot of text[i:j]: that of the piece, or the empty one where it belongs."""
    mask = len(pieces.slots) - 1
    slot = np.int64(key >> np.uint64(32)) & mask
    while True:
        piece = pieces.slots[slot]
        if piece == NONE:
            return slot
        if pieces.hashes[piece] == key:
            at = pieces.start[piece]
            if pieces.start[piece + 1] - at == j - i:
                k = 0
                while k < j - i and pieces.content[at + k] == text[i + k]:
                    k += 1
                if k == j - i:
                    return slot
        slot = (slot + 1) & mask


@compiled
def fill_slots(pieces):
    """Enter the pieces that are there already into an empty table."""
    mask = len(pieces.slots) - 1
    for piece in range(pieces.used[0]):
        slot = np.int64(pieces.hashes[piece] >> np.uint64(32)) & mask
        while pieces.slots[slot] != NONE:
            slot = (slot + 1) & mask
        pieces.slots[slot] = piece


@part
def hash_of(text, i, j):
    """FNV-1a over the bytes, its bits spread upwards."""
    key = np.uint64(14695981039346656037)
    for k in range(i, j):
        key = (key ^ np.uint64(text[k])) * np.uint64(PRIME)
    return key * MIX


@part
def has_room(pieces, size):
    """Whether a piece of `size` bytes can be added."""
    return (
        pieces.used[0] < len(pieces.hashes)
        and 2 * pieces.used[0] < len(pieces.slots)
        and pieces.used[1] + size <= len(pieces.content)
    )


@compiled
def add(pieces, slot, text, i, j, key):
    """Put text[i:j] into the empty `slot`; its number."""
    piece, at = pieces.used[0], pieces.used[1]
    for k in range(i, j):
        pieces.content[at + k - i] = text[k]
    pieces.hashes[piece] = key
    pieces.start[piece] = at
    pieces.start[piece + 1] = at + j - i
    pieces.slots[slot] = piece
    pieces.used[0] = piece + 1
    pieces.used[1] = at + j - i
    return piece


@compiled
def count(text, bounds, classes, pieces, counts, place):
    """Count the pieces of the parts text[bounds[p, 0] : bounds[p, 1]].

    `place` is (part, byte): where to go on, and on return where `pieces` was full. True when done.
    """
    for part in range(place[0], len(bounds)):
        i = max(place[1], bounds[part, 0])
        end = bounds[part, 1]
        while i < end:
            j = scan(text, i, end, classes)
            key = hash_of(text, i, j)
            slot = find_slot(pieces, text, i, j, key)
            piece = pieces.slots[slot]
            if piece == NONE:
                if not has_room(pieces, j - i):
                    place[0], place[1] = part, i
                    return False
                piece = add(pieces, slot, text, i, j, key)
                counts[piece] = 0
            counts[piece] += 1
            i = j
    return True


# ---------------------------------------------------------------------------- learning merges


@part
def pair_slot(slots, keys, key):
    """Slot of the pair of tokens `key`, left << 32 | right: its own, or the empty one for it."""
    mask = len(slots) - 1
    slot = np.int64((np.uint64(key) * MIX) >> np.uint64(32)) & mask
    while slots[slot] != NONE and keys[slots[slot]] != key:
        slot = (slot + 1) & mask
    return slot


@compiled
def enlarged(array, size):
    """A copy of `array` with `size` places."""
    out = np.empty(size, array.dtype)
    out[: len(array)] = array
    return out


@compiled
def slots_for(keys, n_keys, size):
    """An empty table of `size` slots, filled with the first `n_keys` pairs."""
    slots = np.full(size, NONE, np.int32)
    for pair in range(n_keys):
        slots[pair_slot(slots, keys, keys[pair])] = pair
    return slots


@compiled
def see_pair(
    key,
    weight,
    position,
    slots,
    keys,
    counts,
    first,
    last,
    length,
    chained,
    following,
    n_pairs,
    n_chained,
):
    """Count the pair at a position and chain the position; the new numbers of pairs and links."""
    slot = pair_slot(slots, keys, key)
    pair = slots[slot]
    chained[n_chained], following[n_chained] = position, NONE
    if pair == NONE:
        pair = n_pairs
        n_pairs += 1
        slots[slot] = pair
        keys[pair], counts[pair], length[pair] = key, 0, 0
        first[pair] = n_chained
    else:
        following[last[pair]] = n_chained
    last[pair] = n_chained
    counts[pair] += weight
    length[pair] += 1
    return n_pairs, n_chained + 1


@compiled
def learn(pieces, piece_counts, merges, signal):
    """Fill `merges` (left << 32 | right) as far as there are pairs; how many were learnt.

    `train` explains the algorithm. signal[0] is the number of merges so far, for whoever watches;
    signal[1] other than 0 asks to stop.
    """
    n_positions = pieces.used[1]
    token = pieces.content[:n_positions].astype(np.int32)
    before = np.empty(n_positions, np.int32)
    after = np.empty(n_positions, np.int32)
    weight = np.empty(n_positions, np.int64)

    # Pairs, and for each the chain of positions where it was seen, in rising order.
    keys = np.empty(1 << 12, np.int64)
    counts = np.empty(len(keys), np.int64)
    first = np.empty(len(keys), np.int32)
    last = np.empty(len(keys), np.int32)
    length = np.empty(len(keys), np.int32)
    slots = np.full(4 * len(keys), NONE, np.int32)
    n_pairs = 0
    chained = np.empty(n_positions + 1, np.int32)
    following = np.empty(n_positions + 1, np.int32)
    n_chained = 0

    for piece in range(pieces.used[0]):
        start, stop = pieces.start[piece], pieces.start[piece + 1]
        for i in range(start, stop):
            before[i] = i - 1 if i > start else NONE
            after[i] = i + 1 if i + 1 < stop else NONE
            weight[i] = piece_counts[piece]
            if i + 1 == stop:
                continue
            if n_pairs == len(keys):
                size = 2 * n_pairs
                keys, counts = enlarged(keys, size), enlarged(counts, size)
                first, last = enlarged(first, size), enlarged(last, size)
                length = enlarged(length, size)
                slots = slots_for(keys, n_pairs, 4 * size)
            n_pairs, n_chained = see_pair(
                np.int64(token[i]) << 32 | token[i + 1],
                weight[i],
                i,
                slots,
                keys,
                counts,
                first,
                last,
                length,
                chained,
                following,
                n_pairs,
                n_chained,
            )

    heap = [(-counts[pair], keys[pair], pair) for pair in range(n_pairs)]
    heapify(heap)
    n_merges = 0
    while n_merges < len(merges) and len(heap) > 0 and signal[1] == 0:
        negative_count, key, best = heappop(heap)
        if counts[best] != -negative_count:
            if counts[best] > 0:
                heappush(heap, (-counts[best], key, best))
            continue
        left, right, new = key >> 32, key & 0xFFFFFFFF, np.int64(256 + n_merges)
        merges[n_merges] = key
        n_merges += 1
        signal[0] = n_merges

        most = 2 * length[best]  # pairs and links that this merge can make
        if n_chained + most > len(chained):
            size = n_chained + most + len(chained) // 2
            chained, following = enlarged(chained, size), enlarged(following, size)
        if n_pairs + most > len(keys):
            size = n_pairs + most + len(keys) // 2
            keys, counts = enlarged(keys, size), enlarged(counts, size)
            first, last = enlarged(first, size), enlarged(last, size)
            length = enlarged(length, size)
        if 2 * (n_pairs + most) > len(slots):
            size = len(slots)
            while size < 4 * (n_pairs + most):
                size *= 2
            slots = slots_for(keys, n_pairs, size)

        oldest_born = n_pairs
        link = first[best]
        while link != NONE:
            i, link = chained[link], following[link]
            j = after[i]
            if token[i] != left or j == NONE or token[j] != right:
                continue  # changed by an older merge, or overlapped by the occurrence before
            h, k = before[i], after[j]
            token[i], token[j], after[i] = new, NONE, k
            if h != NONE:
                counts[slots[pair_slot(slots, keys, np.int64(token[h]) << 32 | left)]] -= weight[i]
                n_pairs, n_chained = see_pair(
                    np.int64(token[h]) << 32 | new,
                    weight[i],
                    h,
                    slots,
                    keys,
                    counts,
                    first,
                    last,
                    length,
                    chained,
                    following,
                    n_pairs,
                    n_chained,
                )
            if k != NONE:
                before[k] = i
                counts[slots[pair_slot(slots, keys, right << 32 | token[k])]] -= weight[i]
                n_pairs, n_chained = see_pair(
                    new << 32 | token[k],
                    weight[i],
                    i,
                    slots,
                    keys,
                    counts,
                    first,
                    last,
                    length,
                    chained,
                    following,
                    n_pairs,
                    n_chained,
                )
        counts[best] = 0
        for pair in range(oldest_born, n_pairs):
            if counts[pair] > 0:
                heappush(heap, (-counts[pair], keys[pair], pair))
    return n_merges


# ---------------------------------------------------------------------------- applying merges


@compiled
def merge_piece(text, i, j, slots, keys, out, at):
    """Tokens of the piece text[i:j] into out[at:]; where they end. See `encode_piece`.

    `slots` and `keys` find the merges; merge r makes token 256 + r.
    """
    n = j - i
    token = np.empty(n, np.int64)
    before = np.empty(n, np.int64)
    after = np.empty(n, np.int64)
    candidates = [(np.int64(0), np.int64(0)) for _ in range(0)]
    for k in range(n):
        token[k], before[k], after[k] = text[i + k], k - 1, k + 1
    for k in range(n - 1):
        merge = slots[pair_slot(slots, keys, token[k] << 32 | token[k + 1])]
        if merge != NONE:
            candidates.append((np.int64(merge), np.int64(k)))
    heapify(candidates)
    while len(candidates) > 0:
        merge, k = heappop(candidates)
        right = after[k]
        if token[k] < 0 or right == n or token[k] << 32 | token[right] != keys[merge]:
            continue  # one of the two tokens has been merged meanwhile
        token[k], token[right] = 256 + merge, NONE
        h, m = before[k], after[right]
        after[k] = m
        if h >= 0:
            merge = slots[pair_slot(slots, keys, token[h] << 32 | token[k])]
            if merge != NONE:
                heappush(candidates, (np.int64(merge), h))
        if m < n:
            before[m] = k
            merge = slots[pair_slot(slots, keys, token[k] << 32 | token[m])]
            if merge != NONE:
                heappush(candidates, (np.int64(merge), k))
    for k in range(n):
        if token[k] >= 0:
            out[at] = token[k]
            at += 1
    return at


@compiled
def encode(text, bounds, behind, classes, pieces, tokens, token_start, slots, keys, out, ends):
    """Tokens of the parts of `text`, into `out`; ends[p] is where those of part p end.

    Part p is text[bounds[p, 0] : bounds[p, 1]]; the token behind[p] follows it, none if negative.
    `pieces` remembers the pieces met, and `tokens` theirs: piece p has
    tokens[token_start[p] : token_start[p + 1]]. Both are emptied when they are full.
    """
    n = 0
    for number in range(len(bounds)):
        i, end = bounds[number, 0], bounds[number, 1]
        while i < end:
            j = scan(text, i, end, classes)
            if j - i == 1:
                out[n] = text[i]
                n += 1
            elif j - i > MAX_KEPT:
                n = merge_piece(text, i, j, slots, keys, out, n)
            else:
                key = hash_of(text, i, j)
                slot = find_slot(pieces, text, i, j, key)
                piece = pieces.slots[slot]
                if piece == NONE:
                    done = merge_piece(text, i, j, slots, keys, out, n)
                    room = token_start[pieces.used[0]] + done - n <= len(tokens)
                    if not (room and has_room(pieces, j - i)):
                        pieces.slots[:] = NONE
                        pieces.used[:] = 0
                        slot = find_slot(pieces, text, i, j, key)
                    piece = add(pieces, slot, text, i, j, key)
                    at = token_start[piece]
                    tokens[at : at + done - n] = out[n:done]
                    token_start[piece + 1] = at + done - n
                    n = done
                else:
                    for k in range(token_start[piece], token_start[piece + 1]):
                        out[n] = tokens[k]
                        n += 1
            i = j
        if behind[number] >= 0:
            out[n] = behind[number]
            n += 1
        ends[number] = n


@part
def eight_bytes(table, token, k):
    """table[token, k : k + 8] in one word, which the compiler makes one load."""
    word = np.uint64(0)
    for byte in range(8):
        word |= np.uint64(table[token, k + byte]) << np.uint64(8 * byte)
    return word


@compiled
def decode(ids, table, start, content, out):
    """Bytes of `ids` into `out`, which is `STRIDE` bytes too long; how many they are.

    Token t is content[start[t] : start[t + 1]]. Nearly all are short: table[t] is the beginning of
    it, filled up to `STRIDE` bytes, so that one move of fixed size does for most. All of it is read
    before any is written: `out` could be `table` for all the compiler knows, which would then
    move byte by byte. Unsigned, `at` needs no look at whether it is negative.
    """
    at = np.uint64(0)
    for i in range(len(ids)):
        token = ids[i]
        length = start[token + 1] - start[token]
        low, high = eight_bytes(table, token, 0), eight_bytes(table, token, 8)
        for k in range(8):
            out[at + np.uint64(k)] = np.uint8(low >> np.uint64(8 * k))
        for k in range(8):
            out[at + np.uint64(8 + k)] = np.uint8(high >> np.uint64(8 * k))
        for k in range(STRIDE, length):
            out[at + np.uint64(k)] = content[start[token] + k]
        at += np.uint64(length)
    return np.int64(at)
