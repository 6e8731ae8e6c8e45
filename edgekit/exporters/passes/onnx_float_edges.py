"""Let a quantized ONNX model with a float layer at its edge take and give int8 all the same.

Why: a file of precision int8 is int8 outside whatever is inside, so that the pipeline feeds every int8 file alike. Where the
first or the last layer was kept in float, the quantizer leaves the edge in float too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.core.optional import require
from edgekit.core.spec import Affine

__all__ = ["onnx_float_edges"]


def onnx_float_edges(model: Any, entry: Affine, leaving: Affine) -> Any:
    """Put a quantize / dequantize pair behind a float input and before a float output. Edits and returns `model`.

    Args:
        model: onnx.ModelProto of one input and one output, with QuantizeLinear and DequantizeLinear.
        entry: of the input; unused where the quantizer has set one.
        leaving: of the output, likewise.
    """
    graph = model.graph
    _close_input(graph, entry)
    _close_output(graph, leaving)
    return model


def _close_input(graph: Any, affine: Affine) -> None:
    name = graph.input[0].name
    users = [node for node in graph.node if name in node.input]
    plain = [node for node in users if node.op_type != "QuantizeLinear"]
    if not plain:
        return
    known = next((list(node.input[1:3]) for node in users if node.op_type == "QuantizeLinear"), None)
    scale = known or _constants(graph, name, affine)
    pair = _pair(name, f"{name}/float", scale)
    for node in plain:
        for position, tensor in enumerate(node.input):
            if tensor == name:
                node.input[position] = f"{name}/float"
    for node in reversed(pair):
        graph.node.insert(0, node)


def _close_output(graph: Any, affine: Affine) -> None:
    name = graph.output[0].name
    last = next(node for node in graph.node if name in node.output)
    if last.op_type == "DequantizeLinear":
        return
    inner = f"{name}/float"
    for node in graph.node:
        for group in (node.input, node.output):
            for position, tensor in enumerate(group):
                if tensor == name:
                    group[position] = inner
    graph.node.extend(_pair(inner, name, _constants(graph, name, affine)))


def _pair(source: str, result: str, scale: list[str]) -> list[Any]:
    helper = require("onnx.helper", "export", "onnx")
    middle = f"{result}/int8"
    return [
        helper.make_node("QuantizeLinear", [source, *scale], [middle]),
        helper.make_node("DequantizeLinear", [middle, *scale], [result]),
    ]


def _constants(graph: Any, name: str, affine: Affine) -> list[str]:
    numpy_helper = require("onnx.numpy_helper", "export", "onnx")
    names = [f"{name}/scale", f"{name}/zero_point"]
    values = (np.array(affine.scale, np.float32), np.array(affine.zero_point, affine.dtype))
    graph.initializer.extend(numpy_helper.from_array(value, label) for value, label in zip(values, names, strict=True))
    return names
