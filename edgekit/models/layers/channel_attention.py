"""Attention over channels: a map is pooled, its channels weighed against each other, and scaled."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.models.layers.phm import PHMLinear

__all__ = ["SqueezeExcitation", "SqueezeHypercomplex"]


class SqueezeHypercomplex(nn.Module):
    """x * sigmoid(PHM(mean(x))) of SHNet (section 4): one hypercomplex layer in place of the two of Squeeze-and-Excitation.

    Args:
        width: channels, a multiple of 4.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.weigh = nn.Sequential(PHMLinear(width, width), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, width, H, W) float32 to the same shape."""
        weights: torch.Tensor = self.weigh(self.pool(x))
        return x * weights.reshape(-1, self.width, 1, 1)


class SqueezeExcitation(nn.Module):
    """x * sigmoid(W2 relu(W1 mean(x))) (Hu et al. 2018, arXiv:1709.01507, eq. 3 and 4).

    Args:
        width: channels.
        reduction: r: the hidden layer has width / r units, at least 1.
    """

    def __init__(self, width: int, reduction: int = 4) -> None:
        super().__init__()
        hidden = max(1, width // reduction)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.weigh = nn.Sequential(nn.Conv2d(width, hidden, 1), nn.ReLU(), nn.Conv2d(hidden, width, 1), nn.Sigmoid())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, width, H, W) float32 to the same shape."""
        return x * self.weigh(self.pool(x))
