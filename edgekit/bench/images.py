"""Inputs to measure with: real ones, a seeded sample of a folder or of a file of windows, or the bundle's own."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from edgekit.core.bundle import Bundle
from edgekit.errors import BundleError
from edgekit.golden import golden_inputs

__all__ = ["bundle_inputs", "sample_of"]

_AT_MOST = 64
_T = TypeVar("_T")


def sample_of(items: Sequence[_T], at_most: int = _AT_MOST, seed: int = 0) -> tuple[_T, ...]:
    """Up to so many of them, drawn without replacement, in random order: neighbours in a folder resemble each other."""
    return tuple(random.Random(seed).sample(list(items), min(at_most, len(items))))


def bundle_inputs(bundle: Bundle) -> tuple[np.ndarray, ...]:
    """The inputs of the bundle's golden vectors: (H, W, 3) uint8 each, already of the front end's size, or windows of samples.

    Raises:
        BundleError: when the golden file is unreadable.
    """
    name = bundle.manifest.golden.file
    try:
        with np.load(io.BytesIO(bundle.read(name)), allow_pickle=False) as archive:
            return tuple(golden_inputs(archive))
    except (ValueError, OSError, KeyError) as error:
        raise BundleError(f"Expected golden vectors in {name}: {error}. Export the bundle again.") from error
