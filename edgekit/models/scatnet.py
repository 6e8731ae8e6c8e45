"""Scattering hybrids: residual networks on the wavelet scattering of an image, the paper's three and a compact one of ours.

Paper: Oyallon, Belilovsky, Zagoruyko and Valko, "Compressing the Input for CNNs with the First-Order Scattering Transform", ECCV
2018 (arXiv:1809.10200); ScatResNet-10 is of Oyallon et al. 2018 (arXiv:1809.06367).

Input is (N, channels, h, w) of front end `scattering`: 3 (1 + J L) channels at order 1, a 2^J-th of the image's height and width.
The paper's: 224 x 224 images, J = 3, L = 8, (75, 28, 28). Output is logits. Counts at 1000 classes:

| network                        | parameters  | paper   | difference | MACs    |
|--------------------------------|-------------|---------|------------|---------|
| ScatResNet-10                  | 11,441,640  | 11.4 M  | exact      | 3.63 G  |
| ScatResNet-10, orders 1 and 2  | 12,768,744  | 12.8 M  | exact      | 4.67 G  |
| ScatResNet-50                  | 27,850,856  | 27.8 M  | +0.2 %     | 3.88 G  |
| WideScatResNet-50-2            | 107,015,400 | 107.2 M | -0.2 %     | 15.40 G |

The compact member is ours, under 0.1 M parameters, of MobileNetV2's blocks; 10 classes:

| ScatNetEdge on images of | J | input        | parameters | MACs   |
|--------------------------|---|--------------|------------|--------|
| 32 x 32                  | 2 | (51, 8, 8)   | 64,314     | 2.2 M  |
| 64 x 64                  | 2 | (51, 16, 16) | 64,314     | 8.6 M  |
| 64 x 64                  | 3 | (75, 8, 8)   | 65,466     | 2.2 M  |
| 96 x 96                  | 3 | (75, 12, 12) | 65,466     | 5.0 M  |
| 64 x 64, small           | 2 | (51, 16, 16) | 34,458     | 4.3 M  |

Departures:
- The stem of the larger two has no bias before its batch norm, ScatResNet-10's has one: that is what the paper's counts say.
- Features come standardised per channel by the front end; the batch norm at the entry, without weights, then hardly changes them.
"""

from __future__ import annotations

import torch
from torch import nn

from edgekit.models.layers import BasicBlock, Bottleneck, InvertedResidual, conv_norm
from edgekit.models.picture import check_picture

__all__ = ["ScatNetEdge", "ScatResNet10", "ScatResNet50"]

_EDGE_EXPANSION = 3


class ScatResNet10(nn.Module):
    """Two groups of two basic blocks, 256 and 512 wide, the second at half the size.

    Args:
        input_shape: (channels, h, w) of the scattering maps, each side at least 2.
        classes: number of logits.

    Raises:
        ModelError: on a shape that is not (C, h, w), a side under 2, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, _, _ = check_picture(input_shape, classes, 2, "ScatResNet-10")
        self.stem = _stem(channels, 256, bias=True)
        self.stages = nn.Sequential(BasicBlock(256, 256), BasicBlock(256, 256), BasicBlock(256, 512, 2), BasicBlock(512, 512))
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(512, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, h, w) float32 scattering maps to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.stages(self.stem(x))))
        return logits


class ScatResNet50(nn.Module):
    """Groups of 5, 8 and 3 bottlenecks, the later two at half the size each.

    Args:
        input_shape: (channels, h, w) of the scattering maps, each side at least 4.
        classes: number of logits.
        width: of the first group's 3x3 convolutions; the groups double it. 128, or 256 for WideScatResNet-50-2.

    Raises:
        ModelError: on a shape that is not (C, h, w), a side under 4, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int, *, width: int = 128) -> None:
        super().__init__()
        channels, _, _ = check_picture(input_shape, classes, 4, "ScatResNet-50")
        self.stem = _stem(channels, width, bias=False)
        blocks: list[nn.Module] = []
        before = width
        for group, count in enumerate((5, 8, 3)):
            inner = width * 2**group
            for index in range(count):
                blocks.append(Bottleneck(before, inner, 2 if group > 0 and index == 0 else 1))
                before = inner * Bottleneck.expansion
        self.stages = nn.Sequential(*blocks)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(before, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, h, w) float32 scattering maps to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.stages(self.stem(x))))
        return logits


class ScatNetEdge(nn.Module):
    """1x1 to 48 channels, three inverted residuals (the second halves), global average pool, dropout, one linear layer.

    Args:
        input_shape: (channels, h, w) of the scattering maps, each side at least 2.
        classes: number of logits.
        widths: channels before and after the halving.
        dropout: before the linear layer.

    Raises:
        ModelError: on a shape that is not (C, h, w), a side under 2, or fewer than one class.
    """

    def __init__(
        self, input_shape: tuple[int, int, int], classes: int, *, widths: tuple[int, int] = (48, 64), dropout: float = 0.2
    ) -> None:
        super().__init__()
        channels, _, _ = check_picture(input_shape, classes, 2, "scatnet-edge")
        narrow, wide = widths
        self.stem = conv_norm(channels, narrow)
        self.stages = nn.Sequential(
            InvertedResidual(narrow, narrow, 1, _EDGE_EXPANSION, nn.ReLU),
            InvertedResidual(narrow, wide, 2, _EDGE_EXPANSION, nn.ReLU),
            InvertedResidual(wide, wide, 1, _EDGE_EXPANSION, nn.ReLU),
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.head = nn.Linear(wide, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, h, w) float32 standardised scattering maps to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.stages(self.stem(x))))
        return logits


def _stem(channels: int, width: int, bias: bool) -> nn.Sequential:
    """The maps differ a hundredfold in spread, hence the batch norm before anything else."""
    return nn.Sequential(
        nn.BatchNorm2d(channels, affine=False),
        nn.Conv2d(channels, width, 3, padding=1, bias=bias),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    )
