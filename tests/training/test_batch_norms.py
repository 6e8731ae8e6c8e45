"""Batch norms that are there while a network is trained: gone from what is kept, without a change of what it computes."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.training.batch_norms import folded, with_batch_norms
from edgekit.training.config import TrainConfig
from edgekit.training.fit import fit, predict_logits, seeded
from edgekit.training.inputs import FitData, InMemory
from edgekit.training.progress import Silent
from edgekit.training.temperature import negative_log_likelihood


def sensor():
    with seeded(1):
        blocks = nn.Sequential(nn.Conv1d(3, 6, 3), nn.ReLU(), nn.Dropout(0.3), nn.Conv1d(6, 4, 3, stride=2), nn.ReLU())
        return nn.Sequential(blocks, nn.Flatten(), nn.Dropout(0.2), nn.Linear(4 * 6, 2))


def picture():
    with seeded(1):
        normed = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4))
        return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, groups=1), nn.ReLU(), normed, nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.parametrize(("make", "shape"), [(sensor, (3, 16)), (picture, (3, 8, 8))], ids=["1-D", "2-D"])
def test_the_folded_network_computes_what_the_normed_one_does(make, shape):
    normed = with_batch_norms(make())
    with seeded(2):
        for _ in range(20):  # statistics far from 0 and 1
            normed(torch.randn(32, *shape) * 3 + 2)
        x = torch.randn(8, *shape)
    plain = make()
    plain.load_state_dict(folded(normed, normed.state_dict()))
    with torch.no_grad():
        expected, got, before = normed.eval()(x), plain.eval()(x), make().eval()(x)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    assert (before - expected).abs().max() > 0.1  # the norms did something


def test_only_a_convolution_with_a_bias_gets_one_and_dropout_beside_it_goes():
    def count(module, kind):
        return sum(isinstance(child, kind) for child in module.modules())

    assert count(with_batch_norms(sensor()), nn.BatchNorm1d) == 2
    assert count(with_batch_norms(sensor()), nn.Dropout) == 1  # the one behind them
    assert count(with_batch_norms(picture()), nn.BatchNorm2d) == 2  # one of them its own


@pytest.fixture
def data():
    with seeded(7):
        y = torch.arange(60) % 2
        x = torch.randn(60, 3, 16) + y[:, None, None]
    return FitData(InMemory(x[:40].half()), y[:40], InMemory(x[40:]), y[40:], 2)


def test_fitting_keeps_the_network_without_them(data):
    config = TrainConfig("d", "m", "o", epochs=5, batch_size=16, learning_rate=0.01, average=0.9, batch_norms=True)
    states = []
    result = fit(sensor(), data, config, Silent(), save=lambda state: states.append(copy.deepcopy(state)))
    plain = sensor()
    plain.load_state_dict(result.weights)
    loss = negative_log_likelihood(predict_logits(plain, data.x_validation), data.y_validation.numpy())
    assert loss == pytest.approx(result.best.validation_loss, rel=1e-4)
    assert result.best.validation_loss < np.log(2)
    for state in states:
        resumed = fit(sensor(), data, config, Silent(), save=lambda state: None, state=state)
        assert resumed.history == result.history
        assert all(torch.equal(resumed.weights[name], result.weights[name]) for name in result.weights)
