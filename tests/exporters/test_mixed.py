from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from edgekit.calibration.samples import ArraySamples
from edgekit.core.manifest import Parity
from edgekit.core.recipe import Format, Recipe
from edgekit.errors import GateError, InputError, UnknownNameError
from edgekit.exporters import parity as gates
from edgekit.exporters.build import Export, export, reference_logits
from edgekit.exporters.graphs import calibrate, float_graphs, quantizable
from edgekit.exporters.layers import layers_of
from edgekit.exporters.mixed import by_worth, mend
from edgekit.exporters.sensitivity import Trial, sensitivity
from edgekit.exporters.targets import Target
from edgekit.runtimes.open import open_runtime
from edgekit.workflows.mixed import mixed_lines
from tests.exporters.networks import PlainMish, images, train

FORMATS: tuple[Format, ...] = ("onnx", "tflite")


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


def test_mixed_alone_asks_for_the_usual_gate_and_a_limit_for_no_more_than_it_says() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 12, 3, 2, 1), nn.ReLU(), nn.Conv2d(12, 12, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4)]
    network, target = train(nn.Sequential(*layers), *images(600, 1), epochs=4), Target("test", "for a test", (("onnx", "int8"),))
    x, _ = images(2000, 4)
    calibration = images(64, 3)[0]
    made = export(network, calibration=calibration, parity_features=x, target=target, gate=False)
    with open_runtime(made.files[0][1], "onnxruntime", format="onnx") as runtime:
        found = np.concatenate([runtime.run({"features": image[None]})["logits"] for image in x]).argmax(axis=1)
    same = found == made.reference.argmax(axis=1)
    # One image of fifty is lost: two points, and within the two images that the usual gate allows.
    chosen = np.r_[np.flatnonzero(~same)[:1], np.flatnonzero(same)[:49]]
    few = {"calibration": calibration, "parity_features": x[chosen], "parity_labels": made.reference[chosen].argmax(axis=1)}
    assert export(network, **few, target=target, mixed=True).mixed[0].layers == ()
    assert export(network, **few, target=target, limit=1.0).mixed[0].layers != ()


def test_a_mended_file_passes_its_gate_on_every_runtime_and_says_what_it_kept_in_float(mended: Export) -> None:
    (artifact,), (done,) = mended.artifacts, mended.mixed
    assert done.layers
    assert artifact.precision == "int8"
    assert artifact.recipe is not None
    assert artifact.recipe.float_layers == done.layers
    assert done.checked.accuracy is not None
    for parity in artifact.parity:
        assert parity.agreement >= 0.97
        assert parity.accuracy is not None
        assert done.checked.accuracy - parity.accuracy <= 0.02
    assert min(parity.agreement for parity in done.before) < 0.97
    assert done.bytes[0] == artifact.bytes
    assert done.times_ms is not None


def test_it_is_judged_on_images_that_were_not_searched_on(mended: Export) -> None:
    x, y = images(150, 2)
    (artifact,), (done,) = mended.artifacts, mended.mixed
    searched, unseen = gates.Checked(x, y, mended.reference).halves(0)
    assert {parity.n for parity in artifact.parity} == {75}
    assert np.array_equal(done.checked.features, unseen.features)
    assert not {row.tobytes() for row in searched.features} & {row.tobytes() for row in unseen.features}


def test_halves_share_every_class_and_mix_them() -> None:
    y = np.repeat([0, 1, 2], [40, 20, 7])
    checked = gates.Checked(np.arange(67, dtype=np.float32)[:, None], y, np.zeros((67, 3), np.float32))
    first, second = checked.halves(0)
    assert sorted(np.concatenate([first.features, second.features]).ravel()) == list(range(67))
    for half in (first, second):
        assert half.labels is not None
        assert np.allclose(np.bincount(half.labels), [20, 10, 3.5], atol=1)
        assert len(set(half.labels[:20].tolist())) > 1
        assert np.array_equal(half.labels, y[half.features.ravel().astype(int)])
    assert np.array_equal(checked.halves(0)[0].features, first.features)
    assert not np.array_equal(checked.halves(1)[0].features, first.features)


def test_one_image_is_both_halves() -> None:
    checked = gates.Checked(np.ones((1, 2), np.float32), None, np.zeros((1, 3), np.float32))
    assert [len(half.features) for half in checked.halves(0)] == [1, 1]


def test_a_mended_file_is_int8_outside(mended: Export) -> None:
    ((artifact, model),) = mended.files
    with open_runtime(model) as runtime:
        assert [spec.dtype for spec in (*runtime.inputs, *runtime.outputs)] == ["int8", "int8"]
    assert (artifact.input.dtype, artifact.output.dtype) == ("int8", "int8")


def test_no_member_can_be_taken_out(mended: Export, network: nn.Module) -> None:
    (artifact,), (done,) = mended.artifacts, mended.mixed
    assert artifact.recipe is not None
    x, y = images(150, 2)
    searched, _ = gates.Checked(x, y, mended.reference).halves(0)

    def passes(layers: tuple[str, ...]) -> bool:
        made = export(
            network,
            calibration=images(64, 3)[0],
            parity_features=searched.features,
            parity_labels=searched.labels,
            target=Target("test", "for a test", ((artifact.format, "int8"),)),
            recipe=replace(artifact.recipe or Recipe("int8"), float_layers=layers),
            gate=False,
        )
        try:
            for parity in made.artifacts[0].parity:
                gates.check(parity, replace(gates.int8_gate(2.0, True), sqnr_db=done.asked_db), "", searched.accuracy)
        except GateError:
            return False
        return True

    assert passes(done.layers)
    for left_out in done.layers:
        assert not passes(tuple(layer for layer in done.layers if layer != left_out))


def test_it_says_no_more_of_fewer_layers_than_was_tried(mended: Export) -> None:
    (done,) = mended.mixed
    told = {
        ("a", "b"): "without any one of them it fails on the images searched on, asked for 24.0 dB there, too",
        ("a",): "in float a; without it the file misses its gate.",
    }
    for layers, words in told.items():
        assert words in "".join(mixed_lines(replace(done, layers=layers, asked_db=24.0)))


def make_trial(network: nn.Module, format_: Format, x: np.ndarray) -> Trial:
    target = Target("test", "for a test", ((format_, "int8"),))
    graphs = float_graphs(network, ArraySamples(x), target)
    ranges = calibrate(graphs, ArraySamples(images(64, 3)[0]), Recipe("int8"), target)
    assert ranges is not None
    checked = gates.Checked(x, None, reference_logits(network, x))
    return Trial(format_, quantizable(format_, graphs[format_]), Recipe("int8"), ranges, target, checked)


def test_what_passes_on_its_own_half_alone_is_not_written(network: nn.Module) -> None:
    x, _ = images(150, 2)
    trial = make_trial(network, "onnx", x)
    reference = trial.checked.reference.copy()
    _, unseen = gates.Checked(np.arange(150, dtype=np.float32)[:, None], None, reference).halves(0)
    rows = unseen.features.ravel().astype(int)
    reference[rows] = np.roll(reference[rows], 1, axis=1)
    trial = replace(trial, checked=gates.Checked(x, None, reference))
    with pytest.raises(GateError, match="on images that the search has not seen"):
        mend(trial, gates.int8_gate(5.0, False), "model.int8.onnx", trial.model, lambda _text: None)


@dataclass(frozen=True)
class Demanding(Trial):
    """Images that `searched` lacks pass with nothing less than what all layers in float give on `searched`."""

    searched: gates.Checked | None = None
    needed_db: float = 0.0

    def measure(self, model: bytes, images: int | None = None) -> tuple[Parity, ...]:
        found = super().measure(model, images)
        if self.searched is None or np.isin(self.checked.reference, self.searched.reference).all():
            return found
        there = Trial.measure(replace(self, checked=self.searched), model)
        return tuple(
            parity if (other.sqnr_db or 0.0) >= self.needed_db else replace(parity, agreement=0.0)
            for parity, other in zip(found, there, strict=True)
        )


def test_all_layers_in_float_are_tried_before_it_refuses(network: nn.Module) -> None:
    x, _ = images(150, 2)
    plain = make_trial(network, "onnx", x)
    searched, _ = plain.checked.halves(0)
    on_searched = replace(plain, checked=searched)
    ranked = by_worth(sensitivity(on_searched, lambda _text: None))
    best_db = min(parity.sqnr_db or 0.0 for parity in on_searched.measure(plain.make(ranked).model))
    shown = {name: getattr(plain, name) for name in plain.__dataclass_fields__}
    done = mend(
        Demanding(**shown, searched=searched, needed_db=best_db),
        gates.int8_gate(2.0, False),
        "model.int8.onnx",
        plain.model,
        lambda _text: None,
    )
    assert done.asked_db == best_db
    (parity,) = on_searched.measure(done.converted.model)[:1]
    assert parity.sqnr_db is not None
    assert parity.sqnr_db >= best_db


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


def test_the_analysis_ranks_layers_by_what_they_spoil(mended: Export) -> None:
    plain, *alone = mended.mixed[0].effects
    assert plain.layer is None
    assert [effect.spoilt_db for effect in alone] == sorted(effect.spoilt_db for effect in alone)
    assert set(mended.mixed[0].layers) <= {effect.layer for effect in alone}


class Sums(nn.Module):
    """The inner sum stands between two int8 layers: alone in float it changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Conv2d(3, 4, 3, padding=d, dilation=d) for d in (1, 2, 3))
        self.head = nn.Linear(576, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.branches[0](x) + self.branches[1](x) + self.branches[2](x)
        return self.head(torch.exp(y).flatten(1))


def test_with_every_ranked_layer_in_float_only_input_and_output_are_int8() -> None:
    torch.manual_seed(0)
    trial = make_trial(Sums().eval(), "onnx", images(40, 2)[0])
    ranked = [effect.layer for effect in sensitivity(trial, lambda _text: None) if effect.layer is not None]
    graph = onnx.load_from_string(trial.make(ranked).model).graph
    quantize = [node for node in graph.node if node.op_type == "QuantizeLinear"]
    assert [node.output[0] for node in quantize] == [graph.output[0].name]
    assert set(layers_of("onnx", trial.model)) - set(ranked) == {"Exp"}  # float in every int8 file


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
