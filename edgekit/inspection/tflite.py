"""Walk a TFLite graph through the interpreter that is installed: no schema package is needed on the board."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from edgekit.inspection.products import product_of
from edgekit.inspection.report import TensorRow
from edgekit.runtimes.litert import interpreter_module

__all__ = ["bias_of", "count_parameters", "operator_counts", "walk"]

#: Operators with weights, and where the bias stands among their inputs: (input, weights, bias), but of a transposed
#: convolution (shape of the output, weights, input, bias).
_BIASES = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}


#: Hold products, or graphs of their own, and are not counted; nor are custom operators, which have no capital names.
_UNCOUNTED = frozenset(
    (
        *(
            "BIDIRECTIONAL_SEQUENCE_LSTM",
            "BIDIRECTIONAL_SEQUENCE_RNN",
            "CALL",
            "CALL_ONCE",
            "CONV_3D_TRANSPOSE",
            "IF",
            "LSTM",
            "RNN",
        ),
        *("STABLEHLO_COMPOSITE", "STABLEHLO_CONVOLUTION", "STABLEHLO_DOT_GENERAL", "SVDF", "UNIDIRECTIONAL_SEQUENCE_LSTM"),
        *("UNIDIRECTIONAL_SEQUENCE_RNN", "WHILE"),
    )
)


def walk(model: bytes, runtime: str) -> tuple[list[TensorRow], list[dict[str, Any]]]:
    """Tensors (by index) and operators of the file as written, without delegates.

    An operator has its name, its inputs and outputs as tensor indices, and its multiply-accumulates for a batch of one: 0 for
    one that is no product, None where the file leaves a size open or the operator is not counted.
    """
    module = interpreter_module(runtime)
    plain = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(model_content=model, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    details = interpreter.get_tensor_details()
    sizes = {detail["index"]: _sizes_of_one(detail) for detail in details}
    # Private, but the only view of the operators that both runtimes have offered for years.
    operators = [_operator(op, sizes) for op in interpreter._get_ops_details()]
    computed = {index for op in operators for index in op["outputs"]}
    given = {detail["index"] for detail in interpreter.get_input_details()}
    used = computed | given | {index for op in operators for index in op["inputs"]}
    rows = {d["index"]: _row(d, d["index"] not in computed | given) for d in details if d["index"] in used}
    empty = TensorRow("", "float32", None)
    return [rows.get(index, empty) for index in range(max(rows, default=-1) + 1)], operators


def operator_counts(operators: list[dict[str, Any]]) -> dict[str, int]:
    """Operator -> how often, the most frequent first."""
    return dict(Counter(op["name"] for op in operators).most_common())


def count_parameters(tensors: list[TensorRow], operators: list[dict[str, Any]]) -> int:
    """Values of constant tensors that are weights or biases: integers of shapes, axes and padding are none."""
    biases = set(map(bias_of, operators))
    total = 0
    for index, tensor in enumerate(tensors):
        is_value = tensor.dtype not in ("int32", "int64", "bool") or index in biases
        if tensor.constant and is_value and tensor.elements > 1:
            total += tensor.elements
    return total


def bias_of(op: dict[str, Any]) -> int | None:
    """Tensor index of the bias of a convolution or fully connected layer, None without one."""
    position = _BIASES.get(op["name"])
    given = op["inputs"][position:] if position is not None else ()
    return given[0] if given and given[0] >= 0 else None


def _operator(op: Any, sizes: dict[int, tuple[int, ...]]) -> dict[str, Any]:
    name, inputs, outputs = op["op_name"], [int(i) for i in op["inputs"]], [int(i) for i in op["outputs"]]
    macs = _macs(name, [sizes[i] for i in inputs if i >= 0], sizes[outputs[0]]) if outputs else 0
    return {"name": name, "inputs": inputs, "outputs": outputs, "macs": macs}


def _macs(name: str, inputs: list[tuple[int, ...]], output: tuple[int, ...]) -> int | None:
    """Multiply-accumulates of one operator; sizes of weights are (out, height, width, in), depthwise (1, height, width, out)."""
    if name == "CONV_2D":
        return product_of(*output, *inputs[1][1:])
    if name == "DEPTHWISE_CONV_2D":
        return product_of(*output, *inputs[1][1:3])
    if name == "FULLY_CONNECTED":
        return product_of(*output, inputs[1][-1])
    if name == "BATCH_MATMUL":
        return product_of(*output, inputs[0][-1])
    if name == "CONV_3D":  # (depth, height, width, in, out)
        return product_of(*output, *inputs[1][:-1])
    if name == "TRANSPOSE_CONV":
        # Every value of its input meets the whole kernel of its channel; the output's borders may be cut off afterwards.
        return product_of(*inputs[2], *inputs[1][:-1])
    return None if name in _UNCOUNTED or not name.isupper() else 0


def _sizes_of_one(detail: Any) -> tuple[int, ...]:
    """Sizes for a batch of one. The interpreter allocates every open size as 1: of the batch alone that is what is asked."""
    allocated = tuple(int(size) for size in detail["shape"])
    open_ = {axis for axis, size in enumerate(_signature(detail)) if axis > 0 and size < 0}
    return tuple(-1 if axis in open_ else size for axis, size in enumerate(allocated))


def _signature(detail: Any) -> tuple[int, ...]:
    """Sizes as the file has them, -1 for one that may vary."""
    shape = detail["shape_signature"] if len(detail.get("shape_signature", ())) else detail["shape"]
    return tuple(int(size) for size in shape)


def _row(detail: Any, constant: bool) -> TensorRow:
    quantization = detail["quantization_parameters"]
    scales = tuple(float(value) for value in quantization["scales"])
    return TensorRow(
        name=detail["name"],
        dtype=np.dtype(detail["dtype"]).name,
        shape=_signature(detail),
        scale=scales or None,
        zero_point=tuple(int(value) for value in quantization["zero_points"]) if scales else None,
        axis=int(quantization["quantized_dimension"]) if len(scales) > 1 else None,
        constant=constant,
    )
