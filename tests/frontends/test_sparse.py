"""What every sparse front end does alike."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgekit.core.optional import has_module
from edgekit.core.spec import Affine
from edgekit.errors import InputError
from edgekit.frontends import FrontEnd, Standardisation, create_frontend, frontend_to_json
from edgekit.frontends.image import resize_area
from tests.frontends.sparse import noise

pytestmark = pytest.mark.device

NAMES = ["sobel", "sobel-binary", "sobel-masked", "colour-edges", "hog", "sift"]


@pytest.fixture(params=NAMES)
def front(request) -> FrontEnd:
    if request.param == "sift" and not has_module("cv2"):
        pytest.skip("needs OpenCV")
    return create_frontend(request.param, {"size": [40, 32]})


def fitted(front: FrontEnd, images: np.ndarray) -> FrontEnd:
    raw = np.moveaxis(front.raw(images), front.feature_axis, -1)
    return front.with_standardisation(Standardisation.fit(raw))


def test_the_config_comes_back_from_json(rng, front):
    images = noise(rng, 2, 40, 32)
    front = fitted(front, images)
    written = json.loads(json.dumps(frontend_to_json(front)))
    back = create_frontend(written["name"], written["config"])
    assert back.config == front.config
    np.testing.assert_array_equal(back(images), front(images))


def test_an_image_of_another_size_is_resized_first(rng, front):
    image = noise(rng, 70, 50)
    np.testing.assert_array_equal(front(image), front(resize_area(image, (40, 32))))


def test_features_are_standardised_by_channel(rng, front):
    images = noise(rng, 4, 40, 32)
    features = np.moveaxis(fitted(front, images)(images), 1, -1).reshape(-1, front.output.shape[0])
    varied = np.moveaxis(front(images), 1, -1).reshape(-1, front.output.shape[0]).std(axis=0) > 0
    assert np.abs(features[:, varied].mean(axis=0)).max() < 0.1


def test_quantizing_is_that_of_the_features(rng, front):
    image, affine = noise(rng, 40, 32), Affine(1 / 255, -128, "int8")
    quantized = front.quantize(image, affine)
    assert quantized.dtype == np.int8
    np.testing.assert_array_equal(quantized, affine.quantize(front(image)))


def test_several_threads_get_the_same_features(rng, front):
    images = [noise(rng, 40, 32) for _ in range(8)]
    expected = [front(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(pool.map(front, images * 4), expected * 4, strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 64, 64), np.uint8), r"\(H, W, 3\).*got shape \(3, 64, 64\)"),
        (np.zeros((0, 64, 3), np.uint8), "got shape"),
        (np.zeros((64, 64, 3), np.float32), "got float32. Pass levels"),
        ([[1]], "got list. Decode it first"),
    ],
)
def test_a_wrong_image_is_refused_saying_what_was_expected(front, image, message):
    with pytest.raises(InputError, match=message):
        front(image)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [[0, 4], [-1, 4]])
def test_a_size_out_of_range_is_refused(name, size):
    with pytest.raises(InputError, match="size of"):
        create_frontend(name, {"size": size})


@pytest.mark.parametrize("name", NAMES)
def test_a_standardisation_of_another_length_is_refused(name):
    with pytest.raises(InputError, match="got 2"):
        create_frontend(name).with_standardisation(Standardisation((1.0, 1.0), (0.0, 0.0)))
