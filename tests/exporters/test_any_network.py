"""`edgekit.exporters.export` on networks of any kind: which become files, and what it says of those that cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import nn

from edgekit.errors import InputError, ModelError
from edgekit.exporters import export
from tests.exporters.networks import waves


class Wrong(nn.Module):
    """A linear network around a function of the test."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.function, self.head = function, nn.Linear(120, 2)

    def forward(self, x: torch.Tensor) -> object:
        return self.function(x, self.head)  # type: ignore[operator]


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
    "a branch on the data": (branch, r"Python reads values in test_any_network.py:\d+ \(if x.mean\(\) > 1e6:\)"),
    "a mask that selects": (masked, r"shapes are made of values in test_any_network.py:\d+ \(.*x\[x > 0\]"),
    "through NumPy": (through_numpy, r"Python reads values in test_any_network.py:\d+ \(.*x.numpy"),
    "through a list": (list_of_numbers, r"Python reads values in test_any_network.py:\d+ \(.*tolist"),
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
def test_buffers_of_other_dtypes_are_named(dtype: torch.dtype, words: str) -> None:
    scaled = nn.Identity()
    scaled.register_buffer("scale", torch.ones(1, dtype=dtype))
    with pytest.raises(ModelError, match=words):
        export(nn.Sequential(scaled, nn.Flatten(), nn.Linear(120, 2)), waves(20)[0])


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
    assert "fft_rfft in body.1, test_any_network.py:" in spectrum
    assert "not in ONNX opset 17; instead: compute the spectrum before the network" in spectrum
    assert "erfinv in the network's forward, test_any_network.py:" in inverse
    assert "not in ONNX opset 17 or TFLite; instead: tanh, GELU" in inverse
    assert "lgamma in the network's forward" in gamma


def test_operators_that_no_runtime_opens_are_named_by_module() -> None:
    class Sorted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.sort(-1).values

    network = nn.Sequential(Sorted(), nn.Flatten(), nn.Linear(120, 2))
    with pytest.raises(
        ModelError, match=r"sort in 0, test_any_network.py:\d+ \(return x.sort.*not in TFLite; instead: take maxima"
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
