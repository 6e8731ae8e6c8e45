"""`edgekit export --qat` on a run of images and on one of sensor windows."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edgekit.cli import main
from edgekit.core.bundle import Bundle
from edgekit.core.manifest import Manifest
from edgekit.errors import GateError
from edgekit.training.progress import Silent

pytest.importorskip("torch", reason="the workstation's side needs torch")


def exported(run: Path, out: Path, epochs: int = 2, notes: list[str] | None = None) -> Manifest:
    from edgekit.workflows.export import export_run

    said = [] if notes is None else notes
    return export_run(run, out, Silent(), precisions=["fp32", "int8"], note=said.append, tuning_epochs=epochs)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, trained_run: Path) -> tuple[Path, list[str]]:
    notes: list[str] = []
    out = tmp_path_factory.mktemp("tuned") / "t.bundle"
    exported(trained_run, out, notes=notes)
    return out, notes


def test_the_bundle_says_that_its_weights_were_tuned_and_on_what(tuned: tuple[Path, list[str]]) -> None:
    manifest = Bundle.open(tuned[0]).manifest
    assert manifest.tuning is not None
    # 120 training images, of which half are what the files are compared on.
    assert (manifest.tuning.epochs, manifest.tuning.seed, manifest.tuning.images) == (2, 0, 60)
    assert len(manifest.tuning.digest) == 64
    assert {parity.n for artifact in manifest.artifacts for parity in artifact.parity} == {60}
    (line,) = [line for line in tuned[1] if line.startswith("Fine-tuned")]
    assert line.startswith("Fine-tuned 2 epochs on 60 images: rounded to int8, the network agrees with the run's on ")
    assert "of 60 others" in line


def test_float_and_int8_are_made_of_the_tuned_weights(tuned: tuple[Path, list[str]], trained_run: Path, tmp_path: Path) -> None:
    from edgekit.workflows.export import export_run

    export_run(trained_run, tmp_path / "own.bundle", Silent(), precisions=["fp32"])
    own, other = Bundle.open(tmp_path / "own.bundle"), Bundle.open(tuned[0])
    assert own.manifest.tuning is None
    for name in ("model.fp32.onnx", "model.fp32.tflite"):
        assert own.read(name) != other.read(name)
    for artifact in other.manifest.artifacts:
        for parity in artifact.parity:
            assert parity.agreement >= 0.97


def test_the_command_makes_the_same_bundle_to_the_byte(
    tuned: tuple[Path, list[str]], trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = tmp_path / "again.bundle"
    options = ["--precision", "fp32", "--precision", "int8", "--qat", "2", "--json"]
    monkeypatch.setattr(sys, "argv", ["edgekit", "export", str(trained_run), "--out", str(again), *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    for file in tuned[0].iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name


def test_tuning_that_costs_the_network_its_accuracy_leaves_no_bundle(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekit.workflows import export as workflow

    wild = workflow.TuneConfig(1, learning_rate=30.0)
    monkeypatch.setattr(workflow, "TuneConfig", lambda *_settings: wild)
    with pytest.raises(GateError, match="Expected the fine-tuned network on torch to lose at most"):
        exported(trained_run, tmp_path / "x.bundle", epochs=1)
    assert list(tmp_path.iterdir()) == []


def test_sensor_windows_can_be_tuned_on(tmp_path: Path) -> None:
    from edgekit.training.config import TrainConfig
    from edgekit.training.loop import train

    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    time = np.linspace(0, 6, 128)[None, None]
    x = np.sin(time * (2 + 3 * y[:, None, None]) + rng.uniform(0, 6, (160, 1, 1))) + rng.normal(0, 0.2, (160, 3, 128))
    np.savez(tmp_path / "train.npz", x=x.astype(np.float32), y=y, labels=np.array(["walk", "run"]))
    train(TrainConfig(tmp_path, "tsak-student", tmp_path / "run", epochs=12, batch_size=16, augment="none", refit=False))
    manifest = exported(tmp_path / "run", tmp_path / "w.bundle", epochs=1)
    assert manifest.tuning is not None
    assert manifest.tuning.images == 80
