"""What the bytes of a run depend on beside configuration, seed and text, and how two such differ.

Not in it is what has no influence: cores, threads, host, user, paths, locale, time. Where a
variable's effect can be seen (the BLAS kernel that OPENBLAS_CORETYPE chose), the effect is
recorded, not the variable.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from tinyllama_np.backend import kernel_compiler, kernel_target
from tinyllama_np.safe_files import shown

Environment = dict[str, Any]  # plain JSON values by name
LONGEST_VALUE = 200  # characters of one value in a message

# What no file of a run comes from; an edit of anything else counts.
_WITHOUT_INFLUENCE = (
    "__main__.py",
    "bench",
    "cli.py",
    "commands",
    "disk_need.py",
    "gradcheck.py",
    "owner.py",
    "progress.py",
    "run_state.py",
    "run_states.py",
    "verify",
    "warmup.py",
    "workers.py",
)

# Variables whose effect cannot be seen from here. OpenBLAS, BLIS and NumPy tell what they chose.
_VARIABLES = ("MKL_CBWR", "MKL_DEBUG_CPU_TYPE", "MKL_ENABLE_INSTRUCTIONS")

_MACHINE_CODE = "the kernels may be compiled to code that rounds otherwise"
_INSTRUCTIONS = "the kernels' sums may be rounded in another order"
_FUNCTIONS = "exp, log and cos of the system's library may be rounded otherwise"
_PRODUCTS = "NumPy's matrix products (backend numpy, matmul blas, sample texts) may round otherwise"

# Name -> what may differ because of it, and whether that is the run's numbers. In this order they
# are told.
_MEANING = {
    "tinyllama-np": ("the same settings may compute something else", True),
    "code": ("the code was edited: the same settings may compute something else", True),
    "kernel_code": ("the kernels were edited: they may compute something else", True),
    "python": ("sums and powers of single numbers may be rounded otherwise", True),
    "numpy": ("first weights, batches, sums and functions of arrays may differ", True),
    "numba": (_MACHINE_CODE, True),
    "llvmlite": (_MACHINE_CODE, True),
    "system": (_FUNCTIONS, True),
    "machine": (_INSTRUCTIONS, True),
    "c_library": (_FUNCTIONS, True),
    "kernel_target": (_INSTRUCTIONS, True),
    "cpu_features": (_INSTRUCTIONS, True),
    "compiler_settings": (_MACHINE_CODE, True),
    "numpy_simd": ("NumPy's sums and functions of arrays may be rounded otherwise", True),
    "blas": (_PRODUCTS, True),
    "variables": ("functions and matrix products may be rounded otherwise", True),
    "safetensors": ("a checkpoint may be laid out otherwise; its numbers are the same", False),
    "regex": ("only a new tokenizer or newly encoded text could differ", False),
}
_UNKNOWN = ("this version does not know what it means", True)


@dataclass(frozen=True)
class Difference:
    """One thing in which two environments differ.

    `recorded` and `current` are its two values, None where one has none; `effect` says what may
    differ because of it, and `binds` whether that is more than the outside of files.
    """

    name: str
    recorded: Any
    current: Any
    effect: str
    binds: bool

    def __str__(self) -> str:
        there, here = _told(self.recorded, self.current)
        return f"{_value(self.name)}: {there} before, {here} now ({self.effect})"


def package_version(name: str) -> str:
    """The version of an installed package."""
    try:
        return version(name)
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "not installed"


def numpy_blas() -> dict[str, Any] | None:
    """`library`, `version` and `kernel` of NumPy's BLAS; None where it is not recognised."""
    libraries = [entry for entry in threadpool_info() if entry["user_api"] == "blas"]
    # SciPy brings another BLAS along, which Numba loads: NumPy's comes first. Wheels have theirs
    # in numpy.libs/ or numpy/.dylibs/.
    own = str(Path(np.__file__).parent)
    libraries.sort(key=lambda entry: not entry["filepath"].startswith(own))
    if not libraries:
        return None
    first = libraries[0]
    return {
        "library": first["internal_api"],
        "version": first["version"],
        "kernel": first.get("architecture"),
    }


def current_environment(backend: str = "numba") -> Environment:
    """Everything that the bytes of a run depend on beside configuration, seed and text.

    Parameters
    ----------
    backend : {"numba", "numpy"}
        What has no part in a run of "numpy" is left out for it: compiler and kernels.

    Returns
    -------
    dict
        Plain JSON values by name, the same in every process of an environment.
    """
    return deepcopy(_environment(backend))


@cache  # files may be edited later; what was imported stays
def _environment(backend: str) -> Environment:
    from tinyllama_np import __version__

    built_with = np.show_config(mode="dicts")
    simd = built_with["SIMD Extensions"]
    blas = built_with["Build Dependencies"]["blas"]
    found: Environment = {
        "tinyllama-np": __version__,
        "code": _code_hash(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": platform.system(),
        "machine": platform.machine(),
        "c_library": _c_library(),
        # NPY_DISABLE_CPU_FEATURES and NPY_ENABLE_CPU_FEATURES show here
        "numpy_simd": [*simd.get("baseline", ()), *simd.get("found", ())],
        # one that is not recognised (Accelerate) by what NumPy was built with
        "blas": numpy_blas()
        or {"library": blas["name"], "version": blas.get("version"), "kernel": None},
        "variables": _variables(os.environ),
        "safetensors": package_version("safetensors"),
        "regex": package_version("regex"),
    }
    if backend == "numba":
        compiler = kernel_compiler()
        found |= {
            "numba": package_version("numba"),
            "llvmlite": package_version("llvmlite"),
            "kernel_code": _hash_of(sorted((Path(__file__).parent / "kernels").glob("*.py"))),
            "kernel_target": kernel_target(),
            "cpu_features": compiler["features"],
            "compiler_settings": compiler["settings"],
        }
    return {name: found[name] for name in _MEANING if name in found}


def _c_library() -> str:
    if platform.system() == "Darwin":
        return f"macOS {platform.mac_ver()[0]}"
    if platform.system() == "Windows":
        return f"Windows {platform.version()}"
    return " ".join(platform.libc_ver()).strip() or "unknown"


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Of the process's variables, those that change numbers."""
    found = {name: environment[name] for name in _VARIABLES if environment.get(name)}
    # the C library chooses its exp and log by these; its other tunables are about memory
    tunables = environment.get("GLIBC_TUNABLES", "").split(":")
    processor = ":".join(part for part in tunables if part.startswith("glibc.cpu."))
    return {**found, "GLIBC_TUNABLES": processor} if processor else found


def _code_hash() -> str:
    """Of all files that write or compute what a run's files hold; the kernels are apart."""
    package = Path(__file__).parent
    outside = ("kernels", *_WITHOUT_INFLUENCE)
    files = [
        path
        for path in sorted(package.rglob("*.py"))
        if path.relative_to(package).parts[0] not in outside
    ]
    return _hash_of([*files, *sorted((package.parent / "tokenizer").glob("*.py"))])


def _hash_of(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.parent.name}/{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def differences(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> list[Difference]:
    """In what two environments differ, the most telling first.

    Another version of this package has other code: that is told once.
    """
    found = []
    for name in [*_MEANING, *sorted({*recorded, *current} - set(_MEANING))]:
        old, new = recorded.get(name), current.get(name)
        if _plain(old) == _plain(new):
            continue
        effect, binds = _MEANING.get(name, _UNKNOWN)
        if name == "python" and _series(old) == _series(new):
            effect, binds = "no known effect within a series", False
        found.append(Difference(name, old, new, effect, binds))
    if any(difference.name == "tinyllama-np" for difference in found):
        found = [d for d in found if d.name not in ("code", "kernel_code")]
    return found


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _series(python: Any) -> list[str]:
    return str(python).split(".")[:2]


def _told(old: Any, new: Any) -> tuple[str, str]:
    """Two values as text: of lists and mappings only what differs."""
    if isinstance(old, list) and isinstance(new, list):
        lost = [item for item in old if item not in new]
        gained = [item for item in new if item not in old]
        if lost or gained:  # not only another order
            return _listed(lost), _listed(gained)
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
        return _pairs(old, names), _pairs(new, names)
    return _value(old), _value(new)


def _listed(items: Sequence[Any], most: int = 6) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(map(_value, items[:most])) + more or "none of these"


def _pairs(values: Mapping[str, Any], names: Sequence[str]) -> str:
    return _listed([f"{_value(name)} {_value(values.get(name))}" for name in names])


def _value(value: Any) -> str:
    """A value for the terminal, as it is where it is plain: a record may come from anyone."""
    text = "nothing" if value is None else str(value)
    return text if text.isprintable() and len(text) <= LONGEST_VALUE else shown(text, LONGEST_VALUE)
