"""Walk an ONNX graph. Needs the `onnx` package, which a board does not have: there, inputs and outputs must do."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from edgekit.core.optional import require
from edgekit.inspection.integer import IntegerShare
from edgekit.inspection.onnx_integer import onnx_integer_share, onnx_weights
from edgekit.inspection.onnx_products import has_open_sequence, macs_of
from edgekit.inspection.products import total
from edgekit.inspection.report import TensorRow

__all__ = ["walk"]


def walk(model: bytes) -> tuple[list[TensorRow], dict[str, int], int, int | None, IntegerShare]:
    """Tensors, operator counts, parameters, MACs (None: not all are known) and what is int8 of an ONNX file.

    Raises:
        MissingExtraError: when onnx is not installed.
    """
    onnx = require("onnx", "export")
    graph = _inferred(onnx, onnx.load_from_string(model))
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    known = {name: array.shape for name, array in constants.items()}
    shapes = _shapes(graph) | known
    dtypes = _dtypes(onnx, graph) | {name: array.dtype.name for name, array in constants.items()}
    affines = _affines(graph, constants)
    tensors = [
        _row(name, dtypes.get(name, "float32"), shapes.get(name), constants, affines)
        for name in dict.fromkeys([*(i.name for i in graph.input), *constants, *(n for node in graph.node for n in node.output)])
    ]
    operators = dict(Counter(node.op_type for node in graph.node).most_common())
    sizes = _shapes(_inferred(onnx, _of_one(onnx.load_from_string(model)))) | known
    macs = [None if has_open_sequence(node, shapes) else macs_of(node, sizes) for node in graph.node]
    parameters = sum(row.elements for row in onnx_weights(graph, tensors))
    return tensors, operators, parameters, total(macs), onnx_integer_share(graph, tensors, macs)


def _inferred(onnx: Any, proto: Any) -> Any:
    """The graph with the shape of every tensor that follows from it; values of shapes are computed too, as an attention needs."""
    return onnx.shape_inference.infer_shapes(proto, data_prop=True).graph


def _of_one(proto: Any) -> Any:
    """The same with a batch of one: what its inputs leave open in their first axis, wherever the file names it."""
    graph = proto.graph
    firsts = [value.type.tensor_type.shape.dim[0] for value in graph.input if value.type.tensor_type.shape.dim]
    batches = [dim for dim in firsts if _size(dim) < 0]
    names = {dim.dim_param for dim in batches if dim.dim_param}
    named = (dim for value in _values(graph) for dim in value.type.tensor_type.shape.dim if dim.dim_param in names)
    for dim in [*batches, *named]:
        dim.dim_value = 1
    return proto


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
    """Name -> sizes, -1 for one that is open."""
    return {
        v.name: tuple(map(_size, v.type.tensor_type.shape.dim)) for v in _values(graph) if v.type.tensor_type.HasField("shape")
    }


def _size(dim: Any) -> int:
    return dim.dim_value if dim.HasField("dim_value") else -1


def _values(graph: Any) -> list[Any]:
    return [*graph.input, *graph.output, *graph.value_info]


def _dtypes(onnx: Any, graph: Any) -> dict[str, str]:
    convert = onnx.helper.tensor_dtype_to_np_dtype
    return {v.name: convert(v.type.tensor_type.elem_type).name for v in _values(graph) if v.type.tensor_type.elem_type}
