"""`edgekit frontends` through the command itself."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgekit.frontends import FRONTENDS, create_frontend
from tests.synthetic import CLASSES, texture

pytestmark = pytest.mark.device

KEYS = {"name", "shape", "dtype", "layout", "config", "macs", "workspace_bytes", "kept_bytes", "missing"}
MEASURED = {
    *("name", "shape", "config", "sparsity", "sparsity_8bit", "packing", "bytes"),
    *("image_png_bytes", "image_jpeg_bytes", "median_ms", "missing"),
}

WITHOUT_OPENCV = "import sys; sys.modules['cv2'] = None; "


def edgekit(*arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{before}from edgekit.cli import main; main()", "frontends", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def done(*arguments: object, before: str = "") -> str:
    result = edgekit(*arguments, before=before)
    assert result.returncode == 0, result.stderr
    return result.stdout


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in result.stderr


@pytest.fixture
def pictures(tmp_path):
    for number, kind in enumerate(CLASSES):
        (tmp_path / kind).mkdir()
        Image.fromarray(texture(kind, number)).save(tmp_path / kind / "0.png")
    return tmp_path


def test_every_front_end_tells_its_shape_dtype_and_cost():
    rows = json.loads(done("--json"))
    assert [row["name"] for row in rows] == list(FRONTENDS)
    for row in rows:
        assert set(row) == KEYS
        front = create_frontend(row["name"], row["config"])
        assert front.output.shape == tuple(row["shape"])
        assert (front.output.dtype, front.output.layout) == (row["dtype"], row["layout"])
        if row["missing"] is None:
            features = np.prod(row["shape"]) * np.dtype(row["dtype"]).itemsize
            assert row["workspace_bytes"] >= features
            assert row["workspace_bytes"] >= row["kept_bytes"] >= 0
    assert all(row["macs"] > 0 for row in rows if row["name"] != "samples")


def test_the_list_is_one_line_each():
    lines = done().splitlines()
    assert [line.partition(":")[0] for line in lines] == list(FRONTENDS)
    assert "float32 3x64x64 (CHW); 122,880 MACs" in next(line for line in lines if line.startswith("sobel:"))


def test_the_list_can_be_of_some_at_another_size():
    rows = json.loads(done("--frontend", "sobel", "--frontend", "hog", "--size", "32x48", "--json"))
    assert [(row["name"], row["shape"]) for row in rows] == [("sobel", [3, 32, 48]), ("hog", [1, 32, 48])]


def test_measure_gives_sparsity_bytes_and_time_of_every_front_end_of_images(pictures):
    document = json.loads(done("--measure", pictures, "--json"))
    assert set(document) == {"images", "seed", "frontends"}
    assert document["images"] == len(CLASSES)
    rows = document["frontends"]
    assert [row["name"] for row in rows] == [name for name in FRONTENDS if create_frontend(name).size is not None]
    for row in rows:
        assert set(row) == MEASURED
        if row["missing"] is None:
            assert 0 <= row["sparsity"] <= 1
            assert row["bytes"] > 0
            assert row["median_ms"] > 0


def test_measure_shows_a_table_of_the_chosen_front_ends(pictures):
    text = done("--measure", pictures, "--frontend", "sobel-binary", "--frontend", "signature", "--size", "32", "--samples", "2")
    header, *rows, note = text.splitlines()
    assert header.split()[:2] == ["front", "end"]
    assert [row.split()[0] for row in rows] == ["sobel-binary", "signature"]
    assert "PNG 1-bit" in rows[0]
    assert "zlib int8" in rows[1]
    assert note.startswith("means over 2 images")


def test_without_opencv_the_rest_is_measured_and_the_pip_line_told(pictures):
    result = edgekit("--measure", pictures, before=WITHOUT_OPENCV)
    assert result.returncode == 0
    assert "sobel" in result.stdout
    assert "sift was left out" in result.stderr
    assert "pip install 'edgekit[sift]'" in result.stderr
    rows = {row["name"]: row for row in json.loads(done("--json", before=WITHOUT_OPENCV))}
    assert rows["sift"]["workspace_bytes"] is None
    assert "edgekit[sift]" in rows["sift"]["missing"]
    assert rows["sobel"]["missing"] is None


def test_what_was_asked_for_and_cannot_be_measured_is_an_error(pictures):
    refused(edgekit("--measure", pictures, "--frontend", "sift", before=WITHOUT_OPENCV), "pip install 'edgekit[sift]'")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--frontend", "sobol"], ["Unknown front end 'sobol'", "sobel-binary"]),
        (["--size", "big"], ["Expected HEIGHTxWIDTH", "'big'"]),
        (["--measure", "nowhere"], ["nowhere", "found none"]),
        (["--measure", ".", "--samples", "0"], ["--samples"]),
        (["--measure", ".", "--frontend", "samples"], ["sensor windows"]),
        (["--frontend", "samples", "--size", "8"], ["sensor windows"]),
        (["--size", "99999x99999"], ["a size that a front end takes"]),
    ],
)
def test_wrong_input_is_one_line(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    refused(edgekit(*arguments), *words)


def test_an_image_that_cannot_be_decoded_is_named(pictures):
    (pictures / "broken.jpg").write_bytes(b"no image")
    refused(edgekit("--measure", pictures, "--json"), "broken.jpg")
