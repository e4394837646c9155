"""What `bench` measures: that its figures fit together, not how fast this machine is."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyllama_np.backend import NUMPY, get_backend
from tinyllama_np.bench import (
    SHAPES,
    BenchRequest,
    Repeats,
    Spread,
    bench_shape,
    compare_products,
    describe_machine,
    estimate_study,
    measure_all,
    measure_attention,
    measure_roof,
    measure_step,
    measure_validation,
    peer_problem,
    profile_step,
    roof_share,
    study_seconds,
)
from tinyllama_np.bench.products import geometric_mean, product_shapes
from tinyllama_np.bench.report import PAPER
from tinyllama_np.bench.step import OTHER, PARTS, REST, part_flops, parts_of_step, timed_backend
from tinyllama_np.bench.timing import time_alternating
from tinyllama_np.cli import main
from tinyllama_np.commands.bench import TEXTS
from tinyllama_np.config import ConfigError
from tinyllama_np.parameters import parameter_count
from tinyllama_np.presets import PRESETS, preset

ROOT = Path(__file__).parents[1]
SMOKE = preset("smoke")
FEW = Repeats(least=3, most=3, seconds=0.0)
TINY = BenchRequest(
    "smoke",
    SMOKE.model,
    SMOKE.train,
    threads=1,
    jobs=1,
    pytorch=False,
    roof_size=96,
    attention_times=(8, 40),
)


@pytest.fixture(scope="module")
def report():
    return measure_all(TINY)


# ------------------------------------------------------------------------------------ how often


def test_repeats_end_at_the_count_or_with_the_time():
    calls = []
    (often,) = time_alternating(Repeats(2, 5, 60.0), lambda: calls.append(0))
    assert (len(often.values), len(calls)) == (5, 6)  # the first call is not counted
    (seldom,) = time_alternating(Repeats(2, 5, 0.0), lambda: None)
    assert len(seldom.values) == 2


def test_alternating_takes_turns():
    calls = []
    time_alternating(Repeats(2, 2, 0.0), lambda: calls.append("a"), lambda: calls.append("b"))
    assert calls == ["a", "b"] * 3


def test_spread():
    seconds = Spread((4.0, 1.0, 2.0))
    assert (seconds.median, seconds.range) == (2.0, (1.0, 4.0))
    assert seconds.rate(8).values == (2.0, 8.0, 4.0)
    assert (Spread((1.0,)) + Spread((3.0,))).median == 2.0


# ---------------------------------------------------------------------------------- measurements


def test_roof_is_positive():
    rates = measure_roof(1, size=64, repeats=FEW)
    assert len(rates.values) == 3
    assert min(rates.values) > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_speeds_are_positive(threads):
    for measure in (measure_step, measure_validation):
        rates = measure(SMOKE.model, SMOKE.train, threads, FEW)
        assert len(rates.values) == 3
        assert all(0 < rate < math.inf for rate in rates.values)


def test_the_roof_share_is_rate_times_work_over_roof(report):
    assert roof_share(5000.0, 27_000_000, 270.0) == 0.5
    flops = SMOKE.model.training_flops_per_token(SMOKE.train.sequence_length)
    assert report["roof_share"] == pytest.approx(
        report["train_tokens_per_second"] * flops / (report["roof_gflops"] * 1e9)
    )


def test_parts_add_up_to_the_step():
    parts = profile_step(SMOKE.model, SMOKE.train, FEW)
    assert [part.name for part in parts] == [*PARTS, REST]
    total = sum(part.milliseconds for part in parts)
    for part in parts:
        assert part.share == pytest.approx(part.milliseconds / total)
        assert part.milliseconds > 0
    rates = {part.name: part.gflops for part in parts if part.gflops is not None}
    assert set(rates) == set(part_flops(SMOKE.model, SMOKE.train))
    assert min(rates.values()) > 0


def test_every_entry_of_the_table_has_a_part():
    named = [entry for entries in PARTS.values() for entry in entries]
    entries = [f.name for f in dataclasses.fields(NUMPY) if callable(getattr(NUMPY, f.name))]
    assert sorted(named) == sorted(entries)


def test_an_entry_without_a_part_is_shown_as_other():
    parts = parts_of_step(2.0, {"linear": 0.5, "something_new": 0.25}, {"products, forward": 1e9})
    by_name = {part.name: part for part in parts}
    assert by_name["products, forward"].gflops == 2.0
    assert (by_name[OTHER].milliseconds, by_name[OTHER].share) == (250.0, 0.125)
    assert by_name[REST].milliseconds == 1250.0


def test_a_timed_table_returns_what_the_table_returns():
    spent = {"sum_of_squares": 0.0}
    backend = get_backend("numba")
    timed = timed_backend(backend, spent)
    x = np.arange(1000, dtype=np.float32)
    assert timed.sum_of_squares(x) == backend.sum_of_squares(x)
    assert spent["sum_of_squares"] > 0
    assert timed.name == backend.name


@pytest.mark.parametrize("name", PRESETS)
def test_the_work_of_the_parts_is_the_work_of_a_step(name):
    study = preset(name)
    t = study.train
    expected = t.tokens_per_step * study.model.training_flops_per_token(t.sequence_length)
    assert sum(part_flops(study.model, t).values()) == expected


def test_products_agree_with_float64():
    products = compare_products([(24, 40), (70, 24)], 33, FEW)
    assert [product.weight for product in products] == [(24, 40)] * 3 + [(70, 24)] * 3
    for product in products:
        assert 0 < product.relative_error < 1e-5
        assert product.ratio == product.gflops / product.blas_gflops > 0
    assert len({product.operation for product in products}) == 3


def test_shapes_of_the_products():
    assert product_shapes(preset("paper").model) == [
        (256, 256),
        (704, 256),
        (256, 704),
        (4096, 256),
    ]
    assert product_shapes(SMOKE.model)[:2] == [(32, 32), (16, 32)]  # grouped keys and values


def test_geometric_mean():
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert geometric_mean([8.0]) == pytest.approx(8.0)


def test_attention_alone():
    for kv_heads in (None, 2):
        passes = measure_attention(20, heads=4, head_size=8, kv_heads=kv_heads, repeats=FEW)
        assert all(min(seconds.values) > 0 for seconds in passes)


def test_machine():
    machine = describe_machine()
    assert machine["processor"].strip()
    assert machine["cores"] >= 1
    assert machine["kernels"]["vector_floats"] in (4, 8, 16)
    assert len(machine["kernels"]["tile"]) == 2
    assert json.loads(json.dumps(machine)) == machine


# ------------------------------------------------------------------------------------- estimates


@pytest.mark.parametrize(
    ("runs", "jobs", "threads", "cores", "expected"),
    [
        (6, 1, 1, 1, 600.0),
        (6, 2, 1, 2, 300.0),
        (6, 4, 1, 4, 200.0),  # 4, then 2
        (6, 6, 1, 4, 150.0),  # six runs share four cores
        (6, 4, 1, 2, 300.0),  # 4 on two cores: 200, then 2: 100
        (1, 8, 4, 8, 100.0),
        (2, 2, 4, 4, 200.0),
    ],
)
def test_runs_go_in_rounds(runs, jobs, threads, cores, expected):
    assert study_seconds(100.0, runs, jobs, threads, cores) == expected


def test_the_time_of_the_paper_preset():
    estimate = estimate_study(
        preset("paper"),
        train_speed=1000.0,
        validation_speed=4096.0,
        jobs=2,
        threads=1,
        cores=2,
    )
    assert (estimate.runs, estimate.at_once) == (6, 2)
    assert estimate.tokens_per_run == 20_000_768
    assert estimate.measured_per_run == 2 * 21 * 65_536
    assert estimate.seconds == 3 * (20_000.768 + 2 * 21 * 16)


def test_measuring_takes_whole_windows():
    study = dataclasses.replace(SMOKE, train=dataclasses.replace(SMOKE.train, valid_tokens=1050))
    estimate = estimate_study(
        study, train_speed=1.0, validation_speed=1.0, jobs=1, threads=1, cores=1
    )
    assert estimate.measured_per_run == 2 * 6 * 1024


@pytest.mark.parametrize(
    ("name", "parameters", "batch"),
    [
        ("paper", 4_262_144, 16),
        ("1M", 1_066_112, 16),
        ("15M", 15_191_712, 16),
        ("42M", 41_689_600, 4),
        ("110M", 109_529_856, 4),
    ],
)
def test_shapes_by_name(name, parameters, batch):
    model, train = bench_shape(name)
    assert parameter_count(model) == parameters
    assert (train.batch_size, train.tokens_per_step) == (batch, 4096)


def test_the_paper_shape_is_that_of_the_preset():
    model, train = bench_shape(PAPER)
    study = preset("paper")
    assert model == study.model
    assert dataclasses.replace(train, train_tokens=study.train.train_tokens) == study.train


def test_an_unknown_shape():
    with pytest.raises(ConfigError, match="'7B' must be one of paper, 1M, 15M, 42M, 110M"):
        bench_shape("7B")
    assert list(SHAPES) == ["paper", "1M", "15M", "42M", "110M"]


# ------------------------------------------------------------------------------------ the command


def test_the_report_is_plain_and_complete(report):
    assert json.loads(json.dumps(report)) == report
    numbers = (
        "train_tokens_per_second",
        "validation_tokens_per_second",
        "roof_gflops",
        "roof_gflops_one_thread",
        "roof_share",
    )
    for name in numbers:
        assert isinstance(report[name], float), name
        assert report[name] > 0, name
    low, high = report["train_tokens_per_second_range"]
    assert low <= report["train_tokens_per_second"] <= high
    assert {"processor", "cores", "kernels", "python", "numpy", "numba"} <= set(report["machine"])
    assert set(report["parts"][0]) == {"name", "milliseconds", "share", "gflops"}
    assert set(report["products"][0]) == {
        "weight",
        "operation",
        "gflops",
        "blas_gflops",
        "relative_error",
        "ratio",
    }
    assert len(report["products"]) == 3 * len(product_shapes(SMOKE.model))
    assert [row["time"] for row in report["attention"]] == [8, 40]
    assert report["presets"] is None
    assert report["pytorch"] is None


def test_sections_are_shown_as_they_are_complete(monkeypatch):
    monkeypatch.setattr("tinyllama_np.bench.report.compare_products", lambda *_: few_products())
    shown = []
    measure_all(TINY, lambda section, report: shown.append((section, TEXTS[section](report))))
    assert [section for section, _ in shown] == list(TEXTS)
    text = "\n".join(text for _, text in shown)
    for part in PARTS:
        assert part in text
    assert "of the roof" in text
    assert "not measured: left out on request" in text
    assert max(map(len, text.splitlines())) <= 120


def few_products():
    return compare_products([(8, 8)], 8, FEW)


def test_threads_beyond_the_lanes_are_left_idle():
    many = dataclasses.replace(TINY, threads=64)
    assert many.working_threads == SMOKE.train.gradient_lanes


def test_idle_threads_are_mentioned(report):
    assert "gradient_lanes" not in TEXTS["machine"](report)
    assert "threads     1 of 3: a run has" in TEXTS["machine"]({**report, "threads_idle": 2})


def test_presets_and_pytorch_as_text(report):
    study = preset("paper")
    estimate = estimate_study(
        study, train_speed=6000.0, validation_speed=18_000.0, jobs=2, threads=1, cores=2
    )
    peer = {
        "version": "2.13.0",
        "threads": 2,
        "train_tokens_per_second": 3000.0,
        "train_tokens_per_second_range": [2900.0, 3100.0],
        "train_ratio": 2.0,
        "validation_tokens_per_second": 9000.0,
        "validation_ratio": 1.95,
    }
    filled = {**report, "presets": {"paper": estimate.to_dict()}, "pytorch": peer}
    line = TEXTS["presets"](filled).splitlines()[-1]
    assert " ".join(line.split()) == "paper: 6 seeds x 20.0 M tokens, 2 at a time: 2.9 h"
    assert "2.00 times as fast" in TEXTS["pytorch"](filled)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--threads", "0"], "--threads 0 must be at least 1"),
        (["--threads", "-2"], "--threads -2"),
        (["--jobs", "0"], "--jobs 0 must be at least 1"),
        (["--model", "7B"], "--model '7B' must be one of paper"),
    ],
)
def test_what_is_refused(capsys, arguments, expected):
    assert main(["bench", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert expected in captured.err


def test_json_is_one_object_and_nothing_else(capsys, monkeypatch, report):
    asked = []
    monkeypatch.setattr(
        "tinyllama_np.commands.bench.measure_all", lambda request: asked.append(request) or report
    )
    arguments = ["--json", "--no-torch", "--threads", "3", "--jobs", "2", "--model", "1M"]
    assert main(["bench", *arguments]) == 0
    assert json.loads(capsys.readouterr().out) == report
    (request,) = asked
    assert (request.name, request.threads, request.jobs) == ("1M", 3, 2)
    assert not request.pytorch


@pytest.mark.slow
def test_the_whole_command():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tinyllama_np", "bench", "--json", "--threads", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    report = json.loads(done.stdout)
    assert set(report["presets"]) == {"smoke", "quick", "paper"}
    assert all(product["relative_error"] < 1e-5 for product in report["products"])
    assert (report["pytorch"] is None) == (peer_problem() is not None)


# ------------------------------------------------------------------------- beside PyTorch's example


def compare_pytorch(*arguments, **settings):
    command = [sys.executable, str(ROOT / "examples" / "compare_pytorch.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, **settings)


def test_without_pytorch_the_comparison_says_how_to_install_it():
    code = (
        "import sys, importlib.util as u\n"
        "u.find_spec = lambda name, find=u.find_spec: None if name == 'torch' else find(name)\n"
        f"sys.path.insert(0, {str(ROOT / 'examples')!r})\n"
        "from compare_pytorch import main\n"
        "sys.exit(main(['--threads', '1']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("error: PyTorch is not installed; python -m pip install torch")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(peer_problem() is not None, reason=f"{peer_problem()}")
def test_both_sides_compute_the_same_thing():
    shape = ["--vocab-size", "300", "--hidden-size", "32", "--intermediate-size", "48"]
    shape += ["--layers", "2", "--kv-heads", "2", "--batch", "3", "--time", "24"]
    done = compare_pytorch("--side", "check", "--threads", "1", *shape, check=True)
    found = json.loads(done.stdout)
    assert set(found) == {"train", "validation", "compiled", "attention_256", "attention_1024"}
    for name, difference in found.items():
        assert float(difference.split()[0]) < 1e-5, name
