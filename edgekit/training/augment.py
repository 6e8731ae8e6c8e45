"""Augmentation of uint8 images before their features are computed.

The steps of Ibrahim and Lyons (ImageSig, section 3.2 and the supplement): flips, brightness +40 / +80 in HSV, rotation by 45
degrees, Gaussian noise, colour swap; and milder ones. A policy is a named tuple of steps, each drawn with its own probability.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance

from edgekit.errors import UnknownNameError

__all__ = [
    "POLICIES",
    "Step",
    "augment",
    "brighten",
    "flip_horizontal",
    "flip_vertical",
    "invert_colours",
    "jitter_colours",
    "noise",
    "random_crop",
    "rotate",
    "shift",
    "swap_colours",
]

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Step:
    """One change and how often it is drawn, 0 to 1."""

    change: Change
    probability: float = 1.0


def augment(image: np.ndarray, policy: str, rng: np.random.Generator) -> np.ndarray:
    """Apply a policy's steps, each drawn with its probability.

    Args:
        image: (H, W, 3) uint8, RGB.
        policy: a name of `POLICIES`.
        rng: the source of all randomness; the same state gives the same image.

    Returns:
        (H, W, 3) uint8. The input is not changed.

    Raises:
        UnknownNameError: listing the known policies.
    """
    if policy not in POLICIES:
        raise UnknownNameError("augmentation", policy, POLICIES)
    for step in POLICIES[policy]:
        if rng.random() < step.probability:
            image = step.change(image, rng)
    return image


def flip_horizontal(image: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Mirror left and right."""
    return image[:, ::-1]


def flip_vertical(image: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """Mirror top and bottom."""
    return image[::-1]


def brighten(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add 40 or 80 to the value channel of HSV, the paper's two brightness changes."""
    hsv = np.array(Image.fromarray(np.ascontiguousarray(image)).convert("HSV"))
    hsv[..., 2] = np.minimum(hsv[..., 2].astype(np.int16) + int(rng.choice((40, 80))), 255)
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


def noise(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add Gaussian noise of a standard deviation drawn from 2 to 10 grey levels."""
    # From a generator of its own: what follows is then drawn alike whatever the picture's size, for a teacher of another one.
    values = image + np.random.default_rng(rng.integers(2**63)).normal(0.0, rng.uniform(2.0, 10.0), image.shape)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def swap_colours(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Permute the colour channels."""
    return image[..., rng.permutation(3)]


def invert_colours(image: np.ndarray, _rng: np.random.Generator) -> np.ndarray:
    """255 minus the image."""
    return np.asarray(255 - image, np.uint8)


def jitter_colours(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scale brightness, contrast and saturation by factors drawn from 0.7 to 1.3 each."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        picture = enhance(picture).enhance(float(rng.uniform(0.7, 1.3)))
    return np.asarray(picture)


def random_crop(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Keep a window of 60 to 100 % of the area, aspect ratio 3:4 to 4:3, at its own resolution."""
    height, width = image.shape[:2]
    area, ratio = rng.uniform(0.6, 1.0), float(np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3))))
    rows = max(1, min(height, round(height * float(np.sqrt(area / ratio)))))
    columns = max(1, min(width, round(width * float(np.sqrt(area * ratio)))))
    # Shares, not integers: those take as many draws as the picture's size asks for, none at all where one place is left.
    down, across = rng.random(2)
    top, left = int(down * (height - rows + 1)), int(across * (width - columns + 1))
    return image[top : top + rows, left : left + columns]


def rotate(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotate about the centre by up to 10 degrees either way, the edge pixels' mean colour in the corners."""
    return _affine(image, angle=float(rng.uniform(-10.0, 10.0)))


def rotate_45(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rotate about the centre by 45 degrees, either way: the paper's optional rotation."""
    return _affine(image, angle=float(rng.choice((-45.0, 45.0))))


def shift(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Move by up to 8 % of each side and scale by 0.9 to 1.1, the edge pixels' mean colour outside."""
    height, width = image.shape[:2]
    dx, dy = rng.uniform(-0.08, 0.08, 2) * (width, height)
    return _affine(image, scale=float(rng.uniform(0.9, 1.1)), move=(float(dx), float(dy)))


def _affine(image: np.ndarray, angle: float = 0.0, scale: float = 1.0, move: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Rotate (degrees) and scale about the centre, then move (pixels), with bilinear interpolation."""
    height, width = image.shape[:2]
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    cosine, sine = np.cos(np.radians(angle)) / scale, np.sin(np.radians(angle)) / scale
    shift_x, shift_y = centre_x + move[0], centre_y + move[1]
    inverse = (
        float(cosine),
        float(sine),
        float(centre_x - cosine * shift_x - sine * shift_y),
        float(-sine),
        float(cosine),
        float(centre_y + sine * shift_x - cosine * shift_y),
    )
    picture = Image.fromarray(np.ascontiguousarray(image))
    fill = tuple(int(value) for value in np.rint(_edge_colour(image)))
    return np.asarray(
        picture.transform((width, height), Image.Transform.AFFINE, inverse, Image.Resampling.BILINEAR, fillcolor=fill)
    )


def _edge_colour(image: np.ndarray) -> np.ndarray:
    edges = [image[0], image[-1], image[:, 0], image[:, -1]]
    return np.asarray(np.concatenate(edges).mean(axis=0))


POLICIES: Mapping[str, tuple[Step, ...]] = {
    "none": (),
    "paper": (
        Step(flip_horizontal, 0.5),
        Step(flip_vertical, 0.5),
        Step(brighten, 0.5),
        Step(rotate_45, 0.1),
        Step(noise, 0.2),
        Step(swap_colours, 0.1),
    ),
    "crop-flip": (Step(flip_horizontal, 0.5), Step(random_crop)),
    "light": (Step(shift), Step(rotate)),
    "photo": (
        Step(flip_horizontal, 0.5),
        Step(flip_vertical, 0.3),
        Step(random_crop),
        Step(jitter_colours, 0.8),
        Step(rotate, 0.5),
    ),
}
