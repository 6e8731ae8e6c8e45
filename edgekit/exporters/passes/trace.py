"""Torch modules as graphs that passes can edit."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import fx, nn

from edgekit.exporters.quiet import quiet

__all__ = ["finish", "fresh_name", "plain_attention", "prepare", "shape_of", "submodule", "trace", "trusted"]


def prepare(module: nn.Module) -> nn.Module:
    """A deep copy on the CPU, in eval mode, float32, without gradients: what every pass on torch modules takes."""
    clone = copy.deepcopy(module).cpu().float().eval()
    for parameter in clone.parameters():
        parameter.requires_grad_(False)
    return clone


def trace(module: nn.Module) -> fx.GraphModule | None:
    """The module as an fx graph, None where its Python cannot be traced (data-dependent control flow and the like).

    A pass that gets None leaves the module as it is: the exporters trace it by example instead, and lose only what the pass
    gains.
    """
    if isinstance(module, fx.GraphModule):
        return module
    tracer = _Tracer(module)
    graph = tracer.attempt(module)
    return None if graph is None else fx.GraphModule(module, graph)


def trusted(module: nn.Module, sample: torch.Tensor) -> nn.Module:
    """The module where its traced graph computes what it computes, else one that no pass can trace.

    Symbolic tracing sees stand-ins for tensors: Python that asks for their type (`isinstance(y, tuple)`) takes the other branch.

    Args:
        module: as `prepare` gave it.
        sample: one input, (1, ...) float32.
    """
    graph = trace(module)
    if graph is None:
        return module
    # fx tells on stderr of what fails.
    with torch.no_grad(), quiet():
        wanted = module(sample)
        try:
            same = torch.allclose(graph(sample), wanted, equal_nan=True)
        # A graph that took another branch may fail in any way.
        except Exception:  # noqa: BLE001
            same = False
    return module if same else _AsItIs(module)


class _AsItIs(nn.Module):
    """Gives stand-ins for tensors no answer."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Any) -> torch.Tensor:
        if isinstance(x, fx.Proxy):
            raise TypeError("not to be traced")
        result: torch.Tensor = self.module(x)
        return result


@contextlib.contextmanager
def plain_attention() -> Iterator[None]:
    """Within the block torch's attention is made of single operators; its fused path for inference has none in ONNX.

    Process-wide, as the switch itself is.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class _Tracer(fx.Tracer):
    """Takes whole a submodule whose own Python cannot be traced, so that one odd layer does not hide the rest of the network."""

    def __init__(self, root: nn.Module) -> None:
        super().__init__()
        self._opaque: set[nn.Module] = set()
        if self.attempt(root) is not None:
            return
        children = [child for child in root.modules() if child is not root]
        # Innermost first: a block around an opaque layer may itself be traceable.
        for child in reversed(children):
            if not self.is_leaf_module(child, "") and self.attempt(child) is None:
                self._opaque.add(child)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return m in self._opaque or super().is_leaf_module(m, module_qualified_name)

    def attempt(self, module: nn.Module) -> fx.Graph | None:
        """The module's graph, None where tracing fails."""
        try:
            return self.trace(module)
        except (fx.proxy.TraceError, TypeError, ValueError, NotImplementedError, AttributeError, RuntimeError, NameError):
            return None


def fresh_name(graph: fx.GraphModule, hint: str) -> str:
    """A submodule name that `graph` does not use yet."""
    base, number = hint.replace(".", "_"), 0
    while hasattr(graph, f"{base}_{number}"):
        number += 1
    return f"{base}_{number}"


def submodule(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that a call_module node calls, None for other nodes."""
    if node.op != "call_module":
        return None
    return graph.get_submodule(str(node.target))


def finish(graph: fx.GraphModule) -> fx.GraphModule:
    """Drop what is dead and compile the edited graph."""
    graph.graph.eliminate_dead_code()
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()
    return graph


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """The shape that shape propagation found for a node, None where it gave no single tensor."""
    meta = node.meta.get("tensor_meta")
    shape = getattr(meta, "shape", None)
    return None if not isinstance(shape, torch.Size) else tuple(shape)
