"""How far a long command is: a bar on a terminal, a line now and then elsewhere; on stderr."""

from __future__ import annotations

import shutil
import sys
import time

_BAR_S = 0.1  # between two states of the bar
_LINE_S = 5.0  # between two lines
_BAR_WIDTH = 24


class Progress:
    """The state of one command.

    Parameters
    ----------
    quiet : bool
        Say nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._start = time.perf_counter()
        self._terminal = sys.stderr.isatty()
        self._quiet = quiet
        self._next = self._start + (_BAR_S if self._terminal else _LINE_S)
        self._shown = 0

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self._start

    def show(self, task: str, done: float, total: float, text: str) -> None:
        """Say that `done` of `total` is done (0: not known), if it is time to say something."""
        if self._quiet or time.perf_counter() < self._next:
            return
        self._next = time.perf_counter() + (_BAR_S if self._terminal else _LINE_S)
        share = min(1.0, done / total) if total else 0.0
        percent = f"{100 * share:3.0f} %  " if total else ""
        if not self._terminal:
            line = f"{task} {percent}{text}, {self.seconds:.0f} s"
            print(" ".join(line.split()), file=sys.stderr, flush=True)
            return
        full = int(share * _BAR_WIDTH)
        bar = f"[{'#' * full}{'.' * (_BAR_WIDTH - full)}] " if total else ""
        width = shutil.get_terminal_size().columns - 1
        line = f"{task:<9}{bar}{percent}{text}, {self.seconds:.0f} s"[:width]
        print("\r" + line.ljust(self._shown), end="", file=sys.stderr, flush=True)
        self._shown = len(line)

    def clear(self) -> None:
        """Take the bar away, so that other lines start at the left."""
        if self._shown:
            print("\r" + " " * self._shown + "\r", end="", file=sys.stderr, flush=True)
            self._shown = 0


class ByteProgress:
    """Progress through bytes that are read.

    Parameters
    ----------
    progress : Progress
    task : str
    total : int
        Bytes in all; 0 if not known.
    """

    def __init__(self, progress: Progress, task: str, total: int) -> None:
        self._progress, self._task, self._total = progress, task, total
        self.done = 0

    def __call__(self, n_bytes: int) -> None:
        self.done += n_bytes
        megabytes = f"{self.done / 1e6:,.0f}"
        if self._total:
            megabytes += f" of {self._total / 1e6:,.0f}"
        speed = self.done / 1e6 / max(self._progress.seconds, 1e-9)
        self._progress.show(
            self._task, self.done, self._total, f"{megabytes} MB, {speed:,.0f} MB/s"
        )
