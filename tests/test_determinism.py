"""The same bytes for any number of threads and jobs, order of seeds, hash seed, locale, time zone,
current folder, umask and thread variables: whole studies in real processes, compared file by file.

A variation changes many of these at once: where all files are equal, none of them had a part.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from tiny_study import make_study, run_bytes, stories, tiny_config, tree

from tinyllama_np import lanes, trainer
from tinyllama_np.study import run_jobs
from tinyllama_np.train import train_run

ROOT = Path(__file__).parents[1]

# What docs/telemetry.md says may differ between equal runs, and the lock, which names a process.
MAY_DIFFER = ("timing.csv", "cpu_time.csv", "cpu_time.md", ".lock")

# Real main(), real workers; without the analysis, which takes longer than the training.
TRAINING = """
import os, stats, sys, types
from tinyllama_np.cli import main
if __name__ == "__main__":
    if {one_processor} and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])  # the workers inherit it
    stats.analyse = lambda out: types.SimpleNamespace(text=lambda: "the verdict")
    sys.exit(main())
"""

# More weights than one chunk of the flat buffer (lanes.CHUNK), and a batch that the lanes cannot
# share evenly.
SHAPE = (
    "--preset=smoke",
    "--hidden-size=64",
    "--intermediate-size=176",
    "--batch-size=6",
    "--sequence-length=20",
    "--budget-tokens=840",
    "--train-tokens=1500",
    "--valid-tokens=160",
    "--intervals=3",
    "--sample-tokens=5",
    "--sample-temperature=1",
    "--keep=all",
)
TABLES = ["--condition=baseline", "--condition=blas:matmul=blas", "--condition=np:backend=numpy"]


@dataclass(frozen=True)
class Variation:
    """What a study's numbers may not depend on."""

    arguments: tuple[str, ...]
    variables: dict[str, str] = field(default_factory=dict)
    umask: int = 0o022
    one_processor: bool = False


def in_process(folder, arguments, variables, umask):
    """Python with some arguments, in `folder`, and nothing of what this process was told."""
    ours = ("LC_", "LANG", "TZ", "PYTHON", "OMP_", "OPENBLAS_", "NUMBA_NUM")
    inherited = {name: v for name, v in os.environ.items() if not name.startswith(ours)}
    given = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error", **variables}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=inherited | given,
        umask=umask,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", errors="replace")


def bound(folder):
    """All files of a study but those that may differ."""
    found = tree(folder)
    return {name: data for name, data in found.items() if Path(name).name not in MAY_DIFFER}


def carry_out(folder, arguments, variation, program):
    """A study in a process of its own; returns what may not differ."""
    words = [*program, "study", "--out=out", *arguments, *variation.arguments]
    in_process(folder, words, variation.variables, variation.umask)
    return bound(folder / "out")


def assert_same_bytes(found, expected):
    assert sorted(found) == sorted(expected)
    assert [name for name in expected if found[name] != expected[name]] == []


@pytest.fixture(scope="module")
def another_locale(tmp_path_factory):
    """Variables of a locale with its own letters, decimal comma and encoding, as far as there is.

    Turkish, whose lower case of I is not i, is made where it is not installed.
    """
    if shutil.which("localedef"):
        folder = tmp_path_factory.mktemp("locales")
        command = ["localedef", "-i", "tr_TR", "-f", "ISO-8859-9", str(folder / "tr_TR")]
        if subprocess.run(command, capture_output=True).returncode == 0:
            return {"LC_ALL": "tr_TR", "LOCPATH": str(folder)}
    return {"LC_ALL": "POSIX"}


# ------------------------------------------------------------------------------------- training

PLAIN = Variation(("--seeds=0,1", "--jobs=2", "--threads=1"))
IN_ASCII = Variation(
    ("--seeds=1,0", "--jobs=1", "--threads=2"),
    {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONHASHSEED": "0",
        "TZ": "Pacific/Kiritimati",
        "OMP_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
    },
    umask=0o077,
    one_processor=True,
)
IN_ANOTHER_LANGUAGE = Variation(
    ("--seeds=1,0", "--jobs=6", "--threads=4"),
    {
        "PYTHONUTF8": "0",
        "PYTHONHASHSEED": "1",
        "TZ": "America/St_Johns",
        "OPENBLAS_NUM_THREADS": "3",
        "OMP_NUM_THREADS": "2",
    },
    umask=0o002,
)
AGAIN = Variation(
    ("--seeds=0,1", "--jobs=2", "--threads=4"),
    {"PYTHONUTF8": "1", "PYTHONHASHSEED": "random", "TZ": "UTC", "OPENBLAS_NUM_THREADS": "1"},
)


def trained(folder, variation, named_as="relative folder"):
    """Two seeds with each table of operations, on five files with letters beyond ASCII."""
    told = stories(260)
    names = [f"{number}.txt" for number in ("one", "two", "three", "four", "five")]
    (folder / "texts").mkdir()
    for number, name in enumerate(names):
        text = "\n<|endoftext|>\n".join(told[number::5])
        (folder / "texts" / name).write_text(text, encoding="utf-8", newline="\n")
    corpus = {
        "relative folder": ["texts"],
        "absolute folder": [str(folder / "texts")],
        "files": [f"texts/{name}" for name in sorted(names)],  # a folder's own order may be any
    }[named_as]
    arguments = [*SHAPE, *TABLES, "--corpus", *corpus]
    program = ("-c", TRAINING.format(one_processor=variation.one_processor))
    return carry_out(folder, arguments, variation, program)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("plain"), PLAIN)


@pytest.mark.slow
def test_what_is_compared_is_all_that_a_study_writes(plain):
    names = {Path(name).name for name in plain}
    assert {"study.json", "tokenizer.json", "train.bin", "train.json", "valid.bin"} <= names
    assert {"steps.csv", "intervals.csv", "samples.jsonl", "outcome.json"} <= names
    weights = [name for name in plain if name.endswith("model.safetensors")]
    assert len(weights) == 3 * 2 * 3  # conditions, seeds, intervals
    assert len({plain[name] for name in weights}) > 3 * 2  # not all the same thing
    text = plain[str(Path("runs/np/seed-1/samples.jsonl"))]
    assert text.count(b"\n") >= 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ascii", "another language", "again"])
def test_a_study_trains_to_the_same_bytes(plain, tmp_path, another_locale, name):
    variation = {"ascii": IN_ASCII, "another language": IN_ANOTHER_LANGUAGE, "again": AGAIN}[name]
    if name == "another language":
        variables = {**variation.variables, **another_locale}
        variation = dataclasses.replace(variation, variables=variables)
    named_as = "files" if name == "again" else "absolute folder"
    assert_same_bytes(trained(tmp_path, variation, named_as), plain)


# --------------------------------------------------------------------------------- the analysis

HOSTILE_STYLE = """
axes.facecolor: red
axes.formatter.use_locale: True
font.family: serif
savefig.dpi: 50
"""


@pytest.mark.slow
def test_a_study_is_analysed_to_the_same_bytes(tmp_path, another_locale):
    """By the command in its own process, and again by `python -m stats` elsewhere."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    arguments = [*SHAPE, "--stories=120"]
    one = carry_out(
        tmp_path / "a", arguments, Variation(("--seeds=0,1", "--jobs=2")), ("-m", "tinyllama_np")
    )
    names = {Path(name).parts[0] for name in one}
    made = {"telemetry.csv", "tables", "figures", "report.html", "report.md"}
    assert made <= names
    shutil.copytree(tmp_path / "a" / "out", tmp_path / "b" / "other name")
    for name in made:
        path = tmp_path / "b" / "other name" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (tmp_path / "b" / "matplotlibrc").write_text(HOSTILE_STYLE, encoding="utf-8")
    in_process(
        tmp_path / "b",
        ["-m", "stats", "other name"],
        {
            "PYTHONHASHSEED": "7",
            "PYTHONUTF8": "0",
            "TZ": "Pacific/Kiritimati",
            "MPLBACKEND": "svg",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "60",
            **another_locale,
        },
        umask=0o077,
    )
    assert_same_bytes(bound(tmp_path / "b" / "other name"), one)


# --------------------------------------------------------------- cheap parts, and planted faults


SHORT = {
    "budget_tokens": 3 * 32,
    "intervals": 2,
    "sample_temperature": 1.0,  # so that the generator of random numbers is used
}


def runs_of(folder, order):
    """Files of two tiny runs that one process carries out in some order."""
    config = tiny_config(seeds=(0, 1), **SHORT)
    jobs = run_jobs(config, make_study(folder, config))
    for number in order:
        assert train_run(jobs[number])["status"] == "finished"
    return [run_bytes(job) for job in jobs]


def test_a_run_does_not_know_which_ran_before_it(tmp_path):
    assert runs_of(tmp_path / "a", (0, 1)) == runs_of(tmp_path / "b", (1, 0))


def test_a_generator_that_runs_share_is_seen(tmp_path, monkeypatch):
    shared = np.random.default_rng(0)
    real = trainer.generate
    monkeypatch.setattr(trainer, "generate", lambda *a, rng, **k: real(*a, rng=shared, **k))
    assert runs_of(tmp_path / "a", (0, 1)) != runs_of(tmp_path / "b", (1, 0))


def test_a_sum_cut_by_the_number_of_threads_is_seen(tmp_path, monkeypatch):
    def by_threads(self, size, function):
        pieces = [slice(i * size // 7, (i + 1) * size // 7) for i in range(7)]
        return self._spread(function, pieces if self.threads > 1 else [slice(0, size)])

    def finished(name, threads):
        # One sum may be rounded to the same by chance: many are made.
        config = tiny_config(**SHORT | {"budget_tokens": 40 * 32})
        job = run_jobs(config, make_study(tmp_path / name, config), threads=threads)[0]
        train_run(job)
        return run_bytes(job)

    expected = finished("one", 1)
    assert finished("two", 2) == expected
    monkeypatch.setattr(lanes.Lanes, "map_chunks", by_threads)
    assert finished("cut", 2) != expected


PLANTED = """
import sys
from pathlib import Path
from tiny_study import make_study
from tinyllama_np import prepare
real = prepare.iter_stories
prepare.iter_stories = lambda *a: iter({kind}(real(*a)))
make_study(Path(sys.argv[1]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["list", "set"])
def test_an_order_that_hangs_on_hashes_is_seen(tmp_path, kind):
    made = []
    for seed in ("1", "2"):
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        subprocess.run(
            [sys.executable, "-c", PLANTED.format(kind=kind), str(tmp_path / seed)],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            check=True,
        )
        made.append(tree(tmp_path / seed))
    assert (made[0] == made[1]) is (kind == "list")
