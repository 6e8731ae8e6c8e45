"""Float graphs that show every tensor they compute, for the observers: through onnxruntime and through LiteRT."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from edgekit.core.optional import require
from edgekit.exporters.quiet import quiet

__all__ = ["OnnxTap", "TfliteTap"]


class OnnxTap:
    """An ONNX graph with every tensor as an output, not optimized, so that no tensor is fused away.

    Args:
        model: serialized, with shapes inferred; one input of batch 1.
    """

    def __init__(self, model: bytes) -> None:
        onnx, onnxruntime = require("onnx", "export"), require("onnxruntime", "onnx")
        self._graph = hashlib.sha256(model).hexdigest()
        proto = onnx.load_from_string(model)
        self._input = str(proto.graph.input[0].name)
        self._names = _float_tensors(proto, int(onnx.TensorProto.FLOAT))
        known = {value.name for value in proto.graph.output}
        proto.graph.output.extend(value for value in proto.graph.value_info if value.name in set(self._names) - known)
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session: Any = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])

    @property
    def graph(self) -> str:
        """sha256 of the graph."""
        return self._graph

    def __call__(self, sample: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Every float tensor for one (1, ...) float32 input, by name, the input among them."""
        yield self._input, sample
        yield from zip(self._names, self._session.run(self._names, {self._input: sample}), strict=True)


def _float_tensors(proto: Any, float32: int) -> list[str]:
    """Names of the float tensors that nodes make, in the graph's order."""
    values = (*proto.graph.value_info, *proto.graph.output)
    floats = {value.name for value in values if value.type.tensor_type.elem_type == float32}
    return [name for node in proto.graph.node for name in node.output if name in floats]


class TfliteTap:
    """A TFLite graph in LiteRT with every tensor preserved.

    Args:
        model: the flatbuffer; one input of batch 1.
    """

    def __init__(self, model: bytes) -> None:
        module = require("ai_edge_litert.interpreter", "litert", "ai-edge-litert")
        self._graph = hashlib.sha256(model).hexdigest()
        self._tensors = _float_results(model)
        with quiet():
            self._interpreter: Any = module.Interpreter(
                model_content=model, num_threads=1, experimental_preserve_all_tensors=True
            )
            self._interpreter.allocate_tensors()
        self._input = int(self._interpreter.get_input_details()[0]["index"])

    @property
    def graph(self) -> str:
        """sha256 of the graph."""
        return self._graph

    def __call__(self, sample: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Every float tensor for one (1, ...) float32 input, by name, the input among them."""
        self._interpreter.set_tensor(self._input, sample)
        self._interpreter.invoke()
        for name, index in self._tensors:
            yield name, self._interpreter.get_tensor(index)


def _float_results(model: bytes) -> list[tuple[str, int]]:
    """Name and index of every float tensor that goes in or is made, in the order of the operators; constants are neither."""
    schema = require("ai_edge_litert.schema_py_generated", "export")
    graph = schema.ModelT.InitFromPackedBuf(bytearray(model), 0).subgraphs[0]
    indices = [*graph.inputs, *(index for operator in graph.operators for index in operator.outputs)]
    floats = [int(index) for index in indices if graph.tensors[index].type == schema.TensorType.FLOAT32]
    return [(graph.tensors[index].name.decode("utf-8"), index) for index in dict.fromkeys(floats)]
