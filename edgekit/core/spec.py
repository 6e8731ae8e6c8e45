"""Tensors as they travel: name, dtype, shape, layout, and the affine map of a quantized one.

This module holds the only quantize and dequantize of the package (Jacob et al. 2018, arXiv:1712.05877, eq. 1: r = S (q - Z)).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.errors import InputError

__all__ = ["Affine", "TensorSpec", "check_array"]

_INTEGER_DTYPES = ("int8", "uint8", "int16")


@dataclass(frozen=True)
class Affine:
    """Per-tensor affine quantization, real = scale * (q - zero_point).

    Attributes:
        scale: step between two neighbouring integers, > 0.
        zero_point: the integer that stands for 0.0, within the range of `dtype`.
        dtype: "int8", "uint8" or "int16".

    Raises:
        InputError: on a scale that is not positive and finite, an unknown dtype, a zero point out of range.
    """

    scale: float
    zero_point: int
    dtype: str

    def __post_init__(self) -> None:
        if self.dtype not in _INTEGER_DTYPES:
            raise InputError(f"Expected an affine dtype of {', '.join(_INTEGER_DTYPES)}, got {self.dtype!r}.")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"Expected a positive, finite scale, got {self.scale!r}.")
        low, high = self.limits
        if not low <= self.zero_point <= high:
            raise InputError(f"Expected a zero point in [{low}, {high}] for {self.dtype}, got {self.zero_point}.")
        # Constants of every call, as arrays without dimensions: looking them up each time cost more than the arithmetic.
        constants = tuple(np.array(value, np.float32) for value in (self.scale, self.zero_point, low, high))
        object.__setattr__(self, "_constants", constants)
        object.__setattr__(self, "_stored", np.dtype(self.dtype))

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest integer of `dtype`."""
        info = np.iinfo(self.dtype)
        return int(info.min), int(info.max)

    def quantize(self, values: np.ndarray) -> np.ndarray:
        """Round half to even, add the zero point, clip.

        Args:
            values: float array of any shape.

        Returns:
            Array of the same shape and of `dtype`.
        """
        scale, zero_point, low, high = self._constants  # type: ignore[attr-defined]
        steps = np.asarray(values / scale)
        np.rint(steps, out=steps)
        steps += zero_point
        return steps.clip(low, high, out=steps).astype(self._stored)  # type: ignore[attr-defined]

    def dequantize(self, values: np.ndarray) -> np.ndarray:
        """Map integers back to float32: scale * (q - zero_point), same shape."""
        scale, zero_point, *_ = self._constants  # type: ignore[attr-defined]
        return (np.asarray(values).astype(np.float32) - zero_point) * scale


@dataclass(frozen=True)
class TensorSpec:
    """What a tensor is, written down once and never guessed.

    Attributes:
        name: the tensor's name in its graph.
        dtype: NumPy name of the stored dtype, e.g. "float32", "int8".
        shape: sizes; -1 marks a dimension that may vary.
        layout: one letter a dimension. N batch, C channels or classes, H rows of pixels, W columns of pixels, R paths of a
            signature (rows, then columns), F features. "" when the source does not say.
        affine: how a quantized tensor maps to real numbers, None for a float one.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    layout: str = ""
    affine: Affine | None = None

    def __post_init__(self) -> None:
        if self.layout and len(self.layout) != len(self.shape):
            raise InputError(f"Expected a layout of {len(self.shape)} letters for shape {self.shape}, got {self.layout!r}.")

    def fits(self, shape: tuple[int, ...]) -> bool:
        """True when an array of this shape may be passed."""
        return len(shape) == len(self.shape) and all(want in (-1, got) for want, got in zip(self.shape, shape, strict=True))


def check_array(spec: TensorSpec, array: Any) -> np.ndarray:
    """Return `array` as a NumPy array that fits `spec`: its stored dtype, or float32 / float64 where it is quantized or float.

    Raises:
        InputError: naming the expected and the actual shape or dtype.
    """
    array = np.asarray(array)
    if not spec.fits(array.shape):
        hint = f" Pass {spec.layout}." if spec.layout else ""
        raise InputError(f"Expected input {spec.name!r} of shape {spec.shape}, got {array.shape}.{hint}")
    is_float = array.dtype.kind == "f"
    wants_float = spec.affine is not None or np.dtype(spec.dtype).kind == "f"
    if array.dtype != np.dtype(spec.dtype) and not (is_float and wants_float):
        also = " or float32" if spec.affine is not None else ""
        raise InputError(f"Expected input {spec.name!r} of dtype {spec.dtype}{also}, got {array.dtype}. Convert it first.")
    return array
