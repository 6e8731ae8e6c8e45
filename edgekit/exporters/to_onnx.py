"""ONNX files: the TorchScript exporter for float32, onnxruntime's static quantizer for int8.

The TorchScript exporter, because the newer one writes opset 20 and nothing lower that old runtimes read. Quantize / dequantize
nodes, asymmetric int8 activations, per-channel symmetric int8 weights, int8 in and out.

Signed activations, although onnxruntime is faster with unsigned ones on x86 (CNN1D 22 us against 51 us with VNNI): its AVX2
kernels saturate on unsigned by signed products, and its optimizer turns a product of two unsigned activations (attention) into a
wrong one. A file has to be right on every machine before it is fast on one.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.core.optional import require
from edgekit.core.recipe import PerTensor, Recipe
from edgekit.core.spec import Affine
from edgekit.errors import ModelError
from edgekit.exporters import tensorrt
from edgekit.exporters.base import INPUT_NAME, OUTPUT_NAME, Converted, check_calibration
from edgekit.exporters.passes.onnx_integer_edges import onnx_integer_edges
from edgekit.exporters.passes.onnx_integer_moves import onnx_integer_moves
from edgekit.exporters.passes.onnx_strip import onnx_strip
from edgekit.exporters.quiet import quiet
from edgekit.exporters.targets import Target
from edgekit.runtimes.ort import QUANTIZATION_KEY

__all__ = ["quantize_onnx", "to_onnx"]

#: What is quantized; the rest (softmax, layer norm, exotic activations) stays float between dequantize and quantize.
_QUANTIZED_OPERATORS = (
    "Conv", "Gemm", "MatMul", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "GlobalAveragePool",
    "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Concat",
)  # fmt: skip


def to_onnx(module: nn.Module, sample: np.ndarray, target: Target) -> bytes:
    """Convert to float32 ONNX of the target's opset, stripped; input "features", output "logits", batch 1.

    Args:
        module: as `base.simplify_for_onnx` gave it.
        sample: one input, (1, ...) float32; the file takes exactly this shape.
        target: decides opset and IR version.

    Raises:
        MissingExtraError: without onnx.
        ModelError: when the network holds an operator that does not convert.
    """
    onnx = require("onnx", "export")
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "float.onnx"
        try:
            torch.onnx.export(
                module,
                (torch.from_numpy(sample),),
                path,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                opset_version=target.opset,
                dynamo=False,
            )
        except (OSError, MemoryError):
            raise  # a full disk is no fault of the network
        # torch raises its own and Python's errors alike here, with no common base.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(
                f"Expected a network that torch exports to ONNX: {reason}. Export TFLite alone, or rewrite it."
            ) from error
        model = path.read_bytes()
    proto = onnx_strip(onnx.load_from_string(model), INPUT_NAME, OUTPUT_NAME)
    return _serialize(proto, target)


def quantize_onnx(model: bytes, recipe: Recipe, calibration: np.ndarray, target: Target) -> Converted:
    """Static int8: ranges are minima and maxima over the calibration sample.

    Args:
        model: as `to_onnx` gave it.
        recipe: its granularity decides the weights' scales.
        calibration: (n, ...) float32 features.
        target: decides the IR version and the scheme; by TensorRT's, the file's input and output stay float32.

    Raises:
        InputError: on a calibration sample of another shape.
        ModelError: when the quantizer refuses the graph, or leaves its input or output float.
    """
    onnx = require("onnx", "export")
    proto = onnx.load_from_string(model)
    shape = tuple(size.dim_value for size in proto.graph.input[0].type.tensor_type.shape.dim)
    sample = check_calibration(calibration, shape)
    with tempfile.TemporaryDirectory() as folder, quiet():
        try:
            quantized = _quantize(onnx.load_from_string(model), Path(folder), recipe, sample, target)
        except (OSError, MemoryError):
            raise  # a full disk is no fault of the network
        # The quantizer raises bare Exception and whatever the runtime raises.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"Expected a graph that onnxruntime quantizes: {reason}. Export fp32 alone.") from error
    onnx_strip(quantized, INPUT_NAME, OUTPUT_NAME)
    if target.scheme == "tensorrt":
        # Float edges: TensorRT quantizes inside the network, and wants each DequantizeLinear behind a QuantizeLinear.
        return Converted(_serialize(quantized, target))
    quantized, entry, leaving = onnx_integer_edges(onnx_integer_moves(quantized))
    onnx_strip(quantized, INPUT_NAME, OUTPUT_NAME)
    affines = {INPUT_NAME: entry, OUTPUT_NAME: leaving}
    quantized.metadata_props.add(key=QUANTIZATION_KEY, value=_affines_to_text(affines))
    return Converted(_serialize(quantized, target), entry, leaving)


def _quantize(proto: Any, folder: Path, recipe: Recipe, sample: np.ndarray, target: Target) -> Any:
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    onnx, by_tensorrt = require("onnx", "export"), target.scheme == "tensorrt"
    source, prepared, result = (str(folder / name) for name in ("source.onnx", "prepared.onnx", "result.onnx"))
    onnx.save(proto, source)
    quant_pre_process(source, prepared)
    quantization.quantize_static(
        prepared,
        result,
        _Reader(sample),
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=list(tensorrt.QUANTIZED_OPERATORS if by_tensorrt else _QUANTIZED_OPERATORS),
        per_channel=not isinstance(recipe.granularity, PerTensor),
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        calibrate_method=quantization.CalibrationMethod.MinMax,
        extra_options=tensorrt.quantizer_options() if by_tensorrt else {},
    )
    return onnx.load(result)


class _Reader:
    """The calibration sample, one by one, as onnxruntime reads it."""

    def __init__(self, sample: np.ndarray) -> None:
        self._sample, self._next = sample, 0

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next feed, None at the end."""
        if self._next >= len(self._sample):
            return None
        self._next += 1
        return {INPUT_NAME: self._sample[self._next - 1 : self._next]}


def _affines_to_text(affines: Mapping[str, Affine]) -> str:
    values = {name: [affine.scale, affine.zero_point, affine.dtype] for name, affine in affines.items()}
    return json.dumps(values, separators=(",", ":"))


def _serialize(proto: Any, target: Target) -> bytes:
    proto.ir_version = target.ir_version
    return bytes(proto.SerializeToString(deterministic=True))
