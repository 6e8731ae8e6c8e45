"""Short fine-tuning of a trained network for int8.

The network learns, rounded as its files will be, to give the logits that it gave before: its own float self is the teacher
(knowledge distillation for quantization: Mishra & Marr 2018, arXiv:1711.05852, section 3; here teacher and student share the
architecture), so no labels are needed, and what it had learned with augmentation is not trained away on the bare images. The
network without rounding learns the same beside it: float and int8 files are made of one set of weights, and both have to be
right.

A step is as long as a tensor's weights are large, one share of their root mean square (Shazeer & Stern 2018, arXiv:1804.04235,
section 8): networks that int8 ruins are those whose channels differ a hundredfold, and a step that suits one layer of them would
undo another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from edgekit.calibration.samples import Samples
from edgekit.core.recipe import Recipe
from edgekit.errors import InputError, UserError
from edgekit.exporters.fake_quantize import FakeQuantized
from edgekit.training.fit import epoch_seed, seeded
from edgekit.training.optimise import learning_rate_at

__all__ = ["TuneConfig", "rounded_logits", "tune"]

_GRADIENT_NORM = 1.0
_EVALUATION_BATCH = 256
_LEAST, _MOST, _STEPS = 8, 64, 16

#: Root mean square from which on a tensor's steps are shares of it: biases begin at zero.
_LEAST_SIZE = 1e-3


@dataclass(frozen=True)
class TuneConfig:
    """Settings of one fine-tuning.

    Attributes:
        epochs: passes over the samples.
        seed: of their order.
        learning_rate: of Adam, in root mean squares of each tensor; peak of the schedule (linear warm-up over the first tenth,
            then cosine to 0).
        batch_size: examples a step; None for 64, fewer where that gives fewer than 16 steps an epoch, at least 8.
    """

    epochs: int
    seed: int = 0
    learning_rate: float = 5e-3
    batch_size: int | None = None

    def __post_init__(self) -> None:
        numbers = (self.epochs, 1 if self.batch_size is None else self.batch_size, self.seed + 1)
        if min(numbers) < 1 or not 0 < self.learning_rate < math.inf:
            raise InputError(f"Expected epochs and a batch of at least 1, a seed from 0 and a learning rate above 0, got {self}.")


def tune(
    module: nn.Module,
    features: np.ndarray,
    calibration: Samples,
    recipe: Recipe,
    config: TuneConfig,
    tell: Callable[[str], None] = lambda _text: None,
) -> nn.Module:
    """Fine-tune a copy of the network so that int8 files of it give what the network gives.

    The activations' ranges are found anew before every epoch, on the calibration sample and with the observer by which the
    exporters will find them; the learning rate ends at 0, so that those of the last epoch are theirs. Equal arguments give equal
    weights on one machine with one number of threads.

    Args:
        module: a trained network from one (n, ...) float32 tensor to (n, classes) logits; it is not touched.
        features: (n, ...) float16 or float32 standardised features to tune on.
        calibration: the calibration sample of the export.
        recipe: granularity, observer and symmetry of the export.
        config: the settings.
        tell: called with a short line before each epoch.

    Returns:
        The network as the exporters simplify it, with other weights, in eval mode.

    Raises:
        InputError: on no features, or calibration samples that cannot be observed.
        ModelError: when the network cannot be traced.
        UserError: when a gradient is not finite.
    """
    if len(features) == 0:
        raise InputError("Expected at least one sample to fine-tune on, got none. Pass more images, or leave out --qat.")
    x = torch.from_numpy(features)
    network = FakeQuantized(module, x[:1].float().numpy(), recipe)
    with network.in_float() as plain:
        teacher = _logits(plain, x)
    trainer = _Tuner(network, x, teacher, config)
    for epoch in range(config.epochs):
        tell(f"fine-tuning, epoch {epoch + 1} of {config.epochs}")
        network.calibrate(calibration)
        with seeded(epoch_seed(config.seed, epoch)):
            trainer.run(epoch)
    return network.plain()


class _Tuner:
    """The moving parts of `tune`."""

    def __init__(self, network: FakeQuantized, x: Tensor, teacher: Tensor, config: TuneConfig) -> None:
        self.network, self.x, self.teacher, self.config = network, x, teacher, config
        # Logits of any size weigh alike.
        self.spread = float(teacher.var(correction=0).clamp(min=1e-12))
        groups = [{"params": [value], "size": _size(value)} for value in network.graph.parameters()]
        self.optimizer = torch.optim.Adam(groups, lr=config.learning_rate)
        self.batch = config.batch_size or min(_MOST, max(_LEAST, len(x) // _STEPS))
        self.steps = math.ceil(len(x) / self.batch)

    def run(self, epoch: int) -> None:
        for number, batch in enumerate(torch.split(torch.randperm(len(self.x)), self.batch)):
            step = epoch * self.steps + number
            rate = learning_rate_at(step, self.steps * self.config.epochs, self.config.learning_rate)
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["size"]
            self._step(batch)

    def _step(self, batch: Tensor) -> None:
        x, wanted = self.x[batch].float(), self.teacher[batch]
        error = torch.square(self.network.graph(x) - wanted).mean()
        with self.network.in_float() as plain:
            error = error + torch.square(plain(x) - wanted).mean()
        loss = error / self.spread
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = float(nn.utils.clip_grad_norm_(self.network.graph.parameters(), _GRADIENT_NORM))
        if not math.isfinite(norm):
            # Such as log(1 + exp(x)) spelled out: rounded, its argument is 0.
            raise UserError(
                f"Expected finite gradients of the rounded network, got {norm}: an operator of it has no meaning in 8 bits. "
                "Keep it in float: leave out --qat and pass --precision mixed"
            )
        self.optimizer.step()


def _logits(network: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([network(batch.float()) for batch in torch.split(x, _EVALUATION_BATCH)])


def _size(parameter: Tensor) -> float:
    return max(float(parameter.detach().square().mean().sqrt()), _LEAST_SIZE)


def rounded_logits(module: nn.Module, features: np.ndarray, calibration: Samples, recipe: Recipe) -> np.ndarray:
    """What the network gives when weights and activations are rounded as in its int8 files.

    Args:
        module: from one (n, ...) float32 tensor to (n, classes) logits.
        features: (n, ...) float32.
        calibration: the calibration sample.
        recipe: granularity, observer and symmetry.

    Returns:
        (n, classes) float32.
    """
    network = FakeQuantized(module, features[:1], recipe)
    network.calibrate(calibration)
    return np.asarray(_logits(network.graph, torch.from_numpy(features)).numpy())
