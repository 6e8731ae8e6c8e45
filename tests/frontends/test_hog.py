from __future__ import annotations

import numpy as np
import pytest

from edgekit.frontends.hog import Hog
from tests.frontends.sparse import GOLDEN, noise, photographs

pytestmark = pytest.mark.device

BOUND = 2e-7


def skimage_picture(image: np.ndarray) -> np.ndarray:
    feature = pytest.importorskip("skimage.feature", reason="scikit-image is the oracle for HOG")
    # one cell a block where there are fewer than the default's 3 x 3: blocks do not change the picture
    whole = min(image.shape[:2]) // 8 >= 3
    blocks = (3, 3) if whole else (1, 1)
    return feature.hog(image, cells_per_block=blocks, visualize=True, channel_axis=-1)[1] / 255


@pytest.mark.parametrize("size", [(64, 64), (61, 47), (224, 224)])
def test_photographs_give_scikit_images_picture(shared, size):
    for image in photographs(shared, size):
        np.testing.assert_allclose(Hog(size)(image)[0], skimage_picture(image), rtol=0, atol=BOUND)


@pytest.mark.parametrize("size", [(8, 8), (9, 15), (16, 8), (24, 24), (37, 51), (8, 300), (300, 47), (224, 224)])
def test_noise_of_any_size_gives_scikit_images_picture(rng, size):
    image = noise(rng, *size)
    np.testing.assert_allclose(Hog(size)(image)[0], skimage_picture(image), rtol=0, atol=BOUND)


def test_channels_of_equal_gradients_give_scikit_images_picture(rng):
    # few levels: ties between channels and directions at most pixels
    image = rng.integers(0, 3, (40, 40, 3), dtype=np.uint8)
    np.testing.assert_allclose(Hog((40, 40))(image)[0], skimage_picture(image), rtol=0, atol=BOUND)


def test_the_golden_image_gives_scikit_images_picture():
    golden = np.load(GOLDEN)
    np.testing.assert_allclose(Hog((27, 35))(golden["image"])[0], golden["hog"], rtol=0, atol=BOUND)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 64), (64, 7)])
def test_an_image_without_a_whole_cell_gives_an_empty_picture(rng, size):
    assert not Hog(size)(noise(rng, *size)).any()


@pytest.mark.parametrize("size", [(8, 8), (37, 51), (64, 64)])
def test_a_constant_image_gives_an_empty_picture(size):
    assert not Hog(size)(np.full((*size, 3), 90, np.uint8)).any()


def test_pixels_beyond_the_last_whole_cell_stay_empty(rng):
    picture = Hog((21, 30))(noise(rng, 21, 30))[0]
    assert picture[:16, :24].any()
    assert not picture[16:].any()
    assert not picture[:, 24:].any()


def test_a_vertical_edge_is_drawn_as_vertical_strokes():
    image = np.zeros((8, 8, 3), np.uint8)
    image[:, 4:] = 255
    rows, columns = np.nonzero(Hog((8, 8))(image)[0])
    assert np.ptp(rows) > 4
    assert np.ptp(columns) <= 1


def test_a_batch_is_its_images_one_by_one(rng):
    images = noise(rng, 3, 30, 20)
    front = Hog((30, 20))
    np.testing.assert_array_equal(front(images), np.stack([front(image) for image in images]))
    assert front(images[:0]).shape == (0, 1, 30, 20)


def test_the_memory_layout_of_an_image_does_not_matter(rng):
    image = noise(rng, 60, 40)
    for view in (image[::-1, ::2], image.swapaxes(0, 1), np.asfortranarray(image), image[..., ::-1]):
        front = Hog(view.shape[:2])
        np.testing.assert_array_equal(front(view), front(np.ascontiguousarray(view)))


def test_the_output_is_as_its_spec_says_and_in_range():
    checks = (np.indices((32, 24)).sum(axis=0) // 2 % 2 * 255).astype(np.uint8)
    front = Hog((32, 24))
    features = front(np.repeat(checks[..., None], 3, axis=2))
    assert features.shape == front.output.shape == (1, 32, 24)
    assert features.dtype == np.dtype(front.output.dtype) == np.float32
    assert front.output.layout == "CHW"
    assert 0.5 < features.max() <= 2**0.5
