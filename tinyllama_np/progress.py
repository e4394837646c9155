"""How far a study has come: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from tqdm import tqdm

from tinyllama_np.job import RunJob
from tinyllama_np.telemetry import last_row

SECONDS_BETWEEN_LINES = 10.0
_COLUMNS_OF_A_BAR = 60  # with share, tokens, times and speed, so that some of the bar is left


class Progress:
    """Shows tokens, the training loss of the runs at work, tokens/s and the time left.

    Parameters
    ----------
    jobs : sequence of RunJob
    total : int
        Tokens of all runs together.
    """

    def __init__(self, jobs: Sequence[RunJob], total: int) -> None:
        self._jobs = jobs
        self._total = total
        self._started = time.monotonic()
        self._first: int | None = None
        self._tokens = 0
        self._shown = -SECONDS_BETWEEN_LINES
        self._shown_tokens = 0
        self._bar: tqdm[NoReturn] | None = None
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._terminal and self._tokens > self._shown_tokens:
            self._print_line()
        if self._bar is not None:
            self._bar.close()

    def update(self, tokens: int) -> None:
        """Show that all runs together have seen `tokens`."""
        self._tokens = tokens
        if self._first is None:  # a resumed study does not begin at 0
            self._first = tokens
        if self._terminal:
            self._show_bar(tokens)
        elif time.monotonic() - self._shown >= SECONDS_BETWEEN_LINES:
            self._print_line()

    def say(self, message: str) -> None:
        """A line above the bar."""
        with suppress(OSError):
            tqdm.write(message, file=sys.stderr)
            sys.stderr.flush()

    def _show_bar(self, tokens: int) -> None:
        if self._bar is None:
            self._bar = tqdm(
                total=self._total,
                initial=tokens,
                unit="token",
                unit_scale=True,
                smoothing=0.1,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        losses = self._losses()
        fits = _columns() - len(losses) >= _COLUMNS_OF_A_BAR
        self._bar.set_postfix_str(losses if fits else "", refresh=False)
        self._bar.update(tokens - self._bar.n)

    def _print_line(self) -> None:
        self._shown, self._shown_tokens = time.monotonic(), self._tokens
        with suppress(OSError):  # whoever read it may be gone; the training is not
            print(self._line(self._tokens), file=sys.stderr, flush=True)

    def _line(self, tokens: int) -> str:
        elapsed = time.monotonic() - self._started
        rate = (tokens - (self._first or 0)) / elapsed if elapsed > 0 else 0.0
        parts = [f"{tokens / self._total:4.0%}  {tokens:,} of {self._total:,} tokens"]
        if rate > 0:
            parts.append(f"{rate:,.0f} tokens/s")
        if rate > 0 and tokens < self._total:
            parts.append(f"{format_seconds((self._total - tokens) / rate)} left")
        parts.append(self._losses())
        return "  ".join(part for part in parts if part)

    def _losses(self) -> str:
        shown = []
        for job in self._jobs:
            row = last_row(job.folder / "steps.csv") or {}
            try:
                at_work = int(row["step"]) < job.train.steps
                loss = float(row["train_loss"] or "nan")  # a diverged run's cell is empty
            except (KeyError, ValueError):  # nothing yet, or an edited file: the run will tell
                continue
            if at_work:
                shown.append(f"{job.condition}/{job.train.seed} {loss:.3f}")
        return "loss " + ", ".join(shown) if shown else ""


def _columns() -> float:
    """Width of the terminal; infinite where it is not known."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or math.inf
    except (OSError, ValueError):
        return math.inf


def format_seconds(seconds: float) -> str:
    """`42 s`, `12 min` or `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
