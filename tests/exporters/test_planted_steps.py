"""Defects planted into the steps of an export: none is written.

docs/pitfalls.md says which guard catches which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.core.recipe import Format, PerTensor, Recipe
from edgekit.errors import GateError, ModelError, UserError
from edgekit.exporters import base, build, graphs, tensorrt, to_onnx, to_tflite
from edgekit.exporters.base import Converted
from edgekit.exporters.build import Export
from edgekit.exporters.passes import tflite_strip
from edgekit.exporters.targets import TARGETS
from edgekit.runtimes.open import installed_runtimes
from tests.exporters.planting import FORMATS, export_of, network, only
from tests.exporters.test_tflite_strip import outside

# Steps of the quantizers.


@pytest.mark.parametrize("format_", FORMATS)
def test_one_scale_a_tensor_where_one_a_channel_was_asked_for_is_refused(
    format_: Format, quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"quantize_{format_}"
    honest = getattr(graphs, name)

    def coarse(model: bytes, recipe: Recipe, *rest: Any) -> Converted:
        return honest(model, replace(recipe, granularity=PerTensor()), *rest)

    monkeypatch.setattr(graphs, name, coarse)
    with pytest.raises(GateError, match="Expected one scale a channel"):
        quick(format_)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_layer_that_stays_in_float_unasked_is_refused(
    format_: Format, quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = to_onnx if format_ == "onnx" else to_tflite
    honest = module.operators_of
    layer = {"onnx": "6", "tflite": "Linear_6"}[format_]
    monkeypatch.setattr(module, "operators_of", lambda kind, model, layers: honest(kind, model, (layer,)))
    with pytest.raises(GateError, match="Expected every product of an int8 file to be int8"):
        quick(format_)


def test_ranges_smoothed_by_the_quantizer_s_own_calibration_are_refused(
    quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = to_tflite._statistics

    def smoothed(*given: Any) -> dict[str, dict[str, np.ndarray]]:
        return {name: {end: value * np.float32(0.8) for end, value in ends.items()} for name, ends in honest(*given).items()}

    monkeypatch.setattr(to_tflite, "_statistics", smoothed)
    with pytest.raises(GateError, match="Expected scales of the observed ranges"):
        quick("tflite")


def test_unsigned_activations_are_refused(quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch) -> None:
    from onnxruntime import quantization

    honest = quantization.quantize_static

    def unsigned(*given: Any, **options: Any) -> None:
        honest(*given, **{**options, "activation_type": quantization.QuantType.QUInt8})

    monkeypatch.setattr(quantization, "quantize_static", unsigned)
    with pytest.raises(ModelError, match="Expected int8 at the edge of the graph, got uint8"):
        quick("onnx")


def changed_job(monkeypatch: pytest.MonkeyPatch, change: Callable[[Any, Any], None]) -> None:
    from ai_edge_quantizer import qtyping

    honest = to_tflite._quantizer

    def job(*given: Any) -> Any:
        made = honest(*given)
        change(made, qtyping)
        return made

    monkeypatch.setattr(to_tflite, "_quantizer", job)


def test_channelwise_weights_of_dynamic_fully_connected_layers_are_refused(
    quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(job: Any, qtyping: Any) -> None:
        kind, channels = qtyping.TFLOperationName.FULLY_CONNECTED, qtyping.QuantGranularity.CHANNELWISE
        job.add_dynamic_config(".*", kind, num_bits=8, granularity=channels)

    changed_job(monkeypatch, change)
    monkeypatch.setattr(build, "installed_runtimes", lambda format_: ("litert",))
    with pytest.raises(GateError, match="Expected one scale a tensor for the weights of FULLY_CONNECTED"):
        quick("tflite", "int8-dynamic")
    if "tflite-runtime" in installed_runtimes("tflite"):
        monkeypatch.setattr(build, "installed_runtimes", installed_runtimes)
        with pytest.raises(GateError, match="on tflite-runtime to agree with PyTorch"):
            quick("tflite", "int8-dynamic")


@pytest.mark.parametrize("runtimes", [("litert",), ("litert", "tflite-runtime")])
def test_an_int8_quotient_which_old_runtimes_lack_is_refused(
    runtimes: tuple[str, ...], plain: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Quotient(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = plain

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.inner(x)
            return y / (1 + torch.sigmoid(y))

    def change(job: Any, qtyping: Any) -> None:
        kind, wise = qtyping.TFLOperationName, qtyping.QuantGranularity.CHANNELWISE
        job.add_static_config(".*", kind.DIV, activation_num_bits=8, weight_num_bits=8, weight_granularity=wise)

    changed_job(monkeypatch, change)
    monkeypatch.setattr(
        build, "installed_runtimes", lambda format_: tuple(n for n in runtimes if n in installed_runtimes(format_))
    )
    with pytest.raises((GateError, ModelError), match="int8 DIV|tflite-runtime"):
        export_of(Quotient().eval(), only("tflite"))


# Passes and converters.


def test_mish_as_converters_lower_it_is_refused_in_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "rewrite_mish", lambda module, form: module)
    with pytest.raises((GateError, ModelError)):
        export_of(network(nn.Mish), only("tflite"))


def test_the_fast_form_of_mish_is_refused_in_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_tflite, "_FLOAT_ARITHMETIC", {})
    changed_job(
        monkeypatch,
        lambda job, qtyping: job.add_static_config(
            ".*",
            qtyping.TFLOperationName.DIV,
            activation_num_bits=8,
            weight_num_bits=8,
            weight_granularity=qtyping.QuantGranularity.CHANNELWISE,
        ),
    )
    with pytest.raises((GateError, ModelError)):
        export_of(network(nn.Mish), only("tflite"))


def _another(module: nn.Module) -> nn.Module:
    """What a wrong fold would leave: the columns of a linear layer in another order."""
    linear = next(child for child in module.modules() if isinstance(child, nn.Linear))
    with torch.no_grad():
        linear.weight.copy_(linear.weight.reshape(16, 12, 9).transpose(1, 2).reshape(16, 108))
    return module


@pytest.mark.parametrize(
    ("format_", "precision", "step"),
    [
        ("onnx", "fp32", "fold_batch_norm"),
        ("onnx", "int8", "merge_linear"),
        ("tflite", "fp32", "fold_constants"),
        ("tflite", "int8", "conv1d_to_conv2d"),
        ("tflite", "int8-dynamic", "softmax_last"),
    ],
)
def test_a_pass_that_changes_the_network_is_refused_whatever_is_shipped(
    format_: Format, precision: str, step: str, plain: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = getattr(base, step)
    monkeypatch.setattr(base, step, lambda *given: _another(honest(*given)))
    with pytest.raises(GateError, match="SQNR of .* to be at least 100 dB"):
        export_of(plain, only(format_, precision))


@pytest.mark.parametrize("format_", FORMATS)
def test_batch_norms_in_training_mode_are_refused(format_: Format, plain: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = base.prepare
    monkeypatch.setattr(base, "prepare", lambda module: honest(module).train())
    monkeypatch.setattr(base, "fold_batch_norm", lambda module, example: module)
    with pytest.raises((GateError, ModelError)):
        export_of(plain, only(format_, "fp32"))


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_inputs_in_another_layout_are_refused(precision: str, plain: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    class Turned(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x.transpose(2, 3))

    honest = graphs.simplify_for_tflite
    monkeypatch.setattr(graphs, "simplify_for_tflite", lambda module, sample: Turned(honest(module, sample)))
    with pytest.raises(GateError, match="SQNR"):
        export_of(plain, only("tflite", precision))


def test_a_file_of_another_input_shape_is_refused(plain: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = graphs.to_onnx
    pooled = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4)).eval()
    stale = np.zeros((1, 3, 16, 16), np.float32)
    monkeypatch.setattr(graphs, "to_onnx", lambda module, sample, target: honest(module, stale, target))
    with pytest.raises(GateError, match="to have 'features' alone"):
        export_of(pooled, only("onnx", "fp32"))


def test_weights_behind_the_flatbuffer_that_vanish_are_refused(
    plain: nn.Module, plain_graphs: dict[Format, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(tree: Any, model: bytes) -> None:
        for buffer in tree.buffers:
            buffer.offset, buffer.size = 0, 0

    behind = outside(plain_graphs["tflite"])
    monkeypatch.setattr(build, "float_graphs", lambda *given: {"tflite": behind})
    assert export_of(plain, only("tflite", "fp32")).files
    monkeypatch.setattr(tflite_strip, "pull_in_external_buffers", lost)
    with pytest.raises(UserError):
        export_of(plain, only("tflite", "fp32"))


def test_another_operator_set_than_was_asked_for_is_refused(plain: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = torch.onnx.export

    def newer(*given: Any, **options: Any) -> Any:
        return honest(*given, **{**options, "opset_version": 18})

    monkeypatch.setattr(torch.onnx, "export", newer)
    with pytest.raises(ModelError, match=r"Expected ONNX of opset 13 alone in IR version 7 .* got ai\.onnx 18"):
        export_of(plain, only("onnx", "fp32", opset=13, ir_version=7))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        # Of a symmetric range the zero point is -0.5: which way it rounds hangs on the last bit, and so on the CPU.
        ({"ActivationSymmetric": False}, "scales of the observed ranges|int8 zero points of 0"),
        ({"QuantizeBias": True}, "float biases"),
        ({"AddQDQPairToWeight": True}, "weights stored in int8"),
        ({"UseQDQContribOps": True}, "opset 13 alone"),
    ],
)
def test_int8_onnx_that_breaks_a_rule_of_tensorrt_is_refused(
    options: dict[str, bool], message: str, plain: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = tensorrt.quantizer_options
    monkeypatch.setattr(tensorrt, "quantizer_options", lambda: {**honest(), **options})
    with pytest.raises((GateError, ModelError), match=message):
        export_of(plain, TARGETS["jetson-nano"].only(["int8"]))


def test_more_than_products_quantized_for_tensorrt_is_refused(plain: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = plain

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.inner(x)
            return y + torch.sin(y)

    monkeypatch.setattr(to_onnx.tensorrt, "QUANTIZED_OPERATORS", (*tensorrt.QUANTIZED_OPERATORS, "Add"))
    made = to_onnx.quantize_onnx
    found = {}

    def kept(*given: Any) -> Converted:
        found["file"] = made(*given)
        monkeypatch.setattr(to_onnx.tensorrt, "QUANTIZED_OPERATORS", ("Conv", "Gemm", "MatMul"))
        return found["file"]

    monkeypatch.setattr(graphs, "quantize_onnx", kept)
    with pytest.raises(ModelError, match="only Conv, Gemm, MatMul to be quantized"):
        export_of(Sum().eval(), TARGETS["jetson-nano"].only(["int8"]))
