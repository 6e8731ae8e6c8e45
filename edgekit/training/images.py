"""From a data set of images to what fitting takes: features, augmented copies, and a teacher's logits of both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from edgekit.errors import UserError
from edgekit.frontends.base import FrontEnd, standardised
from edgekit.models.checkpoint import Run
from edgekit.training.augment import POLICIES
from edgekit.training.config import TrainConfig, default_copies
from edgekit.training.data import DataSet, Example, validation_split
from edgekit.training.features import augmented_features, check_colour, plain_features
from edgekit.training.fit import predict_logits
from edgekit.training.inputs import InMemory
from edgekit.training.prepared import Prepared, Side, fit_frontend, prepared
from edgekit.training.progress import Progress

__all__ = ["prepare_images"]

_PIECE = 512


def prepare_images(config: TrainConfig, data: DataSet, frontend: FrontEnd, teacher: Run | None, progress: Progress) -> Prepared:
    """Compute features, fit the standardisation on the un-augmented training ones, standardise all.

    Args:
        config: the settings.
        data: the images.
        frontend: of the network, not yet fitted.
        teacher: whose logits are learned from, on the same images and copies, through its own front end.
        progress: told of every image.

    Raises:
        DataError: when images cannot be decoded, or are grey where the path is their colour.
        UserError: on an augmentation that there is on the device alone.
    """
    if config.augment not in POLICIES:
        known = ", ".join(POLICIES)
        raise UserError(
            f"Expected an augmentation that can be computed beforehand ({known}) for {frontend.name}, got {config.augment}. "
            "That one is for pixels, without --copies."
        )
    everything = (*data.train, *data.test)
    raw, single_tint = plain_features(everything, frontend, progress)
    check_colour(frontend, single_tint[: len(data.train)])
    train_side, validation_side = validation_split(data.train, data.labels, config.seed)
    row_of = {example.path: row for row, example in enumerate(everything)}

    def rows(examples: tuple[Example, ...]) -> np.ndarray:
        return raw[[row_of[example.path] for example in examples]]

    plain = rows(train_side)
    fitted = fit_frontend(frontend, plain, config.clip)
    copies = _copies(config, len(data.train), raw[0].size)
    job = _Job(config, fitted, _spread(plain, frontend.feature_axis), copies, teacher, progress)
    sides = [partial(job.side, train_side, plain)]
    if config.refit:
        sides.append(partial(job.side, validation_side, rows(validation_side)))
    validation = rows(validation_side), _targets(validation_side)
    return prepared(fitted, len(data.labels), tuple(sides), validation, (raw[len(data.train) :], _targets(data.test)))


@dataclass(frozen=True)
class _Job:
    """How the sides are made."""

    config: TrainConfig
    frontend: FrontEnd
    spread: np.ndarray
    copies: int
    teacher: Run | None
    progress: Progress

    def side(self, examples: tuple[Example, ...], plain: np.ndarray) -> Side:
        """Images as they are, then their copies, those of one image together."""
        features, targets = standardised(self.frontend, plain).astype(np.float16), _targets(examples)
        logits = None if self.teacher is None else self._taught(self.teacher, examples)
        if not self.copies:
            return Side(features, targets, logits)
        copied = self._augmented(examples, self.frontend, self.spread)
        return Side(np.concatenate([features, copied]), np.concatenate([targets, np.repeat(targets, self.copies)]), logits)

    def _augmented(self, examples: tuple[Example, ...], frontend: FrontEnd, spread: np.ndarray) -> np.ndarray:
        """(N * copies, ...) float16 standardised features of the copies."""
        config = self.config
        augmented = augmented_features(
            examples, frontend, self.progress, policy=config.augment, copies=self.copies, seed=config.seed, spread=spread
        )
        for start in range(0, len(augmented), _PIECE):
            piece = augmented[start : start + _PIECE].astype(np.float32) * spread
            augmented[start : start + _PIECE] = standardised(frontend, piece).astype(np.float16)
        return augmented

    def _taught(self, teacher: Run, examples: tuple[Example, ...]) -> np.ndarray:
        """Logits of the teacher on the images and on the very same copies, in the order of `side`."""
        plain, _ = plain_features(examples, teacher.frontend, self.progress, "the teacher's features")
        features = [standardised(teacher.frontend, plain).astype(np.float16)]
        if self.copies:
            features.append(self._augmented(examples, teacher.frontend, _spread(plain, teacher.frontend.feature_axis)))
        return predict_logits(teacher.module, InMemory(torch.from_numpy(np.concatenate(features))))


def _copies(config: TrainConfig, images: int, size: int) -> int:
    if config.augment == "none":
        return 0
    return default_copies(images, 2 * size) if config.copies is None else config.copies


def _spread(features: np.ndarray, axis: int) -> np.ndarray:
    """Float32 standard deviations along the feature axis, broadcast against (N, ...) features; 1 for one that never varies."""
    others = tuple(number for number in range(-features.ndim, 0) if number != axis)
    deviation = features.std(axis=others, dtype=np.float64, keepdims=True)[0]
    return np.where(deviation > 0, deviation, 1.0).astype(np.float32)


def _targets(examples: tuple[Example, ...]) -> np.ndarray:
    return np.array([example.label for example in examples], np.int64)
