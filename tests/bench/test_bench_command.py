"""`edgekit bench` on the committed bundle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from edgekit.bench.plan import candidates_of
from edgekit.core.bundle import Bundle
from edgekit.errors import BundleError, InputError, UnknownNameError
from edgekit.pipeline import STAGES
from edgekit.runtimes import installed_runtimes
from tests.synthetic import CLASSES, texture

pytestmark = pytest.mark.device

ONE = ("--precision", "int8", "--runtime", "litert", "--smoke")


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number, kind in enumerate(CLASSES):
        Image.fromarray(texture(kind, number, 160)).save(folder / f"{kind}.jpg")
    return folder


def test_the_document_holds_what_others_rely_on(golden_bundle, photos, tmp_path):
    result = run(golden_bundle, "--images", photos, "--threads", 1, "--threads", 2, *ONE, "--json", "--out", tmp_path / "b.json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert json.loads((tmp_path / "b.json").read_text()) == document
    assert {"device", "valid", "comparable", "warnings", "runs"} <= set(document)
    assert document["comparable"] is False
    assert [run["threads"] for run in document["runs"]] == [1, 2]
    for entry in document["runs"]:
        assert (entry["artifact"], entry["runtime"]) == ("model.int8.tflite", "litert")
        for part in ("model_only", "end_to_end"):
            assert {"n", "p50_ms", "p90_ms", "p99_ms", "fps"} <= set(entry[part])
            assert entry[part]["min_ms"] <= entry[part]["p50_ms"] <= entry[part]["max_ms"]
            assert sum(sum(window["count"]) for window in entry["samples"][part]) == entry[part]["n"]
        assert tuple(entry["end_to_end"]["stages_ms"]) == STAGES
        assert entry["model_only"]["p50_ms"] < entry["end_to_end"]["p50_ms"]
        assert entry["load_ms"] > 0
        assert entry["first_inference_ms"] > 0
        assert entry["peak_rss_mb"] > 20
    device = document["device"]
    assert device["cores"] >= 1
    assert device["command"][1:4] == ["bench", str(golden_bundle), "--images"]
    assert {"governor", "temperature_c", "throttled", "clocks_mhz"} <= set(device["before"])


def test_without_images_the_bundles_own_are_used_and_it_says_so(golden_bundle):
    result = run(golden_bundle, *ONE)
    assert result.returncode == 0, result.stderr
    assert "measured on the bundle's own pictures" in result.stderr
    assert "model.int8.tflite" in result.stdout


def test_a_bundle_in_one_archive_can_be_measured(golden_bundle, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "textures"), "zip", golden_bundle)
    document = json.loads(run(archive, *ONE, "--json").stdout)
    assert document["runs"][0]["peak_rss_mb"] > 20


def test_every_artifact_meets_every_installed_runtime_and_number_of_threads(golden_bundle):
    bundle = Bundle.open(golden_bundle)
    found = candidates_of(bundle, threads=(1, 2, 1))
    assert {(c.artifact.file, c.runtime, c.threads) for c in found} == {
        (artifact.file, runtime, count)
        for artifact in bundle.manifest.artifacts
        for runtime in installed_runtimes(artifact.format)
        for count in (1, 2)
    }
    assert len(found) == len(set(found))


def test_what_is_excluded_or_unknown_is_said(golden_bundle):
    bundle = Bundle.open(golden_bundle)
    assert {c.artifact.precision for c in candidates_of(bundle, precision="fp32")} == {"fp32"}
    with pytest.raises(UnknownNameError, match="Unknown runtime 'tpu'"):
        candidates_of(bundle, runtime="tpu")
    with pytest.raises(BundleError, match="Expected an artifact of fp16 onnx"):
        candidates_of(bundle, runtime="onnxruntime", precision="fp16")
    with pytest.raises(InputError, match=r"numbers of threads of at least 1, got \[0\]"):
        candidates_of(bundle, threads=(0,))


def test_a_damaged_image_is_named_and_nothing_is_written(golden_bundle, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    result = run(golden_bundle, *ONE, "--images", tmp_path / "photos", "--out", tmp_path / "b.json")
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert "broken.jpg" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_the_command_is_usable_from_its_help():
    text = " ".join(run("--help").stdout.split())
    assert "Example: edgekit bench" in text
    for option in ("--images", "--threads", "--runtime", "--precision", "--smoke", "--quick", "--out", "--json"):
        assert option in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--smoke", "--quick"), "Expected one of --smoke, --quick and --strict"),
        (("--smoke", "--out", "absent/b.json"), "Expected the folder absent to exist"),
        (("--smoke", "--out", "."), "Expected a file for --out, . is a folder"),
        (("--smoke", "--images", "nowhere"), "Expected images at nowhere, found none"),
    ],
)
def test_wrong_input_gets_one_line_and_exit_code_2(golden_bundle, arguments, message):
    result = run(golden_bundle, *arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
