"""A network for fewer sensors than were recorded: `--channels`, and a teacher that sees the others, too."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from edgekit.errors import DataError, UserError
from edgekit.training.config import TrainConfig
from edgekit.training.loop import train
from edgekit.training.windows import scan_windows
from tests.cli.command import edgekit as run
from tests.cli.command import refused
from tests.cli.test_commands import edgekit

NAMES = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Windows of six channels; what tells the classes apart is in the accelerometer's alone."""
    root = tmp_path_factory.mktemp("recorded")
    for side, count in (("train", 96), ("test", 24)):
        rng = np.random.default_rng(count)
        y = np.arange(count) % 3
        x = rng.normal(0, 0.3, (count, 6, 64)).astype(np.float32)
        x[:, :3] += 4 * np.eye(3)[y][:, :, None]
        np.savez(root / f"{side}.npz", x=x, y=y, labels=["a", "b", "c"], channels=NAMES, subject=np.arange(count) % 4)
    return root


@pytest.fixture
def settings(recorded, tmp_path):
    fixed = {"data": recorded, "model": "tsak-student", "out": tmp_path / "run", "epochs": 1, "copies": 0, "batch_size": 16}
    return lambda **more: TrainConfig(**{**fixed, **more})


@pytest.fixture(scope="module")
def narrow(recorded, tmp_path_factory):
    """A run and its bundle that see the accelerometer alone, its axes in another order."""
    root = tmp_path_factory.mktemp("narrow")
    more = ("--channels", "acc_z, acc_x,acc_y", "--seed", 0, "--epochs", 40, "--copies", 1)
    edgekit("train", recorded, "--model", "tsak-student", "--out", root / "run", *more)
    edgekit("export", root / "run", "--out", root / "b.bundle", "--format", "tflite", "--precision", "int8", "--samples", 64)
    return root


def rewritten(source, target, **changes):
    with np.load(source) as archive:
        arrays = {**archive, **changes}
    target.parent.mkdir(exist_ok=True)
    np.savez(target, **{name: array for name, array in arrays.items() if array is not None})
    return target


def answers(bundle, file):
    return [row["probabilities"] for row in json.loads(edgekit("predict", bundle, file, "--json"))]


def test_the_network_sees_these_channels_alone_by_name_in_every_command(narrow, recorded, tmp_path):
    test = recorded / "test.npz"
    config = json.loads((narrow / "b.bundle/manifest.json").read_text())["frontend"]["config"]
    assert (config["channels"], config["shape"]) == (["acc_z", "acc_x", "acc_y"], [3, 64])
    expected = answers(narrow / "b.bundle", test)
    with np.load(test) as archive:
        x = archive["x"]
    unnamed = rewritten(test, tmp_path / "a/test.npz", x=x[:, [2, 0, 1]], channels=None)
    board = rewritten(test, tmp_path / "b/test.npz", x=x[:, :3], channels=NAMES[:3])
    turned = rewritten(test, tmp_path / "c/test.npz", x=x[:, ::-1], channels=NAMES[::-1])
    for file in (unnamed, board, turned):
        assert answers(narrow / "b.bundle", file) == expected
    right = [
        json.loads(edgekit("evaluate", narrow / "b.bundle", data, "--json"))["results"][0]["accuracy"] for data in (test, turned)
    ]
    assert right[0] == right[1] > 0.8
    document = json.loads(edgekit("bench", narrow / "b.bundle", "--smoke", "--runtime", "litert", "--images", turned, "--json"))
    assert document["runs"][0]["end_to_end"]["n"] > 0


def test_names_count_without_being_asked_for(settings, recorded, tmp_path):
    """A network of all channels finds them in files that order them otherwise, and refuses files that lack one."""
    train(settings(epochs=1))
    with np.load(recorded / "test.npz") as archive:
        x = archive["x"]
    turned = rewritten(recorded / "test.npz", tmp_path / "a/test.npz", x=x[:, ::-1], channels=NAMES[::-1])
    unnamed = rewritten(turned, tmp_path / "b/test.npz", channels=None)
    expected, named, taken_as_they_come = (
        json.loads(edgekit("evaluate", tmp_path / "run", file, "--json"))["results"]
        for file in (recorded / "test.npz", turned, unnamed)
    )
    assert named == expected != taken_as_they_come
    other = rewritten(turned, tmp_path / "c/test.npz", channels=("p", "q", "r", "s", "t", "u"))
    assert "no acc_x, acc_y" in refused(run("evaluate", tmp_path / "run", other, cwd=tmp_path))


def test_a_file_without_the_sensor_or_without_names_is_refused(narrow, recorded, tmp_path):
    with np.load(recorded / "test.npz") as archive:
        x = archive["x"]
    flat = rewritten(recorded / "test.npz", tmp_path / "a/test.npz", x=x[:, :2], channels=NAMES[:2])
    told = refused(run("predict", narrow / "b.bundle", flat, cwd=tmp_path))
    assert "Expected channels acc_z, acc_x, acc_y in " in told
    assert "found acc_x, acc_y: no acc_z" in told
    unnamed = rewritten(recorded / "test.npz", tmp_path / "b/test.npz", channels=None)
    assert "of shape (3, 64), got an array of (6, 64)" in refused(run("predict", narrow / "b.bundle", unnamed, cwd=tmp_path))


@pytest.mark.parametrize(
    ("channels", "words"),
    [(("acc_x", "acc_q"), "no acc_q"), (("acc_x", "acc_x"), "one name each"), (("acc_x", ""), "names of channels")],
)
def test_names_that_do_not_fit_are_refused_before_the_training(settings, channels, words):
    with pytest.raises(UserError, match=words):
        train(settings(channels=channels))
    assert not settings().folder.exists()


def test_names_are_needed_and_the_test_sides_are_the_same(settings, recorded, tmp_path):
    data = rewritten(recorded / "train.npz", tmp_path / "data/train.npz", channels=None).parent
    with pytest.raises(DataError, match="to name its channels, from which acc_x are taken"):
        train(settings(data=data, channels=("acc_x",)))
    with pytest.raises(UserError, match="Expected no channels for imagesig-fc"):
        train(settings(data=recorded, model="imagesig-fc", channels=("acc_x",)))
    rewritten(recorded / "train.npz", data / "train.npz")
    rewritten(recorded / "test.npz", data / "test.npz", channels=NAMES[::-1])
    with pytest.raises(DataError, match="as in train.npz, got gyro_z"):
        train(settings(data=data))


def test_windows_whose_channels_are_named_otherwise_are_other_data(recorded, tmp_path):
    data = rewritten(recorded / "train.npz", tmp_path / "data/train.npz", channels=NAMES[::-1]).parent
    rewritten(recorded / "test.npz", data / "test.npz", channels=None)
    assert scan_windows(data).digest != scan_windows(recorded).digest


def test_a_teacher_sees_the_sensors_that_the_student_has_not(settings, recorded, tmp_path):
    """It has a say, by sensors that tell nothing to the student."""
    train(settings(out=tmp_path / "teacher", channels=NAMES[:3], epochs=4))
    losses = {}
    for name, more in (("alone", {}), ("taught", {"teacher": tmp_path / "teacher", "alpha": 0.0, "temperature": 1.0})):
        train(settings(out=tmp_path / name, channels=NAMES[3:], epochs=2, **more))
        losses[name] = np.genfromtxt(tmp_path / name / "curves.csv", delimiter=",", names=True)["train_loss"].tolist()
    assert losses["alone"] != losses["taught"]
    lacking = rewritten(recorded / "train.npz", tmp_path / "data/train.npz", channels=None).parent
    with pytest.raises(UserError, match=r"Expected a teacher of windows of shape \(6, 64\), .* takes windows of shape \(3, 64\)"):
        train(settings(data=lacking, teacher=tmp_path / "teacher"))


def test_mixing_is_as_strong_as_asked_for(recorded, tmp_path):
    """Halves of two windows are of two classes at once: no network gets below the entropy of that."""
    options = ("--model", "tsak-student", "--epochs", 30, "--copies", 0, "--augment", "none", "--batch-size", 16)
    losses = []
    for mixup in (0, 1000):
        edgekit("train", recorded, *options, "--out", tmp_path / f"{mixup}", "--mixup", mixup)
        rows = csv.DictReader((tmp_path / f"{mixup}/curves.csv").read_text().splitlines())
        losses.append(float(list(rows)[-1]["train_loss"]))
    assert losses[0] < 0.2 < 0.4 < losses[1]
