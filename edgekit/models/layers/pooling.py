"""Sequence pooling of the Compact Convolutional Transformer (Hassani et al. 2021, arXiv:2104.05704, section 3.2)."""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["SequencePooling"]


class SequencePooling(nn.Module):
    """Weighted sum over the sequence, the weights a softmax of one linear score an element.

    Args:
        width: C, features of an element.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pool.

        Args:
            x: (N, L, C) float32.

        Returns:
            (N, C) float32.
        """
        weights = torch.softmax(self.score(x), dim=1)
        return torch.matmul(weights.transpose(1, 2), x).flatten(1)
