"""Defects planted into the finished file, whose labels may well be right: none is written.

docs/pitfalls.md says which guard catches which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from edgekit.errors import GateError, ModelError
from edgekit.exporters import build
from edgekit.exporters.build import Export
from edgekit.exporters.passes.tflite_strip import pack_flatbuffer
from edgekit.runtimes.ort import QUANTIZATION_KEY
from tests.exporters.planting import export_of, only, tampered


def edit_tflite(edit: Callable[[Any, Any, list[Any]], None]) -> Callable[[bytes], bytes]:
    def work(model: bytes) -> bytes:
        tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
        graph = tree.subgraphs[0]
        weighted = [operator for operator in graph.operators if len(operator.inputs) == 3]
        edit(tree, graph, weighted)
        return pack_flatbuffer(tree)

    return work


def edit_onnx(edit: Callable[[Any, dict[str, Any], list[Any]], None]) -> Callable[[bytes], bytes]:
    """With the constants by name, and the pairs that dequantize weights."""

    def work(model: bytes) -> bytes:
        proto = onnx.load_from_string(model)
        constants = {tensor.name: tensor for tensor in proto.graph.initializer}
        pairs = [node for node in proto.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constants]
        edit(proto.graph, constants, [node for node in pairs if constants[node.input[0]].data_type == onnx.TensorProto.INT8])
        return bytes(proto.SerializeToString())

    return work


def rewrite(tensor: Any, change: Callable[[np.ndarray], np.ndarray]) -> None:
    array = change(onnx.numpy_helper.to_array(tensor).copy())
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def first_times(factor: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array.reshape(-1)[0] *= factor
        return array

    return change


def _tflite_weight_scale(tree: Any, graph: Any, weighted: list[Any]) -> None:
    scale = graph.tensors[weighted[0].inputs[1]].quantization.scale
    graph.tensors[weighted[0].inputs[1]].quantization.scale = first_times(1.1)(scale.copy())


def _tflite_weight_zero_point(tree: Any, graph: Any, weighted: list[Any]) -> None:
    found = graph.tensors[weighted[0].inputs[1]].quantization
    found.zeroPoint = np.ones_like(found.zeroPoint)


def _tflite_activation(scale: float, zero_point: int) -> Callable[[Any, Any, list[Any]], None]:
    def edit(tree: Any, graph: Any, weighted: list[Any]) -> None:
        found = graph.tensors[weighted[2].outputs[0]].quantization
        found.scale, found.zeroPoint = found.scale * np.float32(scale), found.zeroPoint + zero_point

    return edit


def _tflite_no_bias(tree: Any, graph: Any, weighted: list[Any]) -> None:
    buffer = tree.buffers[graph.tensors[weighted[1].inputs[2]].buffer]
    buffer.data = np.zeros_like(buffer.data)


def _tflite_pruned(tree: Any, graph: Any, weighted: list[Any]) -> None:
    buffer = tree.buffers[graph.tensors[weighted[2].inputs[1]].buffer]
    buffer.data = np.concatenate([np.zeros(20, np.uint8), buffer.data[20:]])


def _tflite_transposed(tree: Any, graph: Any, weighted: list[Any]) -> None:
    tensor = graph.tensors[weighted[0].inputs[1]]
    codes = np.asarray(tree.buffers[tensor.buffer].data, np.uint8).reshape(tensor.shape)
    tree.buffers[tensor.buffer].data = codes.transpose(0, 2, 1, 3).reshape(-1).copy()


def _onnx_scale(factor: float) -> Callable[[Any, dict[str, Any], list[Any]], None]:
    return lambda graph, constants, weights: rewrite(constants[weights[0].input[1]], first_times(factor))


def _onnx_constant(
    change: Callable[[np.ndarray], np.ndarray], which: int = 0
) -> Callable[[Any, dict[str, Any], list[Any]], None]:
    return lambda graph, constants, weights: rewrite(constants[weights[which].input[0]], change)


def _onnx_activation(scale: float, zero_point: int) -> Callable[[Any, dict[str, Any], list[Any]], None]:
    def edit(graph: Any, constants: dict[str, Any], weights: list[Any]) -> None:
        pair = next(node for node in graph.node if node.op_type == "QuantizeLinear")
        names = list(pair.input[1:3])
        graph.initializer.extend(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(constants[n]), n + "'") for n in names)
        fresh = {tensor.name: tensor for tensor in graph.initializer}
        rewrite(fresh[names[0] + "'"], lambda array: array * np.float32(scale))
        rewrite(fresh[names[1] + "'"], lambda array: (array + zero_point).astype(np.int8))
        for node in graph.node:
            if list(node.input[1:3]) == names and node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                node.input[1], node.input[2] = names[0] + "'", names[1] + "'"

    return edit


def _onnx_no_bias(graph: Any, constants: dict[str, Any], weights: list[Any]) -> None:
    rewrite(next(t for t in constants.values() if t.data_type == onnx.TensorProto.INT32), np.zeros_like)


def _pruned(codes: np.ndarray) -> np.ndarray:
    codes.reshape(-1)[:20] = 0
    return codes


FINISHED = {
    "scale of one channel, TFLite": ("tflite", edit_tflite(_tflite_weight_scale)),
    "zero point of weights, TFLite": ("tflite", edit_tflite(_tflite_weight_zero_point)),
    "scale of an activation, TFLite": ("tflite", edit_tflite(_tflite_activation(1.02, 0))),
    "zero point of an activation, TFLite": ("tflite", edit_tflite(_tflite_activation(1.0, 3))),
    "dropped bias, TFLite": ("tflite", edit_tflite(_tflite_no_bias)),
    "pruned weights, TFLite": ("tflite", edit_tflite(_tflite_pruned)),
    "transposed kernels, TFLite": ("tflite", edit_tflite(_tflite_transposed)),
    "scale of one channel, ONNX": ("onnx", edit_onnx(_onnx_scale(1.1))),
    "scale of an activation, ONNX": ("onnx", edit_onnx(_onnx_activation(1.02, 0))),
    "zero point of an activation, ONNX": ("onnx", edit_onnx(_onnx_activation(1.0, 3))),
    "dropped bias, ONNX": ("onnx", edit_onnx(_onnx_no_bias)),
    "pruned weights, ONNX": ("onnx", edit_onnx(_onnx_constant(_pruned, 2))),
    "transposed kernels, ONNX": ("onnx", edit_onnx(_onnx_constant(lambda codes: codes.swapaxes(2, 3).copy()))),
}


@pytest.mark.parametrize("name", FINISHED)
def test_a_finished_int8_file_with_other_numbers_is_refused(
    name: str, quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    format_, edit = FINISHED[name]
    assert quick(format_).files
    tampered(monkeypatch, edit)
    # LiteRT itself refuses weights with a zero point.
    with pytest.raises((GateError, ModelError), match="Nothing was written|zero_point"):
        quick(format_)


def test_an_input_or_output_that_is_not_what_the_manifest_says_is_refused(
    quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rescale(model: bytes) -> bytes:
        proto = onnx.load_from_string(model)
        entry = next(entry for entry in proto.metadata_props if entry.key == QUANTIZATION_KEY)
        entry.value = entry.value.replace("[", "[1", 1)
        return bytes(proto.SerializeToString())

    tampered(monkeypatch, rescale)
    with pytest.raises(GateError, match=r"Expected model\.int8\.onnx on onnxruntime to have 'features' alone, int8"):
        quick("onnx")


def test_a_card_that_does_not_come_back_is_refused(quick: Callable[..., Export], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "embed_tflite", lambda model, text: model)
    with pytest.raises(GateError, match="to read the card of model.int8.tflite back"):
        quick("tflite", card_text="{}")


def test_float_constants_that_half_precision_cannot_hold_are_refused(monkeypatch: pytest.MonkeyPatch, plain: nn.Module) -> None:
    class Far(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.weight = plain, nn.Parameter(torch.full((4,), 3e5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.inner(x * 1e-5) * self.weight

    with pytest.raises(GateError):
        export_of(Far().eval(), only("tflite", "fp16"))
