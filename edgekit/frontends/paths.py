"""From an image to one path per row, channels before time.

A path is kept in units in which its points are exact in float32: pixel levels (0 to 255) and time steps (0, 1, 2, ...), moved so
that it starts at the origin, which leaves its signature as it is. `channel_scale` gives the size of one unit, so that a colour
runs over [0, 1] per 255 levels and time from 0 to 1 over the row; level k of the signature is scaled by k of them.

With g the grey level (ITU-R BT.601) of each of a row's W pixels, the path "lead-lag" has two channels and 2 W - 1 points,

    (g_0, g_0), (g_1, g_0), (g_1, g_1), (g_2, g_1), ..., (g_{W-1}, g_{W-1})

(Chevyrev & Kormilitzin 2016, "A primer on the signature method in machine learning"). Its area is the sum of the squared steps:
it sees texture where the signature of the grey level alone sees a row's two ends.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgekit.errors import UnknownNameError

__all__ = ["PATHS", "PathKind", "path_kind", "rotate_quarter_turn"]

#: ITU-R BT.601 luma, in 1024ths of 1 / 1000: 299 R + 587 G + 114 B is an integer, so the path stays exact.
_LUMA = (299.0 / 1024, 587.0 / 1024, 114.0 / 1024)
_LUMA_UNIT = 1024.0 / 255_000


@dataclass(frozen=True)
class PathKind:
    """What a row of pixels becomes.

    Attributes:
        write: (N, H, W, 3) uint8 to write into (channels, N, H, points) float, from the origin, in units.
        units: size of one unit of each colour channel.
        time: whether a last channel counts the steps.
        repeats: a row of W pixels has repeats * (W - 1) + 1 points.
    """

    write: Callable[[np.ndarray, np.ndarray], None]
    units: tuple[float, ...]
    time: bool = False
    repeats: int = 1

    @property
    def channels(self) -> int:
        """Number of channels of the path."""
        return len(self.units) + self.time

    def length(self, width: int) -> int:
        """Number of points of the path of a row of `width` pixels."""
        return self.repeats * (width - 1) + 1

    def into(self, images: np.ndarray, points: np.ndarray) -> None:
        """Write the paths of all rows, from the origin, in units.

        Args:
            images: (N, H, W, 3) uint8, any memory layout.
            points: (channels, N, H, length(W)) float32 or float64 to write into.
        """
        self.write(images, points[: len(self.units)])
        if self.time:
            points[-1] = np.arange(images.shape[2])

    def channel_scale(self, width: int) -> np.ndarray:
        """(channels,) float64: the size of one unit of each channel for rows of `width` pixels."""
        time = (1.0 / max(width - 1, 1),) if self.time else ()
        return np.array(self.units + time)


def _rgb(images: np.ndarray, out: np.ndarray) -> None:
    colours = images.astype(out.dtype, order="C").transpose(3, 0, 1, 2)
    np.subtract(colours, colours[..., :1], out=out)


def _grey(images: np.ndarray, out: np.ndarray) -> None:
    red, green, blue = (images[..., channel].astype(out.dtype) for channel in range(3))
    grey = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    np.subtract(grey, grey[..., :1], out=out[0])


def _lead_lag(images: np.ndarray, out: np.ndarray) -> None:
    """Points 2 t are (g_t, g_t), points 2 t + 1 are (g_{t+1}, g_t): the lead moves first, the lag follows."""
    lead, lag = out[:1], out[1:]
    _grey(images, lead[..., ::2])
    lead[..., 1::2] = lead[..., 2::2]
    lag[..., ::2] = lead[..., ::2]
    lag[..., 1::2] = lead[..., :-1:2]


_COLOUR_UNITS = (1 / 255, 1 / 255, 1 / 255)

PATHS: dict[str, PathKind] = {
    "rgb": PathKind(_rgb, _COLOUR_UNITS),
    "rgb+time": PathKind(_rgb, _COLOUR_UNITS, time=True),
    "grey+time": PathKind(_grey, (_LUMA_UNIT,), time=True),
    "lead-lag": PathKind(_lead_lag, (_LUMA_UNIT, _LUMA_UNIT), repeats=2),
}


def path_kind(name: str) -> PathKind:
    """The path of that name.

    Raises:
        UnknownNameError: listing the known names.
    """
    if name not in PATHS:
        raise UnknownNameError("path", name, PATHS)
    return PATHS[name]


def rotate_quarter_turn(images: np.ndarray) -> np.ndarray:
    """Rotate by +90 degrees about (W / 2, H / 2) onto the same canvas, black outside: as the ImageSig authors' code does.

    Equals `cv2.warpAffine(image, cv2.getRotationMatrix2D((W / 2, H / 2), 90, 1), (W, H))`. The centre lies between pixels, so the
    source of target (x, y) is (s - y, x + d) with s = (W + H) / 2, d = (H - W) / 2: a pixel where W + H is even (a square image
    moves down by one row, its first row is black), the mean of four pixels where it is odd.

    Args:
        images: (N, H, W, 3) uint8.

    Returns:
        (N, H, W, 3) uint8.
    """
    height, width = images.shape[1:3]
    half = (width + height) % 2
    column = (width + height) // 2 - np.arange(height)  # of target row y
    row = np.arange(width) + (height - width) // 2  # of target column x
    if height == width:  # a transpose, upside down, one row lower
        target = np.zeros_like(images, order="C")
        target[:, 1:] = images[:, :, :0:-1].swapaxes(1, 2)
        return target
    if not half:
        return _gather(images, row, column)
    total = sum(_gather(images, row + i, column + j).astype(np.uint16) for i in (0, 1) for j in (0, 1))
    return ((total + np.uint16(2)) // np.uint16(4)).astype(np.uint8)


def _gather(images: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """target[y, x] = image[row[x], column[y]], black where that lies outside."""
    height, width = images.shape[1:3]
    x = np.flatnonzero((row >= 0) & (row < height))
    y = np.flatnonzero((column >= 0) & (column < width))
    target = np.zeros_like(images, order="C")
    source = images[:, row[x][:, None], column[y][None]]
    target[:, y[:, None], x[None]] = source.swapaxes(1, 2)
    return target
