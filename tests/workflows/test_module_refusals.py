"""Networks and data that cannot become a bundle, through `edgekit export --module`: one line, exit code 2, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgekit.core.bundle import Bundle
from tests.workflows.test_quantization import Edgekit, black, edgekit, nothing, others  # noqa: F401

pytest.importorskip("torch", reason="exporting needs torch")

NETWORKS = """
import torch
from torch import nn

def classifier(front=None, features=12):
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, features, 3, 2), nn.BatchNorm2d(features), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*([front] if front else []), *layers, nn.Linear(features, 3)).eval()

class Sharpen(nn.Module):
    def forward(self, x):
        if x.mean() > 0.1:
            x = x * 2
        return x

class Bright(nn.Module):
    def forward(self, x):
        return x - x[x > 0].mean()

class Choosing(nn.Module):
    def forward(self, x):
        return torch.cond(x.mean() > 0.1, lambda x: x * 2, lambda x: x + 0, (x,))

class Exotic(nn.Module):
    def forward(self, x):
        return torch.erfinv(0.5 * torch.tanh(torch.fft.rfft2(x).abs()))

class Gamma(nn.Module):
    def forward(self, x):
        return x.det() [..., None, None] + x

class Two(nn.Module):
    def forward(self, image, mask):
        return image * mask

class Dictionary(nn.Module):
    def forward(self, x):
        return {"logits": x.mean((2, 3)), "maps": x}

class Scaled(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.register_buffer("scale", torch.ones(1, dtype=dtype))
    def forward(self, x):
        return x * self.scale

class Loud(nn.Module):
    def forward(self, x):
        return x * 1e6

class Talking(nn.Module):
    def forward(self, x):
        print("got", len(x))
        return x

class Wide(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3 * 32 * 32, 3)
        self.table = nn.Linear(3 * 32 * 32, 11000)
    def forward(self, x):
        x = x.flatten(1)
        return self.head(x) + self.table(x).mean(1, keepdim=True)

def branching(): return classifier(Sharpen())
def selecting(): return classifier(Bright())
def choosing(): return classifier(Choosing())
def exotic(): return classifier(Exotic())
def two(): return Two()
def dictionary(): return Dictionary()
def double(): return classifier(Scaled(torch.float64))
def complex_(): return classifier(Scaled(torch.complex64))
def talking():
    print("loading weights")
    return classifier(Talking())
def loud(): return classifier(Loud())
def wide(): return Wide()
def plain(): return classifier()
def training(): return classifier().train()
"""
CONFIG = '{"size": [32, 32], "layout": "CHW"}'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nets.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


REFUSED = {
    "a branch on the data": ("branching", ["control flow", "nets.py:12 (if x.mean() > 0.1:)", "torch.where"]),
    "a shape made of the data": ("selecting", ["shapes are made of values in nets.py:18"]),
    "a branch that torch knows of": ("choosing", ["control flow", "nets.py:22 (return torch.cond(", "torch.where"]),
    "operators that formats lack": (
        "exotic",
        ["fft_rfft2 in 0, nets.py:26", "not in ONNX opset 17", "erfinv in 0", "or TFLite", "compute the spectrum before"],
    ),
    "several inputs": ("two", ["one input, got forward(image, mask)"]),
    "a dictionary": ("dictionary", ["one tensor, got a dict of logits, maps"]),
    "float64": ("double", ["float32, got 0.scale (float64 buffer)", "module.float()"]),
    "complex": ("complex_", ["0.scale (complex64 buffer)", "complex numbers"]),
}


def refused(ended: object, folder: Path, *words: str) -> None:
    assert ended.code == 2, ended  # type: ignore[attr-defined]
    assert ended.out == ""  # type: ignore[attr-defined]
    (line,) = ended.error.strip().splitlines()  # type: ignore[attr-defined]
    assert line.startswith("error: Expected")
    for word in words:
        assert word in line
    assert not [path for path in folder.iterdir() if "bundle" in path.name]


def module(factory: str, data: Path, *options: str) -> tuple[object, ...]:
    return ("export", "--module", f"nets:{factory}", "--data", data, "--frontend-config", CONFIG, "--out", "x.bundle", *options)


@pytest.mark.parametrize("case", REFUSED)
def test_a_network_that_cannot_become_a_file_is_one_line(case: str, here: Path, textures: Path, edgekit: Edgekit) -> None:  # noqa: F811
    factory, words = REFUSED[case]
    refused(edgekit(*module(factory, textures), "--json"), here, *words)


@pytest.mark.parametrize(
    ("factory", "target", "words"),
    [
        ("loud", "jetson-nano", ["half precision"]),
        ("wide", "pi-zero2", ["at most", "pi-zero2", "Train a smaller network"]),
    ],
)
def test_a_target_that_cannot_run_the_network_is_one_line(
    factory: str,
    target: str,
    words: list[str],
    here: Path,
    textures: Path,
    edgekit: Edgekit,  # noqa: F811
) -> None:
    refused(edgekit(*module(factory, textures, "--target", target), "--precision", "fp32"), here, *words)


@pytest.mark.parametrize(
    ("make", "words"),
    [(nothing, ["Expected"]), (black, ["all black"]), (others, ["classes"])],
    ids=["empty", "black", "of other classes"],
)
def test_calibration_data_that_are_no_use_are_one_line(
    make: object,
    words: list[str],
    here: Path,
    textures: Path,
    edgekit: Edgekit,  # noqa: F811
) -> None:
    make(here / "data")  # type: ignore[operator]
    refused(edgekit(*module("plain", textures, "--calibration", "data")), here, *words)


def test_nan_in_the_features_is_one_line(here: Path, edgekit: Edgekit) -> None:  # noqa: F811
    (here / "data").mkdir()
    x = np.random.default_rng(0).normal(size=(24, 3, 16, 16)).astype(np.float32)
    x[7, 1, 2, 3] = np.nan
    np.savez(here / "data" / "train.npz", x=x, y=np.arange(24) % 3, labels=np.array(["a", "b", "c"]))
    options = ("--frontend", "samples", "--frontend-config", '{"shape": [3, 16, 16]}')
    ended = edgekit("export", "--module", "nets:plain", "--data", "data", *options, "--out", "x.bundle")
    refused(ended, here, "NaN or infinity")


def test_a_module_in_training_mode_is_exported_in_eval_mode_and_said_so(here: Path, textures: Path, edgekit: Edgekit) -> None:  # noqa: F811
    ended = edgekit(*module("training", textures), "--precision", "fp32")
    assert ended.code == 0, ended.error
    assert "nets:training gives a module in training mode (1 (BatchNorm2d)); exported as it is in eval mode." in ended.error
    assert min(p.sqnr_db or 200 for a in Bundle.open(here / "x.bundle").manifest.artifacts for p in a.parity) > 100


def test_what_the_module_prints_is_no_part_of_the_document(here: Path, textures: Path, edgekit: Edgekit) -> None:  # noqa: F811
    ended = edgekit(*module("talking", textures, "--format", "onnx", "--precision", "fp32"), "--json")
    assert ended.code == 0, ended.error
    assert json.loads(ended.out)["bundle"] == "x.bundle"
    assert "loading weights" in ended.error
    assert "got 1" in ended.error


def test_one_format_alone_can_be_asked_for(here: Path, textures: Path, edgekit: Edgekit) -> None:  # noqa: F811
    ended = edgekit(*module("exotic", textures, "--format", "coreml"))
    refused(ended, here, "target 'generic' gets (onnx, tflite)", "coreml")
    ended = edgekit(*module("plain", textures, "--format", "onnx", "--precision", "fp32"))
    assert ended.code == 0, ended.error
    assert [artifact.file for artifact in Bundle.open(here / "x.bundle").manifest.artifacts] == ["model.fp32.onnx"]
