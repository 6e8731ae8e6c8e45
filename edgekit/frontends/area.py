"""Area resampling of uint8 images, as OpenCV's INTER_AREA does it, by two small matrix products.

Shrinking averages the source pixels that a target pixel covers. Where either axis enlarges, OpenCV interpolates both axes
linearly with coefficients taken from the areas (modules/imgproc/src/resize.cpp, `computeResizeAreaTab` and the `INTER_AREA`
branch of the linear coefficients); so do we. Results differ from OpenCV's by at most one level (fixed-point arithmetic, ties).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from edgekit.errors import InputError

__all__ = ["MAX_PIXELS", "check_images", "check_size", "resize_area", "whole_number"]

#: More than this is refused, as a size and as an image: a board would run out of memory. Pillow's own warning limit.
MAX_PIXELS = 89_478_485

#: Target rows computed together: their source rows, as float32, stay in the cache.
_BLOCK = 4
#: Target columns computed together: most weights between columns are zero, and blocks leave them out.
_COLUMN_BLOCK = 8


def check_images(image: np.ndarray) -> np.ndarray:
    """Return `image` when it is (H, W, 3) or (N, H, W, 3) uint8 with at least one pixel.

    Raises:
        InputError: naming what was expected, what came and what to do.
    """
    expected = "Expected an image of shape (H, W, 3) or (N, H, W, 3) and dtype uint8"
    if not isinstance(image, np.ndarray):
        raise InputError(f"{expected}, got {type(image).__name__}. Decode it first: edgekit.frontends.image.decode(source).")
    if image.ndim not in (3, 4) or image.shape[-1] != 3 or 0 in image.shape[-3:]:
        raise InputError(f"{expected}, got shape {image.shape}. Pass RGB pixels, channels last.")
    if image.dtype != np.uint8:
        raise InputError(f"{expected}, got {image.dtype}. Pass levels 0 to 255 as uint8.")
    return image


def check_size(size: Any) -> tuple[int, int]:
    """(height, width) as a tuple of integers of at least 1, together at most `MAX_PIXELS`.

    Raises:
        InputError: otherwise.
    """
    pair = tuple(size) if isinstance(size, tuple | list) else ()
    if len(pair) != 2 or not all(whole_number(side) and side >= 1 for side in pair):
        raise InputError(f"Expected a size of (height, width), each at least 1 pixel, got {size!r}.")
    height, width = int(pair[0]), int(pair[1])
    if height * width > MAX_PIXELS:
        raise InputError(f"Expected a size of at most {MAX_PIXELS} pixels, got {height} x {width}. Choose a smaller one.")
    return height, width


def whole_number(value: Any) -> bool:
    """True for an int or a NumPy integer, not for a bool."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def resize_area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize by areas, within one level of `cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)`.

    Args:
        image: (H, W, 3) or (N, H, W, 3) uint8, any memory layout.
        size: (height, width) in pixels, each at least 1.

    Returns:
        (height, width, 3) or (N, height, width, 3) uint8; `image` itself where it has that size already.

    Raises:
        InputError: on another shape or dtype, or a size under 1.
    """
    check_images(image)
    height, width = check_size(size)
    if image.shape[-3:-1] == (height, width):
        return image
    if image.ndim == 3:
        return _resize(image, height, width)
    resized = np.empty((len(image), height, width, 3), np.uint8)
    for target, source in zip(resized, image, strict=True):
        target[...] = _resize(source, height, width)
    return resized


@dataclass(frozen=True)
class _Band:
    """Target rows (or columns) `target` = weights @ source rows `source`; weights (targets, sources) float32."""

    target: slice
    source: slice
    weights: np.ndarray


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    rows, columns = image.shape[:2]
    if height * columns > 2 * rows * width:  # columns shrink far more than rows: they go first
        return _resize(image.swapaxes(0, 1), width, height).swapaxes(0, 1)
    linear = height > rows or width > columns
    half = _shrink_rows(image, height, linear)
    # (height, 3, columns) @ (columns, width), one product over all rows and colours for each block of columns
    planes = np.ascontiguousarray(half.reshape(height, columns, 3).swapaxes(1, 2)).reshape(height * 3, columns)
    levels = np.empty((height * 3, width), np.float32)
    for band in _bands(columns, width, linear, _COLUMN_BLOCK):
        np.matmul(planes[:, band.source], band.weights.T, out=levels[:, band.target])
    np.rint(levels, out=levels)
    colours = np.clip(levels, 0, 255, out=levels).reshape(height, 3, width)
    pixels = np.empty((height, width, 3), np.uint8)
    for colour in range(3):  # three long strided copies; one transposing copy would run along rows of three
        pixels[..., colour] = colours[:, colour]
    return pixels


def _shrink_rows(image: np.ndarray, height: int, linear: bool) -> np.ndarray:
    """(H, W, 3) uint8 -> (height, W * 3) float32, a few target rows at a time: no float copy of the whole image."""
    rows, columns = image.shape[:2]
    half = np.empty((height, columns * 3), np.float32)
    for band in _bands(rows, height, linear, _BLOCK):
        source = np.ascontiguousarray(image[band.source], dtype=np.float32)
        np.matmul(band.weights, source.reshape(len(source), -1), out=half[band.target])
    return half


@lru_cache(maxsize=64)
def _bands(source: int, target: int, linear: bool, size: int) -> tuple[_Band, ...]:
    weights = _weights(source, target, linear)
    bands = []
    for start in range(0, target, size):
        block = weights[start : start + size]
        used = np.flatnonzero(block.any(axis=0))
        taken = slice(int(used[0]), int(used[-1]) + 1)
        bands.append(_Band(slice(start, start + len(block)), taken, _frozen(block[:, taken])))
    return tuple(bands)


@lru_cache(maxsize=64)
def _weights(source: int, target: int, linear: bool) -> np.ndarray:
    """(target, source) float32; each row sums to 1."""
    return _frozen(_linear_weights(source, target) if linear else _area_weights(source, target))


def _area_weights(source: int, target: int) -> np.ndarray:
    """Overlap of [i s, (i + 1) s) with each source pixel, over s = source / target; slivers under 1e-3 left out, as there."""
    scale = 1.0 / (target / source)
    start = np.arange(target)[:, None] * scale
    pixel = np.arange(source)[None]
    overlap = np.minimum(start + scale, pixel + 1) - np.maximum(start, pixel)
    overlap = np.where(overlap > 1e-3, overlap, 0.0)
    return overlap / np.minimum(scale, source - start)


def _linear_weights(source: int, target: int) -> np.ndarray:
    """Two neighbours a target pixel: fx = (i + 1) - (k + 1) * target / source at k = floor(i * source / target), clamped.

    The fraction jumps where fx is an integer, so OpenCV's roundings are kept: scale = 1 / (target / source), fx in float32.
    """
    index, inverse = np.arange(target), target / source
    left = np.floor(index * (1.0 / inverse)).astype(int)
    share = ((index + 1) - (left + 1) * inverse).astype(np.float32)
    share = np.where(share <= 0, 0, share - np.floor(share))
    share[left >= source - 1] = 0
    left = np.minimum(left, source - 1)
    weights = np.zeros((target, source), np.float32)
    weights[index, left] = 1 - share
    weights[index, np.minimum(left + 1, source - 1)] += share
    return weights


def _frozen(matrix: np.ndarray) -> np.ndarray:
    """Contiguous, read-only float32 copy: cached arrays are shared between threads."""
    matrix = np.array(matrix, np.float32, order="C")
    matrix.flags.writeable = False
    return matrix
