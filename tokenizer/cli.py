"""The commands of `python -m tokenizer`: train, encode, decode.

Results go to stdout, progress and complaints to stderr. Exit codes: 0 done, 1 failed while
running, 2 wrong usage or input (nothing is written), 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from tokenizer.pretokenize import END_OF_TEXT, iter_stories
from tokenizer.tokenizer import Tokenizer
from tokenizer.vocabulary import MAX_VOCAB_SIZE, N_BYTES


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _vocab_size(text: str) -> int:
    if not (text.isdecimal() and N_BYTES + 1 <= int(text) <= MAX_VOCAB_SIZE):
        raise argparse.ArgumentTypeError(
            f"{text!r} must be a whole number from {N_BYTES + 1} to {MAX_VOCAB_SIZE}"
        )
    return int(text)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m tokenizer`."""
    defaults = argparse.ArgumentDefaultsHelpFormatter
    parser = _Parser(
        prog="python -m tokenizer", description="Train and use a byte-level BPE tokenizer."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = commands.add_parser(
        "train",
        help="learn a vocabulary from text files",
        description=f"Learn a vocabulary from UTF-8 text files. {END_OF_TEXT} separates stories.",
        formatter_class=defaults,
    )
    command.add_argument("texts", nargs="+", metavar="TEXT", help="a text file, or - for stdin")
    command.add_argument(
        "--vocab-size",
        type=_vocab_size,
        default=4096,
        metavar="N",
        help=f"tokens, from {N_BYTES + 1} to {MAX_VOCAB_SIZE}: 256 bytes, the merges and "
        f"{END_OF_TEXT}",
    )
    command.add_argument(
        "--out", default="tokenizer.json", metavar="FILE", help="file to write, replaced if there"
    )

    command = commands.add_parser(
        "encode",
        help="text to token ids",
        description="Write the token ids of a UTF-8 text in one line, separated by spaces.",
        formatter_class=defaults,
    )
    command.add_argument(
        "text", nargs="?", default="-", metavar="TEXT", help="a text file, or - for stdin"
    )
    command.add_argument(
        "--special",
        choices=("special", "text", "refuse"),
        default="special",
        help=f"take {END_OF_TEXT} in the text as the special token, as ordinary text, or as an "
        "error",
    )
    _add_tokenizer_option(command)

    command = commands.add_parser(
        "decode",
        help="token ids to text",
        description="Write the text of token ids, byte for byte.",
        formatter_class=defaults,
    )
    command.add_argument(
        "ids",
        nargs="?",
        default="-",
        metavar="IDS",
        help="a file of ids separated by white space, or - for stdin",
    )
    _add_tokenizer_option(command)
    return parser


def _add_tokenizer_option(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tokenizer", default="tokenizer.json", metavar="FILE", help="tokenizer to use"
    )


def _read_text(name: str) -> str:
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(name, error) from None


def _read_stories(names: Sequence[str]) -> Iterator[str]:
    for name in names:
        # newline="": line ends are part of the text. closefd: stdin stays open.
        source: str | int = sys.stdin.fileno() if name == "-" else name
        with open(source, encoding="utf-8", newline="", closefd=name != "-") as file:
            try:
                yield from iter_stories(file)
            except UnicodeDecodeError as error:
                raise _not_utf8(name, error) from None


def _not_utf8(name: str, error: UnicodeDecodeError) -> ValueError:
    return ValueError(
        f"{name}: not UTF-8 text (byte 0x{error.object[error.start]:02x}); convert it to UTF-8"
    )


class _Progress:
    """A line on stderr every few seconds."""

    def __init__(self, every_s: float = 2.0) -> None:
        self._start = time.perf_counter()
        self._every_s = every_s
        self._next_s = every_s

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._start

    def _report(self, line: str) -> None:
        if self.seconds >= self._next_s:
            print(f"{line}, {self.seconds:.0f} s", file=sys.stderr)
            self._next_s = self.seconds + self._every_s

    def stories(self, stories: Iterable[str]) -> Iterator[str]:
        for count, story in enumerate(stories, start=1):
            yield story
            self._report(f"{count} stories counted")

    def merges(self, done: int, wanted: int) -> None:
        self._report(f"{done} of {wanted} merges")


def _train(arguments: argparse.Namespace) -> None:
    out = Path(arguments.out)
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}; create it first")
    for name in arguments.texts:
        if name != "-" and os.path.getsize(name) == 0:
            raise ValueError(f"{name}: the file is empty; expected UTF-8 text")
    progress = _Progress()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tokenizer = Tokenizer.train(
            progress.stories(_read_stories(arguments.texts)),
            arguments.vocab_size,
            progress=progress.merges,
        )
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    tokenizer.save(out)
    print(f"trained in {progress.seconds:.1f} s", file=sys.stderr)
    print(f"{out}: {tokenizer.vocab_size} tokens, sha256 {tokenizer.sha256}")


def _encode(arguments: argparse.Namespace) -> None:
    tokenizer = Tokenizer.load(arguments.tokenizer)
    ids = tokenizer.encode(_read_text(arguments.text), special=arguments.special)
    print(*ids)


def _decode(arguments: argparse.Namespace) -> None:
    tokenizer = Tokenizer.load(arguments.tokenizer)
    words = _read_text(arguments.ids).split()
    wrong = [word for word in words if not word.isdecimal()]
    if wrong:
        raise ValueError(f"{arguments.ids}: {wrong[0]!r} is not a token id; expected whole numbers")
    sys.stdout.buffer.write(tokenizer.decode_bytes(map(int, words)))
    sys.stdout.buffer.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        {"train": _train, "encode": _encode, "decode": _decode}[arguments.command](arguments)
    except FileNotFoundError as error:
        return _complain(f"{error.filename}: no such file; check the path", 2)
    except IsADirectoryError as error:
        return _complain(f"{error.filename}: is a folder; expected a file", 2)
    except PermissionError as error:
        return _complain(f"{error.filename}: may not be opened ({error.strerror})", 2)
    except ValueError as error:
        return _complain(str(error), 2)
    except OSError as error:
        return _complain(str(error), 1)
    except KeyboardInterrupt:
        return _complain("interrupted; nothing was written", 130)
    return 0


def _complain(message: str, code: int) -> int:
    print(f"python -m tokenizer: error: {message}", file=sys.stderr)
    return code
