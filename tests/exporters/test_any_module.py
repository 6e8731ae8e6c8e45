"""`edgekit.exporters.export`: the shortest call, what it refuses, and what it says then."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import edgekit
from edgekit.core.bundle import Bundle
from edgekit.errors import InputError, ModelError, UserError
from edgekit.exporters import ModuleExport, export
from edgekit.golden import check_golden
from tests.exporters.networks import train, waves


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv1d(3, 8, 5), nn.BatchNorm1d(8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(0.1)]
    return train(nn.Sequential(*layers, nn.Linear(8, 2)), *waves(300, 1), epochs=40)


@pytest.fixture(scope="module")
def made(network: nn.Module) -> ModuleExport:
    return export(network, *waves(100), class_names=("slow", "fast"), name="waves", layout="NCT")


def test_one_call_gives_every_file_of_the_target_each_checked(made: ModuleExport) -> None:
    assert list(made.files) == [
        *("model.fp32.onnx", "model.int8.onnx", "model.fp32.tflite", "model.fp16.tflite"),
        *("model.int8-dynamic.tflite", "model.int8.tflite"),
    ]
    assert all(parity.agreement >= 0.97 for artifact in made.artifacts for parity in artifact.parity)
    assert "model.int8.tflite, " in str(made)
    assert made.notes == ()


def test_it_writes_a_bundle_that_predicts_and_checks_itself(made: ModuleExport, network: nn.Module, tmp_path: Path) -> None:
    manifest = made.write(tmp_path / "waves.bundle")
    assert (manifest.name, manifest.model, manifest.labels) == ("waves", "Sequential", ("slow", "fast"))
    bundle = Bundle.open(tmp_path / "waves.bundle")
    assert all(check.ok for check in check_golden(bundle))
    x, _ = waves(20, 5)
    with torch.no_grad():
        wanted = network(torch.from_numpy(x)).argmax(1).numpy()
    for runtime, precision in (("litert", "int8"), ("onnxruntime", "fp32")):
        with edgekit.open(tmp_path / "waves.bundle", runtime=runtime, precision=precision) as pipeline:
            assert [pipeline.predict(window).index for window in x] == wanted.tolist()
    with pytest.raises(UserError, match="exists"):
        made.write(tmp_path / "waves.bundle")


def test_tensors_and_arrays_give_the_same_files(network: nn.Module, made: ModuleExport) -> None:
    x, y = waves(100)
    again = export(network, torch.from_numpy(x), torch.from_numpy(y), formats=["tflite"], precisions=["int8"])
    assert list(again.files) == ["model.int8.tflite"]
    assert again.artifacts[0].input.affine == next(a for a in made.artifacts if a.file == "model.int8.tflite").input.affine


def test_a_module_in_training_mode_is_left_so_and_said_so(network: nn.Module) -> None:
    network.train()
    try:
        made = export(network, waves(4)[0], formats=["onnx"], precisions=["fp32"])
        assert network.training
    finally:
        network.eval()
    assert "1 (BatchNorm1d), 5 (Dropout)" in made.notes[0]
    assert made.artifacts[0].parity[0].sqnr_db is None or made.artifacts[0].parity[0].sqnr_db > 100


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (torch.zeros(1, 3, 40), "at least 16 real inputs to calibrate int8 on, got 1"),
        (torch.ones(20, 3, 40), "20 equal ones"),
        (np.zeros((0, 3, 40), np.float32), r"float32 \(0, 3, 40\)"),
        (np.zeros((20, 3, 40), np.uint8), "a float dtype, got uint8"),
        (np.zeros((20, 3, 40), np.complex64), "a float dtype, got complex64"),
        (np.full((20, 3, 40), np.nan, np.float32), "got NaN or infinity"),
        ((torch.zeros(20, 3, 40), torch.zeros(20, 1)), "got tuple of 2"),
        ([np.zeros((3, 40)), np.zeros((3, 41))], "got list of 2"),
        ({"x": torch.zeros(20, 3, 40)}, "got dict of 1"),
        (waves(20)[0].transpose(0, 2, 1), r"takes \(n, 40, 3\) float32, it refuses.*RuntimeError"),
    ],
)
def test_inputs_that_cannot_be_used_are_refused(network: nn.Module, given: object, words: str) -> None:
    with pytest.raises((InputError, ModelError), match=words):
        export(network, given)  # type: ignore[arg-type]


def test_calibration_is_asked_the_same(network: nn.Module) -> None:
    x, _ = waves(20)
    with pytest.raises(InputError, match="at least 16 real inputs"):
        export(network, x, calibration=x[:3])
    with pytest.raises(InputError, match="20 equal ones"):
        export(network, x, calibration=np.zeros_like(x))
    with pytest.raises(InputError, match=r"shape \(n, 3, 40\), n >= 1, got \(20, 3, 39\)"):
        export(network, x, calibration=x[:, :, 1:])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([2] * 20, "integers from 0 to 1, the places of 2 logits, got int64: 2"),
        ([-1, 0] * 10, "got int64: -1, 0"),
        (["slow", "fast"] * 10, "fast, slow"),
        (np.full(20, 0.5), "got float64: 0.5"),
        ([0] * 19, r"20 parity labels, got shape \(19,\)"),
    ],
    ids=["beyond", "below", "names", "floats", "too few"],
)
def test_labels_that_are_no_places_of_the_logits_are_refused(network: nn.Module, labels: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        export(network, waves(20)[0], labels, formats=["tflite"], precisions=["int8"])  # type: ignore[arg-type]


def test_a_network_of_one_logit_is_refused_since_every_file_would_agree_with_it() -> None:
    one = nn.Sequential(nn.Flatten(), nn.Linear(120, 1)).eval()
    with pytest.raises(InputError, match=r"at least 2 classes, got 1.*torch.cat\(\[torch.zeros_like\(x\), x\], 1\)"):
        export(one, waves(20)[0], precisions=["int8"])


def test_inputs_that_the_network_gives_one_label_tell_nothing_of_int8(network: nn.Module) -> None:
    x, labels = waves(100)
    with torch.no_grad():
        slow = network(torch.from_numpy(x)).argmax(1).numpy() == 0
    alike = x[slow]
    with pytest.raises(InputError, match=f"tells apart, it calls all {len(alike)} class 0"):
        export(network, alike, np.arange(len(alike)) % 2, formats=["tflite"])
    made = export(network, alike, labels[slow] * 0, formats=["tflite"], precisions=["int8"])
    assert f"all {len(alike)} inputs label 0" in made.notes[0]


def test_names_formats_and_precisions_that_do_not_fit_are_refused(network: nn.Module) -> None:
    x, _ = waves(20)
    with pytest.raises(InputError, match="Expected 2 different class_names"):
        export(network, x, class_names=("a", "b", "c"))
    with pytest.raises(UserError, match=r"target 'generic' gets \(onnx, tflite\)"):
        export(network, x, formats=["coreml"])
    with pytest.raises(UserError, match="int4"):
        export(network, x, precisions=["int4"])


def test_importing_the_door_does_not_import_torch() -> None:
    code = "import sys, edgekit.exporters, edgekit.exporters.targets; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_the_public_surface_is_what_was_decided() -> None:
    import edgekit.exporters

    assert sorted(edgekit.exporters.__all__) == ["ModuleExport", "export"]
    with pytest.raises(AttributeError, match="no attribute 'convert'"):
        _ = edgekit.exporters.convert


@pytest.mark.parametrize("page", ["README.md", "docs/any-network.md"])
def test_the_example_of_the_docs_runs(page: str, network: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    (example,) = (block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "edgekit.exporters import export" in block)
    monkeypatch.chdir(tmp_path)
    images, classes = waves(120)
    exec(example, {"network": network, "images": images, "classes": classes, "others": waves(40, 2)[0]})
    assert (tmp_path / "mine.bundle" / "model.int8.tflite").is_file()
