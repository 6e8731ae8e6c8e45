"""Walk an ONNX graph. Needs the `onnx` package, which a board does not have: there, inputs and outputs must do."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from edgekit.core.optional import require
from edgekit.inspection.integer import IntegerShare
from edgekit.inspection.onnx_integer import onnx_integer_share
from edgekit.inspection.report import TensorRow

__all__ = ["walk"]

#: Products, and which of their inputs are the two factors.
_FACTORS = {
    **dict.fromkeys(("Conv", "ConvInteger", "Gemm", "MatMul", "MatMulInteger"), (0, 1)),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QGemm"), (0, 3)),
}


def walk(model: bytes) -> tuple[list[TensorRow], dict[str, int], int, int, IntegerShare]:
    """Tensors, operator counts, parameters, MACs and what is int8 of an ONNX file.

    Raises:
        MissingExtraError: when onnx is not installed.
    """
    onnx = require("onnx", "export")
    proto = onnx.shape_inference.infer_shapes(onnx.load_from_string(model))
    graph = proto.graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    shapes = _shapes(graph) | {name: array.shape for name, array in constants.items()}
    dtypes = _dtypes(onnx, graph) | {name: array.dtype.name for name, array in constants.items()}
    affines = _affines(graph, constants)
    tensors = [
        _row(name, dtypes.get(name, "float32"), shapes.get(name), constants, affines)
        for name in dict.fromkeys([*(i.name for i in graph.input), *constants, *(n for node in graph.node for n in node.output)])
    ]
    operators = dict(Counter(node.op_type for node in graph.node).most_common())
    macs = [_macs(node, shapes) for node in graph.node]
    return tensors, operators, _parameters(graph, constants), sum(macs), onnx_integer_share(graph, tensors, macs)


def _parameters(graph: Any, constants: dict[str, np.ndarray]) -> int:
    """Values of initializers, without scales, zero points, shapes and scalars."""
    helpers = {
        name
        for node in graph.node
        for position, name in enumerate(node.input)
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and position > 0
    }
    shapes = {node.input[1] for node in graph.node if node.op_type in ("Reshape", "Expand", "Unsqueeze") and len(node.input) > 1}
    return sum(a.size for name, a in constants.items() if name not in helpers | shapes and a.size > 1)


def _macs(node: Any, shapes: dict[str, tuple[int, ...]]) -> int:
    if node.op_type not in _FACTORS:
        return 0
    known = [shapes.get(name) for name in (*(node.input[i] for i in _FACTORS[node.op_type]), node.output[0])]
    if any(shape is None for shape in known):
        return 0
    first, weights, output = (tuple(max(1, size) for size in shape or ()) for shape in known)
    outputs = math.prod(output)
    if "Conv" in node.op_type:
        return outputs * math.prod(weights[1:])
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return outputs * (first[0] if transposed else first[-1])


def _affines(graph: Any, constants: dict[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray | None, int]]:
    """Quantized tensor -> scales, zero points, axis, read off the Q / DQ nodes beside it."""
    found = {}
    for node in graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear") and node.input[1] in constants:
            quantized = node.output[0] if node.op_type == "QuantizeLinear" else node.input[0]
            zero_points = constants.get(node.input[2]) if len(node.input) > 2 else None
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            found[quantized] = (constants[node.input[1]], zero_points, axis)
    return found


def _row(
    name: str,
    dtype: str,
    shape: tuple[int, ...] | None,
    constants: dict[str, np.ndarray],
    affines: dict[str, tuple[np.ndarray, np.ndarray | None, int]],
) -> TensorRow:
    if name not in affines:
        return TensorRow(name, dtype, shape, constant=name in constants)
    scales, zero_points, axis = affines[name]
    scale = tuple(float(value) for value in scales.ravel())
    zeros = tuple(int(value) for value in zero_points.ravel()) if zero_points is not None else (0,) * len(scale)
    return TensorRow(name, dtype, shape, scale, zeros, axis if len(scale) > 1 else None, name in constants)


def _shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    values = [*graph.input, *graph.output, *graph.value_info]
    return {
        v.name: tuple(d.dim_value if d.HasField("dim_value") else -1 for d in v.type.tensor_type.shape.dim)
        for v in values
        if v.type.tensor_type.HasField("shape")
    }


def _dtypes(onnx: Any, graph: Any) -> dict[str, str]:
    values = [*graph.input, *graph.output, *graph.value_info]
    convert = onnx.helper.tensor_dtype_to_np_dtype
    return {v.name: convert(v.type.tensor_type.elem_type).name for v in values if v.type.tensor_type.elem_type}
