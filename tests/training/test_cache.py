"""The cache on disk: what is thrown away, and what is left alone."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgekit.training import cache


def test_the_oldest_files_go_and_what_others_write_stays(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT_BYTES", 2500)
    for time, name in enumerate(("kept.npz", ".writing-by-another.npy", "old.npy", "new.npz")):
        (tmp_path / name).write_bytes(bytes(1000))
        os.utime(tmp_path / name, (time, time))
    (tmp_path / "gone.npz").symlink_to(tmp_path / "nowhere")  # as one that another training has just removed
    cache.prune(tmp_path, keep=tmp_path / "kept.npz")
    left = {path.name for path in tmp_path.iterdir() if path.is_file()}
    assert left == {"kept.npz", ".writing-by-another.npy", "new.npz"}


def test_arrays_come_back_and_a_damaged_file_is_computed_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def compute():
        calls.append(1)
        return {"x": np.arange(3)}

    for _ in range(2):
        np.testing.assert_array_equal(cache.cached("key", compute)["x"], np.arange(3))
    (cache.cache_folder() / "key.npz").write_bytes(b"PK torn")
    np.testing.assert_array_equal(cache.cached("key", compute)["x"], np.arange(3))
    assert len(calls) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), byte=st.integers(1, 255))
def test_whatever_byte_is_damaged_the_arrays_are_those_that_were_computed(tmp_path, place, byte):
    expected = {"x": np.arange(12, dtype=np.float32).reshape(3, 4), "y": np.zeros((0, 2), np.int64)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path))
        cache.cached("key", lambda: expected)
        file = cache.cache_folder() / "key.npz"
        content = bytearray(file.read_bytes())
        content[place % len(content)] ^= byte
        file.write_bytes(content)
        found = cache.cached("key", lambda: expected)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
