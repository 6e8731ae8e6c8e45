"""Standardisation: one scale and one offset a feature, clipped at a few sigma, part of the front end's config.

Signature features differ a hundredfold in spread. Folded into the first layer they would share one int8 input scale and the
small ones would vanish; so every artifact takes standardised features, and for int8 the pipeline standardises and quantizes in
one step.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.core.spec import Affine
from edgekit.errors import BundleError, InputError

__all__ = ["Standardisation"]

#: Deviation over mean below which a feature is constant but for float32 rounding, e.g. the time of a path with time.
_CONSTANT = 1e-5

#: Of `Standardisation.rounded`.
_BITS = 8
_STEPS = 2**_BITS


@dataclass(frozen=True)
class Standardisation:
    """clip(feature * scale + offset, -clip, clip), per feature (the last axis unless another is named).

    Attributes:
        scale: (Q,) float32 values, 1 / standard deviation; 0 for a feature that never varies.
        offset: (Q,) float32 values, -mean / standard deviation.
        clip: bound in standard deviations, > 0.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]
    clip: float = 4.0

    def __post_init__(self) -> None:
        if len(self.scale) != len(self.offset):
            raise InputError(f"Expected as many offsets as scales ({len(self.scale)}), got {len(self.offset)}.")
        if not np.isfinite((*self.scale, *self.offset)).all():
            raise InputError("Expected finite scales and offsets, got some that are not. Check the features they were fitted on.")
        if not self.clip > 0:
            raise InputError(f"Expected a clip of more than 0 sigma, got {self.clip}.")
        object.__setattr__(self, "_scale", np.array(self.scale, np.float32))
        object.__setattr__(self, "_offset", np.array(self.offset, np.float32))

    @classmethod
    def fit(cls, features: np.ndarray, clip: float = 4.0) -> Standardisation:
        """Mean and deviation over every axis but the last. A feature that varies by rounding only counts as constant.

        Args:
            features: (..., Q) float array of training features.
            clip: bound in standard deviations.
        """
        flat = features.reshape(-1, features.shape[-1])
        mean, deviation = flat.mean(axis=0, dtype=np.float64), flat.std(axis=0, dtype=np.float64)
        varies = deviation > np.maximum(_CONSTANT * np.abs(mean), 1e-12)
        scale = np.where(varies, 1.0 / np.where(varies, deviation, 1.0), 0.0).astype(np.float32)
        offset = (-mean * scale).astype(np.float32)
        return cls(tuple(scale.tolist()), tuple(offset.tolist()), clip)

    def rounded(self) -> Standardisation:
        """The same with scales of 8 significant bits, and offsets in 256ths of a deviation.

        That moves a feature by a third of an int8 step at most (8 / 255 deviations), and the two vectors take two fifths less of
        every model file. To be done where the standardisation is fitted, so that training sees the same numbers.
        """
        mantissa, exponent = np.frexp(np.array(self.scale, np.float64))
        scale = np.ldexp(np.rint(mantissa * _STEPS), exponent - _BITS)
        # The mean stays where it was, in units of the new deviation.
        change = np.divide(scale, self.scale, out=np.ones_like(scale), where=np.array(self.scale) != 0)
        offset = np.rint(np.array(self.offset, np.float64) * change * _STEPS) / _STEPS
        return Standardisation(tuple(scale.tolist()), tuple(offset.astype(np.float32).tolist()), self.clip)

    def apply(self, features: np.ndarray, axis: int = -1) -> np.ndarray:
        """Standardised features, same shape, within [-clip, clip]; float64 where they are, otherwise float32.

        Args:
            features: (..., Q, ...) float array.
            axis: which axis counts the features, negative: from the end.
        """
        scale, offset = self._arrays(axis)
        dtype = np.float64 if features.dtype == np.float64 else np.float32
        return np.clip(features.astype(dtype, copy=False) * scale + offset, -self.clip, self.clip)

    def quantize(self, features: np.ndarray, affine: Affine, axis: int = -1) -> np.ndarray:
        """Standardise and quantize in one step: clip(rint(feature * a + b)), in the dtype of `affine`."""
        scale, offset = self._arrays(axis)
        step = np.float32(affine.scale)
        a, b = scale / step, offset / step + np.float32(affine.zero_point)
        bounds = affine.quantize(np.array([-self.clip, self.clip], np.float32)).astype(np.float32)
        steps = features.astype(np.float32, copy=False) * a
        steps += b
        np.rint(steps, out=steps)
        return steps.clip(bounds[0], bounds[1], out=steps).astype(affine.dtype)

    def to_json(self) -> dict[str, Any]:
        """JSON form; the vectors as base64 of little-endian float32, so that they come back bit for bit."""
        scale, offset = self._arrays()
        return {"scale": _pack(scale), "offset": _pack(offset), "clip": self.clip}

    @classmethod
    def from_json(cls, value: Any) -> Standardisation:
        """Inverse of `to_json`.

        Raises:
            BundleError: on unknown keys, vectors that do not decode, or a clip that is no number.
            InputError: on vectors of different lengths or a clip out of range.
        """
        if not isinstance(value, dict) or set(value) != {"scale", "offset", "clip"}:
            raise BundleError(f"Expected standardise to hold scale, offset and clip, got {value!r:.80}.")
        clip = value["clip"]
        if not isinstance(clip, int | float) or isinstance(clip, bool):
            raise BundleError(f"Expected a number at standardise.clip, got {clip!r:.40}.")
        return cls(_unpack(value["scale"]), _unpack(value["offset"]), float(clip))

    def _arrays(self, axis: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """Scale and offset, (Q,), or (Q, 1, ...) so that they run along `axis`."""
        scale: np.ndarray = self._scale  # type: ignore[attr-defined]
        offset: np.ndarray = self._offset  # type: ignore[attr-defined]
        if axis == -1:
            return scale, offset
        shape = (-1, *(1,) * (-axis - 1))
        return scale.reshape(shape), offset.reshape(shape)


def _pack(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")


def _unpack(text: Any) -> tuple[float, ...]:
    try:
        return tuple(np.frombuffer(base64.b64decode(text, validate=True), "<f4").tolist())
    except (TypeError, ValueError) as error:
        raise BundleError(f"Expected base64 of float32 values in standardise, got {text!r:.40}.") from error
