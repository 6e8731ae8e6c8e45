"""Pictures to measure with: real ones, a seeded sample of a folder, or the bundle's own."""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit.core.bundle import Bundle
from edgekit.errors import BundleError

__all__ = ["golden_images", "sample_paths"]

_AT_MOST = 64


def sample_paths(paths: Sequence[Path], at_most: int = _AT_MOST, seed: int = 0) -> tuple[Path, ...]:
    """Up to so many of the paths, drawn without replacement, in random order: neighbours in a folder resemble each other."""
    return tuple(random.Random(seed).sample(list(paths), min(at_most, len(paths))))


def golden_images(bundle: Bundle) -> tuple[np.ndarray, ...]:
    """The pictures of the bundle's golden vectors: (H, W, 3) uint8 each, already of the front end's size.

    Raises:
        BundleError: when the golden file is unreadable.
    """
    name = bundle.manifest.golden.file
    try:
        with np.load(io.BytesIO(bundle.read(name)), allow_pickle=False) as archive:
            return tuple(archive["images"])
    except (ValueError, OSError, KeyError) as error:
        raise BundleError(f"Expected golden vectors in {name}: {error}. Export the bundle again.") from error
