"""From images with colours last to bands of rows with one plane a colour and a border of one pixel.

Array operations run along the last axis; one of three colours would end every inner loop after three values. A band is small
enough that its temporaries stay in the cache and are not mapped afresh, page by page, at every call.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

__all__ = ["bands", "window"]

#: Bytes of one band's planes; with the border of a 64 x 64 image, one band.
_BAND_BYTES = 96 * 1024


def bands(images: np.ndarray, mirrored: bool = False, multiple: int = 1) -> Iterator[tuple[int, slice, np.ndarray]]:
    """Walk over the rows of all images.

    Args:
        images: (N, H, W, 3) uint8, any memory layout.
        mirrored: what lies beyond the image: the pixel next to its border one (so that a central difference over the border is
            0), instead of a copy of the border pixel. A side of one pixel is copied in both cases.
        multiple: bands end at multiples of so many rows, and at the image's end.

    Yields:
        Index of the image, its rows, and their planes: (3, rows + 2, W + 2) contiguous float32 levels, 0 to 255.
    """
    height, width = images.shape[1:3]
    step = max(_BAND_BYTES // (3 * 4 * (width + 2)) // multiple, 1) * multiple
    for index, image in enumerate(images):
        for start in range(0, height, step):
            rows = slice(start, min(start + step, height))
            yield index, rows, _planes(image, rows, mirrored)


def window(planes: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """(3, rows, W) view of what was computed for every place of flattened planes whose right and lower neighbours exist.

    Neighbours of a flattened image are found by shifts: +1 to the right, + (W + 2) below. Whole arrays are then combined without
    a loop over rows; places whose right neighbour is in the next row hold numbers without meaning, and are left out here.

    Args:
        planes: (3, rows + 2, W + 2).
        flat: (planes.size,), place by place; the last 2 (W + 3) may be anything.
    """
    return flat.reshape(planes.shape)[:, :-2, :-2]


def _planes(image: np.ndarray, rows: slice, mirrored: bool) -> np.ndarray:
    height, width = image.shape[:2]
    planes = np.empty((3, rows.stop - rows.start + 2, width + 2), np.float32)
    first, last = max(rows.start - 1, 0), min(rows.stop + 1, height)
    held = planes[:, first - rows.start + 1 : last - rows.start + 1]
    for colour in range(3):  # three long strided copies; one transposing copy would run along rows of three
        held[colour, :, 1:-1] = image[first:last, :, colour]
    inward = 1 if mirrored else 0
    if first == rows.start:
        planes[:, 0, 1:-1] = planes[:, 1 + min(inward, height - 1), 1:-1]
    if last == rows.stop:
        planes[:, -1, 1:-1] = planes[:, -2 - min(inward, height - 1), 1:-1]
    inward = min(inward, width - 1)
    planes[:, :, 0] = planes[:, :, 1 + inward]
    planes[:, :, -1] = planes[:, :, -2 - inward]
    return planes
