"""Is int8 worth it? The rule on figures written here, and the command on the committed bundle."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from edgekit.bench.compare import Quality, compare, pairs_of, recorded_quality
from edgekit.bench.labelled import AT_MOST, labelled_inputs
from edgekit.bench.plan import candidates_of
from edgekit.core.bundle import Bundle
from edgekit.errors import BundleError
from edgekit.frontends import Pixels, Samples
from edgekit.runtimes import installed_runtimes
from tests.synthetic import CLASSES, texture

pytestmark = pytest.mark.device


def run(precision: str, *windows_ms: float, runtime: str = "litert") -> dict:
    return {
        "artifact": f"model.{precision}.tflite",
        "precision": precision,
        "runtime": runtime,
        "threads": 1,
        "bytes": 1000,
        "end_to_end": {"window_p50_ms": list(windows_ms)},
    }


def judged(whole: dict, integer: dict, before: Quality | None, after: Quality | None, **more) -> dict:
    qualities = {(whole["artifact"], whole["runtime"]): before, (integer["artifact"], integer["runtime"]): after}
    return compare([whole, integer], qualities, firm=True, **more)["pairs"][0]


GOOD = Quality(400, 0.90, 1.0, "images")
FLOAT = run("fp32", 2.0, 2.1, 2.05)


def test_int8_is_shipped_where_it_is_faster_and_as_accurate():
    pair = judged(FLOAT, run("int8", 1.5, 1.52, 1.51), GOOD, Quality(400, 0.895, 0.99, "images"))
    assert pair["ship"] == "int8"
    assert pair["gain_ms"] == pytest.approx(0.54)
    assert pair["spread_ms"] == pytest.approx(0.1)
    assert pair["lost"] == pytest.approx(0.005)
    assert pair["why"] == (
        "int8 is faster by 0.540 ms an image (26 %), spread 0.100 ms; it loses 0.5 points of accuracy on 400 images (1.0 allowed)"
    )


@pytest.mark.parametrize(
    ("windows", "words"),
    [
        ((1.96, 1.97, 1.98), "int8 is as fast within the spread"),
        ((2.10, 2.11, 2.12), "int8 is as fast within the spread"),
        ((3.0, 3.0, 3.0), "int8 is slower by 0.950 ms an image (46 %)"),
        ((1.0, 1.4, 2.5), "int8 is as fast within the spread"),
    ],
)
def test_a_gain_within_the_spread_is_none_and_a_tie_goes_to_float(windows, words):
    pair = judged(FLOAT, run("int8", *windows), GOOD, GOOD)
    assert pair["ship"] == "fp32"
    assert words in pair["why"]


def test_a_fast_int8_that_loses_accuracy_is_not_shipped():
    pair = judged(FLOAT, run("int8", 1.0, 1.0, 1.0), GOOD, Quality(400, 0.885, 0.99, "images"))
    assert pair["ship"] == "fp32"
    assert "loses 1.5 points of accuracy on 400 images (only 1.0 allowed)" in pair["why"]


def test_two_images_may_be_lost_on_a_small_set():
    before = Quality(50, 0.90, 1.0, "images")
    assert judged(FLOAT, run("int8", 1.0, 1.0), before, Quality(50, 0.86, 0.9, "images"))["ship"] == "int8"
    assert judged(FLOAT, run("int8", 1.0, 1.0), before, Quality(50, 0.84, 0.9, "images"))["ship"] == "fp32"


def test_without_labels_the_share_of_changed_labels_decides():
    before = Quality(512, None, 1.0, "manifest")
    kept = judged(FLOAT, run("int8", 1.0, 1.0), before, Quality(512, None, 0.98, "manifest"))
    assert kept["ship"] == "int8"
    assert "2.0 % of 512 images change their label (3.0 allowed)" in kept["why"]
    assert judged(FLOAT, run("int8", 1.0, 1.0), before, Quality(512, None, 0.96, "manifest"))["ship"] == "fp32"


def test_an_unknown_accuracy_ships_float_and_says_what_to_pass():
    pair = judged(FLOAT, run("int8", 1.0, 1.0), None, None)
    assert pair["ship"] == "fp32"
    assert "pass --images as a labelled folder" in pair["why"]


def test_of_the_runtimes_the_fastest_is_shipped():
    runs = [
        FLOAT,
        run("int8", 1.5, 1.5),
        run("fp32", 1.2, 1.2, runtime="onnxruntime"),
        run("int8", 1.9, 1.9, runtime="onnxruntime"),
    ]
    qualities = {(r["artifact"], r["runtime"]): GOOD for r in runs}
    document = compare(runs, qualities, firm=True, machine="aarch64")
    assert [pair["ship"] for pair in document["pairs"]] == ["int8", "fp32"]
    assert (document["ship"]["runtime"], document["ship"]["precision"]) == ("onnxruntime", "fp32")
    assert document["notes"] == []
    assert "signed activations in float32" in compare(runs, qualities, firm=True, machine="x86_64")["notes"][0]


def test_the_manifest_s_figures_are_taken_for_the_runtime_or_its_sibling(golden_bundle):
    artifact = Bundle.open(golden_bundle).artifacts("int8", "tflite")[0]
    parity = {entry.runtime: entry for entry in artifact.parity}
    found = recorded_quality(artifact, "litert")
    assert found == Quality(parity["litert"].n, parity["litert"].accuracy, parity["litert"].agreement, "manifest")
    assert recorded_quality(artifact, "unheard-of") is not None


def test_pairs_are_of_one_runtime_and_a_bundle_without_them_is_told(golden_bundle):
    bundle = Bundle.open(golden_bundle)
    pairs = pairs_of(candidates_of(bundle, None, None, [1, 2]))
    assert len(pairs) == 2 * len({*installed_runtimes("onnx"), *installed_runtimes("tflite")})
    for whole, integer in pairs:
        assert (whole.artifact.precision, integer.artifact.precision) == ("fp32", "int8")
        assert (whole.runtime, whole.threads, whole.artifact.format) == (
            integer.runtime,
            integer.threads,
            integer.artifact.format,
        )
    with pytest.raises(BundleError, match=r"Expected fp32 and int8 of one format to compare, got model\.int8"):
        pairs_of(candidates_of(bundle, None, "int8", [1]))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """test/CLASS/*.png, and one misleading picture under train/."""
    root = tmp_path_factory.mktemp("data")
    for kind in CLASSES:
        (root / "test" / kind).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(texture(kind, 100 + number, 96)).save(root / "test" / kind / f"{number}.png")
    (root / "train" / CLASSES[0]).mkdir(parents=True)
    Image.fromarray(texture(CLASSES[1], 1, 96)).save(root / "train" / CLASSES[0] / "wrong.png")
    return root


def test_labelled_folders_are_known_by_their_names_and_test_comes_first(photos):
    files = sorted(photos.rglob("*.png"))
    inputs = labelled_inputs(files, CLASSES, Pixels())
    assert len(inputs) == 4 * len(CLASSES)
    assert all(CLASSES[label] == file.parent.name for file, label in inputs)
    assert labelled_inputs(files, ("other", "labels"), Pixels()) == ()
    assert len(labelled_inputs(files * 500, CLASSES, Pixels())) == AT_MOST


def test_labelled_windows_are_taken_from_the_file(tmp_path):
    x, y = np.zeros((6, 3, 4), np.float32), np.arange(6) % 2
    np.savez(tmp_path / "test.npz", x=x, y=y, labels=["a", "b"])
    np.savez(tmp_path / "bare.npz", x=x)
    windows = Samples((3, 4))
    found = labelled_inputs([tmp_path / "test.npz"], ("a", "b"), windows)
    assert sorted(label for _, label in found) == [0, 0, 0, 1, 1, 1]
    assert labelled_inputs([tmp_path / "bare.npz"], ("a", "b"), windows) == ()
    assert labelled_inputs([tmp_path / "test.npz"], ("b", "a"), windows) == ()


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_measures_in_turns_and_ships_one(golden_bundle, photos):
    result = bench(golden_bundle, "--images", photos, "--runtime", "litert", "--compare", "--smoke", "--json")
    assert result.returncode == 0, result.stderr
    document = json.loads(result.stdout)
    assert [entry["precision"] for entry in document["runs"]] == ["fp32", "int8"]
    comparison = document["comparison"]
    (pair,) = comparison["pairs"]
    assert pair["fp32"]["quality"]["source"] == pair["int8"]["quality"]["source"] == "images"
    assert pair["fp32"]["quality"]["n"] == 4 * len(CLASSES)
    assert pair["fp32"]["quality"]["accuracy"] >= 0.9
    assert comparison["ship"]["artifact"] == pair[pair["ship"]]["artifact"]
    assert comparison["firm"] is False
    assert "spread" in comparison["rule"]


def test_without_labels_the_bundle_s_own_accuracy_stands_beside(golden_bundle):
    result = bench(golden_bundle, "--runtime", "litert", "--compare", "--smoke")
    assert result.returncode == 0, result.stderr
    assert "images. Ship" in result.stdout
    assert "Ship model." in result.stdout
    assert "Rule: int8 where" in result.stdout


def test_compare_with_one_precision_is_refused(golden_bundle):
    result = bench(golden_bundle, "--compare", "--precision", "int8")
    assert result.returncode == 2
    assert len(result.stderr.strip().splitlines()) == 1
