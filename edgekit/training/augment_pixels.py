"""Augmentation of whole batches of pictures on the device on which they are trained.

What is drawn comes from outside as uniform numbers, a fixed count an example: the same numbers give the same pictures, whatever
the batch around them. Geometry is one affine map a picture, resampled once.

`randaugment` is after Cubuk et al. 2020 (arXiv:1909.13719) with strengths drawn evenly as in TrivialAugment (Müller and Hutter
2021, arXiv:2103.10158): two operations a picture of thirteen, in a fixed order, without equalising. torchvision's own draws one
operation for a whole batch, from a generator that no run can set back to an epoch's start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from edgekit.errors import UnknownNameError

__all__ = ["DRAWS", "PIXEL_POLICIES", "PixelPolicy", "augment_pixels"]

#: Uniform numbers an example: flips 2, crop 4, rotation 2, shift 2, zoom 1, jitter 4, two operations 4.
DRAWS = 19

_LUMA = (0.299, 0.587, 0.114)
_GEOMETRY = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")
_COLOUR = ("brightness", "contrast", "saturation", "sharpness", "posterize", "solarize", "autocontrast")
_OPERATIONS = ("identity", *_GEOMETRY, *_COLOUR)
_DEGREES, _SHEAR, _TRANSLATE, _FACTOR, _BITS = 30.0, 0.3, 0.33, 0.9, 6.0


@dataclass(frozen=True)
class PixelPolicy:
    """What may be done to a picture.

    Attributes:
        flip_horizontal: probability.
        flip_vertical: probability.
        least_area: a window of at least this share of the area is kept, aspect ratio 3:4 to 4:3; 1 for all of it.
        degrees: of rotation, either way.
        rotation: its probability.
        shift: share of a side, either way.
        zoom: 0.1 for 0.9 to 1.1 fold.
        jitter: 0.3 for brightness, contrast and saturation by 0.7 to 1.3.
        jittering: its probability.
        operations: 2 for two of randaugment's, 0 for none.
    """

    flip_horizontal: float = 0.0
    flip_vertical: float = 0.0
    least_area: float = 1.0
    degrees: float = 0.0
    rotation: float = 1.0
    shift: float = 0.0
    zoom: float = 0.0
    jitter: float = 0.0
    jittering: float = 1.0
    operations: int = 0


#: The names of `edgekit.training.augment.POLICIES`, where they make sense for pixels, and randaugment.
PIXEL_POLICIES: Mapping[str, PixelPolicy | None] = {
    "none": None,
    "light": PixelPolicy(degrees=10, shift=0.08, zoom=0.1),
    "photo": PixelPolicy(0.5, 0.3, least_area=0.6, degrees=10, rotation=0.5, jitter=0.3, jittering=0.8),
    "crop-flip": PixelPolicy(0.5, least_area=0.6),
    "randaugment": PixelPolicy(0.5, least_area=0.6, operations=2),
}


def augment_pixels(images: Tensor, policy: str, draws: Tensor) -> Tensor:
    """Apply a policy.

    Args:
        images: (B, 3, H, W) float32, levels 0 to 255.
        policy: a name of `PIXEL_POLICIES`.
        draws: (B, `DRAWS`) float32 in [0, 1).

    Returns:
        (B, 3, H, W) float32, levels 0 to 255.

    Raises:
        UnknownNameError: listing the known policies.
    """
    if policy not in PIXEL_POLICIES:
        raise UnknownNameError("augmentation of pixels", policy, PIXEL_POLICIES)
    chosen = PIXEL_POLICIES[policy]
    if chosen is None:
        return images
    strengths = _strengths(draws[:, 15:19]) if chosen.operations else {}
    images = _resampled(images, _affine(chosen, draws, strengths, images.shape[-1] / images.shape[-2]))
    if chosen.jitter:
        signed = torch.where(draws[:, 11] < chosen.jittering, 1.0, 0.0)[:, None] * chosen.jitter * (2 * draws[:, 12:15] - 1)
        images = _saturated(_contrasted(_brightened(images, 1 + signed[:, 0]), 1 + signed[:, 1]), 1 + signed[:, 2])
    return _coloured(images, strengths) if strengths else images


def _strengths(draws: Tensor) -> dict[str, Tensor]:
    """Operation -> (B,) strength -1 to 1, 0 where it was not drawn; (B, 4) draws are two choices and two strengths."""
    choices, signed = (draws[:, :2] * len(_OPERATIONS)).long(), 2 * draws[:, 2:] - 1
    return {name: ((choices == number) * signed).sum(dim=1).clamp(-1, 1) for number, name in enumerate(_OPERATIONS) if number > 0}


def _affine(policy: PixelPolicy, draws: Tensor, strengths: Mapping[str, Tensor], aspect: float) -> Tensor:
    """(B, 2, 3) from output to input, in `grid_sample`'s coordinates of -1 to 1.

    Args:
        policy: what may be done.
        draws: (B, `DRAWS`).
        strengths: of randaugment's operations, empty without.
        aspect: width over height: turning and shearing must not distort.
    """
    signed = 2 * draws - 1
    matrix = _scale(_sign(draws[:, 0] < policy.flip_horizontal), _sign(draws[:, 1] < policy.flip_vertical))
    if policy.least_area < 1:
        area, ratio = 1 - draws[:, 2] * (1 - policy.least_area), (4 / 3) ** signed[:, 3]
        x, y = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        matrix = _shift(signed[:, 4] * (1 - x), signed[:, 5] * (1 - y)) @ _scale(x, y) @ matrix
    if policy.degrees:
        angle = torch.where(draws[:, 6] < policy.rotation, policy.degrees * signed[:, 7], 0.0)
        matrix = _turn(angle, aspect) @ matrix
    if policy.shift or policy.zoom:
        factor = 1 / (1 + policy.zoom * signed[:, 10])
        matrix = _shift(2 * policy.shift * signed[:, 8], 2 * policy.shift * signed[:, 9]) @ _scale(factor, factor) @ matrix
    if strengths:
        matrix = _turn(_DEGREES * strengths["rotate"], aspect) @ matrix
        matrix = _shear(_SHEAR * strengths["shear_x"] / aspect, _SHEAR * strengths["shear_y"] * aspect) @ matrix
        matrix = _shift(2 * _TRANSLATE * strengths["translate_x"], 2 * _TRANSLATE * strengths["translate_y"]) @ matrix
    return matrix[:, :2]


def _resampled(images: Tensor, matrices: Tensor) -> Tensor:
    """Bilinear, mirrored at the edges."""
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _coloured(images: Tensor, strengths: Mapping[str, Tensor]) -> Tensor:
    """The operations on levels, each on the pictures for which it was drawn."""
    images = _brightened(images, 1 + _FACTOR * strengths["brightness"])
    images = _contrasted(images, 1 + _FACTOR * strengths["contrast"])
    images = _saturated(images, 1 + _FACTOR * strengths["saturation"])
    images = _blended(_smoothed(images), images, 1 + _FACTOR * strengths["sharpness"])
    step = _each(2 ** torch.round(_BITS * strengths["posterize"].abs()))
    images = torch.where(step > 1, torch.floor(images.round() / step) * step, images)
    threshold = _each(256 * (1 - strengths["solarize"].abs()))
    images = torch.where((threshold < 256) & (images >= threshold), 255 - images, images)
    return torch.where(_each(strengths["autocontrast"]) != 0, _stretched(images), images)


def _brightened(images: Tensor, factor: Tensor) -> Tensor:
    return (images * _each(factor)).clamp(0, 255)


def _contrasted(images: Tensor, factor: Tensor) -> Tensor:
    return _blended(_grey(images).mean(dim=(2, 3), keepdim=True), images, factor)


def _saturated(images: Tensor, factor: Tensor) -> Tensor:
    return _blended(_grey(images), images, factor)


def _blended(base: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    return (base + (images - base) * _each(factor)).clamp(0, 255)


def _smoothed(images: Tensor) -> Tensor:
    """The mean of 3 x 3 pixels, the edges repeated."""
    return functional.avg_pool2d(functional.pad(images, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


def _stretched(images: Tensor) -> Tensor:
    """Every channel from 0 to 255; one that is constant as it is."""
    low, high = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    return torch.where(high > low, (images - low) * (255 / (high - low).clamp(min=1e-3)), images)


def _grey(images: Tensor) -> Tensor:
    """(B, 1, H, W) luma of ITU-R BT.601."""
    return (images * images.new_tensor(_LUMA)[:, None, None]).sum(dim=1, keepdim=True)


def _each(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _sign(flipped: Tensor) -> Tensor:
    return torch.where(flipped, -1.0, 1.0)


def _matrix(rows: tuple[tuple[Tensor | float, ...], ...], like: Tensor) -> Tensor:
    """(B, 3, 3) of rows of (B,) tensors and numbers; the last row is (0, 0, 1)."""
    filled = [torch.stack([torch.as_tensor(value).to(like).expand_as(like) for value in row], dim=1) for row in rows]
    last = like.new_tensor([0.0, 0.0, 1.0]).expand(len(like), 3)
    return torch.stack([*filled, last], dim=1)


def _scale(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(((x, 0.0, 0.0), (0.0, y, 0.0)), x)


def _shift(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(((1.0, 0.0, x), (0.0, 1.0, y)), x)


def _shear(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(((1.0, x, 0.0), (y, 1.0, 0.0)), x)


def _turn(degrees: Tensor, aspect: float) -> Tensor:
    cosine, sine = torch.cos(torch.deg2rad(degrees)), torch.sin(torch.deg2rad(degrees))
    return _matrix(((cosine, -sine / aspect, 0.0), (sine * aspect, cosine, 0.0)), degrees)
