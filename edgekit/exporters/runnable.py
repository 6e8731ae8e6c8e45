"""Can the board run this file at all? Asked before anything is written."""

from __future__ import annotations

import numpy as np

from edgekit.core.optional import require
from edgekit.core.recipe import Format
from edgekit.errors import ModelError
from edgekit.exporters import tensorrt
from edgekit.exporters.layers import operators_in_layers
from edgekit.exporters.quiet import quiet
from edgekit.exporters.targets import Target
from edgekit.runtimes.open import installed_runtimes, open_runtime

__all__ = ["check_half_range", "check_operators_known", "check_runnable"]

#: Largest number of half precision.
_HALF_MAX = 65504.0

_LOOKED_AT = 32

#: Kinds of operators in a TFLite file that are not TFLite's own.
_FOREIGN = ("STABLEHLO_", "CUSTOM")


def check_runnable(model: bytes, format_: Format, target: Target) -> None:
    """Pass silently when the file fits the board's memory, and its engine knows the operators, their set and their rules.

    Raises:
        ModelError: saying what does not fit, and what to do.
    """
    if target.largest_file is not None and len(model) > target.largest_file:
        raise ModelError(
            f"Expected a file of at most {target.largest_file:,} bytes for target {target.name!r} (a quarter of "
            f"{target.memory_mb} MB), got {len(model):,} bytes. Train a smaller network, or choose another board: edgekit targets"
        )
    if format_ == "onnx":
        _check_opset(model, target)
    if format_ == "onnx" and target.scheme == "tensorrt":
        tensorrt.check_operators(model)
        tensorrt.check_quantization(model)


def _check_opset(model: bytes, target: Target) -> None:
    """Exporters write another operator set than they were asked for, and only log it."""
    proto = require("onnx", "export").load_from_string(model)
    found = {entry.domain: entry.version for entry in proto.opset_import}
    if found != {"": target.opset} or proto.ir_version != target.ir_version:
        said = ", ".join(f"{domain or 'ai.onnx'} {version}" for domain, version in sorted(found.items()))
        raise ModelError(
            f"Expected ONNX of opset {target.opset} alone in IR version {target.ir_version} for target {target.name!r}, got "
            f"{said} in IR version {proto.ir_version}. Install the torch and onnxruntime that edgekit pins."
        )


def check_operators_known(flatbuffer: bytes) -> None:
    """Pass silently when every installed runtime knows the operators of a float TFLite file.

    The converter leaves what TFLite has no operator for as it came, and calls the file converted.

    Raises:
        ModelError: naming the operators and the modules that they come from.
    """
    foreign = tuple(f"{kind} ({layer})" for kind, layer in operators_in_layers(flatbuffer) if kind.startswith(_FOREIGN))
    for name in installed_runtimes("tflite") if foreign else ():
        try:
            open_runtime(flatbuffer, name, format="tflite").close()
        except ModelError as error:
            raise ModelError(
                f"Expected a network of operators that TFLite's runtimes have, {name} does not open it: it would hold "
                f"{', '.join(dict.fromkeys(foreign))}. Write those modules otherwise, or export ONNX alone."
            ) from error


def check_half_range(model: bytes, sample: np.ndarray) -> None:
    """Pass silently when every number that float32 ONNX computes fits half precision, in which a GPU may compute it.

    Args:
        model: float32 ONNX of one input.
        sample: (n, ...) float32 features, of which the first 32 are run.

    Raises:
        ModelError: naming the operator whose values do not fit.
    """
    onnx, onnxruntime = require("onnx", "export"), require("onnxruntime", "onnx")
    proto = onnx.load_from_string(model)
    for tensor in proto.graph.initializer:
        _check_half(onnx.numpy_helper.to_array(tensor), "a constant")
    proto = onnx.shape_inference.infer_shapes(proto)
    makers = {name: node.op_type for node in proto.graph.node for name in node.output}
    names = [v.name for v in proto.graph.value_info if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    names = [name for name in names if name in makers]
    for name in names:
        proto.graph.output.append(onnx.ValueInfoProto(name=name))
    with quiet():
        session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0].name
    for row in range(min(len(sample), _LOOKED_AT)):
        for name, values in zip(names, session.run(names, {entry: sample[row : row + 1]}), strict=True):
            _check_half(values, f"an output of {makers[name]}")


def _check_half(values: np.ndarray, what: str) -> None:
    if values.dtype == np.float32 and values.size and (largest := float(np.abs(values).max())) > _HALF_MAX:
        raise ModelError(
            f"Expected numbers of at most {_HALF_MAX:.0f}, the largest of half precision, got {largest:.3g} in {what}. "
            "Normalise what comes before it, or choose a target that computes in float32."
        )
