"""Signatures standardised, quantized, written as a config and read back, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgekit.core.spec import Affine
from edgekit.errors import BundleError, InputError, UnknownNameError
from edgekit.frontends import Signature, Standardisation, create_frontend, frontend_to_json

pytestmark = pytest.mark.device


def random_image(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


# --- standardised and quantized


def fitted(front: Signature, images: np.ndarray) -> Signature:
    return front.with_standardisation(Standardisation.fit(front.raw(images)))


def test_a_fitted_front_end_gives_features_of_mean_zero_and_deviation_one(rng):
    images = random_image(rng, 20, 16, 16)
    front = fitted(Signature((16, 16), 2), images)
    features = front(images).reshape(-1, 12)
    assert np.abs(features.mean(axis=0)).max() < 0.1
    assert np.abs(features.std(axis=0) - 1).max() < 0.1
    assert np.abs(features).max() <= 4.0


@pytest.mark.parametrize("affine", [Affine(0.031, 3, "int8"), Affine(0.05, 128, "uint8"), Affine(0.0002, -7, "int16")])
def test_standardising_and_quantizing_in_one_step_equals_two_steps_up_to_ties(rng, affine):
    images = random_image(rng, 4, 16, 16)
    front = fitted(Signature((16, 16)), images)
    one, two = front.quantize(images, affine), affine.quantize(front(images))
    assert one.dtype == np.dtype(affine.dtype)
    difference = np.abs(one.astype(int) - two.astype(int))
    assert difference.max() <= 1
    assert np.mean(difference > 0) < 0.01


def test_without_standardisation_quantizing_is_that_of_the_raw_features(rng):
    image, affine = random_image(rng, 8, 8), Affine(0.01, 0, "int8")
    front = Signature((8, 8))
    np.testing.assert_array_equal(front.quantize(image, affine), affine.quantize(front.raw(image)))


def test_a_constant_feature_is_not_blown_up_by_its_rounding(rng):
    images = random_image(rng, 4, 16, 16)
    front = fitted(Signature((16, 16), 3, path="grey+time"), images)
    scale = np.array(front.standardise.scale)
    assert scale[1] == 0  # the time of a row is 1 in every row
    assert scale.max() < 1e4


def test_float64_features_stay_float64_when_standardised(rng):
    images = random_image(rng, 2, 8, 8)
    assert fitted(Signature((8, 8), dtype="float64"), images)(images).dtype == np.float64


# --- config


@pytest.mark.parametrize("directions", ["rows", "both", "both-rotated"])
def test_the_config_comes_back_from_json(rng, directions):
    images = random_image(rng, 2, 8, 6)
    front = fitted(Signature((8, 6), 3, directions, "rgb+time", "float64"), images)
    written = json.loads(json.dumps(frontend_to_json(front)))
    back = create_frontend(written["name"], written["config"])
    assert back.config == front.config
    np.testing.assert_array_equal(back(images), front(images))


def test_every_key_is_written_and_missing_ones_take_their_defaults():
    written = Signature().config_to_json()
    assert written == {
        "size": [64, 64],
        "depth": 4,
        "directions": "rows",
        "path": "rgb",
        "dtype": "float32",
        "standardise": None,
        "decode": "exact",
    }
    assert create_frontend("signature", {}).config == Signature().config


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"deep": 4}, "Unknown key 'deep'.*Known: size, depth, directions, path, dtype, standardise, decode"),
        ({"depth": "4"}, "Expected an integer at .*depth"),
        ({"size": [64]}, "a list of 2"),
        ({"standardise": {"scale": "AAAA"}}, "scale, offset and clip"),
        ({"standardise": {"scale": "?", "offset": "", "clip": 4}}, "base64"),
        ({"standardise": {"scale": "", "offset": "", "clip": "4"}}, "clip"),
    ],
)
def test_a_config_of_the_wrong_form_is_refused_naming_the_key(config, message):
    with pytest.raises(BundleError, match=message):
        create_frontend("signature", config)


@pytest.mark.parametrize("depth", [0, 7, 2.0, True, "4"])
def test_a_depth_out_of_range_is_refused(depth):
    with pytest.raises(InputError, match="depth of 1 to 6"):
        Signature(depth=depth)


@pytest.mark.parametrize("size", [(0, 4), (4,), 64, (4.0, 4), "64"])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(InputError, match="size of"):
        Signature(size=size)


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        ({"directions": "up"}, "Known: both, both-rotated, rows"),
        ({"path": "lab"}, "Known: grey\\+time, lead-lag, rgb, rgb\\+time"),
        ({"dtype": "float16"}, "Known: float32, float64"),
    ],
)
def test_an_unknown_name_lists_the_known_ones(arguments, known):
    with pytest.raises(UnknownNameError, match=known):
        Signature(**arguments)


def test_a_standardisation_of_another_length_is_refused():
    with pytest.raises(InputError, match=r"120 features.*got 2"):
        Signature(standardise=Standardisation((1.0, 1.0), (0.0, 0.0)))


@pytest.mark.parametrize(
    ("scale", "offset", "clip"),
    [((1.0,), (), 4.0), ((1.0,), (0.0,), 0.0), ((float("nan"),), (0.0,), 4.0), ((1.0,), (0.0,), float("nan"))],
)
def test_a_standardisation_that_makes_no_sense_is_refused(scale, offset, clip):
    with pytest.raises(InputError):
        Standardisation(scale, offset, clip)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((3, 64, 64), np.uint8), r"\(H, W, 3\).*got shape \(3, 64, 64\)"),
        (np.zeros((64, 64), np.uint8), "got shape"),
        (np.zeros((0, 64, 3), np.uint8), "got shape"),
        (np.zeros((64, 64, 3), np.float32), "got float32. Pass levels"),
        ([[1]], "got list. Decode it first"),
    ],
)
def test_a_wrong_image_is_refused_saying_what_was_expected(image, message):
    with pytest.raises(InputError, match=message):
        Signature()(image)
