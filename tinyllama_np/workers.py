"""Worker processes, one a run: where one is killed, its run alone is lost, not the others.

`concurrent.futures.ProcessPoolExecutor` ends all its workers when one dies. Here a thread serves
each worker: it hands over a call, waits for the answer, and sees when the other end is gone.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from tinyllama_np.interrupts import hold_signals_back, worker_started

Result = TypeVar("Result")


class WorkerDiedError(BrokenExecutor):
    """The process that carried out a call ended before it had answered."""


@dataclass(frozen=True, eq=False)
class _Worker:
    process: BaseProcess
    connection: Connection[Any, Any]


class Workers(Executor):
    """Up to `count` processes that carry out calls, each started when it is first needed.

    A call whose process dies raises `WorkerDiedError` from its future; a new process takes the
    next call.

    Parameters
    ----------
    count : int
        Calls at the same time.
    """

    def __init__(self, count: int) -> None:
        # Fresh processes: a fork would copy the state of whatever threads exist at that moment.
        self._context = multiprocessing.get_context("spawn")
        # A process inherits what is held back: until it is ready, Ctrl-C would end it with a
        # traceback. And a signal then reaches the main thread, which waits for it.
        self._threads = ThreadPoolExecutor(count, "worker", initializer=hold_signals_back)
        self._idle: list[_Worker] = []
        self._alive: set[_Worker] = set()
        self._starting: set[_Worker] = set()
        self._ending = False

    def submit(
        self, function: Callable[..., Result], /, *args: Any, **kwargs: Any
    ) -> Future[Result]:
        """Carry out a call in a process; its arguments and its result are pickled."""
        return self._threads.submit(self._carry_out, function, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the calls end, then the processes."""
        self._threads.shutdown(wait=wait, cancel_futures=cancel_futures)
        if not wait:
            return
        while self._idle:
            self._discard(self._idle.pop())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:  # nobody waits for the results
            self.interrupt()
        self.shutdown(cancel_futures=kind is not None)

    def interrupt(self) -> None:
        """Ask every process to end: a run does so at a checkpoint, everything else at once."""
        self._ending = True
        for worker in list(self._alive):
            if worker in self._starting:  # holds signals back still, and has nothing to lose
                worker.process.kill()
            elif os.name != "nt":  # Windows could only kill
                worker.process.terminate()

    def kill(self) -> None:
        """End every process, whatever it does."""
        self._ending = True
        for worker in list(self._alive):
            worker.process.kill()

    def _carry_out(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        call = pickle.dumps((function, args, kwargs))
        if self._ending:
            raise WorkerDiedError("its process was not started any more")
        worker = self._idle.pop() if self._idle else self._start()
        try:
            if worker in self._starting:
                worker.connection.recv_bytes()
                self._starting.discard(worker)
            worker.connection.send_bytes(call)
            succeeded, answer = worker.connection.recv()
        except (EOFError, OSError):  # at its end, or in the middle of a message
            self._discard(worker)
            raise WorkerDiedError(how_it_ended(worker.process.exitcode)) from None
        except BaseException:  # an answer that cannot be read: what follows it could not either
            self._discard(worker)
            raise
        self._idle.append(worker)
        if succeeded:
            return answer
        raise answer

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
        try:
            process.start()
        except ConnectionError:  # it was killed before it had read what it is to do
            raise WorkerDiedError("its process ended while it was started") from None
        theirs.close()  # the process has the only one: when it ends, ours is at its end too
        worker = _Worker(process, ours)
        self._starting.add(worker)
        self._alive.add(worker)
        if self._ending:  # since this call began
            process.kill()
        return worker

    def _discard(self, worker: _Worker) -> None:
        worker.connection.close()
        worker.process.join()
        self._alive.discard(worker)
        self._starting.discard(worker)


def how_it_ended(exitcode: int | None) -> str:
    """What a message says of a process that ended on its own, by its exit code."""
    if exitcode is None or exitcode >= 0:
        return f"its process ended with exit code {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    if name == "SIGKILL":
        return "its process was killed (SIGKILL), as the system does when memory runs out"
    return f"its process was ended by {name}"


def _serve(connection: Connection[Any, Any]) -> None:
    """The life of a worker process: call after call, until its parent hangs up."""
    worker_started()
    # A parent that was killed is an end here, or any error of the connection: one that had not
    # read all, or was in the middle of a message. There is nobody left to tell of it.
    with suppress(EOFError, OSError):
        connection.send_bytes(b"ready")
        while True:
            connection.send(_answer(connection.recv_bytes()))


def _answer(call: bytes) -> tuple[bool, Any]:
    """Whether a call succeeded, and what it returned or raised."""
    try:
        function, args, kwargs = pickle.loads(call)
        return True, function(*args, **kwargs)
    except Exception as error:
        return False, _transportable(error)


def _transportable(error: Exception) -> Exception:
    """The error, or one that says the same where it does not survive pickling."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
