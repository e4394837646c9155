"""All measurements of the command `bench`, in the order in which they are taken."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinyllama_np.bench.estimates import PAPER, estimate_study, presets_to_measure
from tinyllama_np.bench.machine import ROOF_SIZE, describe_machine, measure_roof
from tinyllama_np.bench.peer import PeerError, peer_problem, run_peer
from tinyllama_np.bench.products import (
    compare_products,
    geometric_mean,
    measure_attention,
    product_shapes,
)
from tinyllama_np.bench.step import (
    PROFILE_REPEATS,
    STEP_REPEATS,
    VALIDATION_REPEATS,
    measure_step,
    measure_validation,
    profile_step,
)
from tinyllama_np.bench.timing import Repeats, Spread, roof_share
from tinyllama_np.config import ModelConfig, TrainConfig
from tinyllama_np.lanes import default_threads
from tinyllama_np.parameters import parameter_count
from tinyllama_np.presets import preset

BIG = 10_000_000  # parameters from which on steps are long, and fewer are timed
BIG_REPEATS = Repeats(least=2, most=3, seconds=20.0)
FEW_REPEATS = Repeats(least=2, most=5, seconds=3.0)
ONCE = Repeats(least=1, most=1, seconds=0.0)
SMALL_REPEATS = Repeats(least=5, most=200, seconds=0.4)
Report = dict[str, Any]


@dataclass(frozen=True)
class BenchRequest:
    """What to measure.

    `threads` beyond the training's `gradient_lanes` cannot work in one run and are left idle.
    """

    name: str
    model: ModelConfig
    train: TrainConfig
    threads: int
    jobs: int
    pytorch: bool = True
    roof_size: int = ROOF_SIZE
    attention_times: tuple[int, ...] = (256, 1024)

    @property
    def big(self) -> bool:
        """Whether a step takes seconds."""
        return parameter_count(self.model) >= BIG

    @property
    def working_threads(self) -> int:
        """Threads that a run can use."""
        return min(self.threads, self.train.gradient_lanes)


def measure_all(
    request: BenchRequest, show: Callable[[str, Report], None] = lambda section, report: None
) -> Report:
    """Carry out every measurement.

    Parameters
    ----------
    request : BenchRequest
    show : callable
        Called as show(section, report) as soon as a section is complete: "machine", "step",
        "parts", "products", "attention", "presets", "pytorch".

    Returns
    -------
    dict
        Plain values, ready for JSON; None where something was not measured.
    """
    report: Report = {}
    sections: dict[str, Callable[[BenchRequest, Report], Report]] = {
        "machine": _machine,
        "step": _step,
        "parts": _parts,
        "products": _products,
        "attention": _attention,
        "presets": _presets,
        "pytorch": _pytorch,
    }
    for name, measure in sections.items():
        report |= measure(request, report)
        show(name, report)
    return report


def _machine(request: BenchRequest, _: Report) -> Report:
    model, train = request.model, request.train
    return {
        "machine": describe_machine(),
        "model": {
            "name": request.name,
            "parameters": parameter_count(model),
            "batch_size": train.batch_size,
            "sequence_length": train.sequence_length,
            "flops_per_token": model.training_flops_per_token(train.sequence_length),
            **model.to_dict(),
        },
        "threads": request.working_threads,
        "threads_idle": request.threads - request.working_threads,
        "jobs": request.jobs,
    }


def _step(request: BenchRequest, _: Report) -> Report:
    """The step between two measurements of the roof, so that a drift of the machine shows."""
    model, train, threads = request.model, request.train, request.working_threads
    before = _roofs(request)
    step = measure_step(model, train, threads, BIG_REPEATS if request.big else STEP_REPEATS)
    with_blas = measure_step(
        model,
        dataclasses.replace(train, matmul="blas"),
        threads,
        ONCE if request.big else FEW_REPEATS,
    )
    validation = measure_validation(
        model, train, threads, BIG_REPEATS if request.big else VALIDATION_REPEATS
    )
    after = _roofs(request)
    roofs = {count: (before[count] + after[count]).median for count in before}
    flops = model.training_flops_per_token(train.sequence_length)
    return {
        "train_tokens_per_second": step.median,
        "train_tokens_per_second_range": list(step.range),
        "train_steps_timed": len(step.values),
        "train_tokens_per_second_with_blas": with_blas.median,
        "validation_tokens_per_second": validation.median,
        "validation_tokens_per_second_range": list(validation.range),
        "roof_gflops": roofs[threads],
        "roof_gflops_one_thread": roofs[1],
        "roof_gflops_before_and_after": [before[threads].median, after[threads].median],
        "roof_share": roof_share(step.median, flops, roofs[threads]),
    }


def _roofs(request: BenchRequest) -> dict[int, Spread]:
    counts = sorted({1, request.working_threads})
    return {count: measure_roof(count, request.roof_size) for count in counts}


def _parts(request: BenchRequest, _: Report) -> Report:
    repeats = ONCE if request.big else PROFILE_REPEATS
    parts = profile_step(request.model, request.train, repeats)
    return {"parts": [part.to_dict() for part in parts]}


def _products(request: BenchRequest, _: Report) -> Report:
    tokens = request.train.micro_batch_size * request.train.sequence_length
    products = compare_products(product_shapes(request.model), tokens)
    ratios = [product.ratio for product in products]
    return {
        "products": [product.to_dict() for product in products],
        "products_tokens": tokens,
        "products_ratio": {"geometric_mean": geometric_mean(ratios), "minimum": min(ratios)},
    }


def _attention(request: BenchRequest, _: Report) -> Report:
    model = request.model
    measured = []
    for time in request.attention_times:
        forward, backward = measure_attention(
            time, model.num_attention_heads, model.head_size, model.num_key_value_heads
        )
        measured.append(
            {
                "time": time,
                "heads": model.num_attention_heads,
                "head_size": model.head_size,
                "forward_milliseconds": 1e3 * forward.median,
                "backward_milliseconds": 1e3 * backward.median,
            }
        )
    return {"attention": measured}


def _presets(request: BenchRequest, report: Report) -> Report:
    """The model of `paper` is the one measured above; the small ones are measured here."""
    if request.name != PAPER:
        return {"presets": None}
    threads, jobs, cores = request.working_threads, request.jobs, default_threads()
    speeds = {}
    for name, study in presets_to_measure().items():
        step = measure_step(study.model, study.train, threads, SMALL_REPEATS)
        validation = measure_validation(study.model, study.train, threads, SMALL_REPEATS)
        speeds[name] = (step.median, validation.median)
    speeds[PAPER] = (report["train_tokens_per_second"], report["validation_tokens_per_second"])
    estimates = [
        estimate_study(
            preset(name),
            train_speed=train_speed,
            validation_speed=validation_speed,
            jobs=jobs,
            threads=threads,
            cores=cores,
        )
        for name, (train_speed, validation_speed) in speeds.items()
    ]
    return {"presets": {estimate.preset: estimate.to_dict() for estimate in estimates}}


def _pytorch(request: BenchRequest, report: Report) -> Report:
    problem = peer_problem() if request.pytorch else "left out on request"
    if problem is None:
        try:
            peer = run_peer(
                request.model,
                request.train,
                request.working_threads,
                steps=2 if request.big else 3,
            )
        except PeerError as error:
            problem = str(error)
        else:
            for name in ("train", "validation"):
                own, other = (side[f"{name}_tokens_per_second"] for side in (report, peer))
                peer[f"{name}_ratio"] = own / other
            return {"pytorch": peer, "pytorch_problem": None}
    return {"pytorch": None, "pytorch_problem": problem}
