"""Compute once what depends on weights alone, and write a linear function of a constant matrix as nn.Linear.

Why: a hypercomplex layer builds its matrix from Kronecker products at every call. Exported as it stands, the file would hold the
einsum, run it for every image, and the quantizers, who look for linear layers, would leave it float. The same goes for any other
parametrisation of weights that is written as tensor functions.
"""

from __future__ import annotations

from typing import Any, TypeGuard

import torch
import torch.nn.functional as functional
from torch import fx, nn

from edgekit.exporters.passes.trace import finish, fresh_name, trace

__all__ = ["fold_constants"]


def fold_constants(module: nn.Module) -> nn.Module:
    """The same function with constant expressions evaluated; equal to the bit. Untraceable modules come back as they are.

    Args:
        module: as `trace.prepare` gave it.
    """
    graph = trace(module)
    if graph is None:
        return module
    for node in list(graph.graph.nodes):
        value = _value(graph, node) if _is_constant_expression(node) else None
        if value is not None:
            _replace(graph, node, value)
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and node.target is functional.linear:
            _as_layer(graph, node)
    return finish(graph)


def _is_constant_expression(node: fx.Node) -> bool:
    return (
        node.op in ("call_function", "call_method")
        and bool(node.all_input_nodes)
        and all(source.op == "get_attr" for source in node.all_input_nodes)
    )


def _value(graph: fx.GraphModule, node: fx.Node) -> torch.Tensor | None:
    """What the node computes; None for what is no tensor, or comes out otherwise the second time: that is random."""
    first, second = _evaluate(graph, node), _evaluate(graph, node)
    if not isinstance(first, torch.Tensor) or not torch.equal(first, second):
        return None
    return first.detach()


def _evaluate(graph: fx.GraphModule, node: fx.Node) -> Any:
    args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda source: _attribute(graph, source))
    with torch.no_grad():
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        function: Any = node.target
        return function(*args, **kwargs)


def _attribute(graph: fx.GraphModule, node: fx.Node) -> Any:
    path, _, name = str(node.target).rpartition(".")
    return getattr(graph.get_submodule(path), name)


def _replace(graph: fx.GraphModule, node: fx.Node, value: torch.Tensor) -> None:
    name = fresh_name(graph, "constant")
    graph.register_buffer(name, value)
    with graph.graph.inserting_before(node):
        node.replace_all_uses_with(graph.graph.get_attr(name))
    graph.graph.erase_node(node)


def _as_layer(graph: fx.GraphModule, node: fx.Node) -> None:
    """functional.linear(x, weight, bias) with constant weight and bias as a call of nn.Linear."""
    given = {**dict(zip(("input", "weight", "bias"), node.args, strict=False)), **node.kwargs}
    source, weight, bias = given["input"], given["weight"], given.get("bias")
    if not _is_attribute(weight) or not (bias is None or _is_attribute(bias)):
        return
    matrix = _attribute(graph, weight)
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(matrix, requires_grad=False)
    if _is_attribute(bias):
        layer.bias = nn.Parameter(_attribute(graph, bias), requires_grad=False)
    name = fresh_name(graph, "linear")
    graph.add_module(name, layer.eval())
    with graph.graph.inserting_before(node):
        node.replace_all_uses_with(graph.graph.call_module(name, (source,)))
    graph.graph.erase_node(node)


def _is_attribute(value: object) -> TypeGuard[fx.Node]:
    return isinstance(value, fx.Node) and value.op == "get_attr"
