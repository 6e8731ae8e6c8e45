from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgekit.errors import MissingExtraError
from edgekit.frontends.kernels import by_iisignature, kernel_for, logsignatures, signatures
from edgekit.frontends.lyndon import lyndon_words
from edgekit.frontends.plans import equal_slices
from edgekit.frontends.tensor_algebra import feature_scale, log_scale, logsignature_length, signature_length

pytestmark = pytest.mark.device

BOUND = {"float32": 1e-6, "float64": 1e-13}


def random_paths(rng: np.random.Generator, channels: int, rows: int, width: int, dtype: str) -> np.ndarray:
    points = rng.integers(-9, 10, (channels, rows, width)).cumsum(axis=-1).astype(dtype)
    return points - points[..., :1]


def step_by_step(points: np.ndarray, depth: int) -> np.ndarray:
    """Chen's identity, one step after the other: (C, R, W) -> (R, Q)."""
    channels, rows, _ = points.shape
    levels = [np.ones((rows, 1))] + [np.zeros((rows, channels**k)) for k in range(1, depth + 1)]
    for step in np.diff(points).transpose(2, 1, 0):
        powers = [np.ones((rows, 1))]
        for k in range(1, depth + 1):
            powers.append(tensor_product(powers[-1], step) / k)
        levels = [sum(tensor_product(levels[i], powers[k - i]) for i in range(k + 1)) for k in range(depth + 1)]
    return np.concatenate(levels[1:], axis=1)


def tensor_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left[:, :, None] * right[:, None]).reshape(len(left), -1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("width", [1, 2, 16, 33, 70])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kernel_equals_chens_identity_step_by_step(rng, channels, width, dtype):
    points = random_paths(rng, channels, 3, width, dtype)
    unit = feature_scale(np.full(channels, 1.0 / max(np.abs(points).max(), 1)), 6)
    expected = step_by_step(points.astype("float64"), 6) * unit
    for depth in range(1, 7):
        features = signatures(points, depth)
        assert features.dtype == np.dtype(dtype)
        length = signature_length(channels, depth)
        error = np.abs(features * unit[:length] - expected[:, :length]).max()
        assert error <= BOUND[dtype] * max(np.abs(expected[:, :length]).max(), 1e-300), depth


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_log_signatures_equal_iisignature(rng, channels, depth, dtype):
    pytest.importorskip("iisignature", reason="iisignature is the oracle for log-signatures")
    if depth == 1:  # it takes 2 and more
        points = random_paths(rng, channels, 5, 9, dtype)
        np.testing.assert_array_equal(logsignatures(points, 1), points[..., -1].T)
        return
    for width in (2, 17, 64):
        points = random_paths(rng, channels, 3, width, dtype)
        scale = 1.0 / max(np.abs(points).max(), 1)
        expected = by_iisignature(points * np.float64(scale), depth, log=True)
        features = logsignatures(points, depth) * log_scale(np.full(channels, scale), depth)
        bound = 5e-6 if dtype == "float32" else 1e-13
        assert np.abs(features - expected).max() <= bound * np.abs(expected).max(), width


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_signatures_equal_iisignature(rng, channels):
    pytest.importorskip("iisignature", reason="iisignature is the oracle for signatures")
    points = random_paths(rng, channels, 6, 40, "float64")
    for depth in range(1, 7):
        expected = by_iisignature(points, depth)
        assert np.abs(signatures(points, depth) - expected).max() <= 1e-13 * np.abs(expected).max()


def test_the_comparison_without_iisignature_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "iisignature", None)
    with pytest.raises(MissingExtraError, match=r"edgekit\[iisignature\]"):
        by_iisignature(np.zeros((2, 1, 3)), 2)


def test_a_straight_line_has_the_tensor_exponential_as_its_signature_and_its_end_as_its_logarithm():
    points = np.arange(5.0) * np.array([[1.0], [2.0]])
    expected = [4, 8, 8, 16, 16, 32, *(np.multiply.outer(np.multiply.outer([4, 8], [4, 8]), [4, 8]).ravel() / 6)]
    np.testing.assert_allclose(signatures(points[:, None], 3)[0], expected, rtol=1e-14)
    np.testing.assert_allclose(logsignatures(points[:, None], 3)[0], [4, 8, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize("depth", [4, 5])
def test_rows_do_not_touch_each_other_whatever_the_chunks(rng, depth):
    points = random_paths(rng, 3, 300, 33, "float64")
    together = signatures(points, depth)
    alone = np.concatenate([signatures(points[:, [row]], depth) for row in range(0, 300, 7)])
    np.testing.assert_allclose(together[::7], alone, rtol=1e-12, atol=1e-9)


def test_a_plan_leaves_nothing_behind_for_the_next_paths(rng):
    loud, quiet = random_paths(rng, 3, 4, 20, "float64"), np.zeros((3, 4, 20))
    for depth in (4, 5):
        signatures(loud, depth)
        assert not signatures(quiet, depth).any()
        assert not logsignatures(quiet, depth).any()


def test_several_threads_with_several_sizes_get_the_same_features(rng):
    work = [
        (function, random_paths(rng, channels, rows, width, "float32"), depth)
        for function in (signatures, logsignatures)
        for channels, rows, width, depth in [(3, 8, 40, 4), (3, 9, 40, 4), (2, 8, 31, 5), (4, 3, 16, 3), (3, 5, 64, 6)]
    ]
    expected = [function(points, depth) for function, points, depth in work]
    with ThreadPoolExecutor(4) as pool:
        got = pool.map(lambda call: call[0](call[1], call[2]), work * 8)
        for features, want in zip(got, expected * 8, strict=True):
            np.testing.assert_array_equal(features, want)


def test_an_increasing_one_channel_path_gives_powers_over_factorials():
    points = np.array([[[0.0, 1.0, 3.0]]])
    np.testing.assert_allclose(signatures(points, 5)[0], [3, 9 / 2, 27 / 6, 81 / 24, 243 / 120], rtol=1e-14)


def test_no_rows_give_no_features():
    for depth in (1, 2, 4, 6):
        assert signatures(np.zeros((3, 0, 8), np.float32), depth).shape == (0, signature_length(3, depth))
        assert logsignatures(np.zeros((3, 0, 8), np.float32), depth).shape == (0, logsignature_length(3, depth))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_lyndon_words_are_smaller_than_their_suffixes_and_as_many_as_witts_formula_says(channels):
    witt = {2: (2, 1, 2, 3, 6, 9), 3: (3, 3, 8, 18, 48, 116), 4: (4, 6, 20, 60, 204, 670)}[channels]
    levels = lyndon_words(channels, 6)
    assert tuple(map(len, levels)) == witt
    for level in levels:
        assert list(level) == sorted(set(level))
        assert all(word < word[cut:] for word in level for cut in range(1, len(word)))
    assert kernel_for(channels, 6, log=True).length == sum(witt)


@pytest.mark.parametrize(("total", "most"), [(0, 4), (1, 4), (8, 4), (9, 4), (7, 1), (5, 100)])
def test_equal_slices_cover_everything_in_pieces_of_one_size(total, most):
    slices = list(equal_slices(total, most))
    assert sorted({row for part in slices for row in range(total)[part]}) == list(range(total))
    assert len({part.stop - part.start for part in slices}) <= 1
    assert all(part.stop - part.start <= most for part in slices)
