"""Damaged and hostile files: refused in one line by what reads them, or read rightly.

`examples/fuzz_files.py` does the same at length, with limits of time and memory.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from fuzz_targets import BY_NAME, LAST, RUN, TARGETS, cases_of, give, make_workspace, run_case
from mutated_files import FORMATS, mutated

from tinyllama_np.storage import sha256_file

pytestmark = pytest.mark.slow
CASES = 1200
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("fuzz"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_a_damaged_file_is_refused_in_one_line_or_read(root: Path, target) -> None:
    assert give(root, target, (root / target.file).read_bytes()) == ""  # as it was, it is read
    for number in range(cases_of(CASES)[target.name]):
        run_case(root, target, 0, number)
    assert give(root, target, (root / target.file).read_bytes()) == ""  # and nothing is left of it


@pytest.mark.parametrize("kind", [*FORMATS, "bytes"])
def test_the_same_seed_does_the_same_damage(root: Path, kind: str) -> None:
    data = next((root / t.file).read_bytes() for t in TARGETS if t.kind == kind)
    damaged = [mutated(data, kind, random.Random(seed)) for seed in range(40)]
    assert damaged == [mutated(data, kind, random.Random(seed)) for seed in range(40)]
    assert sum(one != data for one in damaged) > 30
    assert len(set(damaged)) > 25


def changed(root: Path, target: str, **values: object) -> bytes:
    """The target's JSON with some of its values changed, in Python's own spelling of JSON."""
    content = json.loads((root / BY_NAME[target].file).read_bytes())
    return json.dumps({**content, **values}).encode()


# What was found in the readers as they were: what they raised, or what they did.
FOUND = {
    "nested config: RecursionError": ("config.json, model", f'{{"vocab_size": {DEEP}}}', "nested"),
    "nested manifest: RecursionError": ("manifest.json", DEEP, "nested"),
    "nested study.json: RecursionError": ("study.json, study", f'{{"config": {DEEP}}}', "nested"),
    "nested study.json of stats: RecursionError": ("study.json, stats", DEEP, "nested"),
    "nested outcome of stats: RecursionError": ("outcome.json, stats", DEEP, "nested"),
    "nested sample: RecursionError": ("samples.jsonl", DEEP, "line 1 is nested"),
    "infinite seed: OverflowError": (
        "study.json, stats",
        '{"config": {"seeds": [Infinity], "conditions": ["a"]}}',
        "must be whole numbers",
    ),
    "damaged optimizer state: SafetensorError": ("optimizer.safetensors", "\xff" * 99, "header"),
    "long text in a number's column: a line as long": (
        "intervals.csv",
        "condition,seed,interval,step,tokens_seen,val_loss\nb,0,0,0,0," + "x" * 5000,
        "is not a number",
    ),
    "many columns: minutes": ("intervals.csv", ",".join(map(str, range(300_000))), "lacks"),
    "many double columns: minutes": (
        "steps.csv",
        "step," + ",".join(map(str, range(200_000))) + ",step",
        "more than one column step",
    ),
    "unprintable condition: a line of messages that is none": (
        "intervals.csv",
        "condition,seed,interval,step,tokens_seen,val_loss\n\x02,0,0,0,0,5\n",
        "cannot be printed",
    ),
    "long cell before a wrong one: another module's error": (
        "timing.csv",
        "step,wall_s\n1,2\n" + "0" * 140_000 + ",1\n-1.5,1\n",
        "not a readable CSV file",
    ),
    "infinite step: RuntimeWarning": ("timing.csv", "step,wall_s\ninf,1\n", "line 2: step"),
    "long token: a line as long": ("ranks.tiktoken", "QUFB" * 5000 + " 300", "are no token"),
}
CELLS = "condition,seed,interval,step,tokens_seen,val_loss\n"


@pytest.mark.parametrize(("target", "content", "message"), FOUND.values(), ids=FOUND)
def test_what_was_found_is_refused(root: Path, target: str, content: str, message: str) -> None:
    assert message in give(root, BY_NAME[target], content.encode("latin-1"))


@pytest.mark.parametrize("name", ["../../x", "/etc", "a/../../b"])
def test_a_condition_does_not_lead_out_of_the_run_folder(root: Path, name: str) -> None:
    rows = "".join(f"{name},{seed},0,0,0,5\n{name},{seed},1,1,9,4\n" for seed in (0, 1))
    message = give(root, BY_NAME["intervals.csv"], (CELLS + rows).encode())
    assert "names a folder outside" in message


def test_a_condition_that_no_folder_can_have_has_none(root: Path) -> None:
    rows = "".join(f"{'é' * 200},{seed},0,0,0,5\n" for seed in (0, 1))
    assert give(root, BY_NAME["intervals.csv"], (CELLS + rows).encode()) == ""


@pytest.mark.parametrize("target", ["config.json, model", "config.json, sealed"])
@pytest.mark.parametrize(
    "values",
    [
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 10**99},
        {"vocab_size": 1 << 24, "hidden_size": 1 << 40},
        {"intermediate_size": 10**15},
    ],
)
def test_an_absurd_model_is_refused_at_once(root: Path, target: str, values: dict) -> None:
    assert give(root, BY_NAME[target], changed(root, target, **values))


@pytest.mark.parametrize("name", ["../checkpoint/config.json", "/etc/passwd", "", "C:x", "a\\b"])
def test_a_manifest_names_files_of_its_folder_only(root: Path, name: str) -> None:
    message = give(root, BY_NAME["manifest.json"], changed(root, "manifest.json", **{name: "0"}))
    assert "no plain file name" in message


def test_a_linked_weight_file_is_refused(root: Path) -> None:
    path = root / "checkpoint" / "model.safetensors"
    outside = root / "outside.safetensors"
    path.rename(outside)
    try:
        path.symlink_to(outside)
    except OSError:
        outside.rename(path)
        pytest.skip("links need a permission here")
    try:
        target = BY_NAME["manifest.json"]
        assert "link that leads out" in give(root, target, changed(root, "manifest.json"))
    finally:
        path.unlink()
        outside.rename(path)


@pytest.mark.parametrize(
    "values",
    [
        {"step": None},
        {"step": -1},
        {"step": 11.0},
        {"step": 10**30},
        {"interval": True},
        {"interval": 2},
        {"train": 5},
        {"recoveries": [1]},
        {"recoveries": {}},
        {"telemetry": []},
        {"telemetry": {"../steps.csv": {"size": 1, "sha256": "0" * 64}}},
    ],
    ids=str,
)
def test_a_state_that_no_run_writes_is_not_gone_on_from(root: Path, values: dict) -> None:
    target = "training_state.json, resume"
    assert give(root, BY_NAME[target], changed(root, target, **values))


def test_a_last_column_without_a_name_is_read(root: Path) -> None:
    target = BY_NAME["timing.csv"]
    assert give(root, target, b"step,wall_s,threads,\n0,1,1,x\n3,1,1,x\n") == ""


def test_half_a_character_in_a_sample_is_replaced(root: Path) -> None:
    assert give(root, BY_NAME["samples.jsonl"], b'{"interval": 0, "text": "\\ud800"}\n') == ""


@pytest.mark.parametrize("content", [DEEP, "[]", "{}", '{"status": "finished"}', "\xff", "5"])
def test_a_damaged_outcome_is_refused(root: Path, content: str) -> None:
    message = give(root, BY_NAME["outcome.json, study"], content.encode("latin-1"))
    assert "nothing that can be used" in message


@pytest.mark.parametrize(
    "row", ["12,a,b,c,d,e,f", "1" * 5000 + ",,,,,,", "12,1\r2,1,1,1,1,0", "12", '"' + "x" * 200_000]
)
def test_rows_that_no_run_writes_are_not_gone_on_from(root: Path, row: str) -> None:
    """Whoever can seal a checkpoint can also seal what it says of the telemetry."""
    path, state_path = root / "resume" / RUN / "steps.csv", root / LAST / "training_state.json"
    original, state = path.read_bytes(), json.loads(state_path.read_bytes())
    header, *rows = original.decode().splitlines(keepends=True)
    path.write_text(header + "".join(rows[:11]) + row + "\n", encoding="utf-8", newline="")
    mark = {"size": path.stat().st_size, "sha256": sha256_file(path)}
    state["telemetry"]["steps.csv"] = mark
    target = BY_NAME["training_state.json, resume"]
    try:
        give(root, target, json.dumps(state).encode())
    finally:
        path.write_bytes(original)
