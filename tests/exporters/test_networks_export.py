"""Blocks of every family through both exporters, exact in float32; the whole networks are too slow for a test."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.exporters.base import simplify_for_onnx, simplify_for_tflite
from edgekit.exporters.parity import measure
from edgekit.exporters.targets import TARGETS
from edgekit.exporters.to_onnx import to_onnx
from edgekit.exporters.to_tflite import to_tflite
from edgekit.models.layers import DilatedResidual, InvertedResidual, Mask, MishResidual
from edgekit.models.registry import create_model
from edgekit.models.shnet import SHNet
from edgekit.runtimes.open import installed_runtimes, open_runtime
from tests.exporters.networks import warmed


def head(block: nn.Module, channels: int) -> nn.Module:
    return nn.Sequential(block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


CASES = {
    "mask of even sizes": (lambda: head(Mask(8, (1, 2, 3), (8, 8)), 8), (8, 8, 8)),
    "mask of odd sizes": (lambda: head(Mask(8, (1, 2, 3), (7, 5)), 8), (8, 7, 5)),
    "dilated, with a halving Mish block": (
        lambda: head(nn.Sequential(MishResidual(3, 8, 2), DilatedResidual(8, (1, 2, 3))), 8),
        (3, 12, 12),
    ),
    "squeeze and hypercomplex": (lambda: SHNet((3, 32, 32), 3, blocks=(1, 1, 1, 1)), (3, 32, 32)),
    "squeeze and excitation": (lambda: SHNet((3, 32, 32), 3, blocks=(2, 1, 1, 1), attention="se"), (3, 32, 32)),
    "inverted residuals": (lambda: head(nn.Sequential(InvertedResidual(8, 8), InvertedResidual(8, 16, 2)), 16), (8, 8, 8)),
    "scatnet-edge": (lambda: create_model("scatnet-edge", classes=3, input_shape=(51, 8, 8)), (51, 8, 8)),
    "resnet8": (lambda: create_model("resnet8", classes=3, input_shape=(3, 16, 16)), (3, 16, 16)),
    "tsak-student": (lambda: create_model("tsak-student", classes=3, input_shape=(3, 100)), (3, 100)),
    "tsak-teacher": (lambda: create_model("tsak-teacher", classes=3, input_shape=(3, 32)), (3, 32)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_block_computes_the_same_in_onnx_and_tflite(case: str) -> None:
    make, shape = CASES[case]
    torch.manual_seed(0)
    module = warmed(make(), *shape)
    features = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)
    with torch.no_grad():
        reference = module(torch.from_numpy(features)).numpy()
    files = {
        "onnx": to_onnx(simplify_for_onnx(module, features[:1]), features[:1], TARGETS["generic"]),
        "tflite": to_tflite(simplify_for_tflite(module, features[:1]), features[:1]),
    }
    for format_, model in files.items():
        for name in installed_runtimes(format_):
            with open_runtime(model, name, format=format_) as runtime:
                told = measure(runtime, features, reference)
            assert told.sqnr_db is None or told.sqnr_db > 100, (format_, told)
