"""The pixel front end: levels times a scale plus an offset, for packed models of other people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.core import strict
from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import InputError, UnknownNameError
from edgekit.frontends.area import check_images, check_size, resize_area
from edgekit.frontends.loading import check_decode
from edgekit.frontends.standardise import Standardisation

__all__ = ["Pixels", "PixelsConfig"]

_LAYOUTS = ("HWC", "CHW")
_CHANNELS = {"rgb": 3, "bgr": 3, "grey": 1}

#: ITU-R BT.601.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

#: The largest float32; asking NumPy 1 for it warns on cores that flush denormals.
_LARGEST = 3.4028234663852886e38


@dataclass(frozen=True)
class PixelsConfig:
    """Everything that decides the values.

    Attributes:
        size: (height, width) in pixels, to which an image is resized.
        layout: "HWC" or "CHW".
        channels: "rgb", "bgr" or "grey" (one channel, BT.601 luma).
        scale: factor of a level (0 to 255), one number or one per channel, in the order of `channels`.
        offset: added after scaling, one number or one per channel.
        decode: how JPEG files become pixels, "exact" or "scaled" (see `edgekit.frontends.loading`).
    """

    size: tuple[int, int] = (96, 96)
    layout: str = "HWC"
    channels: str = "rgb"
    scale: float | tuple[float, ...] = 1 / 255
    offset: float | tuple[float, ...] = 0.0
    decode: str = "exact"


class Pixels:
    """value = level * scale + offset. Safe to call from several threads.

    Args:
        size: (height, width) in pixels.
        layout: "HWC" or "CHW".
        channels: "rgb", "bgr" or "grey".
        scale: one number, or one per channel.
        offset: one number, or one per channel.
        standardise: always None: scale and offset say it already.
        decode: "exact" or "scaled", of JPEG files.

    Raises:
        InputError: on a size out of range, a scale or offset of another length, a standardisation.
        UnknownNameError: on an unknown layout or channels, listing the known ones.

    >>> Pixels(size=(2, 2), layout="CHW", scale=1.0, offset=-128.0)(np.zeros((2, 2, 3), np.uint8)).shape
    (3, 2, 2)
    """

    name = "pixels"
    takes_standardisation = False

    def __init__(
        self,
        size: tuple[int, int] = (96, 96),
        layout: str = "HWC",
        channels: str = "rgb",
        scale: float | tuple[float, ...] = 1 / 255,
        offset: float | tuple[float, ...] = 0.0,
        standardise: Standardisation | None = None,
        decode: str = "exact",
    ) -> None:
        if layout not in _LAYOUTS:
            raise UnknownNameError("layout", layout, _LAYOUTS)
        if channels not in _CHANNELS:
            raise UnknownNameError("channels", channels, _CHANNELS)
        _refuse(standardise)
        self._scale = _per_channel("scale", scale, _CHANNELS[channels])
        self._offset = _per_channel("offset", offset, _CHANNELS[channels])
        self._config = PixelsConfig(check_size(size), layout, channels, _plain(scale), _plain(offset), check_decode(decode))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Pixels:
        """Inverse of `config_to_json`; missing keys take their defaults.

        Raises:
            BundleError: on an unknown key or a value of the wrong type.
            InputError: on a value out of range.
        """
        rest = dict(value)
        _refuse(rest.pop("standardise", None))
        config = strict.from_json(PixelsConfig, rest, "the config of front end 'pixels'")
        return cls(config.size, config.layout, config.channels, config.scale, config.offset, None, config.decode)

    @property
    def config(self) -> PixelsConfig:
        """Everything that decides the values."""
        return self._config

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels to which an image is resized first."""
        return self._config.size

    @property
    def feature_axis(self) -> int:
        """The axis of colours, from the end."""
        return -1 if self._config.layout == "HWC" else -3

    @property
    def standardise(self) -> Standardisation | None:
        """Always None: scale and offset say it already."""
        return None

    @property
    def output(self) -> TensorSpec:
        """Spec "features" of one image: float32 (H, W, C) or (C, H, W)."""
        channels = _CHANNELS[self._config.channels]
        shape = (*self.size, channels) if self._config.layout == "HWC" else (channels, *self.size)
        return TensorSpec("features", "float32", shape, self._config.layout)

    @property
    def full_range(self) -> tuple[float, float] | None:
        """Values of the levels 0 and 255 where all channels share them, else None.

        An int8 input of this very range has a step for each level: none is rounded.
        """
        if self._config.channels == "grey" or len({*self._scale.tolist()}) > 1 or len({*self._offset.tolist()}) > 1:
            return None
        ends = (self._offset[0], np.float32(255) * self._scale[0] + self._offset[0])
        return float(min(ends)), float(max(ends))

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image: scale and offset of every value, and three a pixel for grey."""
        height, width = self.size
        return height * width * (5 if self._config.channels == "grey" else 6)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Scaled pixels.

        Args:
            image: (H, W, 3) or (N, H, W, 3) uint8, RGB. Another size than `size` is resized first.

        Returns:
            `output.shape` or (N, *output.shape) float32.

        Raises:
            InputError: on another shape or dtype.
        """
        levels = resize_area(check_images(image), self.size)
        if self._config.channels == "grey":
            levels = (levels @ _LUMA)[..., None]
        elif self._config.channels == "bgr":
            levels = levels[..., ::-1]
        values = levels * self._scale + self._offset
        return values if self._config.layout == "HWC" else np.ascontiguousarray(np.moveaxis(values, -1, -3))

    def raw(self, image: np.ndarray) -> np.ndarray:
        """The same as `__call__`."""
        return self(image)

    def quantize(self, image: np.ndarray, affine: Affine) -> np.ndarray:
        """Scaled pixels in the dtype of `affine`."""
        return affine.quantize(self(image))

    def with_standardisation(self, standardise: Standardisation | None) -> Pixels:
        """The front end itself: only None is accepted.

        Raises:
            InputError: on a standardisation.
        """
        _refuse(standardise)
        return self

    def config_to_json(self) -> dict[str, Any]:
        """Every key of the config as JSON values; `from_json` gives the same front end back."""
        return {**strict.to_json(self._config), "standardise": None}


def _refuse(standardise: Any) -> None:
    if standardise is not None:
        raise InputError("Expected no standardisation for front end 'pixels', got one. Set its scale and offset instead.")


def _per_channel(what: str, value: Any, channels: int) -> np.ndarray:
    """(1,) or (channels,) float32."""
    numbers = value if isinstance(value, tuple | list) else (value,)
    if len(numbers) not in (1, channels) or not all(_is_number(number) for number in numbers):
        raise InputError(f"Expected {what} as one finite float32 number or {channels}, one per channel, got {value!r}.")
    return np.array(numbers, np.float32)


def _is_number(value: Any) -> bool:
    """True for a number that float32 holds."""
    if not isinstance(value, int | float | np.integer | np.floating) or isinstance(value, bool):
        return False
    return bool(-_LARGEST <= value <= _LARGEST)


def _plain(value: Any) -> float | tuple[float, ...]:
    return tuple(float(number) for number in value) if isinstance(value, tuple | list) else float(value)
