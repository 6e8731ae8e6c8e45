"""Write two linear layers with nothing between them as one, where that one has fewer weights; likewise two 1x1 convolutions.

Why: trained as two, they compute one matrix. As one they multiply less, and int8 rounds once.
"""

from __future__ import annotations

import torch
from torch import fx, nn

from edgekit.exporters.passes.trace import finish, fresh_name, submodule, trace

__all__ = ["merge_linear"]


def merge_linear(module: nn.Module) -> nn.Module:
    """The same function with fewer layers; equal up to float32 rounding. Untraceable modules come back as they are.

    Args:
        module: as `trace.prepare` gave it, dropout removed.
    """
    graph = trace(module)
    if graph is None:
        return module
    for node in list(graph.graph.nodes):
        before = node.all_input_nodes[0] if len(node.all_input_nodes) == 1 else None
        if before is None or len(before.users) != 1:
            continue
        merged = _merged(submodule(graph, before), submodule(graph, node))
        if merged is not None:
            _replace(graph, before, node, merged)
    return finish(graph)


def _replace(graph: fx.GraphModule, before: fx.Node, node: fx.Node, layer: nn.Module) -> None:
    name = fresh_name(graph, str(node.target))
    graph.add_module(name, layer)
    node.target = name
    node.args = before.args
    graph.graph.erase_node(before)


def _merged(first: nn.Module | None, second: nn.Module | None) -> nn.Module | None:
    """One layer for both, None where they are no such pair or it would have more weights than the two."""
    if not _is_linear(first) or type(first) is not type(second) or not _is_linear(second):
        return None
    ours, theirs = _matrix(first), _matrix(second)  # type: ignore[arg-type]
    if theirs.shape[0] * ours.shape[1] > first.weight.numel() + second.weight.numel():  # type: ignore[union-attr, operator]
        return None
    bias = theirs @ _bias(first) + _bias(second)  # type: ignore[arg-type]
    weight = (theirs @ ours).float()
    merged: nn.Linear | nn.Conv2d
    if isinstance(first, nn.Linear):
        merged = nn.Linear(weight.shape[1], weight.shape[0])
    else:
        merged = nn.Conv2d(weight.shape[1], weight.shape[0], 1)
        weight = weight[:, :, None, None]
    merged.weight = nn.Parameter(weight, requires_grad=False)
    merged.bias = nn.Parameter(bias.float(), requires_grad=False)
    return merged.eval()


def _is_linear(layer: nn.Module | None) -> bool:
    if type(layer) is nn.Linear:
        return True
    return type(layer) is nn.Conv2d and (layer.kernel_size, layer.stride, layer.padding, layer.groups) == (
        (1, 1),
        (1, 1),
        (0, 0),
        1,
    )


def _matrix(layer: nn.Linear | nn.Conv2d) -> torch.Tensor:
    """(outputs, inputs) float64, so that the product is rounded once."""
    return layer.weight.detach().double().flatten(1)


def _bias(layer: nn.Linear | nn.Conv2d) -> torch.Tensor:
    if layer.bias is None:
        return torch.zeros(len(layer.weight), dtype=torch.float64)
    return layer.bias.detach().double()
