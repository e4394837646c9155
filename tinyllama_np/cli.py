"""The command line: `tinyllama-np COMMAND`, the same as `python -m tinyllama_np COMMAND`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TextIO

from tinyllama_np import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit code.

    0 done (also if the reader of stdout leaves early, as `head` does), 1 failed while running, 2
    wrong usage or input, 129, 130, 143 stopped by SIGHUP, Ctrl-C, SIGTERM.
    """
    # A text may hold characters that the terminal's encoding lacks: show marks, do not fail.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with contextlib.redirect_stdout(_Stdout(sys.stdout)):
            arguments = _parse(argv)
            code: int = arguments.run(arguments)
            sys.stdout.flush()
    except _ReaderLeft:
        return 0
    except KeyboardInterrupt:  # before the training, which stops at a checkpoint by itself
        print("interrupted", file=sys.stderr)
        return 130
    finally:
        for stream in (sys.stdout, sys.stderr):
            _drop_what_nobody_reads(stream)
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, instead of the usage of all options above it."""
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    with _ended_by_an_interrupt():  # most of the first third of a second is spent here
        from tinyllama_np.commands import bench, fetch, generate, resume, runs, study, verify
    parser = _Parser(
        prog="tinyllama-np",
        description="Train small Llama-style models on a CPU and study how they learn.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )
    for command in (study, resume, runs, verify, fetch, generate, bench):
        command.add_parser(commands)
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        commands.choices[arguments.command].error(f"unknown arguments: {' '.join(unknown)}")
    return arguments


@contextlib.contextmanager
def _ended_by_an_interrupt() -> Iterator[None]:
    """While it lasts, Ctrl-C ends the process in one line.

    An exception would come out of whatever is imported at that moment in whatever form.
    """

    def end(number: int, _: object) -> NoReturn:
        line = "stopped before anything began; give the same command again to begin"
        print(line, file=sys.stderr, flush=True)
        os._exit(128 + number)

    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, end)
    except ValueError:  # not the main thread: whoever started it handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _ReaderLeft(BaseException):
    """Nobody reads stdout any more. No error of a command, so that none takes it for its own."""


class _Stdout:
    """A stream that says with `_ReaderLeft` that its reader has read enough."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write to the stream."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            raise _ReaderLeft from None

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            raise _ReaderLeft from None


def _drop_what_nobody_reads(stream: TextIO) -> None:
    """Let Python find nothing to complain of when it ends."""
    try:
        stream.flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            _, nowhere = os.pipe()  # it takes what little is left in the stream's buffers
            os.dup2(nowhere, stream.fileno())
