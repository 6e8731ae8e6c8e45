"""The residual block of two 1-D convolutions, for sensor windows (Wang et al. 2017, arXiv:1611.06455, figure 1c, with two)."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["ResidualBlock1d", "conv_norm_1d"]


class ResidualBlock1d(nn.Module):
    """relu(shortcut(x) + norm(conv(relu(norm(conv(x)))))); the shortcut is projected where the shape changes.

    Args:
        channels: of the input.
        width: channels of the output.
        kernel: odd size of both convolutions.
        stride: of the first convolution and the shortcut.
    """

    def __init__(self, channels: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv_norm_1d(channels, width, kernel, stride)
        self.second = conv_norm_1d(width, width, kernel)[:-1]
        same = channels == width and stride == 1
        self.shortcut = nn.Identity() if same else conv_norm_1d(channels, width, 1, stride)[:-1]
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, T) to (N, width, ceil(T / stride)), float32."""
        result: torch.Tensor = self.act(self.shortcut(x) + self.second(self.first(x)))
        return result


def conv_norm_1d(channels: int, width: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Conv1d that keeps the length at stride 1, BatchNorm1d, ReLU."""
    return nn.Sequential(
        nn.Conv1d(channels, width, kernel, stride=stride, padding=kernel // 2, bias=False), nn.BatchNorm1d(width), nn.ReLU()
    )
