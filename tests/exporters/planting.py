"""A small trained network and the doors into its export, for tests that plant defects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from edgekit.core.recipe import Format
from edgekit.exporters import build
from edgekit.exporters.build import Export, export
from edgekit.exporters.targets import TARGETS, Target
from tests.exporters.networks import images, train

FORMATS: tuple[Format, ...] = ("onnx", "tflite")
X, LABELS = images(150, 2)


def network(act: type[nn.Module] = nn.ReLU, *end: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    stem = [nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), act(), nn.Conv2d(8, 12, 3, 2, 1), act()]
    x, labels = images(600, 1)
    return train(nn.Sequential(*stem, nn.Flatten(), nn.Linear(108, 16), act(), nn.Linear(16, 4), *end), x, labels, epochs=6)


def only(format_: Format, precision: str = "int8", **changes: Any) -> Target:
    return replace(TARGETS["generic"], artifacts=((format_, precision),), **changes)


def export_of(module: nn.Module, target: Target, **more: Any) -> Export:
    return export(module, calibration=X[:32], parity_features=X[32:], parity_labels=LABELS[32:], target=target, **more)


def tampered(monkeypatch: pytest.MonkeyPatch, edit: Callable[[bytes], bytes]) -> None:
    """The finished file is another."""
    honest = build._embed
    monkeypatch.setattr(build, "_embed", lambda model, *rest: honest(edit(model), *rest))
