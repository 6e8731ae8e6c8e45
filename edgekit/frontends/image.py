"""From a file to (H, W, 3) uint8: the only decode and the only resize of the package. Pillow is imported inside functions."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgekit.errors import ImageError, InputError
from edgekit.frontends.area import MAX_PIXELS, resize_area
from edgekit.frontends.jpeg import decode_scaled, scale_for

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["IMAGE_SUFFIXES", "decode", "is_single_tint", "resize_area"]

#: What is taken for an image when a folder is searched; `decode` itself goes by the content.
IMAGE_SUFFIXES = frozenset((".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".mpo", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))

#: Levels. Real photographs with any colour at all leave their main axis by 2.2 or more, grey ones by less than 0.7.
_TINT_DEVIATION = 2.0
_TINT_SAMPLE = 16_384

_ORIENTATION_TAG = 0x0112
#: A multi-picture file is a JPEG with more behind it; which phone pictures are taken for one depends on Pillow's version.
_JPEG = ("JPEG", "MPO")
_DEEP_GREY = ("I", "I;16", "I;16L", "I;16B", "I;16N")

#: What Pillow's decoders raise on damaged data.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    NotImplementedError,
    struct.error,
    zlib.error,
)

#: `warnings.catch_warnings` swaps a process-wide list, so only one thread may be inside at a time.
_WARNINGS_LOCK = threading.Lock()


def decode(source: str | Path | bytes | Image | np.ndarray, at_least: tuple[int, int] | None = None) -> np.ndarray:
    """Decode an image, upright (EXIF orientation applied) and in RGB.

    Transparent pixels are laid over white, 16-bit grey is scaled to 8 bits, CMYK, palette and grey images become RGB.

    Args:
        source: a file's path, a file's bytes, a PIL image, or an (H, W, 3) uint8 RGB array, which passes through.
        at_least: (height, width) in pixels: a JPEG may come at 1 / 2, 1 / 4 or 1 / 8 of its size, the smallest that is no smaller
            than this on either side. None: at its own size, as a PIL image always is.

    Returns:
        (H, W, 3) uint8, levels 0 to 255.

    Raises:
        ImageError: in one line, naming the file and the reason.
        InputError: on an array of another shape or dtype, or a source of another type.
    """
    from PIL import Image

    if isinstance(source, np.ndarray):
        return _checked_pixels(source)
    if isinstance(source, Image.Image):
        return _guarded(source, "the PIL image", None, at_least)
    if isinstance(source, bytes | bytearray | memoryview):
        return _decode_bytes(bytes(source), "the image bytes", at_least)
    if isinstance(source, str | Path):
        return _decode_bytes(_read(Path(source)), str(source), at_least)
    raise InputError(f"Expected an image as path, bytes, PIL image or (H, W, 3) uint8 array, got {type(source).__name__}.")


def is_single_tint(image: np.ndarray) -> bool:
    """True when all colours lie on one line in RGB: a grey image, or a tinted grey such as sepia.

    Such a row runs along a line, and its signature is that of its two end points: on an "rgb" path the image carries nothing
    between them. Use a path with time.

    Args:
        image: (H, W, 3) uint8.

    Returns:
        True when the colours leave their main axis by less than 2 levels (root mean square), as in a grey JPEG. A tinted grey
        that went through a JPEG with subsampled colours leaves it by more and passes for colour.
    """
    pixels = _checked_pixels(image).reshape(-1, 3)
    pixels = pixels[:: max(1, len(pixels) // _TINT_SAMPLE)].astype(np.float64)
    centred = pixels - pixels.mean(axis=0)
    variances = np.linalg.eigvalsh(centred.T @ centred / len(centred))
    return bool(variances[0] + variances[1] < _TINT_DEVIATION**2)


def _checked_pixels(image: np.ndarray) -> np.ndarray:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise InputError(f"Expected an image of shape (H, W, 3), dtype uint8, got {image.shape}, {image.dtype}. Pass RGB levels.")
    return image


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError(f"Expected an image at {path}, there is no such file.") from error
    except IsADirectoryError as error:
        raise ImageError(f"Expected an image at {path}, it is a folder.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"Expected an image at {path}, it cannot be read: {reason}.") from error


def _decode_bytes(content: bytes, name: str, at_least: tuple[int, int] | None) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise ImageError(f"Expected an image in {name}, it is empty.")
    try:
        with _quiet_pillow():
            image = Image.open(BytesIO(content))
    except UnidentifiedImageError as error:
        raise ImageError(f"Expected an image in {name}, it is of no known image format.") from error
    except Image.DecompressionBombError as error:
        raise _too_large(name) from error
    except _DECODER_ERRORS as error:
        raise _damaged(name, error) from error
    with image:
        return _guarded(image, name, content, at_least)


def _guarded(image: Image, name: str, content: bytes | None, at_least: tuple[int, int] | None) -> np.ndarray:
    """Pixels of an opened image; whatever a decoder raises becomes an ImageError."""
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(name)
    if 0 in image.size:
        raise ImageError(f"Expected an image in {name}, it has no pixels ({image.width} x {image.height}).")
    try:
        orientation = _orientation(image)
        pixels = _jpeg_pixels(image, content, at_least, orientation) if image.format in _JPEG else None
        if pixels is None:
            image.load()
            pixels = _to_rgb(image, name)
        return _upright(pixels, orientation)
    except _DECODER_ERRORS as error:
        raise _damaged(name, error) from error


def _jpeg_pixels(image: Image, content: bytes | None, at_least: tuple[int, int] | None, orientation: int) -> np.ndarray | None:
    """Pixels as stored of a JPEG that need no converting; None where Pillow's own road is to be taken."""
    if at_least is None:
        return decode_scaled(image, content, 1)
    wanted = at_least if orientation < 5 else at_least[::-1]
    return decode_scaled(image, content, scale_for((image.height, image.width), wanted))


def _to_rgb(image: Image, name: str) -> np.ndarray:
    """(H, W, 3) uint8 of a loaded image of any mode."""
    if image.mode in _DEEP_GREY:
        return _scale_grey(np.asarray(image), name)
    if image.mode == "F":
        raise ImageError(f"Expected 8- or 16-bit levels in {name}, it holds floating-point pixels. Save it as an 8-bit image.")
    if _has_transparency(image):
        return _over_white(image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _has_transparency(image: Image) -> bool:
    """As Pillow 10.1's `has_transparency_data`: 32-bit Raspberry Pi OS has Debian's Pillow 9.4, and no wheel of a later one."""
    palette = image.palette.mode if image.mode == "P" and image.palette is not None else ""
    return image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or palette.endswith("A") or "transparency" in image.info


def _over_white(image: Image) -> np.ndarray:
    from PIL import Image

    rgba = image.convert("RGBA")
    return np.array(Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB"))


def _scale_grey(levels: np.ndarray, name: str) -> np.ndarray:
    """(H, W) integers 0 to 65535 -> (H, W, 3) uint8, rounded; Pillow's own conversion would clip at 255."""
    if levels.min() < 0 or levels.max() > 65535:
        raise ImageError(f"Expected 8- or 16-bit levels in {name}, it holds 32-bit integers. Save it as an 8-bit image.")
    grey = ((levels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def _orientation(image: Image) -> int:
    """EXIF orientation 1 to 8; 1 where there is none or the block is malformed."""
    if "exif" not in image.info and image.format != "TIFF":
        return 1
    try:
        with _quiet_pillow():
            value = image.getexif().get(_ORIENTATION_TAG, 1)
    except _DECODER_ERRORS:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(image: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (Exif 2.32, tag 274): 5 to 8 transpose, then either axis is reversed."""
    if orientation == 1:
        return image
    turned = image.swapaxes(0, 1) if orientation >= 5 else image
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _too_large(name: str) -> ImageError:
    return ImageError(f"Expected at most {MAX_PIXELS} pixels in {name}, it declares more. Scale it down first.")


def _damaged(name: str, error: BaseException) -> ImageError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return ImageError(f"Expected an image in {name}, it cannot be decoded: {reason}.")
