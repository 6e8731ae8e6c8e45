"""Observers of weights: what int8 loses on weights with outliers, and what it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.calibration import create_observer
from edgekit.calibration.samples import ArraySamples
from edgekit.core.recipe import OBSERVERS, Format, PerAxis, PerTensor, Recipe
from edgekit.errors import UnknownNameError
from edgekit.exporters.audit import check_numbers
from edgekit.exporters.build import Export, export
from edgekit.exporters.graphs import float_graphs
from edgekit.exporters.numbers import Constant, numbers_of
from edgekit.exporters.targets import Target, get_target

FORMATS: tuple[Format, ...] = ("onnx", "tflite")
CHANNELS = PerAxis(0)
X = np.random.default_rng(0).normal(size=(64, 3, 10, 10)).astype(np.float32).clip(-4, 4)


class Outlier(nn.Module):
    """210,000 weights, one of them far from the rest."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(300, 700)
        with torch.no_grad():
            self.linear.weight[3, 5] = 2.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x.flatten(1))


def exported(format_: Format, observer: str, granularity: PerAxis | PerTensor = CHANNELS) -> Export:
    recipe = Recipe("int8", granularity=granularity, weights_observer=observer)
    target = Target("test", "for a test", ((format_, "int8"),))
    return export(Outlier().eval(), calibration=X, parity_features=X[:4], target=target, recipe=recipe, gate=False)


def weights_of(format_: Format, made: Export) -> Constant:
    return next(constant for constant in numbers_of(format_, made.files[0][1]).constants if constant.product)


def _error(values: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.square(values - (wanted if values.shape == wanted.shape else wanted.T)).mean())


@pytest.mark.parametrize("format_", FORMATS)
def test_least_square_error_loses_less_where_one_weight_of_very_many_sets_the_scale(format_: Format) -> None:
    plain, clipped = (exported(format_, name, PerTensor()) for name in ("min-max", "mse"))
    assert clipped.artifacts[0].recipe == replace(plain.artifacts[0].recipe, weights_observer="mse")  # type: ignore[type-var]
    wanted = Outlier().linear.weight.detach().numpy()
    before, after = (_error(weights_of(format_, made).values, wanted) for made in (plain, clipped))
    assert after < 0.7 * before


@pytest.mark.parametrize("format_", FORMATS)
def test_no_observer_beats_extremes_in_a_channel_of_a_few_hundred(format_: Format) -> None:
    wanted = Outlier().linear.weight.detach().numpy()
    errors = {name: _error(weights_of(format_, exported(format_, name)).values, wanted) for name in OBSERVERS}
    assert min(errors.values()) > 0.97 * errors["min-max"]


@pytest.mark.parametrize("name", OBSERVERS)
def test_what_an_observer_clips_is_no_defect_to_the_gate(name: str) -> None:
    made = exported("tflite", name, PerTensor())
    recipe = made.artifacts[0].recipe
    assert recipe is not None
    graphs = float_graphs(Outlier().eval(), ArraySamples(X), get_target("generic").only(["int8"]))
    check_numbers(made.files[0][1], "tflite", recipe, graphs["tflite"], made.ranges)


@pytest.mark.parametrize("format_", FORMATS)
def test_each_channel_s_scale_is_that_of_its_observed_range(format_: Format) -> None:
    seen = create_observer("mse", axis=0, symmetric=True)
    seen.update(Outlier().linear.weight.detach().numpy())
    found = weights_of(format_, exported(format_, "mse"))
    assert found.scale is not None
    np.testing.assert_allclose(found.scale.reshape(-1), np.array(seen.range().high) / 127, rtol=1e-3)


@pytest.mark.parametrize("format_", FORMATS)
def test_extremes_are_what_the_quantizers_take_by_themselves(format_: Format) -> None:
    plain, other = (exported(format_, name).files[0][1] for name in ("min-max", "moving-average"))
    assert plain == other


def test_an_unknown_observer_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="Unknown observer 'median'"):
        Recipe("int8", weights_observer="median")
