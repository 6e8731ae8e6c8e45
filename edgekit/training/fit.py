"""Fitting a network: an optimiser over batches, best weights kept, exact continuation, one process or several.

The randomness of an epoch (order, augmentation, mixing, dropout) comes from the seed and the epoch's number alone, and everything
else that an epoch starts from is in its state; so a run that was interrupted and resumed ends bit for bit where an uninterrupted
one does, on the same CPU with the same number of threads.

Several processes share each batch: each draws what one would draw for the whole batch and takes its examples of it, losses are
weighted by the whole batch, and gradients are added up. So they take the steps that one process takes, to rounding, but for
dropout, whose masks differ, and on CPUs batch norms, which see their own share (on GPUs they are synchronised).
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
from edgekit.training.batch_loss import BatchLoss
from edgekit.training.batch_norms import folded, with_batch_norms
from edgekit.training.config import TrainConfig, default_epochs
from edgekit.training.inputs import FitData, Inputs, batches
from edgekit.training.optimise import MixedPrecision, create_optimizer, learning_rate_at, move_average
from edgekit.training.parallel import ALONE, Processes
from edgekit.training.progress import Progress
from edgekit.training.temperature import negative_log_likelihood

__all__ = ["Epoch", "FitResult", "epoch_seed", "fit", "predict_logits", "seeded"]

_EVALUATION_BATCH = 512
State = dict[str, Any]


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
    stop_after: int | None = None,
    group: Processes = ALONE,
) -> FitResult:
    """Train, epoch by epoch.

    Args:
        module: freshly initialised; its weights may change, and it may move to the device.
        data: features and classes.
        config: the settings; only those of the optimisation are read.
        progress: told of every epoch.
        save: called after every epoch with all that the next one needs; tensors and plain values only.
        state: what `save` was given last, to continue from there.
        stage: what the bar says.
        keep_last: keep the last epoch, whatever its validation loss, instead of the lowest.
        stop_after: end after so many epochs, on a schedule of all; None for all.
        group: the processes that share every batch, this one among them; `save` is the first one's alone.

    Raises:
        UserError: when the loss stops being finite; on mixed precision without a GPU; on batches too small to share, or for a
            batch norm.
    """
    if config.batch_norms:
        module = with_batch_norms(module)
    trainer = _Trainer(module, data, config, keep_last, group)
    if state is not None:
        trainer.restore(state)
    epochs = min(trainer.epochs, stop_after or trainer.epochs)
    progress.start(stage, epochs)
    if trainer.history:
        progress.advance(len(trainer.history))
    while len(trainer.history) < epochs and not trainer.is_out_of_patience():
        row = trainer.run_epoch()
        if group.is_first:
            save(trainer.state())
        progress.advance(1, f"validation accuracy {row.validation_accuracy:.3f}")
    weights = folded(trainer.module, trainer.best_weights) if config.batch_norms else trainer.best_weights
    return FitResult(weights, trainer.best, tuple(trainer.history))


class _Trainer:
    """The moving parts of `fit`."""

    def __init__(self, module: nn.Module, data: FitData, config: TrainConfig, keep_last: bool, group: Processes) -> None:
        self.data, self.config, self.keep_last, self.group = data, config, keep_last, group
        # Channels last: 2-D convolutions train faster so (docs/results.md), and 1-D networks are not concerned.
        self.module = module.to(device=group.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        if group.count > 1 and group.device.type == "cuda":
            self.module = nn.SyncBatchNorm.convert_sync_batchnorm(self.module)  # type: ignore[no-untyped-call]
        self.epochs = config.epochs or default_epochs(len(data.x), config.batch_size)
        self.precision = MixedPrecision(config.amp, group.device)
        self.loss = BatchLoss(self.module, data, config, group, self.precision)
        self.optimizer = create_optimizer(config.optimizer, module, config.learning_rate, config.weight_decay)
        sizes = [len(rows) for rows in self._batches(np.arange(len(data.x)))]
        _check_batches(module, min(sizes), group.count)
        self.steps_per_epoch = len(sizes)
        self.average = _copy(module.state_dict())
        self.best_weights = _copy(module.state_dict())
        self.history: list[Epoch] = []

    @property
    def best(self) -> Epoch:
        return self.history[-1] if self.keep_last else min(self.history, key=lambda row: row.validation_loss)

    def is_out_of_patience(self) -> bool:
        waited = len(self.history) - self.best.epoch if self.history else 0
        return 0 < self.config.patience <= waited

    def run_epoch(self) -> Epoch:
        number = len(self.history)
        seed = epoch_seed(self.config.seed, number)
        with seeded(seed + self.group.rank):
            train_loss = self._train(number, np.random.default_rng(seed))
        kept = self._kept_weights()
        row = self.group.firsts(self._validate(number, train_loss, kept))
        self.history.append(row)
        if self.best is row:
            self.best_weights = _copy(kept)
        return row

    def state(self) -> State:
        return {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "precision": self.precision.state_dict(),
            "average": self.average,
            "best_weights": self.best_weights,
            "history": [asdict(row) for row in self.history],
        }

    def restore(self, state: State) -> None:
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.load_state_dict(state["precision"])
        for name in ("average", "best_weights"):
            setattr(self, name, {key: value.to(self.group.device) for key, value in state[name].items()})
        self.history = [Epoch(**row) for row in state["history"]]

    def _batches(self, order: np.ndarray) -> list[np.ndarray]:
        return list(batches(order, self.config.batch_size, 2 * self.group.count))

    def _train(self, number: int, rng: np.random.Generator) -> float:
        self.module.train()
        total = torch.zeros(1, dtype=torch.float64, device=self.group.device)
        first, config = number * self.steps_per_epoch, self.config
        for i, rows in enumerate(self._batches(rng.permutation(len(self.data.x)))):
            rate = learning_rate_at(
                first + i, self.steps_per_epoch * self.epochs, config.learning_rate, config.schedule, config.warm_up
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss = self.loss(rows, rng)
            self._step(loss, first + i)
            total += loss.detach() * len(rows)
        self.group.add([total])
        if not math.isfinite(total.item()):
            raise UserError(f"Expected a finite loss, got {total.item()} in epoch {number + 1}. Pass a lower --learning-rate.")
        return total.item() / len(self.data.x)

    def _step(self, loss: Tensor, step: int) -> None:
        self.optimizer.zero_grad()
        self.precision.backward(loss)
        self.group.add([parameter.grad for parameter in self.module.parameters() if parameter.grad is not None])
        self.precision.step(self.optimizer, self.module, self.config.gradient_norm)
        self._agree()
        if self.config.average:
            move_average(self.average, self.module, self.config.average, step)

    def _agree(self) -> None:
        """Running statistics are the mean of those of all processes; alone, what they are."""
        if self.group.count > 1:
            statistics = [buffer for buffer in self.module.buffers() if buffer.is_floating_point()]
            self.group.add(statistics)
            for buffer in statistics:
                buffer /= self.group.count

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


def predict_logits(module: nn.Module, x: Inputs) -> np.ndarray:
    """Logits in eval mode, without gradients, on the module's device.

    Args:
        module: the network; left in eval mode.
        x: N examples.

    Returns:
        (N, C) float32.
    """
    module.eval()
    device = next(module.parameters()).device
    with torch.no_grad():
        pieces = np.split(np.arange(len(x)), range(_EVALUATION_BATCH, len(x), _EVALUATION_BATCH))
        return np.concatenate([module(x.batch(rows, device)).cpu().numpy() for rows in pieces])


def epoch_seed(seed: int, epoch: int) -> int:
    """63 random-looking bits from the seed and the epoch's number (-1: the initial weights)."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{epoch}".encode()).digest()[:8], "big") >> 1


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """A block in which torch's generators (CPU and current GPU) start from `seed`; afterwards they are as they were."""
    gpus = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(gpus):
        torch.manual_seed(seed)
        yield


def _check_batches(module: nn.Module, smallest: int, processes: int) -> None:
    """Every process needs an example of each batch; a batch norm over 1 x 1 pixels, two."""
    norms = any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())
    least = processes * (2 if norms else 1)
    if smallest < least:
        why = "two a process for batch norms" if norms else "one a process"
        raise UserError(
            f"Expected batches of at least {least} examples, {why}, got one of {smallest}. Raise --batch-size or add examples."
        )


def _copy(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in state.items()}
