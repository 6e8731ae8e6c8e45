"""The signature front end: one path per row of pixels, its iterated integrals as features.

Paper: Ibrahim & Lyons, "ImageSig: A signature transform for ultra-lightweight image recognition", CVPR workshops 2022.
Departs from it: colours are exact integers until the end, a path with time is offered for grey images (whose rgb signature is
that of each row's two end points), and the second direction of "both" is the transpose; "both-rotated" is the authors' own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgekit.core.spec import TensorSpec
from edgekit.errors import InputError, UnknownNameError
from edgekit.frontends.area import check_size, whole_number
from edgekit.frontends.features import ImageFeatures
from edgekit.frontends.kernels import signatures
from edgekit.frontends.paths import path_kind, rotate_quarter_turn
from edgekit.frontends.standardise import Standardisation
from edgekit.frontends.tensor_algebra import feature_scale, signature_length

__all__ = ["Signature", "SignatureConfig"]

MAX_DEPTH = 6
_DTYPES = ("float32", "float64")


def _rows(images: np.ndarray) -> np.ndarray:
    return images


def _columns(images: np.ndarray) -> np.ndarray:
    return images.swapaxes(1, 2)


#: What is done to the (N, H, W, 3) images before the rows are taken, once per block of paths.
_DIRECTIONS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], ...]] = {
    "rows": (_rows,),
    "both": (_rows, _columns),
    "both-rotated": (_rows, rotate_quarter_turn),
}


@dataclass(frozen=True)
class SignatureConfig:
    """Everything that decides the features.

    Attributes:
        size: (height, width) in pixels, to which an image is resized.
        depth: number of levels, 1 to 6.
        directions: "rows", "both" (rows, then columns) or "both-rotated" (rows, then rows of the image rotated by 90 degrees).
        path: "rgb", "rgb+time" or "grey+time".
        dtype: "float32" or "float64", of the arithmetic and of the features.
        standardise: scale and offset per feature, None for raw features.
    """

    size: tuple[int, int] = (64, 64)
    depth: int = 4
    directions: str = "rows"
    path: str = "rgb"
    dtype: str = "float32"
    standardise: Standardisation | None = None


class Signature(ImageFeatures[SignatureConfig]):
    """Signatures of an image's rows (and columns): (R, Q) features. Safe to call from several threads.

    R = height for "rows", height + width for "both", 2 * height for "both-rotated". Q = C + C^2 + ... + C^depth, with C channels
    of the path, without the leading 1, in iisignature's order.

    Args:
        size: (height, width) in pixels.
        depth: number of levels, 1 to 6.
        directions: "rows", "both" or "both-rotated".
        path: "rgb" (3 channels), "rgb+time" (4) or "grey+time" (2).
        dtype: "float32" or "float64".
        standardise: applied to each feature where given.

    Raises:
        InputError: on a size, depth or standardisation out of range.
        UnknownNameError: on an unknown directions, path or dtype, listing the known ones.

    >>> Signature(size=(8, 8))(np.zeros((8, 8, 3), np.uint8)).shape
    (8, 120)
    """

    name = "signature"
    config_type = SignatureConfig

    def __init__(
        self,
        size: tuple[int, int] = (64, 64),
        depth: int = 4,
        directions: str = "rows",
        path: str = "rgb",
        dtype: str = "float32",
        standardise: Standardisation | None = None,
    ) -> None:
        if directions not in _DIRECTIONS:
            raise UnknownNameError("directions", directions, _DIRECTIONS)
        if dtype not in _DTYPES:
            raise UnknownNameError("dtype of a signature", dtype, _DTYPES)
        if not whole_number(depth) or not 1 <= depth <= MAX_DEPTH:
            raise InputError(f"Expected a depth of 1 to {MAX_DEPTH}, got {depth!r}.")
        self._path = path_kind(path)
        self._directions = _DIRECTIONS[directions]
        self._length = signature_length(self._path.channels, int(depth))
        super().__init__(SignatureConfig(check_size(size), int(depth), directions, path, dtype, standardise))

    @property
    def output(self) -> TensorSpec:
        """Spec "features" of one image: (R, Q), layout "RF"."""
        height, width = self.size
        paths = {"rows": height, "both": height + width, "both-rotated": 2 * height}[self._config.directions]
        return TensorSpec("features", self._config.dtype, (paths, self._length), "RF")

    def _features(self, images: np.ndarray) -> np.ndarray:
        blocks = [self._row_signatures(view(images)) for view in self._directions]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)

    def _row_signatures(self, images: np.ndarray) -> np.ndarray:
        """(N, rows, width, 3) uint8 -> (N, rows, Q)."""
        count, rows, width = images.shape[:3]
        dtype, depth = np.dtype(self._config.dtype), self._config.depth
        features = signatures(self._path.points(images, dtype), depth)
        features *= _unit_scale(self._config.path, width, depth, self._config.dtype)
        return features.reshape(count, rows, self._length)


@lru_cache(maxsize=64)
def _unit_scale(path: str, width: int, depth: int, dtype: str) -> np.ndarray:
    """(Q,) of `dtype`, read-only: from the units of the path to colours and time in [0, 1]."""
    scale = feature_scale(path_kind(path).channel_scale(width), depth).astype(dtype)
    scale.flags.writeable = False
    return scale
