"""Observers: what range of a tensor 8 bits shall cover, found in one pass over a stream of its values, on bounded memory.

| name | range | source |
|---|---|---|
| min-max | least and greatest value | Jacob et al. 2018, arXiv:1712.05877, section 3.1 |
| moving-average | of each sample's least and greatest value, smoothed | the same |
| percentile | of the central 99.999 % of the values | Wu et al. 2020, arXiv:2004.09602, section 5 |
| entropy | of least Kullback-Leibler divergence | Migacz 2017, GTC s7310 |
| mse | of least mean square error | Banner et al. 2019, arXiv:1810.05723 |
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np

from edgekit.calibration.histogram import Counts, StreamingHistogram
from edgekit.calibration.ranges import Range
from edgekit.calibration.thresholds import entropy_range, mse_range, percentile_range
from edgekit.core.recipe import OBSERVERS
from edgekit.errors import InputError, UnknownNameError

__all__ = ["PERCENTILE", "SMOOTHING", "Observer", "create_observer"]

#: Per cent of the values that the percentile observer keeps.
PERCENTILE = 99.999

#: Weight of a new sample in the moving average, as torch and onnxruntime have it.
SMOOTHING = 0.01

#: Magnitudes from here on are stand-ins for infinity (padding before a max-pool, attention masks), not activations.
_UNBOUNDED = np.float32(3e38)

_Update = Callable[[np.ndarray], None]


class Observer(Protocol):
    """Sees a tensor sample by sample, and then says its range."""

    def update(self, values: np.ndarray) -> None:
        """See one sample's values.

        Args:
            values: float32 of any shape; per channel, of as many dimensions and channels as the first. Infinities and magnitudes
                from 3e38 on are stand-ins for them and are left out.

        Raises:
            InputError: on NaN, or nothing finite.
        """
        ...

    def range(self) -> Range:
        """The range so far, one for the tensor or one a channel.

        Raises:
            InputError: before any value was seen.
        """
        ...


def create_observer(name: str, axis: int | None = None, symmetric: bool = False) -> Observer:
    """A fresh observer of one tensor.

    Args:
        name: one of `edgekit.core.recipe.OBSERVERS`.
        axis: None for one range of the whole tensor, otherwise one for every index along this axis.
        symmetric: give ranges (-a, a).

    Raises:
        UnknownNameError: on another name.
    """
    reductions: dict[str, Callable[[Counts, bool], tuple[float, float]]] = {
        "percentile": partial(_percentile, PERCENTILE),
        "entropy": entropy_range,
        "mse": mse_range,
    }
    if name == "min-max":
        return _Extremes(axis, symmetric, None)
    if name == "moving-average":
        return _Extremes(axis, symmetric, SMOOTHING)
    if name not in reductions:
        raise UnknownNameError("observer", name, OBSERVERS)
    return _Histogram(axis, symmetric, reductions[name])


class _Extremes:
    """Least and greatest values, or their moving averages."""

    def __init__(self, axis: int | None, symmetric: bool, smoothing: float | None) -> None:
        self._axis, self._symmetric, self._smoothing = axis, symmetric, smoothing
        self._low, self._high = np.zeros(0), np.zeros(0)

    def update(self, values: np.ndarray) -> None:
        rows = _rows(values, self._axis, len(self._low))
        low, high = np.array([row.min() for row in rows]), np.array([row.max() for row in rows])
        if len(self._low) == 0:
            self._low, self._high = low, high
        elif self._smoothing is None:
            self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
        else:
            self._low = self._low + np.float32(self._smoothing) * (low - self._low)
            self._high = self._high + np.float32(self._smoothing) * (high - self._high)

    def range(self) -> Range:
        _check_seen(len(self._low))
        low, high = self._low, self._high
        if self._symmetric:
            high = np.maximum(np.abs(low), np.abs(high))
            low = -high
        return Range(tuple(map(float, low)), tuple(map(float, high)), self._axis)


class _Histogram:
    """A histogram a channel, and a function that finds the range in it."""

    def __init__(self, axis: int | None, symmetric: bool, reduce: Callable[[Counts, bool], tuple[float, float]]) -> None:
        self._axis, self._symmetric, self._reduce = axis, symmetric, reduce
        self._histograms: list[StreamingHistogram] = []

    def update(self, values: np.ndarray) -> None:
        rows = _rows(values, self._axis, len(self._histograms))
        if not self._histograms:
            self._histograms = [StreamingHistogram() for _ in rows]
        for histogram, row in zip(self._histograms, rows, strict=True):
            histogram.update(row)

    def range(self) -> Range:
        _check_seen(len(self._histograms))
        found = [self._reduce(histogram.counts, self._symmetric) for histogram in self._histograms]
        return Range(tuple(low for low, _ in found), tuple(high for _, high in found), self._axis)


def _percentile(percentile: float, data: Counts, symmetric: bool) -> tuple[float, float]:
    return percentile_range(data, percentile, symmetric)


def _rows(values: np.ndarray, axis: int | None, known: int) -> list[np.ndarray]:
    """The finite values of each channel."""
    array = np.asarray(values, np.float32)
    if array.size == 0:
        raise InputError(f"Expected values to observe, got an array of shape {array.shape}.")
    rows = array.reshape(1, -1) if axis is None else np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1)
    if known and len(rows) != known:
        raise InputError(f"Expected {known} channels along axis {axis} as before, got {len(rows)}.")
    largest = np.abs(rows).max()
    if np.isnan(largest):
        raise InputError("Expected numbers, got NaN.")
    if largest < _UNBOUNDED:
        return list(rows)
    bounded = [row[np.abs(row) < _UNBOUNDED] for row in rows]
    if any(len(row) == 0 for row in bounded):
        raise InputError("Expected finite values, got infinity alone.")
    return bounded


def _check_seen(channels: int) -> None:
    if channels == 0:
        raise InputError("Expected at least one sample before a range is asked for, got none.")
