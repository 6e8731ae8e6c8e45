"""Other windows that the same movement could have given: another grip, another strength, another moment, a noisier sensor.

Um et al. 2017, "Data augmentation of wearable sensor data for Parkinson's disease monitoring using convolutional neural networks"
(arXiv:1706.00527): rotation, scaling, jittering and shifting in time are the ones used here.
"""

from __future__ import annotations

import numpy as np

__all__ = ["augment_windows"]

_SCALE = 0.1  # standard deviation of the factor of each channel
_NOISE = 0.05  # of the channel's own standard deviation
_SHIFT = 0.1  # of the window's length, at most
_ANGLE = 0.3  # radians, standard deviation about each axis


def augment_windows(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One changed copy of each window.

    Args:
        windows: (N, channels, samples) float32; windows of other shapes are scaled and get noise alone.
        rng: source of randomness.

    Returns:
        (N, ...) float32.
    """
    if windows.ndim != 3:
        return _noisy(windows, rng)
    return _noisy(_shifted(_turned(windows, rng), rng), rng)


def _noisy(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    axes = tuple(range(2, windows.ndim)) or (1,)
    factor = rng.normal(1, _SCALE, windows.shape[: 2 if windows.ndim > 2 else 1] + (1,) * len(axes))
    noise = rng.normal(0, _NOISE, windows.shape) * windows.std(axis=axes, keepdims=True)
    return (windows * factor + noise).astype(np.float32)


def _shifted(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moved in time; what is missing at one end repeats the edge."""
    count, _, length = windows.shape
    most = int(_SHIFT * length)
    places = np.arange(length) + rng.integers(-most, most + 1, (count, 1))
    return np.take_along_axis(windows, np.clip(places, 0, length - 1)[:, None], axis=2)


def _turned(windows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every three channels as one vector in space, turned by a small angle; the rest as they are."""
    turned = windows.copy()
    for start in range(0, windows.shape[1] - windows.shape[1] % 3, 3):
        turned[:, start : start + 3] = _rotations(len(windows), rng) @ windows[:, start : start + 3]
    return turned


def _rotations(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 3, 3) rotations by a random vector (Rodrigues' formula)."""
    vectors = rng.normal(0, _ANGLE, (count, 3))
    angles = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = (vectors / np.maximum(angles[:, 0], 1e-12)).T
    zero = np.zeros(count)
    cross = np.array([[zero, -z, y], [z, zero, -x], [-y, x, zero]]).transpose(2, 0, 1)
    return np.eye(3) + np.sin(angles) * cross + (1 - np.cos(angles)) * (cross @ cross)
