"""Run folders: what goes in comes out, and every damage is told in one line."""

from __future__ import annotations

import json

import pytest
import torch

from edgekit.core.manifest import FrontEndEntry
from edgekit.errors import ModelError, UnknownNameError
from edgekit.models.checkpoint import DataEntry, RunConfig, load_run, save_run, write_file
from edgekit.models.registry import create_model


@pytest.fixture
def run(tmp_path):
    config = RunConfig(
        name="fire",
        model="imagesig-fc",
        labels=("a", "b"),
        classes=2,
        input_shape=(8, 12),
        frontend=FrontEndEntry("signature", {"size": [8, 8], "depth": 2}),
        data=DataEntry("data", "0" * 64),
        split_seed=0,
        training={"epochs": 3},
        epochs=3,
        temperature=1.5,
        weights="",
        versions={"torch": "2"},
    )
    module = create_model("imagesig-fc", classes=2, input_shape=(8, 12))
    save_run(tmp_path, config, module.state_dict())
    return tmp_path, config, module


def change(folder, **changes):
    value = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**value, **changes}))


def test_a_run_comes_back_as_it_was_saved(run):
    folder, config, module = run
    loaded = load_run(folder)
    assert loaded.config.weights
    assert loaded.config.labels == config.labels
    assert (loaded.config.temperature, loaded.config.training) == (1.5, {"epochs": 3})
    assert tuple(loaded.frontend.output.shape) == (8, 12)
    assert not loaded.module.training
    assert all(torch.equal(value, loaded.module.state_dict()[name]) for name, value in module.state_dict().items())
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "run.json"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "run.json").unlink(), "Expected a run folder with run.json"),
        (lambda f: ((f / "run.json").unlink(), (f / "state.pt").touch()), "found an interrupted one. Finish it: .*--resume"),
        (lambda f: (f / "run.json").write_text("{"), "Expected JSON in .* damaged; train again"),
        (lambda f: (f / "run.json").write_text("[]"), "Expected schema 1 .* got None"),
        (lambda f: change(f, schema=2), "Expected schema 1 .* got 2"),
        (lambda f: change(f, extra=1), "Unknown key 'extra'"),
        (lambda f: change(f, classes="two"), "Expected an integer"),
        (lambda f: change(f, input_shape=[8, 14]), "Expected weights of the network"),
        (lambda f: change(f, frontend={"name": "signature", "config": {"size": [8, 8], "depth": 3}}), r"gives \(8, 12\)"),
        (lambda f: change(f, frontend={"name": "signature", "config": {"colour": 3}}), "Expected a front end in"),
        (lambda f: (f / "model.safetensors").unlink(), "Expected weights at .*No such file"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x"), "Expected weights of sha256 .* damaged"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_run_is_told_in_one_line(run, damage, message):
    damage(run[0])
    with pytest.raises(ModelError, match=message) as error:
        load_run(run[0])
    assert "\n" not in str(error.value)


def test_a_network_of_another_edgekit_is_told(run):
    change(run[0], model="shnet")
    with pytest.raises(UnknownNameError):
        load_run(run[0])


def test_a_place_that_is_no_folder_is_told(tmp_path):
    with pytest.raises(ModelError, match="found nothing there"):
        load_run(tmp_path / "absent")
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="found a file"):
        load_run(tmp_path / "file")


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write_file(tmp_path / "a", b"old")
    with pytest.raises(TypeError):
        write_file(tmp_path / "a", "text")  # type: ignore[arg-type]
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
