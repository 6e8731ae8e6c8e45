"""The inverted residual with a linear bottleneck (Sandler et al. 2018, arXiv:1801.04381, section 3.3 and table 1)."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.models.layers.conv_norm import conv_norm

__all__ = ["InvertedResidual"]


class InvertedResidual(nn.Module):
    """1x1 to expansion * channels, depthwise 3x3, linear 1x1 to `width`; x is added where the shape stays.

    Args:
        channels: of the input.
        width: channels of the output.
        stride: of the depthwise convolution.
        expansion: t of the paper; 1 leaves the first convolution out.
        activation: class of the activation.
    """

    def __init__(
        self, channels: int, width: int, stride: int = 1, expansion: int = 6, activation: type[nn.Module] = nn.ReLU6
    ) -> None:
        super().__init__()
        inner = channels * expansion
        widen = [] if expansion == 1 else [conv_norm(channels, inner, activation=activation)]
        self.layers = nn.Sequential(
            *widen,
            conv_norm(inner, inner, 3, stride=stride, groups=inner, activation=activation),
            conv_norm(inner, width, activation=None),
        )
        self.is_residual = stride == 1 and channels == width

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) to (N, width, ceil(H / stride), ceil(W / stride)), float32."""
        result: torch.Tensor = self.layers(x)
        return x + result if self.is_residual else result
