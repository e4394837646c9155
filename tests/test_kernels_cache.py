"""The kernels' cache: a new folder whenever the machine code could differ, and safe files in it."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numba
import numpy as np
import pytest

import tinyllama_np.kernels
from tinyllama_np.kernels import cache, linear

SOURCES = Path(tinyllama_np.kernels.__file__).parent
ROOT = SOURCES.parents[1]


@pytest.fixture
def sources(tmp_path):
    """A copy of the kernels."""
    copy = tmp_path / "kernels"
    shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def test_hash_is_of_the_content_alone(sources):
    assert cache.kernel_hash(sources) == cache.kernel_hash(SOURCES)


@pytest.mark.parametrize("name", sorted(path.name for path in SOURCES.glob("*.py")))
def test_hash_changes_with_every_file(sources, name):
    before = cache.kernel_hash(sources)
    path = sources / name
    path.write_bytes(path.read_bytes() + b"#")
    assert cache.kernel_hash(sources) != before


def test_hash_changes_with_compiler_and_processor(monkeypatch):
    hashes = {cache.kernel_hash(SOURCES)}
    for target, name, value in [
        (numba, "__version__", "0.1"),
        (cache.config, "OPT", 1),
        (cache.config, "BOUNDSCHECK", 1),
        (cache.config, "CPU_NAME", "haswell"),
        (cache.config, "CPU_FEATURES", "+avx2,+fma"),
    ]:
        monkeypatch.setattr(target, name, value)
        hashes.add(cache.kernel_hash(SOURCES))
    assert len(hashes) == 6


@pytest.mark.parametrize("name", cache._SETTINGS)
def test_settings_are_numba_s(name):
    """One that Numba has renamed would be left out of the hash without a word."""
    assert hasattr(cache.config, name)


def test_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(cache.sys, "platform", "linux")
    base = {"XDG_CACHE_HOME": str(tmp_path / "xdg")}
    assert cache.user_cache_folder(base) == tmp_path / "xdg" / "tinyllama_np"
    chosen = {**base, "NUMBA_CACHE_DIR": str(tmp_path / "mine")}
    assert cache.user_cache_folder(chosen) == tmp_path / "mine"
    monkeypatch.setattr(cache.Path, "home", lambda: tmp_path / "home")
    assert cache.user_cache_folder({}) == tmp_path / "home" / ".cache" / "tinyllama_np"
    monkeypatch.setattr(cache.sys, "platform", "win32")
    windows = {"LOCALAPPDATA": str(tmp_path / "local")}
    assert cache.user_cache_folder(windows) == tmp_path / "local" / "tinyllama_np"
    folder = cache.kernel_cache_folder(SOURCES, chosen)
    assert folder == tmp_path / "mine" / f"kernels-{cache.kernel_hash(SOURCES)}"


def test_unwritable_folder_falls_back_to_the_temporary_one(tmp_path, monkeypatch):
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    folder = cache.kernel_cache_folder(SOURCES, {"NUMBA_CACHE_DIR": str(tmp_path / "file")})
    assert folder.is_relative_to(tmp_path / "tmp")

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", homeless)
    folder = cache.kernel_cache_folder(SOURCES, {})
    assert folder.is_relative_to(tmp_path / "tmp")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="owners and modes of POSIX")
def test_temporary_folder_that_others_can_write_to_is_not_used(tmp_path, monkeypatch):
    """Loading a kernel runs what its file says."""
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(cache.tempfile, "tempdir", str(tmp_path))
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "file")}
    usual = tmp_path / f"tinyllama_np-{os.getuid()}"
    assert cache.kernel_cache_folder(SOURCES, environment).parent == usual
    assert usual.stat().st_mode & 0o077 == 0
    usual.chmod(0o777)
    other = cache.kernel_cache_folder(SOURCES, environment)
    assert other.parent != usual
    assert other.parent.stat().st_mode & 0o077 == 0
    usual.rmdir()
    usual.symlink_to(other.parent)  # somebody else's, if it were real
    assert cache.kernel_cache_folder(SOURCES, environment).parent not in (usual, other.parent)


def total(x):
    """A function to compile: its code for arrays without gaps misreads one that has some."""
    result = 0.0
    for i in range(x.size):
        result += x[i]
    return result


WITHOUT_GAPS = np.arange(6.0)
WITH_GAPS = np.arange(12.0)[::2]


def compiled(folder, function=total):
    """What another process would have: a new dispatcher with the same cache."""
    with cache.numba_cache_in(folder):
        return numba.njit(cache=True)(function)


def hits_and_misses(*dispatchers):
    return tuple(
        sum(sum(counter.values()) for counter in counters)
        for counters in zip(
            *[(d.stats.cache_hits, d.stats.cache_misses) for d in dispatchers], strict=True
        )
    )


def files(folder, pattern="*.nbc"):
    return sorted(folder.rglob(pattern))


def test_numba_is_changed_for_the_kernels_alone(tmp_path):
    before = cache.config.CACHE_DIR, cache.dispatcher.FunctionCache
    first = compiled(tmp_path / "here")
    assert before == (cache.config.CACHE_DIR, cache.dispatcher.FunctionCache)
    assert isinstance(first._cache, cache.KernelCache)
    assert isinstance(first._cache._cache_file, cache.KernelFiles)
    first(WITHOUT_GAPS)  # compiled after the setting is back, kept where it was decorated
    assert len(files(tmp_path / "here")) == 1
    assert not isinstance(numba.njit(cache=True)(total)._cache, cache.KernelCache)


def test_setting_is_restored_after_an_error(tmp_path):
    before = cache.config.CACHE_DIR, cache.dispatcher.FunctionCache

    def fail():
        with cache.numba_cache_in(tmp_path):
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        fail()
    assert before == (cache.config.CACHE_DIR, cache.dispatcher.FunctionCache)


def test_kernels_use_the_folder():
    folder = Path(linear.linear.stats.cache_path)
    assert folder.parent.name == "kernels-" + cache.kernel_hash(SOURCES)
    assert isinstance(linear.linear._cache, cache.KernelCache)


# --------------------------------------------------------------- old folders, and a finished one


def test_folders_unused_for_long_are_removed_when_a_new_one_is_made(tmp_path):
    def age(folder, days):
        then = time.time() - days * 86400
        os.utime(folder, (then, then))

    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    old, recent, in_use = (tmp_path / f"kernels-{n:016x}" for n in range(3))
    foreign = [tmp_path / name for name in ("kernels-mine", "numba", "kernels-0123456789abcdefg")]
    for folder in (old, recent, in_use, *foreign):
        (folder / "kernels_1").mkdir(parents=True)
        (folder / "kernels_1" / "linear.nbc").write_bytes(b"code")
        age(folder, cache.UNUSED_DAYS + 1)
    (tmp_path / f"kernels-{9:016x}").write_bytes(b"a file")
    age(tmp_path / f"kernels-{9:016x}", 99)
    age(recent, cache.UNUSED_DAYS - 1)
    new = cache.kernel_cache_folder(SOURCES, environment)
    assert {path.name for path in tmp_path.iterdir()} == {
        path.name for path in (new, recent, tmp_path / f"kernels-{9:016x}", *foreign)
    }
    age(new, 99)
    age(recent, 99)
    assert cache.kernel_cache_folder(SOURCES, environment) == new
    assert recent.exists()  # nothing new was made
    assert time.time() - new.stat().st_mtime < 86400  # and this one is in use
    cache.remove_unused_folders(tmp_path)
    assert new.exists()
    assert not recent.exists()


def test_folders_that_cannot_be_removed_do_no_harm(tmp_path, monkeypatch):
    cache.remove_unused_folders(tmp_path / "nowhere")
    old = tmp_path / f"kernels-{1:016x}"
    old.mkdir()
    os.utime(old, (0, 0))

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr(os, "rmdir", refuse)
    cache.remove_unused_folders(tmp_path)
    assert old.exists()


def test_folder_removed_under_a_process_is_made_again(tmp_path):
    first = compiled(tmp_path / "here")
    assert first(WITHOUT_GAPS) == 15
    shutil.rmtree(tmp_path / "here")
    assert first(WITH_GAPS) == 30
    assert len(files(tmp_path / "here")) == 1


# ------------------------------------------------------------- files that cannot be mixed or break


def test_each_signature_has_a_file_of_its_own(tmp_path):
    first = compiled(tmp_path)
    assert (first(WITHOUT_GAPS), first(WITH_GAPS)) == (15, 30)
    assert len(files(tmp_path)) == 2
    assert files(tmp_path, "*.tmp") == []
    second = compiled(tmp_path)
    assert (second(WITHOUT_GAPS), second(WITH_GAPS)) == (15, 30)
    assert hits_and_misses(first, second) == (2, 2)


def interleaved(folder, monkeypatch):
    """Two dispatchers compile two signatures, the second while the first one is saving."""
    first, second = compiled(folder), compiled(folder)
    real = os.replace

    def replace(source, target):
        monkeypatch.setattr(os, "replace", real)
        second(WITH_GAPS)
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    first(WITHOUT_GAPS)
    third = compiled(folder)
    return third, [third(WITHOUT_GAPS), third(WITH_GAPS)]


def test_two_signatures_compiled_at_the_same_time_stay_apart(tmp_path, monkeypatch):
    third, results = interleaved(tmp_path, monkeypatch)
    assert results == [15, 30]
    assert hits_and_misses(third) == (2, 0)


def test_two_signatures_are_mixed_up_by_numba_s_own_files(tmp_path, monkeypatch):
    """Why `KernelFiles` exists; the test above can fail."""
    monkeypatch.setattr(cache, "KernelCache", cache.FunctionCache)
    third, results = interleaved(tmp_path, monkeypatch)
    if results == [15, 30] and hits_and_misses(third) == (2, 0):
        pytest.skip("this Numba keeps them apart: KernelFiles may go")
    assert results != [15, 30] or hits_and_misses(third) != (2, 0)


def cut(content, other):
    return content[: len(content) // 2]


def empty(content, other):
    return b""


def flip_a_bit_of_the_code(content, other):
    middle = content.index(b"ELF") + 200 if b"ELF" in content else len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def another_signature(content, other):
    return other


def text(content, other):
    return b"not a kernel"


@pytest.mark.parametrize("damage", [cut, empty, flip_a_bit_of_the_code, another_signature, text])
def test_damaged_file_is_compiled_again(tmp_path, damage):
    first = compiled(tmp_path)
    assert first(WITHOUT_GAPS) == 15
    (path,) = files(tmp_path)
    assert first(WITH_GAPS) == 30
    (other,) = set(files(tmp_path)) - {path}
    whole = path.read_bytes()
    path.write_bytes(damage(whole, other.read_bytes()))
    assert path.read_bytes() != whole
    second = compiled(tmp_path)
    assert second(WITHOUT_GAPS) == 15
    assert hits_and_misses(second) == (0, 1)
    third = compiled(tmp_path)  # the file is whole again
    assert third(WITHOUT_GAPS) == 15
    assert hits_and_misses(third) == (1, 0)
    assert len(files(tmp_path)) == 2


def test_full_disk_leaves_the_kernel_at_work_and_no_file(tmp_path, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    first = compiled(tmp_path)
    assert first(WITHOUT_GAPS) == 15
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    monkeypatch.setattr(cache.tempfile, "mkstemp", lambda **_: full(None, None))
    assert first(WITH_GAPS) == 30


def test_file_that_cannot_be_read_is_compiled_again(tmp_path):
    compiled(tmp_path)(WITHOUT_GAPS)
    (path,) = files(tmp_path)
    path.unlink()
    path.mkdir()
    second = compiled(tmp_path)
    assert second(WITHOUT_GAPS) == 15
    assert hits_and_misses(second) == (0, 1)


def test_recompiling_forgets_the_files_of_this_function_alone(tmp_path):
    def half(x):
        return x / 2

    first, other = compiled(tmp_path), compiled(tmp_path, half)
    first(WITHOUT_GAPS)
    other(3.0)
    first._cache.flush()
    assert [path.name.split("-")[0] for path in files(tmp_path)] == [
        path.name.split("-")[0] for path in files(tmp_path, "*half*")
    ]
    first.recompile()
    assert len(files(tmp_path)) == 2


# -------------------------------------------------------------------------------- other processes

# A few kernels that compile in a second: with exp from simd.py, and one that calls no other.
USE_KERNELS = """
import hashlib, json, sys
from pathlib import Path
import numpy as np
import tinyllama_np
from tinyllama_np.kernels import adamw, cache, rmsnorm, swiglu
if "wait" in sys.argv:
    print("ready", flush=True)
    sys.stdin.readline()  # until all are ready
x = np.linspace(-3, 3, 5 * 33, dtype=np.float32).reshape(5, 33)
out = [np.zeros_like(x) for _ in range(3)]
rstd = np.zeros(5, dtype=np.float32)
swiglu.swiglu(x, x[::-1].copy(), out[0])
swiglu.swiglu_backward(x, x, x, out[1], out[2])
rmsnorm.rmsnorm(x, x[0], np.float32(1e-5), out[1], rstd)
adamw.accumulate(x.reshape(-1), out[2].reshape(-1))
used = [swiglu.swiglu, swiglu.swiglu_backward, rmsnorm.rmsnorm, adamw.accumulate]
print(json.dumps({
    "package": str(Path(tinyllama_np.__file__).parents[1]),
    "folder": Path(swiglu.swiglu.stats.cache_path).parent.name,
    "result": hashlib.sha256(b"".join(a.tobytes() for a in [*out, rstd])).hexdigest(),
    "hits": sum(sum(k.stats.cache_hits.values()) for k in used),
    "misses": sum(sum(k.stats.cache_misses.values()) for k in used),
}))
"""


def start(cache_folder, *arguments, code=USE_KERNELS, root=ROOT, **environment):
    """Another process that uses kernels, with their cache in a folder."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "PYTHONDONTWRITEBYTECODE": "1",
            "NUMBA_CACHE_DIR": str(cache_folder),
            **environment,
        },
    )


def finish(process):
    """What the process found, once it has ended well."""
    stdout, stderr = process.communicate("go on\n", timeout=300)
    assert process.returncode == 0, stderr
    return json.loads(stdout)


def use_kernels(cache_folder, **settings):
    return finish(start(cache_folder, **settings))


@pytest.mark.slow
def test_compiled_kernels_survive_between_processes(tmp_path):
    first, second = use_kernels(tmp_path), use_kernels(tmp_path)
    assert (first["hits"], first["misses"]) == (0, 4)
    assert (second["hits"], second["misses"]) == (4, 0)
    assert second["result"] == first["result"]


@pytest.mark.slow
def test_six_processes_at_once_share_an_empty_cache(tmp_path):
    processes = [start(tmp_path, "wait") for _ in range(6)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go on\n")
        process.stdin.flush()
    found = [finish(process) for process in processes]
    assert sum(one["misses"] for one in found) >= 4
    assert files(tmp_path, "*.tmp") == []
    seventh = use_kernels(tmp_path)
    assert (seventh["hits"], seventh["misses"]) == (4, 0)
    assert {one["result"] for one in found} == {seventh["result"]}
    assert {one["folder"] for one in found} == {seventh["folder"]}


@pytest.mark.slow
def test_editing_one_kernel_file_changes_the_next_run(tmp_path):
    """`exp` is compiled into swiglu: of simd.py, Numba's own cache would see nothing."""
    root, cache_folder = tmp_path / "checkout", tmp_path / "cache"
    for package in ("tinyllama_np", "tokenizer"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, root / package, ignore=ignore)
    first = use_kernels(cache_folder, root=root)
    assert Path(first["package"]) == root
    simd = root / "tinyllama_np" / "kernels" / "simd.py"
    before = simd.read_text(encoding="utf-8")
    after = re.sub(r"^C0 = np\.float32\(.*\)$", "C0 = np.float32(0.4)", before, flags=re.M)
    assert after != before
    simd.write_text(after, encoding="utf-8", newline="\n")
    edited = use_kernels(cache_folder, root=root)
    assert edited["result"] != first["result"]
    assert (edited["hits"], edited["misses"]) == (0, 4)
    assert edited["folder"] != first["folder"]
    simd.write_text(before, encoding="utf-8", newline="\n")
    again = use_kernels(cache_folder, root=root)
    assert again["result"] == first["result"]
    assert again["folder"] == first["folder"]
    assert (again["hits"], again["misses"]) == (4, 0)


MARK = """
import json, sys
from tinyllama_np.backend import kernels_are_compiled, remember_kernels_are_compiled
before = kernels_are_compiled()
if "remember" in sys.argv:
    remember_kernels_are_compiled()
print(json.dumps([before, kernels_are_compiled()]))
"""


@pytest.mark.slow
def test_compiled_kernels_are_remembered_for_this_processor(tmp_path):
    def ask(*arguments, **environment):
        return finish(start(tmp_path, *arguments, code=MARK, **environment))

    use_kernels(tmp_path)
    assert ask() == [False, False]  # some are not all
    assert ask("remember") == [False, True]
    assert ask() == [True, True]
    assert ask(NUMBA_CPU_NAME="generic") == [False, False]
