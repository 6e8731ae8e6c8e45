"""`edgekit export --target BOARD` and what is opened of it afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.core.bundle import Bundle, write_bundle
from edgekit.core.manifest import Manifest
from edgekit.pipeline import open_pipeline

pytest.importorskip("torch", reason="the workstation's side needs torch")


def edgekit(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def pi4(tmp_path_factory, trained_run) -> Path:
    folder = tmp_path_factory.mktemp("pi4")
    result = edgekit("export", trained_run, "--out", "pi4.bundle", "--target", "pi4", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "pi4.bundle"


def test_a_pi_gets_two_tflite_files_and_opens_the_one_that_suits_its_core(pi4):
    manifest = Bundle.open(pi4).manifest
    assert manifest.target == "pi4"
    assert manifest.default == "fp32"
    assert [artifact.file for artifact in manifest.artifacts] == ["model.fp32.tflite", "model.int8.tflite"]
    with open_pipeline(pi4) as pipeline:
        assert pipeline.runtime.inputs[0].dtype == "float32"
    with open_pipeline(pi4, precision="int8") as pipeline:
        assert pipeline.runtime.inputs[0].dtype == "int8"


def test_where_the_default_is_missing_the_smallest_is_opened(pi4, tmp_path):
    bundle = Bundle.open(pi4)
    manifest = replace(bundle.manifest, artifacts=bundle.artifacts("int8"))
    write_bundle(tmp_path / "int8.bundle", manifest, {name: bundle.read(name) for name in manifest.digests})
    with open_pipeline(tmp_path / "int8.bundle") as pipeline:
        assert pipeline.runtime.inputs[0].dtype == "int8"


def test_a_manifest_of_before_the_key_still_opens(golden_bundle):
    text = (golden_bundle / "manifest.json").read_text()
    assert '"default"' not in text
    assert Manifest.from_text(text).default is None


def test_the_nano_gets_a_command_for_its_gpu_and_a_word_of_caution(tmp_path, trained_run):
    result = edgekit("export", trained_run, "--out", "nano.bundle", "--target", "jetson-nano", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert [row["file"] for row in document["artifacts"]] == ["model.fp32.onnx", "model.int8.onnx"]
    engine = "/usr/src/tensorrt/bin/trtexec --onnx=nano.bundle/model.fp32.onnx --fp16 --saveEngine=model.fp16.engine"
    assert document["commands"] == [engine]
    assert "Not verified on TensorRT" in result.stderr
    assert Bundle.open(tmp_path / "nano.bundle").manifest.default == "fp32"


def test_one_precision_of_a_target_can_be_asked_for(tmp_path, trained_run):
    result = edgekit("export", trained_run, "--out", "a.zip", "--target", "pi5", "--precision", "int8", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert [row["file"] for row in json.loads(result.stdout)["artifacts"]] == ["model.int8.tflite"]
    assert json.loads(result.stdout)["commands"] == []


def test_a_precision_that_the_board_does_not_get_is_one_line_and_no_bundle(tmp_path, trained_run):
    result = edgekit("export", trained_run, "--out", "a.bundle", "--target", "pi5", "--precision", "fp16", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("error: Expected a precision that target 'pi5' gets (fp32, int8), got 'fp16': LiteRT unpacks")
    assert len(result.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
