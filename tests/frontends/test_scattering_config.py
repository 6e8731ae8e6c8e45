"""Standardisation of scattering features, and its config."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgekit.core.spec import Affine
from edgekit.errors import BundleError, InputError, UnknownNameError
from edgekit.frontends import Scattering, Standardisation, create_frontend, frontend_to_json

pytestmark = pytest.mark.device


def test_standardisation_runs_along_the_channels(rng):
    images = rng.integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    front = Scattering((16, 16), 2, 4)
    fitted = front.with_standardisation(Standardisation.fit(np.moveaxis(front.raw(images), -3, -1)))
    features = fitted(images)
    assert np.abs(features.mean(axis=(0, 2, 3))).max() < 0.1
    assert np.abs(features.std(axis=(0, 2, 3)) - 1).max() < 0.1
    affine = Affine(0.03, 3, "int8")
    assert np.abs(fitted.quantize(images, affine).astype(int) - affine.quantize(features)).max() <= 1


def test_a_standardisation_of_another_length_is_refused():
    with pytest.raises(InputError, match=r"75 features.*got 2"):
        Scattering(standardise=Standardisation((1.0, 1.0), (0.0, 0.0)))


# --- config


def test_the_config_comes_back_from_json(rng):
    images = rng.integers(0, 256, (2, 20, 16, 3), dtype=np.uint8)
    front = Scattering((20, 16), 2, 6, 2, "grey")
    front = front.with_standardisation(Standardisation.fit(np.moveaxis(front.raw(images), -3, -1)))
    written = json.loads(json.dumps(frontend_to_json(front)))
    back = create_frontend(written["name"], written["config"])
    assert back.config == front.config
    np.testing.assert_array_equal(back(images), front(images))


def test_every_key_is_written_and_missing_ones_take_their_defaults():
    written = {"size": [64, 64], "J": 3, "L": 8, "max_order": 1, "colour": "rgb", "standardise": None, "decode": "exact"}
    assert Scattering().config_to_json().items() >= written.items()
    assert create_frontend("scattering", {}).config == Scattering().config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"J": 0}, "J of 1 to 5, got 0"),
        ({"J": 6}, "J of 1 to 5, got 6"),
        ({"J": 2.0}, "J of 1 to 5"),
        ({"L": 17}, "L of 1 to 16"),
        ({"L": True}, "L of 1 to 16"),
        ({"max_order": 3}, "max_order of 1 to 2"),
        ({"size": (31, 64), "J": 5}, r"at least 2\^J = 32 pixels each way, got \(31, 64\)"),
        ({"size": 64}, "size of"),
    ],
)
def test_a_value_out_of_range_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        Scattering(**arguments)


def test_an_unknown_colour_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="Known: grey, rgb"):
        Scattering(colour="lab")


@pytest.mark.parametrize(
    ("config", "message"), [({"order": 2}, "Unknown key 'order'.*max_order"), ({"J": "3"}, "Expected an integer at .*J")]
)
def test_a_config_of_the_wrong_form_is_refused_naming_the_key(config, message):
    with pytest.raises(BundleError, match=message):
        create_frontend("scattering", config)
