"""Ctrl-C, SIGTERM, SIGHUP and the end of the parent process: what stops a run, and how gently."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

# What asks for a stop: Ctrl-C, schedulers and `kill`, and a terminal that is closed.
STOP_SIGNALS: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)
if sys.platform != "win32":
    STOP_SIGNALS += (signal.SIGHUP,)


def _nothing(number: int) -> None:
    pass


class Interrupted(KeyboardInterrupt):
    """One of `STOP_SIGNALS`, by its `number`, where nothing is lost by breaking off."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def break_off(number: int) -> NoReturn:
    """Raise `Interrupted`: for `StopSignals`, around work that can be broken off."""
    raise Interrupted(number)


def end_at_once(number: int) -> NoReturn:
    """End this process, as safely as a power cut does: files are replaced as a whole."""
    os._exit(128 + number)


class StopSignals:
    """While it lasts, `STOP_SIGNALS` ask for a stop instead of breaking off a step.

    A SIGHUP that is ignored already, as under `nohup`, stays so.

    Parameters
    ----------
    on_first, on_second : callable of the signal's number
        Called in the handler at the first signal and at each one after it.

    Attributes
    ----------
    received : int
        The first signal's number; 0 while there was none.
    """

    def __init__(
        self,
        on_first: Callable[[int], None] = _nothing,
        on_second: Callable[[int], None] = _nothing,
    ) -> None:
        self.received = 0
        self._on_first, self._on_second = on_first, on_second
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        try:
            for number in STOP_SIGNALS:
                if number.name == "SIGHUP" and signal.getsignal(number) == signal.SIG_IGN:
                    continue
                self._before[number] = signal.signal(number, self._receive)
        except ValueError:  # not the main thread: whoever started it handles signals
            pass
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, _: object) -> None:
        if self.received:
            self._on_second(number)
        else:
            self.received = number
            self._on_first(number)


def hold_signals_back() -> None:
    """Keep `STOP_SIGNALS` from this thread and from the processes that it starts."""
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        from multiprocessing import resource_tracker

        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        # Python starts this process before the first worker, and lets Ctrl-C and SIGTERM, which it
        # ignores, through again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def worker_started() -> None:
    """Prepare a worker process.

    It leaves Ctrl-C to the runs: between two runs it has nothing to lose, and its parent ends it.
    And it ends with its parent, however that ends: given again, the command must be alone in the
    study's folder.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)  # as safe as a power cut
