"""Write modules that ONNX (to opset 17) has no operator for, and torch's exporter does not spell by itself, in operators it has.

Why: root-mean-square norms (Zhang and Sennrich 2019, arXiv:1910.07467, equation 4), channel shuffles and adaptive averages whose
sizes do not divide the input's are in networks of today, and each is a line of arithmetic.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as functional
from torch import nn

__all__ = ["spell_modules"]


def spell_modules(module: nn.Module) -> nn.Module:
    """A copy with such modules spelled; equal up to float32 rounding.

    Args:
        module: as `trace.prepare` gave it.
    """
    clone = copy.deepcopy(module)
    for parent in list(clone.modules()):
        for name, child in list(parent.named_children()):
            if type(child) in _SPELLED:
                setattr(parent, name, _SPELLED[type(child)](child).eval())
    return _SPELLED[type(clone)](clone).eval() if type(clone) in _SPELLED else clone


class _RootMeanSquare(nn.Module):
    def __init__(self, norm: nn.RMSNorm) -> None:
        super().__init__()
        self.weight, self.axes = norm.weight, tuple(range(-len(norm.normalized_shape), 0))
        self.epsilon = torch.finfo(torch.float32).eps if norm.eps is None else norm.eps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scaled = x * torch.rsqrt((x * x).mean(self.axes, keepdim=True) + self.epsilon)
        return scaled if self.weight is None else scaled * self.weight


class _Shuffle(nn.Module):
    def __init__(self, shuffle: nn.ChannelShuffle) -> None:
        super().__init__()
        self.groups = shuffle.groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, channels, *rest = (int(size) for size in x.shape)
        return x.reshape(n, self.groups, channels // self.groups, *rest).transpose(1, 2).reshape(n, channels, *rest)


class _AdaptiveAverage(nn.Module):
    """Products with fixed matrices where the sizes do not divide."""

    def __init__(self, pool: nn.AdaptiveAvgPool1d | nn.AdaptiveAvgPool2d) -> None:
        super().__init__()
        self.axes = 1 if isinstance(pool, nn.AdaptiveAvgPool1d) else 2
        given: Any = pool.output_size
        self.sizes = tuple(given) if isinstance(given, tuple | list) else (given,) * self.axes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = [int(size) for size in x.shape[-self.axes :]]
        after = [old if size is None else int(size) for old, size in zip(before, self.sizes, strict=True)]
        if all(old % new == 0 for old, new in zip(before, after, strict=True)):
            return (
                functional.adaptive_avg_pool1d(x, after[0])
                if self.axes == 1
                else functional.adaptive_avg_pool2d(x, (after[0], after[1]))
            )
        x = x @ _averages(before[-1], after[-1])
        return x if self.axes == 1 else (x.transpose(-1, -2) @ _averages(before[0], after[0])).transpose(-1, -2)


def _averages(before: int, after: int) -> torch.Tensor:
    """(before, after) float32: column i averages what torch's adaptive pool does, from floor(i b / a) to ceil((i + 1) b / a)."""
    matrix = torch.zeros(before, after)
    for column in range(after):
        first, last = column * before // after, -(-(column + 1) * before // after)
        matrix[first:last, column] = 1 / (last - first)
    return matrix


_SPELLED: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.RMSNorm: _RootMeanSquare,
    nn.ChannelShuffle: _Shuffle,
    nn.AdaptiveAvgPool1d: _AdaptiveAverage,
    nn.AdaptiveAvgPool2d: _AdaptiveAverage,
}
