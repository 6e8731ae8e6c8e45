"""The scattering front end: Morlet wavelets, modulus and low-pass, on each colour.

Papers: Bruna & Mallat, "Invariant scattering convolution networks", TPAMI 2013; as the input of a network, Oyallon et al.,
"Scattering networks for hybrid representation learning", TPAMI 2018. Equal to kymatio's Scattering2D, with its defaults for
filters, padding and the order of paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.core.spec import TensorSpec
from edgekit.errors import InputError, UnknownNameError
from edgekit.frontends.area import check_size, whole_number
from edgekit.frontends.features import ImageFeatures
from edgekit.frontends.filter_bank import filter_bank, path_count
from edgekit.frontends.scattering_kernel import scatter
from edgekit.frontends.scattering_macs import scattering_macs
from edgekit.frontends.standardise import Standardisation

__all__ = ["Scattering", "ScatteringConfig"]

MAX_SCALES = 5
MAX_ANGLES = 16
#: ITU-R BT.601 luma.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32) / np.float32(255)
_COLOURS = {"rgb": 3, "grey": 1}


@dataclass(frozen=True)
class ScatteringConfig:
    """Everything that decides the features.

    Attributes:
        size: (height, width) in pixels, to which an image is resized; each at least 2^J.
        J: number of scales, 1 to 5; maps have a pixel for each 2^J pixels of the image.
        L: number of angles, 1 to 16.
        max_order: 1 or 2 wavelets in a row.
        colour: "rgb", each colour by itself, or "grey".
        standardise: scale and offset per channel, None for raw features.
        decode: how JPEG files become pixels, "exact" or "scaled" (see `edgekit.frontends.loading`).
    """

    size: tuple[int, int] = (64, 64)
    J: int = 3
    L: int = 8
    max_order: int = 1
    colour: str = "rgb"
    standardise: Standardisation | None = None
    decode: str = "exact"


class Scattering(ImageFeatures[ScatteringConfig]):
    """Scattering coefficients of an image, float32 (C * paths, h, w). Safe to call from several threads.

    h = height // 2^J, w = width // 2^J. paths = 1 + J L, and L^2 J (J - 1) / 2 more at order 2, in kymatio's order; all paths of
    a colour before those of the next.

    Args:
        size: (height, width) in pixels, each at least 2^J.
        J: number of scales, 1 to 5.
        L: number of angles, 1 to 16.
        max_order: 1 or 2.
        colour: "rgb" (C = 3) or "grey" (C = 1).
        standardise: applied to each channel where given.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size, J, L, max_order or standardisation out of range.
        UnknownNameError: on an unknown colour, listing the known ones.

    >>> Scattering(size=(224, 224), J=3).output.shape
    (75, 28, 28)
    """

    name = "scattering"
    config_type = ScatteringConfig

    def __init__(
        self,
        size: tuple[int, int] = (64, 64),
        J: int = 3,
        L: int = 8,
        max_order: int = 1,
        colour: str = "rgb",
        standardise: Standardisation | None = None,
        decode: str = "exact",
    ) -> None:
        if colour not in _COLOURS:
            raise UnknownNameError("colour", colour, _COLOURS)
        scales, angles = _within("J", J, MAX_SCALES), _within("L", L, MAX_ANGLES)
        order = _within("max_order", max_order, 2)
        super().__init__(ScatteringConfig(_size(size, scales), scales, angles, order, colour, standardise, decode))

    @property
    def output(self) -> TensorSpec:
        """Spec "features" of one image: (C * paths, h, w), layout "CHW"."""
        config = self._config
        channels = _COLOURS[config.colour] * path_count(config.J, config.L, config.max_order)
        return TensorSpec("features", "float32", (channels, *(side // 2**config.J for side in config.size)), "CHW")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image: `scattering_macs` for each colour. Scaling and mixing colours is not counted."""
        config = self._config
        return _COLOURS[config.colour] * scattering_macs(filter_bank(self.size, config.J, config.L, config.max_order))

    def transform(self, planes: np.ndarray) -> np.ndarray:
        """Coefficients of planes, whatever their colours: what kymatio gives.

        Args:
            planes: (N, C, H, W) float32 of `size`, any C; colours in [0, 1] have coefficients in [0, 1].

        Returns:
            (N, C, paths, h, w) float32, neither standardised nor reshaped.

        Raises:
            InputError: on another shape or dtype.
        """
        _check_planes(planes, self.size)
        config = self._config
        flat = np.ascontiguousarray(planes).reshape(-1, *self.size)
        coefficients = scatter(flat, filter_bank(self.size, config.J, config.L, config.max_order))
        return coefficients.reshape(*planes.shape[:2], *coefficients.shape[1:])

    def _features(self, images: np.ndarray) -> np.ndarray:
        planes = _rgb(images) if self._config.colour == "rgb" else _grey(images)
        return self.transform(planes).reshape(len(images), *self.output.shape)


def _rgb(images: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in [0, 1]."""
    planes = np.empty((len(images), 3, *images.shape[1:3]), np.float32)
    return np.multiply(images.transpose(0, 3, 1, 2), np.float32(1 / 255), out=planes, dtype=np.float32)


def _grey(images: np.ndarray) -> np.ndarray:
    """(N, H, W, 3) uint8 -> (N, 1, H, W) float32 in [0, 1]."""
    red, green, blue = np.moveaxis(images, -1, 0).astype(np.float32)
    return (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue)[:, None]


def _within(key: str, value: Any, most: int) -> int:
    if not whole_number(value) or not 1 <= value <= most:
        raise InputError(f"Expected {key} of 1 to {most}, got {value!r}.")
    return int(value)


def _size(size: Any, scales: int) -> tuple[int, int]:
    pair = check_size(size)
    if min(pair) < 2**scales:
        raise InputError(
            f"Expected a size of at least 2^J = {2**scales} pixels each way, got {pair}. Lower J or enlarge the size."
        )
    return pair


def _check_planes(planes: Any, size: tuple[int, int]) -> None:
    expected = f"Expected planes of shape (N, C, {size[0]}, {size[1]}) and dtype float32"
    if not isinstance(planes, np.ndarray):
        raise InputError(f"{expected}, got {type(planes).__name__}. Pass a NumPy array.")
    if planes.ndim != 4 or planes.shape[2:] != size:
        raise InputError(f"{expected}, got shape {planes.shape}. Pass NCHW of the size that the front end was made for.")
    if planes.dtype != np.float32:
        raise InputError(f"{expected}, got {planes.dtype}. Pass levels as float32, divided by 255 where they are bytes.")
