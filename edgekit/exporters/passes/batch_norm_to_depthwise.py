"""Write the 2-D batch norms that could not be folded as 1x1 depthwise convolutions.

Why: the TFLite converter spells such a norm as subtract, multiply, multiply, add. In int8 each of the four rounds; the
convolution rounds once and has one weight scale a channel.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

__all__ = ["batch_norm_to_depthwise"]


def batch_norm_to_depthwise(module: nn.Module) -> nn.Module:
    """A copy without BatchNorm2d; equal up to float32 rounding.

    Args:
        module: as `trace.prepare` gave it, batch norms folded where they can be.
    """
    clone = copy.deepcopy(module)
    for parent in list(clone.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d) and child.running_mean is not None and child.running_var is not None:
                setattr(parent, name, _depthwise(child, child.running_mean, child.running_var))
    return clone


def _depthwise(norm: nn.BatchNorm2d, mean: torch.Tensor, variance: torch.Tensor) -> nn.Conv2d:
    # In float64: the difference bias - mean * scale may cancel.
    scale = (variance.double() + norm.eps).rsqrt()
    if norm.affine:
        scale = scale * norm.weight.detach().double()
    shift = -mean.double() * scale
    if norm.affine:
        shift = shift + norm.bias.detach().double()
    layer = nn.Conv2d(norm.num_features, norm.num_features, 1, groups=norm.num_features)
    layer.weight = nn.Parameter(scale.float().reshape(-1, 1, 1, 1), requires_grad=False)
    layer.bias = nn.Parameter(shift.float(), requires_grad=False)
    return layer.eval()
