"""A picture that somebody sent: of a format that is taken, and no decompression bomb. Only its header is read here."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from io import BytesIO
from itertools import islice

from edgekit.daemon.refusals import BadRequest, TooLarge, Unsupported

__all__ = ["FORMATS", "check_picture"]

#: Pillow's names of what is taken: one decoder fewer is one less to be attacked.
FORMATS = ("JPEG", "PNG")

_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")

#: Parts that cost their sender a few bytes and the decoder a lot, and how many of each a picture may have. A scan of a
#: progressive JPEG (told by marker, length and number of components) passes over every pixel, and encoders write about ten; a
#: compressed chunk of a PNG inflates to a megabyte.
_COSTLY = (
    (re.compile(rb"\xff\xda\x00[\x08\x0a\x0c\x0e][\x01-\x04]"), 32),
    (re.compile(rb"iCCP|zTXt|iTXt"), 16),
)


def check_picture(content: bytes, pixels: int) -> None:
    """Refuse what is not to be decoded.

    Args:
        content: the encoded picture.
        pixels: it may have so many.

    Raises:
        Unsupported: when it is neither JPEG nor PNG.
        TooLarge: when its header declares more pixels, or it has more of other costly parts than any encoder writes.
        BadRequest: when its header is damaged.
    """
    from PIL import Image

    if not content.startswith(_STARTS):
        raise Unsupported(f"Expected a picture as {' or '.join(FORMATS)}.")
    if any(_more_than(most, part.finditer(content)) for part, most in _COSTLY):
        raise TooLarge("Expected a picture of fewer scans, profiles and texts. Save it anew.")
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
    except Image.DecompressionBombError as error:
        raise _too_large(pixels) from error
    # What Pillow raises on damaged headers, beside its own subclass of OSError.
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error, zlib.error) as error:
        raise BadRequest("Expected a picture, its header is damaged.") from error
    if width * height > pixels:
        raise _too_large(pixels)


def _more_than(most: int, found: Iterable[object]) -> bool:
    return sum(1 for _ in islice(found, most + 1)) > most


def _too_large(pixels: int) -> TooLarge:
    return TooLarge(f"Expected a picture of at most {pixels} pixels, its header declares more. Scale it down first.")
