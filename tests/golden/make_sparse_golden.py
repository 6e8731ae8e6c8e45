"""Write frontend_sparse.npz: a synthetic image, kornia's Sobel of it, scikit-image's HOG picture and three binary dilations.

Run from the repository root, where kornia and scikit-image are installed: python tests/golden/make_sparse_golden.py
"""

from __future__ import annotations

import warnings
from pathlib import Path

import kornia
import numpy as np
import torch
from skimage.feature import hog
from skimage.morphology import binary_dilation

OUT = Path(__file__).with_name("frontend_sparse.npz")


def image(height: int, width: int, seed: int) -> np.ndarray:
    """(height, width, 3) uint8: overlapping discs of random colours on a gradient, plus noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    levels = np.stack([60 + 2.0 * y, 60 + 1.5 * x, 90 + y - x], axis=-1)
    for _ in range(6):
        centre, radius = rng.uniform(0, 1, 2) * (height, width), rng.uniform(3, 9)
        levels[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = rng.integers(0, 256, 3)
    return np.clip(levels + rng.normal(0, 4, levels.shape), 0, 255).astype(np.uint8)


def dilated(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`size` bool: the points, dilated three times."""
    mask = np.zeros(size, bool)
    mask[points[:, 0], points[:, 1]] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for _ in range(3):
            mask = binary_dilation(mask)
    return mask


def main() -> None:
    """Compute and write."""
    picture = image(27, 35, 0)
    points = np.array([(0, 0), (26, 34), (13, 17), (14, 18), (1, 33), (20, 3)])
    unit = torch.from_numpy(picture.astype(np.float32) / np.float32(255)).permute(2, 0, 1)
    np.savez_compressed(
        OUT,
        image=picture,
        sobel=kornia.filters.sobel(unit[None])[0].numpy(),
        hog=(hog(picture, visualize=True, channel_axis=-1)[1] / 255).astype(np.float32),
        points=points,
        near=dilated(points, picture.shape[:2]),
    )


if __name__ == "__main__":
    main()
