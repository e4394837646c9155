"""Kernels compiled for other processors than this one: AVX2, vectors of NEON's width, NEON itself.

Numba compiles for the processor that NUMBA_CPU_NAME and NUMBA_CPU_FEATURES name, and the kernels
choose their tile from it. Older x86 code also runs here, so its results can be judged; NEON's
assembly can only be read.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest
from registry_of_kernels import REGISTRY

from tinyllama_np.kernels.cache import host_cpu

ROOT = Path(__file__).parents[1]

NEHALEM = (
    "+64bit,+cmov,+cx16,+fxsr,+mmx,+popcnt,+sahf,+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,"
    "-avx,-avx2,-fma,-f16c,-avx512f"
)
HASWELL = (
    "+64bit,+cmov,+cx16,+fxsr,+mmx,+popcnt,+sahf,+sse,+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,"
    "+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe,+xsave,"
    "-avx512f,-avx512bw,-avx512cd,-avx512dq,-avx512vl,-avx512vnni,-avx512vbmi"
)

PRODUCTS = ["linear, =", "linear, +=", "linear_backward_input, =", "linear_backward_weight"]
REST = ["attention", "attention_backward", "swiglu", "swiglu_backward", "head_loss", "rmsnorm"]

# Runs entries of the table and reads the assembly of what was compiled for them. The cache must be
# empty: a kernel that was loaded has no code to show.
PROBE = r'''
import json, re, sys
from registry_of_kernels import REGISTRY, SIZES, arguments_of, entry_of, errors_against_numpy
from tinyllama_np.backend import get_backend
from tinyllama_np.kernels import attention, cross_entropy, linear, rmsnorm, simd, swiglu, tile

keys = json.loads(sys.argv[1])
errors = {
    key: errors_against_numpy(get_backend("numba"), key, arguments_of(key, SIZES["odd"]))
    for key in keys
}

def kernel(name):
    modules = (attention, cross_entropy, linear, rmsnorm, swiglu)
    return next(getattr(module, name) for module in modules if hasattr(module, name))

def neon_assembly_of_the_tile():
    """Of its function alone: what surrounds it is x86's own, such as the counting of references."""
    import llvmlite.binding as llvm
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    machine = target.create_target_machine(cpu="cortex-a76", opt=3)
    signature, code = next(iter(tile.multiply_panel.inspect_llvm().items()))
    name = tile.multiply_panel.overloads[signature].fndesc.llvm_func_name
    definitions = re.finditer("^define .*", code, flags=re.M)
    (start,) = (found.start() for found in definitions if f"@{name}(" in found.group())
    rest = re.findall("^(?:declare|attributes|!).*", code, flags=re.M)
    function = code[start : code.index("\n}\n", start) + 3]
    module = llvm.parse_assembly("\n".join([function, *rest]))
    module.triple, module.data_layout = target.triple, str(machine.target_data)
    module.verify()
    return machine.emit_assembly(module)

found = {}
for name in sorted({entry_of(key) for key in keys}):
    assembly = "".join(kernel(name).inspect_asm().values())
    found[name] = {kind: len(re.findall(f"%{kind}[0-9]", assembly)) for kind in ("ymm", "zmm")}
    found[name]["fma"] = len(re.findall(r"vfn?m(?:add|sub)[0-9]+ps", assembly))
accumulators = 0
if "neon" in sys.argv:
    accumulated = re.findall(r"fmla\s+v([0-9]+)\.4s", neon_assembly_of_the_tile())
    accumulators = len(set(accumulated))
print(json.dumps({
    "lanes": simd.LANES,
    "tile": [tile.TILE_ROWS, tile.TILE_COLUMNS],
    "errors": errors,
    "found": found,
    "accumulators": accumulators,
}))
'''


def probe(cache_folder, keys, *arguments, cpu=None, features=None):
    """What the kernels do when Numba compiles for a processor; by default for this one."""
    target = {} if cpu is None else {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE, json.dumps(keys), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={
            **os.environ,
            **target,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
            "NUMBA_CACHE_DIR": str(cache_folder),
        },
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_equal_to_numpy(result, keys):
    assert list(result["errors"]) == keys
    for key in keys:
        for name, error in result["errors"][key].items():
            assert error < REGISTRY[key].tolerance, f"{key}: {name} is off by {error:.2g}"


HOST = set(host_cpu()[1].split(","))
needs_avx2 = pytest.mark.skipif(
    not {"+avx2", "+fma"} <= HOST, reason="this processor cannot run AVX2 code"
)
needs_avx512 = pytest.mark.skipif("+avx512f" not in HOST, reason="this processor has no AVX-512")
needs_x86 = pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="runs x86 code"
)


@needs_avx2
@pytest.mark.slow
def test_avx2_code_is_right_and_has_no_512_bit_register(tmp_path):
    keys = PRODUCTS + REST
    result = probe(tmp_path, keys, cpu="haswell", features=HASWELL)
    assert (result["lanes"], result["tile"]) == (8, [6, 16])
    assert_equal_to_numpy(result, keys)
    for name, registers in result["found"].items():
        assert registers["ymm"] > 0, name
        assert registers["zmm"] == 0, name
    for name in ("linear", "linear_backward_weight", "attention", "attention_backward"):
        assert result["found"][name]["fma"] >= 6 * 2, name  # all accumulators of a tile
    assert result["found"]["head_loss"]["fma"] >= 6 * 2


@needs_avx512
@pytest.mark.slow
def test_the_search_for_512_bit_registers_finds_them(tmp_path):
    """The test above can fail: compiled for this processor, the same kernels have some."""
    result = probe(tmp_path, ["linear, ="])
    assert result["lanes"] == 16
    assert result["found"]["linear"]["zmm"] > 0


def has_aarch64():
    try:
        llvm.initialize_all_targets()
        llvm.Target.from_triple("aarch64-unknown-linux-gnu")
    except RuntimeError:
        return False
    return True


@needs_x86
@pytest.mark.slow
def test_vectors_of_four_are_right_and_become_neon_instructions(tmp_path):
    """SSE has NEON's width, so NEON's tile runs here; its own assembly is then made from it."""
    keys = [*PRODUCTS, *(key for key in REST if "backward" not in key)]
    arguments = ["neon"] if has_aarch64() else []
    result = probe(tmp_path, keys, *arguments, cpu="nehalem", features=NEHALEM)
    assert (result["lanes"], result["tile"]) == (4, [6, 16])
    assert_equal_to_numpy(result, keys)
    for name, registers in result["found"].items():
        assert registers == {"ymm": 0, "zmm": 0, "fma": 0}, name
    if not arguments:
        pytest.skip("right results; this llvmlite cannot compile for AArch64")
    assert result["accumulators"] >= 6 * 4  # a register each, so that none is spilled
