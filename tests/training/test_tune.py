from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.calibration.samples import ArraySamples
from edgekit.core.recipe import Format, Recipe
from edgekit.errors import GateError, InputError, UserError
from edgekit.exporters.build import export, reference_logits
from edgekit.exporters.targets import Target
from edgekit.training.tune import TuneConfig, rounded_logits, tune
from tests.exporters.networks import PlainMish, images, train
from tests.exporters.uneven import uneven

FORMATS: tuple[Format, ...] = ("onnx", "tflite")

Data = tuple[np.ndarray, np.ndarray]


@pytest.fixture(scope="module")
def seen() -> Data:
    return images(600, 1)


@pytest.fixture(scope="module")
def others() -> Data:
    return images(300, 2)


@pytest.fixture(scope="module", name="uneven")
def uneven_network() -> nn.Module:
    return uneven()


@pytest.fixture(scope="module")
def tuned(uneven: nn.Module, seen: Data) -> nn.Module:
    return tune(uneven, seen[0].astype(np.float16), ArraySamples(seen[0][:64]), Recipe("int8"), TuneConfig(6))


def accuracy(module: nn.Module, data: Data) -> float:
    return float((reference_logits(module, data[0]).argmax(axis=1) == data[1]).mean())


@pytest.mark.parametrize("format_", FORMATS)
def test_int8_that_misses_its_gate_meets_it_after_tuning_on_images_that_were_not_tuned_on(
    format_: Format, uneven: nn.Module, tuned: nn.Module, seen: Data, others: Data
) -> None:
    target = Target("test", "for a test", ((format_, "int8"),))
    exported = partial(export, calibration=seen[0][:64], parity_features=others[0], parity_labels=others[1], target=target)
    with pytest.raises(GateError):
        exported(uneven)
    for parity in exported(tuned).artifacts[0].parity:
        assert parity.agreement >= 0.97
        assert parity.accuracy is not None
        assert parity.accuracy >= accuracy(uneven, others) - 0.01


def test_the_float_network_stays_what_it_was(uneven: nn.Module, tuned: nn.Module, others: Data) -> None:
    before, after = (reference_logits(module, others[0]) for module in (uneven, tuned))
    assert (before.argmax(axis=1) == after.argmax(axis=1)).mean() >= 0.97
    assert accuracy(tuned, others) >= accuracy(uneven, others) - 0.01


def test_rounding_hurts_before_and_not_after(uneven: nn.Module, tuned: nn.Module, seen: Data, others: Data) -> None:
    reference = reference_logits(uneven, others[0]).argmax(axis=1)
    before, after = (
        (rounded_logits(module, others[0], ArraySamples(seen[0][:64]), Recipe("int8")).argmax(axis=1) == reference).mean()
        for module in (uneven, tuned)
    )
    assert before < 0.9
    assert after >= 0.97


def test_equal_arguments_give_equal_weights_and_leave_the_network_alone(uneven: nn.Module, seen: Data) -> None:
    state = {name: value.clone() for name, value in uneven.state_dict().items()}
    features, calibration = seen[0][:128].astype(np.float16), ArraySamples(seen[0][:16])
    once, twice, other = (tune(uneven, features, calibration, Recipe("int8"), TuneConfig(1, seed)) for seed in (0, 0, 1))
    for name, value in once.state_dict().items():
        assert torch.equal(value, twice.state_dict()[name])
    assert any(not torch.equal(value, other.state_dict()[name]) for name, value in once.state_dict().items())
    assert all(torch.equal(value, state[name]) for name, value in uneven.state_dict().items())
    assert not any(parameter.requires_grad for parameter in once.parameters())


def test_norms_are_folded_or_frozen() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Sigmoid(), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(400, 4)
    )
    x, y = images(64, 5)
    train(module, x, y, epochs=1)
    found = tune(module, x, ArraySamples(x[:16]), Recipe("int8"), TuneConfig(1))
    norms = [child for child in found.modules() if isinstance(child, nn.BatchNorm2d)]
    assert len(norms) == 1
    assert torch.equal(norms[0].running_mean, module[3].running_mean)  # type: ignore[arg-type]
    assert torch.equal(norms[0].running_var, module[3].running_var)  # type: ignore[arg-type]


def test_an_operator_without_a_meaning_in_8_bits_is_one_line(seen: Data) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 12, 3), PlainMish(), nn.Conv2d(12, 8, 3), PlainMish(), nn.Flatten(), nn.Linear(512, 4))
    train(module, *seen, epochs=6)
    with pytest.raises(UserError, match="has no meaning in 8 bits"):
        tune(module, seen[0], ArraySamples(seen[0][:64]), Recipe("int8"), TuneConfig(3, learning_rate=0.05))


def test_nothing_to_tune_on_is_refused(uneven: nn.Module, seen: Data) -> None:
    with pytest.raises(InputError, match="Expected at least one sample to fine-tune on"):
        tune(uneven, seen[0][:0], ArraySamples(seen[0][:16]), Recipe("int8"), TuneConfig(1))


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 0}, {"epochs": 1, "seed": -1}, {"epochs": 1, "learning_rate": float("nan")}, {"epochs": 1, "batch_size": 0}],
)
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Expected epochs and a batch of at least 1"):
        TuneConfig(**settings)  # type: ignore[arg-type]
