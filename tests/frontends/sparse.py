"""What the tests of the sparse front ends share: pictures, real and made."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.frontends.image import decode, resize_area

GOLDEN = Path(__file__).parents[1] / "golden" / "frontend_sparse.npz"

#: Odd, tiny, narrow, and of several bands.
SIZES = [(1, 1), (1, 5), (2, 3), (8, 8), (37, 51), (64, 64), (5, 300), (300, 7), (224, 224)]


def photographs(shared: Path, size: tuple[int, int], count: int = 4) -> list[np.ndarray]:
    """(*size, 3) uint8 each."""
    files = sorted((shared / "data/fire/test").glob("*/*"))
    return [resize_area(decode(file), size) for file in files[:: len(files) // count][:count]]


def noise(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """(*shape, 3) uint8."""
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


def pixels(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (3, H, W) float32 in [0, 1]."""
    return np.ascontiguousarray(np.moveaxis(image, -1, 0), np.float32) / np.float32(255)
