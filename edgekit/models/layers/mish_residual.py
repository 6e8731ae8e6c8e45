"""The pre-activation residual block with Mish of MeDiANet (section 3.1, eq. 2; figure 3)."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["MishResidual", "norm_mish"]


class MishResidual(nn.Module):
    """x + F(x), F three times batch norm, Mish, convolution: 1x1 to width / 4, 3x3 with the stride, 1x1 to width.

    After He et al. 2016 (arXiv:1603.05027); Mish is Misra's (arXiv:1908.08681). A biased 1x1 projection stands in for the
    identity where the shape changes.

    Args:
        channels: of the input.
        width: K, channels of the output, a multiple of 4.
        stride: of the 3x3 convolution and the projection.
    """

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        inner = width // 4
        self.layers = nn.Sequential(
            *norm_mish(channels),
            nn.Conv2d(channels, inner, 1),
            *norm_mish(inner),
            nn.Conv2d(inner, inner, 3, stride=stride, padding=1),
            *norm_mish(inner),
            nn.Conv2d(inner, width, 1),
        )
        same = channels == width and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(channels, width, 1, stride=stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) to (N, width, ceil(H / stride), ceil(W / stride)), float32."""
        result: torch.Tensor = self.shortcut(x) + self.layers(x)
        return result


def norm_mish(channels: int) -> tuple[nn.Module, nn.Module]:
    """What stands before every convolution of a pre-activation block."""
    return nn.BatchNorm2d(channels), nn.Mish()
