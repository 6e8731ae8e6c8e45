from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.core.spec import Affine
from edgekit.errors import BundleError, InputError, UnknownNameError
from edgekit.frontends import Signature, Standardisation, create_frontend, frontend_to_json
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


# --- properties


def small_images(rows: int = 2) -> st.SearchStrategy[np.ndarray]:
    return st.integers(2, 20).flatmap(lambda width: hnp.arrays(np.uint8, (rows, width, 3)))


def exact(image: np.ndarray, depth: int = 4) -> np.ndarray:
    return Signature(image.shape[:2], depth, dtype="float64")(image)


def levels_of(features: np.ndarray, depth: int = 4, channels: int = 3) -> list[np.ndarray]:
    ends = np.cumsum([channels**k for k in range(1, depth + 1)])
    return [np.ones((len(features), 1)), *np.split(features, ends[:-1], axis=1)]


def tensor_product(left: np.ndarray, right: np.ndarray, depth: int = 4) -> np.ndarray:
    a, b = levels_of(left, depth), levels_of(right, depth)
    product = [
        sum(np.einsum("ri,rj->rij", a[i], b[k - i]).reshape(len(left), -1) for i in range(k + 1)) for k in range(1, depth + 1)
    ]
    return np.concatenate(product, axis=1)


@settings(deadline=None, max_examples=40)
@given(small_images(), st.data())
def test_chens_identity_the_signature_of_a_whole_is_the_product_of_its_parts(image, data):
    cut = data.draw(st.integers(0, image.shape[1] - 1))
    product = tensor_product(exact(image[:, : cut + 1]), exact(image[:, cut:]))
    np.testing.assert_allclose(exact(image), product, atol=1e-10)


@settings(deadline=None, max_examples=40)
@given(small_images())
def test_a_path_run_backwards_is_the_inverse(image):
    identity = tensor_product(exact(image), exact(image[:, ::-1]))
    np.testing.assert_allclose(identity, 0, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(small_images())
def test_the_shuffle_product_of_two_features_is_the_sum_over_their_shuffles(image):
    features = levels_of(exact(image))
    for left, right in product((1, 2), repeat=2):
        products = np.einsum("ri,rj->rij", features[left], features[right])
        expected = features[left + right][:, places_of_shuffles(left, right)].sum(axis=-1)
        np.testing.assert_allclose(products, expected, atol=1e-10)


@lru_cache
def places_of_shuffles(left: int, right: int) -> np.ndarray:
    """(3^left, 3^right, number of shuffles): where the shuffles of two words stand among the words of their length."""
    words = product(product(range(3), repeat=left), product(range(3), repeat=right))
    places = [[sum(letter * 3**k for k, letter in enumerate(reversed(word))) for word in shuffles(u, v)] for u, v in words]
    return np.array(places).reshape(3**left, 3**right, -1)


def shuffles(u: tuple[int, ...], v: tuple[int, ...]) -> list[tuple[int, ...]]:
    if not u or not v:
        return [u + v]
    return [(u[0], *rest) for rest in shuffles(u[1:], v)] + [(v[0], *rest) for rest in shuffles(u, v[1:])]


@settings(deadline=None, max_examples=40)
@given(small_images(), st.integers(0, 100))
def test_a_translated_path_has_the_same_signature(image, shift):
    dark = image // 2
    np.testing.assert_array_equal(exact(dark), exact(dark + np.uint8(shift)))


@settings(deadline=None, max_examples=40)
@given(small_images(), st.data())
def test_a_reparametrised_path_has_the_same_signature(image, data):
    repeats = data.draw(st.lists(st.integers(1, 4), min_size=image.shape[1], max_size=image.shape[1]))
    np.testing.assert_allclose(exact(np.repeat(image, repeats, axis=1)), exact(image), atol=1e-10)


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
