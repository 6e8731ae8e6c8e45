"""What is int8 of an ONNX file with QuantizeLinear and DequantizeLinear.

There, every number between the two is float32 by type, and it is the runtime that computes an operator in integers where it
stands between them. Counted is what onnxruntime fuses (its QDQ selectors, onnxruntime/core/optimizer/qdq_transformer): a
convolution whose inputs all come from DequantizeLinear and whose output goes to QuantizeLinear; a matrix product whose inputs do.
It does so on ARM. On x86 it computes files with signed activations in float32 between the pairs, with the same results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgekit.inspection.integer import BYTE_DTYPES, IntegerShare, Product, integer_share, is_float
from edgekit.inspection.report import TensorRow

__all__ = ["onnx_integer_share", "onnx_weights"]

#: Without ConvTranspose, for which onnxruntime has no integer kernel.
_PRODUCTS = ("Conv", "Gemm", "MatMul")

#: Integers by type: products of int8 with their result in int8 or int32.
_INTEGER_PRODUCTS = ("QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "QGemm")

#: May leave a float result: onnxruntime has kernels from int8 to float32 for them.
_FLOAT_RESULT = ("Gemm", "MatMul")

#: Fused between the two, or moved past them.
_FUSED = (
    *(*_PRODUCTS, "Add", "Mul", "Sigmoid", "LeakyRelu", "Softmax", "Concat", "AveragePool", "GlobalAveragePool", "MaxPool"),
    *("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Slice", "Gather", "Split", "Resize", "Identity"),
)


class _Graph:
    """Who makes and who takes each tensor."""

    def __init__(self, graph: Any, rows: Mapping[str, TensorRow]) -> None:
        self.nodes, self.rows = list(graph.node), rows
        self.maker = {name: node for node in self.nodes for name in node.output}
        self.outputs = {value.name for value in graph.output}
        self.users: dict[str, list[Any]] = {}
        for node in self.nodes:
            for name in node.input:
                self.users.setdefault(name, []).append(node)

    def is_integer(self, node: Any) -> bool:
        """True where the runtime computes the node in integers."""
        if node.op_type in _INTEGER_PRODUCTS:
            return True
        if node.op_type not in _FUSED:
            return False
        inputs = [name for name in node.input if name in self.rows and is_float(self.rows[name])]
        if not inputs:
            return all(self.rows[name].dtype in BYTE_DTYPES for name in node.output if name in self.rows)
        requantized = all(map(self._to_bytes, node.output))
        if requantized and node.op_type in ("Conv", "Gemm") and len(inputs) == 3 and self.rows[inputs[2]].constant:
            inputs.pop()  # onnxruntime quantizes a float bias itself
        return all(map(self._from_bytes, inputs)) and (requantized or node.op_type in _FLOAT_RESULT)

    def is_carried(self, name: str) -> bool:
        """True for a float tensor that is never there: it lies inside an operator that is computed in integers."""
        maker, users = self.maker.get(name), self.users.get(name, [])
        if name in self.outputs:
            return False
        if maker is not None and maker.op_type == "DequantizeLinear":
            return bool(users) and all(map(self.is_integer, users))
        return maker is not None and self.is_integer(maker) and self._to_bytes(name)

    def _from_bytes(self, name: str) -> bool:
        maker = self.maker.get(name)
        return (
            maker is not None
            and maker.op_type == "DequantizeLinear"
            and self.rows[maker.input[0]].dtype in (*BYTE_DTYPES, "int32")
        )

    def _to_bytes(self, name: str) -> bool:
        users = self.users.get(name, [])
        return bool(users) and name not in self.outputs and all(user.op_type == "QuantizeLinear" for user in users)


def onnx_integer_share(graph: Any, tensors: list[TensorRow], macs: list[int | None]) -> IntegerShare:
    """Count.

    Args:
        graph: onnx.GraphProto.
        tensors: its rows, as `edgekit.inspection.onnx_file.walk` gives them.
        macs: of every node of the graph, in order; None where they are not known.
    """
    rows = {row.name: row for row in tensors}
    known = _Graph(graph, rows)
    products = [Product(node.op_type, count, known.is_integer(node)) for node, count in zip(known.nodes, macs, strict=True)]
    helpers = _helpers(known)
    others = [
        (index, row, _operator(known, row.name))
        for index, row in enumerate(tensors)
        if is_float(row) and row.name not in helpers and not known.is_carried(row.name)
    ]
    return integer_share(products, _weights(known, tensors, helpers), others)


def onnx_weights(graph: Any, tensors: list[TensorRow]) -> list[TensorRow]:
    """The constants that are weights or biases: no scales, zero points, shapes, axes, factors of a resize and single numbers.

    Args:
        graph: onnx.GraphProto.
        tensors: its rows, as `edgekit.inspection.onnx_file.walk` gives them.
    """
    known = _Graph(graph, {row.name: row for row in tensors})
    return [row for row, _ in _weights(known, tensors, _helpers(known))]


def _weights(graph: _Graph, tensors: list[TensorRow], helpers: set[str]) -> Iterator[tuple[TensorRow, bool]]:
    for row in tensors:
        if row.constant and row.elements > 1 and row.name not in helpers and np.dtype(row.dtype).kind != "b":
            integer = row.dtype in BYTE_DTYPES
            if row.dtype in ("int32", "int64"):
                if not _is_bias(graph, row.name):
                    continue
                integer = True
            yield row, integer


def _is_bias(graph: _Graph, name: str) -> bool:
    """An int32 constant that is dequantized, or that an integer operator takes as it is."""
    users = graph.users.get(name, [])
    return any(user.op_type in ("DequantizeLinear", *_INTEGER_PRODUCTS) for user in users)


def _helpers(graph: _Graph) -> set[str]:
    """Scales and zero points, and what says how far a map is resized."""
    found: set[str] = set()
    for node in graph.nodes:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            found.update(node.input[1:])
        elif node.op_type in ("QLinearConv", "QLinearMatMul"):
            found.update(node.input[i] for i in (1, 2, 4, 5, 6, 7))
        elif node.op_type in ("Resize", "Upsample"):
            found.update(node.input[1:])
        elif node.op_type.startswith(("QLinear", "QGemm")):
            found.update(name for name in node.input if name in graph.rows and graph.rows[name].elements == 1)
    return found


def _operator(graph: _Graph, name: str) -> str:
    node = graph.maker.get(name) or next(iter(graph.users.get(name, [])), None)
    return "" if node is None else str(node.op_type)
