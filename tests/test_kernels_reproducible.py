"""The same bytes whether a process compiles the kernels or loads them, and in whatever order.

A part of a kernel that stays a function has a copy in the machine code of every kernel that calls
it, and all call the copy that was loaded first; copies may round in another order (simd.part).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tinyllama_np.kernels import attention, cross_entropy, linear

STEP = """
import hashlib, sys
import numpy as np
from tinyllama_np import ModelConfig
from tinyllama_np.backend import get_backend
from tinyllama_np.lanes import Lanes
from tinyllama_np.parameters import Parameters

config = ModelConfig(vocab_size=700, hidden_size=64, intermediate_size=90, num_hidden_layers=2,
                     num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=300)
weights = Parameters.initial(config, seed=0)
weights.flat[:] *= 3
tokens = np.random.default_rng(0).integers(0, 700, (2, 300)).astype(np.int32)
with Lanes(config, time=300, micro_batch=1, lanes=2, threads=1,
           backend=get_backend("numba")) as lanes:
    lanes.use_weights(weights.views)
    if sys.argv[1] == "validation first":
        first = lanes.losses(tokens, tokens)
    losses = lanes.loss_and_gradient(tokens, tokens)
    second = lanes.losses(tokens, tokens)
digest = hashlib.sha256(losses.tobytes() + lanes.gradient.flat.tobytes() + second.tobytes())
print(digest.hexdigest())
"""


def step(cache_folder, order):
    """Hash of losses, gradient and validation losses, from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", STEP, order],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache_folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.slow
def test_the_same_bytes_compiled_or_loaded_in_any_order(tmp_path):
    compiled = step(tmp_path, "training first")
    assert step(tmp_path, "training first") == compiled
    assert step(tmp_path, "validation first") == compiled


def functions_that_may_round_differently(code):
    """Functions of a module, the kernel itself aside, with float arithmetic LLVM may reorder."""
    parts = re.findall(r"^define linkonce_odr .*?^}", code, flags=re.MULTILINE | re.DOTALL)
    return [
        re.search(r'@"?([\w.$]+)', part).group(1)
        for part in parts
        if re.search(r"= f(add|sub|mul|div) [\w ]*reassoc", part)
    ]


def module_of(kernel, *arguments):
    """LLVM code of a kernel and all that it calls, compiled anew."""
    fresh = type(kernel)(kernel.py_func, targetoptions=kernel.targetoptions)
    fresh(*arguments)
    (code,) = fresh.inspect_llvm().values()
    return code


def calls():
    """(kernel, arguments) of all kernels with parts."""
    x = np.ones((1, 3, 2, 8), np.float32)
    angles, lse = np.ones((3, 4), np.float32), np.ones((1, 2, 3), np.float32)
    rows, losses = np.ones((3, 8), np.float32), np.ones(3, np.float32)
    head = linear.prepare_weight(np.ones((9, 8), np.float32))
    logits, targets = np.ones((3, 9), np.float32), np.zeros(3, np.int32)
    one = np.float32(1)
    return [
        (attention.attention, (x, x, x, angles, angles, x, lse)),
        (attention.attention_backward, (x, x, x, x, x, lse, angles, angles, x, x, x)),
        (cross_entropy.head_losses, (rows, head, targets, logits, losses)),
        (
            cross_entropy.head_loss,
            (rows, head, targets, one, logits, losses, rows.copy(), np.ones((9, 8), np.float32)),
        ),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("kernel", "arguments"), calls(), ids=lambda value: "")
def test_no_part_of_a_kernel_is_left_to_round_differently(kernel, arguments):
    found = functions_that_may_round_differently(module_of(kernel, *arguments))
    # a chain of fused multiply-adds and one addition: there is nothing to reorder
    assert [name for name in found if "multiply_panel" not in name] == []


@pytest.mark.slow
def test_a_part_left_as_a_function_is_seen():
    """The check above can fail: this is what `_dot` would be without `simd.part`."""
    from tinyllama_np.kernels.simd import kernel, never_inline

    @kernel
    def dot(x, y):
        never_inline()
        total = np.float32(0)
        for j in range(x.size):
            total += x[j] * y[j]
        return total

    @kernel
    def caller(x, out):
        out[0] = dot(x, x)

    code = module_of(caller, np.ones(9, np.float32), np.ones(1, np.float32))
    assert len(functions_that_may_round_differently(code)) == 1
