"""Writes edgekit/doctor/models.py: one layer, relu(W x + b), as TFLite and as ONNX. Needs the export extra.

Run it with: python -m tests.doctor.make_probe_models
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from edgekit.doctor.layer import BIAS, INPUTS, OUTPUTS, WEIGHTS


def tflite() -> bytes:
    import flatbuffers
    import numpy as np
    from ai_edge_litert import schema_py_generated as schema

    def buffer(values: Any) -> Any:
        content = schema.BufferT()
        content.data = np.frombuffer(np.asarray(values, "<f4").tobytes(), np.uint8)
        return content

    def tensor(name: str, shape: list[int], index: int) -> Any:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, shape, schema.TensorType.FLOAT32, index
        return made

    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.RELU
    operator = schema.OperatorT()
    operator.inputs, operator.outputs, operator.opcodeIndex = [0, 1, 2], [3], 0
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.FullyConnectedOptions, options
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("x", [1, INPUTS], 0),
        tensor("w", [OUTPUTS, INPUTS], 1),
        tensor("b", [OUTPUTS], 2),
        tensor("y", [1, OUTPUTS], 0),
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [3], [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT(), buffer(WEIGHTS), buffer(BIAS)]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def onnx() -> bytes:
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [OUTPUTS, INPUTS], [value for row in WEIGHTS for value in row])
    bias = helper.make_tensor("b", TensorProto.FLOAT, [OUTPUTS], BIAS)
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["z"], transB=1), helper.make_node("Relu", ["z"], ["y"])]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, INPUTS])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, OUTPUTS])
    graph = helper.make_graph(nodes, "layer", [x], [y], [weights, bias])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7, producer_name="edgekit")
    return model.SerializeToString()


def literal(name: str, content: bytes) -> str:
    text = base64.b64encode(content).decode("ascii")
    lines = "".join(f'    "{text[i : i + 120]}"\n' for i in range(0, len(text), 120))
    return f"{name} = b64decode(\n{lines})\n"


def main() -> None:
    target = Path(__file__).resolve().parents[2] / "edgekit" / "doctor" / "models.py"
    head = (
        '"""The layer of `edgekit.doctor.layer` as model files. Written by tests/doctor/make_probe_models.py."""\n\n'
        'from base64 import b64decode\n\n__all__ = ["ONNX", "TFLITE"]\n\n'
    )
    target.write_text(head + literal("TFLITE", tflite()) + "\n" + literal("ONNX", onnx()), encoding="utf-8")


if __name__ == "__main__":
    main()
