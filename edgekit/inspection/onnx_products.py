"""Multiply-accumulates of one ONNX node; None where they are not known, since the rest would pass for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgekit.inspection.products import product_of, total

__all__ = ["has_open_sequence", "macs_of"]

#: Products, and which of their inputs are the two factors; those of onnxruntime's own optimizer, too.
_FACTORS = {
    **dict.fromkeys(("Conv", "ConvInteger", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger"), (0, 1)),
    **dict.fromkeys(("FusedConv", "FusedGemm", "FusedMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"), (0, 1)),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QGemm"), (0, 3)),
}
_RECURRENT = ("RNN", "LSTM", "GRU")

#: Hold products, and are not counted.
_UNCOUNTED = ("Attention", "CausalConvWithState", "DeformConv", "LinearAttention")

#: What else of onnxruntime's own holds products has one of these in its name.
_PRODUCT_WORDS = ("MatMul", "Gemm", "Conv", "Attention", "LSTM", "CDist", "MoE")

#: Of whose operators something is known. Others are somebody's own, or functions of the file.
_DOMAINS = ("", "ai.onnx", "com.microsoft")

_Shapes = Mapping[str, tuple[int, ...]]


def macs_of(node: Any, shapes: _Shapes) -> int | None:
    """Multiply-accumulates of one node: 0 for one that is no product, None where a size or the operator is not known.

    Args:
        node: of the graph.
        shapes: tensor -> sizes, negative where open; tensors without a shape are missing.
    """
    if _is_uncounted(node) or any(map(_holds_products, _graphs(node))):
        return None
    if node.op_type in _RECURRENT:
        return _of_recurrent(*(shapes.get(name) for name in node.input[:3]))
    if node.op_type == "Einsum":
        return _of_einsum(node, [shapes.get(name) for name in node.input])
    if node.op_type not in _FACTORS:
        return 0
    first, weights, output = (shapes.get(name) for name in (*(node.input[i] for i in _FACTORS[node.op_type]), node.output[0]))
    if first is None or weights is None or output is None:
        return None
    if node.op_type == "ConvTranspose":
        # Every value of its input meets the whole kernel of its channel; the output's borders may be cut off afterwards.
        return product_of(*first, *weights[1:])
    if "Conv" in node.op_type:
        return product_of(*output, *weights[1:])
    transposed = any(a.name == "transA" and a.i for a in node.attribute)
    return product_of(*output, first[0 if transposed else -1])


def has_open_sequence(node: Any, shapes: _Shapes) -> bool:
    """Whether a recurrent layer takes sequences of any length, by the sizes of the file as it is: its batch may be open."""
    if node.op_type not in _RECURRENT:
        return False
    layout = next((a.i for a in node.attribute if a.name == "layout"), 0)
    x = shapes.get(node.input[0])
    return x is None or len(x) <= layout or x[layout] < 0


def _is_uncounted(node: Any) -> bool:
    """Operators of nobody that is known, and those with products whose counting is not written."""
    if node.domain == "com.microsoft":
        return node.op_type not in _FACTORS and any(word in node.op_type for word in _PRODUCT_WORDS)
    return node.domain not in _DOMAINS or node.op_type in _UNCOUNTED


def _of_recurrent(x: tuple[int, ...] | None, weights: tuple[int, ...] | None, recurrence: tuple[int, ...] | None) -> int | None:
    """Every step of every sequence meets all weights once; either layout of x has both in its first two axes."""
    if x is None or weights is None or recurrence is None:
        return None
    return total(product_of(*x[:2], *factor) for factor in (weights, recurrence))


def _of_einsum(node: Any, shapes: list[tuple[int, ...] | None]) -> int | None:
    """One for every combination of the indices of two factors; of more, the order decides."""
    if len(shapes) == 1:
        return 0
    equation = next((a.s.decode("utf-8", "replace") for a in node.attribute if a.name == "equation"), "").replace(" ", "")
    terms = equation.partition("->")[0].split(",")
    known = [shape for shape in shapes if shape is not None]
    if len(known) != 2 or list(map(len, terms)) != list(map(len, known)) or "..." in equation:
        return None
    found: dict[str, list[int]] = {}
    for index, size in zip("".join(terms), (*known[0], *known[1]), strict=True):
        found.setdefault(index, []).append(size)
    return product_of(*(min(sizes) if min(sizes) < 0 else max(sizes) for sizes in found.values()))


def _holds_products(graph: Any) -> bool:
    return any(_may_multiply(node) for node in graph.node)


def _may_multiply(node: Any) -> bool:
    is_product = node.op_type in (*_FACTORS, *_RECURRENT, "Einsum")
    return is_product or _is_uncounted(node) or any(map(_holds_products, _graphs(node)))


def _graphs(node: Any) -> Iterable[Any]:
    """Bodies of a condition or a loop."""
    for attribute in node.attribute:
        yield from (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs)
