"""From an image to a prediction, on the committed bundle."""

from __future__ import annotations

import io
import json
import math
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import edgekit
from edgekit.core.bundle import Bundle
from edgekit.core.manifest import FrontEndEntry, ModelCard, OutputEntry
from edgekit.core.spec import TensorSpec
from edgekit.errors import BundleError, InputError, ModelError, UnknownNameError
from edgekit.golden import check_golden
from edgekit.pipeline import STAGES, Pipeline, probabilities_of
from edgekit.runtimes import installed_runtimes
from edgekit.runtimes.fake import FakeEngine
from edgekit.runtimes.quantised import EngineRuntime
from tests.synthetic import CLASSES, texture

pytestmark = pytest.mark.device

RUNTIMES = [name for kind in ("tflite", "onnx") for name in installed_runtimes(kind)]


def test_path_bytes_picture_and_array_give_the_same_prediction(tmp_path, golden_bundle):
    image = texture("stripes", 1)
    path = tmp_path / "a.png"
    Image.fromarray(image).save(path)
    with edgekit.open(golden_bundle) as pipeline:
        answers = [pipeline.predict(source) for source in (path, str(path), path.read_bytes(), Image.fromarray(image), image)]
    assert len({tuple(answer.scores) for answer in answers}) == 1


def test_a_prediction_is_complete(golden_bundle):
    with edgekit.open(golden_bundle, threads=2) as pipeline:
        prediction = pipeline.predict(texture("blobs", 2))
    assert prediction.label == CLASSES[prediction.index]
    assert list(prediction.probabilities) == list(CLASSES)
    assert math.isclose(sum(prediction.probabilities.values()), 1.0, abs_tol=1e-6)
    assert max(prediction.probabilities, key=prediction.probabilities.get) == prediction.label
    assert tuple(prediction.timings_ms) == STAGES
    assert all(milliseconds > 0 for milliseconds in prediction.timings_ms.values())


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_every_runtime_gives_the_label_of_the_float_model(golden_bundle, runtime, precision):
    images = [texture(kind, seed) for kind in CLASSES for seed in range(200, 210)]
    with edgekit.open(golden_bundle, RUNTIMES[0], "fp32") as reference:
        expected = [reference.predict(image).scores for image in images]
    with edgekit.open(golden_bundle, runtime, precision) as pipeline:
        scores = [pipeline.predict(image).scores for image in images]
    agreement = np.mean([a.argmax() == b.argmax() for a, b in zip(expected, scores, strict=True)])
    assert agreement >= (1.0 if precision == "fp32" else 0.9)


def test_every_artifact_reproduces_the_golden_vectors(golden_bundle):
    bundle = Bundle.open(golden_bundle)
    checks = check_golden(bundle)
    assert {check.artifact for check in checks} == {artifact.file for artifact in bundle.manifest.artifacts}
    assert [check for check in checks if not check.ok] == []


def test_a_model_that_computes_something_else_fails_its_golden_vectors(tmp_path, golden_bundle):
    bundle = Bundle.open(golden_bundle)
    other = np.load(io.BytesIO(bundle.read("golden.npz")))
    changed = {name: other[name] if "@" not in name else -other[name] for name in other.files}
    stream = io.BytesIO()
    np.savez(stream, **changed)
    bundle._files["golden.npz"] = stream.getvalue()
    assert not any(check.ok for check in check_golden(bundle))


def test_a_front_end_that_computes_something_else_fails_the_golden_vectors(golden_bundle):
    bundle = Bundle.open(golden_bundle)
    golden = np.load(io.BytesIO(bundle.read("golden.npz")))
    stream = io.BytesIO()
    np.savez(stream, **{**{name: golden[name] for name in golden.files}, "images": golden["images"][::-1] // 2})
    bundle._files["golden.npz"] = stream.getvalue()
    checks = check_golden(bundle)
    assert all(check.bit_equal for check in checks if check.bit_equal is not None and ".int8." in check.artifact)
    assert not any(check.ok for check in checks)


def test_int8_is_the_default_and_a_precision_may_be_asked_for(golden_bundle):
    with edgekit.open(golden_bundle) as pipeline:
        assert pipeline.runtime.inputs[0].dtype == "int8"
    with edgekit.open(golden_bundle, precision="fp32") as pipeline:
        assert pipeline.runtime.inputs[0].dtype == "float32"


def test_one_step_standardise_and_quantize_equals_two_steps_up_to_a_rounding(golden_bundle):
    with edgekit.open(golden_bundle, precision="int8") as pipeline:
        spec, frontend = pipeline.runtime.inputs[0], pipeline.frontend
        image = texture("checks", 3, size=32)
        one = pipeline.prepare(frontend.raw(image))[0].astype(int)
        two = spec.affine.quantize(frontend(image)).astype(int)
    assert np.abs(one - two).max() <= 1
    assert (one != two).mean() < 0.01


@pytest.mark.parametrize("name", ["model.int8.tflite", "model.fp16.tflite", "model.int8.onnx", "model.fp32.onnx"])
def test_a_single_file_is_enough(tmp_path, golden_bundle, name):
    alone = shutil.copy(golden_bundle / name, tmp_path)
    image = texture("stripes", 5)
    artifact = next(a for a in Bundle.open(golden_bundle).manifest.artifacts if a.file == name)
    runtime = installed_runtimes(artifact.format)[0]
    with edgekit.open(alone) as single, edgekit.open(golden_bundle, runtime, artifact.precision) as whole:
        assert single.labels == CLASSES
        assert single.predict(image).probabilities == whole.predict(image).probabilities


def test_a_bundle_in_one_archive_is_a_bundle(tmp_path, golden_bundle):
    archive = shutil.make_archive(str(tmp_path / "textures"), "zip", golden_bundle)
    image = texture("blobs", 7)
    with edgekit.open(archive) as zipped, edgekit.open(golden_bundle) as folder:
        assert zipped.predict(image).probabilities == folder.predict(image).probabilities


def test_a_single_file_whose_card_is_damaged_is_told_as_one_without(tmp_path, golden_bundle):
    content = bytearray((golden_bundle / "model.int8.tflite").read_bytes())
    start = content.rindex(b"PK\x03\x04") + 50
    content[start : start + 30] = (byte ^ 0x5A for byte in content[start : start + 30])
    alone = tmp_path / "model.int8.tflite"
    alone.write_bytes(content)
    with pytest.raises(ModelError, match="exported by edgekit"):
        edgekit.open(alone)


def card(**changes: object) -> ModelCard:
    base = ModelCard(
        name="fake",
        labels=("a", "b"),
        frontend=FrontEndEntry("signature", {"size": [8, 8], "depth": 1}),
        output=OutputEntry("logits"),
        input=TensorSpec("x", "float32", (1, 8, 3), "NRF"),
    )
    return replace(base, **changes)


def fake(scores: list[float], shape: tuple[int, ...] = (1, 8, 3)) -> EngineRuntime:
    outputs = [TensorSpec("y", "float32", (1, len(scores)), "NC")]
    return EngineRuntime(FakeEngine([TensorSpec("x", "float32", shape)], outputs, lambda _: [np.array([scores], np.float32)]))


def test_logits_pass_a_softmax_with_the_temperature():
    with Pipeline(card(output=OutputEntry("logits", 2.0)), fake([2.0, 0.0])) as pipeline:
        probabilities = pipeline.predict(texture("blobs", 0)).probabilities
    assert math.isclose(probabilities["a"], 1 / (1 + math.exp(-1.0)), abs_tol=1e-6)


def test_probabilities_are_never_softmaxed_twice():
    with Pipeline(card(output=OutputEntry("probabilities")), fake([0.75, 0.25])) as pipeline:
        assert pipeline.predict(texture("blobs", 0)).probabilities == {"a": 0.75, "b": 0.25}


@pytest.mark.parametrize(("least", "label", "index"), [(None, "a", 0), (0.75, "a", 0), (0.76, "unknown", -1)])
def test_an_answer_below_the_least_probability_is_unknown(least, label, index):
    with Pipeline(card(output=OutputEntry("probabilities", answer_from=least)), fake([0.75, 0.25])) as pipeline:
        prediction = pipeline.predict(texture("blobs", 0))
    assert (prediction.label, prediction.index) == (label, index)
    assert prediction.probabilities == {"a": 0.75, "b": 0.25}


@pytest.mark.parametrize("kind", ["logits", "probabilities", "raw"])
@pytest.mark.parametrize("scores", [[1.0, math.nan], [math.inf, 0.0], [-math.inf, -math.inf]], ids=str)
def test_scores_that_are_no_numbers_name_no_class(kind, scores):
    with Pipeline(card(output=OutputEntry(kind)), fake(scores)) as pipeline, pytest.raises(ModelError, match="finite scores"):
        pipeline.predict(texture("blobs", 0))


def test_raw_scores_have_no_probabilities():
    with Pipeline(card(output=OutputEntry("raw")), fake([-3.0, 9.0])) as pipeline:
        prediction = pipeline.predict(texture("blobs", 0))
    assert prediction.probabilities is None
    assert prediction.label == "b"


def test_large_logits_do_not_overflow():
    assert probabilities_of(np.array([1e30, -1e30], np.float32), OutputEntry("logits")).tolist() == [1.0, 0.0]


def test_a_model_that_does_not_fit_is_refused():
    with pytest.raises(ModelError, match=r"features of shape \(1, 8, 3\), this one takes \(1, 9, 3\)"):
        Pipeline(card(), fake([0.0, 1.0], (1, 9, 3)))
    with pytest.raises(ModelError, match="Expected 2 scores for 2 labels, the model gives 3"):
        Pipeline(card(), fake([0.0, 1.0, 2.0]))


def test_unknown_or_absent_words_are_refused(golden_bundle):
    with pytest.raises(UnknownNameError, match="Unknown runtime 'torchscript'"):
        edgekit.open(golden_bundle, runtime="torchscript")
    with pytest.raises(UnknownNameError, match="Unknown precision 'int4'"):
        edgekit.open(golden_bundle, precision="int4")
    with pytest.raises(BundleError, match="Expected an artifact of fp16 onnx"):
        edgekit.open(golden_bundle, runtime="onnxruntime", precision="fp16")


def test_a_path_that_cannot_be_one_is_refused(golden_bundle):
    for path in ("a" * 300, golden_bundle / "manifest.json" / "beyond"):
        with pytest.raises(BundleError, match="Expected a bundle or a model file at"):
            edgekit.open(path)


def test_a_single_file_has_one_precision(golden_bundle):
    with pytest.raises(ModelError, match="Leave the precision out"):
        edgekit.open(golden_bundle / "model.int8.tflite", precision="fp32")


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(ModelError, match="Expected different labels, got a, a"):
        Pipeline(card(labels=("a", "a")), fake([0.0, 1.0]))


@pytest.mark.parametrize("threads", [0, -3, 257, "a"])
def test_an_impossible_number_of_threads_is_refused(golden_bundle, threads):
    with pytest.raises(InputError, match="Expected 1 to 256 threads"):
        edgekit.open(golden_bundle, threads=threads)


def test_the_metadata_of_a_file_holds_labels_front_end_and_input(golden_bundle):
    bundle = Bundle.open(golden_bundle)
    for artifact in bundle.manifest.artifacts:
        with edgekit.open_runtime(golden_bundle / artifact.file) as runtime:
            metadata = json.loads(runtime.metadata)
        assert metadata["labels"] == list(CLASSES)
        assert metadata["frontend"] == {"name": "signature", "config": bundle.manifest.frontend.config}
        assert metadata["input"]["shape"] == list(bundle.manifest.input.shape)
