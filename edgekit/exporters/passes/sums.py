"""Sums in fx graphs, as the passes that look into them see them."""

from __future__ import annotations

import operator

import torch
from torch import fx

from edgekit.exporters.passes.trace import shape_of

__all__ = ["is_sum", "terms"]


def is_sum(node: fx.Node) -> bool:
    """True for the sum of two tensors of one shape, as propagated: no broadcasting, no factor."""
    if node.op != "call_function" or node.target not in (operator.add, torch.add, operator.iadd) or node.kwargs:
        return False
    shapes = {shape_of(arg) for arg in node.args if isinstance(arg, fx.Node)}
    return len(node.args) == 2 and all(isinstance(arg, fx.Node) for arg in node.args) and len(shapes) == 1


def terms(node: fx.Node) -> list[fx.Node]:
    """The terms of a sum, sums of sums opened where nobody else uses them; the node itself where it is no sum.

    A term that is added twice stands there twice.
    """
    if not is_sum(node):
        return [node]
    return [term for arg in node.args if isinstance(arg, fx.Node) for term in (terms(arg) if len(arg.users) == 1 else [arg])]
