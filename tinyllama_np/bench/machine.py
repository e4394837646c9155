"""What this machine is, and the roof: how fast it multiplies large matrices."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tinyllama_np.backend import kernel_target
from tinyllama_np.bench.timing import Repeats, Spread, time_alternating
from tinyllama_np.environment import numpy_blas
from tinyllama_np.lanes import default_threads

ROOF_SIZE = 3072
ROOF_REPEATS = Repeats(least=3, most=3, seconds=0.0)


def describe_machine() -> dict[str, Any]:
    """Processor, vector width of the kernels, and the versions that decide about speed.

    Returns
    -------
    dict
        Plain values, ready for JSON. `blas` is None where NumPy's BLAS is not recognised;
        `blas_settings` are the environment variables that change what it does.
    """
    return {
        "processor": processor_name(),
        "cores": default_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "kernels": kernel_target(),
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        "blas": numpy_blas(),
        "blas_settings": {
            name: value
            for name, value in sorted(os.environ.items())
            if name.startswith(("OPENBLAS_", "MKL_", "BLIS_", "OMP_"))
        },
    }


def processor_name() -> str:
    """The processor as its maker calls it, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return (names or [platform.processor() or platform.machine()])[0]


def measure_roof(threads: int, size: int = ROOF_SIZE, repeats: Repeats = ROOF_REPEATS) -> Spread:
    """GFLOP/s of NumPy's product of two float32 matrices of shape (size, size).

    Parameters
    ----------
    threads : int
        Threads of the BLAS library.
    size : int
    repeats : Repeats

    Returns
    -------
    Spread
        GFLOP/s of each product.
    """
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    out = np.empty_like(a)
    with threadpool_limits(limits=threads, user_api="blas"):
        (seconds,) = time_alternating(repeats, lambda: np.dot(a, b, out=out))
    return seconds.rate(2e-9 * size**3)
