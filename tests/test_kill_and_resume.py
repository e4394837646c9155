"""A study killed again and again ends with the same bytes, and the script would see another."""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny_study import study_arguments, tiny_job, write_text

from tinyllama_np.study import collect_intervals

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "examples" / "kill_study.py"
STUDY = {
    "study.json": b"{}\n",
    "intervals.csv": b"condition,seed,interval,step\nbaseline,0,0,0\nbaseline,0,1,60\n",
    "telemetry.csv": b"interval\n0\n",
    "tables/summary.csv": b"interval\n0\n",
    "tables/cpu_time.csv": b"cpu_hours\n0.25\n",
    "figures/loss.png": bytes(range(256)),
    "report.md": b"one\ntwo\nthree\n",
    "runs/baseline/seed-0/steps.csv": b"step,train_loss\n1,2.5\n60,2.25\n",
    "runs/baseline/seed-0/intervals.csv": b"condition,seed,interval,step\nb,0,0,0\nb,0,1,60\n",
    "runs/baseline/seed-0/timing.csv": b"step,wall_s\n0,0.5\n",
    "runs/baseline/seed-0/outcome.json": b'{"status": "finished"}\n',
    "runs/baseline/seed-0/checkpoints/step-000060/model.safetensors": bytes(64),
}
RUN = "runs/baseline/seed-0"
WALL_CLOCK = ("tables/cpu_time.csv", f"{RUN}/timing.csv")


@pytest.fixture(scope="module")
def script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPT.parent)
        yield importlib.import_module("kill_study")


@pytest.fixture(scope="module")
def seen(script):
    """The module that names phases."""
    return importlib.import_module("study_phases")


def make(folder, changes=None):
    """A finished study's files, some of them changed; None leaves one out."""
    for name, content in {**STUDY, **(changes or {})}.items():
        path = folder / name
        if content is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return folder


# ------------------------------------------------------------------------------- the comparison


def test_equal_studies_differ_in_nothing_but_wall_clock_times_and_locks(script, tmp_path):
    expected = script.files_of(make(tmp_path / "a"))
    changes = {**dict.fromkeys(WALL_CLOCK, b"other\n"), ".lock": b"process 1"}
    found = script.files_of(make(tmp_path / "b", changes))
    assert script.differences(expected, found) == []
    assert set(expected) == set(STUDY) - set(WALL_CLOCK)


@pytest.mark.parametrize("name", [name for name in STUDY if name not in WALL_CLOCK])
def test_a_changed_byte_is_found_in_every_file(script, tmp_path, name):
    expected = script.files_of(make(tmp_path / "a"))
    content = STUDY[name][:-1] + bytes([STUDY[name][-1] ^ 1])
    lines = script.differences(expected, script.files_of(make(tmp_path / "b", {name: content})))
    assert len(lines) == 1
    assert lines[0].startswith(f"{name}: byte {len(content) - 1} in line ")


def test_the_first_difference_is_told_by_byte_and_line(script):
    told = script.first_difference(b"one\ntwo\nthree\n", b"one\ntw0\nthree\n")
    assert told == "byte 6 in line 2, 14 bytes expected and 14 found: 'two' expected, 'tw0' found"
    told = script.first_difference(b"one\n", b"one\ntwo\n")
    assert told == "byte 4 in line 2, 4 bytes expected and 8 found: '' expected, 'two' found"


def test_a_missing_and_a_surplus_file_are_found(script, tmp_path):
    expected = script.files_of(make(tmp_path / "a"))
    changes = {"report.md": None, f"{RUN}/checkpoints/step-000031/model.safetensors": b""}
    assert script.differences(expected, script.files_of(make(tmp_path / "b", changes))) == [
        "report.md: missing",
        f"{RUN}/checkpoints/step-000031/model.safetensors: not in the undisturbed study",
    ]


@pytest.mark.parametrize(
    "name",
    [
        f"study/{RUN}/.steps.csv.123.partial",
        f"study/{RUN}/checkpoints/.step-000060.partial/config.json",
        "study/tables/summary.csv.partial",
        ".study.partial/tokenizer.json",
        "study/.stop",
        "study/data/x.tmp",
    ],
)
def test_what_is_left_behind_is_found_also_beside_the_study(script, tmp_path, name):
    make(tmp_path / "study")
    assert script.leftovers(tmp_path) == []
    make(tmp_path, {name: b""})
    assert [line.split(":")[0] for line in script.leftovers(tmp_path)] == [
        name[: name.rfind("/")] if "partial/" in name else name
    ]


@contextlib.contextmanager
def copied(out, _):
    """Stands for the command: it ends at once, with the files of a finished study."""
    make(out)
    out.with_name("output.txt").write_text("")
    yield SimpleNamespace(wait=lambda: 0)


def killed_run(script, monkeypatch, tmp_path, changes, output=""):
    """The program with studies that are never trained, of which the killed one is changed."""

    def killed_study(killer, kills, out, options):
        make(out, changes)
        out.with_name("output.txt").write_text(output)
        killer.kills += [script.Kill(script.ALL, 0.5, script.ROW)] * kills

    monkeypatch.setattr(script, "started", copied)
    monkeypatch.setattr(script, "killed_study", killed_study)
    return script.main(["--kills", "3", "--out", str(tmp_path / "out")])


def test_equal_bytes_are_counted(script, monkeypatch, tmp_path, capsys):
    assert killed_run(script, monkeypatch, tmp_path, {}) == 0
    size = sum(len(content) for name, content in STUDY.items() if name not in WALL_CLOCK)
    printed = capsys.readouterr().out
    assert printed.endswith(f"identical: 10 files, {size} bytes, in 1 studies with 3 kills\n")
    assert f"\n{script.ROW:32}    3\n" in printed


@pytest.mark.parametrize(
    ("changes", "output", "told"),
    [
        ({"telemetry.csv": b"interval\n1\n"}, "", "killed-1/telemetry.csv: byte 9 in line 2"),
        ({".stop": b""}, "", "killed-1/study/.stop: left behind"),
        ({}, "Traceback (most recent call last):", "killed-1/output.txt: holds a traceback"),
    ],
)
def test_a_difference_ends_with_exit_code_1(
    script, monkeypatch, tmp_path, capsys, changes, output, told
):
    assert killed_run(script, monkeypatch, tmp_path, changes, output) == 1
    printed = capsys.readouterr().out
    assert told in printed
    assert "identical" not in printed


def test_wrong_usage_is_refused(script, tmp_path, capsys):
    make(tmp_path)
    for arguments, told in (
        (["--kills", "0"], "--kills 0 must be at least 1"),
        (["--out", str(tmp_path)], "is not empty; name a new folder"),
    ):
        with pytest.raises(SystemExit) as ended:
            script.main(arguments)
        assert ended.value.code == 2
        assert told in capsys.readouterr().err


# ------------------------------------------------------------------- the phase, seen from outside

BEGUN = dict.fromkeys(STUDY) | {
    "study.json": b"{}\n",
    f"{RUN}/steps.csv": b"step,train_loss\n1,2.5\n",
    f"{RUN}/intervals.csv": b"condition,seed,interval,step\nb,0,0,0\n",
    f"{RUN}/checkpoints/step-000000/model.safetensors": b"",
}
MEASURED = BEGUN | {f"{RUN}/steps.csv": STUDY[f"{RUN}/steps.csv"]}
WRITTEN = MEASURED | {f"{RUN}/intervals.csv": STUDY[f"{RUN}/intervals.csv"]}
TRAINED = WRITTEN | {
    f"{RUN}/outcome.json": STUDY[f"{RUN}/outcome.json"],
    f"{RUN}/checkpoints/step-000060/model.safetensors": b"",
}
PHASES = {
    "PREPARING": dict.fromkeys(STUDY) | {".study.partial/data/.valid.bin.partial/tokens": b""},
    "STARTING": dict.fromkeys(STUDY) | {"study.json": b"{}\n"},
    "OPENING": BEGUN | {f"{RUN}/.samples.jsonl.12.partial": b""},
    "TRAINING": BEGUN,
    "EVALUATING": MEASURED,
    "INTERVAL": WRITTEN,
    "CHECKPOINT": WRITTEN | {f"{RUN}/checkpoints/.step-000060.partial/config.json": b""},
    "REMOVING": WRITTEN | {f"{RUN}/checkpoints/.step-000000.12.partial/config.json": b""},
    "ENDING": TRAINED | {f"{RUN}/outcome.json": None},
    "COLLECTING": TRAINED,
    "ANALYSING": TRAINED | {"intervals.csv": b""},
    "TABLES": TRAINED | {"intervals.csv": b"", "telemetry.csv": b""},
    "FIGURES": {**STUDY, "figures/loss.png": None, "report.md": None},
    "REPORT": STUDY,
}


@pytest.mark.parametrize("name", PHASES)
def test_the_phase_is_read_from_the_folder(seen, tmp_path, name):
    undisturbed = make(tmp_path / "undisturbed")
    out = tmp_path / "killed" / "study"
    out.mkdir(parents=True)
    make(out, PHASES[name])
    watch = seen.Watch(out, undisturbed, since=0.0)
    assert watch.phases() == {getattr(seen, name)}


def test_a_row_is_seen_when_it_comes_and_files_of_an_earlier_start_are_not(seen, tmp_path):
    undisturbed = make(tmp_path / "undisturbed")
    out = make(tmp_path / "study", BEGUN)
    watch = seen.Watch(out, undisturbed, since=0.0)
    assert watch.phases() == {seen.TRAINING}
    make(out, BEGUN | {f"{RUN}/steps.csv": b"step,train_loss\n1,2.5\n2,2.4\n3,2"})
    assert watch.phases() == {seen.ROW}
    assert watch.phases() == {seen.TRAINING}
    newest = max(path.stat().st_mtime for path in out.rglob("*"))
    assert seen.Watch(out, undisturbed, since=newest).phases() == {seen.STARTING}


# ------------------------------------------------------------------------------- the real thing


def test_what_a_kill_left_beside_the_intervals_is_removed(tmp_path):
    job = tiny_job(tmp_path)
    left = tmp_path / ".intervals.csv.123.partial"
    left.write_text("condition,se")
    collect_intervals([job], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["intervals.csv"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_killed_study_ends_with_the_bytes_of_an_undisturbed_one(tmp_path):
    """This seed kills as it prepares, saves, adds a row (workers held), removes, and collects."""
    text = write_text(tmp_path / "text.txt")
    study = study_arguments(text, None, seeds="2", budget_tokens=32 * 150)[1:]
    command = [sys.executable, SCRIPT, "--kills=5", "--seed=177873", f"--out={tmp_path / 'out'}"]
    done = subprocess.run(
        [*map(str, command), *study],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " with 5 kills\n" in done.stdout
    compared = int(done.stdout.rsplit("identical: ", 1)[1].split()[0])
    assert compared > 60  # the tables alone are more than 40
    shutil.rmtree(tmp_path / "out")
