"""Data sets of images for networks that take pixels: decoded once into a file, augmented anew every epoch on the device."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from edgekit.errors import UserError
from edgekit.frontends.base import FrontEnd, frontend_to_json
from edgekit.models.checkpoint import Run
from edgekit.training.augment_pixels import DRAWS, PIXEL_POLICIES, augment_pixels
from edgekit.training.config import TrainConfig
from edgekit.training.data import DataSet, Example, validation_split
from edgekit.training.image_store import stored_images
from edgekit.training.inputs import FitData
from edgekit.training.prepared import Prepared
from edgekit.training.progress import Progress

__all__ = ["PixelInputs", "prepare_pixels", "takes_pixels"]


@dataclass(frozen=True)
class PixelInputs:
    """Rows of a file of pictures.

    Attributes:
        images: (M, H, W, 3) uint8, RGB.
        rows: (N,) of them that are meant.
        scale: (3,) factors of a level.
        offset: (3,) added after scaling.
        policy: of `PIXEL_POLICIES`.
    """

    images: np.ndarray
    rows: np.ndarray
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    policy: str

    @property
    def draws(self) -> int:
        """Uniform numbers an example."""
        return 0 if PIXEL_POLICIES[self.policy] is None else DRAWS

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: np.ndarray, device: torch.device, draws: np.ndarray | None = None) -> Tensor:
        """(B, 3, H, W) float32; bytes travel to the device, the rest happens there. See `Inputs.batch`."""
        levels = torch.from_numpy(self.images[self.rows[rows]]).to(device).permute(0, 3, 1, 2).float()
        if draws is not None:
            levels = augment_pixels(levels, self.policy, torch.from_numpy(draws).to(device))
        scale, offset = (levels.new_tensor(values)[:, None, None] for values in (self.scale, self.offset))
        return levels * scale + offset


def takes_pixels(frontend: FrontEnd) -> bool:
    """Whether a front end is scaled pixels as `PixelInputs` gives them."""
    config = frontend.config_to_json()
    return frontend.name == "pixels" and (config["layout"], config["channels"]) == ("CHW", "rgb")


def prepare_pixels(config: TrainConfig, data: DataSet, frontend: FrontEnd, teacher: Run | None, progress: Progress) -> Prepared:
    """Decode all images into one file, and split them.

    Args:
        config: the settings.
        data: the images.
        frontend: of the network; see `takes_pixels`.
        teacher: whose logits are learned from; it sees the very pictures that the network sees.
        progress: told of every image.

    Raises:
        DataError: when images cannot be decoded.
        UserError: on an augmentation that pixels do not have, a teacher of other inputs.
    """
    _check(config, frontend, teacher)
    everything = (*data.train, *data.test)
    config_of = frontend.config_to_json()
    scale, offset = (_three(config_of[key]) for key in ("scale", "offset"))
    images = stored_images(everything, frontend, progress)
    train_side, validation_side = validation_split(data.train, data.labels, config.seed)
    row_of = {example.path: row for row, example in enumerate(everything)}

    def inputs(examples: tuple[Example, ...], policy: str = "none") -> PixelInputs:
        rows = np.array([row_of[example.path] for example in examples], np.int64)
        return PixelInputs(images, rows, scale, offset, policy)

    split = FitData(
        x=inputs(train_side, config.augment),
        y=torch.from_numpy(_targets(train_side)),
        x_validation=inputs(validation_side),
        y_validation=torch.from_numpy(_targets(validation_side)),
        classes=len(data.labels),
        teacher=None if teacher is None else teacher.module,
    )
    both = (*train_side, *validation_side)
    whole = replace(split, x=inputs(both, config.augment), y=torch.from_numpy(_targets(both))) if config.refit else split
    return Prepared(frontend, split, whole, inputs(data.test), _targets(data.test))


def _check(config: TrainConfig, frontend: FrontEnd, teacher: Run | None) -> None:
    if config.augment not in PIXEL_POLICIES:
        known = ", ".join(PIXEL_POLICIES)
        raise UserError(f"Expected an augmentation of pixels ({known}) for {config.model}, got {config.augment}.")
    if teacher is not None and frontend_to_json(teacher.frontend) != frontend_to_json(frontend):
        theirs, ours = (f"{one.name} {one.size}" for one in (teacher.frontend, frontend))
        raise UserError(f"Expected a teacher that takes what {config.model} takes, {ours}, got one of {theirs}. Train one so.")


def _three(value: float | list[float]) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, list) else (value,) * 3


def _targets(examples: tuple[Example, ...]) -> np.ndarray:
    return np.array([example.label for example in examples], np.int64)
