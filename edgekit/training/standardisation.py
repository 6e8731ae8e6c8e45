"""Fitting the standardisation of features whose tails are heavy.

The higher levels of a signature have far tails: their standard deviation is that of a few rows, and most values lie within a
fifth of it, in the middle few steps of an int8 scale. So mean and deviation are those of the values clipped at three deviations,
found by repeating fit and clip (iterated winsorising). Both are rounded to the digits that matter.
"""

from __future__ import annotations

import numpy as np

from edgekit.frontends.standardise import Standardisation

__all__ = ["fit_standardisation"]

_ROUNDS = 5
_BOUND = 3.0


def fit_standardisation(features: np.ndarray, clip: float, axis: int = -1) -> Standardisation:
    """Scale and offset of each feature from its winsorised mean and deviation.

    Args:
        features: (N, ..., F, ...) float32 raw features of the un-augmented training images.
        clip: bound of the standardised features, in these deviations.
        axis: which axis counts the features, from the end.

    Returns:
        Standardisation of F features.
    """
    flat = np.moveaxis(features, axis, -1).reshape(-1, features.shape[axis])
    clipped = flat
    for _ in range(_ROUNDS):
        mean, deviation = clipped.mean(axis=0, dtype=np.float64), clipped.std(axis=0, dtype=np.float64)
        low, high = mean - _BOUND * deviation, mean + _BOUND * deviation
        clipped = np.clip(flat, low.astype(np.float32), high.astype(np.float32))
    return Standardisation.fit(clipped, clip).rounded()
