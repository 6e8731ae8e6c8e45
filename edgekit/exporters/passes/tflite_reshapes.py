"""Reshapes of a TFLite graph without what no interpreter needs of them.

Why: the converter writes every target shape as a constant tensor with a buffer of its own, and flattens before a fully connected
layer, which flattens by itself. In ImageSig's CNN1D that is an operator, four tensors and 240 bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgekit.core.optional import require

__all__ = ["tflite_reshapes"]


def tflite_reshapes(tree: Any) -> None:
    """Drop reshapes that only flatten for fully connected layers; shapes of the others become options. Edits `tree`.

    Exact: values and their order are untouched.

    Args:
        tree: a `ModelT`; the tensors that nothing names afterwards are left to `tflite_strip`.
    """
    schema = require("ai_edge_litert.schema_py_generated", "export")
    for graph in tree.subgraphs:
        for operator in list(graph.operators):
            if tree.operatorCodes[operator.opcodeIndex].builtinCode != schema.BuiltinOperator.RESHAPE:
                continue
            users = _users(graph, operator.outputs[0])
            if users and all(_flattens(schema, tree, graph, user, operator) for user in users):
                for user in users:
                    user.inputs = np.array([operator.inputs[0], *user.inputs[1:]], np.int32)
                    user.builtinOptions.keepNumDims = False
                graph.operators.remove(operator)
            else:
                _shape_as_option(schema, tree, graph, operator)


def _users(graph: Any, tensor: int) -> list[Any]:
    """The operators that take a tensor; none for an output of the graph, which has to stay."""
    return [] if tensor in graph.outputs else [operator for operator in graph.operators if tensor in operator.inputs]


def _flattens(schema: Any, tree: Any, graph: Any, user: Any, reshape: Any) -> bool:
    """True for a fully connected layer that would make the same rows of the reshape's input by itself."""
    before, after = graph.tensors[reshape.inputs[0]], graph.tensors[reshape.outputs[0]]
    return bool(
        tree.operatorCodes[user.opcodeIndex].builtinCode == schema.BuiltinOperator.FULLY_CONNECTED
        and list(user.inputs).index(reshape.outputs[0]) == 0
        and reshape.outputs[0] not in user.inputs[1:]
        and len(after.shape) == 2
        and before.type == after.type
        and _affine(before) == _affine(after)
        and after.shapeSignature is None
        and graph.tensors[user.inputs[1]].shape[-1] == after.shape[-1]
        and len(graph.tensors[user.outputs[0]].shape) == 2
    )


def _affine(tensor: Any) -> tuple[bytes, bytes] | None:
    found = tensor.quantization
    return None if found is None else (np.asarray(found.scale).tobytes(), np.asarray(found.zeroPoint).tobytes())


def _shape_as_option(schema: Any, tree: Any, graph: Any, reshape: Any) -> None:
    """The target shape as an option, where the tensor that says it is constant."""
    if len(reshape.inputs) < 2:
        return
    data = tree.buffers[graph.tensors[reshape.inputs[1]].buffer].data
    if data is None or len(data) == 0:
        return
    reshape.inputs = reshape.inputs[:1]
    reshape.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    reshape.builtinOptions = schema.ReshapeOptionsT()
    reshape.builtinOptions.newShape = np.frombuffer(np.asarray(data, np.uint8).tobytes(), "<i4")
