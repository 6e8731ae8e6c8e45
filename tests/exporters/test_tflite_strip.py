from __future__ import annotations

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from torch import nn

from edgekit.exporters.base import simplify_for_tflite
from edgekit.exporters.passes.tflite_strip import tflite_strip
from edgekit.exporters.to_tflite import to_tflite


@pytest.fixture(scope="module")
def original(cnn1d: nn.Module, data: tuple[np.ndarray, np.ndarray]) -> bytes:
    sample = data[0][:1]
    return to_tflite(simplify_for_tflite(cnn1d, sample), sample)


def run(model: bytes, x: np.ndarray) -> np.ndarray:
    runner = Interpreter(model_content=model).get_signature_runner()
    result: np.ndarray = runner(features=x)["logits"]
    return result


def operators(model: bytes) -> list[int]:
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    return [tree.operatorCodes[operator.opcodeIndex].builtinCode for operator in tree.subgraphs[0].operators]


def outside(model: bytes) -> bytes:
    """The same model with its large buffers behind the flatbuffer, as converters write big ones."""
    import flatbuffers

    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    blobs = {i: bytes(b.data) for i, b in enumerate(tree.buffers) if b.data is not None and len(b.data) > 1000}
    for index in blobs:
        tree.buffers[index].data, tree.buffers[index].offset, tree.buffers[index].size = None, 2, 2
    tail = b""
    for _ in range(2):  # The second pass knows where the first ended.
        builder = flatbuffers.Builder(1024)
        builder.Finish(tree.Pack(builder), b"TFL3")
        head = bytes(builder.Output())
        head += b"\0" * (-len(head) % 16)
        tail = b""
        for index, blob in blobs.items():
            tree.buffers[index].offset, tree.buffers[index].size = len(head) + len(tail), len(blob)
            tail += blob + b"\0" * (-len(blob) % 16)
    return head + tail


def test_stripped_computes_the_same_to_the_bit(original: bytes, data: tuple[np.ndarray, np.ndarray]) -> None:
    stripped = tflite_strip(original)
    assert len(stripped) < len(original) - 1500
    for x in data[0][:5, None]:
        assert np.array_equal(run(stripped, x), run(original, x))


def test_there_is_no_transpose_in_a_converted_1d_network(original: bytes) -> None:
    kinds = schema.BuiltinOperator
    assert operators(original) == [
        kinds.RESHAPE,
        kinds.CONV_2D,
        kinds.MAX_POOL_2D,
        kinds.CONV_2D,
        kinds.MAX_POOL_2D,
        kinds.RESHAPE,
        kinds.FULLY_CONNECTED,
        kinds.FULLY_CONNECTED,
    ]


def test_weights_behind_the_flatbuffer_are_not_lost(original: bytes, data: tuple[np.ndarray, np.ndarray]) -> None:
    external = outside(original)
    assert np.array_equal(run(external, data[0][:1]), run(original, data[0][:1]))
    assert tflite_strip(external) == tflite_strip(original)


def test_names_remain_at_the_edges_alone(original: bytes) -> None:
    tree = schema.ModelT.InitFromPackedBuf(bytearray(tflite_strip(original)), 0)
    names = [tensor.name for tensor in tree.subgraphs[0].tensors]
    assert sorted(name for name in names if name) == [b"features", b"logits"]
    assert not tree.metadata


def test_weights_stay_aligned_to_16_bytes(original: bytes) -> None:
    model = tflite_strip(original)
    packed = schema.Model.GetRootAsModel(model, 0)
    for index in range(packed.BuffersLength()):
        weights = packed.Buffers(index).DataAsNumpy()
        if isinstance(weights, np.ndarray):
            start = weights.__array_interface__["data"][0] - np.frombuffer(model, np.uint8).__array_interface__["data"][0]
            assert start % 16 == 0


def test_flattening_is_left_to_the_fully_connected_layer_and_shapes_are_options(original: bytes) -> None:
    stripped = tflite_strip(original)
    assert operators(stripped) == [kind for at, kind in enumerate(operators(original)) if at != 5]
    graph = schema.ModelT.InitFromPackedBuf(bytearray(stripped), 0).subgraphs[0]
    assert len(graph.operators[0].inputs) == 1
    assert list(graph.operators[0].builtinOptions.newShape) == [1, 1, 64, 120]
    assert not any(tensor.type == schema.TensorType.INT32 for tensor in graph.tensors)


def test_a_reshape_that_somebody_else_reads_stays() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(24, 24)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            flat = x.reshape(1, 24)
            return self.linear(flat) + torch.sin(flat)

    x = np.random.default_rng(0).normal(size=(1, 4, 6)).astype(np.float32)
    model = to_tflite(Twice().eval(), x)
    assert schema.BuiltinOperator.RESHAPE in operators(tflite_strip(model))
    assert np.array_equal(run(tflite_strip(model), x), run(model, x))


def test_strip_twice_is_strip_once(original: bytes) -> None:
    assert tflite_strip(tflite_strip(original)) == tflite_strip(original)
