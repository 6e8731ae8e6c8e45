"""Training end to end: the run folder, seeds, resume, and that a wrong input leaves nothing behind."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from edgekit.errors import DataError, ModelError, UnknownNameError, UserError
from edgekit.frontends.image import decode
from edgekit.models.checkpoint import load_run
from edgekit.training import loop
from edgekit.training.config import TrainConfig
from edgekit.training.digits import DIGITS_RECIPE, digits_split, write_digits
from edgekit.training.loop import train
from edgekit.training.validation import load_validation

FILES = {"validation.npz", "run.json", "model.safetensors", "metrics.json", "curves.csv", "curves.svg"}


@pytest.fixture
def settings(split_folder, tmp_path):
    def make(**changes):
        given = {"model": "imagesig-cnn1d", "out": tmp_path / "run", "epochs": 3, "size": (20, 20), "depth": 2, "copies": 2}
        return TrainConfig(**{"data": split_folder, **given, **changes})

    return make


class Interrupt(Exception):
    """What stops a run in these tests."""


class StopAfter:
    """A progress that interrupts training after some epochs."""

    def __init__(self, epochs: int) -> None:
        self.left, self.stage = epochs, ""

    def start(self, stage: str, total: int) -> None:
        self.stage = stage

    def advance(self, steps: int = 1, note: str = "") -> None:
        if self.stage.startswith("training"):
            self.left -= 1
            if self.left == 0:
                raise Interrupt


def weights(path):
    return (path / "model.safetensors").read_bytes()


def test_a_run_folder_holds_everything_and_opens_again(settings, tmp_path, split_folder):
    result = train(settings())
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    run = load_run(tmp_path / "run")
    assert run.config.labels == ("blue", "red")
    assert run.config.input_shape == (20, 12)
    assert run.config.epochs == result.epochs == 3
    assert run.frontend.standardise is not None
    assert not run.module.training
    paths = sorted((split_folder / "test").glob("*/*.png"))
    features = torch.from_numpy(np.stack([run.frontend(decode(path)) for path in paths]))
    with torch.no_grad():
        predicted = run.module(features).argmax(dim=1).numpy()
    assert (predicted == np.repeat([0, 1], 4)).mean() == result.test.accuracy
    assert len((tmp_path / "run" / "curves.csv").read_text().splitlines()) == 4
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test"]["accuracy"] == result.test.accuracy


def test_without_refit_the_kept_epoch_of_the_split_is_the_network(settings, tmp_path):
    train(settings(out=tmp_path / "split", refit=False))
    train(settings(out=tmp_path / "whole"))
    assert weights(tmp_path / "split") != weights(tmp_path / "whole")
    assert (tmp_path / "split" / "curves.csv").read_bytes() == (tmp_path / "whole" / "curves.csv").read_bytes()


def test_what_is_refitted_is_what_was_validated(settings, tmp_path):
    train(settings(epochs=12, learning_rate=0.05, average=0.0))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["kept_epoch"]["epoch"] == 12
    assert metrics["validation"]["accuracy"] == metrics["kept_epoch"]["validation_accuracy"]
    logits, targets = load_validation(tmp_path / "run")
    assert (logits.argmax(1) == targets).mean() == metrics["validation"]["accuracy"]


def test_with_patience_as_many_epochs_are_refitted_as_were_best(settings, tmp_path, split_folder, write_pictures):
    # Classes that look alike: the validation loss is lowest early.
    write_pictures(split_folder / "train", {"red": 12}, grey=True)
    write_pictures(split_folder / "train", {"blue": 12}, grey=True)
    plain = {"learning_rate": 0.02, "schedule": "constant", "warm_up": 0.0, "path": "grey+time", "augment": "none"}
    result = train(settings(epochs=30, patience=4, **plain))
    best = json.loads((tmp_path / "run" / "metrics.json").read_text())["kept_epoch"]["epoch"]
    assert best == result.epochs - 4 < 26
    train(settings(epochs=best, out=tmp_path / "short", **plain))
    assert weights(tmp_path / "run") == weights(tmp_path / "short")


def test_the_result_is_the_document_of_the_command(settings, tmp_path):
    document = train(settings()).to_json()
    assert list(document) == ["run", "model", "epochs", "validation", "test"]
    assert document["run"] == str(tmp_path / "run")
    assert document["test"]["n"] == 8
    assert 0 <= document["validation"]["accuracy"] <= 1


def test_a_data_set_without_test_images_has_no_test_result(settings, split_folder, monkeypatch):
    scan = loop.scan
    monkeypatch.setattr(loop, "scan", lambda path: loop.DataSet(path, scan(path).labels, scan(path).train, ()))
    assert train(settings()).to_json()["test"] is None


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(settings, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(settings(out=tmp_path / name, seed=seed))
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")
    assert (tmp_path / "a" / "curves.csv").read_bytes() == (tmp_path / "b" / "curves.csv").read_bytes()


@pytest.mark.parametrize("epochs", [1, 2, 4, 5])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(settings, tmp_path, epochs):
    train(settings(out=tmp_path / "whole"))
    with pytest.raises(Interrupt):
        train(settings(), StopAfter(epochs))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"state.pt"}
    with pytest.raises(ModelError, match=r"found an interrupted one. Finish it: edgekit train .* --resume"):
        load_run(tmp_path / "run")
    train(settings(resume=True))
    for name in ("model.safetensors", "curves.csv", "metrics.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    resumed, whole = (load_run(tmp_path / name).config for name in ("run", "whole"))
    assert replace(resumed, name="") == replace(whole, name="")


def test_an_interrupted_run_is_not_continued_with_other_settings_other_images_or_from_a_damaged_state(
    settings, tmp_path, split_folder
):
    with pytest.raises(Interrupt):
        train(settings(), StopAfter(1))
    with pytest.raises(UserError, match=r"interrupted one .* Pass --resume, or another --out"):
        train(settings())
    with pytest.raises(UserError, match=r"got epochs 4 \(was 3\), seed 1 \(was 0\)"):
        train(settings(epochs=4, seed=1, resume=True))
    image = split_folder / "train" / "red" / "000.png"
    content = image.read_bytes()
    image.unlink()
    with pytest.raises(UserError, match="Expected the images that the interrupted run"):
        train(settings(resume=True))
    image.write_bytes(content)
    state = tmp_path / "run" / "state.pt"
    content = state.read_bytes()
    identity = content.index(b'"augment"')  # JSON, in the pickle
    weights = max(range(0, len(content) - 512, 512), key=lambda place: len(set(content[place : place + 512])))
    for damaged in (b"PK rubbish", content[:-100], flipped(content, identity), flipped(content, weights + 256)):
        state.write_bytes(damaged)
        with pytest.raises(UserError, match="Expected the state of an interrupted run"):
            train(settings(resume=True))


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0x80]) + content[place + 1 :]


def test_two_trainings_alike_leave_the_same_picture(settings, tmp_path):
    for name in ("one", "two"):
        train(settings(out=tmp_path / name))
    assert (tmp_path / "one" / "curves.svg").read_bytes() == (tmp_path / "two" / "curves.svg").read_bytes()


def test_an_interrupted_student_does_not_go_on_with_another_teacher_at_the_same_place(settings, tmp_path):
    train(settings(out=tmp_path / "teacher"))
    student = settings(out=tmp_path / "student", teacher=tmp_path / "teacher")
    with pytest.raises(Interrupt):
        train(student, StopAfter(1))
    shutil.rmtree(tmp_path / "teacher")
    train(settings(out=tmp_path / "teacher", seed=1))
    with pytest.raises(UserError, match=r"got teacher's weights [0-9a-f]{64} \(was [0-9a-f]{64}\)"):
        train(replace(student, resume=True))


def test_a_place_that_is_taken_is_refused(settings, tmp_path):
    (tmp_path / "run").mkdir()
    train(settings())
    with pytest.raises(UserError, match="Expected a free place"):
        train(settings())
    with pytest.raises(UserError, match="found a finished one"):
        train(settings(resume=True))
    with pytest.raises(UserError, match=r"found none. Leave out --resume"):
        train(settings(out=tmp_path / "other", resume=True))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Expected a free place"):
        train(settings(out=tmp_path / "file"))
    with pytest.raises(UserError, match="Expected a folder to make the run in"):
        train(settings(out=tmp_path / "file" / "run"))


def test_wrong_inputs_leave_nothing_behind(settings, tmp_path, split_folder, write_pictures):
    grey = write_pictures(tmp_path / "grey", {"a": 12, "b": 12}, grey=True)
    (split_folder / "test" / "red" / "broken.png").write_bytes(b"x")
    for error, changes in (
        (DataError, {"data": tmp_path / "absent"}),
        (DataError, {}),
        (DataError, {"data": grey}),
        (UnknownNameError, {"model": "resnet"}),
        (ModelError, {"size": (8, 8)}),
    ):
        with pytest.raises(error):
            train(settings(**changes))
        assert not (tmp_path / "run").exists()


def test_grey_images_train_on_a_path_with_time(settings, tmp_path, write_pictures):
    grey = write_pictures(tmp_path / "grey", {"a": 20, "b": 20}, grey=True)
    train(settings(data=grey, path="grey+time", epochs=1, augment="none"))
    assert load_run(tmp_path / "run").config.frontend.config["path"] == "grey+time"


def test_the_digits_are_the_same_files_every_time_and_the_split_is_stratified(tmp_path):
    first, second = write_digits(tmp_path / "a"), write_digits(tmp_path / "b")
    names = sorted(path.relative_to(first) for path in first.rglob("*.png"))
    assert len(names) == 1797
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    _, _, y_train, y_test = digits_split()
    assert (len(y_train), len(y_test)) == (1347, 450)
    assert np.bincount(y_test).min() >= 43


def test_digits_are_learnt(tmp_path):
    root = write_digits(tmp_path / "digits")
    for folder in root.glob("*/*"):
        if int(folder.name) > 2:
            shutil.rmtree(folder)
    recipe = {**DIGITS_RECIPE, "size": (20, 20), "depth": 3, "epochs": 15, "copies": 2}
    result = train(TrainConfig(data=root, out=tmp_path / "run", **recipe))
    assert result.test.accuracy > 0.9


@pytest.mark.parametrize(("model", "size"), [("resnet8", (32, 32)), ("scatnet-edge", (32, 32))])
def test_networks_of_pixels_and_scattering_train_on_the_same_road(settings, tmp_path, model, size):
    result = train(settings(model=model, size=size, depth=None, epochs=1, copies=1))
    run = load_run(tmp_path / "run")
    assert run.frontend.output.shape[0] in (3, 51)
    assert (run.frontend.standardise is None) == (model == "resnet8")
    assert result.validation.n > 0


def test_a_student_of_images_learns_from_a_teacher_behind_another_front_end(settings, tmp_path):
    train(settings(model="resnet8", size=(32, 32), depth=None, epochs=1, copies=1))
    student = replace(settings(epochs=2, copies=1), out=tmp_path / "student")
    plain = train(replace(student, out=tmp_path / "plain"))
    taught = train(replace(student, teacher=tmp_path / "run", alpha=0.2))
    assert weights(tmp_path / "student") != weights(tmp_path / "plain")
    assert taught.epochs == plain.epochs == 2
