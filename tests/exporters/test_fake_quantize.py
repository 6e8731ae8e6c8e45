from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.calibration.samples import ArraySamples
from edgekit.core.recipe import Format, PerTensor, Recipe
from edgekit.errors import ModelError
from edgekit.exporters.build import export, reference_logits
from edgekit.exporters.fake_quantize import FakeQuantized
from edgekit.exporters.targets import Target
from edgekit.runtimes.open import open_runtime
from tests.exporters.networks import Branching, Unfriendly, signature_like, warmed

FORMATS: tuple[Format, ...] = ("onnx", "tflite")
RECIPES = (Recipe("int8"), Recipe("int8", granularity=PerTensor()), Recipe("int8", symmetric=True, observer="mse"))


def decibels(reference: np.ndarray, found: np.ndarray) -> float:
    with np.errstate(divide="ignore"):  # on some CPUs not a bit differs
        return float(10 * np.log10(np.square(reference).sum() / np.square(reference - found).sum()))


def rounded(module: nn.Module, x: np.ndarray, calibration: np.ndarray, recipe: Recipe) -> np.ndarray:
    network = FakeQuantized(module, x[:1], recipe)
    network.calibrate(ArraySamples(calibration))
    with torch.no_grad():
        return np.asarray(network.graph(torch.from_numpy(x)).numpy())


def of_file(module: nn.Module, x: np.ndarray, calibration: np.ndarray, recipe: Recipe, format_: Format) -> np.ndarray:
    made = export(
        module,
        calibration=calibration,
        parity_features=x,
        target=Target("test", "for a test", ((format_, "int8"),)),
        recipe=recipe,
        gate=False,
    )
    with open_runtime(made.files[0][1], format=format_) as runtime:
        name = runtime.inputs[0].name
        return np.concatenate([next(iter(runtime.run({name: row[None]}).values())).reshape(1, -1) for row in x])


@pytest.fixture(scope="module")
def inputs(rng_of: Callable[[int], np.random.Generator]) -> np.ndarray:
    return rng_of(0).normal(size=(120, 3, 30)).astype(np.float32)


@pytest.fixture(scope="module")
def rng_of() -> Callable[[int], np.random.Generator]:
    return np.random.default_rng


@pytest.mark.parametrize("recipe", RECIPES, ids=["per channel", "per tensor", "symmetric"])
@pytest.mark.parametrize("format_", FORMATS)
def test_the_rounded_network_computes_what_int8_files_compute(
    recipe: Recipe, format_: Format, cnn1d: nn.Module, data: tuple[np.ndarray, np.ndarray]
) -> None:
    x, calibration = data[0][300:380], data[0][:64]
    made, reference = of_file(cnn1d, x, calibration, recipe, format_), reference_logits(cnn1d, x)
    simulated = rounded(cnn1d, x, calibration, recipe)
    assert decibels(made, simulated) > 40
    assert decibels(made, simulated) > decibels(made, reference) + 10


@pytest.mark.parametrize("format_", FORMATS)
def test_so_it_does_for_a_network_of_skips_products_and_slices(format_: Format, inputs: np.ndarray) -> None:
    module = warmed(Unfriendly(), 3, 30)
    made = of_file(module, inputs[64:], inputs[:64], Recipe("int8"), format_)
    assert decibels(made, rounded(module, inputs[64:], inputs[:64], Recipe("int8"))) > 50


def test_in_float_it_is_the_network_and_plain_leaves_no_rounding_behind(cnn1d: nn.Module) -> None:
    x, _ = signature_like(20, seed=3)
    network = FakeQuantized(cnn1d, x[:1], Recipe("int8"))
    network.calibrate(ArraySamples(x))
    reference = reference_logits(cnn1d, x)
    with network.in_float() as plain, torch.no_grad():
        assert np.allclose(plain(torch.from_numpy(x)).numpy(), reference, atol=1e-4)
    with torch.no_grad():
        assert not np.allclose(network.graph(torch.from_numpy(x)).numpy(), reference, atol=1e-4)
    assert np.allclose(reference_logits(network.plain(), x), reference, atol=1e-4)


def test_weights_are_rounded_by_the_largest_of_each_output_channel() -> None:
    generator = np.random.default_rng(1)
    weight = generator.normal(size=(4, 6)).astype(np.float32) * np.array([[1], [10], [100], [0]], np.float32)
    layer = nn.Linear(6, 4, bias=False)
    layer.weight = nn.Parameter(torch.from_numpy(weight))
    for granularity, largest in ((PerTensor(), np.abs(weight).max()), (Recipe("int8").granularity, np.abs(weight).max(1))):
        network = FakeQuantized(nn.Sequential(layer), np.zeros((1, 6), np.float32), Recipe("int8", granularity=granularity))
        scale = np.maximum(np.reshape(largest, (-1, 1)) / 127, 1e-12)
        expected = np.rint(weight / scale) * scale
        (found,) = (child for child in network.graph.modules() if isinstance(child, nn.Linear))
        assert np.allclose(found.weight.detach().numpy(), expected, atol=1e-4)


def test_gradients_pass_the_rounding_but_not_beyond_the_range() -> None:
    network = FakeQuantized(nn.Sequential(nn.Tanh()), np.zeros((1, 3), np.float32), Recipe("int8"))
    network.calibrate(ArraySamples(np.array([[-1, 0, 1], [1, 1, -1]], np.float32)))
    x = torch.tensor([[0.3, -0.5, 7.0]], requires_grad=True)
    torch.sum(network.graph(x)).backward()
    assert x.grad is not None
    assert np.allclose(x.grad.numpy()[0], [1 - np.tanh(0.3) ** 2, 1 - np.tanh(0.5) ** 2, 0], atol=0.01)


def test_a_network_whose_path_depends_on_values_is_refused() -> None:
    with pytest.raises(ModelError, match=r"Expected a network that torch\.fx traces"):
        FakeQuantized(Branching(), np.zeros((1, 3, 30), np.float32), Recipe("int8"))
