"""Let every operation on the disk fail in turn, in every way, and start again.

    python tests/fail_at_every_operation.py [--pairs 200 --seed 0] [--scenario NAME ...]

A scenario is a piece of work on a tiny study: a run, a run that goes on, the making of a study and
so on. It is carried out once undisturbed, which tells how many operations it has and what it ends
with. Then it is carried out again for each of these operations and each kind of failure
(`failing_disk.Kind`), and after the failure

- the newest checkpoint is whole and not older than the last that was finished before, and the run's
  files begin with what the undisturbed ones say up to its step;
- the next start ends with exactly the undisturbed files and no other: not a temporary file more;
- a power cut after that takes nothing away: what the process that failed had not flushed the next
  one has.

At the end come pairs: a second failure, drawn by the seed, in the start after a first. The script
prints how many failures there were, and ends with 1 at the first that was not made good. The tests
in `test_fail_at_every_operation.py` do a share of the same.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from failing_disk import CrashError, FailingDisk, Kind, Operation, installed
from test_tinyllama_np_recovery import not_finite_at
from tiny_study import (
    InlineExecutor,
    make_study,
    stories,
    tiny_config,
    tree,
    write_text,
)

from tinyllama_np import trainer
from tinyllama_np.checkpoint import checkpoint_folders, whole_checkpoints
from tinyllama_np.config import StudyConfig
from tinyllama_np.corpus.tokens import write_token_file
from tinyllama_np.job import DIVERGED, RunJob, check_ended_telemetry
from tinyllama_np.prepare import Texts, prepare_study
from tinyllama_np.study import collect_intervals, run_jobs, run_study
from tinyllama_np.train import train_run
from tokenizer import Tokenizer

STEPS = 4  # intervals end at 0, 2 and 4
SETTINGS = {
    "batch_size": 1,
    "budget_tokens": 8 * STEPS,
    "intervals": 3,
    "valid_tokens": 8,
    "sample_prompts": ("Mia",),
    "sample_tokens": 2,
    "model": {"num_hidden_layers": 1},
}
STORIES = stories(30)
OF_THE_MOMENT = ("timing.csv", "log.txt")  # files whose content is not compared
NOT_PROMISED = "log.txt"  # may be lost, but must not appear where nothing is to be told
GROWING = ("steps.csv", "intervals.csv", "samples.jsonl")

Files = dict[str, bytes | None]


class Difference(AssertionError):
    """A failure that was not made good."""


@dataclass(frozen=True)
class Scenario:
    """A piece of work that may be started again.

    Attributes
    ----------
    name : str
    make : callable of a folder
        Puts there what the work begins with.
    start : callable of the folder
        Does the work, or what is left of it.
    jobs : callable of the folder
        The runs whose checkpoints and rows must agree.
    replaced : int
        The step of a checkpoint that the work replaces. A folder cannot be replaced in one step:
        in between the checkpoint before it counts.
    """

    name: str
    make: Callable[[Path], None]
    start: Callable[[Path], None]
    jobs: Callable[[Path], Sequence[RunJob]] = lambda root: ()
    replaced: int = -1


# --------------------------------------------------------------------------------- the scenarios


def _config(seeds: Sequence[int] = (0,), **changes: object) -> StudyConfig:
    return tiny_config(seeds, **{**SETTINGS, **changes})


def _jobs(root: Path, config: StudyConfig, keep: str = "last") -> list[RunJob]:
    return run_jobs(config, root / "study", keep_checkpoints=keep)


def run_scenario(keep: str) -> Scenario:
    """A whole run: rows, sample texts, checkpoints, outcome."""
    config = _config()

    def make(root: Path) -> None:
        make_study(root, config)

    def jobs(root: Path) -> list[RunJob]:
        return _jobs(root, config, keep)

    return Scenario(f"run, keep {keep}", make, lambda root: _train(jobs(root)), jobs)


def _train(jobs: Sequence[RunJob]) -> None:
    for job in jobs:
        train_run(job)


def resumed_scenario() -> Scenario:
    """A run that goes on from a checkpoint, with rows after it and a checkpoint cut short."""
    whole = run_scenario("last")

    def make(root: Path) -> None:
        whole.make(root)
        recorded = _recorded(whole, root)
        files = (STEPS, "model.safetensors")  # the last checkpoint, in its temporary folder
        (at, *_) = (
            number
            for number, operation in enumerate(recorded, 1)
            if operation.name == "write"
            and f"step-{files[0]:06d}" in operation.path.parent.name
            and files[1] in operation.path.name
        )
        shutil.rmtree(whole.jobs(root)[0].folder)
        with installed(FailingDisk(at, Kind.HALF)):
            _until_failure(whole, root)
        run = whole.jobs(root)[0].folder
        assert [folder.name for folder in checkpoint_folders(run / "checkpoints")]
        assert any(folder.name.endswith(".partial") for folder in (run / "checkpoints").iterdir())

    return dataclasses.replace(whole, name="run that goes on", make=make)


def stopped_scenario() -> Scenario:
    """A run that was stopped in an evaluation, so that it replaces its newest checkpoint."""
    whole = run_scenario("last")

    def make(root: Path) -> None:
        whole.make(root)
        (job,) = whole.jobs(root)
        real, calls = trainer.evaluate, []

        def evaluate(*arguments: Any, **options: Any) -> Any:
            calls.append(None)
            if len(calls) == 3:  # two for each interval
                job.stop_file.touch()
            return real(*arguments, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(trainer, "evaluate", evaluate)
            assert train_run(job)["status"] == "stopped"
        job.stop_file.unlink()

    name = "run stopped in an evaluation"
    return dataclasses.replace(whole, name=name, make=make, replaced=2)


def recovery_scenario() -> Scenario:
    """A run that goes back once, as its third step is not finite."""
    config = _config(divergence_retries=1)

    def start(root: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            not_finite_at(patch, 3, above=0.5)
            _train(_jobs(root, config))

    return Scenario(
        "run that goes back",
        lambda root: void(make_study(root, config)),
        start,
        lambda root: _jobs(root, config),
    )


def diverged_scenario() -> Scenario:
    """A run that ends at its third step, which is not finite: its last row has no checkpoint."""
    config = _config()

    def start(root: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            not_finite_at(patch, 3, above=0.0)
            (job,) = _jobs(root, config)
            assert train_run(job)["status"] == DIVERGED
            check_ended_telemetry(job)

    return Scenario(
        "run that diverges",
        lambda root: void(make_study(root, config)),
        start,
        lambda root: _jobs(root, config),
    )


def study_scenario() -> Scenario:
    """Two runs and the study's rows, as the command carries them out."""
    config = _config((3, 5), budget_tokens=8 * 2, intervals=2)

    def start(root: Path) -> None:
        jobs = _jobs(root, config)
        run_study(jobs, InlineExecutor())
        collect_intervals(jobs, root / "study")

    return Scenario(
        "study", lambda root: void(make_study(root, config)), start, lambda r: _jobs(r, config)
    )


def prepare_scenario() -> Scenario:
    """Tokenizer, token files and study.json, in a folder below one that is not there."""

    def start(root: Path) -> None:
        texts = Texts(files=(root / "text.txt",))
        config = _config(model={"vocab_size": 270})
        config = dataclasses.replace(config, corpus=texts.describe(config.corpus))
        prepare_study(config, texts, root / "new" / "study", say=lambda line: None)

    return Scenario("prepare a study", lambda root: void(write_text(root / "text.txt", 30)), start)


def tokens_scenario() -> Scenario:
    """A token file in shards, in the place of another."""
    tokenizer = Tokenizer.train(STORIES, vocab_size=270)

    def make(root: Path) -> None:
        write_token_file(root / "train.bin", STORIES[:3], tokenizer)

    def start(root: Path) -> None:
        write_token_file(root / "train.bin", STORIES, tokenizer, shard_characters=500)

    return Scenario("token file", make, start)


def scenarios() -> list[Scenario]:
    """All of them."""
    return [
        run_scenario("last"),
        run_scenario("all"),
        run_scenario("best"),
        resumed_scenario(),
        stopped_scenario(),
        recovery_scenario(),
        diverged_scenario(),
        study_scenario(),
        prepare_scenario(),
        tokens_scenario(),
    ]


def void(_: object) -> None:
    """Nothing, of a function that returns something."""


# ------------------------------------------------------------------------------------ the judgement


class Sweep:
    """One scenario, disturbed at one operation or two.

    Parameters
    ----------
    scenario : Scenario
    folder : Path
        Where the scenario is carried out.
    """

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        self.scenario = scenario
        self._beginning, self._root = folder / "beginning", folder / "root"
        self._beginning.mkdir(parents=True)
        with installed(FailingDisk()):
            scenario.make(self._beginning)
        self._begin()
        self.operations = _recorded(scenario, self._root)
        self.expected = _files(self._root)

    def places(self, kind: Kind) -> list[int]:
        """The numbers of the operations at which this kind is a failure of its own."""
        found = [n for n, operation in enumerate(self.operations, 1) if operation.can_fail(kind)]
        after_the_end = [len(self.operations) + 1] if kind.cuts_power else []
        return found + after_the_end

    def fail(self, *failures: tuple[Kind, int]) -> None:
        """Let each start fail, one after the other; the next must make it good.

        Raises
        ------
        Difference
            If it does not.
        """
        self._begin()
        where = ""
        disk = FailingDisk()
        flushed = self._steps()  # of the newest checkpoints that are surely on the disk
        for number, (kind, fail_at) in enumerate(failures):
            disk.start(fail_at, kind)
            where += f"{'; then ' if number else ''}{kind.value} at operation {fail_at}"
            safe = flushed if kind.cuts_power else self._steps()
            ended = self._start(disk, where)
            if disk.failed:
                operation = disk.operations[fail_at - 1]
                where += f", {operation.name} {operation.path}"
            elif number == 0 and fail_at <= len(self.operations):
                raise self._difference(where, "the operation was never asked for")
            if disk.failed and kind.ends_process and ended:
                raise self._difference(where, "the end of the process was not the end of the work")
            self._judge(disk, kind, safe, where)
            if kind is Kind.FULL and disk.failed:  # started again before there is space
                self._start(disk, where)
                self._judge(disk, kind, safe, where)
            flushed = self._steps() if kind.cuts_power else self._flushed(disk, flushed)
        for after in ("", "; then power cut at the end"):
            disk.start(0, Kind.UNDONE)
            if not self._start(disk, where + after):
                raise self._difference(where + after, "the next start failed")
            self._compare(where + after)
            if not after:
                self._judge(disk, Kind.UNDONE, flushed, where + "; then power cut at the end")

    def _steps(self) -> list[int]:
        """The steps of the newest whole checkpoints, by run."""
        return [_newest(job)[0] for job in self.scenario.jobs(self._root)]

    def _flushed(self, disk: FailingDisk, before: Sequence[int]) -> list[int]:
        """Likewise of those that no power cut takes away."""
        jobs = self.scenario.jobs(self._root)
        return [
            max(step, *_finished_checkpoints(disk, job, cuts_power=True))
            for job, step in zip(jobs, before, strict=True)
        ]

    def _start(self, disk: FailingDisk, where: str) -> bool:
        """Whether the work came to its end."""
        try:
            with installed(disk):
                return _until_failure(self.scenario, self._root)
        except Exception as error:  # no failure of the disk
            raise self._difference(where, f"{type(error).__name__}: {error}") from error

    def _begin(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        shutil.copytree(self._beginning, self._root)

    def _judge(self, disk: FailingDisk, kind: Kind, safe: list[int], where: str) -> None:
        """Compare what a failure left: checkpoints and the rows up to them."""
        if kind.cuts_power:  # at the failure, or after all is done
            disk.cut_power(self._root)
        for job, before in zip(self.scenario.jobs(self._root), safe, strict=True):
            step, intervals = _newest(job)
            finished = max(before, *_finished_checkpoints(disk, job, kind.cuts_power))
            between = finished == self.scenario.replaced and step >= 0
            if step < finished and not between:
                problem = f"the checkpoint at step {finished} was there, step {step} is left"
                raise self._difference(where, problem)
            for name in GROWING:
                path = job.folder / name
                whole = self.expected[str(path.relative_to(self._root))] or b""
                found = path.read_bytes() if path.exists() else b""
                if step >= 0 and not found.startswith(_up_to(step, intervals, name, whole)):
                    problem = f"{name} does not agree with the checkpoint at step {step}"
                    raise self._difference(where, problem)

    def _compare(self, where: str) -> None:
        found = _files(self._root)
        more = found.keys() - self.expected.keys()
        less = {n for n in self.expected.keys() - found.keys() if not n.endswith(NOT_PROMISED)}
        different = {
            name for name in found.keys() & self.expected.keys()
            if found[name] != self.expected[name]
        }  # fmt: skip
        if different or more or less:
            problem = f"differ: {sorted(different)}, too many: {sorted(more)}, gone: {sorted(less)}"
            raise self._difference(where, problem)

    def _difference(self, where: str, problem: str) -> Difference:
        total = len(self.operations)
        return Difference(f"{self.scenario.name}: {where} (of {total}): {problem}")


def _recorded(scenario: Scenario, root: Path) -> list[Operation]:
    """The operations of the undisturbed work, which is carried out."""
    disk = FailingDisk()
    with installed(disk):
        scenario.start(root)
    return disk.operations


def _until_failure(scenario: Scenario, root: Path) -> bool:
    """Start the work; returns whether it came to its end."""
    try:
        scenario.start(root)
    except (CrashError, OSError):
        return False
    return True


def _newest(job: RunJob) -> tuple[int, int]:
    """Step and number of measured intervals of the newest whole checkpoint; -1 if there is none."""
    whole = whole_checkpoints(job.folder / "checkpoints")
    return next(((c.state["step"], c.state["interval"]) for _, c in whole), (-1, 0))


def _finished_checkpoints(disk: FailingDisk, job: RunJob, cuts_power: bool) -> Iterator[int]:
    """-1 and the steps of the checkpoints that got their name, and after which the work went on.

    Without a power cut the name is enough.
    """
    yield -1
    for number, operation in enumerate(disk.operations, 1):
        path = operation.path
        if operation.name == "rename" and path.parent == job.folder / "checkpoints":
            later = disk.operations[number:]
            went_on = any(operation.name != "flush" for operation in later)
            if disk.fail_at == number + 1 and later and later[0].name == "flush":
                went_on = False  # the name was not flushed
            done = went_on or (not cuts_power and number < len(disk.operations))
            if path.name.startswith("step-") and done and number != disk.fail_at:
                yield int(path.name.removeprefix("step-"))


def _up_to(step: int, intervals: int, name: str, content: bytes) -> bytes:
    """The lines of a run's file that belong to a checkpoint at this position."""
    lines = content.decode("utf-8").splitlines(keepends=True)
    if name == "samples.jsonl":
        return "".join(row for row in lines if json.loads(row)["interval"] < intervals).encode()
    header, *rows = lines
    key, last = ("step", step) if name == "steps.csv" else ("interval", intervals - 1)
    column = header.rstrip("\n").split(",").index(key)
    return "".join([header, *(r for r in rows if int(r.split(",")[column]) <= last)]).encode()


def _files(root: Path) -> Files:
    """All names below `root` with their content, but for who had a folder last."""
    return {
        name: None if name.endswith(OF_THE_MOMENT) else content
        for name, content in tree(root).items()
        if not name.endswith(".lock")
    }


# --------------------------------------------------------------------------------------- the script


def sweep_pairs(sweeps: Sequence[Sweep], pairs: int, seed: int) -> None:
    """`pairs` times two failures, one after the other, of scenarios, kinds and places drawn."""
    rng = random.Random(seed)
    for _ in range(pairs):
        sweep = rng.choice(sweeps)
        kinds = rng.choices(list(Kind), k=2)
        sweep.fail(*((kind, rng.choice(sweep.places(kind))) for kind in kinds))


def main() -> int:
    """Run the script; returns its exit code."""
    parser = argparse.ArgumentParser(description="Let every operation on the disk fail in turn.")
    parser.add_argument("--pairs", type=int, default=200, help="pairs of failures (200)")
    parser.add_argument("--seed", type=int, default=0, help="seed that draws the pairs (0)")
    names = [scenario.name for scenario in scenarios()]
    parser.add_argument("--scenario", action="append", choices=names, help="only these (all)")
    arguments = parser.parse_args()
    print(f"{'scenario':28} {'failure':26} {'operations':>10} {'failures':>8}  same bytes")
    with tempfile.TemporaryDirectory() as folder:
        sweeps = [
            Sweep(scenario, Path(folder) / str(number))
            for number, scenario in enumerate(scenarios())
            if arguments.scenario is None or scenario.name in arguments.scenario
        ]
        try:
            total = 0
            for sweep in sweeps:
                for kind in Kind:
                    places = sweep.places(kind)
                    for fail_at in places:
                        sweep.fail((kind, fail_at))
                    total += len(places)
                    print(
                        f"{sweep.scenario.name:28} {kind.value:26} {len(sweep.operations):10} "
                        f"{len(places):8}  all",
                        flush=True,
                    )
            sweep_pairs(sweeps, arguments.pairs, arguments.seed)
        except Difference as difference:
            print(f"error: {difference}", file=sys.stderr)
            return 1
    print(f"{total} single failures and {arguments.pairs} pairs: all made good")
    return 0


if __name__ == "__main__":
    sys.exit(main())
