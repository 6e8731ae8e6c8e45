"""What is int8 of a TFLite file: its operators have a dtype each, so nothing has to be inferred."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgekit.inspection.integer import BYTE_DTYPES, IntegerShare, Product, integer_share, is_float
from edgekit.inspection.report import TensorRow
from edgekit.inspection.tflite import bias_of

__all__ = ["tflite_integer_share"]


def tflite_integer_share(tensors: list[TensorRow], operators: list[dict[str, Any]]) -> IntegerShare:
    """Count what `edgekit.inspection.tflite.walk` gave.

    A product is integer where its input, its weights and its output are. With float inputs and int8 weights (int8-dynamic) the
    runtime quantizes the inputs anew for every product: that is not counted as int8.
    """
    products = [Product(op["name"], op["macs"], _is_integer(op, tensors)) for op in operators]
    touched = _operators_of(operators)
    others = [(i, row, touched[i]) for i, row in enumerate(tensors) if i in touched and is_float(row)]
    return integer_share(products, _weights(tensors, operators), others)


def _is_integer(op: dict[str, Any], tensors: list[TensorRow]) -> bool:
    factors = [tensors[i] for i in op["inputs"] if i >= 0]
    # A transposed convolution's first input is its output's shape.
    factors = factors[1:3] if op["name"] == "TRANSPOSE_CONV" else factors[:2]
    return all(row.dtype in BYTE_DTYPES for row in (*factors, tensors[op["outputs"][0]]))


def _weights(tensors: list[TensorRow], operators: list[dict[str, Any]]) -> Iterator[tuple[TensorRow, bool]]:
    """Constants that are weights or biases (the rule of `count_parameters`), and whether they serve integer arithmetic."""
    biases = {bias: _is_integer(op, tensors) for op in operators if (bias := bias_of(op)) is not None}
    for index, row in enumerate(tensors):
        if not row.constant or row.elements <= 1:
            continue
        if row.dtype in ("int32", "int64", "bool"):
            if index in biases:
                yield row, biases[index]
        else:
            yield row, row.dtype in BYTE_DTYPES


def _operators_of(operators: list[dict[str, Any]]) -> dict[int, str]:
    """Tensor index -> the operator that makes it; for inputs and constants the first that takes it."""
    found: dict[int, str] = {}
    for op in operators:
        for index in op["inputs"]:
            found.setdefault(index, op["name"])
        found |= dict.fromkeys(op["outputs"], op["name"])
    found.pop(-1, None)
    return found
