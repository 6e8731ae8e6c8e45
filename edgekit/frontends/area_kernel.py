"""Signatures and log-signatures of paths in three dimensions up to depth 4, from 36 sums over time.

Everything up to level 4 follows from the path's end and integrals of x_k x_l Omega_p and C_p Omega_q over time (area_maps.py).
Over the step from u to v, Omega_p is constant, c_p = u_i v_j - u_j v_i, x_k has the mean (u + v)_k / 2 and x_k x_l the mean
((u + v)_k (u + v)_l + u_k u_l + v_k v_l) / 6. So with m = u + v and w = m m + u u + v v (symmetric products, 6 of them)

    A = sum c,   2 M = sum m c,   6 Q = sum w c,   B = sum (C + c / 2) c

are one matrix product per row, c (3, W) by [1, m, w, C + c / 2] (W, 12). Of pixel levels, c, m, w and A are integers that float32
holds exactly (A of rows of up to 129 pixels).

Channels come before time, all rows after one another. Each row starts at the origin and is filled up with zeros, so the step
across a row's end has c = 0 and whole planes are shifted by one without a seam.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from edgekit.frontends.area_maps import LOG_SUMS, SUMS, log_levels, loop_levels
from edgekit.frontends.counts import macs_of_calls
from edgekit.frontends.lyndon import coordinates_from_values, lyndon_words, word_index
from edgekit.frontends.plans import CACHE_BYTES, Step, padded_stride, planes_of, run_steps
from edgekit.frontends.running_sums import padded_width, running_sum

__all__ = ["CHANNELS", "MAX_DEPTH", "AreaLogSignature", "AreaSignature", "rows_at_once"]

CHANNELS = 3
MAX_DEPTH = 4

#: Planes: x and its first two again (0 to 4), 1, m, w, C + c / 2 (5 to 16), products to add up (17 to 22), c (23 to 25).
_X, _ONE, _MEAN, _PRODUCTS, _RUNNING, _SPARE, _AREA, _PLANES = 0, 5, 6, 9, 15, 17, 23, 26

#: Planes among 1, m, w, C + c / 2 that each depth needs.
_WEIGHTS = {2: 1, 3: 4, 4: 12}


def rows_at_once(width: int, dtype: np.dtype) -> int:
    """Rows of a plan that stays in the second-level cache."""
    return max(1, CACHE_BYTES // (_PLANES * padded_width(width) * dtype.itemsize))


class _AreaSums:
    """The sums of `rows` paths, and where the features are made from them.

    Args:
        depth: 2 to 4.
        rows: number of paths.
        width: points of each.
        dtype: float32 or float64.
        before: rows of `self._table` before the sums, for their products.
        after: rows of it after the sums.
    """

    def __init__(self, depth: int, rows: int, width: int, dtype: np.dtype, before: int, after: int) -> None:
        self._depth, self._rows, self._width = depth, rows, padded_width(width)
        self._length = rows * self._width
        self._memory = np.zeros((_PLANES, padded_stride(self._length, dtype.itemsize)), dtype)
        self._memory[_ONE, : self._length] = 1
        paths = self._paths(_X, 3)
        self.points = paths[..., :width]
        self._ends = np.empty((3, rows), dtype)
        self._moments = np.empty((rows, 3, _WEIGHTS[depth]), dtype)
        self._table = np.zeros((before + SUMS + after, rows), dtype)
        self._sums = self._table[before : before + SUMS]
        self._steps = [*self._means_and_areas(), *(self._fourth_level_planes() if depth == 4 else [])]
        self._steps += self._sum_up(paths[..., width - 1])

    def _planes(self, first: int, count: int, shift: int = 0) -> np.ndarray:
        return planes_of(self._memory, first, count, shift)

    def _paths(self, first: int, count: int) -> np.ndarray:
        """(count, rows, padded width) view of planes."""
        return self._memory[first : first + count, : self._length].reshape(count, self._rows, self._width)

    def _means_and_areas(self) -> list[Step]:
        """Means m, and areas c in the order 12, 20, 01."""
        area, spare, mean = self._planes(_AREA, 3), self._planes(_SPARE, 3), self._planes(_MEAN, 3)
        u = [self._planes(_X + axis, 3) for axis in range(3)]
        v = [self._planes(_X + axis, 3, shift=1) for axis in range(3)]
        return [
            (np.copyto, (self._planes(_X + 3, 2), self._planes(_X, 2))),
            (np.multiply, (u[1], v[2], area)),
            (np.multiply, (u[2], v[1], spare)),
            (np.subtract, (area, spare, area)),
            (np.add, (u[0], v[0], mean)),
        ]

    def _fourth_level_planes(self) -> list[Step]:
        """Products w in the order 00, 11, 22, 01, 12, 20, and C + c / 2 for 12 and 20."""
        products, spare, next_spare = self._planes(_PRODUCTS, 6), self._planes(_SPARE, 6), self._planes(_SPARE, 6, 1)
        x, mean = self._planes(_X, 3), self._planes(_MEAN, 3)
        return [
            (np.multiply, (x, x, self._planes(_SPARE, 3))),
            (np.multiply, (x, self._planes(_X + 1, 3), self._planes(_SPARE + 3, 3))),
            (np.multiply, (mean, mean, self._planes(_PRODUCTS, 3))),
            (np.multiply, (self._planes(_MEAN, 2), self._planes(_MEAN + 1, 2), self._planes(_PRODUCTS + 3, 2))),
            (np.multiply, (self._planes(_MEAN + 2, 1), self._planes(_MEAN, 1), self._planes(_PRODUCTS + 5, 1))),
            (np.add, (products, spare, products)),
            (np.add, (products, next_spare, products)),
            *running_sum(self._paths(_AREA, 2), self._paths(_RUNNING, 2), share=0.5),
        ]

    def _sum_up(self, ends: np.ndarray) -> list[Step]:
        """The matrix product over time, and the sums as columns of the table, one path each."""
        count = _WEIGHTS[self._depth]
        weights = self._paths(_ONE, count).transpose(1, 2, 0)
        areas = self._paths(_AREA, 3).swapaxes(0, 1)
        sums = self._sums
        steps: list[Step] = [
            (np.copyto, (self._ends, ends)),
            (np.matmul, (areas, weights, self._moments)),
            (np.copyto, (sums[: 3 * count].reshape(count, 3, self._rows), self._moments.T)),
        ]
        return [*steps, (np.multiply, (sums[:3], sums[2], sums[36:39]))] if self._depth == 4 else steps

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run before the features are scaled."""
        return macs_of_calls(self._steps)


class AreaSignature(_AreaSums):
    """Plan of the signature S = L (x) exp(X), by Horner's rule: S_4 = L_4 + (L_3 + (L_2 / 2 + X X / 24) X) X."""

    def __init__(self, depth: int, rows: int, width: int, dtype: np.dtype) -> None:
        super().__init__(depth, rows, width, dtype, before=9, after=0)
        self._features = np.empty((sum(3**level for level in range(1, depth + 1)), rows), dtype)
        self._by_path = self._features.T
        self._steps += self._finish()

    def _finish(self) -> list[Step]:
        ends, features, rows = self._ends, self._features, self._rows
        low, fourth = _signature_maps(self._depth, self._memory.dtype.char)
        powers, low_sums, fourth_sums = self._table[:9], self._table[:21], self._table[21:]
        lower = np.empty((len(low), rows), self._memory.dtype)
        steps: list[Step] = [
            (np.copyto, (features[:3], ends)),
            (np.multiply, (ends[:, None], ends, powers.reshape(3, 3, rows))),
            (np.matmul, (low, low_sums, lower)),
            (np.copyto, (features[3:12], lower[:9])),
        ]
        if self._depth == 2:
            return steps
        third = features[12:39]
        steps += [(np.multiply, (lower[9:18, None], ends, third.reshape(9, 3, rows))), (np.add, (third, lower[27:54], third))]
        if self._depth == 3:
            return steps
        inner, last = lower[18:27, None], features[39:]
        factor, product = np.empty((27, rows), last.dtype), np.empty((81, rows), last.dtype)
        return [
            *steps,
            (np.multiply, (inner, ends, factor.reshape(9, 3, rows))),
            (np.add, (factor, lower[27:54], factor)),
            (np.multiply, (factor[:, None], ends, product.reshape(27, 3, rows))),
            (np.matmul, (fourth, fourth_sums, last)),
            (np.add, (last, product, last)),
        ]

    def run(self, out: np.ndarray, scale: np.ndarray) -> None:
        """Write (rows, Q) features times `scale` (Q,) into `out`."""
        run_steps(self._steps)
        np.multiply(self._by_path, scale, out)


class AreaLogSignature(_AreaSums):
    """Plan of the log-signature: the sums, their products with X, and one constant matrix."""

    def __init__(self, depth: int, rows: int, width: int, dtype: np.dtype) -> None:
        super().__init__(depth, rows, width, dtype, before=0, after=LOG_SUMS + 3 - SUMS)
        table, ends = self._table, self._ends
        matrix = _log_map(depth, dtype.char)
        self._features = np.empty((rows, len(matrix)), dtype)
        areas, moments, by_areas, by_moments = table[0:3], table[3:12], table[39:48], table[48:75]
        twice, last = table[75:102], table[102:105]
        self._steps += [(np.copyto, (last, ends))]
        if depth > 2:
            self._steps += [(np.multiply, (areas[:, None], ends, by_areas.reshape(3, 3, rows)))]
        if depth > 3:
            self._steps += [
                (np.multiply, (moments[:, None], ends, by_moments.reshape(9, 3, rows))),
                (np.multiply, (by_areas[:, None], ends, twice.reshape(9, 3, rows))),
            ]
        self._steps += [(np.matmul, (table.T, matrix.T, self._features))]

    def run(self, out: np.ndarray, scale: np.ndarray) -> None:
        """Write (rows, Q) features times `scale` (Q,) into `out`."""
        run_steps(self._steps)
        np.multiply(self._features, scale, out)


@lru_cache(maxsize=8)
def _signature_maps(depth: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """From X X and the first 12 sums: S_2, L_2 + X X / 6, L_2 / 2 + X X / 24 and L_3; from the other 27: L_4."""
    second, third, fourth = loop_levels()
    power = np.eye(9)
    low = [np.hstack([factor * power, share * second[:, :12]]) for share, factor in ((1, 1 / 2), (1, 1 / 6), (1 / 2, 1 / 24))]
    if depth == 2:
        return _frozen(low[0], dtype), _frozen(fourth[:0], dtype)
    low.append(np.hstack([np.zeros((27, 9)), third[:, :12]]))
    return _frozen(np.vstack(low), dtype), _frozen(fourth[:, 12:], dtype)


@lru_cache(maxsize=8)
def _log_map(depth: int, dtype: str) -> np.ndarray:
    """(Q, 105): coordinates at the Lyndon words, from the sums, their products with X, and X."""
    words = lyndon_words(CHANNELS, depth)
    rows = [np.hstack([np.zeros((3, LOG_SUMS)), np.eye(3)])]
    for level, tensor in enumerate(log_levels()[: depth - 1], start=2):
        values = tensor[[word_index(word, CHANNELS) for word in words[level - 1]]]
        coordinates = coordinates_from_values(CHANNELS, level) @ values
        rows.append(np.hstack([coordinates, np.zeros((len(coordinates), 3))]))
    return _frozen(np.vstack(rows), dtype)


def _frozen(matrix: np.ndarray, dtype: str) -> np.ndarray:
    """Contiguous, read-only copy: cached arrays are shared between threads."""
    matrix = np.array(matrix, dtype, order="C")
    matrix.flags.writeable = False
    return matrix
