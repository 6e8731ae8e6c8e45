"""Signatures of any number of channels and any depth, split at one letter: short sums on both sides meet in a matrix product.

Every word of N letters has a letter with a = N - 1 - b letters before it and b = (N - 1) // 2 after it. With the time of that
letter set apart (Chen's identity at every time at once),

    S_N = sum_t integral_0^1 S_a(t + s) (x) dx_t (x) R_b(t + s) ds

where S is the signature of the path up to t + s and R that of the path after it. The integrand is a polynomial in s of degree
a + b = N - 1, so a Gauss-Lobatto rule of (N - 1) // 2 + 2 nodes is exact. Two of its nodes are the step's ends, where S_a and R_b
are known and which a step shares with its neighbours. Per node the sum over time is a matrix product. With dx, dx (x) R_1, ...,
dx (x) R_b side by side it gives levels a + 1 to N. Only levels 2 to a are ever summed over time, each the running sum of its
increments (Chen's identity over one step), and what follows comes from them:

    S_k(t + s) = ((s dx / k + S_1) (x) s dx / (k - 1) + S_2) (x) ... + S_k,        R_1(t + s) = X - x - s dx,
    R_2(t) = S_2(T) - S_2(t) - x (x) (X - x),      R_2(t + s) = R_2(t) - s dx (x) (X - x - s dx / 2)
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from edgekit.frontends.counts import macs_of_calls
from edgekit.frontends.plans import CACHE_BYTES, Step, padded_stride, run_steps
from edgekit.frontends.running_sums import padded_width, running_sum
from edgekit.frontends.tensor_algebra import level_sizes, level_slices

__all__ = ["SplitSignature", "rows_at_once"]

#: Gauss-Lobatto rules on [0, 1], exact up to degree 1, 3 and 5: the weight of either end, and (node, weight) of those inside
#: (Abramowitz & Stegun, "Handbook of mathematical functions", 25.4.32).
_LOBATTO: tuple[tuple[float, tuple[tuple[float, float], ...]], ...] = (
    (1 / 2, ()),
    (1 / 6, ((1 / 2, 2 / 3),)),
    (1 / 12, (((1 - 5**-0.5) / 2, 5 / 12), ((1 + 5**-0.5) / 2, 5 / 12))),
)


def rows_at_once(channels: int, depth: int, width: int, dtype: np.dtype) -> int:
    """Rows of a plan that stays in the second-level cache, for the most part."""
    planes = sum(_plane_counts(channels, depth).values())
    return max(1, 2 * CACHE_BYTES // (planes * padded_width(width) * dtype.itemsize))


def _before_after(depth: int) -> tuple[int, int]:
    """Letters before and after, a and b; level 1 is the path's end."""
    return max(depth // 2, 1), (depth - 1) // 2


def _plane_counts(channels: int, depth: int) -> dict[str, int]:
    """How many planes of R * W numbers each quantity takes."""
    before, after = _before_after(depth)
    one, two = channels, channels**2
    counts = {"x": one, "dx": one, "part": one, "shorter": one, "letter": one, "rest": one, "first": one}
    counts |= {f"S{level}": channels**level for level in range(2, before + 1)}
    counts |= {f"left{level}": channels**level for level in range(1, before + 1)}
    counts |= {"rest2": two, "second": two} if after > 1 else {}
    return counts | {"spare": channels**before, "right": sum(level_sizes(channels, after + 1))}


class SplitSignature:
    """Plan of the signatures of `rows` paths.

    Args:
        channels: C.
        depth: N, 1 to 6.
        rows: number of paths.
        width: points of each.
        dtype: float32 or float64.
    """

    def __init__(self, channels: int, depth: int, rows: int, width: int, dtype: np.dtype) -> None:
        self._channels, self._depth, self._rows, self._width = channels, depth, rows, padded_width(width)
        self._before, self._after = _before_after(depth)
        self._planes = self._lay_out(dtype)
        x, dx = self._by_row("x"), self._by_row("dx")
        self.points = x[..., :width]
        self._levels = ["x", *(f"S{level}" for level in range(2, self._before + 1))]
        self._totals = [self._by_row(name)[..., width - 1] for name in self._levels]
        end_weight, inside = _LOBATTO[(depth - 1) // 2]
        sizes = channels**self._before, len(self._planes["right"])
        self._sums = np.empty((1 + len(inside), rows, *sizes), dtype)
        self._steps: list[Step] = [(np.subtract, (x[..., 1:width], x[..., : width - 1], dx[..., : width - 1]))]
        self._steps += self._prefixes() + self._suffixes()
        if depth > 1:
            self._steps += self._ends(end_weight, self._sums[0])
        for (node, weight), product in zip(inside, self._sums[1:], strict=True):
            self._steps += [*self._inside(node, weight, product), (np.add, (self._sums[0], product, self._sums[0]))]

    def _lay_out(self, dtype: np.dtype) -> dict[str, np.ndarray]:
        """Name -> (planes, R * W), zero, of one block of memory, the planes no multiple of 4 kB apart."""
        length, counts = self._rows * self._width, _plane_counts(self._channels, self._depth)
        memory = np.zeros((sum(counts.values()), padded_stride(length, dtype.itemsize)), dtype)
        ends = accumulate(counts.values())
        return {name: memory[end - counts[name] : end, :length] for name, end in zip(counts, ends, strict=True)}

    def _by_row(self, name: str) -> np.ndarray:
        """(planes, R, W) view."""
        planes = self._planes[name]
        return planes.reshape(len(planes), self._rows, self._width)

    def _prefixes(self) -> list[Step]:
        """S_2 ... S_a before each step: from S_3 on running sums of ((dx / k + S_1) (x) dx / (k - 1) + S_2) (x) ... (x) dx."""
        planes, steps = self._planes, self._second_level() if self._before > 1 else []
        for level in range(3, self._before + 1):
            increments = planes["spare"][: self._channels**level]
            horner, factor = self._horner(planes["dx"], level, level - 1)
            steps += [*horner, _outer(factor, planes["dx"], increments)]
            by_row = increments.reshape(len(increments), self._rows, self._width)
            steps += running_sum(by_row, self._by_row(f"S{level}"), share=0)
        return steps

    def _second_level(self) -> list[Step]:
        """S_2 = (x (x) x + C) / 2, where C_ij is the running sum of x_i dx_j - x_j dx_i: fewer running sums than words."""
        planes, channels = self._planes, self._channels
        x, dx, square, half = planes["x"], planes["dx"], planes["S2"], planes["shorter"]
        pairs = channels * (channels - 1) // 2
        areas, running, products = np.split(planes["spare"], [pairs, 2 * pairs])
        steps: list[Step] = []
        after: list[Step] = [(np.multiply, (x, _number(x, 0.5), half)), _outer(half, x, square)]
        start = 0
        for letter in range(channels - 1):
            later = slice(letter + 1, channels)
            end = start + channels - 1 - letter
            area, product, total = areas[start:end], products[: end - start], running[start:end]
            above = square[letter * channels + letter + 1 : (letter + 1) * channels]
            below = square[(letter + 1) * channels + letter :: channels]
            steps += [(np.multiply, (x[letter], dx[later], area)), (np.multiply, (dx[letter], x[later], product))]
            steps += [(np.subtract, (area, product, area))]
            after += [(np.add, (above, total, above)), (np.subtract, (below, total, below))]
            start = end
        if pairs:
            shape = pairs, self._rows, self._width
            steps += running_sum(areas.reshape(shape), running.reshape(shape), share=0)
            steps += [(np.multiply, (running, _number(x, 0.5), running))]
        return steps + after

    def _horner(self, part: np.ndarray, level: int, last: int) -> tuple[list[Step], np.ndarray]:
        """((part / level + S_1) (x) part / (level - 1) + S_2) (x) ... + S_last, and where it is written."""
        planes, shorter = self._planes, self._planes["shorter"]
        value = planes["left1"]
        steps: list[Step] = [(np.multiply, (part, _number(part, 1 / level), value)), (np.add, (value, planes["x"], value))]
        for done in range(2, last + 1):
            longer = planes[f"left{done}"]
            divisor = level - done + 1
            if divisor > 1:
                steps += [(np.multiply, (part, _number(part, 1 / divisor), shorter))]
            steps += [_outer(value, shorter if divisor > 1 else part, longer), (np.add, (longer, planes[f"S{done}"], longer))]
            value = longer
        return steps, value

    def _suffixes(self) -> list[Step]:
        """R_1 = X - x and R_2 = S_2(T) - S_2 - x (x) R_1 before each step."""
        planes, steps = self._planes, list[Step]()
        if self._after > 0:
            steps += [(np.subtract, (self._totals[0][..., None], self._by_row("x"), self._by_row("rest")))]
        if self._after > 1:
            rest, spare = self._by_row("rest2"), planes["spare"][: self._channels**2]
            steps += [
                (np.subtract, (self._totals[1][..., None], self._by_row("S2"), rest)),
                _outer(planes["x"], planes["rest"], spare),
                (np.subtract, (planes["rest2"], spare, planes["rest2"])),
            ]
        return steps

    def _ends(self, weight: float, product: np.ndarray) -> list[Step]:
        """What the ends of all steps add to the quadrature: the letter at a point is the step before it and the one after it."""
        planes, channels = self._planes, self._channels
        dx, letter = planes["dx"], planes["right"][:channels]
        steps: list[Step] = [
            (np.copyto, (letter[:, :1], dx[:, :1])),
            (np.add, (dx[:, 1:], dx[:, :-1], letter[:, 1:])),
            (np.multiply, (letter, _number(dx, weight), letter)),
        ]
        return steps + self._meet(planes[self._levels[-1]], [planes[name] for name in ("rest", "rest2")[: self._after]], product)

    def _inside(self, node: float, weight: float, product: np.ndarray) -> list[Step]:
        """What one node within all steps adds."""
        planes = self._planes
        dx, part, letter = planes["dx"], planes["part"], planes["right"][: self._channels]
        steps: list[Step] = [(np.multiply, (dx, _number(dx, node), part)), (np.multiply, (dx, _number(dx, weight), letter))]
        horner, left = self._horner(part, self._before, self._before)
        suffixes = [planes[name] for name in ("first", "second")[: self._after]]
        return steps + horner + self._suffixes_after(part) + self._meet(left, suffixes, product)

    def _meet(self, left: np.ndarray, suffixes: list[np.ndarray], product: np.ndarray) -> list[Step]:
        """S_a times the letter, letter (x) R_1, ..., summed over time: (R, C^a, C + ... + C^(b + 1)) into `product`."""
        right, channels = self._planes["right"], self._channels
        steps, start = list[Step](), channels
        for suffix in suffixes:
            end = start + channels * len(suffix)
            steps += [_outer(right[:channels], suffix, right[start:end])]
            start = end
        by_row = left.reshape(len(left), self._rows, self._width).swapaxes(0, 1)
        return [*steps, (np.matmul, (by_row, self._by_row("right").transpose(1, 2, 0), product))]

    def _suffixes_after(self, part: np.ndarray) -> list[Step]:
        """R_1 and R_2 a `part` of a step further on."""
        planes, half = self._planes, self._planes["shorter"]
        steps: list[Step] = [(np.subtract, (planes["rest"], part, planes["first"]))]
        if self._after > 1:
            second = planes["second"]
            steps += [
                (np.multiply, (part, _number(part, 0.5), half)),
                (np.subtract, (planes["rest"], half, half)),
                _outer(part, half, second),
                (np.subtract, (planes["rest2"], second, second)),
            ]
        return steps

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run before the features are scaled."""
        return macs_of_calls(self._steps)

    def run(self, out: np.ndarray, scale: np.ndarray) -> None:
        """Write (rows, Q) features times `scale` (Q,) into `out`."""
        run_steps(self._steps)
        slices = level_slices(self._channels, self._depth)
        for total, level in zip(self._totals, slices, strict=False):
            out[:, level] = total.T
        start, words = 0, self._channels**self._before
        for level in slices[self._before :]:
            end = start + (level.stop - level.start) // words
            out[:, level].reshape(len(out), words, end - start)[...] = self._sums[0][:, :, start:end]
            start = end
        np.multiply(out, scale, out)


def _outer(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> Step:
    """Tensor product at each time: (A, T), (B, T) -> (A * B, T), the right factor's index running fastest."""
    shape = len(left), len(right), left.shape[1]
    strides = len(right) * out.strides[0], *out.strides
    return np.multiply, (left[:, None], right[None], np.lib.stride_tricks.as_strided(out, shape, strides))


def _number(like: np.ndarray, value: float) -> np.generic:
    """`value` in the dtype of `like`: NumPy 1 and 2 agree about a scalar of the same dtype."""
    return like.dtype.type(value)
