from __future__ import annotations

import contextlib

import numpy as np
import pytest

from edgekit.core.spec import Affine
from edgekit.errors import BundleError, DataError, InputError
from edgekit.frontends import Samples, Standardisation, create_frontend, frontend_to_json
from edgekit.frontends.windows import load_windows, seen_by

pytestmark = pytest.mark.device


@pytest.fixture
def window(rng) -> np.ndarray:
    return rng.normal(0, 2, (3, 100))


def test_samples_pass_through_as_float32(window):
    np.testing.assert_array_equal(Samples()(window), window.astype(np.float32))
    np.testing.assert_array_equal(Samples()(np.ones((3, 100), np.int16)), np.ones((3, 100), np.float32))


@pytest.mark.parametrize(("shape", "layout", "axis"), [((640,), "F", -1), ((3, 100), "CT", -2), ((49, 10, 1), "HWC", -1)])
def test_every_shape_has_its_layout_and_its_axis_of_channels(shape, layout, axis):
    front = Samples(shape)
    assert (front.output.shape, front.output.layout, front.feature_axis) == (shape, layout, axis)


def test_channels_are_standardised_each_by_its_own_scale_alone_or_in_a_batch(window):
    front = Samples(standardise=Standardisation((1.0, 2.0, 0.5), (0.0, 1.0, -1.0), 4.0))
    expected = np.clip(window * [[1.0], [2.0], [0.5]] + [[0.0], [1.0], [-1.0]], -4, 4)
    np.testing.assert_allclose(front(window), expected, atol=1e-6)
    np.testing.assert_array_equal(front(np.stack([window, window]))[1], front(window))


def test_quantizing_in_one_step_is_quantizing_the_standardised_samples(window):
    front = Samples(standardise=Standardisation((1.0, 2.0, 0.5), (0.0, 1.0, -1.0), 4.0))
    affine = Affine(8 / 255, 0, "int8")
    difference = front.quantize(window, affine).astype(int) - affine.quantize(front(window)).astype(int)
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 0.01


def test_a_window_and_its_mirror_image_are_one(window):
    window[0] += 1 - window[0].mean()
    other = window * [[-1.0], [1.0], [-1.0]]
    front = Samples(standardise=Standardisation((1.0, 2.0, 0.5), (0.0, 1.0, -1.0), 4.0), mirror=(0, 2))
    plain = Samples(standardise=front.standardise)
    np.testing.assert_array_equal(front(window), plain(window))
    np.testing.assert_array_equal(front(other), plain(window))
    np.testing.assert_array_equal(front(np.stack([other, window])), plain(np.stack([window, window])))
    affine = Affine(8 / 255, 0, "int8")
    np.testing.assert_array_equal(front.quantize(other, affine), plain.quantize(window, affine))


def test_only_the_first_of_the_channels_to_mirror_has_a_place():
    assert Samples(mirror=(0, 2, 1)).config == Samples(mirror=(0, 1, 2)).config
    assert Samples(mirror=(1, 0)).config != Samples(mirror=(0, 1)).config


def test_mirroring_leaves_the_callers_window_alone(window):
    given = (window - 9).astype(np.float32)
    before = given.copy()
    Samples(mirror=(0,))(given)
    np.testing.assert_array_equal(given, before)


def test_gravity_and_movement_are_channels_of_their_own(window):
    window += [[9.81], [0.0], [-3.0]]
    front = Samples(separate_gravity=True)
    assert (front.output.shape, front.output.layout, front.feature_axis) == ((6, 100), "CT", -2)
    features = front(window)
    np.testing.assert_allclose(features[:3], np.repeat(window.mean(axis=1)[:, None], 100, axis=1), atol=1e-5)
    np.testing.assert_allclose(features[:3] + features[3:], window, atol=1e-5)
    np.testing.assert_allclose(features[3:].mean(axis=1), 0, atol=1e-6)
    np.testing.assert_array_equal(front(np.stack([window, window]))[1], features)


def test_a_sensor_that_lies_otherwise_changes_gravity_alone(window):
    front = Samples(separate_gravity=True)
    before, after = front(window), front(window + np.array([[0.0], [5.0], [0.0]]))
    np.testing.assert_allclose(after[3:], before[3:], atol=1e-5)
    np.testing.assert_allclose(after[1] - before[1], 5, atol=1e-5)


def test_gravity_and_movement_have_each_their_own_standardisation(window):
    scale, offset = (1.0, 1.0, 1.0, 10.0, 20.0, 30.0), (0.0, 0.5, 0.0, 0.0, 0.0, 1.0)
    front = Samples(standardise=Standardisation(scale, offset, 4.0), separate_gravity=True)
    raw = Samples(separate_gravity=True)(window)
    expected = np.clip(raw * np.array(scale)[:, None] + np.array(offset)[:, None], -4, 4)
    np.testing.assert_allclose(front(window), expected, atol=1e-5)
    affine = Affine(8 / 255, 0, "int8")
    assert np.abs(front.quantize(window, affine).astype(int) - affine.quantize(front(window)).astype(int)).max() <= 1


def test_a_mirrored_window_is_separated_afterwards(window):
    window[0] += 1 - window[0].mean()
    front = Samples(mirror=(0,), separate_gravity=True)
    np.testing.assert_array_equal(front(window * [[-1.0], [1.0], [1.0]]), Samples(separate_gravity=True)(window))


@pytest.mark.parametrize("value", ["no", 1, None])
def test_gravity_is_separated_or_not(value):
    with pytest.raises(InputError, match=f"Expected separate_gravity to be true or false, got {value!r}"):
        Samples(separate_gravity=value)


def test_movement_beyond_float32_is_refused():
    with pytest.raises(InputError, match="finite samples"):
        Samples((1, 3), separate_gravity=True)(np.array([[3.4e38, 3.4e38, -3.4e38]]))


def test_features_have_no_gravity_to_separate():
    with pytest.raises(
        InputError, match=r"Expected windows of shape \(channels, samples\) to separate gravity from, got \(640,\)"
    ):
        create_frontend("samples", {"shape": [640], "separate_gravity": True})


@pytest.mark.parametrize(("shape", "mirror"), [([3, 100], [3]), ([3, 100], [-1]), ([3, 100], [0, 0]), ([640], [0])])
def test_channels_to_mirror_that_are_none_are_refused(shape, mirror):
    with pytest.raises(InputError, match="to mirror"):
        create_frontend("samples", {"shape": shape, "mirror": mirror})


def test_the_config_survives_json():
    front = Samples((3, 128), Standardisation((1.0,) * 6, (0.5,) * 6, 3.0), (0, 2), True, ("a", "b", "c"))
    entry = frontend_to_json(front)
    assert create_frontend(entry["name"], entry["config"]).config == front.config


@pytest.mark.parametrize("shape", [(), (0, 3), (1, 2, 3, 4), "3x100", (3, 2.5)])
def test_shapes_that_are_none_are_refused(shape):
    with pytest.raises((InputError, BundleError), match="Expected"):
        create_frontend("samples", {"shape": shape})


@pytest.mark.parametrize("bad", [np.zeros((3, 99)), np.zeros((1, 1, 3, 100)), np.array([["a"] * 100] * 3), [[0.0] * 100] * 3])
def test_windows_of_another_shape_or_type_are_refused(bad):
    with pytest.raises(InputError, match=r"Expected a window of shape \(3, 100\)"):
        Samples()(bad)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_samples_that_are_not_finite_are_refused(window, value):
    window[1, 7] = value
    with pytest.raises(InputError, match="finite samples"):
        Samples()(window)


def test_a_standardisation_of_other_channels_is_refused():
    with pytest.raises(InputError, match="standardisation of 3 channels"):
        Samples(standardise=Standardisation((1.0,), (0.0,)))


# --- the reader


def test_a_file_of_windows_is_read_with_its_classes_and_labels(tmp_path, rng):
    x, y = rng.random((5, 3, 100)), np.array([0, 1, 1, 0, 1])
    np.savez(tmp_path / "w.npz", x=x, y=y, labels=np.array(["still", "moving"]), subject=y)
    windows = load_windows(tmp_path / "w.npz")
    np.testing.assert_array_equal(windows.x, x.astype(np.float32))
    np.testing.assert_array_equal(windows.y, y)
    assert windows.labels == ("still", "moving")


def test_channels_are_found_by_name(tmp_path, rng):
    x, names = rng.normal(0, 1, (4, 3, 8)).astype(np.float32), ("up", "left", "ahead")
    path = tmp_path / "windows.npz"
    front = Samples((2, 8), channels=("ahead", "up"))
    np.savez(path, x=x, channels=names)
    np.testing.assert_array_equal(seen_by(front, load_windows(path), path), x[:, [2, 0]])
    np.testing.assert_array_equal(seen_by(Samples((3, 8)), load_windows(path), path), x)
    with pytest.raises(DataError, match="found up, left, ahead: no down"):
        seen_by(Samples((2, 8), channels=("up", "down")), load_windows(path), path)
    for other in (np.arange(3), "up"):
        np.savez(path, x=x, channels=other)
        windows = load_windows(path)
        assert windows.channels is None
        np.testing.assert_array_equal(seen_by(front, windows, path), x)
    for wrong in (("up", "left"), ("up", "up", "left"), (b"up", b"left", b"ahead")):
        np.savez(path, x=x, channels=wrong)
        with pytest.raises(DataError, match="channels"):
            load_windows(path)


@pytest.mark.parametrize("channels", [("a",), ("a", "a"), ("a", ""), "ab", (1, 2), None])
def test_names_of_channels_are_one_each(channels):
    with pytest.raises(InputError, match="name"):
        Samples((2, 8), channels=channels)
    with pytest.raises(InputError, match="one name each for the channels of windows of shape"):
        Samples((2,), channels=("a", "b"))


def test_real_windows_are_read(shared):
    windows = load_windows(shared / "data/wisdm_watch6/test.npz")
    assert windows.x.shape == (1296, 3, 100)
    assert windows.labels is not None
    assert set(windows.y) == set(range(6))


BAD = {
    "no x": ({"windows": np.zeros((2, 3))}, "Expected windows as array x"),
    "one axis": ({"x": np.zeros(3)}, "Expected x of"),
    "words": ({"x": np.array([["a"]])}, "Expected x of"),
    "empty": ({"x": np.zeros((0, 3))}, "Expected x of"),
    "NaN": ({"x": np.array([[1.0], [np.nan]])}, "1 of 2 windows hold NaN"),
    "short y": ({"x": np.zeros((2, 3)), "y": np.array([1])}, r"Expected y of .* as \(2,\) class indices"),
    "float y": ({"x": np.zeros((2, 3)), "y": np.array([1.0, 2.0])}, "class indices"),
    "y beyond the labels": ({"x": np.zeros((2, 3)), "y": np.array([0, 1]), "labels": np.array(["a"])}, "Expected classes 0 to 0"),
    "beyond float32": ({"x": np.full((2, 3), 1e300)}, "2 of 2 windows hold NaN or infinity in float32"),
    "one label": ({"x": np.zeros((2, 3)), "labels": np.array("a")}, r"Expected labels of .* as \(classes,\) names"),
    "labels as bytes": ({"x": np.zeros((2, 3)), "labels": np.array([b"a"])}, "Expected labels of"),
    "objects": ({"x": np.array([[None]], dtype=object)}, "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_files_that_hold_no_windows_are_refused_in_one_line(tmp_path, case):
    arrays, message = BAD[case]
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load_windows(tmp_path / "w.npz")
    assert "\n" not in str(caught.value)


def test_files_that_are_missing_or_no_archive_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        load_windows(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(DataError, match="no archive"):
        load_windows(tmp_path / "text.npz")
    np.save(tmp_path / "bare.npy", np.zeros((2, 3)))
    (tmp_path / "bare.npy").rename(tmp_path / "bare.npz")
    with pytest.raises(DataError, match="no archive"):
        load_windows(tmp_path / "bare.npz")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_archive_is_read_or_refused_as_such(tmp_path, rng, save):
    path = tmp_path / "w.npz"
    save(path, x=rng.integers(0, 5, (20, 3, 50)).astype(np.float32), labels=np.array(["a", "b"]))
    content = path.read_bytes()
    for _ in range(300):
        broken = bytearray(content)
        for place in rng.choice([*range(200), *range(-200, 0)], 3):
            broken[place] = rng.integers(256)
        path.write_bytes(broken)
        with contextlib.suppress(DataError):
            load_windows(path)
