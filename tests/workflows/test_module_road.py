"""Networks that edgekit did not train, through `edgekit export --module`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgekit.core.bundle import Bundle
from edgekit.golden import check_golden
from tests.cli.command import edgekit, refused

pytest.importorskip("torch", reason="exporting needs torch")

#: Separates the textures by what a person would look at: how much rows and columns change.
NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.SiLU(),
            nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 1), nn.Hardswish(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, CLASSES))

    def forward(self, x):
        return self.features(x)

def make():
    torch.manual_seed(0)
    return Net().eval()

def broken():
    raise ValueError("no weights here")

def nothing():
    return 7

def leaving():
    raise SystemExit("no accelerator")
"""
#: What stops Python from importing a module, beside its not being there.
BROKEN = {
    "unfinished": "def make(:",
    "loading": 'open("absent.pt")',
    "script": "raise SystemExit(3)",
}
CONFIG = '{"size": [32, 32], "layout": "CHW"}'


@pytest.fixture
def here(tmp_path) -> Path:
    (tmp_path / "mine.py").write_text(NETWORK.replace("CLASSES", "3"))
    (tmp_path / "four.py").write_text(NETWORK.replace("CLASSES", "4"))
    for name, text in BROKEN.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def test_any_module_becomes_a_verified_bundle(here, textures):
    result = edgekit(
        *("export", "--module", "mine:make", "--data", textures, "--frontend-config", CONFIG, "--out", "mine.bundle", "--json"),
        *("--precision", "fp32"),
        cwd=here,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert {(row["format"], row["precision"]) for row in report["artifacts"]} == {("onnx", "fp32"), ("tflite", "fp32")}
    bundle = Bundle.open(here / "mine.bundle")
    assert (bundle.manifest.name, bundle.manifest.model) == ("mine", "mine:make")
    assert all(check.ok for check in check_golden(bundle))
    assert min(p["sqnr_db"] for row in report["artifacts"] for p in row["parity"]) > 100


WRONG = {
    "neither": ([], ["Expected a run folder, or --module"]),
    "no data": (["--module", "mine:make"], ["Expected --data DATA with --module"]),
    "no colon": (["--module", "mine", "--data", "DATA"], ["package.module:factory"]),
    "no such module": (["--module", "absent:make", "--data", "DATA"], ["Expected make in the Python module absent"]),
    "no such factory": (["--module", "mine:create", "--data", "DATA"], ["Expected create in the Python module mine"]),
    "a failing factory": (["--module", "mine:broken", "--data", "DATA"], ["it failed: ValueError: no weights here"]),
    "a factory that leaves": (["--module", "mine:leaving", "--data", "DATA"], ["it failed: SystemExit: no accelerator"]),
    "a syntax error": (
        ["--module", "unfinished:make", "--data", "DATA"],
        ["can be imported", "SyntaxError", "unfinished.py, line 1"],
    ),
    "a missing file": (["--module", "loading:make", "--data", "DATA"], ["can be imported", "FileNotFoundError", "absent.pt"]),
    "a script": (["--module", "script:make", "--data", "DATA"], ["SystemExit: 3", 'if __name__ == "__main__"']),
    "no module": (["--module", "mine:nothing", "--data", "DATA"], ["torch.nn.Module, got int"]),
    "other classes": (["--module", "four:make", "--data", "DATA", "--frontend-config", CONFIG], ["Expected 3 logits", "gives 4"]),
    "another layout": (["--module", "mine:make", "--data", "DATA"], ["takes (n, 96, 96, 3)", "refuses"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_modules_are_refused_in_one_line(here, textures, case):
    options, words = WRONG[case]
    given = [textures if option == "DATA" else option for option in options]
    refused(edgekit("export", *given, "--out", "x.bundle", cwd=here), *words)
    assert not (here / "x.bundle").exists()


@pytest.mark.parametrize("option", ["--data", "--frontend", "--frontend-config"])
def test_data_and_front_end_are_the_modules_alone(here, trained_run, option):
    given = {"--data": ".", "--frontend": "sobel", "--frontend-config": "{}"}[option]
    refused(edgekit("export", trained_run, option, given, "--out", "x.bundle", cwd=here), f"{option} with --module alone")
    assert np.all([path.suffix != ".bundle" for path in here.iterdir()])
