"""A histogram of a stream of values whose range is not known beforehand, in memory that does not grow.

The bins are equal, lie on both sides of zero, and are a power of two wide. A value beyond the last bin doubles the width: two
neighbours become one, which is exact because wide bins are made of whole narrow ones. So the counts are those that all values at
once would have given, in whatever order and portions they came.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["BINS", "Counts", "StreamingHistogram"]

#: Half of them on each side of zero: a range is known to a 1,024th of its longer side or better, a quarter of an int8 step.
BINS = 4096

#: The narrowest that a bin gets is 2 ** (_LEAST - 11): a tensor of zeros alone has no width of its own.
_LEAST = -100


@dataclass(frozen=True)
class Counts:
    """What a histogram holds.

    Attributes:
        counts: (BINS,) int64; bin i holds values in [edges[i], edges[i + 1]).
        width: of a bin, a power of two.
        zeros: how many values were exactly 0.
        low: least value.
        high: greatest value.
    """

    counts: np.ndarray
    width: float
    zeros: int
    low: float
    high: float

    @property
    def edges(self) -> np.ndarray:
        """(BINS + 1,) float64, ascending; the middle one is 0."""
        half = len(self.counts) // 2
        return np.arange(-half, half + 1) * self.width


class StreamingHistogram:
    """Counts of a stream of arrays.

    Args:
        bins: even.
    """

    def __init__(self, bins: int = BINS) -> None:
        self._half = bins // 2
        self._counts = np.zeros(bins, np.int64)
        self._exponent = _LEAST
        self._zeros = 0
        self._low, self._high = np.inf, -np.inf

    @property
    def counts(self) -> Counts:
        """What was counted so far."""
        return Counts(self._counts.copy(), self._width, self._zeros, self._low, self._high)

    def update(self, values: np.ndarray) -> None:
        """Count some more.

        Args:
            values: (n,) float32, finite, n at least 1.
        """
        low, high = float(values.min()), float(values.max())
        self._low, self._high = min(self._low, low), max(self._high, high)
        self._widen(max(-low, high))
        # A quotient by a power of two is exact in float64, where nothing underflows.
        places = np.floor(values.astype(np.float64) / self._width).astype(np.int64)
        self._counts += np.bincount(places + self._half, minlength=2 * self._half)
        self._zeros += len(values) - int(np.count_nonzero(values))

    @property
    def _width(self) -> float:
        return 2.0**self._exponent / self._half

    def _widen(self, magnitude: float) -> None:
        """Merge neighbours until the largest magnitude lies within the bins."""
        if magnitude < 2.0**self._exponent:
            return
        # frexp: the least power of two above the magnitude.
        wanted = int(np.frexp(magnitude)[1])
        places = (np.arange(-self._half, self._half) >> min(wanted - self._exponent, 62)) + self._half
        merged = np.zeros_like(self._counts)
        np.add.at(merged, places, self._counts)
        self._counts, self._exponent = merged, wanted
