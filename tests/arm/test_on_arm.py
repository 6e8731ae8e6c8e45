"""What a board must give: the workstation's numbers, bit for bit where they are integers, and the commands."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.core.bundle import Bundle
from edgekit.frontends.base import create_frontend
from edgekit.golden import check_golden
from edgekit.pipeline import STAGES, open_artifact
from edgekit.runtimes import installed_runtimes
from tests.synthetic import CLASSES, texture

pytestmark = pytest.mark.device

#: Largest difference of a logit from the workstation's, relative to the largest logit.
TOLERANCE = {"fp32": 1e-5, "fp16": 1e-5, "int8-dynamic": 1e-3}


def golden_of(bundle: Bundle) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(bundle.read(bundle.manifest.golden.file))) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture
def picture(tmp_path) -> Path:
    path = tmp_path / "stripes.png"
    Image.fromarray(texture("stripes", 3)).save(path)
    return path


def test_every_integer_artifact_is_bit_equal_to_the_workstation_on_every_runtime(golden_bundle):
    bundle = Bundle.open(golden_bundle)
    checks = check_golden(bundle)
    runtimes = {name for kind in ("onnx", "tflite") for name in installed_runtimes(kind)}
    assert {check.runtime for check in checks} == runtimes >= {"litert", "onnxruntime"}
    assert [check for check in checks if not check.ok or not check.same_labels] == []
    int8 = {artifact.file for artifact in bundle.manifest.artifacts if artifact.precision == "int8"}
    # None would mean that the locked version of the runtime is not the one that the bundle records.
    assert {(check.artifact, check.bit_equal) for check in checks if check.artifact in int8} == {(file, True) for file in int8}


def test_float_artifacts_give_the_workstations_logits(golden_bundle):
    bundle = Bundle.open(golden_bundle)
    golden, compared = golden_of(bundle), 0
    features = golden["features"].astype(np.float32)
    for artifact in (artifact for artifact in bundle.manifest.artifacts if artifact.precision != "int8"):
        for name in installed_runtimes(artifact.format):
            with open_artifact(bundle, artifact, name) as pipeline:
                expected = golden[f"{artifact.file}@{name}@{pipeline.runtime.version}"]
                actual = np.stack([pipeline.infer(item[np.newaxis]) for item in features])
            error = np.abs(actual - expected).max() / np.abs(expected).max()
            assert error < TOLERANCE[artifact.precision], (artifact.file, name)
            compared += 1
    assert compared >= 4


def test_the_front_end_gives_the_workstations_features(golden_bundle):
    bundle = Bundle.open(golden_bundle)
    golden, card = golden_of(bundle), bundle.manifest.card
    frontend = create_frontend(card.frontend.name, card.frontend.config)
    features = np.stack([frontend(image) for image in golden["images"]])
    # Kept as float16: half a unit in the last place of values up to the clip of 4.
    np.testing.assert_allclose(features, golden["features"], atol=2.5e-3)


def test_predict_answers_in_json(golden_bundle, picture, edgekit):
    for runtime in ("litert", "onnxruntime"):
        row = json.loads(edgekit("predict", golden_bundle, picture, "--runtime", runtime, "--json"))[0]
        assert row["label"] == CLASSES[row["index"]] == "stripes"
        assert tuple(row["timings_ms"]) == STAGES


def test_a_single_file_predicts(golden_bundle, picture, edgekit):
    for file in ("model.int8.tflite", "model.int8.onnx"):
        assert "stripes" in edgekit("predict", golden_bundle / file, picture)


def test_inspect_tells_every_artifact(golden_bundle, edgekit):
    report = json.loads(edgekit("inspect", golden_bundle, "--json"))
    assert {Path(row["file"]).name for row in report["artifacts"]} == {
        artifact.file for artifact in Bundle.open(golden_bundle).manifest.artifacts
    }


@pytest.mark.parametrize("command", ["frontends", "targets"])
def test_the_lists_answer(command, edgekit):
    assert all(row["name"] for row in json.loads(edgekit(command, "--json")))
