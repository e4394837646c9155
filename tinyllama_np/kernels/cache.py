"""Where compiled kernels are kept between runs.

Numba's own disk cache looks at one source file only: after an edit of `tile.py` it would still
load the old machine code of `linear.py`, which has the tile compiled in. So the folder's name
holds a hash of everything the machine code depends on: all kernel sources, the compiler's
versions and settings, and the processor. An edit gives a new folder; nothing stale is ever loaded.

Nor is Numba's cache made for processes that write at the same time (`KernelFiles` says why), so
the files in the folder are ours.
"""

import contextlib
import glob
import hashlib
import os
import pickle
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm
import numba
from numba.core import config, dispatcher
from numba.core.caching import FunctionCache
from numba.core.codegen import get_host_cpu_features
from numba.core.serialize import dumps

# Settings of Numba's (NUMBA_OPT and so on) that change machine code.
_SETTINGS = ("OPT", "LOOP_VECTORIZE", "SLP_VECTORIZE", "BOUNDSCHECK", "DEBUGINFO_DEFAULT")

UNUSED_DAYS = 30


def host_cpu() -> tuple[str, str]:
    """Name and features of the processor that Numba compiles for.

    NUMBA_CPU_NAME and NUMBA_CPU_FEATURES override the host's, as in Numba itself.
    """
    name = config.CPU_NAME or llvm.get_host_cpu_name()
    features = config.CPU_FEATURES
    return name, get_host_cpu_features() if features is None else features


def host_features() -> list[str]:
    """Features of the processor that Numba compiles for.

    Those that the host lacks are left out: their list is LLVM's. A list that was given is whole.
    """
    features = [feature for feature in host_cpu()[1].split(",") if feature]
    if config.CPU_FEATURES is not None:
        return sorted(features)
    return sorted(feature for feature in features if feature.startswith("+"))


def compiler_settings() -> dict[str, object]:
    """Numba's settings that change machine code, by name."""
    return {name: getattr(config, name, None) for name in _SETTINGS}


def kernel_hash(sources: Path) -> str:
    """Hash of the kernel sources in a folder, the compiler and the processor."""
    digest = hashlib.sha256()
    settings = [f"{name}={value}" for name, value in compiler_settings().items()]
    for part in (numba.__version__, llvmlite.__version__, *settings, *host_cpu()):
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
    if folder is not None:
        new = not folder.exists()
        if is_writable(folder):
            with contextlib.suppress(OSError):
                os.utime(folder)  # in use, for `remove_unused_folders` of another version
            if new:
                remove_unused_folders(folder.parent)
            return folder
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    base = Path(tempfile.gettempdir()) / f"tinyllama_np-{user}"
    if not is_private(base):
        base = Path(tempfile.mkdtemp(prefix="tinyllama_np-"))
    return base / name


def is_private(folder: Path) -> bool:
    """Whether a folder is ours alone; makes it.

    Loading a kernel runs what the file says, and anybody may make folders in the temporary one.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):
        return stat.S_ISDIR(found.st_mode)
    mine = found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return mine and stat.S_ISDIR(found.st_mode)


def remove_unused_folders(parent: Path, days: float = UNUSED_DAYS) -> None:
    """Remove kernels that no process has loaded for so long; each edit leaves a folder behind.

    A process that still uses one has its kernels in memory, and one that starts just now finds
    files missing and compiles.
    """
    oldest = time.time() - days * 86400
    with contextlib.suppress(OSError):
        for folder in parent.iterdir():
            with contextlib.suppress(OSError):
                ours = re.fullmatch("kernels-[0-9a-f]{16}", folder.name) is not None
                if ours and not folder.is_symlink() and folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)


def complete_mark(kernel) -> Path:
    """The file that says that all kernels beside this one are on the disk.

    A kernel's folder is of one package folder; the files in it are of one Python.
    """
    return Path(kernel.stats.cache_path) / f"complete.{sys.implementation.cache_tag}"


class KernelFiles:
    """A function's compiled code: one file a signature, for `numba.core.caching.Cache`.

    Numba keeps an index (signature -> number of a data file) a function. Two processes that
    compile two signatures at the same time take the same number, and afterwards the index may
    lead one signature to the other's code: strided arrays read as if they had no gaps, without
    an error. And a file cut short by a crash makes every later run fail.

    Here a signature's file has its hash as a name, so that there is no index and equal names
    mean equal code; a file is replaced as a whole; and what does not read back as it was written
    counts as absent, so that the kernel is compiled again and the file replaced.
    """

    def __init__(self, folder: Path, name: str, source_stamp: object) -> None:
        self._folder = folder
        self._name = name
        self._source_stamp = source_stamp  # Numba's, of the function's own file

    def path(self, key: object) -> Path:
        """The file of a signature."""
        identity = repr((numba.__version__, self._source_stamp, key))
        digest = hashlib.sha256(identity.encode()).hexdigest()
        return self._folder / f"{self._name}.{digest[:16]}.nbc"

    def load(self, key: object) -> object | None:
        """What was saved for `key`; None if nothing whole is there."""
        try:
            digest, _, content = self.path(key).read_bytes().partition(b"\n")
        except OSError:
            return None
        if hashlib.sha256(content).hexdigest().encode() != digest:
            return None
        saved_key, data = pickle.loads(content)
        return data if saved_key == key else None

    def save(self, key: object, data: object) -> None:
        """Keep `data` for `key`."""
        content = dumps((key, data))
        handle, temporary = tempfile.mkstemp(dir=self._folder, prefix=self._name, suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
            os.replace(temporary, self.path(key))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def flush(self) -> None:
        """Forget everything about the function."""
        for path in self._folder.glob(f"{glob.escape(self._name)}.*.nbc"):
            path.unlink(missing_ok=True)


class KernelCache(FunctionCache):
    """Numba's cache of a function over `KernelFiles`."""

    def __init__(self, function) -> None:
        super().__init__(function)
        locator = self._impl.locator
        self._cache_file = KernelFiles(
            Path(self.cache_path), self._impl.filename_base, locator.get_source_stamp()
        )

    def save_overload(self, sig, data) -> None:
        """Keep compiled code if that is possible; on a full disk the run goes on without."""
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


@contextlib.contextmanager
def numba_cache_in(folder: Path) -> Iterator[None]:
    """Let functions that are decorated meanwhile, and no others, keep their code in `folder`.

    Numba fixes a function's cache when it is decorated, and has no argument for it.
    """
    before = config.CACHE_DIR, dispatcher.FunctionCache
    config.CACHE_DIR, dispatcher.FunctionCache = str(folder), KernelCache
    try:
        yield
    finally:
        config.CACHE_DIR, dispatcher.FunctionCache = before
