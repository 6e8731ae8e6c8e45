"""The sparse front end that keeps what lies near SIFT keypoints. Needs OpenCV: `pip install 'edgekit[sift]'`.

Papers: Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004; Li, "Evaluation of Sparse Image
Representations for Visual Recognition", section 4.1, 5: a mask of the keypoints' pixels, dilated three times by a cross.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

import numpy as np

from edgekit.core.optional import require
from edgekit.core.spec import TensorSpec
from edgekit.frontends.area import check_size
from edgekit.frontends.features import ImageFeatures
from edgekit.frontends.standardise import Standardisation

__all__ = ["Sift", "SiftConfig", "near"]

_DILATIONS = 3

#: OpenCV looks for no keypoint within 5 pixels of the border of an image of twice the size.
_SMALLEST_SIDE = 6

#: Scales a keypoint may have in an octave, blur of the first one: OpenCV's and Lowe's.
_SCALES = 3
_SIGMA = 1.6


@dataclass(frozen=True)
class SiftConfig:
    """Everything that decides the features.

    Attributes:
        size: (height, width) in pixels, to which an image is resized.
        standardise: scale and offset per channel, None for raw features.
        decode: how JPEG files become pixels, "exact" or "scaled" (see `edgekit.frontends.loading`).
    """

    size: tuple[int, int] = (64, 64)
    standardise: Standardisation | None = None
    decode: str = "exact"


class Sift(ImageFeatures[SiftConfig]):
    """Pixels in [0, 1] up to three steps away from a SIFT keypoint, black elsewhere: (3, H, W) float32.

    Keypoints are OpenCV's, at its defaults, of the BT.601 grey image. Safe to call from several threads.

    Args:
        size: (height, width) in pixels.
        standardise: applied to each channel where given.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size or standardisation out of range.
        MissingExtraError: when it is called and OpenCV is not installed.
    """

    name = "sift"
    config_type = SiftConfig

    def __init__(
        self, size: tuple[int, int] = (64, 64), standardise: Standardisation | None = None, decode: str = "exact"
    ) -> None:
        super().__init__(SiftConfig(check_size(size), standardise, decode))

    @property
    def output(self) -> TensorSpec:
        """Spec "features" of one image: float32 (3, H, W), layout "CHW"."""
        return TensorSpec("features", "float32", (3, *self.size), "CHW")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the scale space of one image: OpenCV's separable blurs and their differences.

        What follows depends on the image and is not counted: comparisons for extremes, refining and orientation of keypoints.
        """
        side, area = 2 * min(self.size), 4 * self.size[0] * self.size[1]
        octaves = max(round(log2(side) - 2) + 1, 1)
        blurs = sum(2 * _taps(sigma) for sigma in _blurs())
        first = 2 * _taps((_SIGMA**2 - 1) ** 0.5) + 4  # bilinear enlargement to twice the size, then the first scale
        return area * first + sum((area >> 2 * octave) * (blurs + len(_blurs())) for octave in range(octaves))

    def _features(self, images: np.ndarray) -> np.ndarray:
        features = np.empty((len(images), *self.output.shape), np.float32)
        for image, target in zip(images, features, strict=True):
            kept = near(_keypoints(image), self.size)
            for colour, plane in enumerate(target):
                np.multiply(image[..., colour], np.float32(1 / 255), out=plane)
                plane *= kept
        return features


def near(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """True within three steps (up, down, left, right) of a point: its pixel, dilated three times by a cross of five pixels.

    Args:
        points: (K, 2) row and column in pixels, within the image.
        size: (height, width).

    Returns:
        (height, width) bool.
    """
    height, width = size
    steps = np.arange(-_DILATIONS, _DILATIONS + 1)
    rows, columns = np.nonzero(np.abs(steps[:, None]) + np.abs(steps) <= _DILATIONS)
    mask = np.zeros((height + 2 * _DILATIONS, width + 2 * _DILATIONS), bool)
    mask[points[:, :1] + rows, points[:, 1:] + columns] = True
    return mask[_DILATIONS:-_DILATIONS, _DILATIONS:-_DILATIONS]


def _keypoints(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 -> (K, 2) nearest row and column of OpenCV's keypoints."""
    cv2 = require("cv2", "sift", "OpenCV")
    if min(image.shape[:2]) < _SMALLEST_SIDE:
        return np.zeros((0, 2), np.intp)
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    found = cv2.SIFT_create().detect(grey, None)
    places = np.array([point.pt[::-1] for point in found], np.float32).reshape(-1, 2)
    return np.clip(np.rint(places).astype(np.intp), 0, np.subtract(image.shape[:2], 1))


def _blurs() -> list[float]:
    """Sigma of the blur from each scale of an octave to the next: scale k has _SIGMA * 2^(k / _SCALES)."""
    step = 2 ** (1 / _SCALES)
    return [_SIGMA * step**k * (step**2 - 1) ** 0.5 for k in range(_SCALES + 2)]


def _taps(sigma: float) -> int:
    """Width of OpenCV's Gaussian kernel for float images: four sigma to each side, an odd number."""
    return round(8 * sigma + 1) | 1
