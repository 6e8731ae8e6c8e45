"""Sensor windows through the commands: MLPerf Tiny's keyword spotter, packed, on .npz files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import edgekit as run
from tests.cli.command import refused
from tests.cli.test_commands import edgekit
from tests.mlperf_tiny import WORDS, kws01_inputs, reference_rows

pytestmark = pytest.mark.device


@pytest.fixture
def spotter(shared, tmp_path) -> Path:
    out = tmp_path / "kws.bundle"
    model = shared / "data/mlperf_tiny/models/kws01_dscnn_int8.tflite"
    edgekit(
        *("pack", model, "--out", out, "--name", "kws", "--labels", ",".join(WORDS), "--output", "probabilities"),
        *("--frontend", "samples", "--frontend-config", '{"shape": [49, 10, 1]}'),
    )
    return out


@pytest.fixture
def words(shared, tmp_path) -> Path:
    """40 windows with their classes, named in another order than the model's."""
    folder = shared / "data/mlperf_tiny"
    rows = reference_rows(folder, "kws01")[:40]
    names = sorted(WORDS)
    y = np.array([names.index(WORDS[int(row["label"])]) for row in rows])
    path = tmp_path / "windows/test.npz"
    path.parent.mkdir()
    np.savez(path, x=np.stack(kws01_inputs(folder, [row["file"] for row in rows])), y=y, labels=np.array(names))
    return path


def test_predict_names_every_window_of_a_file(spotter, words, shared):
    expected = [int(row["pred"]) for row in reference_rows(shared / "data/mlperf_tiny", "kws01")[:40]]
    rows = json.loads(edgekit("predict", spotter, words, "--json"))
    assert [row["input"] for row in rows] == [f"{words}[{index}]" for index in range(40)]
    assert sum(row["index"] != pred for row, pred in zip(rows, expected, strict=True)) <= 1
    assert [row["index"] for row in json.loads(edgekit("predict", spotter, words.parent, "--json"))] == [
        row["index"] for row in rows
    ]


def test_gravity_is_separated_on_the_board(golden_bundle, tmp_path, rng):
    """The committed network takes (32, 12): 16 channels as they were recorded, of each its mean and its movement."""
    np.savez(tmp_path / "windows.npz", x=rng.normal(0, 1, (5, 16, 12)))
    out, config = tmp_path / "apart.bundle", '{"shape": [16, 12], "separate_gravity": true}'
    shape = ("--labels", "blobs,checks,stripes", "--output", "logits", "--frontend", "samples", "--frontend-config", config)
    edgekit("pack", golden_bundle / "model.int8.tflite", "--out", out, "--name", "apart", *shape)
    assert len(json.loads(edgekit("predict", out, tmp_path / "windows.npz", "--json"))) == 5
    for given in ([], ["--images", tmp_path / "windows.npz"]):
        document = json.loads(edgekit("bench", out, "--smoke", "--runtime", "litert", *given, "--json"))
        assert document["runs"][0]["end_to_end"]["n"] > 0


@pytest.mark.workstation
def test_evaluate_maps_the_files_classes_onto_the_models_by_name(spotter, words):
    pytest.importorskip("sklearn", reason="metrics are scikit-learn's")
    for data in (words, words.parent):
        document = json.loads(edgekit("evaluate", spotter, data, "--json"))
        assert document["n"] == 40
        assert all(row["accuracy"] >= 0.85 for row in document["results"])


def test_bench_measures_on_windows_of_a_file_and_on_the_bundles_own(spotter, words):
    for given in ([], ["--images", words]):
        document = json.loads(edgekit("bench", spotter, "--smoke", "--runtime", "litert", *given, "--json"))
        run = document["runs"][0]
        assert run["end_to_end"]["n"] > 0
        assert run["peak_rss_mb"] is not None


def test_pictures_are_refused_where_windows_are_expected_and_the_other_way_round(spotter, words, golden_bundle, shared, tmp_path):
    np.savez(tmp_path / "short.npz", x=np.zeros((2, 3, 100)))
    refused(run("predict", spotter, shared / "data/fire/test", cwd=tmp_path), "windows (.npz)")
    refused(run("predict", golden_bundle, words, cwd=tmp_path), "known image format")
    refused(run("predict", spotter, tmp_path / "short.npz", cwd=tmp_path), "(49, 10, 1)", "(3, 100)")


def test_bench_names_a_file_of_other_windows(spotter, words):
    np.savez(words.parent / "other.npz", x=np.zeros((2, 3, 100)))
    refused(run("bench", spotter, "--smoke", "--images", words.parent, cwd=words.parent), "other.npz", "(49, 10, 1)")
