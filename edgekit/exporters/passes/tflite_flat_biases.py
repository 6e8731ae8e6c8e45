"""Give every bias of a TFLite graph one dimension.

Why: where a layer scale is folded into the linear layer before it, the converter leaves a bias of shape (1, 1, 1, n). Float
kernels do not mind; the quantizer puts its n scales along the first axis, which is 1 long, and no runtime opens the file.
"""

from __future__ import annotations

from typing import Any

from edgekit.core.optional import require
from edgekit.exporters.passes.tflite_strip import pack_flatbuffer, pull_in_external_buffers

__all__ = ["tflite_flat_biases"]

_BIASED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
_BIAS = 2


def tflite_flat_biases(model: bytes) -> bytes:
    """The same flatbuffer with biases of shape (n,); byte for byte the given one where all are so already.

    Args:
        model: a float flatbuffer.
    """
    schema = require("ai_edge_litert.schema_py_generated", "export")
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    kinds = [getattr(schema.BuiltinOperator, kind) for kind in _BIASED]
    biases = [bias for graph in tree.subgraphs for bias in _biases(tree, graph, kinds) if len(bias.shape) > 1]
    if not biases:
        return model
    pull_in_external_buffers(tree, model)
    for bias in biases:
        bias.shape = bias.shape[-1:]
        bias.shapeSignature = None
    return pack_flatbuffer(tree)


def _biases(tree: Any, graph: Any, kinds: list[int]) -> list[Any]:
    """Bias tensors whose dimensions but the last are 1 long."""
    found = []
    for operator in graph.operators:
        if tree.operatorCodes[operator.opcodeIndex].builtinCode in kinds and len(operator.inputs) > _BIAS:
            index = int(operator.inputs[_BIAS])
            if (
                index >= 0
                and graph.tensors[index].shape is not None
                and all(size == 1 for size in graph.tensors[index].shape[:-1])
            ):
                found.append(graph.tensors[index])
    return found
