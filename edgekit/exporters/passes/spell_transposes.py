"""Write `x.mT` and its kin as transpose(-2, -1).

Why: torch's ONNX exporter knows the method and not the attribute. For real numbers `mH` is the same.
"""

from __future__ import annotations

from torch import fx, nn

from edgekit.exporters.passes.trace import finish, trace

__all__ = ["spell_transposes"]

_ATTRIBUTES = ("mT", "mH")


def spell_transposes(module: nn.Module) -> nn.Module:
    """The same function without transposing attributes; equal to the bit. Untraceable modules come back as they are.

    Args:
        module: as `trace.prepare` gave it.
    """
    graph = trace(module)
    if graph is None:
        return module
    for node in list(graph.graph.nodes):
        if node.op == "call_function" and node.target is getattr and node.args[1] in _ATTRIBUTES:
            _spell(graph.graph, node)
    return finish(graph)


def _spell(graph: fx.Graph, node: fx.Node) -> None:
    with graph.inserting_before(node):
        node.replace_all_uses_with(graph.call_method("transpose", (node.args[0], -2, -1)))
    graph.erase_node(node)
