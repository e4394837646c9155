"""Ctrl-C, SIGTERM and the end of the parent process: what stops a run, and how gently."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn


def _nothing(number: int) -> None:
    pass


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM where nothing is lost by breaking off; `number` is the signal's."""

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
    """While it lasts, SIGINT and SIGTERM ask for a stop instead of breaking off a step.

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
            for number in (signal.SIGINT, signal.SIGTERM):
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
    """Keep Ctrl-C and SIGTERM from this thread and from the processes that it starts."""
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        from multiprocessing import resource_tracker

        # Python starts this process before the first worker, and lets the signals through again.
        resource_tracker.ensure_running()
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))


def worker_started() -> None:
    """Prepare a worker process.

    It leaves Ctrl-C to the runs: between two runs it has nothing to lose, and its parent ends it.
    And it ends with its parent, however that ends: given again, the command must be alone in the
    study's folder.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)  # as safe as a power cut
