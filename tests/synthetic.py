"""Colourful textures of three kinds: enough to train on in seconds, and nobody else's data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

CLASSES = ("blobs", "checks", "stripes")


def texture(kind: str, seed: int, size: int = 48) -> np.ndarray:
    """One (size, size, 3) uint8 picture of a kind, in random colours."""
    rng = np.random.default_rng([CLASSES.index(kind), seed])
    y, x = np.mgrid[0:size, 0:size] / size
    colours = rng.uniform(0, 255, (2, 3))
    period, phase = rng.uniform(3, 7), rng.uniform(0, 1, 2)
    if kind == "stripes":
        mask = np.sin(2 * np.pi * (period * x + phase[0])) > 0
    elif kind == "checks":
        mask = (np.sin(2 * np.pi * (period * x + phase[0])) > 0) ^ (np.sin(2 * np.pi * (period * y + phase[1])) > 0)
    else:
        centres = rng.uniform(0, 1, (4, 2))
        mask = np.min([np.hypot(x - a, y - b) for a, b in centres], axis=0) < 0.15
    image = np.where(mask[..., None], colours[0], colours[1]) + rng.normal(0, 12, (size, size, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def write_textures(root: Path, train: int, test: int, size: int = 48) -> Path:
    """train/CLASS/*.png and test/CLASS/*.png, so many of each class."""
    for side, first, count in (("train", 0, train), ("test", train, test)):
        for kind in CLASSES:
            folder = root / side / kind
            folder.mkdir(parents=True)
            for number in range(first, first + count):
                Image.fromarray(texture(kind, number, size)).save(folder / f"{number:03d}.png")
    return root
