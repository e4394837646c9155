"""Stories from files: plain text, gzip, JSON lines, parquet; one story after the other.

A file's name says how it is read: `.jsonl` and `.ndjson` hold a JSON object a line, `.parquet` a
column of texts, `.gz` is decompressed first, and every other name is plain text. A block of the
file and the story at hand are in memory, never the text.
"""

from __future__ import annotations

import codecs
import glob
import gzip
import importlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from tinyllama_np.corpus.text import SEPARATOR, CorpusError, stories_of

BLOCK_BYTES = 1 << 20
JSON_LINES = (".jsonl", ".ndjson")
# What a folder is searched for; a file that is named may have any name.
TEXT_SUFFIXES = (".txt", *JSON_LINES)
FOLDER_SUFFIXES = (*TEXT_SUFFIXES, *(f"{suffix}.gz" for suffix in TEXT_SUFFIXES), ".parquet")
_MARK = SEPARATOR.encode()


def expand_sources(paths: Iterable[str | Path]) -> tuple[Path, ...]:
    """The files that `paths` name: files as they are, folders and patterns replaced by their files.

    A folder gives its text files (`FOLDER_SUFFIXES`), those of its subfolders included and hidden
    ones left out; a pattern (`data/*.jsonl`) gives the files that match. Both are sorted by path,
    so the order does not depend on the file system.

    Raises
    ------
    CorpusError
        A folder or a pattern without any text file; a file that is named twice.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            files += _files_below(path)
        elif not path.exists() and glob.has_magic(str(path)):
            found = sorted(Path(name) for name in glob.glob(str(path), recursive=True))
            files += [file for file in found if file.is_file()]
            if not any(file.is_file() for file in found):
                raise CorpusError(f"no text file matches {path}: check the pattern")
        else:
            files.append(path)
    seen: set[Path] = set()
    for file in files:
        if (place := file.resolve()) in seen:
            raise CorpusError(f"text file {file} is named twice: name each file once")
        seen.add(place)
    return tuple(files)


def _files_below(folder: Path) -> list[Path]:
    found = [
        path
        for path in folder.rglob("*")
        if path.name.lower().endswith(FOLDER_SUFFIXES)
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise CorpusError(
            f"folder {folder} holds no text file: expected files named *"
            f"{', *'.join(FOLDER_SUFFIXES)}; name the files themselves if they are called otherwise"
        )
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def read_stories(paths: Sequence[Path], text_field: str = "text") -> list[str]:
    """`iter_stories` as a list."""
    return list(iter_stories(paths, text_field))


def iter_stories(paths: Sequence[Path], text_field: str = "text") -> Iterator[str]:
    """The stories of `paths`, in the order given.

    Outer whitespace of each story is removed and empty stories are dropped. A byte-order mark is
    removed and Windows line ends become "\\n". A plain file without any separator is one story; a
    JSON or parquet text is one story, or several if it holds separators.

    Parameters
    ----------
    paths : sequence of Path
        Files; see `expand_sources` for folders and patterns.
    text_field : str
        The field of a JSON line, and the column of a parquet file, that holds the text.

    Raises
    ------
    CorpusError
        No path given; a path that is missing, no file or unreadable; a file without a story, not
        UTF-8 or binary, compressed but damaged; a JSON line or a row without the text; parquet
        without pyarrow. The message names the file and the byte, line or row.

    Examples
    --------
    >>> sources = expand_sources(["stories", "more/*.jsonl.gz"])  # doctest: +SKIP
    >>> for story in iter_stories(sources, text_field="story"):  # doctest: +SKIP
    ...     print(len(story))
    """
    if not paths:
        raise CorpusError("no text file given: name at least one file of stories")
    for path in map(Path, paths):
        empty = True
        for story in _reader_of(path, text_field)(path):
            empty = False
            yield story
        if empty:
            raise CorpusError(f"text file {path} holds no story: it is empty or only white space")


def _reader_of(path: Path, text_field: str) -> Callable[[Path], Iterator[str]]:
    name = path.name.lower()
    if name.endswith(".parquet"):
        return partial(_parquet_stories, text_field=text_field)
    name = name.removesuffix(".gz")
    if name.endswith(JSON_LINES):
        return partial(_json_stories, text_field=text_field)
    if name.endswith(".json"):
        raise CorpusError(
            f"text file {path} is one JSON value by its name: expected a JSON object a line; "
            "convert it, or call it .jsonl if it is that"
        )
    return _plain_stories


# ---------------------------------------------------------------------------------- bytes of a file


def open_source(path: Path) -> BinaryIO:
    """Open a text file to read its bytes.

    Raises
    ------
    CorpusError
        If it is missing, a folder, no regular file or not readable.
    """
    if path.is_dir():
        raise CorpusError(f"text file {path} is a folder: name the text files in it")
    try:
        if path.exists() and not path.is_file():  # a pipe would be empty the second time
            raise CorpusError(f"text file {path} is no regular file: it is read more than once")
        return open(path, "rb")
    except FileNotFoundError:
        raise CorpusError(f"text file {path} does not exist: check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path itself
        if isinstance(error, CorpusError):
            raise
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> CorpusError:
    reason = getattr(error, "strerror", None) or error
    return CorpusError(f"text file {path} cannot be read: {reason}")


def _blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file, decompressed if its name ends in .gz, in blocks."""
    compressed = path.name.lower().endswith(".gz")
    with open_source(path) as raw:
        stream = gzip.GzipFile(fileobj=raw, mode="rb") if compressed else raw
        while True:
            try:
                block = stream.read(BLOCK_BYTES)
            except EOFError:
                raise CorpusError(
                    f"text file {path} is cut short: its gzip data has no end; fetch it again"
                ) from None
            except (gzip.BadGzipFile, zlib.error) as error:
                raise CorpusError(
                    f"text file {path} is no whole gzip file ({error}): fetch it again, or name it "
                    "without .gz if it is not compressed"
                ) from None
            except OSError as error:
                raise _unreadable(path, error) from None
            if not block:
                return
            yield block


def _pieces(path: Path, mark: bytes) -> Iterator[tuple[int, bytes]]:
    """The bytes of a file in pieces that end with `mark` (the last may not), with their offsets.

    A piece ends with the last mark in a block. A mark across the border of two blocks ends none:
    it is found when the piece that it lies in is cut.
    """
    offset, pending = 0, []
    for block in _blocks(path):
        found = block.rfind(mark)
        if found < 0:
            pending.append(block)
            continue
        end = found + len(mark)
        piece = b"".join([*pending, block[:end]])
        yield offset, piece
        offset += len(piece)
        pending = [block[end:]]
    if rest := b"".join(pending):
        yield offset, rest


def _decode(path: Path, offset: int, data: bytes, mark: bytes) -> list[str]:
    """The text of a piece, cut at `mark`; cut before it is decoded, since ASCII parts go faster."""
    # A NUL is valid UTF-8, but in practice it means UTF-16 or a binary file.
    if (at := data.find(b"\0")) >= 0:
        raise CorpusError(
            f"text file {path} has a NUL byte at {_place(path, offset + at)}: expected UTF-8 text, "
            f"so {_remedy(offset, data, 'convert it from UTF-16 or name another file')}"
        )
    start = len(codecs.BOM_UTF8) if offset == 0 and data.startswith(codecs.BOM_UTF8) else 0
    try:
        return [part.decode("utf-8") for part in data[start:].split(mark)]
    except UnicodeDecodeError:
        return _refuse(path, offset, data)


def _refuse(path: Path, offset: int, data: bytes) -> NoReturn:
    """Raise the error that names the byte which is not UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"text file {path} is not UTF-8: byte 0x{data[error.start]:02x} at "
            f"{_place(path, offset + error.start)}; {_remedy(offset, data, 'convert it to UTF-8')}"
        ) from None
    raise AssertionError("no mark lies inside a character")


def _place(path: Path, offset: int) -> str:
    compressed = path.name.lower().endswith(".gz")
    return f"offset {offset}" + (" of the decompressed text" if compressed else "")


def _remedy(offset: int, data: bytes, usual: str) -> str:
    for start, suffix in ((b"\x1f\x8b", ".gz"), (b"PAR1", ".parquet")):
        if offset == 0 and data.startswith(start):
            return f"let its name end in {suffix}, which it seems to be"
    return usual


# ---------------------------------------------------------------------------------------- formats


def _plain_stories(path: Path) -> Iterator[str]:
    for offset, piece in _pieces(path, _MARK):
        for text in _decode(path, offset, piece, _MARK):
            yield from stories_of(text)


def _json_stories(path: Path, text_field: str) -> Iterator[str]:
    first = 1
    for offset, piece in _pieces(path, b"\n"):
        lines = _decode(path, offset, piece, b"\n")
        for number, line in enumerate(lines, start=first):
            if line.strip():
                yield from stories_of(_text_of_line(path, number, line, text_field))
        first += len(lines) - 1  # what stands behind the last line end belongs to the next piece


def _text_of_line(path: Path, number: int, line: str, text_field: str) -> str:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", None) or error
        raise CorpusError(
            f"line {number} of {path} is not JSON ({reason}): expected an object such as "
            f'{{"{text_field}": "Once upon a time"}}'
        ) from None
    if not isinstance(values, dict):
        raise CorpusError(
            f"line {number} of {path} is not a JSON object: expected one such as "
            f'{{"{text_field}": "Once upon a time"}}'
        )
    if text_field not in values:
        raise CorpusError(
            f"line {number} of {path} has no field {text_field!r} (it has "
            f"{', '.join(map(repr, values)) or 'none'}): name the field with --text-field NAME"
        )
    return _checked_text(f"line {number} of {path}", text_field, values[text_field])


def _checked_text(place: str, text_field: str, text: object) -> str:
    if not isinstance(text, str):
        raise CorpusError(f"{place} has {text_field}={text!r:.40}: expected a string")
    if "\0" in text:
        raise CorpusError(f"{place} has a NUL character in {text_field}: expected text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CorpusError(
            f"{place} has a lone surrogate in {text_field}, which UTF-8 cannot express: remove it"
        ) from None
    return text


def _parquet_stories(path: Path, text_field: str) -> Iterator[str]:
    open_source(path).close()  # its own messages for what is missing or no file
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise CorpusError(
            f"text file {path} needs pyarrow to be read: python -m pip install pyarrow, or convert "
            "it to .jsonl"
        ) from None
    row = 0
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if text_field not in names:
                raise CorpusError(
                    f"text file {path} has no column {text_field!r} (it has "
                    f"{', '.join(map(repr, names)) or 'none'}): name it with --text-field NAME"
                )
            for batch in file.iter_batches(batch_size=1024, columns=[text_field]):
                for text in batch.column(0).to_pylist():
                    row += 1
                    yield from stories_of(_checked_text(f"row {row} of {path}", text_field, text))
    except OSError as error:  # pyarrow's ArrowInvalid is a ValueError, its ArrowIOError this
        raise _unreadable(path, error) from None
    except ValueError as error:
        if isinstance(error, CorpusError):
            raise
        reason = " ".join(str(error).split())
        raise CorpusError(f"text file {path} is no whole parquet file: {reason}") from None
