"""Settings: refused in words, compared as JSON."""

from __future__ import annotations

import json

import pytest

from edgekit.errors import InputError, UnknownNameError
from edgekit.training.config import TrainConfig, default_copies, default_epochs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "Expected epochs of at least 1, got 0"),
        ({"batch_size": 0}, "batch size of at least 1"),
        ({"learning_rate": -1.0}, "learning rate of a number above 0"),
        ({"learning_rate": 1e300}, "learning rate of a number above 0, 1e\\+06 at most, got 1e\\+300"),
        ({"temperature": 1e300}, "temperature of a number above 0, 1e\\+06 at most"),
        ({"neurons": 100_000_000}, "neurons of 1 to 65536, got 100000000"),
        ({"learning_rate": float("nan")}, "learning rate of a number above 0, 1e\\+06 at most, got nan"),
        ({"label_smoothing": 1.0, "loss": "cross-entropy"}, "label smoothing of 0 to below 1"),
        ({"label_smoothing": 0.1, "loss": "focal"}, "label smoothing of 0 with the focal loss"),
        ({"copies": -1}, "copies of 0 to 100"),
        ({"copies": 101}, "copies of 0 to 100"),
        ({"mixup": -0.1}, "mixup of 0 to 1e\\+06, got -0.1"),
        ({"mixup": 1e308}, "mixup of 0 to 1e\\+06, got 1e\\+308"),
        ({"seed": -1}, "seed of 0 or more"),
    ],
)
def test_a_setting_out_of_range_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        TrainConfig(data="d", model="m", out="o", **changes)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UnknownNameError, match="Unknown loss 'l2'"):
        TrainConfig(data="d", model="m", out="o", loss="l2")
    with pytest.raises(UnknownNameError, match="Unknown augmentation 'l2'"):
        TrainConfig(data="d", model="m", out="o", augment="l2")


def test_the_settings_are_json_without_the_places():
    settings = TrainConfig(data="d", model="m", out="o", size=(8, 8)).settings()
    assert json.loads(json.dumps(settings)) == settings
    assert settings["size"] == [8, 8]
    assert not {"data", "out", "resume"} & set(settings)


def test_only_what_was_asked_for_overrides_the_front_end():
    assert TrainConfig(data="d", model="m", out="o").frontend_overrides() == {}
    overrides = TrainConfig(data="d", model="m", out="o", size=(8, 9), path="rgb+time").frontend_overrides()
    assert overrides == {"size": [8, 9], "path": "rgb+time"}


def test_large_sets_get_fewer_copies():
    assert [default_copies(n) for n in (10, 1000, 6000, 10**6)] == [16, 16, 4, 1]


def test_small_sets_get_more_epochs():
    assert [default_epochs(n, 256) for n in (10, 2560, 14_314, 10**6)] == [100, 60, 12, 12]
