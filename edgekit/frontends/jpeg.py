"""JPEG at a fraction of its size: libjpeg-turbo leaves out the high frequencies of each block before it transforms it back.

A block of 8 x 8 pixels becomes 4 x 4, 2 x 2 or 1: its area means but for rounding and the frequencies cut off. Pillow, simplejpeg
and OpenCV all call the same library and give the same levels, bit for bit; which of them decodes is no choice that a bundle
need record. simplejpeg, where it is installed, does it in less time than Pillow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["decode_scaled", "scale_for"]

_SCALES = (8, 4, 2)

#: Smaller sides have no two different scaled sizes for simplejpeg's own choice of scale to tell apart.
_LEAST_SIDE = 64


def scale_for(size: tuple[int, int], at_least: tuple[int, int]) -> int:
    """8, 4, 2 or 1: the largest divisor, no larger than a side, that leaves both sides at least that long.

    Args:
        size: (height, width) in pixels as stored.
        at_least: (height, width) in pixels.
    """
    pairs = tuple(zip(size, at_least, strict=True))
    fits = (scale for scale in _SCALES if all(have >= scale and -(-have // scale) >= want for have, want in pairs))
    return next(fits, 1)


def decode_scaled(image: Image, content: bytes | None, scale: int) -> np.ndarray | None:
    """Pixels of a colour JPEG at 1 / scale of its size, sides rounded up.

    Args:
        image: opened by Pillow and not loaded; left with its draft set, so that loading it gives the same pixels.
        content: the bytes that it was opened from; None leaves the image as it is.
        scale: of `scale_for`.

    Returns:
        (ceil(H / scale), ceil(W / scale), 3) uint8, or None where simplejpeg is absent or cannot: Pillow's own decoding follows,
        which tells what is wrong with damaged data.
    """
    height, width = image.height, image.width
    if content is None:  # the caller's own PIL image: a draft would change it under their hands
        return None
    if scale > 1:
        # Rounded down, so that Pillow's integer division comes to this very scale.
        image.draft(None, (width // scale, height // scale))
    if image.mode != "RGB" or min(height, width) < _LEAST_SIDE:
        return None
    try:
        import simplejpeg
    except ImportError:
        return None
    wanted = (-(-height // scale), -(-width // scale))
    try:
        if simplejpeg.decode_jpeg_header(content)[2] != "YCbCr":
            return None
        pixels: np.ndarray = simplejpeg.decode_jpeg(content, "RGB", min_height=wanted[0], min_width=wanted[1])
    except ValueError:
        return None
    return pixels if pixels.shape == (*wanted, 3) else None
