"""The residual block of 1x1, 3x3 and 1x1 convolutions (He et al. 2015, arXiv:1512.03385, figure 5, right)."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.models.layers.conv_norm import conv_norm

__all__ = ["Bottleneck"]

_EXPANSION = 4


class Bottleneck(nn.Module):
    """relu(shortcut(x) + F(x)); the stride stands on the 3x3 convolution, the shortcut is projected where the shape changes.

    Args:
        channels: of the input.
        width: of the 3x3 convolution; the output is four times as wide.
        stride: of the 3x3 convolution and the shortcut.
    """

    expansion = _EXPANSION

    def __init__(self, channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        wide = _EXPANSION * width
        self.layers = nn.Sequential(
            conv_norm(channels, width),
            conv_norm(width, width, 3, stride=stride),
            conv_norm(width, wide, activation=None),
        )
        same = channels == wide and stride == 1
        self.shortcut = nn.Identity() if same else conv_norm(channels, wide, stride=stride, activation=None)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) to (N, 4 width, ceil(H / stride), ceil(W / stride)), float32."""
        result: torch.Tensor = self.act(self.shortcut(x) + self.layers(x))
        return result
