"""Measure this machine: its products, a training step and where the time of one goes.

    from tinyllama_np.bench import measure_roof, measure_step, profile_step
    from tinyllama_np.presets import preset

    paper = preset("paper")
    speed = measure_step(paper.model, paper.train, threads=2)
    roof = measure_roof(threads=2)
    share = roof_share(speed.median, paper.model.training_flops_per_token(256), roof.median)

Nothing here prints; the command `tinyllama-np bench` does.
"""

from tinyllama_np.bench.estimates import SHAPES, bench_shape, estimate_study, study_seconds
from tinyllama_np.bench.machine import describe_machine, measure_roof
from tinyllama_np.bench.peer import peer_problem, run_peer
from tinyllama_np.bench.products import compare_products, measure_attention
from tinyllama_np.bench.report import BenchRequest, measure_all
from tinyllama_np.bench.step import measure_step, measure_validation, profile_step
from tinyllama_np.bench.timing import Repeats, Spread, roof_share

__all__ = [
    "SHAPES",
    "BenchRequest",
    "Repeats",
    "Spread",
    "bench_shape",
    "compare_products",
    "describe_machine",
    "estimate_study",
    "measure_all",
    "measure_attention",
    "measure_roof",
    "measure_step",
    "measure_validation",
    "peer_problem",
    "profile_step",
    "roof_share",
    "run_peer",
    "study_seconds",
]
