"""From a histogram to the range that 8 bits shall cover: percentile, least divergence, least mean square error.

Pure functions of `Counts`. Every range that is clipped contains 0, because quantized padding and ReLU need it exactly.
"""

from __future__ import annotations

import numpy as np

from edgekit.calibration.histogram import Counts

__all__ = ["entropy_range", "mse_range", "percentile_range"]

#: Integers of 8 bits, asymmetric and symmetric (-127 to 127).
_LEVELS, _SYMMETRIC_LEVELS = 256, 255

_CANDIDATES = 256


def percentile_range(data: Counts, percentile: float, symmetric: bool) -> tuple[float, float]:
    """The range that the central `percentile` per cent of the values lie in, interpolated within a bin.

    Args:
        data: of one channel, at least one value.
        percentile: above 50, at most 100; half of the rest is cut on each side.
        symmetric: cut the greatest magnitudes instead, and give (-a, a).
    """
    if symmetric:
        bound = _quantile(_folded(data.counts), data.width, percentile / 100)
        bound = min(bound, max(-data.low, data.high))
        return -bound, bound
    tail = (100 - percentile) / 200
    first = float(data.edges[0])
    low = first + _quantile(data.counts, data.width, tail)
    high = first + _quantile(data.counts, data.width, 1 - tail)
    return min(max(low, data.low), data.high), max(min(high, data.high), data.low)


def mse_range(data: Counts, symmetric: bool) -> tuple[float, float]:
    """The range of least expected square error of a quantized value.

    The error of a clipped value is its distance to the range, that of another one uniform within a step s: s^2 / 12; an exact
    zero has none (Banner et al. 2019, arXiv:1810.05723, section 3, with the histogram in the place of a Laplace distribution).
    All pairs of candidate ends are tried.

    Args:
        data: of one channel, at least one value.
        symmetric: try (-a, a) alone.
    """
    lows, highs = _candidates(-min(data.low, 0.0)), _candidates(max(data.high, 0.0))
    if symmetric:
        lows = highs = _candidates(max(-data.low, data.high, 0.0))
    below, above = _Tail(_negative(data), data.width), _Tail(_positive(data), data.width)
    kept_low, kept_high = below.inside(lows), above.inside(highs)
    if symmetric:
        inside, clipped = kept_low + kept_high, below.clipped(lows) + above.clipped(highs)
        error = clipped + (inside - data.zeros) * np.square(2 * highs / (_SYMMETRIC_LEVELS - 1)) / 12
        best = float(highs[int(np.argmin(error))])
        return -best, best
    inside = kept_low[:, None] + kept_high[None, :]
    clipped = below.clipped(lows)[:, None] + above.clipped(highs)[None, :]
    steps = (lows[:, None] + highs[None, :]) / (_LEVELS - 1)
    error = clipped + (inside - data.zeros) * np.square(steps) / 12
    row, column = np.unravel_index(int(np.argmin(error)), error.shape)
    return -float(lows[row]), float(highs[column])


def entropy_range(data: Counts, symmetric: bool) -> tuple[float, float]:
    """The range whose quantized histogram tells least from the whole one: least Kullback-Leibler divergence.

    Migacz 2017 (8-bit inference with TensorRT, GTC s7310): candidates grow on both sides of zero; the values cut off are added to
    the outermost bins of the reference. Fewer values than bins say nothing about a distribution: they keep their whole range.

    Args:
        data: of one channel, at least one value.
        symmetric: candidates are (-a, a), otherwise they end where the values do.
    """
    half, levels = len(data.counts) // 2, _SYMMETRIC_LEVELS if symmetric else _LEVELS
    least, most = _occupied(data)
    reach = max(-least, most)
    if reach <= levels // 2 or data.counts.sum() < len(data.counts):
        low, high = min(data.low, 0.0), max(data.high, 0.0)
        return (-max(-low, high), max(-low, high)) if symmetric else (low, high)
    best, found = np.inf, reach
    for bound in np.unique(np.linspace(levels // 2, reach, _CANDIDATES).astype(int)):
        first, last = (-bound, bound) if symmetric else (max(-bound, least), min(bound, most))
        if last - first < levels:
            continue
        divergence = _divergence(data.counts, first + half, last + half, levels)
        if divergence < best:
            best, found = divergence, int(bound)
    low, high = max(-found * data.width, min(data.low, 0.0)), min(found * data.width, max(data.high, 0.0))
    return (-max(-low, high), max(-low, high)) if symmetric else (low, high)


class _Tail:
    """Values of one side of zero by distance: how many lie within a bound, and the square error of clipping the others to it.

    Args:
        counts: (m,) values with a distance in [i, i + 1) widths.
        width: of a bin.
    """

    def __init__(self, counts: np.ndarray, width: float) -> None:
        centres = (np.arange(len(counts)) + 0.5) * width
        self._edges = np.arange(len(counts) + 1) * width
        # Values are taken as spread evenly over their bin: width^2 / 12 about its centre.
        sums = (counts, counts * centres, counts * (np.square(centres) + width * width / 12))
        self._sums = [np.concatenate([[0.0], np.cumsum(terms, dtype=np.float64)]) for terms in sums]

    def inside(self, bounds: np.ndarray) -> np.ndarray:
        """Number of values within each bound, interpolated within a bin."""
        return np.interp(bounds, self._edges, self._sums[0])

    def clipped(self, bounds: np.ndarray) -> np.ndarray:
        """Sum of (distance - bound)^2 over the values beyond each bound."""
        count, first, second = (total[-1] - np.interp(bounds, self._edges, total) for total in self._sums)
        return np.maximum(second - 2 * bounds * first + np.square(bounds) * count, 0.0)


def _candidates(bound: float) -> np.ndarray:
    return np.linspace(0.0, bound, _CANDIDATES + 1)


def _positive(data: Counts) -> np.ndarray:
    return data.counts[len(data.counts) // 2 :]


def _negative(data: Counts) -> np.ndarray:
    return data.counts[: len(data.counts) // 2][::-1]


def _folded(counts: np.ndarray) -> np.ndarray:
    half = len(counts) // 2
    return counts[half:] + counts[:half][::-1]


def _quantile(counts: np.ndarray, width: float, share: float) -> float:
    """Distance from the first edge below which `share` of the values lie."""
    below = np.concatenate([[0], np.cumsum(counts)])
    wanted = share * below[-1]
    # The first bin that reaches the share and is not empty, so that a share of 0 gives the first value's bin.
    place = int(np.searchsorted(below[1:], wanted, side="left" if wanted > 0 else "right"))
    return width * (place + (wanted - below[place]) / counts[place])


def _occupied(data: Counts) -> tuple[int, int]:
    """First bin with a value and the end of the last one, counted from zero, and zero itself at least."""
    half = len(data.counts) // 2
    places = np.flatnonzero(data.counts)
    return min(int(places[0]) - half, 0), max(int(places[-1]) + 1 - half, 0)


def _divergence(counts: np.ndarray, first: int, last: int, levels: int) -> float:
    """KL divergence of bins first to last, with the rest at their ends, from the same bins in `levels` groups."""
    kept = counts[first:last].astype(np.float64)
    if not kept.any():
        return np.inf
    reference = kept.copy()
    reference[0] += counts[:first].sum()
    reference[-1] += counts[last:].sum()
    starts = np.arange(levels) * len(kept) // levels
    present = reference > 0
    totals = np.add.reduceat(kept, starts)
    members = np.add.reduceat(present.astype(np.float64), starts)
    sizes = np.diff([*starts, len(kept)])
    spread = np.repeat(totals / np.maximum(members, 1), sizes)
    p = reference[present] / reference.sum()
    # A bin that only cut-off values fill has no share in the quantized histogram: that of one value keeps the divergence finite.
    q = np.maximum(spread[present], 1.0)
    return float((p * np.log(p * q.sum() / q)).sum())
