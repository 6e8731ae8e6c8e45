"""One suite over every front end of the registry, at its defaults."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edgekit.core.optional import has_module
from edgekit.core.spec import Affine
from edgekit.errors import InputError
from edgekit.frontends import FRONTENDS, FrontEnd, create_frontend, frontend_to_json
from edgekit.frontends.cost import cost_of

pytestmark = pytest.mark.device


@pytest.fixture(params=list(FRONTENDS))
def front(request) -> FrontEnd:
    if request.param == "sift" and not has_module("cv2"):
        pytest.skip("needs OpenCV")
    return create_frontend(request.param)


@pytest.fixture
def batch(front, rng) -> np.ndarray:
    """Three images, or three windows."""
    if front.size is None:
        return rng.normal(size=(3, *front.output.shape)).astype(np.float32)
    return rng.integers(0, 256, (3, *front.size, 3), dtype=np.uint8)


def test_features_are_as_the_spec_says(front, batch):
    features = front(batch[0])
    assert features.shape == front.output.shape
    assert features.dtype == np.dtype(front.output.dtype)
    assert len(front.output.layout) == features.ndim
    assert np.isfinite(features).all()


def test_a_batch_is_its_inputs_one_by_one(front, batch):
    together = front(batch)
    for features, item in zip(together, batch, strict=True):
        np.testing.assert_allclose(features, front(item), rtol=1e-5, atol=1e-5 * max(1.0, float(np.abs(features).max())))
    assert front(batch[:0]).shape == (0, *front.output.shape)


def test_an_input_is_left_as_it_was_and_features_are_fresh_each_time(front, batch):
    before = batch.copy()
    first = front(batch[0])
    kept = first.copy()
    front(batch[1])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(batch, before)


def test_a_read_only_strided_input_gives_the_same_features(front, batch):
    doubled = np.repeat(batch, 2, axis=0)
    doubled.flags.writeable = False
    strided = doubled[::2].transpose(*range(batch.ndim))[1]
    np.testing.assert_array_equal(front(np.asfortranarray(strided)), front(batch[1]))


def test_the_config_comes_back_from_json(front, batch):
    written = json.loads(json.dumps(frontend_to_json(front)))
    back = create_frontend(written["name"], written["config"])
    assert back.config == front.config
    np.testing.assert_array_equal(back(batch[0]), front(batch[0]))


def test_quantized_features_are_the_features_quantized(front, batch):
    affine = Affine(0.02, -3, "int8")
    quantized = front.quantize(batch[0], affine)
    assert quantized.dtype == np.int8
    assert np.abs(quantized.astype(int) - affine.quantize(front(batch[0])).astype(int)).max() <= 1


@pytest.mark.parametrize("wrong", [np.zeros((2, 2)), np.zeros((4, 5, 6, 7, 8), np.uint8), np.array(["a"]), "photo.jpg", None])
def test_a_wrong_input_is_refused_saying_what_was_expected(front, wrong):
    with pytest.raises(InputError, match="Expected"):
        front(wrong)


def test_the_cost_is_told(front):
    cost = cost_of(lambda: create_frontend(front.name))
    assert cost.missing is None
    assert cost.macs > 0 or front.size is None
    assert cost.workspace_bytes >= np.prod(front.output.shape) * np.dtype(front.output.dtype).itemsize
