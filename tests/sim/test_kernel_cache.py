"""Compiled kernels are found again only if nothing that went into them has changed."""

import os
from pathlib import Path

import pytest

from pimlir.sim import kernel_cache


def test_the_folder_depends_on_sources_and_flags(monkeypatch, tmp_path):
    source = tmp_path / "kernel.py"
    source.write_text("a")
    monkeypatch.setattr(kernel_cache, "SOURCES", (tmp_path,))
    first = kernel_cache.fingerprint()
    assert kernel_cache.fingerprint() == first
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    checked = kernel_cache.fingerprint()
    source.write_text("b")
    assert len({first, checked, kernel_cache.fingerprint()}) == 3


def test_the_cache_is_below_the_chosen_folder(monkeypatch):
    monkeypatch.setenv("PIMLIR_CACHE", "/somewhere")
    assert kernel_cache.cache_root() == Path("/somewhere")
    monkeypatch.delenv("PIMLIR_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert kernel_cache.cache_root() == Path("/caches/pimlir")


def test_without_a_writable_folder_kernels_live_as_long_as_the_process(tmp_path):
    file = tmp_path / "file"
    file.touch()
    folder = kernel_cache.prepare(file / "kernels")
    assert folder.is_dir() and not any(folder.iterdir())
    assert kernel_cache.prepare(tmp_path / "kernels") == tmp_path / "kernels"


def test_numba_uses_the_folder():
    numba = pytest.importorskip("numba")
    assert numba.config.CACHE_DIR == os.environ["NUMBA_CACHE_DIR"] == str(kernel_cache.FOLDER)
