"""Fold a batch norm that follows a sum of convolutions into each of them.

Why: as `fold_batch_norm`, for blocks with parallel convolutions, which that pass does not see through.
"""

from __future__ import annotations

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgekit.exporters.passes.sums import is_sum, terms
from edgekit.exporters.passes.trace import finish, fresh_name, submodule, trace

__all__ = ["fold_norm_into_sum"]


def fold_norm_into_sum(module: nn.Module, sample: torch.Tensor) -> nn.Module:
    """The same function without those batch norms; equal up to float32 rounding. Untraceable modules come back as they are.

    Args:
        module: as `trace.prepare` gave it.
        sample: one input, (1, ...) float32; shapes are propagated from it.
    """
    graph = trace(module)
    if graph is None or not any(isinstance(child, nn.BatchNorm2d) for child in graph.modules()):
        return module
    with torch.no_grad():
        ShapeProp(graph).propagate(sample)
    for node in list(graph.graph.nodes):
        norm = submodule(graph, node)
        if isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
            _fold(graph, node, norm)
    return finish(graph)


def _fold(graph: fx.GraphModule, node: fx.Node, norm: nn.BatchNorm2d) -> None:
    total = node.all_input_nodes[0]
    if not is_sum(total) or len(total.users) != 1:
        return
    parts = terms(total)
    layers = [submodule(graph, part) for part in parts]
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    if len(convolutions) != len(layers) or len(set(parts)) != len(parts) or any(len(part.users) != 1 for part in parts):
        return
    for number, (part, layer) in enumerate(zip(parts, convolutions, strict=True)):
        name = fresh_name(graph, str(part.target))
        graph.add_module(name, fuse_conv_bn_eval(layer, norm if number == 0 else _scale_alone(norm)))
        part.target = name
    node.replace_all_uses_with(total)
    graph.graph.erase_node(node)


def _scale_alone(norm: nn.BatchNorm2d) -> nn.BatchNorm2d:
    """The norm without its shift, which the first term carries for all."""
    twin = nn.BatchNorm2d(norm.num_features, norm.eps).eval()
    twin.running_mean = torch.zeros(norm.num_features)
    twin.running_var = norm.running_var
    if norm.affine:
        twin.weight = nn.Parameter(norm.weight.detach(), requires_grad=False)
    twin.bias = nn.Parameter(torch.zeros(norm.num_features), requires_grad=False)
    return twin
