"""What decides a training run, in one frozen dataclass; the defaults are the recipe chosen on validation data."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, UnknownNameError
from edgekit.training.augment import POLICIES
from edgekit.training.augment_pixels import PIXEL_POLICIES
from edgekit.training.losses import LOSSES
from edgekit.training.optimise import AMP, OPTIMIZERS, SCHEDULES

__all__ = ["TrainConfig", "default_copies", "default_epochs"]

_MOST_COPIES = 16
_COPIES_ALLOWED = 100  # they are made beforehand and held: a thousand would take hours and gigabytes
_MOST_NEURONS = 65_536
_LARGEST = 1e6  # of factors: beyond, float32 overflows before anything is learned
_FEATURE_BYTES = 24_000 * 32_768
_LEAST_EPOCHS, _MOST_EPOCHS, _LEAST_STEPS = 12, 100, 600
_NAMES: tuple[tuple[str, str, Iterable[str]], ...] = (
    ("loss", "loss", LOSSES),
    ("optimizer", "optimizer", OPTIMIZERS),
    ("schedule", "schedule", SCHEDULES),
    ("amp", "mixed precision", AMP),
    ("augment", "augmentation", dict.fromkeys([*POLICIES, *PIXEL_POLICIES])),
)
# What says where a run lies, not what comes out of it.
_PLACES = ("data", "out", "resume")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of one run.

    Attributes:
        data: folder of images, see `edgekit.training.data.scan`.
        model: registered name of the network.
        out: the run folder to write; must not exist, or be empty, unless `resume`.
        epochs: passes over the training images and their augmented copies, at most; None for 12, more for small sets, so that
            there are about 600 steps, at most 100.
        seed: of the validation split, the initial weights, the augmentation, the order and the dropout.
        batch_size: examples a step, over all processes.
        optimizer: "adamw", "adam", "sgd" or "adadelta"; see `edgekit.training.optimise`.
        learning_rate: peak of the schedule.
        schedule: "cosine", "constant", "steps" or "exponential", after the warm-up.
        warm_up: share of the steps over which the learning rate rises linearly; 0 for none.
        weight_decay: of the optimizer.
        gradient_norm: to which gradients are clipped; 0 for as they are.
        loss: "cross-entropy" or "focal".
        class_weights: count every class the same, however many examples it has.
        label_smoothing: 0 to below 1; cross-entropy only.
        mixup: a of the Beta(a, a) by which pairs of examples are mixed (Zhang et al. 2018, arXiv:1710.09412); 0 for none.
        average: decay of the exponential moving average of the weights that is evaluated and kept; 0 for none.
        batch_norms: while training, one after each convolution; see `edgekit.training.batch_norms`.
        clip: bound of the standardised features, in winsorised standard deviations.
        augment: a name of `edgekit.training.augment.POLICIES`, for pixels of `edgekit.training.augment_pixels.PIXEL_POLICIES`.
        copies: augmented copies of each image, computed beforehand; None for as many as is sensible for the number of images, at
            most 16, and for networks of pixels for every epoch anew.
        frontend: in place of the network's own, by name; None for that.
        path: of the signature, None for the network's default; likewise size, depth, directions and decode.
        size: (height, width) in pixels.
        depth: of the signature.
        directions: of the signature.
        neurons: of the hidden layer, for networks whose width can be chosen; None for the paper's.
        decode: "exact" or "scaled", of JPEG files; see `edgekit.frontends.loading`.
        mirror: of windows, channels that change sign where the first of them has a negative mean; see `Samples`.
        separate_gravity: of windows, every channel as its mean and the movement about it; see `Samples`.
        channels: of windows, names of those that the network sees, in its order; None for all of them.
        teacher: a finished run to learn from as well, on the same classes; see `edgekit.training.distill`.
        alpha: share of the true labels in the loss beside a teacher, 0 to 1.
        temperature: by which both logits are divided beside a teacher.
        patience: epochs without a better validation loss after which training stops; 0 for never.
        amp: "bf16", or "fp16" on CUDA; None for float32.
        refit: once the split has shown what to expect, train anew on all images, validation ones included, and keep the last
            weights: after all epochs, or with `patience` after as many as were best. Validation figures and temperature stay
            those of the network that had not seen them, after as many epochs. Without it the epoch of the lowest validation
            loss is kept.
        resume: continue the interrupted run in `out`.
    """

    data: str | os.PathLike[str]
    model: str
    out: str | os.PathLike[str]
    epochs: int | None = None
    seed: int = 0
    batch_size: int = 256
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    schedule: str = "cosine"
    warm_up: float = 0.1
    weight_decay: float = 0.01
    gradient_norm: float = 1.0
    loss: str = "cross-entropy"
    class_weights: bool = True
    label_smoothing: float = 0.1
    mixup: float = 0.4
    average: float = 0.99
    batch_norms: bool = False
    clip: float = 4.0
    augment: str = "photo"
    copies: int | None = None
    frontend: str | None = None
    path: str | None = None
    size: tuple[int, int] | None = None
    depth: int | None = None
    directions: str | None = None
    neurons: int | None = None
    decode: str | None = None
    mirror: tuple[int, ...] | None = None
    separate_gravity: bool | None = None
    channels: tuple[str, ...] | None = None
    teacher: str | os.PathLike[str] | None = None
    alpha: float = 0.5
    temperature: float = 4.0
    patience: int = 0
    amp: str | None = None
    refit: bool = True
    resume: bool = False

    def __post_init__(self) -> None:
        """Check every number.

        Raises:
            InputError: naming the setting, what was expected and what came.
            UnknownNameError: on an unknown loss, optimizer, schedule, mixed precision or augmentation.
        """
        for name, what, known in _NAMES:
            value = getattr(self, name)
            if value is not None and value not in known:
                raise UnknownNameError(what, value, known)
        _expect(self.epochs is None or self.epochs >= 1, "epochs", "at least 1", self.epochs)
        _expect(self.neurons is None or 1 <= self.neurons <= _MOST_NEURONS, "neurons", f"1 to {_MOST_NEURONS}", self.neurons)
        _expect(self.batch_size >= 1, "batch_size", "at least 1", self.batch_size)
        _expect(0 <= self.alpha <= 1, "alpha", "0 to 1", self.alpha)
        _expect(self.mirror is None or isinstance(self.mirror, tuple | list), "mirror", "channels such as (0,)", self.mirror)
        _expect(self.channels is None or isinstance(self.channels, tuple | list), "channels", "names", self.channels)
        given = self.separate_gravity
        _expect(given is None or isinstance(given, bool), "separate_gravity", "True or False", given)
        for name in ("learning_rate", "clip", "temperature"):
            _expect(0 < getattr(self, name) <= _LARGEST, name, f"a number above 0, {_LARGEST:g} at most", getattr(self, name))
        for name in ("label_smoothing", "average", "warm_up"):
            _expect(0 <= getattr(self, name) < 1, name, "0 to below 1", getattr(self, name))
        _expect(0 <= self.mixup <= _LARGEST, "mixup", f"0 to {_LARGEST:g}", self.mixup)
        for name in ("seed", "weight_decay", "patience", "gradient_norm"):
            _expect(0 <= getattr(self, name) < float("inf"), name, "0 or more", getattr(self, name))
        _expect(self.copies is None or 0 <= self.copies <= _COPIES_ALLOWED, "copies", f"0 to {_COPIES_ALLOWED}", self.copies)
        _expect(
            self.loss != "focal" or self.label_smoothing == 0, "label_smoothing", "0 with the focal loss", self.label_smoothing
        )

    @property
    def folder(self) -> Path:
        """`out` as a path."""
        return Path(self.out)

    def frontend_overrides(self) -> dict[str, Any]:
        """The parts of the front end's config that were asked for."""
        given = {name: getattr(self, name) for name in ("path", "depth", "directions", "decode", "separate_gravity")}
        given |= {name: value and list(value) for name, value in (("size", self.size), ("channels", self.channels))}
        given["mirror"] = None if self.mirror is None else list(self.mirror)
        return {name: value for name, value in given.items() if value is not None}

    def network_options(self) -> dict[str, Any]:
        """The keyword arguments of the network that were asked for."""
        return {} if self.neurons is None else {"hidden": self.neurons}

    def settings(self) -> dict[str, Any]:
        """Everything that decides the outcome, as JSON values: without the places of data and run."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in _PLACES}
        values["teacher"] = None if self.teacher is None else str(self.teacher)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def default_copies(examples: int, bytes_each: int = 32_768) -> int:
    """Augmented copies of each example: 16, fewer for large sets, so that features stay within about 0.75 GB; at least 1.

    Args:
        examples: how many there are.
        bytes_each: of one's features, in half precision.
    """
    return max(1, min(_MOST_COPIES, _FEATURE_BYTES // max(1, examples * bytes_each)))


def default_epochs(examples: int, batch_size: int) -> int:
    """Epochs for so many training examples, augmented copies included: 12, up to 100 where that gives fewer than 600 steps."""
    steps = math.ceil(examples / batch_size)
    return max(_LEAST_EPOCHS, min(_MOST_EPOCHS, math.ceil(_LEAST_STEPS / steps)))


def _expect(ok: bool, name: str, expected: str, got: object) -> None:
    if not ok:
        raise InputError(f"Expected {name.replace('_', ' ')} of {expected}, got {got}.")
