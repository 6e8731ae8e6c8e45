from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def work(tmp_path):
    """An empty folder to run in, and what must be in it afterwards: nothing."""
    folder = tmp_path / "work"
    folder.mkdir()
    yield folder
    assert [path.name for path in folder.iterdir()] == []


@pytest.fixture
def bundle(tmp_path, golden_bundle) -> Path:
    return Path(shutil.copytree(golden_bundle, tmp_path / "copy.bundle"))
