"""The loss over one batch: true labels, mixed examples, a teacher beside them; or this process's share of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.training.config import TrainConfig
from edgekit.training.distill import distillation
from edgekit.training.inputs import FitData
from edgekit.training.losses import class_weights, create_loss, loss_weight
from edgekit.training.optimise import MixedPrecision
from edgekit.training.parallel import Processes

__all__ = ["BatchLoss"]


class BatchLoss:
    """Loss of rows of the training data; what the processes give adds up to what one alone gives.

    Args:
        module: in training mode when called.
        data: what is trained on.
        config: loss, class weights, mixing, teacher's share.
        group: the processes that share a batch.
        precision: of the forward passes.
    """

    def __init__(
        self, module: nn.Module, data: FitData, config: TrainConfig, group: Processes, precision: MixedPrecision
    ) -> None:
        self._module, self._data, self._config, self._group, self._precision = module, data, config, group, precision
        self._alpha = class_weights(data.y.numpy(), data.classes) if config.class_weights else None
        on_device = None if self._alpha is None else self._alpha.to(group.device)
        self._loss = create_loss(config.loss, alpha=on_device, label_smoothing=config.label_smoothing)
        if isinstance(data.teacher, nn.Module):
            data.teacher.to(group.device).eval()

    def __call__(self, rows: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Loss of a batch.

        Args:
            rows: (B,) of the training data, the same in all processes.
            rng: in the same state in all processes, and left so.

        Returns:
            Scalar.
        """
        inputs, device, mine = self._data.x, self._group.device, self._group.share(len(rows))
        draws = rng.random((len(rows), inputs.draws), np.float32) if inputs.draws else None

        def taken(places: np.ndarray) -> Tensor:
            return inputs.batch(rows[places], device, None if draws is None else draws[places])

        own = np.arange(len(rows))[mine]
        x, targets = taken(own), self._data.y[rows]
        if not self._config.mixup:
            logits = self._precision.logits(self._module, x)
            return self._taught(self._hard(logits, targets, mine), logits, self._soft(rows[own], x), len(rows))
        share, other = rng.beta(self._config.mixup, self._config.mixup), rng.permutation(len(rows))
        x_other = x[torch.from_numpy(other).to(device)] if self._group.count == 1 else taken(other[mine])
        logits = self._precision.logits(self._module, share * x + (1 - share) * x_other)
        loss = share * self._hard(logits, targets, mine) + (1 - share) * self._hard(logits, targets[other], mine)
        soft, soft_other = self._soft(rows[own], x), self._soft(rows[other[mine]], x_other)
        mixed = None if soft is None or soft_other is None else share * soft + (1 - share) * soft_other
        return self._taught(loss, logits, mixed, len(rows))

    def _hard(self, logits: Tensor, targets: Tensor, mine: slice) -> Tensor:
        """Loss of the true labels, by this process's part of their weight."""
        loss: Tensor = self._loss(logits, targets[mine].to(logits.device))
        if self._group.count == 1:
            return loss
        name, alpha = self._config.loss, self._alpha
        return loss * (loss_weight(name, targets[mine], alpha) / loss_weight(name, targets, alpha))

    def _soft(self, rows: np.ndarray, x: Tensor) -> Tensor | None:
        """(B, C) probabilities of the teacher at the temperature, None without one."""
        teacher = self._data.teacher
        if teacher is None:
            return None
        if isinstance(teacher, nn.Module):
            with torch.no_grad():
                logits = self._precision.logits(teacher, x)
        else:
            logits = teacher[rows].to(x.device)
        return torch.softmax(logits / self._config.temperature, dim=1)

    def _taught(self, loss: Tensor, logits: Tensor, soft: Tensor | None, examples: int) -> Tensor:
        if soft is None:
            return loss
        taught = distillation(logits, soft, self._config.temperature) * (len(logits) / examples)
        return self._config.alpha * loss + (1 - self._config.alpha) * taught
