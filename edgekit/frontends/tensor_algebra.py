"""Signatures of many piecewise linear paths at once, by level recursion over time.

The signature of a path x over [0, T] is the sequence of its iterated integrals (Ibrahim & Lyons 2022, "ImageSig", eq. 1):
level k is the tensor S_k(T) of the integrals over 0 < t_1 < ... < t_k < T of dx_t1 (x) ... (x) dx_tk. Over one linear step dx
from t to t + 1, Chen's identity gives

    S_k(t + 1) - S_k(t) = I_k(t) = sum_{j=1..k} S_{k-j}(t) (x) dx^(x)j / j!

so S_k(t) is the running sum of I_k, and I_k needs only the levels below. No step waits for the one before it except in that sum,
which is taken block by block as a matrix product: time is a vectorised axis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import accumulate

import numpy as np

__all__ = [
    "Kernel",
    "feature_scale",
    "level_recursion",
    "level_sizes",
    "outer",
    "padded_steps",
    "prefix_levels",
    "row_chunks",
    "running_sum",
    "signature_length",
]

#: (C, R, W) float points, each path from the origin; depth -> (R, Q) of the same dtype.
Kernel = Callable[[np.ndarray, int], np.ndarray]

#: Bytes of the largest temporary of a chunk of rows: the C library maps larger ones afresh each time, page by page.
_CHUNK_BYTES = 112 * 1024

#: Steps summed by one matrix product.
_BLOCK = 16


def level_sizes(channels: int, depth: int) -> tuple[int, ...]:
    """Numbers of words of length 1 to `depth`: C, C^2, ..., C^depth."""
    return tuple(channels**level for level in range(1, depth + 1))


def signature_length(channels: int, depth: int) -> int:
    """Q = C + C^2 + ... + C^depth: no leading 1."""
    return sum(level_sizes(channels, depth))


def feature_scale(channel_scale: np.ndarray, depth: int) -> np.ndarray:
    """Factor of every feature when channel c of the path is multiplied by channel_scale[c].

    Args:
        channel_scale: (C,) float64.
        depth: number of levels.

    Returns:
        (Q,) float64: the products of the scales of each word's letters.
    """
    levels = accumulate([channel_scale] * depth, lambda word, letter: np.outer(word, letter).ravel())
    return np.concatenate(list(levels))


def level_recursion(points: np.ndarray, depth: int) -> np.ndarray:
    """The kernel for any number of channels and any depth; see the head of this file."""
    channels, rows, width = points.shape
    out = np.empty((rows, signature_length(channels, depth)), points.dtype)
    for part in row_chunks(rows, channels ** max(depth - 1, 1) * width * points.itemsize):
        _recurse(points[:, part], depth, out[part])
    return out


def row_chunks(rows: int, bytes_per_row: int) -> Iterator[slice]:
    """Slices of the rows such that a temporary of so many bytes per row stays small."""
    chunk = max(1, _CHUNK_BYTES // bytes_per_row)
    return (slice(start, start + chunk) for start in range(0, rows, chunk))


def _recurse(points: np.ndarray, depth: int, out: np.ndarray) -> None:
    """Signatures of a few rows: (C, r, W) points -> `out` (r, Q)."""
    channels, rows = points.shape[:2]
    starts, steps = padded_steps(points)
    prefixes, totals = prefix_levels(starts, steps, points[..., -1], max(depth - 1, 1))
    end = 0
    for total in totals:
        out[:, end : end + len(total)] = total.T
        end += len(total)
    if depth > 1:
        factor = _horner(prefixes, steps, depth).reshape(-1, rows, steps.shape[1] // rows).swapaxes(0, 1)
        last = factor @ steps.reshape(channels, rows, -1).transpose(1, 2, 0)
        out[:, end:] = last.reshape(rows, -1)


def padded_steps(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(C, r, W) points -> where each step starts and the steps, both (C, r * V), V the next multiple of the block.

    After the last point the steps are 0, which changes no integral.
    """
    width = -(-points.shape[2] // _BLOCK) * _BLOCK
    return _padded(points, width), _padded(points[..., 1:] - points[..., :-1], width)


def prefix_levels(
    starts: np.ndarray, steps: np.ndarray, end: np.ndarray, depth: int
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Levels 1 to `depth` before each step and of the whole path.

    Args:
        starts: (C, r * V), from `padded_steps`.
        steps: (C, r * V).
        end: (C, r), the last point.
        depth: at least 1.

    Returns:
        S_k before each step, (C^k, r * V), and of the whole path, (C^k, r), for each k.
    """
    prefixes, totals = [starts], [end]
    for level in range(2, depth + 1):
        running, total = running_sum(outer(_horner(prefixes, steps, level), steps), end.shape[1])
        prefixes.append(running)
        totals.append(total)
    return prefixes, totals


def _padded(values: np.ndarray, width: int) -> np.ndarray:
    """(C, r, n) -> (C, r * width), zeros after the n-th."""
    channels, rows, length = values.shape
    target = np.zeros((channels, rows, width), values.dtype)
    target[..., :length] = values
    return target.reshape(channels, rows * width)


def _horner(prefixes: list[np.ndarray], steps: np.ndarray, level: int) -> np.ndarray:
    """H with I_level = H (x) dx: (((dx / k + S_1) (x) dx / (k - 1) + S_2) (x) dx / (k - 2) + ...) + S_{k-1}.

    Args:
        prefixes: S_1 ... S_{k-1} before each step, S_j of shape (C^j, T).
        steps: (C, T), dx.
        level: k, at least 2.

    Returns:
        (C^(k-1), T).
    """
    factor = steps / level
    factor += prefixes[0]
    for done in range(1, level - 1):
        factor = outer(factor, steps / (level - done))
        factor += prefixes[done]
    return factor


def running_sum(increments: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums over the time before each step, and over all time.

    Args:
        increments: (A, r * W), W a multiple of the block.
        rows: r.

    Returns:
        (A, r * W) exclusive running sums in each row, and (A, r) sums.
    """
    words = len(increments)
    blocks = increments.reshape(-1, _BLOCK)
    running = blocks @ _before(increments.dtype.char)
    sums = np.cumsum((running[:, -1] + blocks[:, -1]).reshape(words, rows, -1), axis=-1)
    running.reshape(words, rows, -1, _BLOCK)[:, :, 1:] += sums[..., :-1, None]
    return running.reshape(words, -1), sums[..., -1]


@lru_cache(maxsize=2)
def _before(dtype: str) -> np.ndarray:
    """(block, block) with 1 where the row's index is smaller than the column's."""
    matrix = np.triu(np.ones((_BLOCK, _BLOCK), dtype), 1)
    matrix.flags.writeable = False
    return matrix


def outer(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Tensor product at each time: (A, T), (B, T) -> (A * B, T), the right factor's index running fastest."""
    return (left[:, None] * right[None]).reshape(len(left) * len(right), -1)
