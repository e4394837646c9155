"""The kernels' cache: a new folder whenever the machine code could differ, and where it lies."""

from __future__ import annotations

import shutil
from pathlib import Path

import numba
import pytest

import tinyllama_np.kernels
from tinyllama_np.kernels import cache, linear

SOURCES = Path(tinyllama_np.kernels.__file__).parent


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
        (cache.config, "CPU_NAME", "haswell"),
        (cache.config, "CPU_FEATURES", "+avx2,+fma"),
    ]:
        monkeypatch.setattr(target, name, value)
        hashes.add(cache.kernel_hash(SOURCES))
    assert len(hashes) == 4


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
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    folder = cache.kernel_cache_folder(SOURCES, {"NUMBA_CACHE_DIR": str(tmp_path / "file")})
    assert folder.is_relative_to(tmp_path / "tmp")

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache.Path, "home", homeless)
    folder = cache.kernel_cache_folder(SOURCES, {})
    assert folder.is_relative_to(tmp_path / "tmp")


def test_numba_setting_is_changed_for_the_kernels_alone(tmp_path):
    before = cache.config.CACHE_DIR
    with cache.numba_cache_in(tmp_path / "here"):

        @numba.njit(cache=True)
        def twice(x):
            return x + x

    assert before == cache.config.CACHE_DIR
    assert twice(2) == 4  # compiled after the setting is back, kept where it was decorated
    assert list((tmp_path / "here").rglob("*.nbc"))


def test_setting_is_restored_after_an_error(tmp_path):
    before = cache.config.CACHE_DIR

    def fail():
        with cache.numba_cache_in(tmp_path):
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        fail()
    assert before == cache.config.CACHE_DIR


def test_kernels_use_the_folder():
    folder = Path(linear.linear.stats.cache_path)
    assert folder.parent.name == "kernels-" + cache.kernel_hash(SOURCES)
