"""What a network costs: parameters and multiply-accumulates."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from edgekit.models.layers import PHMLinear

__all__ = ["count_macs", "count_parameters"]

_LINEARS = (nn.Linear, PHMLinear)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def count_parameters(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def count_macs(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Multiply-accumulates of one forward pass of one example, convolutions (transposed too) and linear layers only.

    Biases, pooling, activations and the two products inside an attention are not counted. A hypercomplex layer counts as the
    dense one that it is for inference.

    Args:
        module: the network, on any device ("meta" too); its mode and its weights are left as they were.
        input_shape: of one example, without the batch dimension.
    """
    total = 0

    def add(layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any], output: torch.Tensor) -> None:
        nonlocal total
        total += _macs(layer, args[0] if args else named["input"], output)

    layers = [layer for layer in module.modules() if isinstance(layer, (*_LINEARS, *_CONVOLUTIONS, *_TRANSPOSED))]
    hooks = [layer.register_forward_hook(add, with_kwargs=True) for layer in layers]
    was_training = module.training
    try:
        module.eval()
        with torch.no_grad():
            module(torch.zeros(1, *input_shape, device=next(module.parameters()).device))
    finally:
        module.train(was_training)
        for hook in hooks:
            hook.remove()
    return total


def _macs(layer: nn.Module, given: torch.Tensor, output: torch.Tensor) -> int:
    if isinstance(layer, _LINEARS):
        return output.numel() * layer.in_features
    if isinstance(layer, _CONVOLUTIONS):
        return output.numel() * layer.in_channels // layer.groups * math.prod(layer.kernel_size)
    if isinstance(layer, _TRANSPOSED):
        # Every value of its input meets the whole kernel of its channel; padding cuts off outputs afterwards.
        return given.numel() * layer.out_channels // layer.groups * math.prod(layer.kernel_size)
    return 0
