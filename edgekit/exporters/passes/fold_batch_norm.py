"""Fold batch normalisation into the convolution or linear layer before it.

Why: it removes an operator and its four vectors, and int8 sees one range instead of two. A batch norm that follows anything else
(pre-activation blocks) stays.
"""

from __future__ import annotations

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from edgekit.exporters.passes.trace import finish, fresh_name, shape_of, submodule, trace

__all__ = ["fold_batch_norm"]

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def fold_batch_norm(module: nn.Module, sample: torch.Tensor) -> nn.Module:
    """The same function with batch norms folded where they can be; equal up to float32 rounding.

    Args:
        module: as `trace.prepare` gave it (eval mode: running statistics).
        sample: one input, (1, ...) float32; shapes are propagated from it, because after a linear layer a BatchNorm1d means the
            last axis of a matrix but the middle axis of a sequence.
    """
    graph = trace(module)
    if graph is None or not any(isinstance(child, _NORMS) for child in graph.modules()):
        return module
    with torch.no_grad():
        ShapeProp(graph).propagate(sample)
    for node in list(graph.graph.nodes):
        norm = submodule(graph, node)
        if isinstance(norm, _NORMS) and norm.running_mean is not None:
            _fold(graph, node, norm)
    return finish(graph)


def _fold(graph: fx.GraphModule, node: fx.Node, norm: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) -> None:
    before = node.all_input_nodes[0]
    layer = submodule(graph, before)
    if len(before.users) != 1:
        return
    if isinstance(layer, _CONVOLUTIONS):
        fused: nn.Module = fuse_conv_bn_eval(layer, norm)
    elif isinstance(layer, nn.Linear) and len(shape_of(node) or ()) == 2:
        fused = fuse_linear_bn_eval(layer, norm)
    else:
        return
    name = fresh_name(graph, str(before.target))
    graph.add_module(name, fused)
    before.target = name
    node.replace_all_uses_with(before)
    graph.graph.erase_node(node)
