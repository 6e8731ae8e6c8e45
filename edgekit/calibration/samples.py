"""The calibration sample as a stream: whatever its size, a few inputs of it are in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgekit.errors import InputError

__all__ = ["ArraySamples", "Samples", "StreamedSamples", "checked"]


class Samples(Protocol):
    """Inputs of a network, one by one; may be gone through more than once, to the same values."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input, without a batch dimension."""
        ...

    def __len__(self) -> int:
        """How many."""
        ...

    def __iter__(self) -> Iterator[np.ndarray]:
        """Each as `shape` float32."""
        ...


@dataclass(frozen=True)
class ArraySamples:
    """Inputs that lie in one array.

    Attributes:
        array: (n, ...) of any float dtype.
    """

    array: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape[1:]

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[np.ndarray]:
        return (np.asarray(sample, np.float32) for sample in self.array)


@dataclass(frozen=True)
class StreamedSamples:
    """Inputs that are made when they are asked for.

    Attributes:
        shape: of one input.
        count: how many `start` gives.
        start: begins the stream; its blocks are (k, *shape) float32, k at least 1.
    """

    shape: tuple[int, ...]
    count: int
    start: Callable[[], Iterator[np.ndarray]]

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self.start():
            yield from block


def checked(samples: Samples, digest: hashlib._Hash) -> Iterator[np.ndarray]:
    """Each sample as (1, ...) contiguous float32, hashed as `representative.sample_digest` hashes the whole array.

    Args:
        samples: one input at least.
        digest: sha256; it is complete when the stream has ended.

    Raises:
        InputError: on no sample at all, one of another shape, values that are not finite, or samples that are all the same, such
            as those of black images: they say nothing about the ranges of others.
    """
    if len(samples) == 0:
        raise InputError("Expected at least 1 calibration sample, got none. Pass --calibration DATA with images in it.")
    digest.update(f"{np.dtype('<f4').str}{(len(samples), *samples.shape)};".encode("ascii"))
    first: np.ndarray | None = None
    differ = False
    for number, sample in enumerate(samples):
        array = np.ascontiguousarray(sample, np.float32)
        if array.shape != tuple(samples.shape):
            raise InputError(f"Expected calibration samples of shape {samples.shape}, got {array.shape} at position {number}.")
        if not np.isfinite(array).all():
            raise InputError(
                f"Expected finite calibration features, got NaN or infinity in sample {number}. "
                "Look at the front end and the images."
            )
        first = array.copy() if first is None else first
        differ = differ or not np.array_equal(array, first)
        digest.update(array.astype("<f4", copy=False).tobytes())
        yield array[None]
    _check_varied(first, differ, len(samples))


def _check_varied(first: np.ndarray | None, differ: bool, count: int) -> None:
    if first is None or (not differ and (count > 1 or float(np.ptp(first)) == 0.0)):
        raise InputError(
            f"Expected calibration samples that differ, got {count} equal ones: all black, or copies of one image? "
            "Pass images of the field."
        )
