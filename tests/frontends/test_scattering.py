from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.errors import InputError
from edgekit.frontends import Scattering, spectrum
from edgekit.frontends.image import decode, resize_area
from tests.frontends.kymatio_oracle import reference

pytestmark = pytest.mark.device

GOLDEN = Path(__file__).parents[1] / "golden" / "frontend_scattering.npz"
BOUND = 2e-6


def relative_error(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(got - expected).max() / np.abs(expected).max())


def noise(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.random(shape, dtype=np.float32)


def planes_of(image: np.ndarray) -> np.ndarray:
    return np.moveaxis(image, -1, 0)[None].astype(np.float32) / np.float32(255)


# --- against kymatio


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize(
    ("size", "scales", "angles"),
    [
        *(((32, 32), scales, 8) for scales in (1, 2, 3, 4, 5)),
        *(((24, 40), 2, angles) for angles in (1, 2, 3, 5, 7, 16)),
        *((size, 3, 4) for size in ((16, 16), (17, 31), (33, 20), (45, 64), (8, 23))),
        *((size, 1, 3) for size in ((2, 5), (16, 18), (19, 21))),
        ((32, 33), 5, 12),
        ((16, 25), 4, 2),
    ],
)
def test_noise_equals_kymatio_at_every_scale_angle_order_and_size(rng, size, scales, angles, order):
    planes = noise(rng, 1, 2, *size)
    expected = reference(planes, scales, angles, order)
    got = Scattering(size, scales, angles, order).transform(planes)
    assert got.dtype == np.float32
    assert relative_error(got, expected) < BOUND


@pytest.mark.parametrize(("size", "order"), [((64, 64), 2), ((63, 50), 1), ((96, 96), 1)])
def test_photographs_equal_kymatio(shared, size, order):
    for file in sorted((shared / "data/fire/test").glob("*/*"))[:40:20]:
        planes = planes_of(resize_area(decode(file), size))
        expected = reference(planes, 3, 8, order)
        assert relative_error(Scattering(size, 3, 8, order).transform(planes), expected) < BOUND


@pytest.mark.parametrize(("size", "scales"), [((256, 17), 4), ((17, 255), 3)])
def test_long_and_narrow_images_equal_kymatio(rng, size, scales):
    planes = noise(rng, 1, 1, *size)
    expected = reference(planes, scales, 2, 1)
    assert relative_error(Scattering(size, scales, 2).transform(planes), expected) < BOUND


def test_coefficients_equal_the_golden_file():
    golden = np.load(GOLDEN)
    keys = [key.removeprefix("image/") for key in golden.files if key.startswith("image/")]
    assert len(keys) == 2
    for key in keys:
        pixels, (scales, angles, order) = golden[f"image/{key}"], map(int, key.split("/"))
        planes = (pixels / 255.0).astype(np.float32)[None, None]
        got = Scattering(pixels.shape, scales, angles, order).transform(planes)[0, 0]
        assert relative_error(got, golden[f"coefficients/{key}"]) < BOUND


# --- the Fourier transforms of NumPy and SciPy


@pytest.mark.parametrize("door", ["numpy", *(["scipy"] if find_spec("scipy") else [])])
@pytest.mark.parametrize("size", [(16, 24), (40, 33)])
def test_coefficients_are_the_same_with_and_without_scipy(rng, monkeypatch, door, size):
    planes = noise(rng, 2, 1, *size)
    front = Scattering(size, 2, 6, 2)
    expected = front.transform(planes)
    chosen = spectrum.numpy_fourier() if door == "numpy" else spectrum.scipy_fourier()
    monkeypatch.setattr(spectrum, "fourier", lambda: chosen)
    assert relative_error(front.transform(planes), expected) < 1e-6


def test_where_scipy_is_absent_numpy_is_taken(rng, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.fft", None)
    spectrum.fourier.cache_clear()
    try:
        assert type(spectrum.fourier()) is type(spectrum.numpy_fourier())
    finally:
        spectrum.fourier.cache_clear()


@pytest.mark.parametrize("shape", [(3, 5, 7), (2, 12, 16), (1, 30, 18), (2, 17, 2), (1, 2, 1)])
def test_the_transforms_are_numpys_up_to_scale(rng, shape):
    images = noise(rng, *shape)
    spectra = spectrum.forward(images)
    assert spectra.dtype == np.complex64
    np.testing.assert_allclose(spectra, np.fft.fft2(images) / images[0].size, atol=1e-6)
    values = (noise(rng, *shape) + 1j * noise(rng, *shape)).astype(np.complex64)
    expected = np.fft.ifft2(values)
    np.testing.assert_allclose(spectrum.inverse(values), expected, atol=1e-6)


# --- what it takes and gives


@pytest.mark.parametrize(("colour", "channels"), [("rgb", 3), ("grey", 1)])
@pytest.mark.parametrize("order", [1, 2])
def test_the_output_spec_says_what_comes_out(rng, colour, channels, order):
    front = Scattering((35, 24), 3, 4, order, colour)
    paths = 1 + 12 + (48 if order == 2 else 0)
    features = front(rng.integers(0, 256, (2, 35, 24, 3), dtype=np.uint8))
    assert features.shape == (2, channels * paths, 4, 3) == (2, *front.output.shape)
    assert (features.dtype, front.output.layout, front.feature_axis) == (np.float32, "CHW", -3)


def test_the_papers_first_order_has_75_channels_of_28_by_28():
    assert Scattering((224, 224), 3, 8, 1).output.shape == (75, 28, 28)
    assert Scattering((224, 224), 3, 8, 2).output.shape == (651, 28, 28)


def test_features_are_the_coefficients_of_red_then_green_then_blue(rng):
    image = rng.integers(0, 256, (24, 16, 3), dtype=np.uint8)
    front = Scattering((24, 16), 2, 4)
    np.testing.assert_allclose(front(image), front.transform(planes_of(image)).reshape(-1, 6, 4), atol=1e-6)


def test_a_grey_image_has_the_same_features_as_each_of_its_colours(rng):
    image = np.repeat(rng.integers(0, 256, (16, 16, 1), dtype=np.uint8), 3, axis=2)
    grey, colours = Scattering((16, 16), 2, colour="grey")(image), Scattering((16, 16), 2)(image)
    np.testing.assert_allclose(np.concatenate([grey] * 3), colours, atol=1e-6)


def test_a_batch_gives_what_its_images_give_one_by_one(rng):
    images = rng.integers(0, 256, (12, 24, 32, 3), dtype=np.uint8)  # more than one group
    front = Scattering((24, 32), 2, 4)
    np.testing.assert_allclose(front(images), np.stack([front(image) for image in images]), atol=1e-6)


def test_an_empty_batch_gives_an_empty_batch():
    assert Scattering((16, 16), 2, 4, 2)(np.zeros((0, 16, 16, 3), np.uint8)).shape == (0, 3 * 25, 4, 4)


def test_every_memory_layout_gives_the_same(rng):
    planes = noise(rng, 2, 3, 20, 24)
    front = Scattering((20, 24), 2, 4)
    for view in (np.asfortranarray(planes), planes[::-1, :, ::-1][::-1, :, ::-1], np.repeat(planes, 2, axis=3)[..., ::2]):
        np.testing.assert_array_equal(front.transform(view), front.transform(planes))


def test_an_image_of_another_size_is_resized_first(rng):
    image = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    front = Scattering((16, 24), 2, 4)
    np.testing.assert_array_equal(front(image), front(resize_area(image, (16, 24))))


def test_several_threads_get_the_same_features(rng):
    images = [rng.integers(0, 256, (24, 24, 3), dtype=np.uint8) for _ in range(4)]
    front = Scattering((24, 24), 3, 4, 2)
    expected = [front(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(pool.map(front, images * 4), expected * 4, strict=True):
            np.testing.assert_array_equal(got, want)


def test_the_input_is_left_as_it_was(rng):
    planes = noise(rng, 1, 1, 16, 16)
    before = planes.copy()
    Scattering((16, 16), 2, 4, 2).transform(planes)
    np.testing.assert_array_equal(planes, before)


# --- properties


def paths_of(scales: int, angles: int, order: int) -> list[tuple[tuple[int, int], ...]]:
    wavelets = [(j, t) for j in range(scales) for t in range(angles)]
    second = [(one, two) for one in wavelets for two in wavelets if two[0] > one[0]] if order == 2 else []
    return [(), *((one,) for one in wavelets), *second]


def framed(patch: np.ndarray, side: int, centre: int) -> np.ndarray:
    """A plane of zeros with a patch around (centre, centre)."""
    plane = np.zeros((1, 1, side, side), np.float32)
    start = centre - len(patch) // 2
    plane[0, 0, start : start + len(patch), start : start + len(patch)] = patch
    return plane


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=15)
@given(seeds, st.sampled_from([2, 4, 6, 8]), st.sampled_from([1, 2]))
def test_turning_the_image_by_90_degrees_turns_the_maps_and_their_angles(seed, angles, order):
    patch = np.random.default_rng(seed).random((41, 41)).astype(np.float32)
    front = Scattering((64, 64), 2, angles, order)  # padded pixel 36, image pixel 32, lies on the grid of samples: map pixel 8
    upright = front.transform(framed(patch, 64, 32))[0, 0, :, 1:, 1:]
    turned = front.transform(framed(np.rot90(patch), 64, 32))[0, 0, :, 1:, 1:]
    paths = paths_of(2, angles, order)
    moved = [paths.index(tuple((j, (t + angles // 2) % angles) for j, t in path)) for path in paths]
    np.testing.assert_allclose(turned[moved], np.rot90(upright, axes=(1, 2)), atol=2e-6)


@settings(max_examples=15)
@given(seeds, st.integers(-2, 2), st.integers(-2, 2))
def test_moving_the_image_by_a_sample_moves_the_maps(seed, down, right):
    plane = framed(np.random.default_rng(seed).random((21, 21)).astype(np.float32), 64, 32)
    front = Scattering((64, 64), 2, 4, 2)
    moved = front.transform(np.roll(plane, (4 * down, 4 * right), (2, 3)))
    # far from the patch the mirrored borders differ
    np.testing.assert_allclose(
        moved[..., 3:13, 3:13], np.roll(front.transform(plane), (down, right), (3, 4))[..., 3:13, 3:13], atol=2e-6
    )


@settings(max_examples=25)
@given(seeds, st.floats(2**-10, 2**10, width=32), st.sampled_from([1, 2]))
def test_coefficients_scale_with_the_image(seed, factor, order):
    planes = np.random.default_rng(seed).random((1, 1, 20, 16)).astype(np.float32)
    front = Scattering((20, 16), 2, 4, order)
    assert relative_error(front.transform(planes * np.float32(factor)), front.transform(planes) * np.float32(factor)) < BOUND


@settings(max_examples=25)
@given(st.floats(0, 1, width=32), st.sampled_from([1, 2]))
def test_a_constant_image_has_its_level_and_nothing_else(level, order):
    coefficients = Scattering((24, 17), 3, 4, order).transform(np.full((1, 1, 24, 17), level, np.float32))
    np.testing.assert_allclose(coefficients[:, :, 0], level, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(coefficients[:, :, 1:], 0, atol=1e-6)


@settings(max_examples=25)
@given(seeds)
def test_a_negative_has_the_same_first_order(seed):
    planes = np.random.default_rng(seed).random((1, 1, 16, 24)).astype(np.float32)
    front = Scattering((16, 24), 2, 4)
    np.testing.assert_allclose(front.transform(1 - planes)[:, :, 1:], front.transform(planes)[:, :, 1:], atol=1e-6)


@pytest.mark.parametrize(
    ("planes", "message"),
    [
        (np.zeros((1, 3, 16, 16)), "float32, got float64"),
        (np.zeros((1, 3, 16, 16), np.uint8), "float32, got uint8"),
        (np.zeros((3, 16, 16), np.float32), r"got shape \(3, 16, 16\)"),
        (np.zeros((1, 16, 16, 3), np.float32), "NCHW"),
        ([[0.0]], "got list"),
    ],
)
def test_planes_of_another_kind_are_refused(planes, message):
    with pytest.raises(InputError, match=message):
        Scattering((16, 16), 2).transform(planes)
