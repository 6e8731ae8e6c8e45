"""Make a quantized ONNX model take and give integers.

Why: the pipeline standardises and quantizes features in one step and wants the bytes to go in as they are; the leading
QuantizeLinear and the trailing DequantizeLinear would repeat that work. Their scale and zero point, for which ONNX has no place
on an input or an output, are handed back to the caller.
"""

from __future__ import annotations

from typing import Any

from edgekit.core.optional import require
from edgekit.core.spec import Affine
from edgekit.errors import ModelError

__all__ = ["onnx_integer_edges"]


def onnx_integer_edges(model: Any) -> tuple[Any, Affine, Affine]:
    """Remove the QuantizeLinear after the input and the DequantizeLinear before the output. Edits `model`.

    Args:
        model: onnx.ModelProto of one input and one output, statically quantized.

    Returns:
        The model, the input's affine, the output's affine.

    Raises:
        ModelError: when the input or the output is not quantized.
    """
    graph = model.graph
    return model, _open_input(graph), _open_output(graph)


def _open_input(graph: Any) -> Affine:
    value = graph.input[0]
    users = [node for node in graph.node if value.name in node.input]
    affines = {_affine(graph, node) for node in users if node.op_type == "QuantizeLinear"}
    if not users or len(affines) != 1 or any(node.op_type != "QuantizeLinear" for node in users):
        raise ModelError(
            f"Expected input {value.name!r} to be quantized once, got {[node.op_type for node in users]}. Export fp32."
        )
    for quantize in users:
        for node in graph.node:
            for position, name in enumerate(node.input):
                if name == quantize.output[0]:
                    node.input[position] = value.name
        graph.node.remove(quantize)
    affine = affines.pop()
    value.type.tensor_type.elem_type = _element_type(affine)
    return affine


def _open_output(graph: Any) -> Affine:
    value = graph.output[0]
    last = next((node for node in graph.node if value.name in node.output), None)
    if last is None or last.op_type != "DequantizeLinear":
        found = "nothing" if last is None else last.op_type
        raise ModelError(f"Expected output {value.name!r} to come from DequantizeLinear, got {found}. Export fp32.")
    affine = _affine(graph, last)
    integer = last.input[0]
    graph.node.remove(last)
    for node in graph.node:
        for group in (node.input, node.output):
            for position, name in enumerate(group):
                if name == integer:
                    group[position] = value.name
    value.type.tensor_type.elem_type = _element_type(affine)
    return affine


def _affine(graph: Any, node: Any) -> Affine:
    numpy_helper = require("onnx.numpy_helper", "export", "onnx")
    constants = {tensor.name: tensor for tensor in graph.initializer}
    scale, zero_point = (numpy_helper.to_array(constants[name]) for name in node.input[1:3])
    if scale.size != 1:
        raise ModelError(f"Expected one scale at the edge of the graph, got {scale.size}. Export fp32.")
    return Affine(float(scale.reshape(())), int(zero_point.reshape(())), zero_point.dtype.name)


def _element_type(affine: Affine) -> int:
    proto = require("onnx", "export").TensorProto
    return int({"int8": proto.INT8, "uint8": proto.UINT8, "int16": proto.INT16}[affine.dtype])
