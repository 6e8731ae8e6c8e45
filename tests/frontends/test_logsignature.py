from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.errors import BundleError, InputError, UnknownNameError
from edgekit.frontends import LogSignature, Signature, Standardisation, create_frontend, frontend_to_json
from edgekit.frontends.image import decode, resize_area
from edgekit.frontends.paths import rotate_quarter_turn

pytestmark = pytest.mark.device

PATHS = {"rgb": 3, "rgb+time": 4, "grey+time": 2, "lead-lag": 2}


def rows_of(pixels: np.ndarray, path: str) -> np.ndarray:
    rgb = pixels / 255.0
    time = np.broadcast_to(np.linspace(0, 1, pixels.shape[1])[None, :, None], (*pixels.shape[:2], 1))
    grey = rgb @ np.array([[0.299], [0.587], [0.114]])
    twice = np.repeat(grey, 2, axis=1)
    channels = {"rgb": [rgb], "rgb+time": [rgb, time], "grey+time": [grey, time], "lead-lag": [twice[:, 1:], twice[:, :-1]]}
    return np.concatenate(channels[path], axis=-1)


def reference(image: np.ndarray, depth: int, directions: str, path: str, method: str = "D") -> np.ndarray:
    iisignature = pytest.importorskip("iisignature", reason="iisignature is the oracle for log-signatures")
    prepared = iisignature.prepare(PATHS[path], depth, method)
    views = {"rows": [image], "both": [image, image.swapaxes(0, 1)], "both-rotated": [image, None]}[directions]
    views = [rotate_quarter_turn(image[None])[0] if view is None else view for view in views]
    return np.concatenate([iisignature.logsig(rows_of(view, path), prepared, method) for view in views])


def relative_error(features: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(features - expected).max() / np.abs(expected).max())


def random_image(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("depth", [2, 3, 4, 5, 6])
def test_log_signatures_of_real_photographs_equal_iisignature_at_every_depth_and_path(shared, path, depth):
    for file in sorted((shared / "data/fire/test").glob("*/*"))[:40:20]:
        image = resize_area(decode(file), (12, 20))
        expected = reference(image, depth, "both", path, "S")
        for dtype, bound in (("float32", 1e-6 if depth <= 4 and path == "rgb" else 5e-6), ("float64", 1e-13)):
            assert relative_error(LogSignature((12, 20), depth, "both", path, dtype)(image), expected) < bound, dtype


@pytest.mark.parametrize("directions", ["rows", "both", "both-rotated"])
@pytest.mark.parametrize("size", [(33, 17), (64, 64), (224, 224)])
def test_log_signatures_of_large_photographs_equal_iisignature_in_every_direction(shared, directions, size):
    for file in sorted((shared / "data/photos_large/field_photos").glob("*.jpg"))[:2]:
        image = resize_area(decode(file), size)
        expected = reference(image, 4, directions, "rgb")
        assert relative_error(LogSignature(size, 4, directions)(image), expected) < 1e-6
        assert relative_error(LogSignature(size, 4, directions, dtype="float64")(image), expected) < 1e-13


def test_noise_of_full_contrast_equals_iisignature(rng):
    image = np.where(rng.random((16, 224, 3)) < 0.5, 0, 255).astype(np.uint8)
    assert relative_error(LogSignature((16, 224))(image), reference(image, 4, "rows", "rgb")) < 1e-6


@pytest.mark.parametrize("directions", ["rows", "both", "both-rotated"])
@pytest.mark.parametrize("path", PATHS)
def test_a_batch_of_odd_images_gives_what_they_give_one_by_one(rng, directions, path):
    images = random_image(rng, 3, 9, 21)
    front = LogSignature((9, 21), 3, directions, path, "float64")
    np.testing.assert_allclose(front(images), np.stack([front(image) for image in images]), rtol=1e-12, atol=1e-12)
    assert front(images).shape == (3, *front.output.shape)
    assert front(np.asfortranarray(images[0])).shape == front.output.shape


@pytest.mark.parametrize("path", PATHS)
def test_a_row_of_one_pixel_and_a_constant_image_give_zeros(rng, path):
    assert not LogSignature((5, 1), 4, path=path)(random_image(rng, 5, 1)).any()
    constant = LogSignature((4, 6), 4, path=path)(np.full((4, 6, 3), 77, np.uint8))
    assert np.count_nonzero(constant) == (4 if path.endswith("time") else 0)  # the time that passes, no more
    assert LogSignature((8, 8), path=path)(np.zeros((0, 8, 8, 3), np.uint8)).shape[0] == 0


def test_several_threads_get_the_same_features(rng):
    images = [random_image(rng, 32, 32) for _ in range(16)]
    fronts = [LogSignature((32, 32), 4, "both"), Signature((32, 32), 4, "both"), LogSignature((32, 32), 5)]
    expected = [[front(image) for image in images] for front in fronts]
    with ThreadPoolExecutor(4) as pool:
        for front, wanted in zip(fronts, expected, strict=True):
            for got, want in zip(pool.map(front, images * 4), wanted * 4, strict=True):
                np.testing.assert_array_equal(got, want)


def small_images() -> st.SearchStrategy[np.ndarray]:
    return st.integers(2, 20).flatmap(lambda width: hnp.arrays(np.uint8, (2, width, 3)))


def exact(image: np.ndarray) -> np.ndarray:
    return LogSignature(image.shape[:2], dtype="float64")(image)


@settings(max_examples=40)
@given(small_images())
def test_a_path_run_backwards_has_the_opposite_logarithm(image):
    np.testing.assert_allclose(exact(image), -exact(image[:, ::-1]), atol=1e-11)


@settings(max_examples=40)
@given(small_images(), st.integers(0, 100))
def test_a_translated_path_has_the_same_logarithm(image, shift):
    dark = image // 2
    np.testing.assert_array_equal(exact(dark), exact(dark + np.uint8(shift)))


@settings(max_examples=40)
@given(small_images(), st.data())
def test_a_reparametrised_path_has_the_same_logarithm(image, data):
    repeats = data.draw(st.lists(st.integers(1, 4), min_size=image.shape[1], max_size=image.shape[1]))
    np.testing.assert_allclose(exact(np.repeat(image, repeats, axis=1)), exact(image), atol=1e-11)


@settings(max_examples=40)
@given(small_images())
def test_the_first_levels_are_the_ends_and_the_areas_of_the_signature(image):
    signature = Signature(image.shape[:2], 2, dtype="float64")(image)
    areas = [(signature[:, 3 + 3 * i + j] - signature[:, 3 + 3 * j + i]) / 2 for i, j in ((0, 1), (0, 2), (1, 2))]
    np.testing.assert_allclose(exact(image)[:, :6], np.column_stack([signature[:, :3], *areas]), atol=1e-12)


def test_the_config_comes_back_from_json_with_its_standardisation(rng):
    images = random_image(rng, 4, 8, 6)
    plain = LogSignature((8, 6), 3, "both", "rgb+time", "float64")
    front = plain.with_standardisation(Standardisation.fit(plain.raw(images)))
    written = json.loads(json.dumps(frontend_to_json(front)))
    assert written["name"] == "logsignature"
    back = create_frontend(written["name"], written["config"])
    assert back.config == front.config
    np.testing.assert_array_equal(back(images), front(images))


def test_what_it_does_not_know_is_refused():
    with pytest.raises(InputError, match="depth of 1 to 6"):
        LogSignature(depth=7)
    with pytest.raises(UnknownNameError, match="Known: grey"):
        LogSignature(path="lab")
    with pytest.raises(BundleError, match="'logsignature'"):
        create_frontend("logsignature", {"deep": 4})
    with pytest.raises(InputError, match="32 features"):
        LogSignature(standardise=Standardisation((1.0, 1.0), (0.0, 0.0)))


@pytest.mark.parametrize(("depth", "width"), [(5, 320), (5, 1000), (6, 480), (6, 256)])
def test_long_rows_of_noise_keep_their_digits_in_float32(rng, depth, width):
    iisignature = pytest.importorskip("iisignature", reason="iisignature is the oracle for log-signatures")
    image = rng.integers(0, 256, (4, width, 3), dtype=np.uint8)
    expected = iisignature.logsig(image / 255.0, iisignature.prepare(3, depth))
    features = LogSignature((4, width), depth)(image)
    assert features.dtype == np.float32
    assert np.abs(features - expected).max() <= 5e-6 * np.abs(expected).max()
