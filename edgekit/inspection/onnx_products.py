"""Multiply-accumulates of one ONNX node; None where they are not known, since the rest would pass for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edgekit.inspection.products import product_of, total

__all__ = ["macs_of"]

#: Products, and which of their inputs are the two factors; those of onnxruntime's own optimizer, too.
_FACTORS = {
    **dict.fromkeys(("Conv", "ConvInteger", "ConvTranspose", "Gemm", "MatMul", "MatMulInteger"), (0, 1)),
    **dict.fromkeys(("FusedConv", "FusedGemm", "FusedMatMul", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"), (0, 1)),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QGemm"), (0, 3)),
}
_RECURRENT = ("RNN", "LSTM", "GRU")

#: Hold products, and are not counted.
_UNCOUNTED = frozenset(
    (
        *("Attention", "DecoderAttention", "GroupQueryAttention", "LinearAttention", "MultiHeadAttention", "PackedAttention"),
        *(
            "CausalConvWithState",
            "DeformConv",
            "DynamicQuantizeLSTM",
            "MatMulNBits",
            "MoE",
            "NhwcFusedConv",
            "QAttention",
            "QMoE",
        ),
    )
)

#: What else of onnxruntime's own holds products has one of these in its name.
_PRODUCT_WORDS = ("MatMul", "Gemm", "Conv", "Attention", "LSTM", "CDist")

#: Of whose operators something is known. Others are somebody's own, or functions of the file.
_DOMAINS = ("", "ai.onnx", "com.microsoft")

_Shapes = Mapping[str, tuple[int, ...]]


def macs_of(node: Any, shapes: _Shapes) -> int | None:
    """Multiply-accumulates of one node: 0 for one that is no product, None where a size or the operator is not known.

    Args:
        node: of the graph.
        shapes: tensor -> sizes, negative where open; tensors without a shape are missing.
    """
    if node.domain not in _DOMAINS or node.op_type in _UNCOUNTED or any(map(_holds_products, _graphs(node))):
        return None
    if node.domain == "com.microsoft" and node.op_type not in _FACTORS and any(part in node.op_type for part in _PRODUCT_WORDS):
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
    known = node.domain in _DOMAINS and node.op_type not in (*_FACTORS, *_RECURRENT, *_UNCOUNTED, "Einsum")
    return not known or any(map(_holds_products, _graphs(node)))


def _graphs(node: Any) -> Iterable[Any]:
    """Bodies of a condition or a loop."""
    for attribute in node.attribute:
        yield from (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs)
