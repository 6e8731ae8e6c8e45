"""Baselines to compare with: a hidden layer on raw pixels, MobileNetV2, ResNet-18, and MLPerf Tiny's ResNet8.

Papers: Ibrahim and Lyons, ImageSig, CVPR Workshops 2022 (the fully connected baseline of Table 1); Sandler et al., "MobileNetV2",
CVPR 2018 (arXiv:1801.04381); He et al., "Deep residual learning for image recognition", CVPR 2016 (arXiv:1512.03385); Banbury et
al., "MLPerf Tiny Benchmark", 2021 (arXiv:2106.07597).

Input is (N, 3, H, W) pixels, by the front end (level - 128) / 64. Output is logits.

| network           | input         | classes | parameters | paper    | MACs     | paper  |
|-------------------|---------------|---------|------------|----------|----------|--------|
| FCPixels          | (3, 64, 64)   | 2       | 614,552    | 614,552  | 0.614 M  | 0.61 M |
| MobileNetV2       | (3, 224, 224) | 1000    | 3,504,872  | 3.4 M    | 300.8 M  | 300 M  |
| MobileNetV2, 0.35 | (3, 224, 224) | 1000    | 1,677,128  | 1.66 M   | 59.3 M   | 59 M   |
| ResNet18          | (3, 224, 224) | 1000    | 11,689,512 | none     | 1,814 M  | 1.8 G  |
| ResNet8           | (3, 32, 32)   | 10      | 78,186     | 78,666   | 12.5 M   | 12.5 M |

- MobileNetV2's 3.4 M leave the batch norms' 0.07 M partly out; the other readings of its Table 2 are further off.
- ResNet8's 78,666 count the 480 running means and variances of the batch norms too, which are not trained.

Departures:
- Padding is symmetric; TensorFlow's of MobileNetV2 and ResNet8, at stride 2, pads below and to the right only.
- MobileNetV2's dropout is 0.2, of the authors' code.
"""

from __future__ import annotations

import torch
from torch import nn

from edgekit.models.layers import BasicBlock, InvertedResidual, conv_norm
from edgekit.models.picture import check_picture

__all__ = ["FCPixels", "MobileNetV2", "ResNet8", "ResNet18"]

#: (expansion, width, blocks, stride of the first) of Table 2 of the MobileNetV2 paper.
_MOBILE = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


class FCPixels(nn.Module):
    """Flatten, Linear, ReLU, Linear: the fully connected baseline of ImageSig's paper.

    Args:
        input_shape: (channels, H, W).
        classes: number of logits.
        hidden: width of the hidden layer.

    Raises:
        ModelError: on a shape that is not (C, H, W), or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int, *, hidden: int = 50) -> None:
        super().__init__()
        channels, height, width = check_picture(input_shape, classes, 1, "fc-pixels")
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * height * width, hidden), nn.ReLU(), nn.Linear(hidden, classes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) float32 standardised pixels to (N, classes) logits."""
        logits: torch.Tensor = self.layers(x)
        return logits


class MobileNetV2(nn.Module):
    """Stem, 17 inverted residuals, 1x1 to 1280, global average pool, dropout, one linear layer.

    Args:
        input_shape: (channels, H, W), each side at least 32.
        classes: number of logits.
        multiplier: of every width but the last, which it may only enlarge; widths are rounded to multiples of 8.
        dropout: before the linear layer.

    Raises:
        ModelError: on a shape that is not (C, H, W), a side under 32, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int, *, multiplier: float = 1.0, dropout: float = 0.2) -> None:
        super().__init__()
        channels, _, _ = check_picture(input_shape, classes, 32, "MobileNetV2")
        before = _multiple_of_8(32 * multiplier)
        layers: list[nn.Module] = [conv_norm(channels, before, 3, stride=2, activation=nn.ReLU6)]
        for expansion, wide, count, first_stride in _MOBILE:
            width = _multiple_of_8(wide * multiplier)
            for index in range(count):
                layers.append(InvertedResidual(before, width, first_stride if index == 0 else 1, expansion))
                before = width
        last = _multiple_of_8(1280 * max(1.0, multiplier))
        layers.append(conv_norm(before, last, activation=nn.ReLU6))
        self.layers = nn.Sequential(*layers)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))
        self.head = nn.Linear(last, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) float32 standardised pixels to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.layers(x)))
        return logits


class ResNet18(nn.Module):
    """Stem to a quarter of the size, four stages of two basic blocks, global average pool, one linear layer.

    Args:
        input_shape: (channels, H, W), each side at least 32.
        classes: number of logits.

    Raises:
        ModelError: on a shape that is not (C, H, W), a side under 32, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, _, _ = check_picture(input_shape, classes, 32, "ResNet-18")
        self.stem = nn.Sequential(conv_norm(channels, 64, 7, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        self.stages = nn.Sequential(
            *(BasicBlock(64, 64), BasicBlock(64, 64)),
            *(BasicBlock(64, 128, 2), BasicBlock(128, 128)),
            *(BasicBlock(128, 256, 2), BasicBlock(256, 256)),
            *(BasicBlock(256, 512, 2), BasicBlock(512, 512)),
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(512, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) float32 standardised pixels to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.stages(self.stem(x))))
        return logits


class ResNet8(nn.Module):
    """3x3 stem, three basic blocks of 16, 32 and 64 channels, the later two at half the size, global average pool, linear.

    Args:
        input_shape: (channels, H, W), each side at least 4.
        classes: number of logits.

    Raises:
        ModelError: on a shape that is not (C, H, W), a side under 4, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, _, _ = check_picture(input_shape, classes, 4, "ResNet8")
        self.stem = conv_norm(channels, 16, 3, bias=True)
        self.stages = nn.Sequential(
            BasicBlock(16, 16, biased=True), BasicBlock(16, 32, 2, biased=True), BasicBlock(32, 64, 2, biased=True)
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(64, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, H, W) float32 standardised pixels to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.stages(self.stem(x))))
        return logits


def _multiple_of_8(width: float) -> int:
    """The nearest multiple of 8, at least 8, and not more than a tenth below `width`."""
    nearest = max(8, int(width + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * width else nearest + 8
