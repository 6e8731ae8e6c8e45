"""The signature front end: one path per row of pixels, its iterated integrals as features.

Paper: Ibrahim & Lyons, "ImageSig: A signature transform for ultra-lightweight image recognition", CVPR workshops 2022.
Departs from it: colours are exact integers until the end, a path with time is offered for grey images (whose rgb signature is
that of each row's two end points), and the second direction of "both" is the transpose; "both-rotated" is the authors' own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from edgekit.core import strict
from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import InputError, UnknownNameError
from edgekit.frontends.area import check_images, check_size, resize_area, whole_number
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


class Signature:
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
        self._config = SignatureConfig(check_size(size), int(depth), directions, path, dtype, standardise)
        self._length = signature_length(self._path.channels, self._config.depth)
        if standardise is not None and len(standardise.scale) != self._length:
            expected = f"Expected a standardisation of {self._length} features (path {path!r}, depth {depth})"
            raise InputError(f"{expected}, got {len(standardise.scale)}. Fit it on features of this front end.")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Signature:
        """Inverse of `config_to_json`; missing keys take their defaults.

        Raises:
            BundleError: on an unknown key or a value of the wrong type.
            InputError: on a value out of range.
        """
        rest = dict(value)
        standardise = rest.pop("standardise", None)
        config = strict.from_json(SignatureConfig, rest, "the config of front end 'signature'")
        fitted = None if standardise is None else Standardisation.from_json(standardise)
        return cls(config.size, config.depth, config.directions, config.path, config.dtype, fitted)

    @property
    def config(self) -> SignatureConfig:
        """Everything that decides the features."""
        return self._config

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels to which an image is resized first."""
        return self._config.size

    @property
    def standardise(self) -> Standardisation | None:
        """The standardisation that `__call__` and `quantize` apply, None before it is fitted."""
        return self._config.standardise

    @property
    def output(self) -> TensorSpec:
        """Spec "features" of one image: (R, Q), layout "RF"."""
        height, width = self.size
        paths = {"rows": height, "both": height + width, "both-rotated": 2 * height}[self._config.directions]
        return TensorSpec("features", self._config.dtype, (paths, self._length), "RF")

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Features as the network takes them.

        Args:
            image: (H, W, 3) or (N, H, W, 3) uint8, RGB, any memory layout. Another size than `size` is resized first.

        Returns:
            (R, Q) or (N, R, Q) of the config's dtype, standardised where `standardise` is set.

        Raises:
            InputError: on another shape or dtype.
        """
        features = self.raw(image)
        return features if self.standardise is None else self.standardise.apply(features)

    def raw(self, image: np.ndarray) -> np.ndarray:
        """Features before standardisation, otherwise as `__call__`."""
        images = resize_area(check_images(image), self.size)
        images = images if images.ndim == 4 else images[None]
        blocks = [self._row_signatures(view(images)) for view in self._directions]
        features = blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)
        return features if image.ndim == 4 else features[0]

    def quantize(self, image: np.ndarray, affine: Affine) -> np.ndarray:
        """Features standardised and quantized in one step: (R, Q) or (N, R, Q) in the dtype of `affine`."""
        features = self.raw(image)
        return affine.quantize(features) if self.standardise is None else self.standardise.quantize(features, affine)

    def with_standardisation(self, standardise: Standardisation | None) -> Signature:
        """The same front end with another standardisation."""
        config = replace(self._config, standardise=standardise)
        return Signature(config.size, config.depth, config.directions, config.path, config.dtype, config.standardise)

    def config_to_json(self) -> dict[str, Any]:
        """Every key of the config as JSON values; `from_json` gives the same front end back."""
        standardise = self.standardise
        plain = strict.to_json(replace(self._config, standardise=None))
        return {**plain, "standardise": None if standardise is None else standardise.to_json()}

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
