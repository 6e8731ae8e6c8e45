from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import BundleError, InputError
from edgekit.frontends import create_frontend
from edgekit.frontends.sobel import ColourEdges, Sobel, SobelBinary, SobelMasked
from tests.frontends.sparse import GOLDEN, SIZES, noise, photographs, pixels

pytestmark = pytest.mark.device

KINDS = [Sobel, SobelBinary, SobelMasked, ColourEdges]
BOUND = 2e-7


def kornia_sobel(image: np.ndarray) -> np.ndarray:
    kornia = pytest.importorskip("kornia", reason="kornia is the oracle for Sobel's filter")
    torch = pytest.importorskip("torch", reason="kornia is the oracle, it runs on torch")
    return kornia.filters.sobel(torch.from_numpy(pixels(image))[None])[0].numpy()


def check(image: np.ndarray, activations: np.ndarray) -> None:
    """All four front ends against the paper's words, from somebody else's activations."""
    size, unit = image.shape[:2], pixels(image)
    binary, kept = activations > 0.25, activations.mean(axis=0) >= 0.2
    # Where the other's rounding decides, either is right.
    sure = np.abs(activations - 0.25) > 1e-6
    sure_mean = np.abs(activations.mean(axis=0) - 0.2) > 1e-6
    assert sure.mean() > 0.99
    np.testing.assert_allclose(Sobel(size)(image), activations, rtol=0, atol=BOUND)
    np.testing.assert_array_equal(SobelBinary(size)(image)[sure], binary[sure])
    np.testing.assert_allclose(SobelMasked(size)(image)[sure], (activations * binary)[sure], rtol=0, atol=BOUND)
    np.testing.assert_allclose(ColourEdges(size)(image)[:, sure_mean], (unit * kept)[:, sure_mean], rtol=0, atol=BOUND)


@pytest.mark.parametrize("size", [(64, 64), (61, 47), (224, 224)])
def test_photographs_give_kornias_activations_and_what_the_paper_makes_of_them(shared, size):
    for image in photographs(shared, size):
        check(image, kornia_sobel(image))


@pytest.mark.parametrize("size", SIZES)
def test_noise_of_any_size_gives_kornias_activations(rng, size):
    image = noise(rng, *size)
    check(image, kornia_sobel(image))


def test_black_and_white_noise_gives_kornias_activations(rng):
    image = np.where(rng.random((40, 30, 3)) < 0.5, 0, 255).astype(np.uint8)
    check(image, kornia_sobel(image))


def test_the_golden_image_gives_kornias_activations():
    golden = np.load(GOLDEN)
    check(golden["image"], golden["sobel"])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("level", [0, 255])
def test_a_constant_image_has_no_edges(size, level):
    image = np.full((*size, 3), level, np.uint8)
    np.testing.assert_allclose(Sobel(size)(image), 1e-3, rtol=1e-6)
    for kind in (SobelBinary, SobelMasked, ColourEdges):
        assert not kind(size)(image).any()


def test_a_ramp_has_its_slope_as_activation_and_half_of_it_at_the_border():
    image = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[None, :, None], 6, axis=0).repeat(3, axis=2)
    activations = Sobel((6, 25))(image)
    np.testing.assert_allclose(activations[:, :, 1:-1], np.hypot(10 / 255, 1e-3), rtol=1e-6)
    np.testing.assert_allclose(activations[:, :, [0, -1]], np.hypot(5 / 255, 1e-3), rtol=1e-6)


def test_a_step_edge_marks_the_two_columns_beside_it():
    image = np.zeros((5, 8, 3), np.uint8)
    image[:, 4:] = (255, 255, 0)
    expected = np.zeros((3, 5, 8))
    expected[:2, :, 3:5] = 1
    np.testing.assert_array_equal(SobelBinary((5, 8))(image), expected)
    # two of three channels: a mean of 0.33
    kept = ColourEdges((5, 8))(image)
    np.testing.assert_array_equal(kept[:, 0], [[0, 0, 0, 0, 1, 0, 0, 0]] * 2 + [[0] * 8])


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_its_images_one_by_one(rng, kind):
    images = noise(rng, 3, 30, 20)
    front = kind((30, 20))
    np.testing.assert_array_equal(front(images), np.stack([front(image) for image in images]))
    assert front(images[:0]).shape == (0, 3, 30, 20)


@pytest.mark.parametrize("kind", KINDS)
def test_the_memory_layout_of_an_image_does_not_matter(rng, kind):
    image = noise(rng, 60, 40)
    views = [image[::-1, ::2], image.swapaxes(0, 1), np.asfortranarray(image), image[..., ::-1]]
    for view in views:
        front = kind(view.shape[:2])
        np.testing.assert_array_equal(front(view), front(np.ascontiguousarray(view)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_is_as_its_spec_says_and_in_range(rng, kind):
    front = kind((33, 17))
    features = front(noise(rng, 50, 50))
    assert features.shape == front.output.shape == (3, 33, 17)
    assert features.dtype == np.dtype(front.output.dtype) == np.float32
    assert front.output.layout == "CHW"
    assert features.min() >= 0
    assert features.max() <= 1
    assert features.flags.c_contiguous


@pytest.mark.parametrize("kind", [SobelBinary, SobelMasked, ColourEdges])
def test_a_higher_threshold_keeps_less(rng, kind):
    image = noise(rng, 40, 40)
    kept = [np.count_nonzero(kind((40, 40), threshold=value)(image)) for value in (0.05, 0.2, 0.3, 0.5)]
    assert kept == sorted(kept, reverse=True)
    assert kept[0] > kept[-1]


@pytest.mark.parametrize("threshold", [0, 0.001, -1, 1.5, float("nan"), "0.2", True])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(InputError, match="Expected a threshold over 0.001"):
        SobelBinary(threshold=threshold)


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("sobel", {"threshold": 0.2}, "Unknown key 'threshold'.*Known: size, standardise"),
        ("sobel-binary", {"threshold": "low"}, "Expected a number at .*threshold"),
        ("colour-edges", {"size": [64]}, "a list of 2"),
    ],
)
def test_a_config_of_the_wrong_form_is_refused_naming_the_key(name, config, message):
    with pytest.raises(BundleError, match=message):
        create_frontend(name, config)


def test_the_thresholds_are_the_papers_and_can_be_set():
    assert create_frontend("sobel-binary").config_to_json()["threshold"] == 0.25
    assert create_frontend("sobel-masked").config_to_json()["threshold"] == 0.25
    assert create_frontend("colour-edges").config_to_json()["threshold"] == 0.2
    assert create_frontend("colour-edges", {"threshold": 0.5}).config_to_json()["threshold"] == 0.5
