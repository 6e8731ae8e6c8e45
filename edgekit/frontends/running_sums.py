"""Running sums over time as steps of a plan: a triangular matrix within blocks of steps, then the sums of the blocks before.

NumPy's cumsum waits for each addition; a product with a triangular matrix of 32 x 32 does 16 times the additions it needs and is
still several times faster.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from edgekit.frontends.plans import Step

__all__ = ["padded_width", "running_sum"]


def padded_width(width: int) -> int:
    """The next multiple of 16: whole blocks of steps."""
    return -(-width // 16) * 16


def running_sum(increments: np.ndarray, out: np.ndarray, share: float) -> list[Step]:
    """Steps that write the sums over the time before each step, plus `share` of the step's own increment.

    Args:
        increments: (K, R, W), W a multiple of 16, rows and times contiguous.
        out: the same shape, rows and times contiguous.
        share: of the own increment; 0 for the sum before the step.
    """
    planes, rows, width = increments.shape
    block = 32 if width % 32 == 0 else 16
    blocks = width // block
    triangle = _triangle(block, share, increments.dtype.char)
    steps: list[Step] = [(np.matmul, (increments.reshape(planes, -1, block), triangle, out.reshape(planes, -1, block)))]
    if blocks == 1:
        return steps
    inner, running = increments.reshape(planes, rows, blocks, block), out.reshape(planes, rows, blocks, block)
    ends, later = np.empty((planes, rows, blocks), out.dtype), running[:, :, 1:]
    steps += [(np.multiply, (inner[..., -1], out.dtype.type(1 - share), ends)), (np.add, (ends, running[..., -1], ends))]
    steps += [(np.cumsum, (ends, -1, None, ends))] if blocks > 2 else []
    return [*steps, (np.add, (later, ends[:, :, :-1, None], later))]


@lru_cache(maxsize=8)
def _triangle(block: int, share: float, dtype: str) -> np.ndarray:
    """(block, block) with 1 where the row's index is smaller than the column's, `share` where they are equal."""
    matrix = (np.triu(np.ones((block, block)), 1) + share * np.eye(block)).astype(dtype)
    matrix.flags.writeable = False
    return matrix
