from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.core.recipe import Format, Recipe
from edgekit.errors import GateError, InputError, UnknownNameError
from edgekit.exporters import parity as gates
from edgekit.exporters.build import Export, export
from edgekit.exporters.mixed import minimal_set
from edgekit.exporters.targets import Target
from edgekit.runtimes.open import open_runtime
from tests.exporters.networks import train

FORMATS: tuple[Format, ...] = ("onnx", "tflite")
SHAPE = (3, 12, 12)


class PlainMish(nn.Module):
    """Written as nobody's pass knows it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.tanh(torch.log(1 + torch.exp(x)))


def images(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy gratings of four directions: classes that take a nonlinear network."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    y, x = np.mgrid[0:12, 0:12] / 12
    angle = labels * np.pi / 4
    phase = rng.uniform(0, 2 * np.pi, n)
    wave = np.sin(9 * (np.cos(angle)[:, None, None] * x + np.sin(angle)[:, None, None] * y) + phase[:, None, None])
    pictures = wave[:, None] * rng.uniform(0.4, 1, (n, 3, 1, 1)) + rng.normal(0, 0.7, (n, 3, 12, 12))
    return pictures.astype(np.float32), labels


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    act = PlainMish
    stem = [nn.Conv2d(3, 12, 3, padding=1), act(), nn.Conv2d(12, 16, 3, 2, 1), act()]
    x, y = images(600, 1)
    return train(nn.Sequential(*stem, nn.Conv2d(16, 16, 3, 2, 1), act(), nn.Flatten(), nn.Linear(144, 4)), x, y, epochs=10)


@pytest.fixture(scope="module", params=FORMATS)
def mended(request: pytest.FixtureRequest, network: nn.Module) -> Export:
    return exported(network, request.param, 2.0)


def exported(network: nn.Module, format_: Format, limit: float | None, labelled: bool = True) -> Export:
    x, y = images(150, 2)
    return export(
        network,
        calibration=images(64, 3)[0],
        parity_features=x,
        parity_labels=y if labelled else None,
        target=Target("test", "for a test", ((format_, "int8"),)),
        limit=limit,
    )


def test_int8_throughout_is_refused_where_nobody_asked_to_mend_it(network: nn.Module) -> None:
    for format_ in FORMATS:
        with pytest.raises(GateError, match=r"to agree with PyTorch on at least 97 %"):
            exported(network, format_, None)


def test_a_mended_file_passes_its_gate_on_every_runtime_and_says_what_it_kept_in_float(mended: Export) -> None:
    (artifact,), (done,) = mended.artifacts, mended.mixed
    assert done.layers
    assert artifact.precision == "int8"
    assert artifact.recipe is not None
    assert artifact.recipe.float_layers == done.layers
    accuracy = float((mended.reference.argmax(1) == images(150, 2)[1]).mean())
    for parity in artifact.parity:
        assert parity.agreement >= 0.97
        assert parity.accuracy is not None
        assert accuracy - parity.accuracy <= 0.02
    assert min(parity.agreement for parity in done.before) < 0.97
    assert done.bytes[0] == artifact.bytes
    assert done.times_ms is not None


def test_a_mended_file_is_int8_outside(mended: Export) -> None:
    ((artifact, model),) = mended.files
    with open_runtime(model) as runtime:
        assert [spec.dtype for spec in (*runtime.inputs, *runtime.outputs)] == ["int8", "int8"]
    assert (artifact.input.dtype, artifact.output.dtype) == ("int8", "int8")


def test_no_member_can_be_taken_out(mended: Export, network: nn.Module) -> None:
    (artifact,) = mended.artifacts
    assert artifact.recipe is not None
    for left_out in artifact.recipe.float_layers:
        rest = tuple(layer for layer in artifact.recipe.float_layers if layer != left_out)
        x, y = images(150, 2)
        with pytest.raises(GateError):
            export(
                network,
                calibration=images(64, 3)[0],
                parity_features=x,
                parity_labels=y,
                target=Target("test", "for a test", ((artifact.format, "int8"),)),
                recipe=replace(artifact.recipe, float_layers=rest),
            )


def test_the_recipe_of_the_manifest_makes_the_file_again(mended: Export, network: nn.Module) -> None:
    ((artifact, model),) = mended.files
    x, y = images(150, 2)
    again = export(
        network,
        calibration=images(64, 3)[0],
        parity_features=x,
        parity_labels=y,
        target=Target("test", "for a test", ((artifact.format, "int8"),)),
        recipe=artifact.recipe,
    )
    assert again.files[0][1] == model


def test_the_analysis_ranks_layers_by_what_they_gain(mended: Export) -> None:
    plain, *alone = mended.mixed[0].effects
    assert plain.layer is None
    assert [effect.sqnr_db for effect in alone] == sorted((effect.sqnr_db for effect in alone), reverse=True)
    assert set(mended.mixed[0].layers) <= {effect.layer for effect in alone}


def test_a_gate_that_int8_passes_changes_nothing() -> None:
    torch.manual_seed(0)
    x, y = images(400, 1)
    simple = train(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)), x, y, epochs=6)
    for format_ in FORMATS:
        plain, gated = exported(simple, format_, None), exported(simple, format_, 3.0)
        assert gated.mixed[0].layers == ()
        assert plain.files == gated.files


def test_without_labels_the_gate_is_on_agreement(network: nn.Module) -> None:
    made = exported(network, "onnx", 5.0, labelled=False)
    assert made.artifacts[0].recipe is not None
    assert made.artifacts[0].recipe.float_layers
    assert all(parity.agreement >= 0.95 for parity in made.artifacts[0].parity)


@pytest.mark.parametrize("points", [0.0, -1.0, 101.0, float("nan")])
def test_an_impossible_gate_is_refused(points: float) -> None:
    with pytest.raises(InputError, match="Expected a gate above 0"):
        gates.int8_gate(points, True)


def test_an_unknown_float_layer_lists_the_known_ones(network: nn.Module) -> None:
    x, _ = images(20, 2)
    for format_ in FORMATS:
        with pytest.raises(UnknownNameError, match="Unknown layer 'head'. Known: "):
            export(
                network,
                calibration=x,
                parity_features=x,
                target=Target("test", "for a test", ((format_, "int8"),)),
                recipe=Recipe("int8", float_layers=("head",)),
            )


def test_layers_in_float_belong_to_int8_alone() -> None:
    with pytest.raises(InputError, match="in an int8 recipe alone"):
        Recipe("fp32", float_layers=("head",))


@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_a_minimal_set_is_minimal_whatever_is_needed(size: int) -> None:
    ranked = [f"layer{i}" for i in range(size)]
    for count in range(1, min(size, 3) + 1):
        for needed in itertools.combinations(ranked, count):

            def reaches(layers: Sequence[str], needed: tuple[str, ...] = needed) -> bool:
                return set(needed) <= set(layers)

            assert set(minimal_set(ranked, reaches)) == set(needed)


def test_a_minimal_set_is_minimal_where_more_is_not_always_better(rng: np.random.Generator) -> None:
    ranked = [f"layer{i}" for i in range(6)]
    subsets = [frozenset(s) for n in range(7) for s in itertools.combinations(ranked, n)]
    for _ in range(100):
        passing = {s for s in subsets if s and rng.uniform() < 0.4}
        found = frozenset(minimal_set(ranked, lambda layers, passing=passing: frozenset(layers) in passing))
        if found:
            assert found in passing
            assert all(found - {layer} not in passing for layer in found)
        else:
            assert not passing & {frozenset(ranked)}


def test_the_dearest_layers_are_taken_out_first() -> None:
    def reaches(layers: Sequence[str]) -> bool:
        return {"a", "c"} <= set(layers) or {"b", "c"} <= set(layers)

    assert set(minimal_set("abc", reaches, {"a": 1, "b": 900, "c": 5})) == {"a", "c"}
    assert set(minimal_set("abc", reaches, {"a": 900, "b": 1, "c": 5})) == {"b", "c"}


def test_nothing_is_found_where_all_layers_do_not_suffice() -> None:
    assert minimal_set(["a", "b", "c"], lambda layers: False) == ()
