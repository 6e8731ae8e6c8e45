"""ONNX files: the TorchScript exporter for float32, onnxruntime's static quantizer for int8.

The TorchScript exporter, because the newer one writes opset 20 and nothing lower that old runtimes read. Quantize / dequantize
nodes, asymmetric int8 activations, per-channel symmetric int8 weights, int8 in and out.

Signed activations, although onnxruntime is faster with unsigned ones on x86 (CNN1D 22 us against 51 us with VNNI): its AVX2
kernels saturate on unsigned by signed products, and its optimizer turns a product of two unsigned activations (attention) into a
wrong one. A file has to be right on every machine before it is fast on one.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from edgekit.calibration.observe import observe
from edgekit.calibration.ranges import Range, Ranges
from edgekit.calibration.samples import ArraySamples
from edgekit.core.optional import require
from edgekit.core.recipe import PerTensor, Recipe
from edgekit.core.spec import Affine
from edgekit.errors import ModelError
from edgekit.exporters import tensorrt
from edgekit.exporters.base import INPUT_NAME, OUTPUT_NAME, Converted, check_calibration
from edgekit.exporters.layers import operators_of
from edgekit.exporters.passes.onnx_float_edges import onnx_float_edges
from edgekit.exporters.passes.onnx_integer_edges import onnx_integer_edges
from edgekit.exporters.passes.onnx_integer_moves import onnx_integer_moves
from edgekit.exporters.passes.onnx_strip import onnx_strip
from edgekit.exporters.passes.trace import plain_attention
from edgekit.exporters.quiet import quiet
from edgekit.exporters.taps import OnnxTap
from edgekit.exporters.targets import Target
from edgekit.exporters.weights import clip_weights
from edgekit.runtimes.ort import QUANTIZATION_KEY

__all__ = ["prepare_onnx", "quantize_onnx", "strip_onnx", "to_onnx"]

#: Key by which onnxruntime marks a graph that it has prepared.
_PREPARED = "onnx.quant.pre_process"

#: What is quantized; the rest (softmax, layer norm, exotic activations) stays float between dequantize and quantize.
_QUANTIZED_OPERATORS = (
    "Conv", "Gemm", "MatMul", "Relu", "Clip", "Add", "MaxPool", "AveragePool", "GlobalAveragePool",
    "Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Concat",
)  # fmt: skip


def to_onnx(module: nn.Module, sample: np.ndarray, target: Target) -> bytes:
    """Convert to float32 ONNX of the target's opset; input "features", output "logits", batch 1.

    Layers and tensors keep the names that the exporter gave them, by which the quantizer knows them.

    Args:
        module: as `base.simplify_for_onnx` gave it.
        sample: one input, (1, ...) float32; the file takes exactly this shape.
        target: decides opset and IR version.

    Raises:
        MissingExtraError: without onnx.
        ModelError: when the network holds an operator that does not convert.
    """
    onnx = require("onnx", "export")
    with tempfile.TemporaryDirectory() as folder, quiet(), plain_attention():
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
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].partition("  [Caused by")[0].rstrip(".")
            raise ModelError(
                f"Expected a network that torch exports to ONNX: {reason}. Export TFLite alone, or rewrite it."
            ) from error
        model = path.read_bytes()
    proto = onnx_strip(onnx.load_from_string(model), INPUT_NAME, OUTPUT_NAME, keep_names=True)
    return _serialize(proto, target)


def strip_onnx(model: bytes) -> bytes:
    """What `to_onnx` gave without the names, as it is shipped."""
    proto = onnx_strip(require("onnx", "export").load_from_string(model), INPUT_NAME, OUTPUT_NAME)
    return bytes(proto.SerializeToString(deterministic=True))


def quantize_onnx(model: bytes, recipe: Recipe, calibration: np.ndarray | Ranges, target: Target) -> Converted:
    """Static int8.

    Args:
        model: as `to_onnx` or `prepare_onnx` gave it.
        recipe: its granularity and its observers decide the scales of weights and activations, and some layers may stay float.
        calibration: (n, ...) float32 features to observe, or the ranges that `OnnxTap(prepare_onnx(model))` was observed to have.
        target: decides the IR version and the scheme; by TensorRT's, the file's input and output stay float32.

    Raises:
        InputError: on a calibration sample of another shape, or ranges of another graph.
        ModelError: when the quantizer refuses the graph, or leaves its input or output float.
    """
    prepared = prepare_onnx(model)
    ranges = calibration if isinstance(calibration, Ranges) else _observe(prepared, recipe, calibration, target)
    found = ranges.of("onnx", hashlib.sha256(prepared).hexdigest())
    left_out = operators_of("onnx", prepared, recipe.float_layers)
    source = clip_weights("onnx", prepared, recipe)
    quantized = _refusing(lambda folder: _quantize(source, folder, recipe, found, target, left_out))
    onnx_strip(quantized, INPUT_NAME, OUTPUT_NAME)
    if target.scheme == "tensorrt":
        # Float edges: TensorRT quantizes inside the network, and wants each DequantizeLinear behind a QuantizeLinear.
        return Converted(_serialize(quantized, target))
    # Of layers that were kept in float, and of operators that the quantizer leaves in float.
    onnx_float_edges(quantized, *(found[name].affine(recipe.symmetric) for name in (INPUT_NAME, OUTPUT_NAME)))
    quantized, entry, leaving = onnx_integer_edges(onnx_integer_moves(quantized))
    onnx_strip(quantized, INPUT_NAME, OUTPUT_NAME)
    affines = {INPUT_NAME: entry, OUTPUT_NAME: leaving}
    quantized.metadata_props.add(key=QUANTIZATION_KEY, value=_affines_to_text(affines))
    return Converted(_serialize(quantized, target), entry, leaving)


def prepare_onnx(model: bytes) -> bytes:
    """The float graph as the quantizer wants it: constants folded, shapes inferred. Equal graphs give equal bytes.

    Args:
        model: as `to_onnx` gave it; one that is prepared comes back as it is.

    Raises:
        ModelError: when shapes cannot be inferred.
    """
    if any(entry.key == _PREPARED for entry in require("onnx", "export").load_from_string(model).metadata_props):
        return model
    return bytes(_refusing(lambda folder: _prepare(model, folder)).SerializeToString(deterministic=True))


def _observe(prepared: bytes, recipe: Recipe, calibration: np.ndarray, target: Target) -> Ranges:
    proto = require("onnx", "export").load_from_string(prepared)
    shape = tuple(size.dim_value for size in proto.graph.input[0].type.tensor_type.shape.dim)
    sample = ArraySamples(check_calibration(calibration, shape))
    return observe({"onnx": OnnxTap(prepared)}, sample, recipe.observer, recipe.symmetric or target.scheme == "tensorrt")


def _refusing(work: Callable[[Path], Any]) -> Any:
    """Run onnxruntime's tools, which write files and raise bare Exception."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        try:
            return work(Path(folder))
        except (OSError, MemoryError):
            raise  # a full disk is no fault of the network
        # The quantizer raises bare Exception and whatever the runtime raises.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise ModelError(f"Expected a graph that onnxruntime quantizes: {reason}. Export fp32 alone.") from error


def _prepare(model: bytes, folder: Path) -> Any:
    from onnxruntime.quantization.shape_inference import quant_pre_process

    onnx = require("onnx", "export")
    source, prepared = folder / "source.onnx", folder / "prepared.onnx"
    source.write_bytes(model)
    try:
        quant_pre_process(str(source), str(prepared))
    except AssertionError:
        # Its symbolic inference gives up on computed shapes, as in torch's own attention; ours are fixed, and folded first.
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    return onnx.load(prepared)


def _quantize(
    prepared: bytes, folder: Path, recipe: Recipe, ranges: Mapping[str, Range], target: Target, left_out: tuple[str, ...]
) -> Any:
    from onnxruntime import quantization

    onnx, by_tensorrt = require("onnx", "export"), target.scheme == "tensorrt"
    source, result, cache = (folder / name for name in ("prepared.onnx", "result.onnx", "ranges.json"))
    source.write_bytes(prepared)
    _save_ranges(ranges, cache)
    # The quantizer itself makes ranges symmetric: were they given so, it would still take a ReLU for what zero points clip.
    options = {"ActivationSymmetric": recipe.symmetric}
    quantization.quantize_static(
        str(source),
        str(result),
        None,
        quant_format=quantization.QuantFormat.QDQ,
        op_types_to_quantize=list(tensorrt.QUANTIZED_OPERATORS if by_tensorrt else _QUANTIZED_OPERATORS),
        per_channel=not isinstance(recipe.granularity, PerTensor),
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
        nodes_to_exclude=list(left_out),
        calibrate_method=quantization.CalibrationMethod.MinMax,
        calibration_cache_path=cache,
        extra_options=tensorrt.quantizer_options() if by_tensorrt else options,
    )
    return onnx.load(result)


def _save_ranges(ranges: Mapping[str, Range], path: Path) -> None:
    """Our ranges as the cache of onnxruntime's own calibration, which it then leaves out."""
    from onnxruntime.quantization import calibrate

    pairs = {name: (np.array(found.low[0], np.float32), np.array(found.high[0], np.float32)) for name, found in ranges.items()}
    method = calibrate.CalibrationMethod.MinMax
    calibrate.save_tensors_data(calibrate.TensorsData(method, pairs), path)


def _affines_to_text(affines: Mapping[str, Affine]) -> str:
    values = {name: [affine.scale, affine.zero_point, affine.dtype] for name, affine in affines.items()}
    return json.dumps(values, separators=(",", ":"))


def _serialize(proto: Any, target: Target) -> bytes:
    proto.ir_version = target.ir_version
    return bytes(proto.SerializeToString(deterministic=True))
