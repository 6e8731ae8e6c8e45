"""What a network is trained on, wherever it lies: features in memory, or pictures in a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["FitData", "InMemory", "Inputs", "batches"]


class Inputs(Protocol):
    """N examples as the network takes them."""

    @property
    def draws(self) -> int:
        """How many uniform numbers the augmentation of one example takes; 0 where there is none."""
        ...

    def __len__(self) -> int:
        """N."""
        ...

    def batch(self, rows: np.ndarray, device: torch.device, draws: np.ndarray | None = None) -> Tensor:
        """Some of them.

        Args:
            rows: (B,) indices.
            device: where they are wanted.
            draws: (B, `draws`) float32 in [0, 1) to augment by; None: as they are.

        Returns:
            (B, ...) float32 standardised features.
        """
        ...


@dataclass(frozen=True)
class InMemory:
    """Features that were computed beforehand, augmented copies among them.

    Attributes:
        x: (N, ...) float16 or float32, standardised.
    """

    x: Tensor
    draws: int = 0

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, rows: np.ndarray, device: torch.device, draws: np.ndarray | None = None) -> Tensor:  # noqa: ARG002
        """Rows of `x`; see `Inputs.batch`."""
        return self.x[torch.from_numpy(rows)].to(device).float()


@dataclass(frozen=True)
class FitData:
    """Standardised features.

    Attributes:
        x: N examples to train on.
        y: (N,) int64 class indices.
        x_validation: V examples.
        y_validation: (V,) int64.
        classes: number of classes.
        teacher: (N, classes) float32 logits of a teacher, or the teacher itself where it takes what the network takes; None
            without one.
    """

    x: Inputs
    y: Tensor
    x_validation: Inputs
    y_validation: Tensor
    classes: int
    teacher: Tensor | nn.Module | None = None


def batches(order: np.ndarray, size: int, least: int) -> Iterator[np.ndarray]:
    """An order cut into batches; a last one of fewer than `least` is part of the one before.

    Args:
        order: (N,) indices.
        size: of a batch.
        least: a batch norm over 1 x 1 pixels needs two examples in every process.
    """
    count = max(1, -(-len(order) // size))
    if count > 1 and len(order) - (count - 1) * size < least:
        count -= 1
    ends = [size * number for number in range(1, count)]
    yield from np.split(order, ends)
