"""Say of a uint8 input that its integers are levels.

Why: a graph that begins with a cast from uint8 has a plain integer input, and nothing tells a caller with float levels how to
pass them. Scale 1 and zero point 0 change no number.
"""

from __future__ import annotations

import numpy as np

from edgekit.core.optional import require
from edgekit.errors import ModelError
from edgekit.exporters.passes.tflite_strip import pack_flatbuffer

__all__ = ["tflite_uint8_input"]


def tflite_uint8_input(model: bytes) -> bytes:
    """The same graph, its one input quantized with scale 1, zero point 0.

    Args:
        model: a stripped TFLite flatbuffer.

    Raises:
        ModelError: when the input is not uint8.
    """
    schema = require("ai_edge_litert.schema_py_generated", "export")
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    graph = tree.subgraphs[0]
    tensor = graph.tensors[graph.inputs[0]]
    if tensor.type != schema.TensorType.UINT8:
        raise ModelError(f"Expected a graph that takes uint8, its input has type {tensor.type} of the schema's TensorType.")
    tensor.quantization = schema.QuantizationParametersT()
    tensor.quantization.scale = np.array([1.0], np.float32)
    tensor.quantization.zeroPoint = np.array([0], np.int64)
    return pack_flatbuffer(tree)
