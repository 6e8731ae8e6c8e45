"""SHNet: SqueezeNext with pairs of depthwise 1-D convolutions and Squeeze-and-Hypercomplex attention.

Paper: Shahadat, Nguyen and Lama, "Squeeze-and-Hypercomplex Networks on Leaf Disease Detection", 2024. Built on SqueezeNext
(Gholami et al. 2018, arXiv:1803.10615), 1-D convolutions (Shahadat and Maida 2023, arXiv:2301.04631) and PHM layers (Zhang et al.
2021, arXiv:2102.08597).

Input is (N, 3, 32, 32) pixels: the paper's FLOPs fix the size; it standardises each channel, edgekit's front end gives
(level - 128) / 64 for all. Output is logits. Counts at 38 classes:

| network | attention | parameters | paper  | difference | MACs    | paper's FLOPs | difference |
|---------|-----------|------------|--------|------------|---------|---------------|------------|
| 23-1    | sh        | 301,638    | 0.30 M | +0.5 %     | 4.13 M  | 4.1 M         | +0.8 %     |
| 23-2    | sh        | 1,134,438  | 1.1 M  | +3.1 %     | 11.56 M | 11.9 M        | -2.9 %     |
| 44-1    | sh        | 558,950    | 0.54 M | +3.5 %     | 5.63 M  | 5.9 M         | -4.5 %     |
| 44-2    | sh        | 2,132,134  | 2.06 M | +3.5 %     | 17.43 M | 17.8 M        | -2.1 %     |
| 23-1    | se        | 316,078    | 0.33 M | -4.2 %     | 4.10 M  | 4.3 M         | -4.6 %     |
| 23-2    | se        | 1,191,734  | 1.4 M  | -14.9 %    | 11.44 M | 12.3 M        | -7.0 %     |
| 44-1    | se        | 587,830    | 0.58 M | +1.4 %     | 5.58 M  | 6.3 M         | -11.5 %    |
| 44-2    | se        | 2,246,726  | 2.4 M  | -6.4 %     | 17.20 M | 18.4 M        | -6.5 %     |
| 23-1    | none      | 286,502    | 0.31 M | -7.6 %     | 4.08 M  | 4.08 M        | -0.1 %     |

The names `shnet-23-1`, ... have SH; `shnet-23-1-se` and `shnet-23-1-none`, ... the other two. Without attention the paper prints
more parameters (0.31 M) than with SH (0.30 M), which adds layers: both cannot be.

The paper does not give the reduction of Squeeze-and-Excitation, and no one gives its four figures: by 4, as here, 23-2 is 14.9 %
below; by 2 it is 6.7 % below, and 44-1 11.2 % above.

A PHM layer counts as the dense layer that it is for inference; training multiplies four quarters of it.

Departures:
- The stem and the stages' widths are SqueezeNext's, the inner width half the output's: the paper gives neither, its figures do
  not contradict these.
- Two of the four printed Hamilton matrices do not give the paper's own product (eq. 6); here are the four that do.
- Squeeze-and-Excitation, for comparison, reduces the inner width four-fold.
- The stride stands on the first 1x1 convolution, as in SqueezeNext.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from edgekit.errors import UnknownNameError
from edgekit.models.layers import RCNBlock, SqueezeExcitation, SqueezeHypercomplex, conv_norm
from edgekit.models.picture import check_picture

__all__ = ["SHNet"]

_STEM = 64
_WIDTHS = (32, 64, 128, 256)
_STRIDE = 32


def _no_attention(_width: int) -> nn.Module:
    return nn.Identity()


_ATTENTIONS: Mapping[str, Callable[[int], nn.Module]] = {
    "sh": SqueezeHypercomplex,
    "se": SqueezeExcitation,
    "none": _no_attention,
}


class SHNet(nn.Module):
    """Stem to a quarter of the size, four stages (the later three halve), global average pool, one linear layer.

    Args:
        input_shape: (channels, H, W), each side at least 32.
        classes: number of logits.
        blocks: in stages 1 to 4: (6, 6, 8, 1) for 23 layers, (12, 12, 16, 2) for 44.
        widening: w, factor of every width.
        attention: "sh", "se" or "none", in every block.

    Raises:
        ModelError: on a shape that is not (C, H, W), a side under 32, or fewer than one class.
        UnknownNameError: on another attention, listing the known ones.
    """

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        classes: int,
        *,
        blocks: tuple[int, int, int, int] = (6, 6, 8, 1),
        widening: int = 1,
        attention: str = "sh",
    ) -> None:
        super().__init__()
        if attention not in _ATTENTIONS:
            raise UnknownNameError("attention", attention, _ATTENTIONS)
        channels, _, _ = check_picture(input_shape, classes, _STRIDE, "SHNet")
        before = _STEM * widening
        self.stem = nn.Sequential(conv_norm(channels, before, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        stages: list[nn.Module] = []
        for stage, count in enumerate(blocks):
            width = _WIDTHS[stage] * widening
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                stages.append(RCNBlock(before, width, stride, _ATTENTIONS[attention]))
                before = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) float32 standardised pixels to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.stages(self.stem(x))))
        return logits
