from __future__ import annotations

import numpy as np
import pytest

from edgekit.frontends.kernels import kernel_for, signatures
from edgekit.frontends.split_kernel import split_kernel
from edgekit.frontends.tensor_algebra import feature_scale, level_recursion, signature_length

pytestmark = pytest.mark.device


def random_paths(rng: np.random.Generator, channels: int, rows: int, width: int, dtype: str) -> np.ndarray:
    points = rng.integers(-9, 10, (channels, rows, width)).cumsum(axis=-1).astype(dtype)
    return points - points[..., :1]


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 3e-6), ("float64", 1e-14)])
@pytest.mark.parametrize("depth", [3, 4, 5, 6])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_split_kernel_equals_the_recursion(rng, channels, depth, dtype, bound):
    for width in (1, 2, 15, 16, 17, 40):
        points = random_paths(rng, channels, 3, width, dtype)
        scale = max(np.abs(points).max(), 1)
        unit = feature_scale(np.full(channels, 1.0 / scale), depth)
        expected = level_recursion(points.astype("float64"), depth) * unit
        for kernel in (split_kernel, level_recursion):
            error = np.abs(kernel(points, depth) * unit - expected).max()
            assert error <= bound * max(np.abs(expected).max(), 1e-300), (kernel, width)


def test_a_straight_line_has_the_tensor_exponential_as_its_signature():
    points = np.arange(5.0) * np.array([[1.0], [2.0]])
    expected = [4, 8, 8, 16, 16, 32, *(np.multiply.outer(np.multiply.outer([4, 8], [4, 8]), [4, 8]).ravel() / 6)]
    for kernel in (split_kernel, level_recursion):
        np.testing.assert_allclose(kernel(points[:, None], 3)[0], expected, rtol=1e-14)


def test_rows_do_not_touch_each_other_whatever_the_chunks(rng):
    points = random_paths(rng, 3, 300, 33, "float64")
    together = signatures(points, 4)
    alone = np.concatenate([signatures(points[:, [row]], 4) for row in range(300)])
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-9)


def test_an_increasing_one_channel_path_gives_powers_over_factorials():
    points = np.array([[[0.0, 1.0, 3.0]]])
    np.testing.assert_allclose(signatures(points, 5)[0], [3, 9 / 2, 27 / 6, 81 / 24, 243 / 120], rtol=1e-14)


@pytest.mark.parametrize("depth", range(1, 7))
def test_every_depth_has_a_kernel_that_gives_q_features(rng, depth):
    points = random_paths(rng, 3, 2, 9, "float32")
    features = kernel_for(3, depth)(points, depth)
    assert features.shape == (2, signature_length(3, depth))
    assert features.dtype == np.float32


def test_no_rows_give_no_features():
    for depth in (2, 4):
        assert signatures(np.zeros((3, 0, 8), np.float32), depth).shape == (0, signature_length(3, depth))
