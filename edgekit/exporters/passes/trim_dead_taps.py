"""Cut off the taps of a convolution that only ever read padding.

Why: on a small picture the maps of a deep network are smaller than the reach of its kernels. A 3x3 convolution of dilation 8 over
a map of 8 x 8 reads nothing but its centre, and so does any 3x3 over one pixel: eight ninths of its weights are multiplied by
zeros, and fill the file. What is left is a 1x1 convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from edgekit.exporters.passes.trace import finish, fresh_name, shape_of, submodule, trace

__all__ = ["trim_dead_taps"]

_KINDS = (nn.Conv1d, nn.Conv2d)


def trim_dead_taps(module: nn.Module, sample: torch.Tensor) -> nn.Module:
    """The same function with smaller kernels; equal up to float32 rounding. Untraceable modules come back as they are.

    Args:
        module: as `trace.prepare` gave it.
        sample: one input, (1, ...) float32; the sizes of the maps are propagated from it.
    """
    graph = trace(module)
    if graph is None:
        return module
    with torch.no_grad():
        ShapeProp(graph).propagate(sample)
    for node in graph.graph.nodes:
        layer = submodule(graph, node)
        if type(layer) in _KINDS:
            _trim(graph, node, layer)  # type: ignore[arg-type]
    return finish(graph)


@dataclass(frozen=True)
class _Taps:
    """What stays of one dimension: taps first to last, and the padding that they need."""

    first: int
    last: int
    padding: int


def _trim(graph: fx.GraphModule, node: fx.Node, layer: nn.Conv1d | nn.Conv2d) -> None:
    before, after = shape_of(node.all_input_nodes[0]), shape_of(node)
    if before is None or after is None or layer.padding_mode != "zeros":
        return
    taps = [_alive(layer, axis, before[2 + axis], after[2 + axis]) for axis in range(len(layer.kernel_size))]
    kernel = tuple(tap.last - tap.first + 1 for tap in taps)
    if kernel != layer.kernel_size:
        name = fresh_name(graph, str(node.target))
        graph.add_module(name, _smaller(layer, taps, kernel))
        node.target = name


def _alive(layer: nn.Conv1d | nn.Conv2d, axis: int, size: int, outputs: int) -> _Taps:
    """The taps that meet the map, where the outputs stay the same with as much padding on both sides."""
    kernel, stride, dilation = layer.kernel_size[axis], layer.stride[axis], layer.dilation[axis]
    padding = _padding(layer, axis)
    reached = [tap for tap in range(kernel) if any(0 <= o * stride - padding + tap * dilation < size for o in range(outputs))]
    whole = _Taps(0, kernel - 1, padding)
    if not reached:
        return whole
    first, last = reached[0], reached[-1]
    left = padding - first * dilation
    span = dilation * (last - first) + 1
    fits = left >= 0 and (size + 2 * left - span) // stride + 1 == outputs
    return _Taps(first, last, left) if fits else whole


def _padding(layer: nn.Conv1d | nn.Conv2d, axis: int) -> int:
    if layer.padding == "same":
        return layer.dilation[axis] * (layer.kernel_size[axis] - 1) // 2
    return 0 if isinstance(layer.padding, str) else layer.padding[axis]


def _smaller(layer: nn.Conv1d | nn.Conv2d, taps: list[_Taps], kernel: tuple[int, ...]) -> nn.Module:
    kept = (slice(None), slice(None), *(slice(tap.first, tap.last + 1) for tap in taps))
    twin = type(layer)(
        layer.in_channels,
        layer.out_channels,
        kernel,  # type: ignore[arg-type]
        stride=layer.stride,  # type: ignore[arg-type]
        padding=tuple(tap.padding for tap in taps),  # type: ignore[arg-type]
        dilation=tuple(d if size > 1 else 1 for d, size in zip(layer.dilation, kernel, strict=True)),  # type: ignore[arg-type]
        groups=layer.groups,
        bias=layer.bias is not None,
    )
    twin.weight = nn.Parameter(layer.weight.detach()[kept].contiguous(), requires_grad=False)
    if layer.bias is not None:
        twin.bias = nn.Parameter(layer.bias.detach().clone(), requires_grad=False)
    return twin.eval()
