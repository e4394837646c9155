"""Kill a study again and again, and compare what it ends with to a study that was never touched.

    python examples/kill_study.py                          50 kills, some minutes
    python examples/kill_study.py --kills 200 --seed 7 --backend numpy --keep all --out killed

Options it does not know are those of `tinyllama-np study`. First the undisturbed study; then the
same command in another folder, killed with SIGKILL and given again at once, until it ends. A study
that ends before all kills are spent is compared, and the next one begins in a fresh folder. What is
killed is drawn: all processes, the command alone (its workers are still there when it is given
again; some are held until that begins to write, as by a disk that does not answer), or one worker.
So is when: a third of the kills come at a random time, the others the moment a phase begins that
had few so far.
The processes are frozen for the look at the folder that names the phase. Draws depend on the seed,
the instants also on the machine.

It prints a line a kill, how many kills each phase had, and `identical: N files, M bytes`; or, with
exit code 1, what differs. Compared is all that docs/telemetry.md calls the same bytes every time,
names included; no temporary file may be left.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from study_phases import (
    BEFORE,
    CHECKPOINT,
    EVALUATING,
    INTERVAL,
    OF_ANALYSIS,
    OF_TRAINING,
    PREPARING,
    REMOVING,
    ROW,
    SHORTEST,
    TRAINING,
    Watch,
)

ROOT = Path(__file__).resolve().parents[1]
# About a second of training a run, with an evaluation and a checkpoint every 60 steps of 2 ms.
STUDY = ("--preset=smoke", "--seeds=3", "--budget-tokens=153600", "--intervals=11")
OFTEN = (ROW, EVALUATING, INTERVAL, CHECKPOINT, REMOVING)
PATIENCE = 300.0  # seconds in which a start must end
HELD = 5.0  # seconds for which workers are held after the command's death, at most

ALL, COMMAND, HELD_WORKERS, WORKER = (
    "all processes",
    "the command",
    "the command, workers held",
    "one worker",
)
VICTIMS = (ALL, COMMAND, HELD_WORKERS, WORKER)


# ------------------------------------------------------------------------------- the comparison


def is_compared(name: str) -> bool:
    """Whether a file of a study, by its path within it, must be the same bytes every time."""
    own = ("timing.csv", "log.txt", ".lock")
    path = Path(name)
    temporary = any(is_temporary(part) for part in (path, *path.parents))
    return not temporary and path.name not in own and not name.startswith("tables/cpu_time")


def files_of(study: Path) -> dict[str, bytes]:
    """The compared files of a study and their content."""
    names = {p.relative_to(study).as_posix(): p for p in study.rglob("*") if p.is_file()}
    return {name: names[name].read_bytes() for name in sorted(names) if is_compared(name)}


def is_temporary(path: Path) -> bool:
    """Whether a command that has ended should not leave this file or folder."""
    return ".partial" in path.name or path.name == ".stop" or path.suffix == ".tmp"


def leftovers(folder: Path) -> list[str]:
    """One line for each temporary file and folder."""
    found = [path for path in sorted(folder.rglob("*")) if is_temporary(path)]
    return [f"{path.relative_to(folder).as_posix()}: left behind" for path in found]


def differences(expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """One line for each file that is missing, surplus or different."""
    lines = [f"{name}: missing" for name in expected if name not in found]
    lines += [f"{name}: not in the undisturbed study" for name in found if name not in expected]
    return lines + [
        f"{name}: {first_difference(expected[name], found[name])}"
        for name in expected
        if name in found and found[name] != expected[name]
    ]


def first_difference(expected: bytes, found: bytes) -> str:
    """Where two different contents part."""
    pairs = enumerate(zip(expected, found, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(expected), len(found)))
    line = expected.count(b"\n", 0, at)
    sides = (content.split(b"\n")[line : line + 1] for content in (expected, found))
    shown = [repr(b"".join(side)[:120])[1:] for side in sides]
    return (
        f"byte {at} in line {line + 1}, {len(expected)} bytes expected and {len(found)} found: "
        f"{shown[0]} expected, {shown[1]} found"
    )


# ------------------------------------------------------------------------------------- processes


@contextlib.contextmanager
def started(out: Path, options: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The command in a process group of its own, which does not outlive this block."""
    path = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    command = [sys.executable, "-m", "tinyllama_np", "study", *options, f"--out={out}"]
    with open(output_of(out), "ab") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            send(process, signal.SIGKILL)
            process.wait()


def output_of(out: Path) -> Path:
    """Where all starts of the study in `out` write what they say."""
    return out.with_name("output.txt")


def send(process: subprocess.Popen[bytes], what: signal.Signals) -> None:
    """Send a signal to all processes of the command that are still there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, what)


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The workers of the command, where the system has /proc; else none."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            status = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            if int(status[1]) == process.pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return sorted(found)


@dataclass(frozen=True)
class Kill:
    """What was killed, when after the command's start, and what it was doing."""

    victim: str
    seconds: float
    phase: str


class Killer:
    """Draws kills and carries them out."""

    def __init__(self, seed: int, undisturbed: Path, duration: float) -> None:
        self.random = random.Random(seed)
        self.undisturbed = undisturbed
        self.duration = duration
        self.kills: list[Kill] = []
        self.failures: list[str] = []
        self._tried: Counter[str] = Counter()
        self._holds: list[threading.Thread] = []

    def wait_and_kill(self, process: subprocess.Popen[bytes], out: Path) -> Kill | None:
        """Kill at the drawn moment; None where the command ended before it or is left alone."""
        began = time.monotonic()
        watch = Watch(out, self.undisturbed, time.time())
        if watch.trained() and self.random.random() < 1 / 2:
            return None  # else most kills would fall into the analysis
        target = self._target(out, watch)
        # Of each phase there are as many as intervals: not always the first.
        step = self.random.randrange(watch.last_step) if target in OFTEN else 0
        delay = self.duration * self.random.random() ** 2  # a continued study is shorter
        victim = self.random.choice(VICTIMS)
        while process.poll() is None:
            passed = time.monotonic() - began
            if target is None:
                due = passed >= delay
            else:
                due = target in watch.phases() and watch.furthest() >= step
            if due:
                break
            if passed > PATIENCE:
                raise TimeoutError(f"did not end in {PATIENCE:.0f} s")
            time.sleep(0.0005 if target else min(0.05, delay - passed))
        else:
            return None
        watch.phases()
        send(process, signal.SIGSTOP)
        seen = watch.phases()
        # A row is there in one moment: none can be met inside it.
        phase = ROW if target == ROW else next(p for p in (target, *SHORTEST, *seen) if p in seen)
        seconds = time.monotonic() - began
        self.kills.append(Kill(self._kill(process, victim, out), seconds, phase))
        return self.kills[-1]

    def _target(self, out: Path, watch: Watch) -> str | None:
        """A phase still ahead that was tried least often; None: a random time."""
        if self.random.random() < 1 / 3:
            return None
        ahead = list(OF_ANALYSIS)
        if not watch.trained():
            ahead += OF_TRAINING
        if not out.exists():
            ahead.append(PREPARING)
        least = min(self._tried[phase] for phase in ahead)
        target = self.random.choice([phase for phase in ahead if self._tried[phase] == least])
        self._tried[target] += 1
        return target

    def _kill(self, process: subprocess.Popen[bytes], victim: str, out: Path) -> str:
        """Kill what was drawn, or all where it has no workers; returns what was killed."""
        workers = workers_of(process)
        if victim == WORKER and workers:
            os.kill(self.random.choice(workers), signal.SIGKILL)
            send(process, signal.SIGCONT)
            try:
                process.wait(PATIENCE)  # it may fail, or carry out the other runs
            except subprocess.TimeoutExpired:
                self.failures.append(
                    f"kill {len(self.kills) + 1}: the command hung without {WORKER}"
                )
                send(process, signal.SIGKILL)
                process.wait()
            return victim
        if victim in (ALL, WORKER) or not workers:
            send(process, signal.SIGKILL)
            process.wait()
            return ALL
        process.kill()
        process.wait()  # for the command, not for its workers
        if victim == HELD_WORKERS:
            self._holds.append(threading.Thread(target=self._hold, args=(process, out)))
            self._holds[-1].start()
        else:
            send(process, signal.SIGCONT)
        return victim

    def _hold(self, process: subprocess.Popen[bytes], out: Path) -> None:
        """Let workers go on when the next start writes rows, the worst moment, or after a while."""
        watch = Watch(out, self.undisturbed, time.time())
        end = time.monotonic() + HELD
        while time.monotonic() < end and not {TRAINING, ROW, EVALUATING} & watch.phases():
            time.sleep(0.0005)
        send(process, signal.SIGCONT)

    def let_go(self) -> None:
        """Until no worker is held any more; they end, having lost their parent."""
        for hold in self._holds:
            hold.join()


# ------------------------------------------------------------------------------------ the program


def killed_study(killer: Killer, kills: int, out: Path, options: Sequence[str]) -> None:
    """Start a study until it ends, killing it while there are kills left."""
    while True:
        with started(out, options) as process:
            kill = killer.wait_and_kill(process, out) if len(killer.kills) < kills else None
            if kill is None:
                if process.wait(PATIENCE) != 0:
                    log = output_of(out)
                    raise RuntimeError(f"ended with exit code {process.returncode}; see {log}")
                return
        print(
            f"{len(killer.kills):4}  {kill.victim:26} after {1000 * kill.seconds:6.0f} ms  "
            f"{kill.phase}",
            flush=True,
        )


def studies(killer: Killer, kills: int, work: Path, options: Sequence[str]) -> Iterator[Path]:
    """Studies that were killed and have ended, until the kills are spent."""
    count = 0
    while len(killer.kills) < kills:
        count += 1
        out = work / f"killed-{count}" / "study"
        out.parent.mkdir()
        killed_study(killer, kills, out, options)
        killer.let_go()
        yield out


def undisturbed_study(out: Path, options: Sequence[str]) -> tuple[int, float, str]:
    """Exit code, seconds and output of a study that is left alone."""
    before = time.monotonic()
    with started(out, options) as process:
        code = process.wait()
    return code, time.monotonic() - before, output_of(out).read_text(encoding="utf-8")


def run(kills: int, seed: int, work: Path, options: Sequence[str]) -> int:
    """Carry it all out; returns the exit code."""
    undisturbed = work / "undisturbed" / "study"
    undisturbed.parent.mkdir(parents=True)
    say("the undisturbed study")
    code, duration, output = undisturbed_study(undisturbed, options)
    if "compiling the kernels" in output:  # which the killed studies do not
        shutil.rmtree(undisturbed)
        code, duration, output = undisturbed_study(undisturbed, options)
    if code:
        last = "".join(output.splitlines()[-1:])
        say(f"the undisturbed study ended with exit code {code}: {last}")
        return 2 if code == 2 else 1
    say(f"ended after {duration:.1f} s; {kills} kills")
    expected = files_of(undisturbed)
    killer = Killer(seed, undisturbed, duration)
    wrong = leftovers(undisturbed.parent)
    count = 0
    try:
        for out in studies(killer, kills, work, options):
            found = differences(expected, files_of(out)) + leftovers(out.parent)
            if "Traceback" in output_of(out).read_text(encoding="utf-8"):
                found.append("output.txt: holds a traceback")
            wrong += [f"{out.parent.name}/{line}" for line in found]
            count += 1
            print(f"      {out.parent.name} ended: {len(found)} differences", flush=True)
    except (RuntimeError, TimeoutError, subprocess.TimeoutExpired) as error:
        wrong.append(f"a start that was not killed: {error}")
    print_counts(killer.kills)
    if wrong := wrong + killer.failures:
        print("\n".join(["wrong:", *wrong]))
        return 1
    size = sum(map(len, expected.values()))
    print(
        f"identical: {len(expected)} files, {size:,} bytes, in {count} studies with {kills} kills"
    )
    return 0


def print_counts(kills: Sequence[Kill]) -> None:
    """Two tables: kills by phase and by what was killed."""
    phases = Counter(kill.phase for kill in kills)
    victims = Counter(kill.victim for kill in kills)
    print(f"\n{'phase':32}kills")
    for name in (*BEFORE, *OF_TRAINING, *OF_ANALYSIS):
        print(f"{name:32}{phases[name]:5}")
    print(f"\n{'killed':32}kills")
    for name in dict.fromkeys(VICTIMS):
        print(f"{name:32}{victims[name]:5}")
    print()


def say(message: str) -> None:
    """A line of progress on stderr."""
    print(message, file=sys.stderr, flush=True)


def main(arguments: Sequence[str]) -> int:
    """Parse the options and run."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n", 1)[0],
        epilog="All other options go to `tinyllama-np study`.",
        allow_abbrev=False,
    )
    parser.add_argument("--kills", type=int, default=50, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time (%(default)s)")
    parser.add_argument(
        "--out", type=Path, help="a new folder for the studies (one that is removed if all is well)"
    )
    options, others = parser.parse_known_args(arguments)
    if os.name == "nt":
        say("error: SIGKILL and process groups are POSIX's; this script does not run on Windows")
        return 2
    if options.kills < 1:
        parser.error(f"--kills {options.kills} must be at least 1")
    if options.out is not None and options.out.exists() and any(options.out.iterdir()):
        parser.error(f"--out {options.out} is not empty; name a new folder")
    study = [*STUDY, f"--jobs={options.jobs}", *others]
    work = (options.out or Path(tempfile.mkdtemp(prefix="kill_study-"))).resolve()
    code = run(options.kills, options.seed, work, study)
    if options.out is None and code == 0:
        shutil.rmtree(work)
    else:
        say(f"the studies are in {work}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
