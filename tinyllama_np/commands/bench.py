"""`tinyllama-np bench`: how fast this machine trains, and where the time goes."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from tinyllama_np.bench.estimates import PAPER, SHAPES, bench_shape
from tinyllama_np.bench.report import BenchRequest, Report, measure_all
from tinyllama_np.commands import complain
from tinyllama_np.config import ConfigError
from tinyllama_np.lanes import default_threads
from tinyllama_np.warmup import COMPILING, compile_kernels, kernels_are_compiled

BAR = 24  # characters of a part that takes the whole step


def add_parser(commands: Any) -> None:
    """Add the command `bench` to the command line."""
    parser = commands.add_parser(
        "bench",
        help="measure how fast this machine trains, and where the time goes",
        description="Measure this machine: its rate of matrix products, a training step, the time "
        "of its parts, each product beside BLAS, and PyTorch where it is installed. Takes under "
        "a minute; minutes for 42M and 110M, which also need gigabytes.",
    )
    parser.add_argument(
        "--model",
        default=PAPER,
        metavar="NAME",
        help=f"shape of the model: {', '.join(SHAPES)} (%(default)s)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads of a run (processors)")
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="runs at the same time, for the time of a study (processors / threads)",
    )
    parser.add_argument("--no-torch", action="store_true", help="do not measure PyTorch")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code."""
    try:
        for name in ("threads", "jobs"):
            value = getattr(arguments, name)
            if value is not None and value < 1:
                raise ConfigError(f"--{name} {value} must be at least 1")
        model, train = bench_shape(arguments.model)
    except ConfigError as error:
        return complain(error)
    threads = arguments.threads or default_threads()
    working = min(threads, train.gradient_lanes)
    request = BenchRequest(
        arguments.model,
        model,
        train,
        threads=threads,
        jobs=arguments.jobs or max(1, default_threads() // working),
        pytorch=not arguments.no_torch,
    )
    _compile()
    if arguments.json:
        print(json.dumps(measure_all(request), indent=2))
    else:
        measure_all(request, lambda section, report: print(TEXTS[section](report), flush=True))
    return 0


def _compile() -> None:
    if not kernels_are_compiled():
        _say(COMPILING)
        _say(f"compiled in {compile_kernels():.0f} s")


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


# ------------------------------------------------------------------------------ the printed report


def machine_text(report: Report) -> str:
    """Processor, versions and the model."""
    m, model, kernels = report["machine"], report["model"], report["machine"]["kernels"]
    rows, columns = kernels["tile"]
    blas = "BLAS of unknown kind"
    if m["blas"]:
        blas = f"{m['blas']['library']} {m['blas']['version']} ({m['blas']['kernel']} kernels)"
    lines = [
        f"processor   {m['processor']}, {_count(m['cores'], 'core')} usable, {m['system']}",
        f"kernels     vectors of {kernels['vector_floats']} floats, tile {rows} x {columns}, "
        f"compiled for {kernels['cpu']}",
        f"libraries   Python {m['python']}, NumPy {m['numpy']}, Numba {m['numba']}, {blas}",
        f"model       {model['name']}: {model['parameters']:,} parameters, a step of "
        f"{model['batch_size']} x {model['sequence_length']} tokens, "
        f"{model['flops_per_token'] / 1e6:.1f} MFLOP a token",
        f"threads     {report['threads']}",
    ]
    if report["threads_idle"]:
        lines[-1] += (
            f" of {report['threads'] + report['threads_idle']}: a run has no more gradient_lanes; "
            "runs at the same time use the others"
        )
    if m["blas_settings"]:
        settings = ", ".join(f"{name}={value}" for name, value in m["blas_settings"].items())
        lines.append(f"note        set in the environment: {settings}")
    return "\n".join(lines)


def step_text(report: Report) -> str:
    """Speed of training and validation under the roof."""
    r, threads = report, _count(report["threads"], "thread")
    before, after = r["roof_gflops_before_and_after"]
    roof = (
        f"roof        {r['roof_gflops']:,.0f} GFLOP/s on {threads} "
        f"({before:,.0f} before the step, {after:,.0f} after)"
    )
    if r["threads"] > 1:
        roof += f", {r['roof_gflops_one_thread']:,.0f} on 1"
    lines = [
        "",
        roof,
        f"training    {_speed(r, 'train')}, median of {r['train_steps_timed']} steps: "
        f"{r['roof_share']:.0%} of the roof",
        f"            {r['train_tokens_per_second_with_blas']:,.0f} tokens/s with BLAS's products "
        "(--matmul blas)",
        f"validation  {_speed(r, 'validation')}",
    ]
    return "\n".join(lines)


def parts_text(report: Report) -> str:
    """Where the time of a step goes."""
    parts = report["parts"]
    width = max(len(part["name"]) for part in parts)
    total = sum(part["milliseconds"] for part in parts)
    lines = ["", "A step on 1 thread", f"{'':{width}}        ms   share  GFLOP/s"]
    for part in parts:
        gflops = "" if part["gflops"] is None else f"{part['gflops']:,.0f}"
        lines.append(
            f"{part['name']:{width}}  {part['milliseconds']:8,.1f}  {part['share']:6.1%}  "
            f"{gflops:>7}  {'#' * round(BAR * part['share'])}".rstrip()
        )
    lines.append(f"{'together':{width}}  {total:8,.1f}")
    return "\n".join(lines)


def products_text(report: Report) -> str:
    """Each product beside BLAS."""
    tokens = report["products_tokens"]
    lines = ["", f"Products of {tokens} tokens with a weight, 1 thread: GFLOP/s"]
    lines.append(f"{'weight':14}{'':16}{'ours':>8}{'BLAS':>8}{'ratio':>8}{'error':>10}")
    for product in report["products"]:
        weight = " x ".join(map(str, product["weight"]))
        lines.append(
            f"{weight:14}{product['operation']:16}{product['gflops']:8,.1f}"
            f"{product['blas_gflops']:8,.1f}{product['ratio']:8.2f}"
            f"{product['relative_error']:10.1e}"
        )
    ratio = report["products_ratio"]
    lines.append(
        f"ratio: geometric mean {ratio['geometric_mean']:.2f}, minimum {ratio['minimum']:.2f}; "
        "error: largest, relative to float64"
    )
    return "\n".join(lines)


def attention_text(report: Report) -> str:
    """Attention alone."""
    lines = [""]
    for a in report["attention"]:
        both = a["forward_milliseconds"] + a["backward_milliseconds"]
        lines.append(
            f"attention   T = {a['time']:4}, {a['heads']} heads of {a['head_size']}, 1 thread: "
            f"{both:.2f} ms (forward {a['forward_milliseconds']:.2f}, "
            f"backward {a['backward_milliseconds']:.2f})"
        )
    return "\n".join(lines)


def presets_text(report: Report) -> str:
    """How long each preset's study takes."""
    if report["presets"] is None:
        return "\npresets     not estimated: their times follow from --model paper"
    threads = _count(report["threads"], "thread")
    lines = ["", f"Training and measuring at this speed, {threads} a run"]
    for name, e in report["presets"].items():
        lines.append(
            f"{name + ':':12}{e['runs']} seeds x {_tokens(e['tokens_per_run'])} tokens, "
            f"{e['at_once']} at a time: {_duration(e['seconds'])}"
        )
    return "\n".join(lines)


def pytorch_text(report: Report) -> str:
    """PyTorch beside it."""
    p = report["pytorch"]
    if p is None:
        return f"\nPyTorch     not measured: {report['pytorch_problem']}"
    low, high = p["train_tokens_per_second_range"]
    return (
        f"\nPyTorch     {p['version']}, eager, {_count(p['threads'], 'thread')}: "
        f"{p['train_tokens_per_second']:,.0f} tokens/s ({low:,.0f} to {high:,.0f}); "
        f"this step is {p['train_ratio']:.2f} times as fast"
        f"\n            validation {p['validation_tokens_per_second']:,.0f} tokens/s; "
        f"this one is {p['validation_ratio']:.2f} times as fast"
    )


TEXTS = {
    "machine": machine_text,
    "step": step_text,
    "parts": parts_text,
    "products": products_text,
    "attention": attention_text,
    "presets": presets_text,
    "pytorch": pytorch_text,
}


def _speed(report: Report, what: str) -> str:
    low, high = report[f"{what}_tokens_per_second_range"]
    return f"{report[f'{what}_tokens_per_second']:,.0f} tokens/s ({low:,.0f} to {high:,.0f})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


def _tokens(number: int) -> str:
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number:,}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
