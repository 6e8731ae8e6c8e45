"""Parameters and multiply-accumulates of the two formats of one network: the same, or different by what the files hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.exporters import export
from edgekit.inspection.describe import inspect_model
from edgekit.models.counts import count_macs
from edgekit.models.registry import create_model
from tests.exporters.networks import signature_like


class UpAgain(nn.Module):
    """13,824 + 32,768 + 32 multiply-accumulates: a convolution of stride 2, a transposed one, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up, self.head = nn.Conv2d(3, 8, 3, 2, 1), nn.ConvTranspose2d(8, 16, 2, 2), nn.Linear(16, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.up(torch.relu(self.down(x)))).mean((2, 3)))


class NormFirst(nn.Module):
    """A batch norm over 6 maps of 16 x 16 that no layer can take in: a ReLU stands on either side."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.head = nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.Linear(6, 2)
        self.norm.running_mean, self.norm.running_var = torch.rand(6) - 0.5, torch.rand(6) + 0.5
        self.norm.weight, self.norm.bias = nn.Parameter(torch.rand(6) + 0.5), nn.Parameter(torch.rand(6) - 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.interpolate(torch.relu(self.stem(x)), scale_factor=2.0, mode="nearest")
        return self.head(torch.relu(self.norm(x)).mean((2, 3)))


@pytest.fixture
def pictures(rng) -> np.ndarray:
    """(64, 3, 16, 16) float32, half of them brighter."""
    x = rng.normal(size=(64, 3, 16, 16)).astype(np.float32)
    x[::2] += 0.5
    return x


def counts(files: dict[str, bytes]) -> dict[str, tuple[int | None, int | None]]:
    """File -> parameters, multiply-accumulates."""
    reports = {name: inspect_model(content, name) for name, content in files.items()}
    return {name: (report.parameters, report.macs) for name, report in reports.items()}


def test_a_transposed_convolution_counts_the_same_everywhere(pictures):
    torch.manual_seed(0)
    network = UpAgain().eval()
    made = export(network, pictures, precisions=["fp32", "int8"])
    weights = 8 * 27 + 8 + 8 * 64 + 16 + 2 * 16 + 2
    assert count_macs(network, (3, 16, 16)) == 46_624
    assert len(made.files) == 4
    assert set(counts(made.files).values()) == {(weights, 46_624)}
    shares = {name: inspect_model(content, name).int8 for name, content in made.files.items() if "int8" in name}
    assert shares["model.int8.tflite"]["macs_share"] == 1.0
    # onnxruntime has no integer kernel for it: it stays in float, and is told.
    assert shares["model.int8.onnx"]["macs_share"] == pytest.approx(13_856 / 46_624)
    assert shares["model.int8.onnx"]["float_products"] == {"ConvTranspose": 1}


def test_an_attention_counts_the_same_in_both_formats():
    torch.manual_seed(0)
    network = create_model("imagesig-transformer", classes=2, input_shape=(64, 120))
    made = export(network, signature_like(20, 0)[0], precisions=["fp32"])
    assert {macs for _, macs in counts(made.files).values()} == {1_701_348}


def test_a_batch_norm_that_stays_is_a_convolution_in_tflite_alone(pictures):
    """TFLite: a weight and a bias a channel, a product a value. ONNX: its own operator, with four numbers a channel."""
    torch.manual_seed(0)
    made = counts(export(NormFirst().eval(), pictures, precisions=["fp32"]).files)
    rest = 6 * 27 + 6 + 2 * 6 + 2, 8 * 8 * 6 * 27 + 2 * 6
    assert made["model.fp32.onnx"] == (rest[0] + 4 * 6, rest[1])
    assert made["model.fp32.tflite"] == (rest[0] + 2 * 6, rest[1] + 6 * 16 * 16)
