"""Fixtures that every room of the tests shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images beside the checkout; a test that needs it skips where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the real images beside the checkout ({SHARED.name}/data)")
    return SHARED


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
