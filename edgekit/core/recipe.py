"""How a model is quantized: precision, granularity, observer, calibration sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from edgekit.errors import InputError, UnknownNameError

__all__ = ["FORMATS", "OBSERVERS", "PRECISIONS", "Format", "PerAxis", "PerTensor", "Precision", "Recipe"]

Precision = Literal["fp32", "fp16", "int8-dynamic", "int8"]
Format = Literal["onnx", "tflite"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
FORMATS: tuple[str, ...] = get_args(Format)

#: How ranges may be found, see `edgekit.calibration.observers`.
OBSERVERS = ("min-max", "moving-average", "percentile", "entropy", "mse")


@dataclass(frozen=True)
class PerTensor:
    """One scale for a whole weight tensor."""


@dataclass(frozen=True)
class PerAxis:
    """One scale for every index along `axis` of a weight tensor (per-channel)."""

    axis: int = 0


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a quantized file, given the trained network.

    Attributes:
        precision: one of `PRECISIONS`; "int8" is full integer, int8 in and out, statically calibrated.
        granularity: of the convolutions' weights.
        observer: how activation ranges are found, one of `OBSERVERS`.
        weights_observer: how the weights' are, for static int8: one a channel, or one a tensor, by the granularity.
        symmetric: activations have the zero point 0, as TensorRT asks.
        float_layers: layers of an int8 file that compute in float32, because int8 as a whole missed its gate; names as
            `edgekit.exporters.layers` gives them.
        samples: images in the calibration sample.
        seed: of the stratified draw.
    """

    precision: Precision
    granularity: PerTensor | PerAxis = PerAxis(0)
    observer: str = "min-max"
    weights_observer: str = "min-max"
    symmetric: bool = False
    float_layers: tuple[str, ...] = ()
    samples: int = 256
    seed: int = 0

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)
        for name in (self.observer, self.weights_observer):
            if name not in OBSERVERS:
                raise UnknownNameError("observer", name, OBSERVERS)
        if self.float_layers and self.precision != "int8":
            raise InputError(f"Expected layers in float in an int8 recipe alone, got some in {self.precision}.")
        if self.samples < 1:
            raise InputError(f"Expected at least 1 calibration sample, got {self.samples}.")
