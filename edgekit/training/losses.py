"""Losses over logits: the focal loss of the paper and weighted cross-entropy.

Focal loss: Lin et al. 2017 (arXiv:1708.02002), eq. 5, FL(p_t) = -alpha_t (1 - p_t)^gamma log(p_t), here over a softmax. ImageSig
(eq. 7) uses gamma 2 and class-balanced alpha.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional

from edgekit.errors import InputError, UnknownNameError

__all__ = ["LOSSES", "Loss", "class_weights", "create_loss", "cross_entropy", "focal", "loss_weight"]

LOSSES = ("cross-entropy", "focal")
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def class_weights(targets: np.ndarray, classes: int) -> torch.Tensor:
    """Balanced weights n / (classes * n_c): 1 for every class of a balanced set.

    Args:
        targets: (N,) integer class indices, every class present.
        classes: number of classes.

    Returns:
        (classes,) float32.

    Raises:
        InputError: when a class has no example.
    """
    counts = np.bincount(targets, minlength=classes)
    if len(counts) != classes or counts.min() == 0:
        raise InputError(f"Expected examples of all {classes} classes, got counts {counts.tolist()}.")
    return torch.from_numpy((len(targets) / (classes * counts)).astype(np.float32))


def focal(logits: torch.Tensor, targets: torch.Tensor, *, gamma: float = 2.0, alpha: torch.Tensor | None = None) -> torch.Tensor:
    """Mean focal loss.

    Args:
        logits: (N, C) float32.
        targets: (N,) int64.
        gamma: focusing exponent; 0 gives cross-entropy.
        alpha: (C,) weight of each class, None for 1.

    Returns:
        Scalar.
    """
    log_p = functional.log_softmax(logits, dim=1).gather(1, targets[:, None]).squeeze(1)
    losses = -((1.0 - log_p.exp()) ** gamma) * log_p
    return losses.mean() if alpha is None else (alpha[targets] * losses).mean()


def cross_entropy(
    logits: torch.Tensor, targets: torch.Tensor, *, alpha: torch.Tensor | None = None, label_smoothing: float = 0.0
) -> torch.Tensor:
    """Mean cross-entropy; with `alpha`, examples are weighted and the sum is divided by the sum of weights, as torch does.

    Args:
        logits: (N, C) float32.
        targets: (N,) int64.
        alpha: (C,) weight of each class, None for 1.
        label_smoothing: probability mass spread over all classes, 0 to below 1.
    """
    return functional.cross_entropy(logits, targets, weight=alpha, label_smoothing=label_smoothing)


def create_loss(name: str, *, alpha: torch.Tensor | None = None, label_smoothing: float = 0.0) -> Loss:
    """The loss registered as `name`.

    Raises:
        UnknownNameError: listing the known losses.
        InputError: on label smoothing outside [0, 1), or together with the focal loss, which has no smoothing.
    """
    if name not in LOSSES:
        raise UnknownNameError("loss", name, LOSSES)
    if not 0.0 <= label_smoothing < 1.0:
        raise InputError(f"Expected a label smoothing of 0 to below 1, got {label_smoothing}.")
    if name == "focal":
        if label_smoothing:
            raise InputError(f"Expected no label smoothing with the focal loss, got {label_smoothing}. Pass 0.")
        return lambda logits, targets: focal(logits, targets, alpha=alpha)
    return lambda logits, targets: cross_entropy(logits, targets, alpha=alpha, label_smoothing=label_smoothing)


def loss_weight(name: str, targets: torch.Tensor, alpha: torch.Tensor | None) -> float:
    """By how much a batch counts beside others: what the mean over it was divided by.

    Args:
        name: of the loss.
        targets: (N,) int64.
        alpha: (C,) weight of each class, None for 1.
    """
    return float(len(targets)) if name == "focal" or alpha is None else float(alpha[targets].sum())
