"""What mathematics says of signatures: Chen's identity, inverses, shuffles, invariances."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.frontends import Signature

pytestmark = pytest.mark.device


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


@settings(max_examples=40)
@given(small_images(), st.data())
def test_chens_identity_the_signature_of_a_whole_is_the_product_of_its_parts(image, data):
    cut = data.draw(st.integers(0, image.shape[1] - 1))
    product = tensor_product(exact(image[:, : cut + 1]), exact(image[:, cut:]))
    np.testing.assert_allclose(exact(image), product, atol=1e-10)


@settings(max_examples=40)
@given(small_images())
def test_a_path_run_backwards_is_the_inverse(image):
    identity = tensor_product(exact(image), exact(image[:, ::-1]))
    np.testing.assert_allclose(identity, 0, atol=1e-9)


@settings(max_examples=40)
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


@settings(max_examples=40)
@given(small_images(), st.integers(0, 100))
def test_a_translated_path_has_the_same_signature(image, shift):
    dark = image // 2
    np.testing.assert_array_equal(exact(dark), exact(dark + np.uint8(shift)))


@settings(max_examples=40)
@given(small_images(), st.data())
def test_a_reparametrised_path_has_the_same_signature(image, data):
    repeats = data.draw(st.lists(st.integers(1, 4), min_size=image.shape[1], max_size=image.shape[1]))
    np.testing.assert_allclose(exact(np.repeat(image, repeats, axis=1)), exact(image), atol=1e-10)
