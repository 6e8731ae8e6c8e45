"""The device commands and their JSON, through the command itself."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.frontends import FRONTENDS
from edgekit.runtimes import installed_runtimes
from tests.synthetic import CLASSES, texture

pytestmark = pytest.mark.device


def edgekit(*arguments: object) -> str:
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def pictures(tmp_path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number, kind in enumerate(CLASSES):
        Image.fromarray(texture(kind, number)).save(folder / f"{kind}.png")
    return folder


def test_predict_takes_files_folders_and_globs(golden_bundle, pictures):
    one, folder, pattern = pictures / "blobs.png", pictures, f"{pictures}/s*.png"
    rows = json.loads(edgekit("predict", golden_bundle, one, folder, pattern, "--json"))
    names = [Path(row["input"]).name for row in rows]
    assert names == ["blobs.png", "blobs.png", "checks.png", "stripes.png", "stripes.png"]
    for row in rows:
        assert set(row) == {"input", "label", "index", "probabilities", "timings_ms"}
        assert row["label"] == CLASSES[row["index"]]
        assert set(row["probabilities"]) == set(CLASSES)
        assert set(row["timings_ms"]) == {"decode", "resize", "frontend", "quantize", "inference", "post"}


def test_predict_shows_a_table_without_json(golden_bundle, pictures):
    lines = edgekit("predict", golden_bundle, pictures / "blobs.png", "--runtime", installed_runtimes("onnx")[0]).splitlines()
    assert lines[0].split() == ["input", "label", "probability", "ms"]
    assert len(lines) == 2


TARGETS = {"generic", "pi-zero2", "pi3", "pi4", "pi5", "jetson-nano"}

KEYS = {"file", "format", "inputs", "outputs", "operators", "tensors", "parameters", "macs", "bytes", "metadata", "int8"}


def test_inspect_tells_scales_and_zero_points(golden_bundle):
    path = golden_bundle / "model.int8.tflite"
    report = json.loads(edgekit("inspect", path, "--json"))
    assert set(report) == KEYS
    assert report["bytes"] == path.stat().st_size
    assert report["inputs"][0]["dtype"] == "int8"
    assert report["inputs"][0]["scale"] > 0
    assert report["metadata"]["labels"] == list(CLASSES)
    weights = [row for row in report["tensors"] if row["constant"] and row["dtype"] == "int8"]
    assert len(weights) == 4
    assert all(row["scale"] is not None for row in weights)
    # Conv 12x32x3 + 32, conv 32x64x3 + 64, linear 128x50 + 50, linear 50x3 + 3.
    assert report["parameters"] == 1152 + 32 + 6144 + 64 + 6400 + 50 + 150 + 3


def test_inspect_of_a_bundle_has_the_same_keys_and_every_artifact(golden_bundle):
    report = json.loads(edgekit("inspect", golden_bundle, "--json"))
    assert set(report) == KEYS | {"artifacts"}
    assert len(report["artifacts"]) == 6
    assert all(set(row) == KEYS for row in report["artifacts"])


def test_a_packed_peer_model_predicts_as_the_authors_pipeline(shared, tmp_path):
    out = tmp_path / "authors.bundle"
    document = json.loads(
        edgekit(
            *("pack", shared / "anchors" / "imagesig_cnn1d_64_2dir_quant.tflite", "--out", out, "--name", "fire"),
            *("--labels", "fire,no_fire", "--frontend", "signature", "--output", "probabilities"),
            *("--frontend-config", '{"size": [64, 64], "depth": 4, "directions": "both-rotated"}', "--json"),
        )
    )
    assert document["artifacts"][0]["precision"] == "int8-dynamic"
    folder = shared / "data" / "fire" / "test" / "fire"
    rows = json.loads(edgekit("predict", out, folder, "--json"))
    assert len(rows) == 154
    assert np.mean([row["label"] == "fire" for row in rows]) > 0.8


def test_pack_wraps_pixel_models_too(shared, tmp_path):
    model = shared / "data" / "mlperf_tiny" / "models" / "ic01_resnet8_int8.tflite"
    labels = "airplane,automobile,bird,cat,deer,dog,frog,horse,ship,truck"
    config = '{"size": [32, 32], "scale": 1.0}'
    out = tmp_path / "ic.zip"
    edgekit(
        *("pack", model, "--out", out, "--name", "ic", "--labels", labels, "--frontend", "pixels"),
        *("--frontend-config", config, "--output", "probabilities"),
    )
    samples = shared / "data" / "mlperf_tiny" / "ic01"
    with (samples / "litert_int8_outputs.csv").open(newline="") as stream:
        expected = {Path(row["file"]).stem: int(row["pred"]) for row in csv.DictReader(stream)}
    rows = json.loads(edgekit("predict", out, samples / "png", "--json"))
    flips = [row["input"] for row in rows if row["index"] != expected[Path(row["input"]).stem]]
    # Another version of a runtime may round otherwise: the reference's own two kernels differ on 6 of the 200.
    assert len(rows) == 200
    assert len(flips) <= 8


@pytest.mark.parametrize(("command", "names"), [("frontends", set(FRONTENDS)), ("targets", TARGETS)])
def test_the_lists_have_names(command, names):
    assert {row["name"] for row in json.loads(edgekit(command, "--json"))} == names


@pytest.mark.workstation
def test_models_are_counted_at_their_papers_classes():
    rows = json.loads(edgekit("models", "--json"))
    told = {row["name"]: row["parameters"] for row in rows}
    exact = {
        "imagesig-fc": 384_152,
        "imagesig-cnn1d": 37_112,
        "imagesig-cnn1d-2dir": 59_512,
        "imagesig-transformer": 162_553,
        "scatresnet-10": 11_441_640,
        "tsak-student": 2_689,
    }
    assert exact.items() <= told.items()
    assert {"medianet-base-69", "medianet-wide-117", "shnet-23-1", "shnet-44-2", "scatnet-edge", "mobilenetv2", "resnet8"} <= set(
        told
    )
    assert all(set(row) == {"name", "parameters", "macs", "input_shape", "classes"} for row in rows)
