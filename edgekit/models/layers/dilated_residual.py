"""The multi-dilated residual block of MeDiANet (section 3.2, eq. 3; figure 4)."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.models.layers.mish_residual import norm_mish

__all__ = ["DilatedResidual"]


class DilatedResidual(nn.Module):
    """x + F(x): 1x1 to a quarter, parallel 3x3 convolutions of several dilations, summed, 1x1 back; batch norm, Mish before each.

    Args:
        width: K, channels of input and output, a multiple of 4.
        dilations: one a parallel convolution; each keeps height and width.
    """

    def __init__(self, width: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        inner = width // 4
        self.narrow = nn.Sequential(*norm_mish(width), nn.Conv2d(width, inner, 1))
        self.act = nn.Sequential(*norm_mish(inner))
        self.branches = nn.ModuleList(nn.Conv2d(inner, inner, 3, padding=d, dilation=d) for d in dilations)
        self.widen = nn.Sequential(*norm_mish(inner), nn.Conv2d(inner, width, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, width, H, W) float32 to the same shape."""
        inner = self.act(self.narrow(x))
        first, *others = self.branches
        total = first(inner)
        for branch in others:
            total = total + branch(inner)
        result: torch.Tensor = x + self.widen(total)
        return result
