"""From an image file to the pixels that a front end takes: one choice, recorded in its config, kept wherever images are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import UnknownNameError
from edgekit.frontends.base import FrontEnd, image_size
from edgekit.frontends.image import decode

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["DECODES", "check_decode", "least_size", "load_image"]

#: How a JPEG becomes pixels: at its own size, or at 1 / 2, 1 / 4 or 1 / 8 of it but no smaller than the front end's size.
DECODES = ("exact", "scaled")


def check_decode(name: str) -> str:
    """Return the name when it is one of `DECODES`.

    Raises:
        UnknownNameError: otherwise.
    """
    if name not in DECODES:
        raise UnknownNameError("decode", name, DECODES)
    return name


def least_size(frontend: FrontEnd) -> tuple[int, int] | None:
    """What to pass to `decode` as `at_least`: the front end's size for "scaled", None for "exact" and for windows of samples."""
    return frontend.size if getattr(frontend.config, "decode", "exact") == "scaled" else None


def load_image(frontend: FrontEnd, source: str | Path | bytes | Image | np.ndarray) -> np.ndarray:
    """Decode an image as the front end's config says.

    "scaled" takes about two thirds of the time on photographs; levels come out about one off, signatures some percent, so that
    training, calibration and the board have to agree.

    Args:
        frontend: one that takes images.
        source: as `edgekit.frontends.image.decode` takes it.

    Returns:
        (H, W, 3) uint8, not yet of the front end's size.

    Raises:
        ImageError: when it cannot be decoded.
        InputError: on a front end that takes windows, an array of another shape or dtype.
    """
    image_size(frontend)
    return decode(source, least_size(frontend))
