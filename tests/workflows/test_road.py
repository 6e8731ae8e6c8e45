"""The road through the commands themselves: train, export, evaluate, predict; twice the same; gates that hold."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.core.bundle import Bundle
from edgekit.golden import check_golden

pytest.importorskip("torch", reason="the workstation's side needs torch")

MAIN = "from edgekit.cli import main; main()"


def edgekit(*arguments: object, cwd: Path, code: str = MAIN, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )


def document(result: subprocess.CompletedProcess[str]) -> dict:
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def exported(tmp_path_factory, trained_run) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("exported")
    result = edgekit("export", trained_run, "--out", "textures.bundle", "--json", cwd=folder, PYTHONHASHSEED="1")
    return folder / "textures.bundle", document(result)


def test_the_export_document_has_the_promised_keys(exported):
    path, report = exported
    assert report["bundle"] == "textures.bundle"
    assert {(row["format"], row["precision"]) for row in report["artifacts"]} == {
        ("onnx", "fp32"),
        ("onnx", "int8"),
        ("tflite", "fp32"),
        ("tflite", "fp16"),
        ("tflite", "int8-dynamic"),
        ("tflite", "int8"),
    }
    for row in report["artifacts"]:
        assert {"file", "format", "precision", "bytes", "sha256", "parity"} <= set(row)
        assert (path / row["file"]).stat().st_size == row["bytes"]
        for parity in row["parity"]:
            assert {"runtime", "n", "max_abs_error", "sqnr_db", "agreement"} <= set(parity)
            floor = {"fp32": 100, "fp16": 60}.get(row["precision"], 0)
            assert parity["sqnr_db"] is None or parity["sqnr_db"] >= floor
            assert parity["agreement"] >= 0.97


def test_a_second_export_elsewhere_is_byte_identical(tmp_path, trained_run, exported):
    elsewhere = tmp_path / "another folder"
    elsewhere.mkdir()
    result = edgekit("export", trained_run, "--out", "another.name", "--json", cwd=elsewhere, PYTHONHASHSEED="2")
    document(result)
    first, second = exported[0], elsewhere / "another.name"
    assert sorted(p.name for p in first.iterdir()) == sorted(p.name for p in second.iterdir())
    different = [p.name for p in first.iterdir() if p.read_bytes() != (second / p.name).read_bytes()]
    assert different == []


def test_the_bundle_reproduces_its_golden_vectors_bit_for_bit(exported):
    checks = check_golden(Bundle.open(exported[0]))
    integer = [check for check in checks if ".int8." in check.artifact]
    assert integer
    assert all(check.bit_equal and check.same_labels for check in integer)
    assert all(check.ok for check in checks)


def test_evaluate_of_run_and_bundle_agree_with_scikit_learn(tmp_path, textures, trained_run, exported):
    run = document(edgekit("evaluate", trained_run, textures, "--json", cwd=tmp_path))
    bundle = document(edgekit("evaluate", exported[0], textures, "--json", cwd=tmp_path))
    assert run["n"] == bundle["n"] == 60
    assert [row["runtime"] for row in run["results"]] == ["torch"]
    assert {row["runtime"] for row in bundle["results"]} == {"onnxruntime", "litert", "tflite-runtime"}
    for row in [*run["results"], *bundle["results"]]:
        confusion = np.array(row["confusion"])
        assert confusion.sum() == 60
        assert row["accuracy"] == pytest.approx(np.trace(confusion) / 60)
        assert 0 <= row["macro_f1"] <= 1
        assert 0 <= row["roc_auc"] <= 1
    whole = edgekit("evaluate", trained_run, textures / "train", "--json", cwd=tmp_path)
    assert document(whole)["n"] == 120
    assert "all images" in whole.stderr
    assert "all images" not in edgekit("evaluate", trained_run, textures, cwd=tmp_path).stderr
    fp32 = [row for row in bundle["results"] if row["precision"] == "fp32"]
    assert all(row["confusion"] == run["results"][0]["confusion"] for row in fp32)


def test_evaluate_takes_a_single_file_and_a_single_runtime(tmp_path, textures, exported):
    file = shutil.copy(exported[0] / "model.int8.tflite", tmp_path / "fire.v2.tflite")
    report = document(edgekit("evaluate", file, textures, "--runtime", "litert", "--json", cwd=tmp_path))
    assert [(row["artifact"], row["precision"], row["runtime"]) for row in report["results"]] == [
        ("fire.v2.tflite", "int8", "litert")
    ]


def test_a_missed_gate_exits_with_1_and_leaves_no_bundle(tmp_path, trained_run):
    impossible = "import edgekit.exporters.parity as p; p.GATES = {k: p.Gate(agreement=1.01) for k in p.GATES};" + MAIN
    result = edgekit("export", trained_run, "--out", "x.bundle", "--json", cwd=tmp_path, code=impossible)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    assert "model.fp32.onnx on onnxruntime" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_export_goes_into_one_archive_too(tmp_path, trained_run, textures):
    document(
        edgekit("export", trained_run, "--out", "t.zip", "--calibration", textures, "--samples", "32", "--json", cwd=tmp_path)
    )
    assert {check.ok for check in check_golden(Bundle.open(tmp_path / "t.zip"))} == {True}
    assert [path.name for path in tmp_path.iterdir()] == ["t.zip"]


def test_train_json_and_the_run_folder(tmp_path, textures):
    result = edgekit(
        *("train", textures, "--model", "imagesig-fc", "--out", "run", "--epochs", "2", "--seed", "3"),
        *("--size", "16", "--depth", "2", "--augment", "none", "--json"),
        cwd=tmp_path,
    )
    report = document(result)
    assert set(report) == {"run", "model", "epochs", "validation", "test"}
    assert report["model"] == "imagesig-fc"
    assert report["epochs"] == 2
    assert report["test"]["n"] == 60
    assert {p.name for p in (tmp_path / "run").iterdir()} >= {"model.safetensors", "metrics.json", "curves.csv", "run.json"}


def test_fused_files_take_the_image_itself_and_agree_with_the_plain_ones(tmp_path, exported, trained_run, textures):
    report = document(edgekit("export", trained_run, "--out", "fused.bundle", "--fuse-frontend", "--json", cwd=tmp_path))
    assert {(row["format"], row["precision"]) for row in report["artifacts"]} == {
        ("onnx", "fp32"),
        ("onnx", "int8"),
        ("tflite", "fp32"),
    }
    exact = [parity for row in report["artifacts"] if row["precision"] == "fp32" for parity in row["parity"]]
    assert min(parity["sqnr_db"] for parity in exact) > 80
    bundle = Bundle.open(tmp_path / "fused.bundle")
    assert bundle.manifest.frontend.name == "pixels"
    assert all(artifact.input.dtype == "uint8" for artifact in bundle.manifest.artifacts)
    assert all(check.ok for check in check_golden(bundle))
    fused, plain = (
        {
            (row["artifact"], row["runtime"]): row["confusion"]
            for row in document(edgekit("evaluate", path, textures, "--json", cwd=tmp_path))["results"]
        }
        for path in (tmp_path / "fused.bundle", exported[0])
    )
    for key in fused:
        if "fp32" in key[0]:
            assert fused[key] == plain[key]
