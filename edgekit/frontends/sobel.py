"""The sparse front ends that come from Sobel's edge filter: activations, binary, masked, colour-preserved edges.

Paper: Li, "Evaluation of Sparse Image Representations for Visual Recognition", section 4.1, 1 to 4. The activation is that of
kornia.filters.sobel on pixels in [0, 1]: sqrt(gx^2 + gy^2 + 1e-6) with the 3 x 3 kernels divided by 8 and border pixels
repeated. Departs from the paper: images are filtered at `size`; there, after enlarging 64 x 64 to 224 x 224.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from edgekit.core.spec import TensorSpec
from edgekit.errors import InputError
from edgekit.frontends.area import check_size
from edgekit.frontends.features import FeatureConfig, ImageFeatures
from edgekit.frontends.planes import bands, window
from edgekit.frontends.standardise import Standardisation

__all__ = ["ColourEdges", "ColourEdgesConfig", "EdgeConfig", "Sobel", "SobelBinary", "SobelConfig", "SobelMasked", "edge_energy"]

#: activation = sqrt(energy * _UNIT + _EPS): gx^2 + gy^2 is twice the energy, and 8 * 255 levels make a slope of 1.
_UNIT = np.float32(2 / (8 * 255) ** 2)
_EPS = np.float32(1e-6)


def edge_energy(planes: np.ndarray) -> np.ndarray:
    """(gx^2 + gy^2) / 2 of Sobel's kernels, an exact integer.

    The kernel [1 2 1]^T [-1 0 1] is the 2 x 2 sum followed by [1 1]^T [-1 1]. So with the differences d and e of the 2 x 2 sums
    along the two diagonals, gx = d + e, gy = d - e and gx^2 + gy^2 = 2 (d^2 + e^2).

    Args:
        planes: (3, rows + 2, W + 2) contiguous float32 levels, 0 to 255, with their border.

    Returns:
        (3, rows, W) float32 view, 0 to 2,080,800.
    """
    below = planes.shape[2]
    levels = planes.reshape(-1)
    pairs = levels[:-1] + levels[1:]
    sums = pairs[:-below] + pairs[below:]
    energy = np.empty_like(levels)
    count = sums.size - below - 1
    falling = np.subtract(sums[below + 1 :], sums[:count], out=energy[:count])
    rising = np.subtract(sums[1 : 1 + count], sums[below : below + count], out=pairs[:count])
    falling *= falling
    rising *= rising
    falling += rising
    return window(planes, energy)


def _activations(energy: np.ndarray, out: np.ndarray) -> None:
    """(3, rows, W) energy -> activations in `out`."""
    np.multiply(energy, _UNIT, out=out)
    out += _EPS
    np.sqrt(out, out=out)


def _energy_at(activation: float) -> np.float32:
    """The energy of that activation; energies are integers, and float32 holds all of them."""
    return np.float32((activation**2 - float(_EPS)) / float(_UNIT))


@dataclass(frozen=True)
class SobelConfig:
    """Everything that decides the features.

    Attributes:
        size: (height, width) in pixels, to which an image is resized.
        standardise: scale and offset per channel, None for raw features.
        decode: how JPEG files become pixels, "exact" or "scaled" (see `edgekit.frontends.loading`).
    """

    size: tuple[int, int] = (64, 64)
    standardise: Standardisation | None = None
    decode: str = "exact"


@dataclass(frozen=True)
class EdgeConfig:
    """Everything that decides the features.

    Attributes:
        size: (height, width) in pixels, to which an image is resized.
        threshold: activation from which on a pixel counts as an edge.
        standardise: scale and offset per channel, None for raw features.
        decode: how JPEG files become pixels, "exact" or "scaled" (see `edgekit.frontends.loading`).
    """

    size: tuple[int, int] = (64, 64)
    threshold: float = 0.25
    standardise: Standardisation | None = None
    decode: str = "exact"


@dataclass(frozen=True)
class ColourEdgesConfig(EdgeConfig):
    """As `EdgeConfig`, with the paper's lower threshold for the mean of three channels."""

    threshold: float = 0.2


class _EdgeMap(ImageFeatures[Any]):
    """Base of the four: a map of three planes, computed band by band."""

    #: See `edgekit.frontends.cost`: per pixel and channel.
    _macs_per_value: ClassVar[int]

    @property
    def output(self) -> TensorSpec:
        """Spec "features" of one image: float32 (3, H, W), layout "CHW"."""
        return TensorSpec("features", "float32", (3, *self.size), "CHW")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, as `edgekit.frontends.cost` counts them: so many per pixel and channel."""
        return self._macs_per_value * 3 * self.size[0] * self.size[1]

    def _features(self, images: np.ndarray) -> np.ndarray:
        features = np.empty((len(images), *self.output.shape), np.float32)
        for index, rows, planes in bands(images):
            self._write(planes, features[index, :, rows])
        return features

    def _write(self, planes: np.ndarray, out: np.ndarray) -> None:
        """(3, rows + 2, W + 2) levels with their border -> (3, rows, W) features in `out`."""
        raise NotImplementedError


class Sobel(_EdgeMap):
    """Edge activations of each channel, (3, H, W) float32 in [0.001, 0.71]; 0.001 where the image is flat.

    No value is exactly zero, as in the paper; in 8 bits most are. Safe to call from several threads.

    Args:
        size: (height, width) in pixels.
        standardise: applied to each channel where given.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size or standardisation out of range.

    >>> Sobel(size=(8, 8))(np.zeros((8, 8, 3), np.uint8)).max().round(6)
    0.001
    """

    name = "sobel"
    config_type = SobelConfig
    _macs_per_value = 4 + 3 + 3  # sums and differences, energy; scale, offset, root

    def __init__(
        self, size: tuple[int, int] = (64, 64), standardise: Standardisation | None = None, decode: str = "exact"
    ) -> None:
        super().__init__(SobelConfig(check_size(size), standardise, decode))

    def _write(self, planes: np.ndarray, out: np.ndarray) -> None:
        _activations(edge_energy(planes), out)


class _Thresholded(_EdgeMap):
    """Base of the three with a threshold.

    Args:
        size: (height, width) in pixels.
        threshold: activation, greater than 0.001 (that of a flat image).
        standardise: applied to each channel where given.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size, threshold or standardisation out of range.
    """

    def __init__(
        self,
        size: tuple[int, int] = (64, 64),
        threshold: float | None = None,
        standardise: Standardisation | None = None,
        decode: str = "exact",
    ) -> None:
        chosen = self.config_type.threshold if threshold is None else threshold
        if isinstance(chosen, bool) or not isinstance(chosen, int | float | np.floating) or not 0.001 < chosen <= 1:
            raise InputError(f"Expected a threshold over 0.001, the activation of a flat image, and up to 1, got {chosen!r}.")
        config: FeatureConfig = self.config_type(check_size(size), float(chosen), standardise, decode)
        super().__init__(config)


class SobelBinary(_Thresholded):
    """1 where a channel's activation is over the threshold, otherwise 0: (3, H, W) float32. Safe to call from several threads.

    Args:
        size: (height, width) in pixels.
        threshold: activation over which a value counts as an edge, 0.25 unless given.
        standardise: applied to each channel where given.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size, threshold or standardisation out of range.
    """

    name = "sobel-binary"
    config_type = EdgeConfig
    _macs_per_value = 4 + 3 + 1  # sums and differences, energy; comparison

    def _write(self, planes: np.ndarray, out: np.ndarray) -> None:
        np.greater(edge_energy(planes), _energy_at(self.config.threshold), out=out)


class SobelMasked(_Thresholded):
    """Activations over the threshold, zero elsewhere: (3, H, W) float32. Safe to call from several threads.

    Args:
        size: (height, width) in pixels.
        threshold: activation over which a value is kept, 0.25 unless given.
        standardise: applied to each channel where given.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size, threshold or standardisation out of range.
    """

    name = "sobel-masked"
    config_type = EdgeConfig
    _macs_per_value = 4 + 3 + 3 + 2  # as Sobel; comparison, mask

    def _write(self, planes: np.ndarray, out: np.ndarray) -> None:
        energy = edge_energy(planes)
        _activations(energy, out)
        out *= energy > _energy_at(self.config.threshold)


class ColourEdges(_Thresholded):
    """Pixels in [0, 1] where the mean activation of the three channels reaches the threshold, black elsewhere.

    (3, H, W) float32. Safe to call from several threads.

    Args:
        size: (height, width) in pixels.
        threshold: mean activation from which on a pixel is kept, 0.2 unless given.
        standardise: applied to each channel where given.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size, threshold or standardisation out of range.
    """

    name = "colour-edges"
    config_type = ColourEdgesConfig
    _macs_per_value = 4 + 3 + 3 + 1 + 2  # as Sobel; two sums and a comparison a pixel; scale, mask

    def _write(self, planes: np.ndarray, out: np.ndarray) -> None:
        _activations(edge_energy(planes), out)
        total = out[0] + out[1]
        total += out[2]
        kept = total >= np.float32(3 * self.config.threshold)
        np.multiply(planes[:, 1:-1, 1:-1], np.float32(1 / 255), out=out)
        out *= kept
