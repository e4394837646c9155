"""Give every reader damaged files, and see that each is refused in one line or read rightly.

    python examples/fuzz_files.py --cases 10000 --seed 0
    python examples/fuzz_files.py --seed 0 --target intervals.csv --case 1234     one case again

The files are a small study's own, made first; what is done to them is in tests/mutated_files.py,
what reads them in tests/fuzz_targets.py. Each target has a process of its own, so that a crash, a
hang or an appetite for memory is seen and reported with its case. Exit code 1 if there was any.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

MOST_SECONDS = 5.0
MOST_MEMORY = 1 << 30  # bytes of the whole process, libraries included
START_SECONDS = 120.0  # to import and to make the study


@dataclass
class Tally:
    """What became of a target's cases."""

    cases: int = 0
    refused: int = 0
    slowest: float = 0.0
    peak: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, result: dict[str, Any]) -> None:
        self.cases += 1
        self.refused += result["refused"]
        self.slowest = max(self.slowest, result["seconds"])
        self.peak = max(self.peak, result["peak"])
        if result["error"]:
            self.failures.append(f"case {result['case']}: {result['error']}")
        if result["seconds"] > MOST_SECONDS:
            self.failures.append(f"case {result['case']}: took {result['seconds']:.1f} s")
        if result["peak"] > MOST_MEMORY:
            self.failures.append(f"case {result['case']}: took {result['peak'] >> 20} MB")


def main() -> int:
    """Run the cases; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000, help="over all targets (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the damage (%(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="targets at once (%(default)s)")
    parser.add_argument("--target", help="this one alone")
    parser.add_argument("--case", type=int, help="this case alone, of --target, in this process")
    parser.add_argument("--worker", type=int, nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    root = Path(__file__).parents[1]
    sys.path[:0] = [str(root), str(root / "tests")]  # these files, whatever is installed
    from fuzz_targets import BY_NAME, cases_of  # type: ignore[import-not-found]

    if arguments.target is not None and arguments.target not in BY_NAME:
        parser.error(f"--target {arguments.target!r} must be one of {', '.join(BY_NAME)}")
    if arguments.case is not None and arguments.target is None:
        parser.error("--case needs a --target")
    if arguments.worker:
        return _work(arguments.target, arguments.seed, range(*arguments.worker))
    if arguments.case is not None:
        return _one(arguments.target, arguments.seed, arguments.case)
    counts = cases_of(arguments.cases)
    if arguments.target is not None:
        counts = {arguments.target: arguments.cases}
    started = time.perf_counter()
    print(f"{'target':30} {'cases':>7} {'refused':>8} {'accepted':>9} {'slowest':>9} {'peak':>8}")
    with ThreadPoolExecutor(arguments.jobs) as pool:
        tallies = pool.map(partial(_watch, seed=arguments.seed), counts, counts.values())
        failures = sum([_report(*pair) for pair in zip(counts, tallies, strict=True)])
    print(f"{sum(counts.values()):,} cases in {time.perf_counter() - started:,.0f} s: ", end="")
    print(f"{failures} failures")
    return int(failures > 0)


def _report(target: str, tally: Tally) -> int:
    print(
        f"{target:30} {tally.cases:7,} {tally.refused:8,} {tally.cases - tally.refused:9,} "
        f"{tally.slowest:7.2f} s {tally.peak >> 20:5} MB",
        *(f"\n    {failure}" for failure in tally.failures[:20]),
        flush=True,
    )
    return len(tally.failures)


def _watch(target: str, cases: int, seed: int) -> Tally:
    """Let a process do a target's cases; one that ends is followed by another, behind the case."""
    tally = Tally()
    following = 0
    while following < cases:
        command = [sys.executable, __file__, "--target", target, "--seed", str(seed)]
        with subprocess.Popen(
            [*command, "--worker", str(following), str(cases)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        ) as process:
            assert process.stdout is not None
            ready = False
            while following < cases:
                patience = 2 * MOST_SECONDS if ready else START_SECONDS
                timer = threading.Timer(patience, process.kill)
                timer.start()
                line = process.stdout.readline()
                timer.cancel()
                if not line.endswith("\n"):
                    break
                if ready:
                    tally.add(json.loads(line))
                    following += 1
                ready = True
            if following < cases:
                code = process.wait()
                tally.failures.append(f"case {following}: ended or hung, exit code {code}")
                if not ready:
                    break
                tally.cases += 1
                following += 1
    return tally


def _work(name: str, seed: int, cases: range) -> int:
    """In a process of its own: a line of JSON for each case."""
    from fuzz_targets import BY_NAME, give, make_workspace, run_case

    target = BY_NAME[name]
    with tempfile.TemporaryDirectory() as folder:
        root = make_workspace(Path(folder))
        give(root, target, (root / target.file).read_bytes())  # imports what it needs
        warnings.simplefilter("error")
        _limit_memory()
        print("ready", flush=True)
        for number in cases:
            _forget_peak()
            started = time.perf_counter()
            message, error = "", ""
            try:
                message = run_case(root, target, seed, number)
            except BaseException as found:
                where = traceback.extract_tb(found.__traceback__)[-1]
                place = f"{Path(where.filename).name}:{where.lineno}"
                error = f"{type(found).__name__} at {place}: {str(found)[:300]!r}"
            result = {"case": number, "refused": bool(message), "error": error}
            result |= {"seconds": time.perf_counter() - started, "peak": _peak_memory()}
            print(json.dumps(result), flush=True)
    return 0


def _one(name: str, seed: int, number: int) -> int:
    """One case with all that it prints; returns the exit code."""
    from fuzz_targets import BY_NAME, make_workspace, run_case

    with tempfile.TemporaryDirectory() as folder:
        root = make_workspace(Path(folder))
        warnings.simplefilter("error")
        print(run_case(root, BY_NAME[name], seed, number) or "accepted")
    return 0


def _status(name: str) -> int:
    """A figure of /proc/self/status in bytes."""
    text = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return next(int(row.split()[1]) << 10 for row in text.splitlines() if row.startswith(name))


def _limit_memory() -> None:
    """Let the system refuse what goes far beyond the limit, before the machine suffers."""
    if sys.platform == "linux":
        import resource

        most = _status("VmSize:") + 2 * MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _forget_peak() -> None:
    if sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_memory() -> int:
    """Bytes of the process at its largest, since `_forget_peak`; 0 where only Linux can tell."""
    return _status("VmHWM:") if Path("/proc/self/status").exists() else 0


if __name__ == "__main__":
    sys.exit(main())
