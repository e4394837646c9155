"""Commands in real processes, in which a test can stop at a named place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Worker processes run this file too, under the name __mp_main__. `here` shows that a place is
# reached, and stays there until a signal comes.
PROGRAM = """
import os, pathlib, signal, sys, threading, types
import tinyllama_np.commands.carry_out, tinyllama_np.commands.study, tinyllama_np.corpus.tokens
import tinyllama_np.prepare, tinyllama_np.study, tinyllama_np.train
from tinyllama_np.cli import main

WORKER = __name__ != "__main__"

def here(*_, **__):
    print("HERE", file=sys.stderr, flush=True)
    threading.Event().wait()

def no(*_):
    return False

if WORKER:
    (pathlib.Path(__file__).parent / f"{os.getpid()}.worker").touch()
else:
    import stats
    stats.analyse = lambda out: types.SimpleNamespace(text=lambda: "the verdict")
HOOKS
if not WORKER:
    sys.exit(main())
"""


class Command:
    """A command in a process group of its own.

    Parameters
    ----------
    folder : Path
        For the program and what it says on stderr.
    arguments : sequence
        Of the command line.
    hooks : str
        Python that the program and its workers carry out before the command.
    """

    def __init__(self, folder, arguments, hooks="", **environment):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.said = folder / "stderr.txt"
        program = folder / "program.py"
        program.write_text(PROGRAM.replace("HOOKS", hooks), encoding="utf-8")
        with open(self.said, "w", encoding="utf-8") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, str(program), *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=stderr,
                encoding="utf-8",
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "PYTHONWARNINGS": "error",
                    "PYTHONUTF8": "1",
                    **environment,
                },
                start_new_session=True,
            )
        self.pid = self.process.pid

    @property
    def stderr(self):
        """What it has said so far."""
        return self.said.read_text(encoding="utf-8")

    @property
    def workers(self):
        """The process ids of the workers that it has started so far."""
        return sorted(int(file.stem) for file in self.folder.glob("*.worker"))

    def wait_until(self, condition, what="the condition"):
        """Until `condition()` holds; fails if the command ends before or takes minutes."""
        until = time.monotonic() + 120
        while not condition():
            assert self.process.poll() is None, f"ended before {what}: {self.stderr}"
            assert time.monotonic() < until, f"never came to {what}: {self.stderr}"
            time.sleep(0.02)

    def wait_for(self, text, times=1):
        """Until it has said `text`."""
        self.wait_until(lambda: self.stderr.count(text) >= times, text)

    def signal(self, number, to="group"):
        """Send a signal to the process group (Ctrl-C, schedulers) or to the parent alone."""
        (os.killpg if to == "group" else os.kill)(self.pid, number)

    def end(self):
        """Exit code, stdout and stderr, once it has ended and all that it has started.

        Each of its processes holds the other end of stdout, so that it ends with the last one.
        """
        stdout, _ = self.process.communicate(timeout=120)
        return self.process.returncode, stdout, self.stderr
