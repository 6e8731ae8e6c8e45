"""Fitting a network to features in memory: AdamW, warm-up and cosine, best weights kept, exact continuation.

The randomness of an epoch (order, dropout, mixing) comes from the seed and the epoch's number alone, and everything else that an
epoch starts from is in its state; so a run that was interrupted and resumed ends bit for bit where an uninterrupted one does, on
the same machine with the same number of threads.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.errors import UserError
from edgekit.training.config import TrainConfig, default_epochs
from edgekit.training.distill import distillation
from edgekit.training.losses import Loss, class_weights, create_loss
from edgekit.training.progress import Progress
from edgekit.training.temperature import negative_log_likelihood

__all__ = ["Epoch", "FitData", "FitResult", "epoch_seed", "fit", "learning_rate_at", "predict_logits", "seeded"]

_WARM_UP = 0.1
_GRADIENT_NORM = 1.0
_EVALUATION_BATCH = 512
State = dict[str, Any]


@dataclass(frozen=True)
class FitData:
    """Standardised features.

    Attributes:
        x: (N, ...) float16 or float32, to train on.
        y: (N,) int64 class indices.
        x_validation: (V, ...) float32.
        y_validation: (V,) int64.
        classes: number of classes.
        teacher: (N, classes) float32 logits of a teacher, None without one.
    """

    x: Tensor
    y: Tensor
    x_validation: Tensor
    y_validation: Tensor
    classes: int
    teacher: Tensor | None = None


@dataclass(frozen=True)
class Epoch:
    """One row of the curves; losses are means in nats, the validation loss without smoothing or weights."""

    epoch: int
    learning_rate: float
    train_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class FitResult:
    """What came out.

    Attributes:
        weights: state dict of the kept epoch.
        best: the kept epoch.
        history: every epoch.
    """

    weights: dict[str, Tensor]
    best: Epoch
    history: tuple[Epoch, ...]

    def to_state(self) -> State:
        """Tensors and plain values only, for a state file."""
        return {"weights": self.weights, "best": asdict(self.best), "history": [asdict(row) for row in self.history]}

    @classmethod
    def from_state(cls, state: State) -> FitResult:
        """Inverse of `to_state`."""
        return cls(state["weights"], Epoch(**state["best"]), tuple(Epoch(**row) for row in state["history"]))


def fit(
    module: nn.Module,
    data: FitData,
    config: TrainConfig,
    progress: Progress,
    *,
    save: Callable[[State], None],
    state: State | None = None,
    stage: str = "training",
    keep_last: bool = False,
) -> FitResult:
    """Train, epoch by epoch.

    Args:
        module: freshly initialised; its weights are changed.
        data: features and classes.
        config: the settings; only those of the optimisation are read.
        progress: told of every epoch.
        save: called after every epoch with all that the next one needs; tensors and plain values only.
        state: what `save` was given last, to continue from there.
        stage: what the bar says.
        keep_last: keep the last epoch, whatever its validation loss, instead of the lowest.

    Raises:
        UserError: when the loss stops being finite.
    """
    trainer = _Trainer(module, data, config, keep_last)
    if state is not None:
        trainer.restore(state)
    progress.start(stage, trainer.epochs)
    if trainer.history:
        progress.advance(len(trainer.history))
    while not trainer.is_done():
        row = trainer.run_epoch()
        save(trainer.state())
        progress.advance(1, f"validation accuracy {row.validation_accuracy:.3f}")
    return FitResult(trainer.best_weights, trainer.best, tuple(trainer.history))


class _Trainer:
    """The moving parts of `fit`."""

    def __init__(self, module: nn.Module, data: FitData, config: TrainConfig, keep_last: bool) -> None:
        self.module, self.data, self.config, self.keep_last = module, data, config, keep_last
        self.epochs = config.epochs or default_epochs(len(data.x), config.batch_size)
        alpha = class_weights(data.y.numpy(), data.classes)
        self.loss: Loss = create_loss(config.loss, alpha=alpha, label_smoothing=config.label_smoothing)
        self.optimizer = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
        self.steps_per_epoch = math.ceil(len(data.x) / config.batch_size)
        self.average = _copy(module.state_dict())
        self.best_weights = _copy(module.state_dict())
        self.history: list[Epoch] = []

    @property
    def best(self) -> Epoch:
        return self.history[-1] if self.keep_last else min(self.history, key=lambda row: row.validation_loss)

    def is_done(self) -> bool:
        done = len(self.history)
        waited = done - self.best.epoch if self.history else 0
        return done >= self.epochs or 0 < self.config.patience <= waited

    def run_epoch(self) -> Epoch:
        number = len(self.history)
        with seeded(epoch_seed(self.config.seed, number)):
            train_loss = self._train(number)
        kept = self._kept_weights()
        row = self._validate(number, train_loss, kept)
        self.history.append(row)
        if self.best is row:
            self.best_weights = _copy(kept)
        return row

    def state(self) -> State:
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "best_weights": self.best_weights,
            "history": [asdict(row) for row in self.history],
        }

    def restore(self, state: State) -> None:
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average, self.best_weights = state["average"], state["best_weights"]
        self.history = [Epoch(**row) for row in state["history"]]

    def _train(self, number: int) -> float:
        self.module.train()
        total, first = 0.0, number * self.steps_per_epoch
        for i, batch in enumerate(torch.split(torch.randperm(len(self.data.x)), self.config.batch_size)):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate_at(first + i, self.steps_per_epoch * self.epochs, self.config.learning_rate)
            loss = self._loss(self.data.x[batch].float(), self.data.y[batch], self._soft(batch))
            self._step(loss, first + i)
            total += loss.item() * len(batch)
        if not math.isfinite(total):
            raise UserError(f"Expected a finite loss, got {total} in epoch {number + 1}. Pass a lower --learning-rate.")
        return total / len(self.data.x)

    def _soft(self, batch: Tensor) -> Tensor | None:
        """Probabilities of the teacher at the temperature, None without one."""
        return None if self.data.teacher is None else torch.softmax(self.data.teacher[batch] / self.config.temperature, dim=1)

    def _loss(self, x: Tensor, y: Tensor, soft: Tensor | None) -> Tensor:
        if not self.config.mixup:
            logits = self.module(x)
            return self._taught(self.loss(logits, y), logits, soft)
        strength = torch.tensor(self.config.mixup)
        share = float(torch.distributions.Beta(strength, strength, validate_args=False).sample())
        other = torch.randperm(len(x))
        logits = self.module(share * x + (1 - share) * x[other])
        loss = share * self.loss(logits, y) + (1 - share) * self.loss(logits, y[other])
        return self._taught(loss, logits, None if soft is None else share * soft + (1 - share) * soft[other])

    def _taught(self, loss: Tensor, logits: Tensor, soft: Tensor | None) -> Tensor:
        if soft is None:
            return loss
        return self.config.alpha * loss + (1 - self.config.alpha) * distillation(logits, soft, self.config.temperature)

    def _step(self, loss: Tensor, step: int) -> None:
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.module.parameters(), _GRADIENT_NORM)
        self.optimizer.step()
        if self.config.average:
            decay = min(self.config.average, (1 + step) / (10 + step))
            for name, value in self.module.state_dict().items():
                if value.is_floating_point():
                    self.average[name].lerp_(value, 1 - decay)
                else:  # the number of batches that a batch norm has seen
                    self.average[name].copy_(value)

    def _kept_weights(self) -> dict[str, Tensor]:
        """The weights that are evaluated: the moving average, where there is one."""
        return self.average if self.config.average else self.module.state_dict()

    def _validate(self, number: int, train_loss: float, kept: dict[str, Tensor]) -> Epoch:
        own = _copy(self.module.state_dict())
        self.module.load_state_dict(kept)
        logits = predict_logits(self.module, self.data.x_validation)
        self.module.load_state_dict(own)
        targets = self.data.y_validation.numpy()
        return Epoch(
            epoch=number + 1,
            learning_rate=float(self.optimizer.param_groups[0]["lr"]),
            train_loss=train_loss,
            validation_loss=negative_log_likelihood(logits, targets),
            validation_accuracy=float((logits.argmax(axis=1) == targets).mean()),
        )


def predict_logits(module: nn.Module, x: Tensor) -> np.ndarray:
    """Logits in eval mode, without gradients.

    Args:
        module: the network; left in eval mode.
        x: (N, ...) float16 or float32 standardised features.

    Returns:
        (N, C) float32.
    """
    module.eval()
    with torch.no_grad():
        return np.concatenate([module(batch.float()).numpy() for batch in torch.split(x, _EVALUATION_BATCH)])


def learning_rate_at(step: int, steps: int, peak: float) -> float:
    """Linear warm-up over the first tenth of all steps, then half a cosine down to 0.

    Args:
        step: 0 to steps - 1.
        steps: of the whole run.
        peak: the highest learning rate.
    """
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def epoch_seed(seed: int, epoch: int) -> int:
    """63 random-looking bits from the seed and the epoch's number (-1: the initial weights)."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{epoch}".encode()).digest()[:8], "big") >> 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A block in which torch's generator starts from `seed`; afterwards it is as it was."""
    before = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}
