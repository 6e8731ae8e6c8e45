"""A network's float graphs, one a format, their ranges, and what becomes of them by precision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import islice

import numpy as np
from torch import nn

from edgekit.calibration.observe import Tap, observe
from edgekit.calibration.ranges import Ranges
from edgekit.calibration.samples import Samples
from edgekit.core.recipe import Format, Recipe
from edgekit.errors import ModelError, UnknownNameError
from edgekit.exporters.base import Converted, simplify_for_onnx, simplify_for_tensorrt, simplify_for_tflite
from edgekit.exporters.runnable import check_half_range, check_operators_known
from edgekit.exporters.taps import OnnxTap, TfliteTap
from edgekit.exporters.targets import Target
from edgekit.exporters.to_onnx import prepare_onnx, quantize_onnx, strip_onnx, to_onnx
from edgekit.exporters.to_tflite import quantize_tflite, to_tflite
from edgekit.exporters.unsupported import refusal

__all__ = ["calibrate", "convert", "float_graphs", "quantizable"]

_LOOKED_AT = 32


def float_graphs(module: nn.Module, samples: Samples, target: Target) -> dict[Format, bytes]:
    """The float graph of every format that the target names, with the names of layers and tensors in it.

    Args:
        module: any network from one float32 tensor to one.
        samples: its inputs, of which a few are looked at.
        target: decides formats, opset and scheme.

    Raises:
        ModelError: when the network does not convert, with every operator that a format lacks, or the target cannot compute it.
    """
    few = np.stack(list(islice(samples, _LOOKED_AT)))
    graphs: dict[Format, bytes] = {}
    errors: dict[Format, ModelError] = {}
    for format_ in dict.fromkeys(format_ for format_, _ in target.artifacts):
        try:
            graphs[format_] = _float_graph(module, few, format_, target)
        except ModelError as error:
            errors[format_] = error
    if errors:
        raise refusal(module, few[:1], target, errors) from next(iter(errors.values()))
    return graphs


def _float_graph(module: nn.Module, few: np.ndarray, format_: Format, target: Target) -> bytes:
    example = few[:1]
    if format_ == "tflite":
        flatbuffer = to_tflite(simplify_for_tflite(module, example), example)
        check_operators_known(flatbuffer)
        return flatbuffer
    if target.scheme != "tensorrt":
        return to_onnx(simplify_for_onnx(module, example), example, target)
    model = to_onnx(simplify_for_tensorrt(module, example), example, target)
    check_half_range(model, few)
    return model


def calibrate(
    graphs: Mapping[Format, bytes],
    samples: Samples,
    plan: Recipe,
    target: Target,
    known: Ranges | None = None,
    input_range: tuple[float, float] | None = None,
) -> Ranges | None:
    """Ranges of the graphs from which int8 is made, in one pass over the samples; None where no artifact is int8.

    Args:
        graphs: as `float_graphs` gave them.
        samples: the calibration sample.
        plan: observer and symmetry.
        target: its artifacts.
        known: ranges of an earlier export, taken instead where they fit.
        input_range: see `edgekit.calibration.observe`; where the scheme is asymmetric.

    Raises:
        InputError: on samples that say nothing, NaN in a tensor, or known ranges of other graphs.
    """
    formats = [format_ for format_, precision in target.artifacts if precision == "int8"]
    if not formats:
        return None
    prepared = {format_: quantizable(format_, graphs[format_]) for format_ in formats}
    if known is not None:
        for format_, model in prepared.items():
            known.of(format_, hashlib.sha256(model).hexdigest())
        return known
    taps: dict[Format, Tap] = {
        format_: TfliteTap(model) if format_ == "tflite" else OnnxTap(model) for format_, model in prepared.items()
    }
    symmetric = plan.symmetric or target.scheme == "tensorrt"
    return observe(taps, samples, plan.observer, symmetric, None if symmetric else input_range)


def quantizable(format_: Format, model: bytes) -> bytes:
    """The graph as its quantizer takes it; to prepare it once spares every later `convert` that work."""
    return prepare_onnx(model) if format_ == "onnx" else model


def convert(format_: Format, model: bytes, recipe: Recipe, ranges: Ranges | None, target: Target) -> Converted:
    """One float graph at the recipe's precision.

    Args:
        format_: of the graph.
        model: as `float_graphs` gave it, or for int8 `quantizable`.
        recipe: precision, granularity.
        ranges: as `calibrate` gave them, for int8.
        target: opset, scheme.

    Raises:
        UnknownNameError: on a precision that the format lacks.
        ModelError: when the quantizer refuses the graph.
    """
    if format_ == "tflite":
        return quantize_tflite(model, recipe, ranges)
    if recipe.precision == "fp32":
        return Converted(strip_onnx(model))
    if recipe.precision == "int8" and ranges is not None:
        return quantize_onnx(model, recipe, ranges, target)
    raise UnknownNameError("ONNX precision", recipe.precision, ("fp32", "int8"))
