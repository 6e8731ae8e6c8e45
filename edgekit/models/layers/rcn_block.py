"""The block of SHNet: SqueezeNext's, its spatial convolution two depthwise 1-D ones, then attention (figure 3 of the paper)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from edgekit.models.layers.conv_norm import conv_norm

__all__ = ["RCNBlock"]


class RCNBlock(nn.Module):
    """relu(shortcut(x) + F(x)): 1x1 to half the width, depthwise 3x1 and 1x3 with a skip around, attention, 1x1 to the width.

    RCN is the residual pair of 1-D convolutions (Shahadat & Maida 2023, arXiv:2301.04631). The stride stands on the first 1x1, as
    in SqueezeNext (Gholami et al. 2018, arXiv:1803.10615).

    Args:
        channels: of the input.
        width: channels of the output, even.
        stride: of the first 1x1 convolution and the shortcut.
        attention: width -> attention module over so many channels.
    """

    def __init__(self, channels: int, width: int, stride: int, attention: Callable[[int], nn.Module]) -> None:
        super().__init__()
        inner = width // 2
        self.narrow = conv_norm(channels, inner, stride=stride)
        self.pair = nn.Sequential(
            conv_norm(inner, inner, (3, 1), groups=inner),
            conv_norm(inner, inner, (1, 3), groups=inner, activation=None),
        )
        self.attention = attention(inner)
        self.widen = conv_norm(inner, width, activation=None)
        same = channels == width and stride == 1
        self.shortcut = nn.Identity() if same else conv_norm(channels, width, stride=stride, activation=None)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) to (N, width, ceil(H / stride), ceil(W / stride)), float32."""
        inner = self.narrow(x)
        inner = self.attention(self.act(inner + self.pair(inner)))
        result: torch.Tensor = self.act(self.shortcut(x) + self.widen(inner))
        return result
