"""Log-signatures of any number of channels and any depth: the tensor logarithm at the Lyndon words, then their coordinates.

    log S = s (x) y_1,    y_n = 1 / n - s (x) y_{n+1},    s = S - 1

by Horner's rule. y_n is needed up to level N - n, and the last product at the Lyndon words alone: its value at w is the sum over
the cuts w = uv of s(u) y_1(v).
"""

from __future__ import annotations

import numpy as np

from edgekit.frontends.counts import macs_of_calls
from edgekit.frontends.lyndon import coordinates_from_values, lyndon_words, word_index
from edgekit.frontends.plans import Step, run_steps
from edgekit.frontends.split_kernel import SplitSignature
from edgekit.frontends.tensor_algebra import level_sizes, level_slices

__all__ = ["SplitLogSignature"]

#: Points from which on the arithmetic is float64 whatever the features are: the logarithm of a long path cancels, and noise of
#: 640 points at depth 5 would come out 7e-6 of the largest value off in float32.
_WIDE = 256


class SplitLogSignature:
    """Plan of the log-signatures of `rows` paths.

    Args:
        channels: C.
        depth: N, 1 to 6.
        rows: number of paths.
        width: points of each.
        dtype: float32 or float64.
    """

    def __init__(self, channels: int, depth: int, rows: int, width: int, dtype: np.dtype) -> None:
        if width > _WIDE:
            dtype = np.dtype(np.float64)
        self._signature = SplitSignature(channels, depth, rows, width, dtype)
        self.points = self._signature.points
        self._channels, self._depth = channels, depth
        slices = level_slices(channels, depth)
        self._by_path = np.empty((rows, slices[-1].stop), dtype)
        self._ones = np.ones(slices[-1].stop, dtype)
        tensors = np.empty((slices[-1].stop, rows), dtype)
        self._levels = [tensors[level] for level in slices]
        self._spare = np.empty_like(tensors)
        self._steps: list[Step] = [(np.copyto, (tensors, self._by_path.T))]
        inner = self._horner()
        words = lyndon_words(channels, depth)
        self._coordinates = np.empty((sum(map(len, words)), rows), dtype)
        end = 0
        for level in range(1, depth + 1):
            start, end = end, end + len(words[level - 1])
            self._steps += self._at_lyndon_words(level, inner, self._coordinates[start:end])

    def _horner(self) -> list[np.ndarray]:
        """Steps that make y_1; its levels 1 to N - 1. Level 0 is 1."""
        depth, rows, dtype = self._depth, self._by_path.shape[0], self._by_path.dtype
        inner: list[np.ndarray] = []  # levels 1 ... of y_{n + 1}, whose level 0 is 1 / (n + 1)
        for n in range(depth - 1, 0, -1):
            levels = [np.empty((size, rows), dtype) for size in level_sizes(self._channels, depth - n)]
            for level, out in enumerate(levels, start=1):
                self._steps += [(np.multiply, (self._levels[level - 1], dtype.type(-1 / (n + 1)), out))]
                for done in range(1, level):
                    left, right = self._levels[done - 1], inner[level - done - 1]
                    product = self._spare[: len(out)]
                    shaped = product.reshape(len(left), len(right), rows)
                    self._steps += [(np.multiply, (left[:, None], right, shaped)), (np.subtract, (out, product, out))]
            inner = levels
        return inner

    def _at_lyndon_words(self, level: int, inner: list[np.ndarray], out: np.ndarray) -> list[Step]:
        """Values of that level at its Lyndon words, then their coordinates into `out`."""
        words, channels = lyndon_words(self._channels, level)[-1], self._channels
        values, left, right = (np.empty_like(out) for _ in range(3))
        steps: list[Step] = [_rows_of(self._levels[level - 1], [word_index(word, channels) for word in words], values)]
        for cut in range(1, level):
            steps += [
                _rows_of(self._levels[cut - 1], [word_index(word[:cut], channels) for word in words], left),
                _rows_of(inner[level - cut - 1], [word_index(word[cut:], channels) for word in words], right),
                (np.multiply, (left, right, left)),
                (np.add, (values, left, values)),
            ]
        matrix = coordinates_from_values(channels, level).astype(out.dtype)
        return [*steps, (np.matmul, (matrix, values, out))]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run before the features are scaled; the signature's own scaling, by ones, is run."""
        return self._signature.macs + self._by_path.size + macs_of_calls(self._steps)

    def run(self, out: np.ndarray, scale: np.ndarray) -> None:
        """Write (rows, Q) coordinates times `scale` (Q,) into `out`."""
        self._signature.run(self._by_path, self._ones)
        run_steps(self._steps)
        np.multiply(self._coordinates.T, scale, out)


def _rows_of(values: np.ndarray, rows: list[int], out: np.ndarray) -> Step:
    return np.take, (values, np.array(rows, np.intp), 0, out, "clip")  # "raise" would copy by way of a buffer
