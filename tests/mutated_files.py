"""Real files with something wrong in them, the same ones for the same seed.

`mutated` applies one to three changes. Most know the format: they change a value of the JSON, a
cell of the CSV, a field of the safetensors header, and leave the rest as it was, so that the reader
gets past its first check. The others change bytes wherever they stand.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

NUMBERS = [
    "0",
    "-1",
    "1",
    "1.5",
    "-0.0",
    "1e308",
    "-1e308",
    "1e-320",
    "1e999",
    "9223372036854775807",
]
NUMBERS += ["9223372036854775808", "18446744073709551616", "4294967296", "1000000000", "16777216"]
NUMBERS += [
    "1" + "0" * 40,
    "1" + "0" * 400,
    "1" + "0" * 5000,
    "0.1" + "0" * 5000,
    "NaN",
    "Infinity",
]
NUMBERS += ["-Infinity", "true", "false", "null", "01", "+1", "1_000", "0x10", "٣", "1,5"]
TEXTS = [
    "",
    " ",
    ".",
    "..",
    "../x",
    "../../../../etc/passwd",
    "/etc/passwd",
    "C:\\x",
    "a\0b",
    "a\nb",
]
TEXTS += [
    "\u2028",
    "\x1b[2J",
    "é" * 300,
    "x" * 5000,
    "NaN",
    "-1",
    "F64",
    "BF16",
    "I64",
    "__metadata__",
]
TEXTS += ["{}", "'", '"', "step", "=1+1", "\U0001f600", "manifest.json", "float32", "none"]
JSON_TEXTS = ['"\\ud800"', '"\\udc00x"', '"\\u0000"', '"a\\/b"']
BYTES = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\r\n",
    b'"',
    b"{",
    b"[",
    b",",
    b"]",
]
BYTES += [
    b"\0" * 4096,
    b"[" * 5000,
    b'{"a":' * 5000,
    b'"' * 200_001,
    b"\x80\x04\x95",
    b"e9",
    b"-",
    b"\\",
]


class Pairs(list):
    """A JSON object as a list of (name, value): names may be there twice."""


class Raw(str):
    """Text that stands in the JSON as it is."""


def mutated(data: bytes, kind: str, rng: random.Random) -> bytes:
    """`data`, a real file of this kind, with one to three changes.

    Parameters
    ----------
    kind : "json", "lines" (of JSON), "csv", "safetensors", "ranks" or "bytes"
    rng : random.Random
        Decides everything.
    """
    change = FORMATS.get(kind, any_bytes)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        chosen = any_bytes if rng.random() < 0.3 else change
        try:
            data = chosen(data, rng)
        except (ValueError, IndexError, OverflowError, RecursionError):  # no such format now
            data = any_bytes(data, rng)
    return data


def any_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut, double, swap, insert or remove bytes."""
    n = len(data)
    at, other = sorted((rng.randrange(n + 1), rng.randrange(n + 1)))
    near = min(n, at + rng.choice((1, 2, 8, 64)))
    how = rng.randrange(9)
    if how == 0 and n:
        return _flipped(data, rng)
    if how == 1:
        return data[:at]
    if how == 2:
        return data[:at] + data[at:near] * 2 + data[near:]
    if how == 3:
        return data[:at] + data[other:] + data[at:other]
    if how == 4:
        return data[:at] + rng.choice(BYTES) + data[at:]
    if how == 5:
        return data[:at] + data[near:]
    if how == 6:
        return data[:at] + rng.randbytes(near - at) + data[near:]
    if how == 7:
        return data + data[at:other]
    return rng.choice((b"", data[at:], data * 2, b"\0" * n, rng.choice(BYTES)))


def _flipped(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 4))):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def any_json(data: bytes, rng: random.Random) -> bytes:
    """Change one value or name of a JSON text."""
    tree = json.loads(data, object_pairs_hook=Pairs)
    root = [tree]
    _change_somewhere(root, rng)
    return emit(root[0]).encode("utf-8", "surrogatepass")


def _change_somewhere(root: list, rng: random.Random) -> None:
    """Walk down from `root` and change what is there; large parts are not visited more often."""
    parent, place = root, 0
    while True:
        value = parent[place][1] if isinstance(parent, Pairs) else parent[place]
        if not isinstance(value, list) or not value or rng.random() < 0.12:
            break
        parent, place = value, rng.randrange(len(value))
    how = rng.randrange(12)
    name = parent[place][0] if isinstance(parent, Pairs) else None
    if how < 6:
        new = _other_value(value, rng)
    elif how == 6:
        depth = rng.choice((1, 3, 50, 70, 900, 100_000))
        new = Raw("[" * depth + emit(value) + "]" * depth)
    elif how == 7:
        new = Raw('{"a":' * 70 + emit(value) + "}" * 70)
    elif how == 8 and parent is not root:
        del parent[place]
        return
    elif how == 9 and parent is not root:
        parent.insert(rng.randrange(len(parent) + 1), parent[place])
        return
    elif how == 10 and parent is not root:
        other = rng.randrange(len(parent))
        parent[place], parent[other] = parent[other], parent[place]
        return
    elif name is not None:
        name, new = rng.choice((*TEXTS, name + "x", name.upper(), parent[0][0])), value
    else:
        new = _other_value(value, rng)
    parent[place] = new if name is None else (name, new)


def _other_value(value: object, rng: random.Random) -> object:
    """A number where a number stands, mostly; else a text, or something of another type."""
    number = isinstance(value, (int, float))
    if rng.random() < 0.2:
        number = not number
    if rng.random() < 0.15:
        return rng.choice((Pairs(), [], [[]], Pairs([("a", 1)]), [value], Pairs([("type", value)])))
    if number and isinstance(value, int) and rng.random() < 0.4:
        return value + rng.choice((-1, 1, 7, value, -2 * value))
    if number:
        return Raw(rng.choice(NUMBERS))
    if rng.random() < 0.2:
        return Raw(rng.choice(JSON_TEXTS))
    text = value if isinstance(value, str) else "x"
    at = rng.randrange(len(text) + 1)
    return rng.choice((*TEXTS, text[:at], text + text, text[:at] + rng.choice(TEXTS) + text[at:]))


def emit(value: object) -> str:
    """The JSON text of a tree of Pairs, Raw and plain values."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(n)}:{emit(v)}" for n, v in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(emit, value)) + "]"
    return json.dumps(value)


def any_line(data: bytes, rng: random.Random) -> bytes:
    """Change the JSON of one line, or the order of the lines."""
    lines = data.splitlines(keepends=True)
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    if rng.random() < 0.3:
        lines[place], lines[other] = lines[other], rng.choice((lines[place], b"", b"\n"))
    else:
        lines[place] = any_json(lines[place], rng) + b"\n"
    return b"".join(lines)


def any_cell(data: bytes, rng: random.Random) -> bytes:
    """Change a cell, a row or a column of a CSV."""
    table = [line.split(b",") for line in data.rstrip(b"\n").split(b"\n")]
    row, other = rng.randrange(len(table)), rng.randrange(len(table))
    column = rng.randrange(len(table[row]))
    how = rng.randrange(12)
    if how < 6:
        new = rng.choice(
            (*NUMBERS, *TEXTS, "nan", "inf", '"', '"a,b"', '"a\nb"', "1;5", "1" * 140_000)
        )
        table[row][column] = new.encode("utf-8")
    elif how == 6:
        del table[row][column]
    elif how == 7:
        table[row].insert(column, rng.choice((b"", b"1", table[row][column])))
    elif how == 8:
        table[row], table[other] = table[other], table[row]
    elif how == 9:
        table.insert(other, list(table[row]))
    elif how == 10:
        del table[row]
    else:
        for cells in table:
            if rng.random() < 0.5:
                del cells[column:]
            else:
                cells[column] = rng.choice((b"", b"7", b"x"))
    sign, end = rng.choice(((b",", b"\n"),) * 6 + ((b";", b"\n"), (b",", b"\r\n"), (b",", b"\r")))
    return end.join(map(sign.join, table)) + rng.choice((end, end, b""))


def any_header(data: bytes, rng: random.Random) -> bytes:
    """Change a safetensors header, its length, or how much follows it."""
    length = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + length], data[8 + length :]
    how = rng.randrange(8)
    if how < 5:
        header = any_json(header, rng)
        header += b" " * (rng.choice((0, 0, -len(header) % 8)))
        return len(header).to_bytes(8, "little") + header + rest
    if how == 5:
        lengths = (0, 1, 2, length - 1, length + 1, len(data), len(data) - 8, 1 << 31, 1 << 40)
        lengths += ((1 << 63) - 1, 1 << 63, (1 << 64) - 1, 100_000_001)
        return rng.choice(lengths).to_bytes(8, "little") + data[8:]
    if how == 6:
        return data[:8] + header + rest[: rng.randrange(len(rest) + 1)]
    return data + rng.choice((b"\0", b"\0" * 4, rest))


def any_rank(data: bytes, rng: random.Random) -> bytes:
    """Change a token or a rank of a tiktoken file, or its order."""
    lines = [line.split(b" ") for line in data.rstrip(b"\n").split(b"\n")]
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    how = rng.randrange(5)
    if how == 0:
        lines[place][1] = rng.choice((*NUMBERS, *TEXTS)).encode("utf-8")
    elif how == 1:
        lines[place][1] = lines[other][1]
    elif how == 2:
        lines[place][0] = rng.choice(
            (lines[other][0], b"", b"QQ==", b"QUFB" * 5000, b"QUE=", b"=" * 8)
        )
    elif how == 3:
        del lines[place]
    else:
        lines[place][0], lines[other][0] = lines[other][0], lines[place][0]
    return b"\n".join(map(b" ".join, lines)) + b"\n"


FORMATS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "json": any_json,
    "lines": any_line,
    "csv": any_cell,
    "safetensors": any_header,
    "ranks": any_rank,
}
