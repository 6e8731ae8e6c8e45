"""Signatures of depth 3 and more, split at the (N - 2)-th letter: the short sums on both sides meet in one matrix product.

Every word of level N has a letter with a = N - 3 letters before it and two after it. With the time of that letter set apart
(Chen's identity at every time at once),

    S_N = sum_t integral_0^1 S_a(t + s) (x) dx_t (x) R_2(t + s) ds

where S is the signature of the path up to t + s and R that of the path after it. The integrand is a polynomial in s of degree
a + 2, so a Gauss-Legendre rule of (N + 1) // 2 nodes is exact, and per node the sum over time is a matrix product. With R_0 = 1,
R_1 and R_2 side by side it gives levels N - 2, N - 1 and N. Only levels up to a, and level 2 of what follows, are ever summed
over time; the recursion sums up to N - 1.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from edgekit.frontends.tensor_algebra import (
    level_sizes,
    outer,
    padded_steps,
    prefix_levels,
    row_chunks,
    running_sum,
    signature_length,
)

__all__ = ["split_kernel"]


def split_kernel(points: np.ndarray, depth: int) -> np.ndarray:
    """Signatures of R paths.

    Args:
        points: (C, R, W) float32 or float64, each path from the origin.
        depth: N, at least 3.

    Returns:
        (R, Q) of the same dtype.
    """
    channels, rows, width = points.shape
    out = np.empty((rows, signature_length(channels, depth)), points.dtype)
    words = max(channels ** (depth - 2), 1 + channels + channels**2)
    for part in row_chunks(rows, words * width * points.itemsize):
        _split(points[:, part], depth, out[part])
    return out


def _split(points: np.ndarray, depth: int, out: np.ndarray) -> None:
    """Signatures of a few rows: (C, r, W) points -> `out` (r, Q)."""
    rows = points.shape[1]
    before = depth - 3
    starts, steps = padded_steps(points)
    prefixes, totals = prefix_levels(starts, steps, points[..., -1], max(before, 1))
    after = _Suffix(points, starts, steps)
    nodes, weights = _gauss_legendre((depth + 1) // 2)
    product = np.zeros((), out.dtype)
    for node, weight in zip(nodes, weights, strict=True):
        letter = steps * weight
        left = outer(_at(prefixes[:before], steps * node), letter) if before else letter
        right = after.at(1.0 - node)
        product = product + left.reshape(len(left), rows, -1).swapaxes(0, 1) @ right.reshape(len(right), rows, -1).transpose(
            1, 2, 0
        )
    _write(out, totals[:before], product, len(steps))


class _Suffix:
    """1, R_1 and R_2 of the path after a point within each step."""

    def __init__(self, points: np.ndarray, starts: np.ndarray, steps: np.ndarray) -> None:
        channels, rows, _ = points.shape
        ends = starts + steps
        self._steps = steps
        self._first = (points[..., -1:] - ends.reshape(channels, rows, -1)).reshape(channels, -1)
        increments = outer(steps, self._first + steps * 0.5)
        running, total = running_sum(increments, rows)
        running += increments
        self._second = (total[..., None] - running.reshape(len(running), rows, -1)).reshape(len(running), -1)

    def at(self, rest: float) -> np.ndarray:
        """(1 + C + C^2, T) when a share `rest` of each step is still to come."""
        channels, length = self._steps.shape
        levels = np.empty((1 + channels + channels**2, length), self._steps.dtype)
        ahead = self._steps * rest
        levels[0] = 1
        np.add(self._first, ahead, out=levels[1 : 1 + channels])
        np.add(self._second, outer(ahead, self._first + ahead * 0.5), out=levels[1 + channels :])
        return levels


def _at(prefixes: list[np.ndarray], part: np.ndarray) -> np.ndarray:
    """S_a a `part` of a step further on: ((part / a + S_1) (x) part / (a - 1) + S_2) (x) ... + S_a."""
    level = len(prefixes)
    value = part / level + prefixes[0]
    for done in range(1, level):
        value = outer(value, part / (level - done))
        value += prefixes[done]
    return value


def _write(out: np.ndarray, totals: list[np.ndarray], product: np.ndarray, channels: int) -> None:
    """Low levels from their sums, the last three from the product's columns for 1, R_1 and R_2."""
    rows, end = len(out), 0
    for total in totals:
        out[:, end : end + len(total)] = total.T
        end += len(total)
    start = 0
    for size in (1, *level_sizes(channels, 2)):
        level = product[:, :, start : start + size].reshape(rows, -1)
        out[:, end : end + level.shape[1]] = level
        start, end = start + size, end + level.shape[1]


@lru_cache(maxsize=4)
def _gauss_legendre(count: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(count)  # type: ignore[no-untyped-call,unused-ignore]
    return tuple(((nodes + 1) / 2).tolist()), tuple((weights / 2).tolist())
