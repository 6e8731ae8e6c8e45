"""Parameterised hypercomplex multiplication (Zhang et al. 2021, arXiv:2102.08597, eq. 3), with Hamilton's quaternions."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import nn

from edgekit.errors import ModelError

__all__ = ["HAMILTON", "PHMLinear"]

#: A_1 to A_4 of the Hamilton product C * H, for H = r, i, j, k. SHNet's paper prints A_2 and A_4 with errors; eq. 6 needs these.
HAMILTON = (
    ((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)),
    ((0, -1, 0, 0), (1, 0, 0, 0), (0, 0, 0, 1), (0, 0, -1, 0)),
    ((0, 0, -1, 0), (0, 0, 0, -1), (1, 0, 0, 0), (0, 1, 0, 0)),
    ((0, 0, 0, -1), (0, 0, 1, 0), (0, -1, 0, 0), (1, 0, 0, 0)),
)
_PARTS = 4


class PHMLinear(nn.Module):
    """y = H x + b with H = sum_i A_i (x) S_i (Kronecker): a quarter of a dense layer's weights.

    The A_i are `HAMILTON`, fixed; the S_i are learned. Once trained, H is one dense matrix, and that is what is exported.

    Args:
        in_features: a multiple of 4.
        out_features: a multiple of 4.

    Raises:
        ModelError: on widths that are not.
    """

    rule: torch.Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        if in_features % _PARTS or out_features % _PARTS or min(in_features, out_features) < _PARTS:
            raise ModelError(f"Expected widths that are multiples of {_PARTS}, got {in_features} to {out_features}.")
        self.in_features, self.out_features = in_features, out_features
        self.register_buffer("rule", torch.tensor(HAMILTON, dtype=torch.float32), persistent=False)
        bound = 1 / math.sqrt(in_features)  # as nn.Linear: each output sums in_features products
        self.weight = nn.Parameter(torch.empty(_PARTS, out_features // _PARTS, in_features // _PARTS).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound))

    def dense(self) -> torch.Tensor:
        """H, (out_features, in_features)."""
        blocks = torch.einsum("nij,nkl->ikjl", self.rule, self.weight)
        return blocks.reshape(self.out_features, self.in_features)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (..., in_features) float32 to (..., out_features)."""
        return functional.linear(x, self.dense(), self.bias)
