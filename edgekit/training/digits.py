"""scikit-learn's handwritten digits as a folder of images: data that every installation has, for a first run.

1797 grey images of 8 x 8 pixels with levels 0 to 16 (Alpaydin and Kaynak 1998, UCI machine learning repository, CC BY 4.0). The
split is fixed: stratified, 75 % to train on, 25 % to test on. Logistic regression on the pixels has 96.9 % there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgekit.core.optional import require

__all__ = ["DIGITS_RECIPE", "digits_split", "write_digits"]

_TEST_SHARE = 0.25
_SPLIT_SEED = 0

# Fields of TrainConfig. Chosen on validation splits of the training side alone.
DIGITS_RECIPE: Mapping[str, Any] = {
    "model": "imagesig-cnn1d-2dir",
    "path": "grey+time",
    "size": (24, 24),
    "depth": 5,
    "directions": "both",
    "augment": "light",
    "copies": 8,
    "epochs": 20,
    "mixup": 0.0,
    "average": 0.0,
}


def digits_split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The images and classes of both sides.

    Returns:
        (1347, 8, 8) and (450, 8, 8) uint8 grey levels 0 to 255, and their (1347,) and (450,) classes 0 to 9.

    Raises:
        MissingExtraError: without scikit-learn.
    """
    digits = require("sklearn.datasets", "train", "scikit-learn").load_digits()
    split = require("sklearn.model_selection", "train", "scikit-learn").train_test_split
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    x_train, x_test, y_train, y_test = split(
        images, digits.target, test_size=_TEST_SHARE, random_state=_SPLIT_SEED, stratify=digits.target
    )
    return x_train, x_test, y_train, y_test


def write_digits(folder: str | os.PathLike[str]) -> Path:
    """Write train/CLASS/*.png and test/CLASS/*.png, the same bytes every time with the same Pillow.

    Args:
        folder: is made where it is missing; files of the same names are replaced.

    Returns:
        The folder, to be passed as a data set.

    Raises:
        MissingExtraError: without scikit-learn.
    """
    root = Path(folder)
    x_train, x_test, y_train, y_test = digits_split()
    for side, images, classes in (("train", x_train, y_train), ("test", x_test, y_test)):
        for number, (image, label) in enumerate(zip(images, classes, strict=True)):
            target = root / side / str(label) / f"{number:04d}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(target)
    return root
