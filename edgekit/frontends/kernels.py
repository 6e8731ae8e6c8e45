"""Which kernel computes a signature or a log-signature, and how a number of rows is cut into plans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from edgekit.core.optional import require
from edgekit.frontends import area_kernel, split_kernel
from edgekit.frontends.plans import Plan, equal_slices, kept_plan
from edgekit.frontends.tensor_algebra import logsignature_length, signature_length
from edgekit.frontends.tensor_log import SplitLogSignature

__all__ = ["Kernel", "by_iisignature", "kernel_for", "logsignatures", "signatures"]


@dataclass(frozen=True)
class Kernel:
    """How paths of so many channels become features of so many levels.

    Attributes:
        length: number of features of a path, Q.
        make: (rows, width, dtype) -> a plan of so many paths of so many points.
        rows_at_once: (width, dtype) -> rows of a plan that stays in the second-level cache.
    """

    length: int
    make: Callable[[int, int, np.dtype], Plan]
    rows_at_once: Callable[[int, np.dtype], int]

    def plan(self, rows: int, width: int, dtype: np.dtype) -> Plan:
        """The calling thread's plan of that size."""
        return kept_plan((self.make, rows, width, dtype.char), lambda: self.make(rows, width, dtype))


@lru_cache(maxsize=32)
def kernel_for(channels: int, depth: int, log: bool = False) -> Kernel:
    """The fastest kernel.

    Args:
        channels: C of the paths.
        depth: number of levels, 1 to 6.
        log: for the log-signature in the Lyndon basis, otherwise for the signature.
    """
    length = logsignature_length(channels, depth) if log else signature_length(channels, depth)
    if channels == area_kernel.CHANNELS and 2 <= depth <= area_kernel.MAX_DEPTH:
        area = area_kernel.AreaLogSignature if log else area_kernel.AreaSignature
        return Kernel(length, partial(area, depth), area_kernel.rows_at_once)
    split = SplitLogSignature if log else split_kernel.SplitSignature
    return Kernel(length, partial(split, channels, depth), partial(split_kernel.rows_at_once, channels, depth))


def signatures(points: np.ndarray, depth: int) -> np.ndarray:
    """Signatures of R paths, levels 1 to `depth`, words of each level in lexicographic order (as iisignature.sig).

    Args:
        points: (C, R, W) float32 or float64: W points of C channels, each path from the origin. One point gives zeros.
        depth: number of levels, 1 to 6.

    Returns:
        (R, Q) of the same dtype, Q = C + ... + C^depth, no leading 1.
    """
    return _features(points, kernel_for(len(points), depth))


def logsignatures(points: np.ndarray, depth: int) -> np.ndarray:
    """Log-signatures of R paths in the Lyndon basis, in the order of iisignature.logsig.

    Args:
        points: (C, R, W) float32 or float64: W points of C channels, each path from the origin. One point gives zeros.
        depth: number of levels, 1 to 6.

    Returns:
        (R, Q) of the same dtype, one feature a Lyndon word.
    """
    return _features(points, kernel_for(len(points), depth, log=True))


def by_iisignature(points: np.ndarray, depth: int, log: bool = False) -> np.ndarray:
    """What `signatures` or `logsignatures` gives, computed by the iisignature library: for comparison.

    Args:
        points: (C, R, W) float array, C and W at least 2.
        depth: number of levels, at least 1; at least 2 for logarithms.
        log: whether to take logarithms.

    Returns:
        (R, Q) float64.

    Raises:
        MissingExtraError: where iisignature is not installed.
    """
    library = require("iisignature", extra="iisignature")
    paths = np.ascontiguousarray(points.transpose(1, 2, 0), np.float64)
    return library.logsig(paths, library.prepare(len(points), depth)) if log else library.sig(paths, depth)


def _features(points: np.ndarray, kernel: Kernel) -> np.ndarray:
    _, rows, width = points.shape
    out, scale = np.empty((rows, kernel.length), points.dtype), np.ones(kernel.length, points.dtype)
    for part in equal_slices(rows, kernel.rows_at_once(width, points.dtype)):
        plan = kernel.plan(part.stop - part.start, width, points.dtype)
        plan.points[...] = points[:, part]
        plan.run(out[part], scale)
    return out
