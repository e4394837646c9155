"""What binds a run's bytes: what is seen of it, how differences are told, and the run's record."""

from __future__ import annotations

import copy
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyllama_np import environment, environment_record
from tinyllama_np.environment import current_environment, differences
from tinyllama_np.environment_record import (
    EnvironmentMismatch,
    begin_or_continue,
    check_environment,
    read_environments,
)
from tinyllama_np.kernels.cache import host_cpu

ROOT = Path(__file__).parents[1]

HERE = {
    "tinyllama-np": "0.1.0",
    "code": "aa",
    "kernel_code": "bb",
    "python": "3.11.7",
    "numpy": "2.4.6",
    "numba": "0.68.1",
    "kernel_target": {"cpu": "znver4", "vector_floats": 16, "tile": [14, 32]},
    "cpu_features": ["+avx", "+avx2", "+avx512f", "+fma"],
    "numpy_simd": ["X86_V2", "X86_V3"],
    "variables": {},
    "safetensors": "0.8.0",
    "regex": "2026.11.19",
}


def there(**changes):
    return {**copy.deepcopy(HERE), **{name.replace("_np", "-np"): v for name, v in changes.items()}}


# ------------------------------------------------------------------------------- what is seen


def test_an_environment_is_plain_json_and_the_same_at_every_call():
    found = current_environment()
    assert json.loads(json.dumps(found)) == found
    found["numpy"] = "of the caller"
    assert current_environment()["numpy"] == np.__version__
    assert set(current_environment()) == set(environment._MEANING)


def test_nothing_of_host_user_and_paths_is_in_it():
    text = json.dumps(current_environment())
    secrets = [
        platform.node(),
        str(Path.home()),
        os.getcwd(),
        str(ROOT),
        sys.prefix,
        sys.executable,
    ]
    assert not [secret for secret in secrets if len(secret) > 2 and secret in text]


def test_a_run_of_the_numpy_backend_is_not_bound_by_compiler_and_kernels():
    compiler = {"numba", "llvmlite", "kernel_code", "kernel_target", "cpu_features"}
    without = set(current_environment()) - set(current_environment("numpy"))
    assert without == {*compiler, "compiler_settings"}


def test_the_code_is_that_of_all_files_but_those_without_influence(tmp_path, monkeypatch):
    for name in ("tinyllama_np/model.py", "tinyllama_np/corpus/batches.py", "tokenizer/bpe.py",
                 "tinyllama_np/cli.py", "tinyllama_np/bench/step.py"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "tinyllama_np" / "environment.py"))

    def changes(name):
        before = environment._code_hash()
        (tmp_path / name).write_text("two")
        return environment._code_hash() != before

    assert changes("tinyllama_np/model.py")
    assert changes("tinyllama_np/corpus/batches.py")
    assert changes("tokenizer/bpe.py")
    assert not changes("tinyllama_np/cli.py")
    assert not changes("tinyllama_np/bench/step.py")


def test_what_is_said_to_have_no_influence_is_imported_by_nothing_that_has():
    """A file that gains influence must leave the list."""
    package = ROOT / "tinyllama_np"
    parts = [name.removesuffix(".py") for name in environment._WITHOUT_INFLUENCE]
    for path in package.rglob("*.py"):
        if path.relative_to(package).parts[0] in (*environment._WITHOUT_INFLUENCE, "__init__.py"):
            continue
        text = path.read_text(encoding="utf-8")
        assert not [part for part in parts if f"tinyllama_np.{part} import" in text], path


def test_of_the_variables_those_that_change_numbers():
    found = environment._variables(
        {
            "MKL_CBWR": "AVX2",
            "OMP_NUM_THREADS": "3",
            "HOME": "/root",
            "GLIBC_TUNABLES": "glibc.malloc.check=1:glibc.cpu.hwcaps=-FMA",
        }
    )
    assert found == {"MKL_CBWR": "AVX2", "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-FMA"}
    assert environment._variables({"GLIBC_TUNABLES": "glibc.malloc.check=1"}) == {}


def test_a_blas_that_is_not_recognised_is_known_by_what_numpy_was_built_with(monkeypatch):
    monkeypatch.setattr(environment, "threadpool_info", lambda: [])
    blas = environment._environment.__wrapped__("numpy")["blas"]
    assert blas["library"] == np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]
    assert environment.numpy_blas() is None


def test_of_two_blas_libraries_numpys_counts(monkeypatch):
    site = Path(np.__file__).parents[1]
    libraries = [
        {"user_api": "openmp", "filepath": "/lib/libgomp.so", "internal_api": "openmp"},
        {"user_api": "blas", "filepath": f"{site}/scipy.libs/libopenblas.so",
         "internal_api": "openblas", "version": "1", "architecture": "Zen"},
        {"user_api": "blas", "filepath": f"{site}/numpy.libs/libopenblas.so",
         "internal_api": "openblas", "version": "2", "architecture": "SkylakeX"},
    ]  # fmt: skip
    monkeypatch.setattr(environment, "threadpool_info", lambda: libraries)
    expected = {"library": "openblas", "version": "2", "kernel": "SkylakeX"}
    assert environment.numpy_blas() == expected


# -------------------------------------------------------------------------- other environments

PRINT = """
import json
from tinyllama_np.environment import current_environment
print(json.dumps(current_environment({backend!r})))
"""


def in_a_process(backend="numba", **variables):
    """What another process finds, with some environment variables set."""
    done = subprocess.run(
        [sys.executable, "-c", PRINT.format(backend=backend)],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "ignore", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def names(found):
    return [difference.name for difference in found]


@pytest.mark.slow
def test_another_process_finds_the_same_with_other_threads_hash_seed_and_locale():
    other = in_a_process(
        OMP_NUM_THREADS="1",
        NUMBA_NUM_THREADS="1",
        OPENBLAS_NUM_THREADS="1",
        PYTHONHASHSEED="5",
        LC_ALL="C",
        TZ="Pacific/Kiritimati",
    )
    assert json.dumps(other) == json.dumps(current_environment())  # the same bytes


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"NUMBA_CPU_NAME": "generic"}, "kernel_target"),
        ({"NUMBA_CPU_FEATURES": ""}, "cpu_features"),
        ({"NUMBA_OPT": "1"}, "compiler_settings"),
    ],
    ids=lambda value: str(value),
)
def test_kernels_for_another_processor_are_seen(tmp_path, variables, expected):
    other = in_a_process(**variables, NUMBA_CACHE_DIR=str(tmp_path))
    found = differences(current_environment(), other)
    assert expected in names(found)
    assert all(difference.binds for difference in found)
    assert set(names(found)) <= {"kernel_target", "cpu_features", "compiler_settings"}


@pytest.mark.slow
@pytest.mark.skipif("+avx2" not in host_cpu()[1], reason="needs instructions to do without")
def test_other_instructions_of_numpy_and_its_blas_are_seen():
    simd = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    blas = environment.numpy_blas()
    other = in_a_process(
        "numpy", NPY_DISABLE_CPU_FEATURES=" ".join(simd), OPENBLAS_CORETYPE="Nehalem"
    )
    expected = ["numpy_simd"] if simd else []
    if blas and blas["library"] == "openblas" and blas["kernel"] not in (None, "Nehalem"):
        expected.append("blas")
    assert names(differences(current_environment("numpy"), other)) == expected


# ---------------------------------------------------------------------------------- differences


def test_equal_environments_do_not_differ():
    assert differences(HERE, there()) == []


@pytest.mark.parametrize(
    ("changes", "expected", "binds"),
    [
        ({"numpy": "2.5.0"}, "numpy: 2.4.6 before, 2.5.0 now (first weights, batches", True),
        ({"python": "3.12.0"}, "python: 3.11.7 before, 3.12.0 now (sums and powers", True),
        ({"python": "3.11.9"}, "python: 3.11.7 before, 3.11.9 now (no known effect", False),
        ({"regex": "2027.1"}, "regex: 2026.11.19 before, 2027.1 now (only a new", False),
        ({"safetensors": "1"}, "safetensors: 0.8.0 before, 1 now (a checkpoint may", False),
        ({"code": "cc"}, "code: aa before, cc now (the code was edited", True),
        (
            {"cpu_features": ["+avx", "+avx2", "+fma"]},
            "cpu_features: +avx512f before, none of these now (the kernels' sums",
            True,
        ),
        (
            {"cpu_features": [f"+f{n}" for n in range(9)]},
            "+f0, +f1, +f2, +f3, +f4, +f5 and 3 more now",
            True,
        ),
        (
            {"kernel_target": {"cpu": "haswell", "vector_floats": 8, "tile": [14, 32]}},
            "cpu znver4, vector_floats 16 before, cpu haswell, vector_floats 8 now",
            True,
        ),
        ({"variables": {"MKL_CBWR": "AVX2"}}, "MKL_CBWR nothing before, MKL_CBWR AVX2 now", True),
        ({"quantum": "yes"}, "quantum: nothing before, yes now (this version does not", True),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_difference_says_what_may_come_of_it(changes, expected, binds):
    (found,) = differences(HERE, there(**changes))
    assert expected in str(found)
    assert found.binds is binds


def test_another_version_has_other_code_which_is_told_once():
    found = differences(HERE, there(tinyllama_np="0.2.0", code="cc", kernel_code="dd"))
    assert names(found) == ["tinyllama-np"]


# ------------------------------------------------------------------------------------ the record

OTHER = there(numpy="2.5.0")
THIRD = there(numba="0.70.0")


@pytest.fixture
def run(tmp_path):
    return tmp_path / "runs" / "baseline" / "seed-3"


def record(run):
    return [(entry.from_step, entry.environment) for entry in read_environments(run)]


def bytes_of(run):
    return (run / "environment.json").read_bytes()


def test_a_run_begins_its_record_and_begins_it_again(run):
    assert read_environments(run) == []
    assert begin_or_continue(run, -1, HERE, accept=False) == ""
    assert record(run) == [(0, HERE)]
    first = bytes_of(run)
    assert first.endswith(b"\n")
    assert json.loads(first) == [{"from_step": 0, "environment": HERE}]
    assert begin_or_continue(run, -1, there(), accept=False) == ""
    assert bytes_of(run) == first
    begin_or_continue(run, -1, OTHER, accept=False)  # nothing of the old one is left
    assert record(run) == [(0, OTHER)]


def test_a_run_goes_on_without_a_word_and_without_a_write(run, monkeypatch):
    begin_or_continue(run, -1, HERE, accept=False)

    def forbidden(*_):
        raise AssertionError("wrote")

    monkeypatch.setattr(environment_record, "write_text_atomic", forbidden)
    assert begin_or_continue(run, 0, there(), accept=False) == ""
    assert begin_or_continue(run, 40, there(), accept=False) == ""
    assert begin_or_continue(run, 40, there(), accept=True) == ""


def test_a_differing_environment_is_refused_in_one_line_and_nothing_is_written(run):
    begin_or_continue(run, -1, HERE, accept=False)
    before = bytes_of(run)
    for call in (begin_or_continue, check_environment):
        with pytest.raises(EnvironmentMismatch) as caught:
            call(run, 40, {**OTHER, "regex": "2027.1"}, accept=False)
        message = str(caught.value)
        assert "\n" not in message
        for part in (
            "run baseline/seed-3 was computed in another environment up to step 40",
            "numpy: 2.4.6 before, 2.5.0 now",
            "drift apart",
            "--accept-environment",
        ):
            assert part in message
        assert "regex" not in message  # it is not why
    assert bytes_of(run) == before


def test_on_request_it_goes_on_and_the_record_says_from_where(run):
    begin_or_continue(run, -1, HERE, accept=False)
    said = begin_or_continue(run, 40, OTHER, accept=True)
    assert said.startswith("goes on from step 40 in another environment: numpy")
    assert record(run) == [(0, HERE), (40, OTHER)]
    assert begin_or_continue(run, 60, OTHER, accept=False) == ""  # it is at home there now
    with pytest.raises(EnvironmentMismatch, match=r"numpy: 2\.5\.0 before, 2\.4\.6 now"):
        begin_or_continue(run, 60, HERE, accept=False)
    begin_or_continue(run, 60, THIRD, accept=True)
    assert record(run) == [(0, HERE), (40, OTHER), (60, THIRD)]


def test_what_was_accepted_and_killed_before_its_first_checkpoint(run):
    begin_or_continue(run, -1, HERE, accept=False)
    untouched = bytes_of(run)
    begin_or_continue(run, 40, OTHER, accept=True)
    accepted = bytes_of(run)
    begin_or_continue(run, 40, OTHER, accept=False)  # need not be asked for twice
    assert bytes_of(run) == accepted
    with pytest.raises(EnvironmentMismatch):
        begin_or_continue(run, 40, THIRD, accept=False)
    assert begin_or_continue(run, 40, HERE, accept=False) == ""  # as if nothing had been
    assert bytes_of(run) == untouched


def test_the_first_checkpoint_counts_as_computed_where_the_run_began(run):
    begin_or_continue(run, -1, HERE, accept=False)
    with pytest.raises(EnvironmentMismatch):
        begin_or_continue(run, 0, OTHER, accept=False)
    begin_or_continue(run, 0, OTHER, accept=True)
    assert record(run) == [(0, HERE), (0, OTHER)]
    begin_or_continue(run, 0, OTHER, accept=False)
    assert record(run) == [(0, HERE), (0, OTHER)]
    assert begin_or_continue(run, 0, HERE, accept=False) == ""
    assert record(run) == [(0, HERE)]


def test_a_fall_back_to_an_older_checkpoint_drops_what_is_computed_anew(run):
    begin_or_continue(run, -1, HERE, accept=False)
    begin_or_continue(run, 40, OTHER, accept=True)
    begin_or_continue(run, 20, HERE, accept=False)  # the checkpoint at 40 was damaged
    assert record(run) == [(0, HERE)]


def test_what_does_not_bind_is_told_and_recorded_but_not_refused(run):
    newer = there(regex="2027.1")
    begin_or_continue(run, -1, HERE, accept=False)
    assert "regex: 2026.11.19 before" in begin_or_continue(run, 40, newer, accept=False)
    assert record(run) == [(0, HERE), (40, newer)]


def test_a_run_without_a_record_goes_on_only_on_request(run):
    """Whoever removes it would else have his run go on anywhere."""
    run.mkdir(parents=True)
    for call in (begin_or_continue, check_environment):
        with pytest.raises(EnvironmentMismatch, match=r"json is missing\..*--accept-environment"):
            call(run, 40, HERE, accept=False)
    assert list(run.iterdir()) == []
    assert check_environment(run, 40, HERE, accept=True) == []
    assert "before is not recorded" in begin_or_continue(run, 40, HERE, accept=True)
    assert record(run) == [(40, HERE)]
    assert begin_or_continue(run, 60, HERE, accept=False) == ""
    before = bytes_of(run)
    with pytest.raises(EnvironmentMismatch, match=r"up to step 20 is not recorded.*at step 40"):
        begin_or_continue(run, 20, HERE, accept=False)
    assert bytes_of(run) == before
    assert "before is not recorded" in begin_or_continue(run, 20, HERE, accept=True)
    assert record(run) == [(20, HERE)]


DAMAGED = [
    b"",
    b"[]",
    b"{}",
    b"7",
    b"[[1, 2]]",
    b'[{"from_step": 0}]',
    b'[{"from_step": "0", "environment": {}}]',
    b'[{"from_step": true, "environment": {}}]',
    b'[{"from_step": 0, "environment": "linux"}]',
    b'[{"from_step": 5, "environment": {}}, {"from_step": 0, "environment": {}}]',
    b"\xff\xfe",
    b"[" * 100_000,
    b" " * (4 << 20) + b"[]",
]


@pytest.mark.parametrize("content", DAMAGED, ids=lambda content: repr(content[:40]))
def test_a_damaged_record_is_refused_and_begun_anew_on_request(run, content):
    run.mkdir(parents=True)
    (run / "environment.json").write_bytes(content)
    for call in (begin_or_continue, check_environment):
        with pytest.raises(EnvironmentMismatch, match=r"is damaged.*--accept-environment"):
            call(run, 40, HERE, accept=False)
    assert bytes_of(run) == content
    assert check_environment(run, 40, HERE, accept=True) == []
    assert "not recorded" in begin_or_continue(run, 40, HERE, accept=True)
    assert record(run) == [(40, HERE)]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_record_that_is_a_pipe_is_not_waited_for(run):
    run.mkdir(parents=True)
    os.mkfifo(run / "environment.json")
    with pytest.raises(EnvironmentMismatch, match=r"is damaged \(it is no regular file\)"):
        begin_or_continue(run, 40, HERE, accept=False)
    begin_or_continue(run, 40, HERE, accept=True)
    assert record(run) == [(40, HERE)]


def test_what_a_record_says_reaches_the_terminal_in_one_plain_line(run):
    odd = "a\x1b[31m\nb"
    values = [odd, [odd], {odd: odd}, 10**99, "x" * 10_000]
    for value in values:
        was = there(numpy=value, blas={odd: value, "kernel": [value]}, **{odd: value})
        begin_or_continue(run, -1, was, accept=False)
        with pytest.raises(EnvironmentMismatch) as caught:
            begin_or_continue(run, 40, HERE, accept=False)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 3000
    begin_or_continue(run, -1, there(**{f"name{n}": n for n in range(1000)}), accept=False)
    with pytest.raises(EnvironmentMismatch, match=r"; and 980 more\. Its losses"):
        begin_or_continue(run, 40, HERE, accept=False)


def test_every_file_said_to_have_no_influence_is_there():
    """Else one of that name could come later, and count for nothing unseen."""
    package = Path(environment.__file__).parent
    assert [name for name in environment._WITHOUT_INFLUENCE if not (package / name).exists()] == []


def test_values_of_other_kinds_are_differences_and_no_error(run):
    odd = {name: [{"x": [1]}] for name in HERE}
    begin_or_continue(run, -1, odd, accept=False)
    with pytest.raises(EnvironmentMismatch, match="numpy"):
        begin_or_continue(run, 40, HERE, accept=False)
    other_order = there(cpu_features=HERE["cpu_features"][::-1])
    assert "none of these" not in str(differences(HERE, other_order)[0])


# ------------------------------------------------------------------------- what it is there for

TRAIN = """
import hashlib, json, sys
from pathlib import Path
from tiny_study import finished_run, run_bytes
from tinyllama_np.environment import current_environment

run = finished_run(Path(sys.argv[1]), budget_tokens=3 * 32, intervals=2)
files = {name: hashlib.sha256(data).hexdigest() for name, data in run_bytes(run).items()}
print(json.dumps([current_environment("numpy"), files]))
"""


def tiny_run(folder, **variables):
    """Environment and hashes of a tiny run of the numpy backend in a process of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(folder)],
        env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif("+avx2" not in host_cpu()[1], reason="needs instructions to do without")
def test_a_run_has_other_numbers_where_the_environment_is_another(tmp_path):
    """And the same ones where it is the same: what binds is neither too little nor made up."""
    simd = " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    here, files = tiny_run(tmp_path / "here")
    same, same_files = tiny_run(tmp_path / "same", OPENBLAS_NUM_THREADS="1")
    other, other_files = tiny_run(
        tmp_path / "other", NPY_DISABLE_CPU_FEATURES=simd, OPENBLAS_CORETYPE="Nehalem"
    )
    assert differences(here, same) == []
    assert same_files == files
    if not differences(here, other):
        pytest.skip("this NumPy has neither instructions nor a BLAS that can be chosen")
    assert other_files["steps.csv"] != files["steps.csv"]
