"""TFLite files: litert-torch writes the float graph, ai-edge-quantizer the others, with mends for what they get wrong.

Mends, each held by a test: ranges are true minima and maxima (the quantizer's own calibration smooths them, which clips);
FULLY_CONNECTED weights of dynamic files have one scale a tensor (tflite-runtime 2.14 runs per-channel ones and returns garbage);
nothing is printed.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.calibration.observe import observe
from edgekit.calibration.ranges import Ranges
from edgekit.calibration.samples import ArraySamples
from edgekit.core.optional import require
from edgekit.core.recipe import PerTensor, Recipe
from edgekit.core.spec import Affine
from edgekit.errors import ModelError
from edgekit.exporters.base import INPUT_NAME, OUTPUT_NAME, Converted, check_calibration
from edgekit.exporters.layers import operators_of
from edgekit.exporters.passes.tflite_flat_biases import tflite_flat_biases
from edgekit.exporters.passes.tflite_strip import tflite_strip
from edgekit.exporters.quiet import quiet
from edgekit.exporters.taps import TfliteTap
from edgekit.exporters.weights import clip_weights

__all__ = ["quantize_tflite", "to_tflite"]

#: Arithmetic that stays float in static int8, by scope and operator: the squares and reciprocal roots of a layer norm, the
#: quotient of a Mish, span ranges that 8 bits ruin. By operator, because a linear layer fused with what precedes it carries
#: both names.
_FLOAT_ARITHMETIC = {
    "LayerNorm": ("MEAN", "SQUARED_DIFFERENCE", "ADD", "SUB", "MUL", "RSQRT", "RESHAPE"),
    "rewrite_mish": ("ADD", "SUB", "MUL", "DIV", "LOGISTIC"),
}


class _Named(nn.Module):
    """Gives the signature its names: keyword argument in, dictionary out."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        return {OUTPUT_NAME: self.module(features)}


def to_tflite(module: nn.Module, sample: np.ndarray) -> bytes:
    """Convert to a float32 flatbuffer, as the converter wrote it (names and all: the quantizer works by tensor name).

    Args:
        module: as `base.simplify_for_tflite` gave it.
        sample: one input, (1, ...) float32; the file takes exactly this shape.

    Raises:
        MissingExtraError: without litert-torch.
        ModelError: when the network holds an operator that does not convert.
    """
    with quiet():
        litert_torch = require("litert_torch", "export", "litert-torch")
        try:
            edge = litert_torch.convert(_Named(module).eval(), sample_kwargs={INPUT_NAME: torch.from_numpy(sample)})
            return tflite_flat_biases(bytes(edge.model_content()))
        except (OSError, MemoryError):
            raise  # a full disk is no fault of the network
        # The converter raises whatever torch.export, MLIR or its own lowering raise; they share no base.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            raise ModelError(
                f"Expected a network that litert-torch converts to TFLite: {reason}. Export ONNX alone, or rewrite it."
            ) from error


def quantize_tflite(model: bytes, recipe: Recipe, calibration: np.ndarray | Ranges | None = None) -> Converted:
    """Bring a float32 flatbuffer to the recipe's precision and strip it.

    Args:
        model: as `to_tflite` gave it.
        recipe: precision "fp32" (stripped only), "fp16" (weights stored so, computed in float32), "int8-dynamic" or "int8".
        calibration: for "int8" alone: (n, ...) float32 features to observe, or the ranges that `TfliteTap(model)` was observed
            to have.

    Raises:
        InputError: on a calibration sample of another shape, or ranges of another graph.
        ModelError: when the quantizer refuses the graph.
    """
    if recipe.precision == "fp32":
        return Converted(tflite_strip(model))
    ranges = _statistics(model, recipe, calibration) if recipe.precision == "int8" else None
    left_out = operators_of("tflite", model, recipe.float_layers)
    source = clip_weights("tflite", model, recipe)
    with quiet():
        require("ai_edge_quantizer", "export", "ai-edge-quantizer")
        try:
            quantized = bytes(_quantizer(source, recipe, left_out).quantize(ranges).quantized_model)
        except (OSError, MemoryError):
            raise  # a full disk is no fault of the network
        # As above: ValueError, RuntimeError and KeyError all occur, by operator.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"Expected a graph that ai-edge-quantizer brings to {recipe.precision}: {reason}.") from error
    stripped = tflite_strip(quantized)
    return Converted(stripped, *_edge_affines(stripped))


def _quantizer(model: bytes, recipe: Recipe, left_out: tuple[str, ...]) -> Any:
    from ai_edge_quantizer import qtyping, quantizer

    kinds, granularities = qtyping.TFLOperationName, qtyping.QuantGranularity
    weights = granularities.TENSORWISE if isinstance(recipe.granularity, PerTensor) else granularities.CHANNELWISE
    job = quantizer.Quantizer(bytearray(model))
    if recipe.precision == "int8":
        job.add_static_config(".*", kinds.ALL_SUPPORTED, activation_num_bits=8, weight_num_bits=8, weight_granularity=weights)
        for scope, operators in _FLOAT_ARITHMETIC.items():
            for operator in operators:
                job.update_quantization_recipe(scope, kinds(operator), algorithm_key="no_quantize")
        # tflite-runtime 2.14 has neither in int8.
        for kind in (kinds.DIV, kinds.SQRT):
            job.update_quantization_recipe(".*", kind, algorithm_key="no_quantize")
        for scope in left_out:
            job.update_quantization_recipe(f"^{re.escape(scope)}$", kinds.ALL_SUPPORTED, algorithm_key="no_quantize")
        # The edges of the file are int8 whatever lies behind them; a later rule wins.
        for edge in (kinds.INPUT, kinds.OUTPUT):
            job.add_static_config("^.*$", edge, activation_num_bits=8, weight_num_bits=8, weight_granularity=weights)
    elif recipe.precision == "int8-dynamic":
        job.add_dynamic_config(".*", kinds.ALL_SUPPORTED, num_bits=8, granularity=weights)
        job.add_dynamic_config(".*", kinds.FULLY_CONNECTED, num_bits=8, granularity=granularities.TENSORWISE)
    else:
        job.add_weight_only_config(".*", kinds.ALL_SUPPORTED, num_bits=16, algorithm_key="float_casting")
    return job


def _statistics(model: bytes, recipe: Recipe, calibration: np.ndarray | Ranges | None) -> dict[str, dict[str, np.ndarray]]:
    """The ranges of every tensor as the quantizer's own calibration would give them."""
    if not isinstance(calibration, Ranges):
        calibration = _observe(model, recipe, calibration)
    ranges = calibration.of("tflite", hashlib.sha256(model).hexdigest())
    said = {name: found.centred() if recipe.symmetric else found for name, found in ranges.items()}
    ranks = _ranks(model)
    return {name: {"min": _bound(found.low, ranks[name]), "max": _bound(found.high, ranks[name])} for name, found in said.items()}


def _bound(values: tuple[float, ...], rank: int) -> np.ndarray:
    """Of the tensor's rank: a concatenation quantizes its constants by it, and takes no other."""
    return np.array(values, np.float32).reshape((1,) * rank)


def _ranks(model: bytes) -> dict[str, int]:
    """Tensor name -> number of dimensions."""
    graph = _graph(model)
    tensors = map(graph.Tensors, range(graph.TensorsLength()))
    return {tensor.Name().decode("utf-8"): tensor.ShapeLength() for tensor in tensors}


def _graph(model: bytes) -> Any:
    """The one subgraph, read where it is asked: to unpack the whole file takes a tenth of a second for 300 operators."""
    return require("ai_edge_litert.schema_py_generated", "export").Model.GetRootAs(model, 0).Subgraphs(0)


def _observe(model: bytes, recipe: Recipe, calibration: np.ndarray | None) -> Ranges:
    graph = _graph(model)
    shape = tuple(int(size) for size in graph.Tensors(graph.Inputs(0)).ShapeAsNumpy())
    sample = check_calibration(np.empty((0, *shape[1:])) if calibration is None else calibration, shape)
    return observe({"tflite": TfliteTap(model)}, ArraySamples(sample), recipe.observer, recipe.symmetric)


def _edge_affines(model: bytes) -> tuple[Affine | None, Affine | None]:
    """Affines of the one input and the one output, None where they are float."""
    graph = _graph(model)
    return _affine(graph.Tensors(graph.Inputs(0))), _affine(graph.Tensors(graph.Outputs(0)))


def _affine(tensor: Any) -> Affine | None:
    if tensor.Type() != require("ai_edge_litert.schema_py_generated", "export").TensorType.INT8:
        return None
    return Affine(float(tensor.Quantization().Scale(0)), int(tensor.Quantization().ZeroPoint(0)), "int8")
