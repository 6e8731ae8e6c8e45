"""Augmentation: exact where a step is exact, within bounds where it is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgekit.errors import UnknownNameError
from edgekit.training import augment as steps
from edgekit.training.augment import POLICIES, augment


@pytest.fixture
def image(rng):
    return rng.integers(0, 256, (24, 30, 3), dtype=np.uint8)


@given(policy=st.sampled_from(sorted(POLICIES)), seed=st.integers(0, 2**32), height=st.integers(1, 20), width=st.integers(1, 20))
def test_every_policy_gives_an_rgb_image_and_repeats_with_its_seed(policy, seed, height, width):
    image = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
    before = image.copy()
    first = augment(image, policy, np.random.default_rng(seed))
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    assert first.size > 0
    np.testing.assert_array_equal(first, augment(image, policy, np.random.default_rng(seed)))
    np.testing.assert_array_equal(image, before)


@given(policy=st.sampled_from(sorted(POLICIES)), seed=st.integers(0, 2**32))
@example(policy="crop-flip", seed=423)  # a crop of the whole height in one size only
def test_a_smaller_picture_is_changed_by_the_same_steps(policy, seed):
    large, small = np.random.default_rng(seed), np.random.default_rng(seed)
    augment(np.zeros((40, 40, 3), np.uint8), policy, large)
    augment(np.zeros((20, 20, 3), np.uint8), policy, small)
    assert large.random() == small.random()


def test_flips_are_their_own_inverse(image, rng):
    for flip in (steps.flip_horizontal, steps.flip_vertical, steps.invert_colours):
        assert not np.array_equal(flip(image, rng), image)
        np.testing.assert_array_equal(flip(flip(image, rng), rng), image)


def test_brightening_adds_40_or_80_to_the_value_of_hsv(rng):
    grey = np.full((4, 4, 3), 100, np.uint8)
    assert {int(steps.brighten(grey, rng)[0, 0, 0]) for _ in range(20)} == {140, 180}
    assert steps.brighten(np.full((4, 4, 3), 250, np.uint8), rng).max() == 255


def test_swapping_colours_permutes_each_pixels_channels(image, rng):
    np.testing.assert_array_equal(np.sort(steps.swap_colours(image, rng), axis=2), np.sort(image, axis=2))


def test_noise_leaves_the_mean_where_it_was(rng):
    grey = np.full((200, 200, 3), 128, np.uint8)
    noisy = steps.noise(grey, rng)
    assert abs(noisy.mean() - 128) < 0.2
    assert 1.5 < noisy.std() < 10.5


def test_a_crop_keeps_at_least_about_half_of_the_image(image, rng):
    areas = [steps.random_crop(image, rng).size / image.size for _ in range(100)]
    assert min(areas) > 0.5
    assert max(areas) <= 1.0


def test_a_picture_of_one_colour_keeps_it_under_shifts_and_rotations(rng):
    plain = np.full((20, 20, 3), (10, 90, 200), np.uint8)
    for step in (steps.shift, steps.rotate, steps.rotate_45):
        np.testing.assert_array_equal(step(plain, rng), plain)


def test_rotation_leaves_the_centre_and_moves_the_rest(rng):
    image = np.zeros((21, 21, 3), np.uint8)
    image[9:12, 9:12] = 255
    image[10, 20] = 255
    turned = steps.rotate_45(image, rng)
    assert turned[10, 10, 0] > 150
    assert turned[10, 20, 0] < 50


def test_an_unknown_policy_lists_the_known_ones(image, rng):
    with pytest.raises(UnknownNameError, match=r"Unknown augmentation 'heavy'\. Known: .*none, paper"):
        augment(image, "heavy", rng)
