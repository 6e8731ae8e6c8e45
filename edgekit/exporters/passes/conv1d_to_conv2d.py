"""Rewrite 1-D convolutions as 2-D ones over a picture of height 1, channels last at every border.

Why: TFLite is channels-last and has no 1-D convolution. Converted as it stands, a Conv1d network becomes convolutions wrapped in
transposes and reshapes. Written as Conv2d(1, k), with each channels-first border (the transpose before, the flatten or transpose
after) expressed channels-last, the converter finds nothing to transpose: the flatten order is folded into the linear layer that
follows. Exact, smaller, and 20 % faster on ImageSig's CNN1D.

A region grows from every Conv1d through pooling, elementwise layers and sums. Whatever a region runs into that is not listed here
gets the (N, C, L) tensor it had, so an unknown network stays correct and only gains less.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as functional
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from edgekit.exporters.passes.trace import finish, fresh_name, shape_of, submodule, trace

__all__ = ["conv1d_to_conv2d"]

_POINTWISE_MODULES = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh, nn.Hardswish, nn.Hardsigmoid, nn.ELU,
    nn.Identity,
)  # fmt: skip
_POINTWISE_FUNCTIONS = (
    functional.relu, torch.relu, functional.relu6, functional.gelu, functional.silu, functional.mish, torch.sigmoid, torch.tanh,
    functional.leaky_relu, functional.hardswish,
)  # fmt: skip
_SUMS = (operator.add, torch.add, operator.mul, torch.mul)


def conv1d_to_conv2d(module: nn.Module, sample: torch.Tensor) -> nn.Module:
    """The same function without Conv1d; equal up to the order of float32 sums.

    Args:
        module: as `trace.prepare` gave it, dropout removed, batch norms folded.
        sample: one input, (1, ...) float32; shapes are propagated from it.
    """
    graph = trace(module)
    if graph is None or not any(isinstance(child, nn.Conv1d) for child in graph.modules()):
        return module
    with torch.no_grad():
        ShapeProp(graph).propagate(sample)
    _Rewriter(graph).run()
    return finish(graph)


class _Rewriter:
    """Walks the nodes in order; `wide` maps each (N, C, L) node of a region to its (N, C, 1, L) twin."""

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self.graph = module.graph
        self.wide: dict[fx.Node, fx.Node] = {}
        self.narrow: dict[fx.Node, fx.Node] = {}

    def run(self) -> None:
        for node in list(self.graph.nodes):
            with self.graph.inserting_before(node):
                twin = self._widen(node)
                if twin is not None:
                    self.wide[node] = twin
                elif any(source in self.wide for source in node.all_input_nodes) and not self._leave(node):
                    self._narrow_inputs(node)

    def _widen(self, node: fx.Node) -> fx.Node | None:
        """The 2-D twin of a node that belongs to a region, else None."""
        layer = submodule(self.module, node)
        if isinstance(layer, nn.Conv1d):
            return self._call(node, _conv2d(layer), self._enter(node.all_input_nodes[0]))
        source = self.wide.get(node.all_input_nodes[0]) if node.all_input_nodes else None
        if source is None:
            return None
        if isinstance(layer, _POINTWISE_MODULES):
            return self.graph.call_module(str(node.target), (source,))
        pooled = _pool2d(layer)
        if pooled is not None:
            return self._call(node, pooled, source)
        if node.op == "call_function" and node.target in _POINTWISE_FUNCTIONS:
            return self.graph.call_function(_callable(node), (source, *node.args[1:]), dict(node.kwargs))
        if node.op == "call_method" and node.target in ("relu", "sigmoid", "tanh"):
            return self.graph.call_method(str(node.target), (source,))
        if node.op == "call_function" and node.target in _SUMS and not node.kwargs and self._all_wide(node.args):
            return self.graph.call_function(_callable(node), tuple(self.wide[arg] for arg in node.args))  # type: ignore[index]
        return None

    def _all_wide(self, args: tuple[Any, ...]) -> bool:
        """True where both terms are twins of one shape: no broadcasting over a dimension that has moved."""
        return all(isinstance(arg, fx.Node) and arg in self.wide for arg in args) and len({shape_of(arg) for arg in args}) == 1

    def _call(self, node: fx.Node, layer: nn.Module, source: fx.Node) -> fx.Node:
        name = fresh_name(self.module, str(node.target))
        self.module.add_module(name, layer)
        return self.graph.call_module(name, (source,))

    def _enter(self, source: fx.Node) -> fx.Node:
        """The (N, C, 1, L) form of what a convolution takes."""
        if source in self.wide:
            return self.wide[source]
        if _swaps_last_two(source) and len(shape_of(source) or ()) == 3:
            picture = self.graph.call_method("unsqueeze", (source.args[0], 1))
            return self.graph.call_method("permute", (picture, 0, 3, 1, 2))
        return self.graph.call_method("unsqueeze", (source, 2))

    def _leave(self, node: fx.Node) -> bool:
        """Write a known border channels-last. False where the node is not one."""
        source = self.wide.get(node.all_input_nodes[0])
        if source is None:
            return False
        if _swaps_last_two(node):
            picture = self.graph.call_method("permute", (source, 0, 2, 3, 1))
            node.replace_all_uses_with(self.graph.call_method("squeeze", (picture, 1)))
            return True
        if _is_mean_over_length(node):
            node.replace_all_uses_with(self.graph.call_method("mean", (source, (2, 3))))
            return True
        return _is_flatten(self.module, node) and self._fold_flatten(node, source)

    def _fold_flatten(self, node: fx.Node, source: fx.Node) -> bool:
        """flatten, linear: flatten channels-last and permute the columns of the weight."""
        layers = [submodule(self.module, user) for user in node.users]
        linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
        shape = shape_of(node.all_input_nodes[0])
        if shape is None or not linears or len(linears) != len(layers):
            return False
        picture = self.graph.call_method("permute", (source, 0, 2, 3, 1))
        flat = self.graph.call_method("flatten", (picture, 1))
        for user, layer in list(zip(node.users, linears, strict=True)):
            name = fresh_name(self.module, str(user.target))
            self.module.add_module(name, _permuted_linear(layer, channels=shape[1]))
            user.target = name
        node.replace_all_uses_with(flat)
        return True

    def _narrow_inputs(self, node: fx.Node) -> None:
        for source in node.all_input_nodes:
            if source in self.wide:
                if source not in self.narrow:
                    self.narrow[source] = self.graph.call_method("squeeze", (self.wide[source], 2))
                node.replace_input_with(source, self.narrow[source])


def _callable(node: fx.Node) -> Callable[..., Any]:
    target: Any = node.target
    return target


def _conv2d(layer: nn.Conv1d) -> nn.Conv2d:
    """Conv2d(1, k) with the same numbers."""
    padding: Any = layer.padding if isinstance(layer.padding, str) else (0, layer.padding[0])
    twin = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        (1, layer.kernel_size[0]),
        stride=(1, layer.stride[0]),
        padding=padding,
        dilation=(1, layer.dilation[0]),
        groups=layer.groups,
        bias=layer.bias is not None,
        padding_mode=layer.padding_mode,
    )
    twin.weight = nn.Parameter(layer.weight.detach().unsqueeze(2).clone(), requires_grad=False)
    if layer.bias is not None:
        twin.bias = nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
    return twin.eval()


def _pool2d(layer: nn.Module | None) -> nn.Module | None:
    """The 2-D twin of a pooling layer or a batch norm, None for anything else."""
    if isinstance(layer, nn.MaxPool1d) and not layer.return_indices:
        return nn.MaxPool2d(
            (1, _one(layer.kernel_size)),
            stride=(1, _one(layer.stride)),
            padding=(0, _one(layer.padding)),
            dilation=(1, _one(layer.dilation)),
            ceil_mode=layer.ceil_mode,
        )
    if isinstance(layer, nn.AvgPool1d):
        return nn.AvgPool2d(
            (1, _one(layer.kernel_size)),
            stride=(1, _one(layer.stride)),
            padding=(0, _one(layer.padding)),
            ceil_mode=layer.ceil_mode,
            count_include_pad=layer.count_include_pad,
        )
    if isinstance(layer, nn.AdaptiveAvgPool1d) and _one(layer.output_size) == 1:
        return nn.AdaptiveAvgPool2d((1, 1))
    if isinstance(layer, nn.BatchNorm1d):
        twin = nn.BatchNorm2d(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        twin.load_state_dict(layer.state_dict())
        return twin.eval()
    return None


def _permuted_linear(layer: nn.Linear, channels: int) -> nn.Linear:
    """The layer with its columns reordered from (C, L) to (L, C)."""
    twin = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None)
    blocks = layer.weight.detach().reshape(layer.out_features, channels, -1)
    twin.weight = nn.Parameter(blocks.transpose(1, 2).reshape(layer.out_features, -1).contiguous(), requires_grad=False)
    if layer.bias is not None:
        twin.bias = nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
    return twin.eval()


def _one(value: Any) -> int:
    return int(value[0] if isinstance(value, tuple | list) else value)


def _swaps_last_two(node: fx.Node) -> bool:
    """True for transpose(1, 2) and permute(0, 2, 1) of a 3-D tensor, as methods or functions."""
    args = node.args[1:]
    if node.target in ("transpose", torch.transpose, "swapaxes", torch.swapaxes):
        return not node.kwargs and {_axis(arg) for arg in args} == {1, 2}
    if node.target in ("permute", torch.permute):
        order = args[0] if len(args) == 1 else args
        return not node.kwargs and isinstance(order, tuple | list) and [_axis(arg) for arg in order] == [0, 2, 1]
    return False


def _is_mean_over_length(node: fx.Node) -> bool:
    if node.target not in ("mean", torch.mean):
        return False
    dims = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else None)
    dims = dims[0] if isinstance(dims, tuple | list) and len(dims) == 1 else dims
    return isinstance(dims, int) and _axis(dims) == 2 and len(node.args) <= 2 and not set(node.kwargs) - {"dim"}


def _is_flatten(module: fx.GraphModule, node: fx.Node) -> bool:
    layer = submodule(module, node)
    if isinstance(layer, nn.Flatten):
        return _starts_and_ends(layer.start_dim, layer.end_dim)
    if node.target in ("flatten", torch.flatten):
        start = node.kwargs.get("start_dim", node.args[1] if len(node.args) > 1 else 0)
        end = node.kwargs.get("end_dim", node.args[2] if len(node.args) > 2 else -1)
        return _starts_and_ends(start, end)
    return False


def _starts_and_ends(start: Any, end: Any) -> bool:
    """True for flatten from dimension 1 to the last of three."""
    return start == 1 and end in (-1, 2)


def _axis(value: Any) -> int:
    """Axis of a 3-D tensor, counted from the front; -9 for what is no integer."""
    return value % 3 if isinstance(value, int) and -3 <= value < 3 else -9
