"""`edgekit export --qat` on a run of images and on a network of sensor windows."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from edgekit.cli import main
from edgekit.core.bundle import Bundle
from edgekit.core.manifest import Manifest
from edgekit.errors import GateError
from edgekit.training.progress import Silent

if TYPE_CHECKING:
    from edgekit.models.checkpoint import Run

SPEC = "tests.exporters.uneven:uneven"
CONFIG = {"shape": [3, 12, 12]}

pytest.importorskip("torch", reason="the workstation's side needs torch")


def exported(run: Path | Run, out: Path, epochs: int = 6, notes: list[str] | None = None) -> Manifest:
    from edgekit.workflows.export import export_run

    said = [] if notes is None else notes
    return export_run(run, out, Silent(), precisions=["fp32", "int8"], note=said.append, tuning_epochs=epochs)


@pytest.fixture(scope="module")
def windows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Windows of four classes, as a data set."""
    from tests.exporters.networks import images

    folder = tmp_path_factory.mktemp("windows")
    x, y = images(1112, 5)
    np.savez(folder / "train.npz", x=x, y=y)
    return folder


@pytest.fixture(scope="module")
def uneven_run(windows: Path) -> Run:
    """A network that int8 throughout ruins."""
    from edgekit.frontends.base import create_frontend
    from edgekit.workflows.module import module_run

    return module_run(SPEC, windows, create_frontend("samples", CONFIG), "uneven")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, uneven_run: Run) -> tuple[Path, list[str]]:
    notes: list[str] = []
    out = tmp_path_factory.mktemp("tuned") / "t.bundle"
    exported(uneven_run, out, notes=notes)
    return out, notes


def test_the_bundle_says_that_its_weights_were_tuned_and_on_what(tuned: tuple[Path, list[str]]) -> None:
    manifest = Bundle.open(tuned[0]).manifest
    assert manifest.tuning is not None
    assert (manifest.tuning.epochs, manifest.tuning.seed, manifest.tuning.images) == (6, 0, 600)
    assert len(manifest.tuning.digest) == 64
    assert {parity.n for artifact in manifest.artifacts for parity in artifact.parity} == {512}
    (line,) = [line for line in tuned[1] if line.startswith("Fine-tuned")]
    assert line.startswith("Fine-tuned 6 epochs on 600 images: rounded to int8, the network agrees on ")
    assert "of 512 images that it was not tuned on" in line


def test_without_it_the_same_run_misses_its_gate(uneven_run: Run, tmp_path: Path) -> None:
    with pytest.raises(GateError, match="to agree with PyTorch"):
        exported(uneven_run, tmp_path / "x.bundle", epochs=0)


def test_where_it_does_not_help_the_run_keeps_its_weights(trained_run: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    manifest = exported(trained_run, tmp_path / "x.bundle", epochs=1, notes=notes)
    assert manifest.tuning is None
    assert any(line.startswith("Fine-tuning did not help") and "the run's own weights" in line for line in notes)


def test_float_and_int8_are_made_of_the_tuned_weights(tuned: tuple[Path, list[str]], uneven_run: Run, tmp_path: Path) -> None:
    from edgekit.workflows.export import export_run

    export_run(uneven_run, tmp_path / "own.bundle", Silent(), precisions=["fp32"])
    own, other = Bundle.open(tmp_path / "own.bundle"), Bundle.open(tuned[0])
    assert own.manifest.tuning is None
    for name in ("model.fp32.onnx", "model.fp32.tflite"):
        assert own.read(name) != other.read(name)
    for artifact in other.manifest.artifacts:
        for parity in artifact.parity:
            assert parity.agreement >= 0.97


def test_the_command_makes_the_same_bundle_to_the_byte(
    tuned: tuple[Path, list[str]], windows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = tmp_path / "uneven.bundle"
    front = ["--data", str(windows), "--frontend", "samples", "--frontend-config", json.dumps(CONFIG)]
    options = ["--precision", "fp32", "--precision", "int8", "--qat", "6", "--json"]
    monkeypatch.setattr(sys, "argv", ["edgekit", "export", "--module", SPEC, *front, "--out", str(again), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    for file in tuned[0].iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name


def test_tuning_that_costs_the_network_its_accuracy_leaves_no_bundle(
    uneven_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.workflows import tune as workflow

    # As if the float network had learned to be wrong: its rounded self is what it is.
    monkeypatch.setattr(workflow, "_check_kept", partial(_forgotten, workflow._check_kept))
    with pytest.raises(GateError, match="Expected the fine-tuned network on torch to lose at most"):
        exported(uneven_run, tmp_path / "x.bundle")
    assert list(tmp_path.iterdir()) == []


def _forgotten(check: Callable[..., None], reference: np.ndarray, logits: np.ndarray, targets: np.ndarray, points: float) -> None:
    check(reference, np.roll(logits, 1, axis=1), targets, points)
