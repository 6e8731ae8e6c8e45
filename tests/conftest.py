"""Fixtures that every room of the tests shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests.synthetic import write_textures

#: Generators of the golden files, not tests.
collect_ignore_glob = ["golden/*"]

# The same examples everywhere, and no time limit. `pytest -m hypothesis --hypothesis-profile explore` draws others, and more.
settings.register_profile("alike", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("alike")

SHARED = Path(__file__).resolve().parents[2] / "shared"
GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images beside the checkout; a test that needs it skips where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the real images beside the checkout ({SHARED.name}/data)")
    return SHARED


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(autouse=True, scope="session")
def _own_feature_cache(tmp_path_factory):
    """No test reads or writes the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def golden_bundle() -> Path:
    """The committed bundle (see golden/make_golden_bundle.py). Not to be written to."""
    return GOLDEN / "textures.bundle"


@pytest.fixture(scope="session")
def textures(tmp_path_factory) -> Path:
    """A small data set of three textures: train/CLASS/* and test/CLASS/*."""
    return write_textures(tmp_path_factory.mktemp("textures") / "data", train=40, test=20)


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory, textures) -> Path:
    """A run trained on the textures in seconds."""
    pytest.importorskip("torch", reason="training needs torch")
    from edgekit.training.config import TrainConfig
    from edgekit.training.loop import train

    out = tmp_path_factory.mktemp("runs") / "textures"
    train(TrainConfig(textures, "imagesig-cnn1d", out, epochs=30, size=(32, 32), depth=2, augment="none", batch_size=16))
    return out


@pytest.fixture
def board(tmp_path):
    """A board that ssh reaches, with edgekit installed; see tests/deploy/board.py."""
    from tests.deploy.board import running_board

    folder = tmp_path / "board"
    folder.mkdir()
    with running_board(folder) as board:
        board.put_edgekit()
        yield board
