"""Files hold their numbers and little else. The whole networks of the papers: benchmarks/file_sizes.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.core.manifest import FrontEndEntry, ModelCard, OutputEntry
from edgekit.exporters.build import export
from edgekit.exporters.embed import embed_tflite
from edgekit.exporters.targets import Target
from edgekit.frontends import Signature
from edgekit.frontends.standardise import Standardisation
from edgekit.inspection.describe import inspect_model
from edgekit.models.registry import create_model
from edgekit.runtimes.litert import read_card
from tests.exporters.networks import PreActivation, SensorNet, warmed
from tests.exporters.sizes import largest_size

INT8 = Target("test", "for a test", (("onnx", "int8"), ("tflite", "int8")))

NETWORKS = {
    "sensor": (SensorNet, (3, 40)),
    "pre-activation": (PreActivation, (3, 16, 16)),
    "tsak-student": (lambda: create_model("tsak-student", classes=6, input_shape=(3, 100)), (3, 100)),
    "resnet8": (lambda: create_model("resnet8", classes=10, input_shape=(3, 16, 16)), (3, 16, 16)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_int8_file_is_its_weights_and_little_else(name: str) -> None:
    make, shape = NETWORKS[name]
    torch.manual_seed(0)
    features = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32).clip(-4, 4)
    module: nn.Module = warmed(make(), *shape)
    made = export(module, calibration=features, parity_features=features[:1], target=INT8, gate=False)
    for artifact, model in made.files:
        assert len(model) <= largest_size(inspect_model(model, artifact.file)), artifact.file


def test_an_int8_cnn1d_with_a_card_and_its_standardisation_takes_43_000_bytes(files: dict[str, bytes]) -> None:
    generator = np.random.default_rng(0)
    features = generator.normal(generator.uniform(-0.01, 0.01, 120), generator.uniform(1e-3, 0.3, 120), (200, 120))
    front = Signature((64, 64), 4, "rows").with_standardisation(Standardisation.fit(features).rounded())
    labels, output = ("fire", "no_fire"), OutputEntry("logits", 0.6696398951759674)
    card = ModelCard("imagesig-cnn1d-0", labels, FrontEndEntry(front.name, front.config_to_json()), output, front.output)
    model = files["model.int8.tflite"]
    bare = model[: model.rindex(b"PK\x03\x04")]
    with_card = embed_tflite(bare, card.to_text())
    assert read_card(with_card) == card.to_text()
    assert len(with_card) <= 43_000


@pytest.mark.parametrize("file", ["model.int8.onnx", "model.int8.tflite"])
def test_with_its_card_an_int8_cnn1d_is_within_it_too(files: dict[str, bytes], file: str) -> None:
    assert len(files[file]) <= largest_size(inspect_model(files[file], file))


def test_what_does_not_belong_to_the_numbers_is_noticed(files: dict[str, bytes]) -> None:
    report = inspect_model(files["model.int8.tflite"], "model.int8.tflite")
    assert len(files["model.fp32.tflite"]) > largest_size(report)
    assert len(files["model.int8.tflite"]) > largest_size(report) - 4096


def test_the_vectors_of_a_card_have_no_digits_that_do_not_matter(rng: np.random.Generator) -> None:
    features = rng.normal(rng.uniform(-3, 3, 40), rng.uniform(1e-3, 1e3, 40), (500, 40)).astype(np.float32)
    fitted = Standardisation.fit(features)
    rounded = fitted.rounded()
    assert rounded.rounded() == rounded
    np.testing.assert_allclose(rounded.apply(features), fitted.apply(features), atol=0.0125)
    assert np.array_equal(np.array(rounded.offset) * 256, np.rint(np.array(rounded.offset) * 256))
    assert all(float(np.frexp(scale)[0] * 256).is_integer() for scale in rounded.scale)
