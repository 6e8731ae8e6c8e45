"""Remove dropout and identity layers.

Why: in eval mode they compute nothing, but they stand between layers that later passes and the converters want to see side by
side (flatten and linear, convolution and batch norm).
"""

from __future__ import annotations

import operator

import torch.nn.functional as functional
from torch import fx, nn

from edgekit.exporters.passes.trace import finish, submodule, trace

__all__ = ["drop_dropout"]

_MODULES = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout, nn.Identity)
_FUNCTIONS = (functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d, operator.pos)


def drop_dropout(module: nn.Module) -> nn.Module:
    """The same function without dropout and identity layers; exact to the bit. Untraceable modules come back as they are.

    Args:
        module: as `trace.prepare` gave it (eval mode: dropout is the identity).
    """
    graph = trace(module)
    if graph is None:
        return module
    for node in list(graph.graph.nodes):
        is_identity = isinstance(submodule(graph, node), _MODULES) or (node.op == "call_function" and node.target in _FUNCTIONS)
        if is_identity and not _still_random(node):
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.graph.erase_node(node)
    return finish(graph)


def _still_random(node: fx.Node) -> bool:
    """A functional dropout whose author left `training` at True drops in eval mode too: leave it, it is what the network does."""
    if node.target not in _FUNCTIONS or node.target is operator.pos:
        return False
    training = node.kwargs.get("training", node.args[2] if len(node.args) > 2 else True)
    return training is not False
