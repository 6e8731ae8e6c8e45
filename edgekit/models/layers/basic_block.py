"""The residual block of two 3x3 convolutions (He et al. 2015, arXiv:1512.03385, figure 5, left)."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.models.layers.conv_norm import conv_norm

__all__ = ["BasicBlock"]


class BasicBlock(nn.Module):
    """relu(shortcut(x) + norm(conv(relu(norm(conv(x)))))).

    The shortcut is the identity where the shape stays, a 1x1 convolution (option B of the paper) where it changes.

    Args:
        channels: of the input.
        width: channels of the output.
        stride: of the first convolution and the shortcut.
        biased: every convolution has a bias and the shortcut no batch norm, as in MLPerf Tiny's ResNet8.
    """

    def __init__(self, channels: int, width: int, stride: int = 1, *, biased: bool = False) -> None:
        super().__init__()
        self.first = conv_norm(channels, width, 3, stride=stride, bias=biased)
        self.second = conv_norm(width, width, 3, bias=biased, activation=None)
        self.shortcut = _shortcut(channels, width, stride, biased)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) to (N, width, ceil(H / stride), ceil(W / stride)), float32."""
        result: torch.Tensor = self.act(self.shortcut(x) + self.second(self.first(x)))
        return result


def _shortcut(channels: int, width: int, stride: int, biased: bool) -> nn.Module:
    if channels == width and stride == 1:
        return nn.Identity()
    if biased:
        return nn.Conv2d(channels, width, 1, stride=stride)
    return conv_norm(channels, width, stride=stride, activation=None)
