"""The optimiser's side of a step: which one, its learning rate over time, mixed precision, the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from edgekit.errors import UserError

__all__ = [
    "AMP",
    "OPTIMIZERS",
    "SCHEDULES",
    "MixedPrecision",
    "check_amp",
    "create_optimizer",
    "learning_rate_at",
    "move_average",
]

_MOMENTUM = 0.9
_LAST_OF_EXPONENTIAL = 0.99**500  # MLPerf Tiny's 500 epochs

_Parameters = Iterable[nn.Parameter]

OPTIMIZERS: Mapping[str, Callable[[_Parameters, float, float], torch.optim.Optimizer]] = {
    "adamw": lambda parameters, rate, decay: torch.optim.AdamW(parameters, lr=rate, weight_decay=decay),
    "adam": lambda parameters, rate, decay: torch.optim.Adam(parameters, lr=rate, weight_decay=decay),
    "sgd": lambda parameters, rate, decay: torch.optim.SGD(parameters, lr=rate, weight_decay=decay, momentum=_MOMENTUM),
    "adadelta": lambda parameters, rate, decay: torch.optim.Adadelta(parameters, lr=rate, weight_decay=decay),
}

#: Share of the run that is done (0 to 1) -> factor of the peak.
SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
    "constant": lambda _done: 1.0,
    "steps": lambda done: 0.1 ** int(3 * done),
    "exponential": lambda done: _LAST_OF_EXPONENTIAL**done,
}

AMP: Mapping[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


def create_optimizer(name: str, module: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """The optimiser `name` of `OPTIMIZERS` over all weights; SGD has a momentum of 0.9."""
    return OPTIMIZERS[name](module.parameters(), learning_rate, weight_decay)


def learning_rate_at(step: int, steps: int, peak: float, schedule: str = "cosine", warm_up: float = 0.1) -> float:
    """Linear warm-up, then the schedule: half a cosine down to 0, three steps of a tenth, or others.

    Args:
        step: 0 to steps - 1.
        steps: of the whole run.
        peak: the highest learning rate.
        schedule: a name of `SCHEDULES`.
        warm_up: share of all steps; 0 for none.
    """
    warm = max(1, round(warm_up * steps)) if warm_up else 0
    if step < warm:
        return peak * (step + 1) / warm
    return peak * SCHEDULES[schedule]((step - warm) / max(1, steps - warm))


def check_amp(amp: str | None, device: torch.device) -> None:
    """Refuse a mixed precision that the device does not have; arguments and errors as of `MixedPrecision`."""
    if amp == "fp16" and device.type != "cuda":
        raise UserError("Expected a CUDA device for --amp fp16, found none. Pass --amp bf16, or leave it out.")


class MixedPrecision:
    """The network's forward pass in bf16 or fp16, weights and optimiser in float32; fp16 with a scaled loss.

    Args:
        amp: a name of `AMP`, None for float32 throughout.
        device: on which is trained.

    Raises:
        UserError: on fp16 on another device than CUDA.
    """

    def __init__(self, amp: str | None, device: torch.device) -> None:
        check_amp(amp, device)
        self._device, self._dtype = device.type, None if amp is None else AMP[amp]
        self._scaler = torch.amp.GradScaler("cuda", enabled=amp == "fp16")

    def logits(self, module: nn.Module, x: Tensor) -> Tensor:
        """What the network says, (B, C) float32. Augmentation before and loss behind it keep float32."""
        with nullcontext() if self._dtype is None else torch.autocast(self._device, self._dtype):
            logits: Tensor = module(x)
        return logits.float()

    def backward(self, loss: Tensor) -> None:
        """Gradients of the (scaled) loss."""
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: torch.optim.Optimizer, module: nn.Module, gradient_norm: float) -> None:
        """Clip the gradients' norm (0: not) and take the step; one with gradients that are not finite is left out in fp16."""
        self._scaler.unscale_(optimizer)
        if gradient_norm:
            nn.utils.clip_grad_norm_(module.parameters(), gradient_norm)
        self._scaler.step(optimizer)
        self._scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """The scale of fp16."""
        return self._scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Inverse of `state_dict`."""
        self._scaler.load_state_dict(state)


@torch.no_grad()
def move_average(average: dict[str, Tensor], module: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of all weights and running statistics, in place; quicker at the start, as TensorFlow's.

    Args:
        average: state dict to move.
        module: whose weights it follows.
        decay: 0 to below 1.
        step: of the run.
    """
    decay = min(decay, (1 + step) / (10 + step))
    for name, value in module.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:  # the number of batches that a batch norm has seen
            average[name].copy_(value)
