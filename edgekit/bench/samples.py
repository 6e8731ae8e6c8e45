"""Latencies of several windows, and what may be said of them. Percentiles are NumPy's; nothing is clipped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["NEEDED", "drift", "raw_samples", "summary"]

#: Percentile -> samples below which it is not told: the further out in the tail, the more it takes.
NEEDED = {50: 11, 90: 64, 95: 130, 99: 662}

_MS = 1e-6  # of a nanosecond


def summary(windows: Sequence[np.ndarray]) -> dict[str, Any]:
    """Figures of one measure: the median over the windows of each window's figure.

    A percentile for which one window has too few samples is taken over all windows together, and is None where those are too
    few as well. `min`, `max` and `n` are over everything.

    Args:
        windows: (n,) int64 nanoseconds each, none empty.
    """
    together = np.concatenate(windows)
    means = [float(window.mean()) * _MS for window in windows]
    return {
        "n": len(together),
        "windows": len(windows),
        "min_ms": float(together.min()) * _MS,
        **{f"p{percent}_ms": _percentile(windows, together, percent) for percent in NEEDED},
        "max_ms": float(together.max()) * _MS,
        "mean_ms": float(np.median(means)),
        "fps": float(np.median([1e3 / mean for mean in means])),
        "window_p50_ms": [float(np.median(window)) * _MS for window in windows],
    }


def drift(windows: Sequence[np.ndarray]) -> float:
    """Spread of the windows' medians, (largest - smallest) / their median."""
    medians = np.array([np.median(window) for window in windows])
    return float((medians.max() - medians.min()) / np.median(medians))


def raw_samples(windows: Sequence[np.ndarray]) -> list[dict[str, list[int]]]:
    """Every sample of every window, as distinct values in nanoseconds and how often each came: a window may hold millions."""
    pairs = (np.unique(window, return_counts=True) for window in windows)
    return [{"ns": values.tolist(), "count": counts.tolist()} for values, counts in pairs]


def _percentile(windows: Sequence[np.ndarray], together: np.ndarray, percent: int) -> float | None:
    if len(together) < NEEDED[percent]:
        return None
    if min(len(window) for window in windows) < NEEDED[percent]:
        return float(np.percentile(together, percent)) * _MS
    return float(np.median([np.percentile(window, percent) for window in windows])) * _MS
