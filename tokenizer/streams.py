"""Text and ids of any length, in and out of files and pipes, a part at a time.

What memory holds does not grow with the file: a part is a few megabytes, cut where a cut changes
no piece.
"""

from __future__ import annotations

import contextlib
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import regex
from numpy.typing import NDArray

from tokenizer.files import replaced
from tokenizer.pretokenize import PATTERN
from tokenizer.tokenizer_json import GPT2_PATTERN

PART = 1 << 22  # bytes
_LONGEST_NUMBER = 20  # digits; ids are far shorter

IdFormat = Literal["text", "uint16", "uint32"]

# Where a text may be cut. Behind a letter or digit and before white space: see `safe_parts`. By the
# default pattern also behind a line break and before a visible character, for every alternative
# that takes a line break ends with it. Not before "<", since a marker takes the line break along.
# 0xe4 to 0xed begin characters of Chinese, Japanese and Korean, which use few spaces.
_WORD_END = rb"[A-Za-z0-9](?=[ \n])"
_LINE_END = rb"\n(?=[!-;=-~\xe4-\xed])"
_CUTS = {
    PATTERN: regex.compile(b"(?r)" + _WORD_END + b"|" + _LINE_END),
    GPT2_PATTERN: regex.compile(b"(?r)" + _WORD_END),
}


def last_cut(data: bytes | bytearray, pattern: str, specials: Sequence[bytes] = ()) -> int:
    """The last place where `data` may be cut so that pieces and special tokens stay; 0 if none.

    Only the default pattern and GPT-2's are known well enough; with any other, a special token's
    end is the only such place.
    """
    reach = max(map(len, specials), default=1)
    stop = len(data) - reach + 1  # a special token may go on behind the data
    if pattern not in _CUTS:
        found_at = [(data.rfind(token, 0, max(stop, 0)), len(token)) for token in specials]
        ends = [start + length for start, length in found_at if start >= 0]
        return max((end for end in ends if _spanning(data, end, specials) is None), default=0)
    while stop > 0:
        found = _CUTS[pattern].search(data, 0, stop + 1)  # one byte more, to look ahead
        if found is None:
            return 0
        cut = int(found.end())
        inside = _spanning(data, cut, specials)
        if inside is None:
            return cut
        stop = inside
    return 0


def _spanning(data: bytes | bytearray, cut: int, specials: Sequence[bytes]) -> int | None:
    """Start of the first special token that a cut there would break."""
    starts = [
        data.find(token, max(0, cut - len(token) + 1), cut + len(token) - 1) for token in specials
    ]
    return min((start for start in starts if start >= 0), default=None)


@contextlib.contextmanager
def open_bytes(name: str) -> Iterator[BinaryIO]:
    """A file to read, or stdin if `name` is "-"."""
    if name == "-":
        yield sys.stdin.buffer
    else:
        with open(name, "rb") as file:
            yield file


def read_text(
    name: str,
    pattern: str,
    specials: Sequence[str] = (),
    seen: Callable[[int], object] | None = None,
) -> Iterator[str]:
    """The parts of a UTF-8 text; joined together they are the text.

    Parameters
    ----------
    name : str
        A file, or "-" for stdin.
    pattern : str
        Pieces of this pattern are not cut.
    specials : sequence of str
        Special tokens, which are not cut either.
    seen : callable, optional
        Called with the number of bytes of each block read.

    Raises
    ------
    ValueError
        If it is not UTF-8; the message names the byte and its place.
    """
    marks = [token.encode("utf-8") for token in specials]
    pending = bytearray()
    start, least = 0, PART  # bytes given out; bytes that are worth looking for a cut
    with open_bytes(name) as file:
        while block := file.read(PART):
            pending += block
            if seen is not None:
                seen(len(block))
            if len(pending) < least:
                continue
            cut = last_cut(pending, pattern, marks)
            if cut:
                yield _decoded(bytes(pending[:cut]), name, start)
                start += cut
                del pending[:cut]
            least = PART if cut else 2 * len(pending)  # or looking would take quadratic time
    if pending:
        yield _decoded(bytes(pending), name, start)


def _decoded(data: bytes, name: str, start: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name}: not UTF-8 text (byte 0x{data[error.start]:02x} at {start + error.start}); "
            "convert it to UTF-8"
        ) from None


def read_ids(name: str, id_format: IdFormat) -> Iterator[NDArray[np.uint32]]:
    """The ids of a file or stdin ("-"): decimal numbers in white space, or little-endian integers.

    Raises
    ------
    ValueError
        If there is anything else; the message names it.
    """
    size = {"text": 0, "uint16": 2, "uint32": 4}[id_format]
    pending = b""
    with open_bytes(name) as file:
        more = True
        while more:
            block = file.read(PART)
            more = len(block) == PART  # less comes at the end only
            pending += block
            if size:
                whole = len(pending) // size * size
                if not more and whole < len(pending):
                    raise ValueError(
                        f"{name}: ends with {len(pending) - whole} of the {size} bytes of an id; "
                        f"it is cut off, or not {id_format}"
                    )
                yield np.frombuffer(pending[:whole], f"<u{size}").astype(np.uint32)
            else:
                spaces = (pending.rfind(space) for space in (b" ", b"\n", b"\t", b"\r"))
                whole = max(spaces) + 1 if more else len(pending)
                yield _parsed(pending[:whole], name)
            pending = pending[whole:]
            if size == 0 and len(pending) > _LONGEST_NUMBER:
                _parsed(pending, name)


def _parsed(data: bytes, name: str) -> NDArray[np.uint32]:
    words = data.split()
    if not data.translate(None, b"0123456789 \t\r\n\v\f"):
        with contextlib.suppress(ValueError, OverflowError):  # too many digits, too large
            return np.array(array("I", map(int, words)), dtype=np.uint32)
    wrong = next(word for word in words if not word.isdigit() or len(word) > 9)
    shown = wrong[:_LONGEST_NUMBER].decode("utf-8", "replace")
    raise ValueError(f"{name}: {shown!r} is not a token id; expected whole numbers")


@contextlib.contextmanager
def open_output(name: str | None) -> Iterator[BinaryIO]:
    """Where bytes go: stdout if `name` is None or "-", else a file, whole or not at all.

    A device or pipe is written as it comes.
    """
    if name is None or name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    if not path.parent.is_dir():
        raise ValueError(f"--out {path}: there is no folder {path.parent}; create it first")
    if path.is_dir():
        raise ValueError(f"--out {path}: is a folder; expected a file")
    with replaced(path) as file:
        yield file
