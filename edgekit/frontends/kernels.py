"""Which kernel computes a signature."""

from __future__ import annotations

import numpy as np

from edgekit.frontends.split_kernel import split_kernel
from edgekit.frontends.tensor_algebra import Kernel, level_recursion

__all__ = ["kernel_for", "signatures"]


def kernel_for(channels: int, depth: int) -> Kernel:  # noqa: ARG001 - a kernel may be for one number of channels alone
    """The fastest kernel for paths of so many channels at this depth."""
    return split_kernel if depth >= 4 else level_recursion


def signatures(points: np.ndarray, depth: int) -> np.ndarray:
    """Signatures of R paths, levels 1 to `depth`, words of each level in lexicographic order (as iisignature.sig).

    Args:
        points: (C, R, W) float32 or float64: W points of C channels, each path from the origin. One point gives zeros.
        depth: number of levels, at least 1.

    Returns:
        (R, Q) of the same dtype, Q = C + ... + C^depth, no leading 1.
    """
    return kernel_for(points.shape[0], depth)(points, depth)
