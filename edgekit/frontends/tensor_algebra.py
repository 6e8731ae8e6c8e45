"""Numbers of words, and where each level of a signature stands among its features.

The signature of a path x over [0, T] is the sequence of its iterated integrals (Ibrahim & Lyons 2022, "ImageSig", eq. 1):
level k is the tensor S_k(T) of the integrals over 0 < t_1 < ... < t_k < T of dx_t1 (x) ... (x) dx_tk, one for each word of k
letters.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from edgekit.frontends.lyndon import lyndon_words

__all__ = ["feature_scale", "level_sizes", "level_slices", "log_scale", "logsignature_length", "signature_length"]


def level_sizes(channels: int, depth: int) -> tuple[int, ...]:
    """Numbers of words of length 1 to `depth`: C, C^2, ..., C^depth."""
    return tuple(channels**level for level in range(1, depth + 1))


def level_slices(channels: int, depth: int) -> tuple[slice, ...]:
    """Where each level stands among the Q features of a signature."""
    ends = list(accumulate(level_sizes(channels, depth)))
    return tuple(slice(start, end) for start, end in zip([0, *ends], ends, strict=False))


def signature_length(channels: int, depth: int) -> int:
    """Q = C + C^2 + ... + C^depth: no leading 1."""
    return sum(level_sizes(channels, depth))


def logsignature_length(channels: int, depth: int) -> int:
    """Number of Lyndon words of length 1 to `depth`."""
    return sum(map(len, lyndon_words(channels, depth)))


def feature_scale(channel_scale: np.ndarray, depth: int) -> np.ndarray:
    """Factor of every feature of a signature when channel c of the path is multiplied by channel_scale[c].

    Args:
        channel_scale: (C,) float64.
        depth: number of levels.

    Returns:
        (Q,) float64: the products of the scales of each word's letters.
    """
    levels = accumulate([channel_scale] * depth, lambda word, letter: np.outer(word, letter).ravel())
    return np.concatenate(list(levels))


def log_scale(channel_scale: np.ndarray, depth: int) -> np.ndarray:
    """As `feature_scale`, for the coordinates of a log-signature: a bracket has the letters of its Lyndon word."""
    words = lyndon_words(len(channel_scale), depth)
    return np.array([channel_scale[list(word)].prod() for level in words for word in level])
