"""Sensor windows: data sets, splits, augmentation, and the road from them to a bundle."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import edgekit
from edgekit.core.bundle import Bundle
from edgekit.errors import DataError, InputError, UserError
from edgekit.frontends import create_frontend
from edgekit.frontends.windows import Windows
from edgekit.golden import check_golden
from edgekit.models.checkpoint import load_run
from edgekit.training.augment_windows import augment_windows
from edgekit.training.config import TrainConfig
from edgekit.training.loop import train
from edgekit.training.progress import Silent
from edgekit.training.windows import WindowSet, prepare_windows, scan_windows, validation_rows
from edgekit.workflows.evaluate import evaluate
from edgekit.workflows.export import export_run

LABELS = ("slow", "fast", "still")
FED = {"windows": "tsak-student", "pictures": "imagesig-fc"}


def movement(rng: np.random.Generator, count: int, subjects: int = 6) -> dict[str, np.ndarray]:
    """Three kinds of movement that a small network tells apart: waves of two speeds, and rest."""
    y = np.arange(count) % len(LABELS)
    time = np.arange(100) / 100
    speed = np.array([3.0, 12.0, 0.0])[y][:, None, None]
    phase = rng.uniform(0, 6.3, (count, 3, 1))
    x = np.sin(2 * np.pi * speed * time + phase) * (speed > 0) + rng.normal(0, 0.1, (count, 3, 100))
    return {"x": x.astype(np.float32), "y": y, "labels": np.array(LABELS), "subject": np.arange(count) // 3 % subjects}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("movement")
    rng = np.random.default_rng(0)
    np.savez(root / "train.npz", **movement(rng, 180))
    np.savez(root / "test.npz", **movement(rng, 60))
    return root


@pytest.fixture(scope="module")
def run(tmp_path_factory, data):
    out = tmp_path_factory.mktemp("runs") / "student"
    result = train(TrainConfig(data, "tsak-student", out, epochs=25, copies=1, batch_size=32, learning_rate=5e-3, mixup=0.0))
    assert result.test is not None
    assert result.test.accuracy > 0.9
    return out


def windows_of(arrays: dict[str, np.ndarray], groups: bool = True) -> WindowSet:
    side = Windows(arrays["x"], arrays["y"], LABELS, arrays["subject"] if groups else None)
    return WindowSet(None, LABELS, side, None)


def test_validation_holds_out_whole_subjects(rng):
    data = windows_of(movement(rng, 180))
    for seed in range(5):
        held_out = validation_rows(data, seed)
        inside, outside = set(data.train.groups[held_out]), set(data.train.groups[~held_out])
        assert inside
        assert not inside & outside
        assert 0.15 <= held_out.mean() <= 0.35


def test_without_subjects_every_class_gives_its_share(rng):
    data = windows_of(movement(rng, 180), groups=False)
    held_out = validation_rows(data, 0)
    np.testing.assert_array_equal(np.bincount(data.train.y[held_out]), [9, 9, 9])
    np.testing.assert_array_equal(held_out, validation_rows(data, 0))
    assert (held_out != validation_rows(data, 1)).any()


def test_the_digest_knows_whose_windows_they_are(rng):
    arrays = movement(rng, 180)
    digest = windows_of(arrays).digest
    assert digest == windows_of(arrays).digest
    assert digest != windows_of({**arrays, "subject": arrays["subject"][::-1]}).digest != windows_of(arrays, groups=False).digest


def test_one_subject_alone_cannot_be_validated_on(rng):
    arrays = movement(rng, 30, subjects=1)
    with pytest.raises(DataError, match="at least 2 subjects"):
        validation_rows(windows_of(arrays), 0)


def test_copies_are_other_windows_of_the_same_movement(rng):
    x = movement(rng, 60)["x"]
    copies = augment_windows(x, np.random.default_rng(1))
    assert copies.shape == x.shape
    assert copies.dtype == np.float32
    np.testing.assert_array_equal(copies, augment_windows(x, np.random.default_rng(1)))
    assert (np.abs(copies - x).max(axis=(1, 2)) > 1e-3).all()
    # A turn keeps the length of the vector, scaling and noise change it by a tenth or so.
    before, after = (np.sqrt(np.square(values).sum(axis=1).mean(axis=1)) for values in (x, copies))
    assert (np.abs(after / before - 1) < 0.5).all()
    assert augment_windows(x[:, 0], np.random.default_rng(1)).shape == (60, 100)


BAD = {
    "no train.npz": (lambda a: None, "no such file"),
    "no classes": (lambda a: {"x": a["x"]}, "holds no y"),
    "one class": (lambda a: {**a, "y": np.zeros(30, int), "labels": LABELS[:1]}, "at least 2 classes"),
    "a class of one": (lambda a: {**a, "y": np.r_[2, np.zeros(15, int), np.ones(14, int)]}, "at least 2 classes.* of still"),
    "one name twice": (lambda a: {**a, "labels": np.array(["slow", "fast", "slow"])}, "'slow' more than once"),
    "no name": (lambda a: {**a, "labels": np.array(["slow", "fast", ""])}, "got ''. Name every one"),
    "no text": (lambda a: {**a, "labels": np.array(["slow", "fast", "\ud800"])}, "as text in one line"),
    "two lines": (lambda a: {**a, "labels": np.array(["slow", "fast", "a\nb"])}, "as text in one line"),
    "bytes for channels": (lambda a: {**a, "channels": np.array([b"x", b"y", b"z"])}, r"channels .* as \(3,\) names, got \|S1"),
    "two channels of one name": (
        lambda a: {**a, "channels": np.array(["x", "y", "x"])},
        "different channels .* 'x' more than once",
    ),
    "too few names": (lambda a: {**a, "channels": np.array(["x", "y"])}, r"channels .* of shape \(2,\)"),
    "NaN": (lambda a: {**a, "x": np.where(np.arange(100) == 5, np.nan, a["x"])}, "NaN"),
}


@pytest.mark.parametrize("case", BAD)
def test_data_that_cannot_be_trained_on_is_refused_in_one_line(tmp_path, rng, case):
    change, message = BAD[case]
    arrays = change(movement(rng, 30))
    if arrays is not None:
        np.savez(tmp_path / "train.npz", **arrays)
    with pytest.raises(DataError, match=message):
        scan_windows(tmp_path)


def test_a_test_side_of_another_shape_or_with_other_classes_is_refused(tmp_path, rng):
    arrays = movement(rng, 30)
    np.savez(tmp_path / "train.npz", **arrays)
    np.savez(tmp_path / "test.npz", **{**arrays, "x": arrays["x"][:, :, :50]})
    with pytest.raises(DataError, match=r"shape \(3, 100\).* got \(3, 50\)"):
        scan_windows(tmp_path)
    np.savez(tmp_path / "test.npz", **{**arrays, "labels": np.array(["slow", "fast", "swimming"])})
    with pytest.raises(DataError, match="swimming"):
        scan_windows(tmp_path)


def test_image_settings_are_refused_for_windows(tmp_path, data):
    with pytest.raises(UserError, match="Expected no size for tsak-student"):
        train(TrainConfig(data, "tsak-student", tmp_path / "run", size=(8, 8)))
    with pytest.raises(UserError, match="Expected photo or none as the augmentation of windows, got randaugment"):
        train(TrainConfig(data, "tsak-student", tmp_path / "run", augment="randaugment"))
    assert not (tmp_path / "run").exists()


def test_windows_become_a_verified_bundle(tmp_path, run, data):
    manifest = export_run(run, tmp_path / "student.bundle", Silent())
    assert manifest.frontend.name == "samples"
    bundle = Bundle.open(tmp_path / "student.bundle")
    assert all(check.ok for check in check_golden(bundle))
    document = evaluate(tmp_path / "student.bundle", data, Silent())
    assert min(row["accuracy"] for row in document["results"]) > 0.9
    assert document["data"] == json.loads((run / "metrics.json").read_text())["test"]["data"]


def test_a_network_of_mirrored_windows_answers_alike_for_either_arm(tmp_path, data):
    run = tmp_path / "run"
    train(TrainConfig(data, "tsak-student", run, epochs=3, copies=1, mirror=(0,)))
    assert load_run(run).frontend.config.mirror == (0,)
    export_run(run, tmp_path / "student.bundle", Silent())
    arrays = dict(np.load(data / "test.npz"))
    arrays["x"][:, 0] *= -1
    np.savez(tmp_path / "test.npz", **arrays)
    documents = [evaluate(tmp_path / "student.bundle", place, Silent()) for place in (data, tmp_path)]
    assert documents[0]["results"] == documents[1]["results"]


def test_gravity_and_movement_apart_become_a_verified_bundle_that_takes_windows_as_recorded(tmp_path, data):
    settings = {"epochs": 25, "copies": 1, "batch_size": 32, "learning_rate": 5e-3, "mixup": 0.0}
    train(TrainConfig(data, "tsak-student", tmp_path / "run", separate_gravity=True, **settings))
    assert load_run(tmp_path / "run").config.input_shape == (6, 100)
    export_run(tmp_path / "run", tmp_path / "student.bundle", Silent())
    bundle = Bundle.open(tmp_path / "student.bundle")
    assert all(check.ok for check in check_golden(bundle))
    assert min(row["accuracy"] for row in evaluate(bundle.path, data, Silent())["results"]) > 0.9
    with edgekit.open(bundle.path) as pipeline:
        window = np.load(data / "test.npz")["x"][0]
        assert pipeline.predict(window).label in LABELS
        with pytest.raises(InputError, match=r"shape \(3, 100\), got an array of \(6, 100\)"):
            pipeline.predict(np.zeros((6, 100), np.float32))


def test_windows_are_augmented_before_gravity_is_separated(data):
    config = TrainConfig(data, "tsak-student", "unused", copies=2, separate_gravity=True)
    frontend = create_frontend("samples", {"shape": [3, 100], "separate_gravity": True})
    inputs = prepare_windows(config, scan_windows(data), frontend, None).whole.x
    x = inputs.batch(np.arange(len(inputs)), torch.device("cpu")).numpy()
    assert len(x) == 3 * 180
    # A mean is one value all over its window, whatever was done to the copy.
    assert np.ptp(x[:, :3], axis=-1).max() == 0
    assert np.ptp(x[:, 3:], axis=-1).min() > 0


@pytest.mark.parametrize("setting", [{"mirror": (0,)}, {"mirror": ()}, {"separate_gravity": True}])
def test_images_take_no_settings_of_windows(tmp_path, write_pictures, setting):
    write_pictures(tmp_path / "pictures", {"a": 4, "b": 4})
    with pytest.raises(UserError, match=f"Expected no {next(iter(setting))} for imagesig-fc"):
        train(TrainConfig(tmp_path / "pictures", "imagesig-fc", tmp_path / "run", **setting))


def test_settings_of_windows_are_checked(data):
    with pytest.raises(InputError, match=r"Expected mirror of channels such as \(0,\), got 3"):
        TrainConfig(data, "tsak-student", "run", mirror=3)
    with pytest.raises(InputError, match="Expected separate gravity of True or False, got no"):
        TrainConfig(data, "tsak-student", "run", separate_gravity="no")


def test_a_teacher_sees_the_windows_through_its_own_front_end(tmp_path, run, data):
    settings = {"epochs": 25, "copies": 1, "batch_size": 32, "learning_rate": 5e-3, "mixup": 0.0, "alpha": 0.0}
    result = train(
        TrainConfig(data, "tsak-student", tmp_path / "run", teacher=run, mirror=(0,), separate_gravity=True, **settings)
    )
    assert load_run(run).config.input_shape == (3, 100)
    assert result.test is not None
    assert result.test.accuracy > 0.9


def test_a_student_learns_from_a_teachers_logits(tmp_path, run, data):
    settings = {"epochs": 8, "copies": 0, "augment": "none", "batch_size": 32, "mixup": 0.0, "learning_rate": 5e-3}
    runs = [
        train(TrainConfig(data, "tsak-student", tmp_path / f"{alpha}", teacher=run, alpha=alpha, **settings))
        for alpha in (1.0, 0.0)
    ]
    plain = train(TrainConfig(data, "tsak-student", tmp_path / "plain", **settings))
    weights = [load_run(path).module.state_dict() for path in (tmp_path / "1.0", tmp_path / "0.0", tmp_path / "plain")]
    # With alpha 1 the teacher has no say; without labels the student follows the teacher alone.
    assert all(weights[0][name].equal(weights[2][name]) for name in weights[0])
    assert not all(weights[1][name].equal(weights[2][name]) for name in weights[1])
    assert runs[1].validation.accuracy > 0.5
    assert plain.validation.accuracy == runs[0].validation.accuracy


@pytest.mark.parametrize("shape", [(6, 100), (3, 90)])
def test_a_teacher_of_other_windows_is_refused(tmp_path, run, rng, shape):
    arrays = movement(rng, 60)
    arrays["x"] = np.tile(arrays["x"], (1, 2, 1))[:, : shape[0], : shape[1]]
    np.savez(tmp_path / "train.npz", **arrays)
    with pytest.raises(UserError, match=rf"of windows of shape \({shape[0]}, {shape[1]}\), .* takes windows of shape \(3, 100\)"):
        train(TrainConfig(tmp_path, "tsak-student", tmp_path.with_name("other"), teacher=run))


def test_images_and_windows_do_not_teach_each_other(tmp_path, rng, write_pictures):
    labels = np.array(sorted(LABELS))  # as those of images are
    for place in ("windows", "pictures"):
        (tmp_path / place).mkdir()
    np.savez(tmp_path / "windows" / "train.npz", **{**movement(rng, 60), "labels": labels})
    write_pictures(tmp_path / "pictures", dict.fromkeys(labels.tolist(), 8))
    sides = {
        name: TrainConfig(tmp_path / name, model, tmp_path / f"{name}-run", epochs=1, copies=0) for name, model in FED.items()
    }
    for config in sides.values():
        train(config)
    for student, teacher in (("windows", "pictures"), ("pictures", "windows")):
        with pytest.raises(UserError, match=f"Expected a teacher of .*{teacher}-run takes"):
            train(replace(sides[student], out=tmp_path / "run", teacher=sides[teacher].out))
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_other_classes_is_refused(tmp_path, run, rng):
    arrays = movement(rng, 60)
    (tmp_path / "others").mkdir()
    np.savez(tmp_path / "others" / "train.npz", **{**arrays, "labels": np.array(["a", "b", "c"])})
    with pytest.raises(UserError, match="Expected a teacher with the classes a, b, c"):
        train(TrainConfig(tmp_path / "others", "tsak-student", tmp_path / "run", teacher=run))
