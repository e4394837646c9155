"""Where compiled kernels are kept between runs.

Numba's own disk cache looks at one source file only: after an edit of `tile.py` it would still
load the old machine code of `linear.py`, which has the tile compiled in. So the folder's name
holds a hash of everything the machine code depends on: all kernel sources, the compiler's
versions and the processor. An edit gives a new folder; nothing stale is ever loaded.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import numba
from numba.core import config


def host_cpu() -> tuple[str, str]:
    """Name and features of the processor that Numba compiles for.

    NUMBA_CPU_NAME and NUMBA_CPU_FEATURES override the host's, as in Numba itself.
    """
    name = config.CPU_NAME or llvm.get_host_cpu_name()
    features = config.CPU_FEATURES
    if features is None:
        try:
            features = llvm.get_host_cpu_features().flatten()
        except RuntimeError:  # LLVM cannot ask this processor
            features = ""
    return name, features


def kernel_hash(sources: Path) -> str:
    """Hash of the kernel sources in a folder, the compiler's versions and the processor."""
    digest = hashlib.sha256()
    for part in (numba.__version__, llvmlite.__version__, *host_cpu()):
        digest.update(part.encode() + b"\0")
    for path in sorted(sources.glob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def user_cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that may hold our caches, by the platform's custom."""
    if environment.get("NUMBA_CACHE_DIR"):
        return Path(environment["NUMBA_CACHE_DIR"])
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "tinyllama_np"


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder; makes the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def kernel_cache_folder(
    sources: Path | None = None, environment: Mapping[str, str] = os.environ
) -> Path:
    """The folder of this version's compiled kernels; in the temporary folder if need be."""
    name = "kernels-" + kernel_hash(sources or Path(__file__).parent)
    try:
        folder = user_cache_folder(environment) / name
    except RuntimeError:  # no home folder
        folder = None
    if folder is not None and is_writable(folder):
        return folder
    # The name holds the user: a folder of somebody else would not be writable.
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"tinyllama_np-{user}" / name


@contextlib.contextmanager
def numba_cache_in(folder: Path) -> Iterator[None]:
    """Let functions that are decorated meanwhile, and no others, keep their code in `folder`.

    Numba fixes a function's cache folder when it is decorated.
    """
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before
