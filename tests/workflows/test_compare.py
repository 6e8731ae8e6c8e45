"""`edgekit compare`: facts of one file come together, nothing is made up, the picture can be read."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from edgekit.core.bundle import Bundle
from edgekit.workflows.compare import pareto
from edgekit.workflows.compare_plot import comparison_figure
from tests.workflows.windows import LABELS, write_window_bundle

pytest.importorskip("torch", reason="the workstation's side needs torch")


def edgekit(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from edgekit.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def refused(result: subprocess.CompletedProcess[str], *words: str) -> None:
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def write_json(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def evaluation(bundle: Path, accuracies: dict[str, float], n: int = 60) -> dict:
    """As `edgekit evaluate --json` writes it, of some artifacts on litert."""
    known = {artifact.file: artifact for artifact in Bundle.open(bundle).manifest.artifacts}
    keys = ("precision", "format", "bytes", "sha256")
    rows = [
        {"artifact": file, "runtime": "litert", "accuracy": accuracy, **{key: getattr(known[file], key) for key in keys}}
        for file, accuracy in accuracies.items()
    ]
    return {"source": bundle.name, "n": n, "labels": ["a", "b"], "results": rows}


def bench(bundle: Path, p50_ms: dict[str, float], board: str = "Raspberry Pi 4") -> dict:
    known = {artifact.file: artifact for artifact in Bundle.open(bundle).manifest.artifacts}
    runs = [
        {
            "artifact": file,
            "precision": known[file].precision,
            "runtime": "litert",
            "bytes": known[file].bytes,
            "sha256": known[file].sha256,
            "model_only": {"p50_ms": p50 / 2},
            "end_to_end": {"p50_ms": p50},
        }
        for file, p50 in p50_ms.items()
    ]
    return {"device": {"board": board, "cpu": "Cortex-A72", "machine": "aarch64"}, "runs": runs}


ACCURACIES = {"model.int8.tflite": 0.9, "model.fp32.tflite": 0.95}


@pytest.fixture
def inputs(tmp_path, golden_bundle) -> list[Path]:
    """A bundle, its accuracies, its latencies."""
    return [
        golden_bundle,
        write_json(tmp_path / "accuracy.json", evaluation(golden_bundle, ACCURACIES)),
        write_json(tmp_path / "latency.json", bench(golden_bundle, {"model.int8.tflite": 4.0, "model.fp32.tflite": 6.0})),
    ]


def test_a_bundle_its_evaluation_and_its_bench_come_together(tmp_path, inputs, golden_bundle):
    result = edgekit("compare", *inputs, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    rows = {row["artifact"]: row for row in json.loads(result.stdout)["rows"]}
    assert set(rows) == {artifact.file for artifact in Bundle.open(golden_bundle).manifest.artifacts}
    int8 = rows["model.int8.tflite"]
    assert (int8["name"], int8["accuracy"], int8["n"], int8["runtime"]) == ("textures", 0.9, 60, "litert")
    assert (int8["model_ms"], int8["image_ms"], int8["device"]) == (2.0, 4.0, "Raspberry Pi 4")
    assert int8["bytes"] == (golden_bundle / "model.int8.tflite").stat().st_size
    # Counted by hand in tests/cli/test_commands.py.
    assert int8["parameters"] == 1152 + 32 + 6144 + 64 + 6400 + 50 + 150 + 3
    assert int8["macs"] > 0
    assert rows["model.fp32.onnx"]["accuracy"] is None
    assert int8["pareto"] == ["bytes", "image_ms"]
    assert rows["model.fp32.tflite"]["pareto"] == ["bytes", "macs", "image_ms"]
    assert rows["model.fp32.onnx"]["pareto"] == []


def test_a_run_is_compared_by_its_test_accuracy_and_its_weights(tmp_path, trained_run):
    result = edgekit("compare", trained_run, "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)["rows"]
    metrics = json.loads((trained_run / "metrics.json").read_text())
    assert (row["runtime"], row["precision"], row["accuracy"], row["n"]) == ("torch", "fp32", metrics["test"]["accuracy"], 60)
    assert row["bytes"] == (trained_run / "model.safetensors").stat().st_size
    assert row["parameters"] > 0


def test_a_runs_figures_that_are_none_are_one_line(tmp_path, trained_run):
    shutil.copytree(trained_run, tmp_path / "run")
    for test in (3, {"accuracy": 1.0}, {"accuracy": "high", "n": 60}, [1], {"accuracy": 1.0, "n": 60, "data": []}):
        (tmp_path / "run" / "metrics.json").write_text(json.dumps({"test": test}))
        result = edgekit("compare", "run", cwd=tmp_path)
        assert result.returncode == 2
        assert "Expected test figures in run/metrics.json" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_the_evaluation_of_a_run_takes_the_place_of_its_metrics(tmp_path, trained_run, textures):
    (tmp_path / "e.json").write_text(edgekit("evaluate", trained_run, textures, "--json", cwd=tmp_path).stdout)
    result = edgekit("compare", trained_run, "e.json", "--json", cwd=tmp_path)
    (row,) = json.loads(result.stdout)["rows"]
    assert row["accuracy"] == json.loads((tmp_path / "e.json").read_text())["results"][0]["accuracy"]
    assert row["macs"] > 0


def test_a_run_knows_its_test_data_from_others(tmp_path, trained_run, golden_bundle, textures):
    (tmp_path / "same.json").write_text(edgekit("evaluate", golden_bundle, textures, "--json", cwd=tmp_path).stdout)
    document = json.loads((tmp_path / "same.json").read_text())
    write_json(tmp_path / "other.json", {**document, "data": "0" * 64})
    same, other = (
        json.loads(edgekit("compare", trained_run, file, "--json", cwd=tmp_path).stdout) for file in ("same.json", "other.json")
    )
    assert same["warnings"] == []
    assert other["warnings"] == ["accuracies are of different test data: compare models on one data set"]


def test_two_boards_are_two_rows_and_a_warning(tmp_path, inputs, golden_bundle):
    other = write_json(tmp_path / "nano.json", bench(golden_bundle, {"model.int8.tflite": 9.0}, "Jetson Nano"))
    result = edgekit("compare", *inputs[1:], other, "--json", cwd=tmp_path)
    rows = [row for row in json.loads(result.stdout)["rows"] if row["artifact"] == "model.int8.tflite"]
    assert [(row["device"], row["image_ms"], row["accuracy"]) for row in rows] == [
        ("Raspberry Pi 4", 4.0, 0.9),
        ("Jetson Nano", 9.0, 0.9),
    ]
    assert "different machines" in result.stderr


def test_other_test_data_of_the_same_size_are_a_warning(tmp_path):
    rng, told = np.random.default_rng(0), []
    x, y = rng.normal(size=(10, 3, 8)).astype(np.float32), np.arange(10) % 2
    np.savez(tmp_path / "one.npz", x=x, y=y, labels=LABELS)
    np.savez(tmp_path / "turned.npz", x=x[::-1], y=1 - y[::-1], labels=LABELS[::-1])
    np.savez(tmp_path / "other.npz", x=x + 1, y=y, labels=LABELS)
    for name, open_size in (("a", False), ("b", True)):
        (tmp_path / name).mkdir()
        write_window_bundle(tmp_path / name, open_size=open_size)
    for bundle, data in (("a", "one"), ("b", "turned"), ("b", "other")):
        result = edgekit("evaluate", f"{bundle}/walk.bundle", f"{data}.npz", "--json", cwd=tmp_path)
        told.append(write_json(tmp_path / f"{data}.json", json.loads(result.stdout)))
    same, other = (json.loads(edgekit("compare", told[0], file, "--json", cwd=tmp_path).stdout) for file in told[1:])
    assert same["warnings"] == []
    assert other["warnings"] == ["accuracies are of different test data: compare models on one data set"]


def test_the_table_and_the_precision(tmp_path, inputs):
    result = edgekit("compare", *inputs, "--precision", "int8", cwd=tmp_path)
    lines = result.stdout.splitlines()
    assert lines[0].split()[:3] == ["model", "file", "runtime"]
    assert {line.split()[1] for line in lines[1:]} == {"model.int8.tflite", "model.int8.onnx"}
    assert "90.00 %" in result.stdout


def test_windows_go_through_it_too(tmp_path):
    bundle = write_window_bundle(tmp_path)
    write_json(tmp_path / "e.json", evaluation(bundle, {"model.fp32.onnx": 0.5}))
    (row,) = json.loads(edgekit("compare", bundle, "e.json", "--json", cwd=tmp_path).stdout)["rows"]
    assert (row["accuracy"], row["macs"], row["pareto"]) == (0.5, 48, ["bytes", "macs"])


def test_macs_that_a_file_leaves_unknown_are_told_so_and_win_nothing(tmp_path):
    bundle = write_window_bundle(tmp_path, open_size=True)
    told = write_json(tmp_path / "e.json", evaluation(bundle, {"model.fp32.onnx": 0.5}) | {"source": "elsewhere"})
    document = json.loads(edgekit("compare", told, bundle, "--json", cwd=tmp_path).stdout)
    (row,) = document["rows"]
    assert (row["name"], row["accuracy"], row["parameters"], row["macs"], row["pareto"]) == ("walk", 0.5, 4, None, ["bytes"])
    line = edgekit("compare", told, bundle, cwd=tmp_path).stdout.splitlines()[1].split()
    assert line[-6:] == ["-", "-", "-", "50.00", "%", "bytes"]
    assert json.loads(edgekit("inspect", bundle, "--json", cwd=tmp_path).stdout)["macs"] is None
    result = edgekit("compare", told, bundle, "--plot", "plot.svg", cwd=tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_plot_is_a_picture_that_never_overwrites(tmp_path, inputs, suffix):
    out = tmp_path / f"plot{suffix}"
    result = edgekit("compare", *inputs, "--plot", out.name, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    if suffix == ".png":
        grey = matplotlib.image.imread(out)[..., :3].mean(axis=2)
        assert 0.5 < (grey > 0.99).mean() < 0.999
    else:
        assert "<svg" in out.read_text()
    refused(edgekit("compare", *inputs, "--plot", out.name, cwd=tmp_path), "exists")


def test_a_name_with_dollars_is_no_formula():
    row = {"artifact": "m.tflite", "precision": "int8", "accuracy": 0.9, "macs": 10, "image_ms": None}
    rows = [{**row, "name": name, "sha256": name, "bytes": size} for name, size in (("cost $\\frac$ x", 1000), ("_b", 90000))]
    shown = [text.get_text() for axes in comparison_figure(rows).axes for text in axes.texts]
    assert r"cost \$\frac\$ x" in shown


def test_names_in_the_plot_cover_neither_each_other_nor_a_point(rng):
    rows = [
        {
            "name": f"network-{number}",
            "artifact": "model.int8.tflite",
            "precision": "int8",
            "sha256": str(number),
            "accuracy": float(rng.uniform(0.9, 0.92)),
            "bytes": int(10 ** rng.uniform(4.4, 5)),
            "macs": 10**6,
            "image_ms": None,
        }
        for number in range(20)
    ]
    figure = comparison_figure(rows)
    renderer = figure.canvas.get_renderer()
    assert len(figure.axes) == 2
    for axes in figure.axes:
        boxes = [text.get_window_extent(renderer) for text in axes.texts if text.get_text()]
        points = axes.transData.transform([(x, y) for line in axes.lines[1:] for x, y in zip(*line.get_data(), strict=True)])
        assert len(boxes) >= 5
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert not any(box.contains(*point) for box in boxes for point in points)


def test_the_pareto_front_is_what_nothing_beats(rng):
    points = [(float(cost), float(accuracy)) for cost, accuracy in rng.integers(0, 6, (40, 2))]
    front = pareto([*points, (None, 9.0), (0.0, None)])
    costs, accuracies = np.array(points).T
    for i, (cost, accuracy) in enumerate(points):
        better = (costs <= cost) & (accuracies >= accuracy) & ((costs < cost) | (accuracies > accuracy))
        assert (i in front) == (not better.any())
    assert not front & {40, 41}


ONE_RESULT = '{"results": [{"accuracy": %s"artifact": "x", "precision": "int8", "runtime": "litert"}], "n": 3}'


def test_two_accuracies_of_one_file_are_refused(tmp_path, golden_bundle):
    for name, accuracy in (("a.json", 0.9), ("b.json", 0.8)):
        write_json(tmp_path / name, evaluation(golden_bundle, {"model.int8.tflite": accuracy}))
    refused(edgekit("compare", "a.json", "b.json", cwd=tmp_path), "a.json", "b.json", "one data set")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", ["cannot be read as JSON"]),
        ("[1]", ["a JSON list"]),
        ('{"colour": 1}', ["other keys: colour"]),
        ('{"results": [{"artifact": "x"}], "n": 3}', ["is none", "precision"]),
        ('{"results": 3, "n": 3}', ["is none"]),
        (ONE_RESULT % "NaN, ", ["is none", "nan is no figure"]),
        (ONE_RESULT % "91.5, ", ["is none", "an accuracy of 91.5 is above 1"]),
        (ONE_RESULT % '0.5, "bytes": "12", ', ["is none", "'12' is no figure"]),
        (ONE_RESULT % '0.5, "sha256": [], ', ["is none", "[] is no text"]),
        ('{"runs": [], "device": 3}', ["got none", "Expected"]),
    ],
)
def test_a_file_that_is_no_result_is_refused(tmp_path, content, words):
    (tmp_path / "x.json").write_text(content)
    refused(edgekit("compare", "x.json", cwd=tmp_path), "Expected", *words)


def test_what_is_not_there_and_what_is_no_run_is_refused(tmp_path, golden_bundle):
    (tmp_path / "empty").mkdir()
    shutil.copy(golden_bundle / "model.int8.tflite", tmp_path)
    refused(edgekit("compare", "nothing", cwd=tmp_path), "found nothing there")
    refused(edgekit("compare", "empty", cwd=tmp_path), "run")
    refused(edgekit("compare", "model.int8.tflite", cwd=tmp_path), "JSON")
    refused(edgekit("compare", golden_bundle, "--plot", "x.pdf", cwd=tmp_path), ".png or .svg")
    refused(edgekit("compare", golden_bundle, "--plot", "x.png", cwd=tmp_path), "an accuracy and a cost")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "model.int8.tflite"]
