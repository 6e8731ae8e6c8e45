"""Spell Mish, x * tanh(softplus(x)), in operators that a converter and 8 bits can take (Misra 2019, arXiv:1908.08681).

Why: the converters write softplus as exponentials, logarithms and selects, which is slow, and which int8 ruins. Two exact
rewrites:

- "division": x (1 - u) / (1 + u) with u = sigmoid(-x)^2, for TFLite; it stays float in int8 files, since the quotient of two
  small differences is noise in 8 bits.
- "tanh": x * tanh(-log(sigmoid(-x))), for ONNX, where every operator of it is fast.
"""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import nn

__all__ = ["rewrite_mish"]


class _Division(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        u = torch.square(torch.sigmoid(-x))
        return x * ((1.0 - u) / (1.0 + u))


class _Tanh(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.tanh(-torch.log(torch.sigmoid(-x)))


_FORMS: dict[str, type[nn.Module]] = {"division": _Division, "tanh": _Tanh}


def rewrite_mish(module: nn.Module, form: Literal["division", "tanh"]) -> nn.Module:
    """A copy with every nn.Mish spelled in the given form; equal up to float32 rounding.

    Args:
        module: as `trace.prepare` gave it. The last of the torch passes, since others know nn.Mish as one layer.
        form: see above.
    """
    clone = copy.deepcopy(module)
    for parent in list(clone.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Mish):
                setattr(parent, name, _FORMS[form]())
    return _FORMS[form]() if isinstance(clone, nn.Mish) else clone
