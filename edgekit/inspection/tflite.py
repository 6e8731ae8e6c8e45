"""Walk a TFLite graph through the interpreter that is installed: no schema package is needed on the board."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from edgekit.inspection.report import TensorRow
from edgekit.runtimes.litert import interpreter_module

__all__ = ["WEIGHTED", "count_macs", "count_parameters", "macs_of", "operator_counts", "walk"]

#: Operators with (input, weights, bias); the position of the output channels' axis does not matter for counting.
WEIGHTED = {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}


def walk(model: bytes, runtime: str) -> tuple[list[TensorRow], list[dict[str, Any]]]:
    """Tensors (by index) and operators (name, inputs, outputs as tensor indices) of the file as written, without delegates."""
    module = interpreter_module(runtime)
    plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(model_content=model, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    operators = [
        {"name": op["op_name"], "inputs": [int(i) for i in op["inputs"]], "outputs": [int(i) for i in op["outputs"]]}
        # Private, but the only view of the operators that both runtimes have offered for years.
        for op in interpreter._get_ops_details()
    ]
    computed = {index for op in operators for index in op["outputs"]}
    given = {detail["index"] for detail in interpreter.get_input_details()}
    used = computed | given | {index for op in operators for index in op["inputs"]}
    rows = {
        d["index"]: _row(d, d["index"] not in computed | given) for d in interpreter.get_tensor_details() if d["index"] in used
    }
    empty = TensorRow("", "float32", None)
    return [rows.get(index, empty) for index in range(max(rows, default=-1) + 1)], operators


def operator_counts(operators: list[dict[str, Any]]) -> dict[str, int]:
    """Operator -> how often, the most frequent first."""
    return dict(Counter(op["name"] for op in operators).most_common())


def count_parameters(tensors: list[TensorRow], operators: list[dict[str, Any]]) -> int:
    """Values of constant tensors that are weights or biases: integers of shapes, axes and padding are none."""
    biases = {op["inputs"][2] for op in operators if op["name"] in WEIGHTED and len(op["inputs"]) > 2}
    total = 0
    for index, tensor in enumerate(tensors):
        is_value = tensor.dtype not in ("int32", "int64", "bool") or index in biases
        if tensor.constant and is_value and tensor.elements > 1:
            total += tensor.elements
    return total


def count_macs(tensors: list[TensorRow], operators: list[dict[str, Any]]) -> int:
    """Multiply-accumulates of convolutions, fully connected layers and batched matrix products."""
    return sum(macs_of(op, tensors) for op in operators)


def macs_of(op: dict[str, Any], tensors: list[TensorRow]) -> int:
    """Multiply-accumulates of one operator, 0 for one that is no product."""
    return _macs(op["name"], [tensors[i] for i in op["inputs"] if i >= 0], tensors[op["outputs"][0]])


def _macs(name: str, inputs: list[TensorRow], output: TensorRow) -> int:
    if name not in WEIGHTED | {"BATCH_MATMUL"} or any(row.shape is None for row in (*inputs[:2], output)):
        return 0
    first, weights = (row.shape or () for row in inputs[:2])
    if name == "CONV_2D":
        return output.elements * int(np.prod(weights[1:]))
    if name == "DEPTHWISE_CONV_2D":
        return output.elements * weights[1] * weights[2]
    if name == "FULLY_CONNECTED":
        return output.elements * weights[-1]
    if name == "BATCH_MATMUL":
        return output.elements * first[-1]
    return inputs[-1].elements * int(np.prod(weights[:-1]))


def _row(detail: Any, constant: bool) -> TensorRow:
    quantization = detail["quantization_parameters"]
    scales = tuple(float(value) for value in quantization["scales"])
    shape = detail["shape_signature"] if len(detail.get("shape_signature", ())) else detail["shape"]
    return TensorRow(
        name=detail["name"],
        dtype=np.dtype(detail["dtype"]).name,
        shape=tuple(int(size) for size in shape),
        scale=scales or None,
        zero_point=tuple(int(value) for value in quantization["zero_points"]) if scales else None,
        axis=int(quantization["quantized_dimension"]) if len(scales) > 1 else None,
        constant=constant,
    )
