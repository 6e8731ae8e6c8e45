"""Bytes to send: an image as PNG and JPEG, a feature map as PNG, other features as compressed int8.

A map with values in [0, 1] and one or three channels is a picture: 8 bits a value, round(255 v), as a grey or RGB PNG; a map of
zeros and ones as a PNG of 1 bit a pixel, three channels one below the other. Other features are standardised, quantized to int8
as a network takes them, and compressed by zlib, which is PNG's compression as well.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from edgekit.core.spec import Affine, TensorSpec
from edgekit.frontends.standardise import Standardisation

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Packing", "choose_packing", "jpeg_bytes", "png_bytes", "share_of_zeros"]

#: Pillow's default, with subsampled colours.
_JPEG_QUALITY = 75


@dataclass(frozen=True)
class Packing:
    """How the features of one front end are sent.

    Attributes:
        name: "PNG 1-bit", "PNG grey", "PNG RGB" or "zlib int8".
        channel_axis: of one image's features.
        standardise: for "zlib int8" alone: fitted on the sample.
    """

    name: str
    channel_axis: int
    standardise: Standardisation | None = None

    def quantize(self, features: np.ndarray) -> np.ndarray:
        """The values that are sent: uint8 0 to 255 (0 and 1 for "PNG 1-bit"), or int8; same shape."""
        if self.standardise is not None:
            steps = Affine(self.standardise.clip / 127, 0, "int8")
            return self.standardise.quantize(features, steps, self.channel_axis)
        return np.rint(features * (1 if self.name == "PNG 1-bit" else 255)).astype(np.uint8)

    def pack(self, features: np.ndarray) -> tuple[bytes, float]:
        """What is sent for one image, and the share of zeros among its values."""
        values = self.quantize(features)
        zeros = share_of_zeros(values)
        if self.standardise is not None:
            return zlib.compress(values.tobytes(), 9), zeros
        planes = np.moveaxis(values, self.channel_axis, 0)
        if self.name == "PNG 1-bit":
            return _png(_image(planes.reshape(-1, planes.shape[-1]) * np.uint8(255)).convert("1")), zeros
        return png_bytes(planes[0] if len(planes) == 1 else np.moveaxis(planes, 0, -1)), zeros


def choose_packing(spec: TensorSpec, sample: np.ndarray, axis: int) -> Packing:
    """The packing that fits the features of one front end.

    Args:
        spec: of one image's features.
        sample: (N, *spec.shape) raw features of several images.
        axis: the front end's feature axis, from the end.
    """
    channels = spec.shape[axis]
    if spec.layout not in ("CHW", "HWC") or channels not in (1, 3) or sample.min() < 0 or sample.max() > 1:
        return Packing("zlib int8", axis, Standardisation.fit(np.moveaxis(sample, axis, -1)))
    if np.isin(sample, (0, 1)).all():
        return Packing("PNG 1-bit", axis)
    return Packing("PNG grey" if channels == 1 else "PNG RGB", axis)


def share_of_zeros(values: np.ndarray) -> float:
    """0 to 1: how many of the values are exactly zero."""
    return (values.size - np.count_nonzero(values)) / values.size


def png_bytes(levels: np.ndarray) -> bytes:
    """(H, W) or (H, W, 3) uint8 as the smallest PNG that Pillow writes."""
    return _png(_image(levels))


def jpeg_bytes(levels: np.ndarray) -> bytes:
    """(H, W, 3) uint8 as a JPEG of Pillow's default quality."""
    stream = BytesIO()
    _image(levels).save(stream, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return stream.getvalue()


def _image(levels: np.ndarray) -> Image:
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(levels))


def _png(image: Image) -> bytes:
    stream = BytesIO()
    image.save(stream, "PNG", optimize=True)
    return stream.getvalue()
