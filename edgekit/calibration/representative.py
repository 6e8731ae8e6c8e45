"""A seeded, stratified calibration sample, and its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from edgekit.errors import InputError

__all__ = ["sample_digest", "stratified_sample"]


def stratified_sample(labels: Sequence[int], n: int, seed: int) -> list[int]:
    """Draw positions so that every class has its share.

    The draw depends on the labels, `n` and `seed` alone: not on hash seeds, platform, or how the labels are stored.

    Args:
        labels: class index of each image.
        n: how many to draw, at least 1; more than there are gives all.
        seed: of the draw, >= 0.

    Returns:
        Positions in `labels`, ascending, each once. Shares are rounded by the largest remainder; where `n` allows, no class is
        left out.

    Raises:
        InputError: on n < 1, a negative seed or no labels.

    >>> stratified_sample([0, 0, 0, 0, 1, 1], 3, seed=0)
    [0, 2, 5]
    """
    if n < 1 or seed < 0 or len(labels) == 0:
        raise InputError(f"Expected labels, n >= 1 and seed >= 0, got {len(labels)} labels, n {n}, seed {seed}.")
    if n >= len(labels):
        return list(range(len(labels)))
    array = np.asarray(labels, np.int64)
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn: list[int] = []
    classes, counts = np.unique(array, return_counts=True)
    for kind, quota in zip(classes, _quotas(counts, n), strict=True):
        positions = np.flatnonzero(array == kind)
        drawn.extend(int(position) for position in generator.permutation(positions)[:quota])
    return sorted(drawn)


def _quotas(counts: np.ndarray, n: int) -> list[int]:
    """Largest-remainder shares of n (Hamilton's method); first one for each class where n suffices."""
    shares = counts * (n / counts.sum())
    quotas = np.floor(shares).astype(int)
    if n >= len(counts):
        quotas = np.maximum(quotas, 1)
    while quotas.sum() < n:
        room = np.where(quotas < counts, shares - quotas, -np.inf)
        quotas[int(np.argmax(room))] += 1
    while quotas.sum() > n:
        spare = np.where(quotas > 1, quotas - shares, -np.inf)
        quotas[int(np.argmax(spare))] -= 1
    return [int(quota) for quota in quotas]


def sample_digest(*arrays: np.ndarray) -> str:
    """sha256 over dtype, shape and values of arrays, in order; the same on every machine.

    Args:
        arrays: e.g. calibration features (n, ...) float32. Byte order and memory layout do not matter.
    """
    digest = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        digest.update(f"{plain.dtype.str}{plain.shape};".encode("ascii"))
        digest.update(plain.tobytes())
    return digest.hexdigest()
