"""The options of `python -m tokenizer`, and what its errors look like.

Results go to stdout, progress, counts and complaints to stderr. Exit codes: 0 done, 1 failed while
running, 2 wrong usage or input (nothing is written), 130 interrupted.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import NoReturn

from tokenizer import commands
from tokenizer.pretokenize import END_OF_TEXT
from tokenizer.vocabulary import MAX_VOCAB_SIZE, N_BYTES

_TRAIN_HELP = f"""\
Learn a vocabulary from UTF-8 text files, which may be larger than the memory.
{END_OF_TEXT} separates stories, and no token crosses it.

examples:
  python -m tokenizer train stories.txt --vocab-size 4096
  python -m tokenizer train a.txt b.txt --special "<|user|>" --out chat.json
  zcat stories.gz | python -m tokenizer train - --out ranks.tiktoken
"""
_ENCODE_HELP = f"""\
Write the token ids of a UTF-8 text of any length: in one line, separated by
spaces, or as little-endian integers. How many they are goes to stderr.

examples:
  python -m tokenizer encode story.txt
  python -m tokenizer encode train.txt --format uint16 --out train.bin
  echo "{END_OF_TEXT}" | python -m tokenizer encode --special refuse
"""
_DECODE_HELP = """\
Write the text of token ids, byte for byte.

examples:
  python -m tokenizer encode story.txt | python -m tokenizer decode
  python -m tokenizer decode train.bin --format uint16 --out train.txt
"""
_INSPECT_HELP = """\
Show how a text is cut into tokens and which tokens it uses; how the merges
build a word; or, without a text, what the vocabulary consists of. A space is
shown as ·, a line break as ↵, a byte that is no whole character as \\xe2. On a
terminal tokens have two background colours in turn (not if NO_COLOR is set),
elsewhere they stand between │.

examples:
  python -m tokenizer inspect
  python -m tokenizer inspect --text "Once upon a time" --ids
  python -m tokenizer inspect --word " lowest"
  python -m tokenizer inspect train.txt --top 20
  python -m tokenizer inspect a.txt --tokenizer ranks.tiktoken --pattern gpt2
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Descriptions as they are written, defaults behind each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, ()) or isinstance(action.default, list):
            return action.help
        return super()._get_help_string(action)


def _vocab_size(text: str) -> int:
    if not (text.isdecimal() and N_BYTES + 1 <= int(text) <= MAX_VOCAB_SIZE):
        raise argparse.ArgumentTypeError(
            f"{text!r} must be a whole number from {N_BYTES + 1} to {MAX_VOCAB_SIZE}"
        )
    return int(text)


def _count(text: str) -> int:
    if not (text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0 on")
    return int(text)


def _threads(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 256):
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 1 to 256")
    return int(text)


def _special_id(text: str) -> tuple[str, int]:
    found = re.fullmatch(r"(.+)=([0-9]{1,9})", text, flags=re.DOTALL)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} must be NAME=ID, like {END_OF_TEXT}=50256")
    return found[1], int(found[2])


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of `python -m tokenizer`."""
    parser = _Parser(
        prog="python -m tokenizer",
        description="Train, use and look into a byte-level BPE tokenizer.",
        epilog="python -m tokenizer COMMAND --help has options and examples.",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, summary: str, description: str) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = subparsers.add_parser(
            name, help=summary, description=description, formatter_class=_Help
        )
        return command

    _add_train(add("train", "learn a vocabulary from text files", _TRAIN_HELP))
    _add_encode(add("encode", "text to token ids", _ENCODE_HELP))
    _add_decode(add("decode", "token ids to text", _DECODE_HELP))
    _add_inspect(add("inspect", "see tokens, merges and the vocabulary", _INSPECT_HELP))
    return parser


def _add_train(command: argparse.ArgumentParser) -> None:
    command.add_argument("texts", nargs="+", metavar="TEXT", help="a text file, or - for stdin")
    command.add_argument(
        "--vocab-size",
        type=_vocab_size,
        default=4096,
        metavar="N",
        help=f"tokens, from {N_BYTES + 1} to {MAX_VOCAB_SIZE}: 256 bytes, the merges and the "
        "special tokens",
    )
    command.add_argument(
        "--special",
        action="append",
        default=[],
        metavar="NAME",
        help=f"a special token beside {END_OF_TEXT}, which is always the last; may be repeated",
    )
    command.add_argument(
        "--pattern",
        default="default",
        metavar="REGEX",
        help="what cuts the text into pieces: default, gpt2 or a regular expression (slower)",
    )
    command.add_argument(
        "--out",
        default="tokenizer.json",
        metavar="FILE",
        help="file to write, replaced if there; tiktoken ranks if it ends with .tiktoken",
    )
    _add_quiet(command)


def _add_encode(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "text", nargs="?", default="-", metavar="TEXT", help="a text file, or - for stdin"
    )
    _add_special(command)
    _add_format(command)
    command.add_argument(
        "--out", metavar="FILE", help="file to write, whole or not at all; without it, stdout"
    )
    command.add_argument(
        "--threads", type=_threads, default=1, metavar="N", help="threads that encode"
    )
    _add_tokenizer(command)
    _add_quiet(command)


def _add_decode(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "ids", nargs="?", default="-", metavar="IDS", help="a file of ids, or - for stdin"
    )
    _add_format(command)
    command.add_argument(
        "--out", metavar="FILE", help="file to write, whole or not at all; without it, stdout"
    )
    _add_tokenizer(command)


def _add_inspect(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "texts", nargs="*", default=(), metavar="TEXT", help="text files, or - for stdin"
    )
    command.add_argument("--text", metavar="STRING", help="the text itself")
    command.add_argument(
        "--word",
        metavar="STRING",
        help="show the merges from its bytes to its tokens; a word inside a text has a space "
        'before it, as in " lowest"',
    )
    command.add_argument("--ids", action="store_true", help="show the id below each token")
    command.add_argument(
        "--show",
        type=_count,
        default=600,
        metavar="N",
        help="characters of a text that are shown cut; 0 for none",
    )
    command.add_argument(
        "--top", type=_count, default=10, metavar="N", help="rows of each table; 0 for no table"
    )
    _add_special(command)
    command.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="colours; auto is on a terminal, and heeds NO_COLOR",
    )
    _add_tokenizer(command)


def _add_special(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--special",
        choices=("special", "text", "refuse"),
        default="special",
        help=f"take {END_OF_TEXT} in the text as the special token, as ordinary text, or as an "
        "error",
    )


def _add_format(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--format",
        choices=("text", "uint16", "uint32"),
        default="text",
        help="ids as decimal numbers in white space, or as raw little-endian integers",
    )


def _add_tokenizer(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tokenizer",
        default="tokenizer.json",
        metavar="FILE",
        help="a tokenizer.json, or tiktoken ranks if it ends with .tiktoken",
    )
    command.add_argument(
        "--pattern",
        default="default",
        metavar="REGEX",
        help="the pattern of a .tiktoken file, which does not hold it: default, gpt2 or a regular "
        "expression",
    )
    command.add_argument(
        "--special-id",
        action="append",
        type=_special_id,
        default=[],
        metavar="NAME=ID",
        help="a special token of a .tiktoken file; may be repeated",
    )


def _add_quiet(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "-q", "--quiet", action="store_true", help="no progress and no counts on stderr"
    )


_COMMANDS = {
    "train": commands.train,
    "encode": commands.encode,
    "decode": commands.decode,
    "inspect": commands.inspect,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        with _warnings_as_lines():
            _COMMANDS[arguments.command](arguments)
            sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has read enough, like `head`
        _close_stdout()
        return 0
    except FileNotFoundError as error:
        return _complain(f"{error.filename}: no such file; check the path", 2)
    except IsADirectoryError as error:
        return _complain(f"{error.filename}: is a folder; expected a file", 2)
    except PermissionError as error:
        return _complain(f"{error.filename}: may not be opened ({error.strerror})", 2)
    except ValueError as error:
        return _complain(str(error), 2)
    except OSError as error:
        _close_stdout()  # or Python tries once more, and complains again
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        return _complain(f"{what}; {_left_behind(arguments)}", 1)
    except KeyboardInterrupt:
        return _complain(f"interrupted; {_left_behind(arguments)}", 130)
    return 0


def _left_behind(arguments: argparse.Namespace) -> str:
    """What a command that ends early has done."""
    to_stdout = getattr(arguments, "out", None) in (None, "-")
    return "the output is not complete" if to_stdout else "no file was written"


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    def show(message: Warning | str, *_: object, **__: object) -> None:
        print(f"warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield


def _close_stdout() -> None:
    """What is still in the buffer goes nowhere."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _complain(message: str, code: int) -> int:
    print(f"python -m tokenizer: error: {message}", file=sys.stderr)
    return code
