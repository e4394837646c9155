"""A failure at any operation on the disk, in any way, is made good by the next start.

`python tests/fail_at_every_operation.py` tries every operation; here it is a share of them, and a
few planted bugs that this must find.
"""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest
from fail_at_every_operation import (
    Difference,
    Sweep,
    run_scenario,
    scenarios,
    sweep_pairs,
)
from failing_disk import Kind

from tinyllama_np import checkpoint, storage, telemetry, train

PACKAGE = Path(__file__).parents[1] / "tinyllama_np"

# ----------------------------------------------------------------------------- the seam is complete

# Calls that change the disk beside the seam, and why they may: none is part of a study's files.
BESIDE_THE_SEAM = {
    "kernels/cache.py": "machine code, made again when it is missing or damaged",
    "backend.py": "the mark that the kernels are compiled, beside that machine code",
}
OF_OS = {
    "replace", "rename", "renames", "unlink", "remove", "mkdir", "makedirs", "rmdir", "removedirs",
    "truncate", "ftruncate", "write", "open", "fdopen", "link", "symlink",
}  # fmt: skip
OF_PATHS = {
    "mkdir", "write_text", "write_bytes", "unlink", "touch", "rename", "rmdir", "symlink_to",
    "hardlink_to", "tofile", "truncate", "save_file", "savez", "to_csv", "to_json",
}  # fmt: skip
HARMLESS = {"shutil.disk_usage", "shutil.get_terminal_size", "tokenizer.to_json"}


def changes(source: str) -> list[str]:
    """The calls in a module that change the disk, by line."""
    return [
        f"{node.lineno}: {ast.unparse(node.func)}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and _changes(node)
    ]


def _changes(call: ast.Call) -> bool:
    called = ast.unparse(call.func)
    module, _, name = called.rpartition(".")
    if called in HARMLESS:
        return False
    if name == "open" and module not in ("os", "opener"):  # the function, or the method of a path
        place = 1 if module in ("", "io") else 0
        given = [k.value for k in call.keywords if k.arg == "mode"] or call.args[place : place + 1]
        mode = given[0] if given else ast.Constant("r")
        return not isinstance(mode, ast.Constant) or bool(set(str(mode.value)) & set("wax+"))
    if module == "os":
        return name in OF_OS
    if module in ("shutil", "tempfile"):
        return True
    path_replace = name == "replace" and len(call.args) == 1 and not call.keywords
    return name in OF_PATHS or (path_replace and module not in ("dataclasses", ""))


def test_no_module_writes_beside_the_seam():
    found = {
        path.relative_to(PACKAGE).as_posix(): calls
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name != "storage.py" and (calls := changes(path.read_text(encoding="utf-8")))
    }
    assert found.keys() == BESIDE_THE_SEAM.keys(), found


@pytest.mark.parametrize(
    "line",
    [
        'open(path, "w")', 'open(path, mode="ab")', "open(path, mode)", 'path.open("r+b")',
        "os.replace(a, b)", "path.replace(other)", "path.mkdir()", "shutil.rmtree(path)",
        "tempfile.mkdtemp()", "array.tofile(path)",
    ],
)  # fmt: skip
def test_a_call_beside_the_seam_is_seen(line):
    assert changes(line)


@pytest.mark.parametrize(
    "line",
    [
        "open(path)", 'open(path, "rb")', 'text.replace("a", "b")', "replace(config)",
        "dataclasses.replace(config)", "dataclasses.replace(config, seed=1)", "path.open()",
    ],
)  # fmt: skip
def test_reading_is_allowed(line):
    assert changes(line) == []


# ------------------------------------------------------------------------- a share of the failures

# One in so many operations; the run's are the dearest, 30 ms each.
STRIDE = 23
STRIDES = {
    ("run, keep last", Kind.DEATH): 3,
    ("run that goes on", Kind.DEATH): 3,
    ("run that goes on", Kind.LOST): 5,
    ("study", Kind.ERROR): 29,
    ("study", Kind.LOST): 29,
}
CHEAP = {"prepare a study": 7, "token file": 4}
NEEDS_FOLDER_FLUSH = (Kind.UNDONE,)  # Windows has none


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory) -> dict[str, Sweep]:
    return {
        scenario.name: Sweep(scenario, tmp_path_factory.mktemp("sweep") / "x")
        for scenario in scenarios()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", [scenario.name for scenario in scenarios()])
def test_a_failure_is_made_good(sweeps, name):
    sweep = sweeps[name]
    for offset, kind in enumerate(Kind):
        if os.name == "nt" and kind in NEEDS_FOLDER_FLUSH:
            continue
        stride = STRIDES.get((name, kind), CHEAP.get(name, STRIDE))
        places = sweep.places(kind)
        for fail_at in sorted({*places[offset % stride :: stride], places[-1]}):
            sweep.fail((kind, fail_at))


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="folders are not flushed there")
def test_two_failures_one_after_the_other_are_made_good(sweeps):
    sweep_pairs(list(sweeps.values()), pairs=30, seed=0)


# ------------------------------------------------------------------------------------ planted bugs


def nothing(*_: object) -> None:
    """Take away what an operation is there for."""


def write_in_place(path: Path, text: str) -> None:
    storage.append_text(path, text)


def make_folder_without_flush(folder: Path) -> None:
    for place in (*reversed(folder.parents), folder):
        if not place.is_dir():
            storage.disk.make_folder(place)


def remove_leftovers_without_flush(folder: Path) -> None:
    for entry in folder.glob(".*.partial"):
        storage.remove_tree(entry) if entry.is_dir() else storage.remove_file(entry)


def rename_before_flush(temporary: Path, final: Path) -> None:
    storage.move_folder(temporary, final)
    for file in sorted(final.iterdir()):
        storage.flush_file(file)


# What is replaced by what; how which operation then fails; what is said of it.
ROWS, FIRST_STEP = "intervals.csv does not agree with the checkpoint", ("open", "steps.csv")
PLANTED = {
    "rows are not flushed": (
        telemetry, "flush_file", nothing, Kind.LOST, FIRST_STEP, ROWS,
    ),
    "rows are not flushed, zeros are left": (
        telemetry, "flush_file", nothing, Kind.ZEROS, FIRST_STEP, ROWS,
    ),
    "names are not flushed": (
        storage, "flush_folder", nothing, Kind.UNDONE, FIRST_STEP, "step 0 was there, step -1",
    ),
    "names of new folders are not flushed": (
        train, "keep_folder", make_folder_without_flush, Kind.UNDONE, FIRST_STEP,
        "step 0 was there, step -1",
    ),
    "what a killed process renamed is never flushed": (
        train, "remove_leftovers", remove_leftovers_without_flush, Kind.DEATH,
        ("flush", "checkpoints"), "then power cut at the end.*too many: .*step-000002",
    ),
    "a checkpoint gets its name too early": (
        checkpoint, "publish_folder", rename_before_flush, Kind.LOST,
        ("flush", "step-000000/config.json"), "the next start failed",
    ),
    "leftovers stay": (
        train, "remove_leftovers", nothing, Kind.HALF, ("remove_tree", ".partial"), "too many: ",
    ),
    "rows after the checkpoint stay": (
        telemetry, "cut_file", nothing, Kind.HALF, ("write", "steps.csv"), "differ: .*steps.csv",
    ),
    "the outcome is written in place": (
        train, "write_text_atomic", write_in_place, Kind.HALF, ("write", "outcome.json"),
        "TelemetryError: outcome.json",
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="folders are not flushed there")
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(tmp_path, monkeypatch, bug):
    module, name, wrong, kind, (operation, file), message = PLANTED[bug]
    monkeypatch.setattr(module, name, wrong)
    sweep = Sweep(run_scenario("last"), tmp_path / "sweep")
    places = [
        number
        for number, found in enumerate(sweep.operations, 1)
        if found.name == operation and found.path.as_posix().endswith(file)
    ]
    fail_at = places[-1] if "never flushed" in bug else places[0]
    with pytest.raises(Difference, match=message):
        sweep.fail((kind, fail_at))


def keep_folder_that_is_made(folder: Path) -> None:
    """Flush the names of new folders alone."""
    for place in (*reversed(folder.parents), folder):
        if not place.is_dir():
            storage.disk.make_folder(place)
            storage.flush_folder(place.parent)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="folders are not flushed there")
def test_a_folder_that_is_found_and_never_flushed_is_seen(monkeypatch, tmp_path):
    for module in (storage, train):
        monkeypatch.setattr(module, "keep_folder", keep_folder_that_is_made)
    sweep = Sweep(run_scenario("last"), tmp_path / "sweep")
    at = next(n for n, o in enumerate(sweep.operations, 1) if o.path.name == "seed-0")
    with pytest.raises(Difference, match=r"power cut at the end.*step 4 was there, step -1"):
        sweep.fail((Kind.DEATH, at + 1))  # the flush of its name
