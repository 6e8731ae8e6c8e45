"""What `Signature` and `LogSignature` share: one path per row of pixels, its features by a kernel, in every direction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from edgekit.core.spec import TensorSpec
from edgekit.errors import InputError, UnknownNameError
from edgekit.frontends.area import check_size, whole_number
from edgekit.frontends.features import ImageFeatures
from edgekit.frontends.kernels import kernel_for
from edgekit.frontends.paths import path_kind, rotate_quarter_turn
from edgekit.frontends.plans import equal_slices
from edgekit.frontends.standardise import Standardisation
from edgekit.frontends.tensor_algebra import feature_scale, log_scale

__all__ = ["MAX_DEPTH", "RowPathConfig", "RowPathFeatures"]

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
class RowPathConfig:
    """Everything that decides the features.

    Attributes:
        size: (height, width) in pixels, to which an image is resized.
        depth: number of levels, 1 to 6.
        directions: "rows", "both" (rows, then columns) or "both-rotated" (rows, then rows of the image rotated by 90 degrees).
        path: "rgb", "rgb+time", "grey+time" or "lead-lag".
        dtype: "float32" or "float64", of the arithmetic and of the features.
        standardise: scale and offset per feature, None for raw features.
        decode: how JPEG files become pixels, "exact" or "scaled" (see `edgekit.frontends.loading`).
    """

    size: tuple[int, int] = (64, 64)
    depth: int = 4
    directions: str = "rows"
    path: str = "rgb"
    dtype: str = "float32"
    standardise: Standardisation | None = None
    decode: str = "exact"


class RowPathFeatures(ImageFeatures[RowPathConfig]):
    """(R, Q) features of the R rows (and columns) of an image. Safe to call from several threads.

    R = height for "rows", height + width for "both", 2 * height for "both-rotated". A subclass says whether it takes logarithms.
    """

    config_type: ClassVar[type[Any]] = RowPathConfig
    _log: ClassVar[bool]

    def __init__(
        self,
        size: tuple[int, int] = (64, 64),
        depth: int = 4,
        directions: str = "rows",
        path: str = "rgb",
        dtype: str = "float32",
        standardise: Standardisation | None = None,
        decode: str = "exact",
    ) -> None:
        if directions not in _DIRECTIONS:
            raise UnknownNameError("directions", directions, _DIRECTIONS)
        if dtype not in _DTYPES:
            raise UnknownNameError("dtype of a signature", dtype, _DTYPES)
        if not whole_number(depth) or not 1 <= depth <= MAX_DEPTH:
            raise InputError(f"Expected a depth of 1 to {MAX_DEPTH}, got {depth!r}.")
        self._path = path_kind(path)
        self._directions = _DIRECTIONS[directions]
        self._kernel = kernel_for(self._path.channels, int(depth), self._log)
        super().__init__(RowPathConfig(check_size(size), int(depth), directions, path, dtype, standardise, decode))
        height, width = self.size
        widths = {width, height} if directions == "both" else {width}
        self._scales = {side: _unit_scale(path, side, int(depth), dtype, self._log) for side in widths}
        self._rows_at_once = {side: self._kernel.rows_at_once(self._path.length(side), np.dtype(dtype)) for side in widths}
        self._whole = len(widths) == 1 and self.output.shape[0] <= self._rows_at_once[width]

    @property
    def output(self) -> TensorSpec:
        """Spec "features" of one image: (R, Q), layout "RF"."""
        height, width = self.size
        paths = {"rows": height, "both": height + width, "both-rotated": 2 * height}[self._config.directions]
        return TensorSpec("features", self._config.dtype, (paths, self._kernel.length), "RF")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, as `edgekit.frontends.cost` counts them.

        The calls of the kernel's plans, rows that fill up their last plan included; one a point and colour, to start each path at
        the origin; one a feature, to scale it. Mixing colours to grey is not counted.
        """
        (height, width), paths = self.size, self.output.shape[0]
        other = (width, height) if self._config.directions == "both" else (height, width)
        total = paths * self._kernel.length
        for rows, side in [(paths, width)] if self._whole else [(height, width), other][: len(self._directions)]:
            points, parts = self._path.length(side), list(equal_slices(rows, self._rows_at_once[side]))
            together = parts[0].stop - parts[0].start
            plan = self._kernel.make(together, points, np.dtype(self._config.dtype))
            total += len(parts) * (plan.macs + together * points * len(self._path.units))
        return total

    def _features(self, images: np.ndarray) -> np.ndarray:
        views = [view(images) for view in self._directions]
        out = np.empty((len(images), sum(view.shape[1] for view in views), self._kernel.length), self._config.dtype)
        if self._whole:
            self._whole_images(views, out)
            return out
        start = 0
        for view in views:
            end = start + view.shape[1]
            self._row_by_row(view, out[:, start:end])
            start = end
        return out

    def _whole_images(self, views: list[np.ndarray], out: np.ndarray) -> None:
        """Every direction of several images in one plan: (N, rows, W, 3) uint8 each -> `out` (N, R, Q)."""
        count, paths, _ = out.shape
        width = views[0].shape[2]
        for part in equal_slices(count, self._rows_at_once[width] // paths):
            images = part.stop - part.start
            plan = self._kernel.plan(images * paths, self._path.length(width), out.dtype)
            points = plan.points.reshape(len(plan.points), images, paths, -1)
            start = 0
            for view in views:
                end = start + view.shape[1]
                self._path.into(view[part], points[:, :, start:end])
                start = end
            plan.run(out[part].reshape(images * paths, -1), self._scales[width])

    def _row_by_row(self, view: np.ndarray, out: np.ndarray) -> None:
        """One direction of one image after the other, some rows at a time: (N, rows, W, 3) uint8 -> `out` (N, rows, Q)."""
        _, rows, width, _ = view.shape
        for image, features in zip(view, out, strict=True):
            for part in equal_slices(rows, self._rows_at_once[width]):
                plan = self._kernel.plan(part.stop - part.start, self._path.length(width), out.dtype)
                self._path.into(image[None, part], plan.points[:, None])
                plan.run(features[part], self._scales[width])


@lru_cache(maxsize=64)
def _unit_scale(path: str, width: int, depth: int, dtype: str, log: bool) -> np.ndarray:
    """(Q,) of `dtype`, read-only: from the units of the path to colours and time in [0, 1]."""
    units = path_kind(path).channel_scale(width)
    scale = (log_scale if log else feature_scale)(units, depth).astype(dtype)
    scale.flags.writeable = False
    return scale
