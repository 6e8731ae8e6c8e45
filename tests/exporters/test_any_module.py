"""`edgekit.exporters.export`: the shortest call, what it refuses, and what it says then."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import nn

import edgekit
from edgekit.core.bundle import Bundle
from edgekit.errors import InputError, ModelError, UserError
from edgekit.exporters import ModuleExport, export
from edgekit.golden import check_golden
from tests.exporters.networks import train


def waves(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3, 40) float32 of two frequencies in noise, and which."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    turns = np.linspace(0, 2 * np.pi, 40) * (2 + 3 * labels[:, None, None]) + rng.uniform(0, 6, (n, 3, 1))
    return (np.sin(turns) + rng.normal(0, 0.3, (n, 3, 40))).astype(np.float32), labels


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv1d(3, 8, 5), nn.BatchNorm1d(8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(0.1)]
    return train(nn.Sequential(*layers, nn.Linear(8, 2)), *waves(300, 1), epochs=40)


@pytest.fixture(scope="module")
def made(network: nn.Module) -> ModuleExport:
    return export(network, *waves(100), class_names=("slow", "fast"), name="waves", layout="NCT")


class Wrong(nn.Module):
    """A linear network around a function of the test."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.function, self.head = function, nn.Linear(120, 2)

    def forward(self, x: torch.Tensor) -> object:
        return self.function(x, self.head)  # type: ignore[operator]


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


def branch(x: torch.Tensor, head: nn.Module) -> torch.Tensor:
    x = x.flatten(1)
    if x.mean() > 1e6:
        x = x * 2
    return head(x)


def masked(x: torch.Tensor, head: nn.Module) -> torch.Tensor:
    return head(x.flatten(1)) + x[x > 0].mean()


def through_numpy(x: torch.Tensor, head: nn.Module) -> torch.Tensor:
    return head(torch.from_numpy(np.tanh(x.numpy())).flatten(1))


def list_of_numbers(x: torch.Tensor, head: nn.Module) -> torch.Tensor:
    return head(x.flatten(1)) * max(x.amax((1, 2)).tolist())


WRONG = {
    "a branch on the data": (branch, r"Python reads values in test_any_module.py:\d+ \(if x.mean\(\) > 1e6:\)"),
    "a mask that selects": (masked, r"shapes are made of values in test_any_module.py:\d+ \(.*x\[x > 0\]"),
    "through NumPy": (through_numpy, r"Python reads values in test_any_module.py:\d+ \(.*x.numpy"),
    "through a list": (list_of_numbers, r"Python reads values in test_any_module.py:\d+ \(.*tolist"),
    "a tuple": (lambda x, head: (head(x.flatten(1)), x), "gives one tensor, got a tuple of 2"),
    "a dictionary": (lambda x, head: {"logits": head(x.flatten(1)), "maps": x}, "got a dict of logits, maps"),
    "maps": (lambda x, head: x, r"to \(n, classes\) logits, got \(2, 3, 40\)"),
    "random": (lambda x, head: head(functional.dropout(x.flatten(1))), "gives others each time.*dropout"),
    "normalised across the batch": (lambda x, head: head((x - x.mean(0)).flatten(1)), "depend on their own input alone"),
    "float64 inside": (lambda x, head: head(x.flatten(1)) * torch.ones(1, 2, dtype=torch.float64), "float32 logits, got float64"),
    "not finite": (lambda x, head: head(x.flatten(1)) / 0, "finite logits"),
}


@pytest.mark.parametrize("case", WRONG)
def test_networks_that_cannot_become_a_file_are_refused_with_the_line(case: str) -> None:
    function, words = WRONG[case]
    with pytest.raises((ModelError, InputError), match=words):
        export(Wrong(function), waves(20)[0])


def test_reading_weights_and_shapes_is_no_control_flow() -> None:
    def plain(x: torch.Tensor, head: nn.Module) -> torch.Tensor:
        scale = float(head.weight.abs().max())  # type: ignore[union-attr]
        mask = torch.ones_like(x[0, 0])
        x = x[:, :, mask > 0] if x.shape[-1] == 40 else x
        x = x * functional.one_hot((x > 0).long(), 2)[..., 0]
        return head(x.flatten(1)) * (2.0 if scale > 0 else 1.0)

    made = export(Wrong(plain), waves(4)[0], formats=["onnx"], precisions=["fp32"])
    assert made.artifacts[0].parity[0].agreement == 1.0


def test_several_inputs_are_refused_by_name() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return x * mask

    with pytest.raises(ModelError, match=r"one input, got forward\(x, mask\)"):
        export(Two(), waves(20)[0])


@pytest.mark.parametrize(
    ("dtype", "words"),
    [
        (torch.float64, r"0.scale \(float64 buffer\).*module.float\(\)"),
        (torch.complex64, r"0.scale \(complex64 buffer\).*complex numbers"),
    ],
)
def test_buffers_of_other_dtypes_are_named(network: nn.Module, dtype: torch.dtype, words: str) -> None:
    scaled = nn.Identity()
    scaled.register_buffer("scale", torch.ones(1, dtype=dtype))
    with pytest.raises(ModelError, match=words):
        export(nn.Sequential(scaled, network), waves(20)[0])


class Spectrum(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.fft.rfft(x).abs()


class Exotic(nn.Module):
    """Three operators that some format lacks, in two modules."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(3, 3, 1), Spectrum())
        self.head = nn.Linear(63, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.erfinv(0.5 * torch.tanh(self.body(x)))
        return self.head(torch.lgamma(x.abs() + 1).flatten(1))


def test_operators_that_a_format_lacks_are_all_listed_with_module_line_and_advice() -> None:
    with pytest.raises(ModelError) as caught:
        export(Exotic(), waves(20)[0])
    first, *listed = str(caught.value).splitlines()
    assert first == "Expected a network whose operators ONNX and TFLite can hold, these it cannot:"
    assert len(listed) == 3
    spectrum, inverse, gamma = listed
    assert "fft_rfft in body.1, test_any_module.py:" in spectrum
    assert "not in ONNX opset 17; instead: compute the spectrum before the network" in spectrum
    assert "erfinv in the network's forward, test_any_module.py:" in inverse
    assert "not in ONNX opset 17 or TFLite; instead: tanh, GELU" in inverse
    assert "lgamma in the network's forward" in gamma


def test_operators_that_no_runtime_opens_are_named_by_module() -> None:
    class Sorted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sort(-1).values

    network = nn.Sequential(Sorted(), nn.Flatten(), nn.Linear(120, 2))
    with pytest.raises(
        ModelError, match=r"sort in 0, test_any_module.py:\d+ \(return x.sort.*not in TFLite; instead: take maxima"
    ):
        export(network, waves(20)[0], formats=["tflite"], precisions=["int8"])


class LastState(nn.Module):
    """A recurrent network whose author asks Python what came back: symbolic tracing answers wrongly."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.GRU(3, 6, batch_first=True), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x.transpose(1, 2)[:, ::4])
        y = y[0] if isinstance(y, tuple) else y
        return self.head(y[:, -1])


def over(*layers: nn.Module, features: int) -> nn.Module:
    return nn.Sequential(nn.Conv1d(3, 8, 5), *layers, nn.Flatten(), nn.Linear(features, 2))


TORCHS_OWN = {
    "TransformerEncoderLayer": lambda: nn.Sequential(nn.TransformerEncoderLayer(40, 4, 32, batch_first=True), over(features=288)),
    "GRU": LastState,
    "LogSoftmax at the end": lambda: nn.Sequential(over(nn.ReLU(), features=288), nn.LogSoftmax(dim=1)),
    "RMSNorm": lambda: over(nn.RMSNorm(36), features=288),
    "ChannelShuffle": lambda: over(nn.ReLU(), nn.ChannelShuffle(2), nn.Conv1d(8, 8, 3, groups=2), features=272),
    "AdaptiveAvgPool1d of sizes that do not divide": lambda: over(nn.AdaptiveAvgPool1d(7), features=56),
}


@pytest.mark.parametrize("name", TORCHS_OWN)
def test_modules_of_torch_that_its_exporter_or_a_quantizer_stumbles_over_come_through(name: str) -> None:
    torch.manual_seed(0)
    made = export(TORCHS_OWN[name]().eval(), waves(40)[0], formats=["onnx"], precisions=["fp32", "int8"], gate=False)
    for artifact in made.artifacts:
        (parity,) = artifact.parity
        assert parity.sqnr_db is None or parity.sqnr_db > (100 if artifact.precision == "fp32" else 25), parity
        assert artifact.input.dtype == ("float32" if artifact.precision == "fp32" else "int8")


def test_weight_norm_of_the_old_kind_is_told_what_to_do() -> None:
    with pytest.warns(FutureWarning):
        linear = nn.utils.weight_norm(nn.Linear(120, 2))
    network = nn.Sequential(nn.Flatten(), linear)
    network(torch.zeros(1, 3, 40))
    with pytest.raises(ModelError, match="torch.no_grad"):
        export(network, waves(20)[0])
    with torch.no_grad():
        network(torch.zeros(1, 3, 40))
    assert export(network, waves(20)[0], formats=["onnx"], precisions=["fp32"]).files


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
