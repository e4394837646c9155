"""Worker processes: answers, errors, and the end of one that takes no other with it."""

from __future__ import annotations

import operator
import os
import pickle
import signal
import struct
import sys
import threading
from concurrent.futures import BrokenExecutor

import pytest

from tinyllama_np import workers
from tinyllama_np.workers import WorkerDiedError, Workers, _transportable, how_it_ended


class TwoPartsError(Exception):
    """Does not survive pickling: it is made again from its one message."""

    def __init__(self, first, second):
        super().__init__(f"{first} {second}")


def test_errors_come_across():
    error = ValueError("epsilon=0")
    assert _transportable(error) is error
    told = _transportable(TwoPartsError("half", "full"))
    assert (type(told), str(told)) == (RuntimeError, "TwoPartsError: half full")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_the_end_of_a_process_is_explained():
    assert "exit code 3" in how_it_ended(3)
    assert "ended by SIGSEGV" in how_it_ended(-signal.SIGSEGV)
    assert "as the system does when memory runs out" in how_it_ended(-signal.SIGKILL)
    assert "signal 63" in how_it_ended(-63)


def half_an_answer():
    """End like a process that is killed while it sends a long answer."""
    connection = sys._getframe(2).f_locals["connection"]  # of _serve, two calls up
    os.write(connection.fileno(), struct.pack("!i", 1000) + b"half")
    os._exit(9)


@pytest.mark.parametrize("error", [EOFError, ConnectionResetError, BrokenPipeError, OSError])
@pytest.mark.parametrize("at", ["the beginning", "a call", "its answer"])
def test_a_worker_whose_parent_is_gone_ends_without_a_word(monkeypatch, error, at):
    done = []

    class Gone:
        def send_bytes(self, data):
            if at == "the beginning":
                raise error

        def recv_bytes(self):
            if at == "a call":
                raise error
            return pickle.dumps((operator.floordiv, (1, 0), {}))

        def send(self, answer):
            done.append(answer)
            raise error

    monkeypatch.setattr(workers, "worker_started", lambda: None)
    workers._serve(Gone())
    assert [type(answer[1]) for answer in done] == [ZeroDivisionError] * (at == "its answer")


@pytest.mark.slow
def test_calls_errors_and_deaths():
    with Workers(2) as workers:
        quotients = [workers.submit(operator.floordiv, 60, n) for n in (1, 2, 3, 0)]
        assert [future.result() for future in quotients[:3]] == [60, 30, 20]
        with pytest.raises(ZeroDivisionError):
            quotients[3].result()
        dead = [workers.submit(os._exit, 7) for _ in range(3)]
        alive = workers.submit(os.getpid)
        for future in dead:
            with pytest.raises(WorkerDiedError, match="exit code 7"):
                future.result()
        assert alive.result() != os.getpid()
        with pytest.raises(WorkerDiedError, match="exit code 9"):
            workers.submit(half_an_answer).result()
        with pytest.raises(AttributeError):  # before a process is asked
            workers.submit(lambda: None).result()
    assert issubclass(WorkerDiedError, BrokenExecutor)


def long_call(mark):
    mark.touch()
    threading.Event().wait(30)  # far longer than it takes to be ended
    return "to the end"


def left_with_an_error(calls, mark):
    with Workers(1) as workers:
        calls.append(workers.submit(long_call, mark))
        while not mark.exists() and not calls[0].done():
            threading.Event().wait(0.02)
        raise KeyError


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_an_error_in_the_parent_does_not_wait_for_the_calls(tmp_path):
    calls = []
    with pytest.raises(KeyError):
        left_with_an_error(calls, tmp_path / "mark")
    with pytest.raises(WorkerDiedError, match="ended by SIGTERM"):
        calls[0].result()
