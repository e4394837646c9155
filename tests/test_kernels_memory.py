"""Attention needs memory in proportion to T: a T x T array is never made."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path("/proc/self/status")
pytestmark = pytest.mark.skipif(
    not STATUS.exists() or "VmHWM" not in STATUS.read_text(),
    reason="this system does not tell a process's peak memory in /proc/self/status",
)

# VmHWM and not ru_maxrss, which begins with the peak of the process that started this one.
SCRIPT = """
import sys
import numpy as np
from tinyllama_np.backend import get_backend

ops = get_backend("numba")

def run(time):
    q, k, v, dout, out, dq, dk, dv = (np.full((1, time, 1, 8), 0.1, "f4") for _ in range(8))
    cos, sin = np.ones((time, 4), "f4"), np.zeros((time, 4), "f4")
    lse = np.empty((1, 1, time), "f4")
    ops.attention(q, k, v, cos, sin, out, lse)
    if sys.argv[1] == "square":
        scores = np.full((time, time), 0.5, "f4")  # the mistake that this is about
    ops.attention_backward(dout, q, k, v, out, lse, cos, sin, dq, dk, dv)

run(64)  # compiles, or loads
print(open("/proc/self/status").read())
run(4096)
print(open("/proc/self/status").read())
"""
SQUARE = 4096 * 4096 * 4


def growth(variant: str) -> int:
    """Bytes that the peak grows by when T = 4096 follows T = 64."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, variant], capture_output=True, text=True, check=True
    )
    before, after = (int(kilobytes) for kilobytes in re.findall(r"VmHWM:\s+(\d+)", done.stdout))
    return 1024 * (after - before)


@pytest.mark.slow
def test_attention_of_4096_tokens_makes_no_square() -> None:
    assert growth("attention") < SQUARE / 4  # measured: 2.5 MB of 67


@pytest.mark.slow
def test_a_square_would_be_seen() -> None:
    assert growth("square") > SQUARE * 0.9
