from __future__ import annotations

import json

import numpy as np
import pytest

from edgekit.core.spec import Affine
from edgekit.errors import BundleError, InputError, UnknownNameError
from edgekit.frontends import FRONTENDS, Pixels, Standardisation, create_frontend, frontend_to_json
from edgekit.frontends.image import resize_area

pytestmark = pytest.mark.device


@pytest.fixture
def image(rng) -> np.ndarray:
    return rng.integers(0, 256, (6, 4, 3), dtype=np.uint8)


def test_a_value_is_its_level_times_the_scale_plus_the_offset(image):
    values = Pixels((6, 4), scale=2.0, offset=-10.0)(image)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, image * 2.0 - 10)


def test_scale_and_offset_may_be_given_per_channel(image):
    values = Pixels((6, 4), scale=(1.0, 2.0, 3.0), offset=(0.0, -1.0, 5.0))(image)
    np.testing.assert_array_equal(values, image * [1.0, 2.0, 3.0] + [0.0, -1.0, 5.0])


def test_channels_first_moves_the_axis_and_bgr_reverses_it(image):
    plain = Pixels((6, 4))(image)
    np.testing.assert_array_equal(Pixels((6, 4), "CHW")(image), plain.transpose(2, 0, 1))
    np.testing.assert_array_equal(Pixels((6, 4), channels="bgr")(image), plain[..., ::-1])


def test_grey_is_the_luma_in_one_channel(image):
    np.testing.assert_allclose(Pixels((6, 4), channels="grey")(image)[..., 0], image @ [0.299, 0.587, 0.114] / 255, atol=1e-6)


@pytest.mark.parametrize("layout", ["HWC", "CHW"])
@pytest.mark.parametrize("channels", ["rgb", "grey"])
def test_the_output_spec_says_what_comes_out_one_or_many(rng, layout, channels):
    images = rng.integers(0, 256, (2, 9, 9, 3), dtype=np.uint8)
    front = Pixels((6, 4), layout, channels)
    assert front(images).shape == (2, *front.output.shape)
    np.testing.assert_array_equal(front(images)[1], front(images[1]))
    np.testing.assert_array_equal(front.raw(images), front(resize_area(images, (6, 4))))
    assert (front.output.name, front.output.layout, front.output.dtype) == ("features", layout, "float32")


def test_quantizing_is_that_of_the_affine(image):
    front, affine = Pixels((6, 4)), Affine(1 / 255, -128, "int8")
    np.testing.assert_array_equal(front.quantize(image, affine), (image.astype(int) - 128).astype(np.int8))


@pytest.mark.parametrize("scale", [0.5, (0.5, 0.25, 0.125)])
def test_the_config_comes_back_from_json(image, scale):
    front = Pixels((6, 4), "CHW", "bgr", scale, -1.0)
    written = json.loads(json.dumps(frontend_to_json(front)))
    back = create_frontend(written["name"], written["config"])
    assert back.config == front.config
    np.testing.assert_array_equal(back(image), front(image))


def test_an_unknown_key_lists_the_known_ones():
    with pytest.raises(BundleError, match=r"Unknown key 'mean'.*Known: size, layout, channels, scale, offset"):
        create_frontend("pixels", {"mean": 0})


@pytest.mark.parametrize("arguments", [{"layout": "NHWC"}, {"channels": "hsv"}])
def test_an_unknown_name_lists_the_known_ones(arguments):
    with pytest.raises(UnknownNameError, match="Known"):
        Pixels(**arguments)


@pytest.mark.parametrize(
    "arguments", [{"scale": (1.0, 2.0)}, {"offset": float("inf")}, {"scale": 1e39}, {"scale": "1"}, {"size": (0, 1)}]
)
def test_a_value_that_makes_no_sense_is_refused(arguments):
    with pytest.raises(InputError, match="Expected"):
        Pixels(**arguments)


def test_pixels_take_no_standardisation():
    standardise = Standardisation((1.0,), (0.0,))
    front = Pixels()
    assert front.with_standardisation(None) is front
    assert front.standardise is None
    with pytest.raises(InputError, match="Set its scale and offset"):
        front.with_standardisation(standardise)
    with pytest.raises(InputError, match="Set its scale and offset"):
        Pixels(standardise=standardise)


def test_an_unknown_front_end_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"Known: .*pixels.*signature"):
        create_frontend("wavelets")
    assert {"pixels", "signature"} <= set(FRONTENDS)
