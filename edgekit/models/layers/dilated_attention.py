"""The dilated residual attention block of MeDiANet (section 3.3, eq. 4 to 9; figures 5 and 6): trunk, mask, and both together."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import nn

from edgekit.models.layers.dilated_residual import DilatedResidual
from edgekit.models.layers.mish_residual import MishResidual

__all__ = ["DilatedAttention", "Mask"]

_DEPTH = 3


class DilatedAttention(nn.Module):
    """DiET: Res, then T + T * mask with T two MDiRes, then Res.

    Args:
        width: K, channels of input and output, a multiple of 4.
        dilations: of every MDiRes in it.
        size: (height, width) of the maps.
    """

    def __init__(self, width: int, dilations: tuple[int, ...], size: tuple[int, int]) -> None:
        super().__init__()
        self.entry = MishResidual(width, width)
        self.trunk = nn.Sequential(DilatedResidual(width, dilations), DilatedResidual(width, dilations))
        self.mask = Mask(width, dilations, size)
        self.exit = MishResidual(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, width, *size) float32 to the same shape."""
        x = self.entry(x)
        trunk = self.trunk(x)
        result: torch.Tensor = self.exit(trunk + trunk * self.mask(x))
        return result


class Mask(nn.Module):
    """Three times down (max pooling 2, MDiRes), three times up (MDiRes, nearest neighbour), skips, two 1x1 convolutions, sigmoid.

    A skip (MDiRes) leaves after the first and the second way down and is added where the way up has its size again. Pooling
    rounds odd sizes up, so that it never ends at nothing: 28, 14, 7, 4 and at least 1.

    Args:
        width: K, channels of input and output, a multiple of 4.
        dilations: of every MDiRes in it.
        size: (height, width) of the maps.
    """

    def __init__(self, width: int, dilations: tuple[int, ...], size: tuple[int, int]) -> None:
        super().__init__()
        self.sizes = [size]
        for _ in range(_DEPTH):
            self.sizes.append(((self.sizes[-1][0] + 1) // 2, (self.sizes[-1][1] + 1) // 2))
        self.pool = nn.MaxPool2d(2, ceil_mode=True)
        self.down = nn.ModuleList(DilatedResidual(width, dilations) for _ in range(_DEPTH))
        self.up = nn.ModuleList(DilatedResidual(width, dilations) for _ in range(_DEPTH))
        self.skips = nn.ModuleList(DilatedResidual(width, dilations) for _ in range(_DEPTH - 1))
        self.gate = nn.Sequential(nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, width, *size) float32 to a mask of that shape in (0, 1)."""
        skips: list[torch.Tensor] = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x))
            if level < _DEPTH - 1:
                skips.append(self.skips[level](x))
        for block, below, size in zip(self.up, reversed(self.sizes[1:]), reversed(self.sizes[:-1]), strict=True):
            x = functional.interpolate(block(x), scale_factor=2.0, mode="nearest")
            if (2 * below[0], 2 * below[1]) != size:
                # Doubled and cut gives what resizing by an odd ratio gives, on which converters disagree.
                x = x[:, :, : size[0], : size[1]]
            if skips:
                x = x + skips.pop()
        mask: torch.Tensor = self.gate(x)
        return mask
