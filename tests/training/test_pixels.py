"""Networks of pixels: pictures in one file on disk, augmented anew every epoch, continued bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgekit.errors import DataError, UserError
from edgekit.frontends.base import create_frontend
from edgekit.frontends.image import decode, resize_area
from edgekit.training.cache import cache_folder
from edgekit.training.config import TrainConfig
from edgekit.training.data import scan
from edgekit.training.image_store import stored_images
from edgekit.training.loop import train
from edgekit.training.pixels import PixelInputs, prepare_pixels
from edgekit.training.progress import Silent

CPU = torch.device("cpu")


@pytest.fixture
def frontend():
    return create_frontend("pixels", {"size": [16, 20], "layout": "CHW", "scale": [0.1, 0.2, 0.3], "offset": -1.0})


@pytest.fixture
def settings(split_folder, tmp_path):
    def make(**changes):
        given = {"model": "fc-pixels", "out": tmp_path / "run", "epochs": 3, "size": (16, 16), "batch_size": 8}
        return TrainConfig(**{"data": split_folder, "augment": "randaugment", **given, **changes})

    return make


class Interrupt(Exception):
    """What stops a run."""


class StopAfter(Silent):
    """Interrupts training after some epochs."""

    def __init__(self, epochs: int) -> None:
        self.left, self.stage = epochs, ""

    def start(self, stage: str, total: int) -> None:
        self.stage = stage

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.left -= self.stage.startswith("training")
        if self.left == 0:
            raise Interrupt


def test_the_file_holds_what_the_front_end_resizes(split_folder, frontend):
    examples = scan(split_folder).train
    images = stored_images(examples, frontend, Silent())
    assert isinstance(images, np.memmap)
    assert images.shape == (24, 16, 20, 3)
    for example, image in zip(examples, images, strict=True):
        np.testing.assert_array_equal(image, resize_area(decode(example.path), (16, 20)))
    (file,) = cache_folder().glob("*.npy")
    written = file.stat().st_mtime_ns
    stored_images(examples, frontend, Silent())
    assert file.stat().st_mtime_ns == written


@pytest.mark.parametrize("damage", [lambda c: c[:-100], lambda c: c[:200] + bytes(500) + c[700:], lambda c: b""])
def test_a_damaged_file_is_made_anew(split_folder, frontend, damage):
    examples = scan(split_folder).train
    expected = np.array(stored_images(examples, frontend, Silent()))
    (file,) = cache_folder().glob("*.npy")
    file.write_bytes(damage(file.read_bytes()))
    np.testing.assert_array_equal(stored_images(examples, frontend, Silent()), expected)


def test_without_a_place_for_the_cache_pictures_lie_in_memory(split_folder, frontend, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert stored_images(scan(split_folder).train, frontend, Silent()).shape == (24, 16, 20, 3)


def test_pictures_that_cannot_be_read_are_named_and_nothing_is_left(split_folder, frontend):
    (split_folder / "train" / "red" / "000.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1 of 24 that cannot: .*000\.png"):
        stored_images(scan(split_folder).train, frontend, Silent())
    assert list(cache_folder().iterdir()) == []


def test_without_augmentation_the_inputs_are_those_of_the_front_end(split_folder, frontend, settings):
    data = scan(split_folder)
    prepared = prepare_pixels(settings(augment="none"), data, frontend, None, Silent())
    expected = np.stack([frontend(decode(example.path)) for example in data.test])
    np.testing.assert_allclose(prepared.x_test.batch(np.arange(len(data.test)), CPU), expected, rtol=0, atol=1e-5)
    assert (prepared.fit.x.draws, len(prepared.whole.x)) == (0, 24)
    assert len(prepared.fit.x) + len(prepared.fit.x_validation) == 24


def test_augmentation_comes_from_the_numbers_alone(split_folder, frontend, settings, rng):
    inputs = prepare_pixels(settings(), scan(split_folder), frontend, None, Silent()).fit.x
    assert isinstance(inputs, PixelInputs)
    draws, rows = rng.random((4, inputs.draws), np.float32), np.array([3, 1, 4, 1])
    batch = inputs.batch(rows, CPU, draws)
    torch.testing.assert_close(batch[1:3], inputs.batch(rows[1:3], CPU, draws[1:3]))
    assert not torch.allclose(batch[1], batch[3])


@pytest.mark.parametrize(("epochs", "changes"), [(1, {}), (5, {}), (2, {"model": "resnet8", "optimizer": "sgd"})])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(settings, tmp_path, epochs, changes):
    train(settings(out=tmp_path / "whole", **changes))
    with pytest.raises(Interrupt):
        train(settings(**changes), StopAfter(epochs))
    train(settings(resume=True, **changes))
    for name in ("model.safetensors", "curves.csv", "metrics.json"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_teacher_sees_the_students_pictures(settings, tmp_path):
    train(settings(out=tmp_path / "teacher"))
    train(settings(out=tmp_path / "plain"))
    train(settings(out=tmp_path / "taught", teacher=tmp_path / "teacher"))
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "taught")]
    assert weights[0] != weights[1]
    with pytest.raises(UserError, match=r"takes what fc-pixels takes, pixels \(20, 20\), got one of pixels \(16, 16\)"):
        train(settings(out=tmp_path / "other", teacher=tmp_path / "teacher", size=(20, 20)))


def test_an_augmentation_of_other_front_ends_is_refused(settings):
    with pytest.raises(UserError, match=r"augmentation of pixels \(none, .*got paper"):
        train(settings(augment="paper"))
    with pytest.raises(UserError, match=r"computed beforehand \(none, .*got randaugment"):
        train(settings(copies=2))


def test_bf16_takes_nearly_the_steps_of_float32(settings, tmp_path):
    """On any device: eight bits of each product's factors are dropped, weights and losses keep float32's."""
    losses = []
    for amp in (None, "bf16"):
        train(settings(out=tmp_path / str(amp), amp=amp))
        losses.append(np.genfromtxt(tmp_path / str(amp) / "curves.csv", delimiter=",", names=True)["train_loss"])
    assert np.all(losses[0] != losses[1])
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)
    weights = load_file(tmp_path / "bf16" / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_fp16_on_a_cpu_is_refused_in_words(settings, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="CUDA device for --amp fp16, found none. Pass --amp bf16"):
        train(settings(amp="fp16"))
    assert not (tmp_path / "run").exists()
