"""The HOG picture: histograms of oriented gradients, drawn as nine strokes a cell.

Papers: Dalal & Triggs, "Histograms of oriented gradients for human detection", CVPR 2005; Li, "Evaluation of Sparse Image
Representations for Visual Recognition", section 4.1, 6. The picture is the one of `skimage.feature.hog(image / 255,
visualize=True, channel_axis=-1)` with its defaults: cells of 8 x 8 pixels, 9 unsigned orientations, the channel of the largest
gradient at every pixel, histograms before they are normalised by blocks. Departs from it: an image under 3 x 3 cells is drawn
as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgekit.core.spec import TensorSpec
from edgekit.frontends.area import check_size
from edgekit.frontends.features import ImageFeatures
from edgekit.frontends.planes import bands, window
from edgekit.frontends.standardise import Standardisation

__all__ = ["Hog", "HogConfig"]

_CELL = 8
_ORIENTATIONS = 9

#: A gradient (down, right) of levels, each -255 to 255, as one number: down * 511 + right, from -_ORIGIN to _ORIGIN.
_BASE = 511
_ORIGIN = 255 * _BASE + 255


@dataclass(frozen=True)
class HogConfig:
    """Everything that decides the features.

    Attributes:
        size: (height, width) in pixels, to which an image is resized. Cells are 8 x 8; pixels beyond the last whole cell stay 0.
        standardise: scale and offset of the one channel, None for raw features.
        decode: how JPEG files become pixels, "exact" or "scaled" (see `edgekit.frontends.loading`).
    """

    size: tuple[int, int] = (64, 64)
    standardise: Standardisation | None = None
    decode: str = "exact"


class Hog(ImageFeatures[HogConfig]):
    """The HOG picture, (1, H, W) float32 in [0, 1.42]: mean gradient, of levels in [0, 1], by orientation and cell.

    Safe to call from several threads.

    Args:
        size: (height, width) in pixels.
        standardise: applied to the one channel where given.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size or standardisation out of range.

    >>> Hog(size=(16, 24))(np.zeros((16, 24, 3), np.uint8)).shape
    (1, 16, 24)
    """

    name = "hog"
    config_type = HogConfig

    def __init__(
        self, size: tuple[int, int] = (64, 64), standardise: Standardisation | None = None, decode: str = "exact"
    ) -> None:
        super().__init__(HogConfig(check_size(size), standardise, decode))

    @property
    def output(self) -> TensorSpec:
        """Spec "features" of one image: float32 (1, H, W), layout "CHW"."""
        return TensorSpec("features", "float32", (1, *self.size), "CHW")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, as `edgekit.frontends.cost` counts them.

        Per pixel 21 for three gradients (two differences, three for the squared length, two for one number of both) and 6 to
        choose among them; per pixel of a whole cell 5 for root, look-up and histogram and 9 for the strokes.
        """
        height, width = self.size
        whole = (height // _CELL) * (width // _CELL) * _CELL**2
        return 27 * height * width + (5 + _ORIENTATIONS) * whole

    def _features(self, images: np.ndarray) -> np.ndarray:
        features = np.zeros((len(images), *self.output.shape), np.float32)
        for index, rows, planes in bands(images, mirrored=True, multiple=_CELL):
            _draw(_histograms(*_steepest(planes)), features[index, 0, rows])
        return features


def _steepest(planes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradient of the channel where it is largest, the first of equals.

    Args:
        planes: (3, rows + 2, W + 2) float32 levels, mirrored at the border, where the gradient across it is therefore 0.

    Returns:
        (rows, W) float32 each: squared length, and the gradient as one number (see `_BASE`). All are exact integers.
    """
    below = planes.shape[2]
    levels = planes.reshape(-1)
    count = levels.size - 2 * below - 2
    right = levels[below + 2 : below + 2 + count] - levels[below : below + count]
    down = levels[2 * below + 1 : 2 * below + 1 + count] - levels[1 : 1 + count]
    squares, codes = np.empty_like(levels), np.empty_like(levels)
    np.multiply(down, _BASE, out=codes[:count])
    codes[:count] += right
    right *= right
    np.multiply(down, down, out=squares[:count])
    squares[:count] += right
    (best, *others), (code, *other_codes) = window(planes, squares), window(planes, codes)
    for other, other_code in zip(others, other_codes, strict=True):
        larger = other > best
        best, code = np.where(larger, other, best), np.where(larger, other_code, code)
    return best, code


def _histograms(squares: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(rows, W) squared lengths and gradients -> (cell rows, cell columns, 9) float32: mean length by orientation."""
    down, across = squares.shape[0] // _CELL, squares.shape[1] // _CELL
    whole = np.s_[: down * _CELL, : across * _CELL]
    bins = _orientation_table()[codes[whole].astype(np.intp) + _ORIGIN]
    cells = np.arange(down * across).reshape(down, 1, across, 1) * _ORIENTATIONS
    places = cells + bins.reshape(down, _CELL, across, _CELL)
    lengths = np.sqrt(squares[whole])
    sums = np.bincount(places.ravel(), weights=lengths.ravel(), minlength=down * across * _ORIENTATIONS)
    return (sums / (255 * _CELL**2)).astype(np.float32).reshape(down, across, _ORIENTATIONS)


def _draw(histograms: np.ndarray, picture: np.ndarray) -> None:
    """(cell rows, cell columns, 9) -> `picture` (rows, W), only its whole cells."""
    down, across = histograms.shape[:2]
    strokes = histograms @ _strokes()
    cells = strokes.reshape(down, across, _CELL, _CELL).swapaxes(1, 2)
    picture[: down * _CELL, : across * _CELL] = cells.reshape(down * _CELL, across * _CELL)


@lru_cache(maxsize=1)
def _orientation_table() -> np.ndarray:
    """(511 * 511,) uint8: the bin of every gradient; bin k, 0 to 8, holds 20 k to 20 (k + 1) degrees, modulo 180."""
    levels = np.arange(-255.0, 256.0)
    degrees = np.rad2deg(np.arctan2(levels[:, None], levels)) % 180
    table = (degrees // (180 / _ORIENTATIONS)).astype(np.uint8).ravel()
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1)
def _strokes() -> np.ndarray:
    """(9, 64) float32 of 0 and 1: in each cell a line at right angles to the gradients of its bin."""
    strokes = np.zeros((_ORIENTATIONS, _CELL, _CELL), np.float32)
    centre, radius = _CELL // 2, _CELL // 2 - 1
    for stroke, angle in zip(strokes, np.pi * (np.arange(_ORIENTATIONS) + 0.5) / _ORIENTATIONS, strict=True):
        rise, run = radius * np.cos(angle), radius * np.sin(angle)
        for row, column in _line(int(centre - rise), int(centre + run), int(centre + rise), int(centre - run)):
            stroke[row, column] = 1
    strokes = strokes.reshape(_ORIENTATIONS, -1)
    strokes.flags.writeable = False
    return strokes


def _line(row: int, column: int, last_row: int, last_column: int) -> list[tuple[int, int]]:
    """Pixels from one point to another (Bresenham 1965): one per step of the longer axis, the nearest on the other."""
    rows, columns = last_row - row, last_column - column
    steps = max(abs(rows), abs(columns), 1)

    def at(first: int, way: int, step: int) -> int:
        moved = (2 * abs(way) * step + steps) // (2 * steps)  # halves away from the first point
        return first + (moved if way >= 0 else -moved)

    return [(at(row, rows, step), at(column, columns, step)) for step in range(steps + 1)]
