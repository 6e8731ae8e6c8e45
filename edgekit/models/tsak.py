"""TSAK: a small network for windows of sensor samples, and a larger teacher to distil it from.

Paper: Bello et al., "TSAK: Two-stage semantic-aware knowledge distillation for efficient wearable modality and model optimization
in manufacturing lines", 2024 (arXiv:2408.14146), tables 2 and 3.

Input is (N, C, T): C channels of T samples, standardised per channel. Output is logits.

| network     | input    | classes | parameters | paper's | MACs       |
|-------------|----------|---------|------------|---------|------------|
| TSAKStudent | (3, 100) | 4       | 2,689      | 2.69 K  | 160,365    |
| TSAKTeacher | (3, 100) | 4       | 176,612    | none    | 6,006,912  |

Departures:
- The networks give logits; the softmax belongs to the loss and to the pipeline.
- The paper's 22.48 MFLOPs are not those of one window: 64 windows, its batch, at 2 FLOPs a MAC come to 20.5 M without pooling.
- Channels are standardised by the front end, the paper's scaled to 0 to 1.
- The paper's teacher (attention and LSTM branches over 12 or 20 channels, 12.65 K parameters) needs sensors that a student's user
  does not have. Ours sees the same windows and is larger instead: a residual network over time.
"""

from __future__ import annotations

import torch
from torch import nn

from edgekit.errors import ModelError
from edgekit.models.layers import ResidualBlock1d, conv_norm_1d

__all__ = ["TSAKStudent", "TSAKTeacher"]

_STUDENT = (100, 5, 5)
_KERNEL = 3
_TEACHER, _TEACHER_KERNEL = (32, 64, 128), 5


class TSAKStudent(nn.Module):
    """Three times Conv1d(k=3, valid), ReLU, MaxPool1d(2), dropout; global average pool; Linear(5, 10), ReLU, Linear(10, classes).

    Args:
        input_shape: (channels, samples) of a window, at least 22 samples.
        classes: number of logits.
        dropout: after each pooling.

    Raises:
        ModelError: on a shape that is not two sizes or too short, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int], classes: int, *, dropout: float = 0.1) -> None:
        super().__init__()
        before, _ = _check(input_shape, classes, 22, "tsak-student")
        layers: list[nn.Module] = []
        for width in _STUDENT:
            layers.extend((nn.Conv1d(before, width, _KERNEL), nn.ReLU(), nn.MaxPool1d(2), nn.Dropout(dropout)))
            before = width
        self.blocks = nn.Sequential(*layers)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(before, 10), nn.ReLU(), nn.Linear(10, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, samples) float32 standardised windows to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.blocks(x)))
        return logits


class TSAKTeacher(nn.Module):
    """Conv1d(k=7), three residual blocks of 32, 64 and 128 channels (the later two halve), global average pool, one linear layer.

    Args:
        input_shape: (channels, samples) of a window, at least 4 samples.
        classes: number of logits.
        dropout: before the linear layer.

    Raises:
        ModelError: on a shape that is not two sizes or too short, or fewer than one class.
    """

    def __init__(self, input_shape: tuple[int, int], classes: int, *, dropout: float = 0.3) -> None:
        super().__init__()
        channels, _ = _check(input_shape, classes, 4, "tsak-teacher")
        first, second, third = _TEACHER
        self.stem = conv_norm_1d(channels, first, 7)
        self.stages = nn.Sequential(
            ResidualBlock1d(first, first, _TEACHER_KERNEL),
            ResidualBlock1d(first, second, _TEACHER_KERNEL, 2),
            ResidualBlock1d(second, third, _TEACHER_KERNEL, 2),
        )
        self.pool = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(dropout))
        self.head = nn.Linear(third, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, channels, samples) float32 standardised windows to (N, classes) logits."""
        logits: torch.Tensor = self.head(self.pool(self.stages(self.stem(x))))
        return logits


def _check(input_shape: tuple[int, ...], classes: int, least: int, network: str) -> tuple[int, int]:
    if len(input_shape) != 2 or min(input_shape) < 1:
        raise ModelError(f"Expected windows of shape (channels, samples) for {network}, got {tuple(input_shape)}. Reshape them.")
    if input_shape[1] < least:
        raise ModelError(f"Expected windows of at least {least} samples for {network}, got {input_shape[1]}. Cut longer ones.")
    if classes < 1:
        raise ModelError(f"Expected at least 1 class, got {classes}.")
    return input_shape[0], input_shape[1]
