from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from edgekit.core.optional import has_module
from edgekit.frontends.sift import Sift, near
from tests.frontends.sparse import GOLDEN, noise, photographs, pixels

pytestmark = pytest.mark.device

needs_opencv = pytest.mark.skipif(not has_module("cv2"), reason="OpenCV finds the keypoints")


def keypoints(image: np.ndarray) -> np.ndarray:
    """(K, 2) row and column, as OpenCV finds them."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV finds the keypoints")
    found = cv2.SIFT_create().detect(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), None)
    return np.array([(round(point.pt[1]), round(point.pt[0])) for point in found], int).reshape(-1, 2)


def three_steps(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The definition: every pixel whose distance to a point, in steps along rows and columns, is at most 3."""
    distance = np.abs(np.indices(size)[..., None] - points.T[:, None, None]).sum(axis=0)
    return (distance <= 3).any(axis=-1)


@needs_opencv
@pytest.mark.parametrize("size", [(64, 64), (61, 47), (224, 224)])
def test_photographs_keep_the_pixels_near_opencvs_keypoints(shared, size):
    for image in photographs(shared, size):
        points = keypoints(image)
        assert len(points) > 5
        kept = three_steps(points, size)
        np.testing.assert_allclose(Sift(size)(image), pixels(image) * kept, rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 7), (40, 31)])
def test_the_mask_is_dilated_as_scikit_image_does_it(rng, size):
    morphology = pytest.importorskip("skimage.morphology", reason="scikit-image is the oracle for the dilation")
    for count in (0, 1, 3, 40):
        points = np.stack([rng.integers(0, side, count) for side in size], axis=1)
        mask = np.zeros(size, bool)
        mask[points[:, 0], points[:, 1]] = True
        for _ in range(3):
            # what binary_dilation, on its way out of scikit-image, is an older name of
            mask = morphology.dilation(mask)
        np.testing.assert_array_equal(near(points, size), mask)


def test_the_golden_points_are_dilated_by_binary_dilation():
    golden = np.load(GOLDEN)
    np.testing.assert_array_equal(near(golden["points"], golden["near"].shape), golden["near"])


@needs_opencv
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 90), (6, 6), (64, 64)])
def test_a_constant_image_has_no_keypoints(size):
    assert not Sift(size)(np.full((*size, 3), 200, np.uint8)).any()


@needs_opencv
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 90)])
def test_an_image_under_six_pixels_has_no_keypoints(rng, size):
    image = noise(rng, *size)
    assert len(keypoints(image)) == 0
    assert not Sift(size)(image).any()


@needs_opencv
def test_a_batch_is_its_images_one_by_one(rng):
    images = noise(rng, 3, 40, 30)
    front = Sift((40, 30))
    features = front(images)
    assert features.any()
    np.testing.assert_array_equal(features, np.stack([front(image) for image in images]))
    assert front(images[:0]).shape == (0, 3, 40, 30)


@needs_opencv
def test_the_memory_layout_of_an_image_does_not_matter(rng):
    image = noise(rng, 60, 40)
    for view in (image[::-1, ::2], image.swapaxes(0, 1), np.asfortranarray(image), image[..., ::-1]):
        front = Sift(view.shape[:2])
        np.testing.assert_array_equal(front(view), front(np.ascontiguousarray(view)))


@needs_opencv
def test_the_output_is_as_its_spec_says(rng):
    front = Sift((33, 17))
    features = front(noise(rng, 50, 50))
    assert features.shape == front.output.shape == (3, 33, 17)
    assert features.dtype == np.dtype(front.output.dtype) == np.float32
    assert front.output.layout == "CHW"
    assert features.max() <= 1


def test_without_opencv_the_pip_line_is_told_when_features_are_asked_for():
    code = """
import sys
sys.modules["cv2"] = None
import numpy as np
from edgekit.frontends import create_frontend
front = create_frontend("sift")
print(front.output.shape)
try:
    front(np.zeros((64, 64, 3), np.uint8))
except Exception as error:
    print(type(error).__name__, error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "(3, 64, 64)" in result.stdout
    assert "MissingExtraError OpenCV is not installed. Install it with: pip install 'edgekit[sift]'" in result.stdout
