"""Several processes that share every batch: the figures of one process, one run folder, one document."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from edgekit.training.losses import class_weights, create_loss, loss_weight
from edgekit.training.parallel import Processes

torch = pytest.importorskip("torch", reason="training needs torch")

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "edgekit"]


def edgekit(start: list[str], *arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cwd / "cache")}
    return subprocess.run(
        [*start, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, env=environment, check=False, timeout=500
    )


def test_two_processes_train_what_one_trains(tmp_path, write_pictures):
    # Uneven classes and a last batch that two do not share evenly; mixing, augmentation and a moving average are on.
    data = write_pictures(tmp_path / "data" / "train", {"blue": 20, "red": 12}).parent
    write_pictures(data / "test", {"blue": 4, "red": 4})
    options = ("--model", "fc-pixels", "--size", "16", "--epochs", "3", "--batch-size", "7", "--json")
    alone = edgekit([sys.executable, "-m", "edgekit"], "train", data, "--out", "one", *options, cwd=tmp_path)
    assert alone.returncode == 0, alone.stderr
    both = edgekit(TORCHRUN, "train", data, "--out", "two", *options, cwd=tmp_path)
    assert both.returncode == 0, both.stderr
    one, two = json.loads(alone.stdout), json.loads(both.stdout)
    assert {**two, "run": "one"} == one
    rows = [list(csv.DictReader((tmp_path / name / "curves.csv").read_text().splitlines())) for name in ("one", "two")]
    for mine, theirs in zip(*rows, strict=True):
        assert float(theirs["train_loss"]) == pytest.approx(float(mine["train_loss"]), rel=1e-4)
        assert float(theirs["validation_loss"]) == pytest.approx(float(mine["validation_loss"]), rel=1e-4)
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "two")]
    for name, value in weights[0].items():
        np.testing.assert_allclose(weights[1][name], value, rtol=0, atol=1e-4 * np.abs(value).max())
    assert {path.name for path in (tmp_path / "one").iterdir()} == {path.name for path in (tmp_path / "two").iterdir()}


def test_a_wrong_input_ends_all_processes(tmp_path):
    result = edgekit(TORCHRUN, "train", "nothing", "--model", "fc-pixels", "--out", "run", cwd=tmp_path)
    assert result.returncode != 0
    assert "found nothing there" in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("model", ["fc-pixels", "imagesig-fc"])
def test_an_image_that_cannot_be_read_is_told_by_all_processes_without_a_traceback(tmp_path, write_pictures, model):
    data = write_pictures(tmp_path / "data", {"blue": 8, "red": 8})
    (data / "red" / "torn.png").write_bytes(b"no picture")
    result = edgekit(TORCHRUN, "train", data, "--model", model, "--size", "16", "--out", "run", cwd=tmp_path)
    assert result.returncode != 0
    assert result.stderr.count("torn.png") == 2
    assert "Connection closed" not in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["cross-entropy", "focal"])
@pytest.mark.parametrize("weighted", [True, False])
def test_losses_of_shares_add_up_to_that_of_the_batch(rng, name, weighted):
    targets = torch.tensor([0, 0, 0, 1, 2, 2, 0])
    logits = torch.from_numpy(rng.normal(size=(7, 3)).astype(np.float32))
    alpha = class_weights(targets.numpy(), 3) if weighted else None
    loss = create_loss(name, alpha=alpha, label_smoothing=0.1 if name == "cross-entropy" else 0.0)
    shares = [Processes(rank, 3).share(len(targets)) for rank in range(3)]
    parts = [loss(logits[mine], targets[mine]) * loss_weight(name, targets[mine], alpha) for mine in shares]
    assert float(sum(parts)) / loss_weight(name, targets, alpha) == pytest.approx(float(loss(logits, targets)), rel=1e-6)
