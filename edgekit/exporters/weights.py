"""Ranges of weights by an observer, for either quantizer.

Both take a channel's scale from its largest magnitude. Clipping the weights at the range that an observer finds makes that range
the largest magnitude, so the quantizers need no word of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgekit.calibration.observers import create_observer
from edgekit.core.optional import require
from edgekit.core.recipe import Format, PerTensor, Recipe
from edgekit.exporters.passes.tflite_strip import pack_flatbuffer, pull_in_external_buffers

__all__ = ["clip_weights"]

#: Axis of the output channels of a product's weights.
_TFLITE_CHANNELS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 0}
_ONNX_CHANNELS = {"Conv": 0, "ConvTranspose": 1, "MatMul": -1}


def clip_weights(format_: Format, model: bytes, recipe: Recipe) -> bytes:
    """The float graph with the weights of its products clipped at their ranges, for static int8.

    Args:
        format_: of the graph.
        model: float, as its quantizer takes it.
        recipe: its observer of weights, which sees each of them once; nothing is clipped by "min-max". One range a channel, or
            one a tensor, by its granularity.
    """
    if recipe.weights_observer == "min-max" or recipe.precision != "int8":
        return model
    per_channel = not isinstance(recipe.granularity, PerTensor)
    clip = _tflite if format_ == "tflite" else _onnx
    return clip(model, recipe.weights_observer, per_channel)


def _tflite(model: bytes, observer: str, per_channel: bool) -> bytes:
    schema = require("ai_edge_litert.schema_py_generated", "export")
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    pull_in_external_buffers(tree, model)
    kinds = {getattr(schema.BuiltinOperator, name): axis for name, axis in _TFLITE_CHANNELS.items()}
    for graph in tree.subgraphs:
        seen = {int(op.inputs[1]): kinds.get(tree.operatorCodes[op.opcodeIndex].builtinCode) for op in _products(graph)}
        for index, axis in seen.items():
            tensor = graph.tensors[index]
            buffer = tree.buffers[tensor.buffer]
            if axis is not None and buffer.data is not None and tensor.type == schema.TensorType.FLOAT32:
                values = np.asarray(buffer.data, np.uint8).view(np.float32).reshape(tensor.shape)
                buffer.data = _clipped(values, observer, axis if per_channel else None).reshape(-1).view(np.uint8)
    return pack_flatbuffer(tree)


def _products(graph: Any) -> Iterator[Any]:
    return (operator for operator in graph.operators if len(operator.inputs) > 1)


def _onnx(model: bytes, observer: str, per_channel: bool) -> bytes:
    onnx = require("onnx", "export")
    proto = onnx.load_from_string(model)
    axes = {node.input[1]: _axis(node) for node in proto.graph.node if node.op_type in (*_ONNX_CHANNELS, "Gemm")}
    for tensor in proto.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if tensor.name in axes and values.ndim > 1 and values.dtype == np.float32:
            clipped = _clipped(values, observer, axes[tensor.name] % values.ndim if per_channel else None)
            tensor.CopyFrom(onnx.numpy_helper.from_array(clipped, tensor.name))
    return bytes(proto.SerializeToString(deterministic=True))


def _axis(node: Any) -> int:
    if node.op_type != "Gemm":
        return _ONNX_CHANNELS[node.op_type]
    return 0 if any(attribute.name == "transB" and attribute.i for attribute in node.attribute) else 1


def _clipped(values: np.ndarray, observer: str, axis: int | None) -> np.ndarray:
    seen = create_observer(observer, axis=axis, symmetric=True)
    seen.update(values)
    bounds = np.array(seen.range().high, np.float32)
    if axis is not None:
        bounds = bounds.reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    return np.ascontiguousarray(np.clip(values, -bounds, bounds), np.float32)
