"""A picture that somebody sent: of a format that is taken, and no decompression bomb. Only its header is read here."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

from edgekit.daemon.refusals import BadRequest, TooLarge, Unsupported

__all__ = ["FORMATS", "check_picture"]

#: Pillow's names of what is taken: one decoder fewer is one less to be attacked.
FORMATS = ("JPEG", "PNG")

_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")

#: Parts that cost their sender a few bytes and the decoder a lot, and how many of them a picture may have: a scan of a progressive
#: JPEG passes over every pixel (encoders write about ten), a compressed chunk of a PNG inflates to a megabyte.
_COSTLY = ((b"\xff\xda", 32), (b"iCCP", 4), (b"zTXt", 8), (b"iTXt", 8))


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
    if any(content.count(part) > most for part, most in _COSTLY):
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


def _too_large(pixels: int) -> TooLarge:
    return TooLarge(f"Expected a picture of at most {pixels} pixels, its header declares more. Scale it down first.")
