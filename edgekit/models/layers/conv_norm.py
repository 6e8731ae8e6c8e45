"""Convolution, batch norm and activation, the brick of every post-activation network."""

from __future__ import annotations

from torch import nn

__all__ = ["conv_norm"]


def conv_norm(
    channels: int,
    width: int,
    kernel: int | tuple[int, int] = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    bias: bool = False,
    activation: type[nn.Module] | None = nn.ReLU,
) -> nn.Sequential:
    """Conv2d, BatchNorm2d and, where there is one, the activation; an odd kernel at stride 1 keeps height and width.

    Args:
        channels: of the input.
        width: channels of the output.
        kernel: odd size, or (height, width) of odd sizes.
        stride: in both directions.
        groups: of the convolution; `channels` for a depthwise one.
        bias: of the convolution; the batch norm has one of its own, so it counts as parameters and changes nothing.
        activation: class of the activation, None for a linear layer.
    """
    sizes = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (sizes[0] // 2, sizes[1] // 2)
    layers: list[nn.Module] = [
        nn.Conv2d(channels, width, sizes, stride=stride, padding=padding, groups=groups, bias=bias),
        nn.BatchNorm2d(width),
    ]
    if activation is not None:
        layers.append(activation())
    return nn.Sequential(*layers)
