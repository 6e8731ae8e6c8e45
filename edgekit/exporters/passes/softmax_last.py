"""Write every softmax over the last axis.

Why: TFLite's SOFTMAX knows the last axis alone. Over another axis the converter spells it out as maximum, exponential, sum and
division, which int8 ruins (and tflite-runtime 2.14 has no int8 division at all). Moving the axis is exact.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from edgekit.exporters.passes.trace import finish, shape_of, submodule, trace

__all__ = ["softmax_last"]


def softmax_last(module: nn.Module, sample: torch.Tensor) -> nn.Module:
    """The same function with each softmax over axis -1; equal up to float32 rounding. Untraceable modules come back as they are.

    Args:
        module: as `trace.prepare` gave it.
        sample: one input, (1, ...) float32; shapes are propagated from it.
    """
    graph = trace(module)
    if graph is None:
        return module
    with torch.no_grad():
        ShapeProp(graph).propagate(sample)
    for node in list(graph.graph.nodes):
        axis, shape = _axis(graph, node), shape_of(node)
        if axis is not None and shape is not None and axis % len(shape) != len(shape) - 1:
            _rewrite(graph.graph, node, axis)
    return finish(graph)


def _axis(graph: fx.GraphModule, node: fx.Node) -> int | None:
    """The axis of a softmax, None for other nodes and for a softmax that also casts."""
    layer = submodule(graph, node)
    if isinstance(layer, nn.Softmax):
        return layer.dim
    if node.target not in (torch.softmax, functional.softmax, "softmax") or len(node.args) > 2:
        return None
    if node.kwargs.get("dtype") is not None:
        return None
    axis: Any = node.kwargs.get("dim", node.args[1] if len(node.args) == 2 else None)
    return axis if isinstance(axis, int) else None


def _rewrite(graph: fx.Graph, node: fx.Node, axis: int) -> None:
    with graph.inserting_before(node):
        moved = graph.call_method("transpose", (node.all_input_nodes[0], axis, -1))
        soft = graph.call_function(torch.softmax, (moved, -1))
        back = graph.call_method("transpose", (soft, axis, -1))
    node.replace_all_uses_with(back)
    graph.erase_node(node)
