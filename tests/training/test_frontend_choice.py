"""Networks of pixels fed with sparse pictures, from training to an evaluated bundle."""

from __future__ import annotations

import pytest

from edgekit.models.checkpoint import load_run
from edgekit.training.config import TrainConfig
from edgekit.training.loop import train
from edgekit.training.progress import Silent
from edgekit.workflows.evaluate import evaluate
from edgekit.workflows.export import export_run

SPARSE = ("sobel", "sobel-binary", "sobel-masked", "colour-edges", "hog", "scattering")


@pytest.mark.parametrize("frontend", SPARSE)
def test_a_compact_network_takes_any_maps(split_folder, tmp_path, frontend):
    train(TrainConfig(split_folder, "resnet8", tmp_path / "run", frontend=frontend, size=(32, 32), epochs=1, copies=1))
    run = load_run(tmp_path / "run")
    assert (run.frontend.name, run.frontend.size) == (frontend, (32, 32))
    assert run.frontend.standardise is not None
    assert run.config.training["frontend"] == frontend


def test_mobilenetv2_on_binary_edges_becomes_a_bundle(split_folder, tmp_path):
    config = TrainConfig(
        split_folder, "mobilenetv2-0.35", tmp_path / "run", frontend="sobel-binary", size=(32, 32), epochs=1, copies=0
    )
    train(config)
    manifest = export_run(tmp_path / "run", tmp_path / "edges.bundle", Silent(), precisions=["fp32"])
    assert manifest.frontend.name == "sobel-binary"
    rows = evaluate(tmp_path / "edges.bundle", split_folder, Silent())["results"]
    assert {row["runtime"] for row in rows} >= {"litert", "onnxruntime"}
