"""Augmentation of batches on the device: the same numbers give the same pictures; each operation as Pillow does it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from edgekit.errors import UnknownNameError
from edgekit.training.augment_pixels import _OPERATIONS, DRAWS, PIXEL_POLICIES, augment_pixels

FLIP, AREA, CHOICES, STRENGTHS = 0, 2, (15, 16), (17, 18)


@pytest.fixture
def picture(rng) -> Image.Image:
    """Smooth in space, so that a resampling has little to differ in."""
    small = Image.fromarray(rng.integers(20, 235, (6, 6, 3), np.uint8))
    return small.resize((40, 40), Image.Resampling.BICUBIC)


def tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()


def still(count: int = 1) -> torch.Tensor:
    """Numbers that leave a picture as it is."""
    draws = torch.full((count, DRAWS), 0.5)
    draws[:, AREA] = 0
    draws[:, CHOICES] = 0
    return draws


def operated(image: Image.Image, operation: str, strength: float) -> np.ndarray:
    """(H, W, 3) after one operation of randaugment."""
    draws = still()
    draws[0, CHOICES[0]] = (_OPERATIONS.index(operation) + 0.5) / len(_OPERATIONS)
    draws[0, STRENGTHS[0]] = (strength + 1) / 2
    return augment_pixels(tensor(image), "randaugment", draws)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(
    ("operation", "strength", "pillow", "levels"),
    [
        ("identity", 1.0, lambda image: image, 0.01),
        ("brightness", 0.3, lambda image: ImageEnhance.Brightness(image).enhance(1.27), 1.01),
        ("brightness", -0.8, lambda image: ImageEnhance.Brightness(image).enhance(0.28), 1.01),
        ("contrast", 0.5, lambda image: ImageEnhance.Contrast(image).enhance(1.45), 1.51),
        ("saturation", -0.6, lambda image: ImageEnhance.Color(image).enhance(0.46), 1.51),
        ("posterize", 0.5, lambda image: ImageOps.posterize(image, 5), 0.01),
        ("solarize", 0.5, lambda image: ImageOps.solarize(image, 128), 0.01),
        ("autocontrast", 0.9, ImageOps.autocontrast, 1.01),
    ],
)
def test_an_operation_is_pillows(picture, operation, strength, pillow, levels):
    expected = np.array(pillow(picture), np.float32)
    np.testing.assert_allclose(operated(picture, operation, strength), expected, rtol=0, atol=levels)


@pytest.mark.parametrize("size", [(40, 40), (60, 40)])
def test_turning_is_pillows_also_where_sides_differ(picture, size):
    image = picture.resize(size, Image.Resampling.BICUBIC)
    expected = np.array(image.rotate(15, Image.Resampling.BILINEAR), np.float32)
    middle = (slice(12, -12), slice(12, -12))
    difference = np.abs(operated(image, "rotate", 0.5) - expected)[middle]
    assert difference.max() < 3, difference.max()


def test_flips_are_exact_and_concern_their_pictures_alone(picture):
    images, draws = tensor(picture).repeat(3, 1, 1, 1), still(3)
    draws[1, FLIP] = 0.1
    out = augment_pixels(images, "crop-flip", draws)
    torch.testing.assert_close(out[1], images[1].flip(-1), rtol=0, atol=1e-3)
    torch.testing.assert_close(out[[0, 2]], images[[0, 2]], rtol=0, atol=1e-3)


@pytest.mark.parametrize("policy", PIXEL_POLICIES)
def test_a_picture_does_not_hang_on_its_batch(policy, picture, rng):
    images = tensor(picture).repeat(5, 1, 1, 1)
    draws = torch.from_numpy(rng.random((5, DRAWS), np.float32))
    whole = augment_pixels(images, policy, draws)
    torch.testing.assert_close(augment_pixels(images[3:4], policy, draws[3:4]), whole[3:4])
    assert whole.shape == images.shape
    assert whole.min() >= -1e-3
    assert whole.max() <= 255.001
    assert (policy == "none") == torch.equal(whole, images)


def test_an_unknown_policy_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="randaugment"):
        augment_pixels(torch.zeros(1, 3, 4, 4), "mosaic", still())
