"""Fitting: the schedule, exact continuation, the best epoch kept, early stopping."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from edgekit.errors import UserError
from edgekit.training.config import TrainConfig
from edgekit.training.curves import curves_csv, curves_svg
from edgekit.training.fit import Epoch, epoch_seed, fit, seeded
from edgekit.training.inputs import FitData, InMemory
from edgekit.training.optimise import learning_rate_at
from edgekit.training.progress import Silent


def config(**changes):
    settings = {"data": "d", "model": "m", "out": "o", "epochs": 5, "batch_size": 16, "learning_rate": 0.05}
    return TrainConfig(**{**settings, "average": 0.0, **changes})


@pytest.fixture
def data():
    with seeded(7):
        y = torch.arange(60) % 2
        x = torch.randn(60, 4, 3) + y[:, None, None]
    return FitData(InMemory(x[:40].half()), y[:40], InMemory(x[40:]), y[40:], 2)


def network():
    with seeded(1):
        return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Dropout(0.4), nn.Linear(8, 2))


def run(data, settings, state=None, states=None):
    save = (lambda s: states.append(copy.deepcopy(s))) if states is not None else (lambda s: None)
    return fit(network(), data, settings, Silent(), save=save, state=state)


def assert_same(one, other):
    assert one.history == other.history
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


@pytest.mark.parametrize("changes", [{}, {"mixup": 0.4, "average": 0.9}, {"loss": "focal", "label_smoothing": 0.0}], ids=str)
def test_a_continued_run_equals_an_uninterrupted_one_bit_for_bit(data, changes):
    states = []
    whole = run(data, config(**changes), states=states)
    assert_same(whole, run(data, config(**changes)))
    for state in states:
        torch.randn(3)  # The generator's state outside does not matter.
        assert_same(whole, run(data, config(**changes), state=state))


def test_another_seed_gives_another_run(data):
    assert run(data, config()).history != run(data, config(seed=1)).history


def test_fitting_leaves_torchs_generator_as_it_was(data):
    before = torch.get_rng_state()
    run(data, config())
    assert torch.equal(before, torch.get_rng_state())


def test_the_weights_of_the_lowest_validation_loss_are_kept(data):
    states = []
    result = run(data, config(learning_rate=0.5), states=states)
    losses = [row.validation_loss for row in result.history]
    best = losses.index(min(losses))
    assert result.best == result.history[best]
    assert torch.equal(result.weights["1.weight"], states[best]["module"]["1.weight"])


def test_training_stops_when_patience_is_over(data):
    noise = FitData(data.x, data.y, data.x_validation, 1 - data.y_validation, 2)
    result = run(noise, config(epochs=50, patience=3))
    assert len(result.history) == result.best.epoch + 3 < 50


def test_a_run_may_end_early_on_the_schedule_of_all_its_epochs(data):
    whole = run(data, config(average=0.9))
    early = fit(network(), data, config(average=0.9), Silent(), save=lambda s: None, keep_last=True, stop_after=3)
    assert early.history == whole.history[:3]
    assert early.best == whole.history[2]


@pytest.mark.parametrize(("norms", "least"), [(True, "two a process for batch norms, got one of 1"), (False, None)])
def test_batches_too_small_for_a_batch_norm_are_refused(data, norms, least):
    settings = config(epochs=1, batch_size=1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(12, 2), *([nn.BatchNorm1d(2)] if norms else []))
    if least is None:
        assert len(fit(module, data, settings, Silent(), save=lambda s: None).history) == 1
        return
    with pytest.raises(UserError, match=least):
        fit(module, data, settings, Silent(), save=lambda s: None)


def test_a_loss_that_is_not_finite_is_told(data):
    broken = FitData(InMemory(data.x.x * float("inf")), data.y, data.x_validation, data.y_validation, 2)
    with pytest.raises(UserError, match=r"finite loss, got nan in epoch 1\. Pass a lower --learning-rate"):
        run(broken, config())


def test_the_learning_rate_warms_up_then_follows_half_a_cosine():
    rates = [learning_rate_at(step, 100, 1.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[-1] < 0.01
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert learning_rate_at(0, 1, 0.3) == 0.3


def test_epoch_seeds_differ_and_fit_torch():
    seeds = {epoch_seed(seed, epoch) for seed in range(5) for epoch in range(-1, 20)}
    assert len(seeds) == 105
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_curves_are_rows_and_a_picture():
    rows = [Epoch(1, 0.1, 0.7, 0.6, 0.5), Epoch(2, 0.05, 0.5, 0.4, 0.75)]
    text = curves_csv(rows).decode().splitlines()
    assert text == [
        "epoch,learning_rate,train_loss,validation_loss,validation_accuracy",
        "1,0.1,0.7,0.6,0.5",
        "2,0.05,0.5,0.4,0.75",
    ]
    assert b"<svg" in curves_svg(rows, rows[1])
