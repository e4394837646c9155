"""What `python -m tokenizer train|encode|decode|inspect` do; `cli` has their options."""

from __future__ import annotations

import argparse
import io
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np

from tokenizer.batching import in_order
from tokenizer.count import PieceCounts
from tokenizer.display import Style, print_lines, style_for, terminal_width
from tokenizer.encode import encode_piece
from tokenizer.inspection import ladder_lines, shown_lines, summary_lines, usage_lines, usage_of
from tokenizer.pretokenize import END_OF_TEXT, PATTERN, iter_stories
from tokenizer.progress import ByteProgress, Progress
from tokenizer.streams import open_bytes, open_output, read_ids, read_text
from tokenizer.tokenizer import LARGEST_UINT16, Tokenizer
from tokenizer.tokenizer_json import GPT2_PATTERN

NOT_PLAIN = {".gz", ".zip", ".zst", ".xz", ".bz2", ".jsonl", ".ndjson", ".parquet"}
_PATTERNS = {"default": PATTERN, "gpt2": GPT2_PATTERN}


# ------------------------------------------------------------------------------------- train


def train(arguments: argparse.Namespace) -> None:
    """Learn a vocabulary and write it."""
    if arguments.out == "-":
        raise ValueError("--out -: a tokenizer is not written to stdout; name a file")
    out = Path(arguments.out)
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}; create it first")
    if out.is_dir():
        raise ValueError(f"--out {out}: is a folder; expected a file")
    if list(arguments.texts).count("-") > 1:
        raise ValueError("stdin (-) is named twice; it can be read once")
    for name in arguments.texts:
        if name == "-":
            continue
        status = os.stat(name)
        if stat.S_ISREG(status.st_mode) and status.st_size == 0:  # a pipe has no size
            raise ValueError(f"{name}: the file is empty; expected UTF-8 text")
    progress = Progress(arguments.quiet)
    reading = ByteProgress(progress, "counting", total_size(arguments.texts))
    pattern = _PATTERNS.get(arguments.pattern, arguments.pattern)
    counts: list[Mapping[bytes, int] | PieceCounts] = []
    try:
        tokenizer = Tokenizer.train(
            _training_texts(arguments.texts, pattern, reading),
            arguments.vocab_size,
            special_tokens=[n for n in arguments.special if n != END_OF_TEXT] + [END_OF_TEXT],
            pattern=pattern,
            progress=lambda done, wanted: progress.show(
                "learning",
                done,
                wanted,
                f"{done:,} of {wanted:,} merges"
                if done
                else "starting (compiles once on a machine)",
            ),
            counted=counts.append,
        )
    finally:
        progress.clear()
    if out.suffix == ".tiktoken":
        tokenizer.save_tiktoken(out)
        specials = ", ".join(f"{token} = {i}" for token, i in tokenizer.special_ids.items())
        _say(arguments, f"note: a .tiktoken file holds neither pattern nor specials ({specials})")
    else:
        tokenizer.save(out)
    n_bytes, n_tokens = _size_in_tokens(counts[0], tokenizer)
    _say(
        arguments,
        f"{n_bytes:,} bytes of text, {n_tokens:,} tokens: {n_bytes / n_tokens:.3f} bytes a token",
    )
    _say(arguments, f"trained in {progress.seconds:.1f} s")
    print(f"{out}: {tokenizer.vocab_size} tokens, sha256 {tokenizer.sha256}")


def _training_texts(names: Sequence[str], pattern: str, reading: ByteProgress) -> Iterator[str]:
    """The texts of all files, in parts that end where a piece ends."""
    for name in names:
        if Path(name).suffix in NOT_PLAIN:
            raise ValueError(
                f"{name}: this command reads plain text; unpack it first (zcat, or the text field "
                "of its lines) and give - to read from a pipe"
            )
        if pattern in _PATTERNS.values():
            # the marker between stories holds no place to cut
            yield from read_text(name, pattern, seen=reading)
            continue
        with open_bytes(name) as file:
            # newline="": line ends are part of the text
            lines = io.TextIOWrapper(file, encoding="utf-8", newline="")
            try:
                for story in iter_stories(lines):
                    reading(len(story))
                    yield story
            except UnicodeDecodeError as error:
                wrong = error.object[error.start]
                raise ValueError(
                    f"{name}: not UTF-8 text (byte 0x{wrong:02x}); convert it to UTF-8"
                ) from None
            finally:
                lines.detach()  # stdin stays open


def _size_in_tokens(
    counts: Mapping[bytes, int] | PieceCounts, tokenizer: Tokenizer
) -> tuple[int, int]:
    """Bytes and tokens of the counted pieces."""
    counter = counts.as_counter() if isinstance(counts, PieceCounts) else counts
    times = np.fromiter(counter.values(), np.int64, len(counter))
    lengths = np.fromiter(map(len, counter), np.int64, len(counter))
    if tokenizer.pattern == PATTERN:  # a piece of it, cut again, is one piece
        ends = tokenizer.encode_ragged(piece.decode("utf-8") for piece in counter)[1]
        tokens = np.diff(ends, prepend=0)
    else:
        merged_id = {pair: new_id for new_id, pair in enumerate(tokenizer.merges, start=256)}
        tokens = np.array([len(encode_piece(piece, merged_id)) for piece in counter], np.int64)
    return int(times @ lengths), int(times @ tokens)


# ------------------------------------------------------------------------------- encode, decode


def encode(arguments: argparse.Namespace) -> None:
    """Write the ids of a text."""
    tokenizer = load(arguments)
    if arguments.format == "uint16" and tokenizer.vocab_size > LARGEST_UINT16:
        raise ValueError(
            f"--format uint16 holds ids up to {LARGEST_UINT16 - 1}, and {arguments.tokenizer} has "
            f"{tokenizer.vocab_size} tokens; use --format uint32"
        )
    to_stdout = arguments.out in (None, "-")
    if arguments.format != "text" and to_stdout and sys.stdout.isatty():
        raise ValueError(f"--format {arguments.format} is not for a terminal; give --out FILE")
    dtype = {"uint16": "<u2", "uint32": "<u4"}.get(arguments.format)
    names = [b"%d" % i for i in range(tokenizer.vocab_size)] if dtype is None else []
    progress = Progress(arguments.quiet or (to_stdout and sys.stdout.isatty()))
    reading = ByteProgress(progress, "encoding", total_size([arguments.text]))
    n_tokens = 0
    try:
        with open_output(arguments.out) as out:
            parts = checked_parts(arguments.text, tokenizer, arguments.special, reading)
            for ids in in_order(
                # one pool for the whole text: its threads keep the pieces they have met
                lambda part: tokenizer.encode_array(part, special=arguments.special),
                parts,
                arguments.threads,
            ):
                if dtype is not None:
                    out.write(ids.astype(dtype, copy=False).tobytes())
                elif len(ids):
                    out.write(b" " * (n_tokens > 0))
                    out.write(b" ".join(map(names.__getitem__, ids.tolist())))
                n_tokens += len(ids)
            if dtype is None:
                out.write(b"\n")
    finally:
        progress.clear()
    rate = f", {reading.done / n_tokens:.3f} bytes a token" if n_tokens else ""
    _say(arguments, f"{reading.done:,} bytes, {n_tokens:,} tokens{rate}, {progress.seconds:.1f} s")


def checked_parts(
    name: str, tokenizer: Tokenizer, special: str, reading: ByteProgress | None = None
) -> Iterator[str]:
    """The parts of a text; with `special` "refuse", a special token in it is a ValueError."""
    specials = () if special == "text" else tokenizer.special_tokens
    start = 0
    for part in read_text(name, tokenizer.pattern, specials, reading):
        for token in specials if special == "refuse" else ():
            if token in part:
                at = start + len(part[: part.index(token)].encode("utf-8"))
                raise ValueError(
                    f"{name}: holds the special token {token} at byte {at}; remove it, or choose "
                    "--special special or --special text"
                )
        yield part
        if special == "refuse":
            start += len(part.encode("utf-8"))


def decode(arguments: argparse.Namespace) -> None:
    """Write the text of ids."""
    tokenizer = load(arguments)
    with open_output(arguments.out) as out:
        for ids in read_ids(arguments.ids, arguments.format):
            try:
                text = tokenizer.decode_bytes(ids)
            except ValueError as error:
                raise ValueError(f"{arguments.ids}: {error}") from None
            out.write(text)


# ------------------------------------------------------------------------------------- inspect


def inspect(arguments: argparse.Namespace) -> None:
    """Show how text is cut, a word's ladder, or the vocabulary."""
    tokenizer = load(arguments)
    style = style_for(sys.stdout, arguments.color, terminal_width(sys.stdout))
    blocks = []
    if arguments.word is not None:
        if not arguments.word:
            raise ValueError("--word is empty; give at least one character")
        blocks.append(ladder_lines(checked_argument("--word", arguments.word), tokenizer, style))
    if arguments.text is not None:
        parts = [checked_argument("--text", arguments.text)]
        blocks.append(_inspected(parts, "", tokenizer, arguments, style))
    for name in arguments.texts:
        texts = checked_parts(name, tokenizer, arguments.special)
        title = "stdin" if name == "-" else name
        blocks.append(_inspected(texts, title, tokenizer, arguments, style))
    if not blocks:
        blocks.append(summary_lines(arguments.tokenizer, tokenizer, arguments.top, style))
    for number, block in enumerate(blocks):
        print_lines([""] * (number > 0) + block)


def _inspected(
    parts: Iterable[str],
    title: str,
    tokenizer: Tokenizer,
    arguments: argparse.Namespace,
    style: Style,
) -> list[str]:
    """One text: its beginning as it is cut, and the use it makes of the vocabulary."""
    rest = iter(parts)
    first = next(rest, "")
    usage = usage_of(chain([first], rest), tokenizer, arguments.special)
    lines = [style.heading(title)] if title else []
    if arguments.show:
        shown = shown_lines(
            first, tokenizer, arguments.special, arguments.ids, arguments.show, style
        )
        lines += [*shown, ""]
    return lines + usage_lines(usage, tokenizer, arguments.top, style)


# ------------------------------------------------------------------------------------- shared


def load(arguments: argparse.Namespace) -> Tokenizer:
    """The tokenizer of --tokenizer: ranks if it ends with .tiktoken, else a tokenizer.json."""
    name = arguments.tokenizer
    if not name.endswith(".tiktoken"):
        if arguments.pattern != "default" or arguments.special_id:
            raise ValueError(
                f"{name}: --pattern and --special-id are for .tiktoken files; a tokenizer.json "
                "says both itself"
            )
        return Tokenizer.load(name)
    if arguments.pattern == "default":
        _say(arguments, f"note: {name} does not say its pattern; taking ours (--pattern)")
    pattern = _PATTERNS.get(arguments.pattern, arguments.pattern)
    return Tokenizer.load_tiktoken(name, pattern=pattern, special_tokens=dict(arguments.special_id))


def total_size(names: Sequence[str]) -> int:
    """Bytes of all files; 0 if one is no ordinary file."""
    if any(name == "-" or not Path(name).is_file() for name in names):
        return 0
    return sum(os.path.getsize(name) for name in names)


def checked_argument(option: str, text: str) -> str:
    """`text`, or a ValueError if the shell gave bytes that are not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(f"{option} is not UTF-8 text; write it to a file, and name that") from None
    return text


def _say(arguments: argparse.Namespace, line: str) -> None:
    if not getattr(arguments, "quiet", False):  # decode and inspect have no such option
        print(line, file=sys.stderr)
