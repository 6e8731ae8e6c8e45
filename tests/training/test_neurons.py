"""The hidden layer's width: chosen in training, kept in the run, refused where there is none to choose."""

from __future__ import annotations

import json

import pytest

from edgekit.errors import InputError, ModelError, UserError
from edgekit.models.checkpoint import load_run
from edgekit.models.registry import MODELS, takes_neurons
from edgekit.training.config import TrainConfig
from edgekit.training.loop import train


def test_a_run_opens_with_the_width_that_it_was_trained_with(split_folder, tmp_path):
    fixed = {"data": split_folder, "model": "imagesig-fc", "size": (8, 8), "depth": 1, "augment": "none", "epochs": 1}
    train(TrainConfig(out=tmp_path / "narrow", neurons=7, **fixed))
    train(TrainConfig(out=tmp_path / "plain", **fixed))
    narrow, plain = load_run(tmp_path / "narrow"), load_run(tmp_path / "plain")
    assert narrow.config.options == {"hidden": 7}
    assert plain.config.options == {}
    widths = [[parameter.shape[0] for parameter in run.module.parameters()] for run in (narrow, plain)]
    assert widths == [[7, 7, 2, 2], [50, 50, 2, 2]]


def test_a_network_without_the_option_is_refused_before_anything_is_written(split_folder, tmp_path):
    with pytest.raises(UserError, match="resnet8 has none"):
        train(TrainConfig(data=split_folder, model="resnet8", out=tmp_path / "run", neurons=7))
    assert not (tmp_path / "run").exists()


def test_options_that_the_network_does_not_know_are_refused(split_folder, tmp_path):
    fixed = {"data": split_folder, "model": "imagesig-fc", "size": (8, 8), "depth": 1, "augment": "none", "epochs": 1}
    train(TrainConfig(out=tmp_path / "run", **fixed))
    config = json.loads((tmp_path / "run/run.json").read_text())
    (tmp_path / "run/run.json").write_text(json.dumps({**config, "options": {"colour": 1}}))
    with pytest.raises(ModelError, match="colour"):
        load_run(tmp_path / "run")


def test_no_neurons_are_refused():
    with pytest.raises(InputError, match="neurons of 1 to 65536, got 0"):
        TrainConfig(data="d", model="m", out="o", neurons=0)


def test_the_papers_networks_have_it():
    assert {name for name in MODELS if takes_neurons(name)} >= {name for name in MODELS if name.startswith("imagesig")}
