"""Small folders of images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WritePictures = Callable[..., Path]


def picture(rng: np.random.Generator, tint: int, grey: bool = False, size: int = 24) -> np.ndarray:
    """(size, size, 3) uint8: noise, brighter in the channel `tint`."""
    if grey:
        return np.repeat(rng.integers(0, 255, (size, size, 1), dtype=np.uint8), 3, axis=2)
    image = rng.integers(0, 120, (size, size, 3), dtype=np.uint8)
    image[..., tint] += 100
    return image


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def write_pictures(rng: np.random.Generator) -> WritePictures:
    """Write `counts` pictures a class below a folder; class i is tinted in channel i % 3."""

    def write(folder: Path, counts: dict[str, int], grey: bool = False) -> Path:
        for tint, (name, count) in enumerate(counts.items()):
            (folder / name).mkdir(parents=True, exist_ok=True)
            for i in range(count):
                Image.fromarray(picture(rng, tint % 3, grey)).save(folder / name / f"{i:03d}.png")
        return folder

    return write


@pytest.fixture
def split_folder(tmp_path: Path, write_pictures: WritePictures) -> Path:
    """train/ and test/ of two classes, 12 and 4 pictures each."""
    root = tmp_path / "data"
    write_pictures(root / "train", {"blue": 12, "red": 12})
    write_pictures(root / "test", {"blue": 4, "red": 4})
    return root
