"""Let operators that only move or compare values work on integers directly.

Why: the quantizer wraps a transpose, a reshape or a max-pool as dequantize, move, quantize with one and the same scale and zero
point, and leaves one at the very start or end of the network in float. Quantization is monotone and works value by value, so it
can be done before the move, and dequantization after it, exactly. That saves nodes, lets integers reach the edges of the graph,
and does not rely on the runtime's optimizer to see it.
"""

from __future__ import annotations

from typing import Any

__all__ = ["onnx_integer_moves"]

_MOVES = ("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "MaxPool", "Identity")


def onnx_integer_moves(model: Any) -> Any:
    """Quantize before moves and dequantize after them; cancel the pairs that meet. Edits and returns `model`.

    Args:
        model: onnx.ModelProto with QuantizeLinear and DequantizeLinear, equal initializers already shared by name.
    """
    graph = model.graph
    while any(_cancel(graph, node) or _hoist(graph, node) or _sink(graph, node) for node in list(graph.node)):
        pass
    return model


def _cancel(graph: Any, node: Any) -> bool:
    """dequantize, quantize with equal parameters: nothing."""
    before = _producer(graph, node.input[0]) if node.op_type == "QuantizeLinear" else None
    if before is None or before.op_type != "DequantizeLinear" or list(before.input[1:]) != list(node.input[1:]):
        return False
    if _is_output(graph, node.output[0]):
        return False
    for user in _users(graph, node.output[0]):
        _replace(user.input, node.output[0], before.input[0])
    graph.node.remove(node)
    if not _users(graph, before.output[0]) and not _is_output(graph, before.output[0]):
        graph.node.remove(before)
    return True


def _hoist(graph: Any, node: Any) -> bool:
    """move, quantize: quantize, move. For a move that starts at the graph's input or at something dequantized."""
    if node.op_type not in _MOVES or len(node.output) != 1 or _is_output(graph, node.output[0]):
        return False
    users = _users(graph, node.output[0])
    if len(users) != 1 or users[0].op_type != "QuantizeLinear":
        return False
    source = _producer(graph, node.input[0])
    if source is not None and source.op_type not in ("DequantizeLinear", *_MOVES):
        return False
    quantize, middle = users[0], node.output[0]
    node.output[0], quantize.output[0] = quantize.output[0], middle
    quantize.input[0], node.input[0] = node.input[0], middle
    _swap(node, quantize)
    return True


def _sink(graph: Any, node: Any) -> bool:
    """dequantize, move, output: move, dequantize, output."""
    if node.op_type not in _MOVES or len(node.output) != 1 or not _is_output(graph, node.output[0]):
        return False
    dequantize = _producer(graph, node.input[0])
    if dequantize is None or dequantize.op_type != "DequantizeLinear" or len(_users(graph, dequantize.output[0])) != 1:
        return False
    middle = dequantize.output[0]
    node.output[0], dequantize.output[0] = middle, node.output[0]
    node.input[0], dequantize.input[0] = dequantize.input[0], middle
    _swap(dequantize, node)
    return True


def _swap(first: Any, second: Any) -> None:
    """Exchange two nodes in the list, which must stay in topological order."""
    held = type(first).FromString(first.SerializeToString())
    first.CopyFrom(second)
    second.CopyFrom(held)


def _producer(graph: Any, name: str) -> Any:
    return next((node for node in graph.node if name in node.output), None)


def _users(graph: Any, name: str) -> list[Any]:
    return [node for node in graph.node if name in node.input]


def _is_output(graph: Any, name: str) -> bool:
    return any(value.name == name for value in graph.output)


def _replace(names: Any, old: str, new: str) -> None:
    for position, name in enumerate(names):
        if name == old:
            names[position] = new
