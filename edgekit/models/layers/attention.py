"""Multi-head self-attention from plain linear layers, matmuls and one softmax, so that it exports and quantizes."""

from __future__ import annotations

import torch
from torch import nn

from edgekit.errors import ModelError

__all__ = ["SelfAttention"]


class SelfAttention(nn.Module):
    """Self-attention of Vaswani et al. 2017 (arXiv:1706.03762), eq. 1, with an inner width of its own.

    Args:
        width: C, features of an element of the sequence.
        heads: number of heads.
        head_width: features a head; the inner width is heads * head_width, whatever C is.
        dropout: on the attention weights.

    Raises:
        ModelError: on a size below 1.
    """

    def __init__(self, width: int, heads: int, head_width: int, dropout: float = 0.0) -> None:
        super().__init__()
        if min(width, heads, head_width) < 1:
            raise ModelError(f"Expected positive widths and heads, got width {width}, {heads} heads of {head_width}.")
        self.heads, self.head_width = heads, head_width
        inner = heads * head_width
        self.query = nn.Linear(width, inner)
        self.key = nn.Linear(width, inner)
        self.value = nn.Linear(width, inner)
        self.output = nn.Linear(inner, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Attend.

        Args:
            x: (N, L, C) float32.

        Returns:
            (N, L, C) float32.
        """
        query = self._split(self.query(x) * self.head_width**-0.5)
        key, value = self._split(self.key(x)), self._split(self.value(x))
        weights = self.dropout(torch.softmax(torch.matmul(query, key.transpose(-2, -1)), dim=-1))
        mixed = torch.matmul(weights, value).transpose(1, 2).flatten(2)
        result: torch.Tensor = self.output(mixed)
        return result

    def _split(self, x: torch.Tensor) -> torch.Tensor:
        """(N, L, heads * head_width) to (N, heads, L, head_width)."""
        return x.reshape(x.shape[0], x.shape[1], self.heads, self.head_width).transpose(1, 2)
