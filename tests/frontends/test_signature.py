from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgekit.frontends import Signature
from edgekit.frontends.image import decode, resize_area
from edgekit.frontends.paths import rotate_quarter_turn

pytestmark = pytest.mark.device

GOLDEN = Path(__file__).parents[1] / "golden" / "frontend_signature.npz"
BOUND = {"float32": 1e-6, "float64": 1e-13}


def rows_of(pixels: np.ndarray, path: str) -> np.ndarray:
    rgb = pixels / 255.0
    time = np.broadcast_to(np.linspace(0, 1, pixels.shape[1])[None, :, None], (*pixels.shape[:2], 1))
    grey = rgb @ np.array([[0.299], [0.587], [0.114]])
    channels = {"rgb": [rgb], "rgb+time": [rgb, time], "grey+time": [grey, time], "lead-lag": [lead_lag(grey)]}[path]
    return np.concatenate(channels, axis=-1)


def lead_lag(grey: np.ndarray) -> np.ndarray:
    twice = np.repeat(grey, 2, axis=1)
    return np.concatenate([twice[:, 1:], twice[:, :-1]], axis=-1)


def reference(image: np.ndarray, depth: int, directions: str, path: str) -> np.ndarray:
    iisignature = pytest.importorskip("iisignature", reason="iisignature is the oracle for signatures")
    views = {"rows": [image], "both": [image, image.swapaxes(0, 1)], "both-rotated": [image, None]}[directions]
    views = [rotate_quarter_turn(image[None])[0] if view is None else view for view in views]
    return np.concatenate([iisignature.sig(rows_of(view, path), depth) for view in views])


def relative_error(features: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(features - expected).max() / np.abs(expected).max())


def random_image(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


# --- against iisignature


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("path", ["rgb", "rgb+time", "grey+time", "lead-lag"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
def test_signatures_of_real_photographs_equal_iisignature_at_every_depth_and_path(shared, dtype, path, depth):
    for file in sorted((shared / "data/fire/test").glob("*/*"))[:40:10]:
        image = resize_area(decode(file), (24, 40))
        front = Signature((24, 40), depth, "both", path, dtype)
        assert relative_error(front(image), reference(image, depth, "both", path)) < BOUND[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("directions", ["rows", "both", "both-rotated"])
@pytest.mark.parametrize("size", [(8, 8), (33, 17), (64, 64), (224, 224)])
def test_signatures_of_large_photographs_equal_iisignature_in_every_direction(shared, dtype, directions, size):
    for file in sorted((shared / "data/photos_large/field_photos").glob("*.jpg"))[:2]:
        image = resize_area(decode(file), size)
        front = Signature(size, 4, directions, "rgb", dtype)
        assert relative_error(front(image), reference(image, 4, directions, "rgb")) < BOUND[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_of_full_contrast_equals_iisignature(rng, dtype):
    image = np.where(rng.random((16, 224, 3)) < 0.5, 0, 255).astype(np.uint8)
    assert relative_error(Signature((16, 224), 4, dtype=dtype)(image), reference(image, 4, "rows", "rgb")) < BOUND[dtype]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_signatures_equal_the_golden_file(dtype):
    golden = np.load(GOLDEN)
    image = golden["image"]
    for key in golden.files:
        if not key.endswith("/rows"):
            continue
        path, depth, _ = key.split("/")
        expected = np.concatenate([golden[key], golden[key.replace("rows", "columns")]])
        front = Signature(image.shape[:2], int(depth), "both", path, dtype)
        assert relative_error(front(image), expected) < BOUND[dtype], key


# --- what it takes and gives


def test_a_batch_gives_what_its_images_give_one_by_one(rng):
    images = random_image(rng, 3, 9, 21)
    for directions in ("rows", "both", "both-rotated"):
        front = Signature((9, 21), 3, directions)
        np.testing.assert_allclose(front(images), np.stack([front(image) for image in images]), rtol=1e-6, atol=1e-7)
        assert front(images).shape == (3, *front.output.shape)


def test_every_memory_layout_gives_the_same(rng):
    image = random_image(rng, 16, 16)
    front = Signature((16, 16))
    wide = random_image(rng, 32, 32)
    wide[::2, ::2] = image
    planar = np.ascontiguousarray(image.transpose(2, 0, 1)).transpose(1, 2, 0)
    for view in (np.asfortranarray(image), wide[::2, ::2], planar, image[::-1, ::-1][::-1, ::-1]):
        np.testing.assert_array_equal(front(view), front(image))


@pytest.mark.parametrize("directions", ["rows", "both", "both-rotated"])
def test_the_output_spec_says_what_comes_out(rng, directions):
    front = Signature((10, 6), 2, directions, "rgb+time", "float64")
    features = front(random_image(rng, 10, 6))
    assert features.shape == front.output.shape
    assert features.dtype == np.dtype(front.output.dtype)
    assert (front.output.name, front.output.layout) == ("features", "RF")


def test_an_image_of_another_size_is_resized_first(rng):
    image = random_image(rng, 30, 50)
    np.testing.assert_array_equal(Signature((8, 8))(image), Signature((8, 8))(resize_area(image, (8, 8))))


@pytest.mark.parametrize("path", ["rgb", "rgb+time", "grey+time", "lead-lag"])
def test_a_row_of_one_pixel_has_a_signature_of_zeros(rng, path):
    assert not Signature((5, 1), 4, path=path)(random_image(rng, 5, 1)).any()


def test_an_empty_batch_gives_an_empty_batch():
    assert Signature((8, 8))(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, 8, 120)


def test_a_grey_image_carries_nothing_but_its_end_points_on_an_rgb_path(rng):
    grey = np.repeat(rng.integers(0, 256, (4, 12, 1), dtype=np.uint8), 3, axis=2)
    ends = grey[:, [0, -1]]
    np.testing.assert_allclose(Signature((4, 12))(grey), Signature((4, 2))(ends), atol=1e-6)


def test_several_threads_get_the_same_features(rng):
    images = [random_image(rng, 32, 32) for _ in range(16)]
    front = Signature((32, 32), 4, "both")
    expected = [front(image) for image in images]
    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(pool.map(front, images * 4), expected * 4, strict=True):
            np.testing.assert_array_equal(got, want)


def test_the_area_of_a_lead_lag_path_is_the_sum_of_the_squared_steps(rng):
    image = random_image(rng, 3, 20)
    grey = image / 255.0 @ np.array([0.299, 0.587, 0.114])
    features = Signature((3, 20), 2, path="lead-lag", dtype="float64")(image)
    np.testing.assert_allclose(features[:, 3] - features[:, 4], np.square(np.diff(grey)).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("path", ["rgb", "rgb+time", "lead-lag"])
@pytest.mark.parametrize("size", [(1, 30), (30, 1), (1, 1), (13, 7), (300, 20)])
def test_every_shape_of_image_gives_the_same_in_a_batch_and_alone(rng, size, path):
    images = random_image(rng, 2, *size)
    for directions in ("rows", "both", "both-rotated"):
        front = Signature(size, 4, directions, path, "float64")
        np.testing.assert_allclose(front(images), np.stack([front(image) for image in images]), rtol=1e-12, atol=1e-12)
        assert front(images).shape[1:] == front.output.shape


def test_a_constant_image_has_a_signature_of_zeros():
    for depth in (4, 5):
        assert not Signature((8, 8), depth)(np.full((8, 8, 3), 200, np.uint8)).any()
