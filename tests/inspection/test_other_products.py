"""Products beside convolutions and matrix products: counted, or told to be unknown; never silently left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.inspection import inspect_file
from tests.inspection.test_integer_share import node, onnx, save, tensor

schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="files are written with LiteRT's schema")

FLOAT = 1


def ones(name: str, *shape: int):
    return tensor(name, np.ones(shape, np.float32))


def macs(path: Path, nodes: list, constants: list, entry: list, leaving: list) -> int | None:
    return inspect_file(save(path, nodes, constants, ("x", FLOAT, entry), ("y", FLOAT, leaving))).macs


@pytest.mark.parametrize(
    ("equation", "weights", "leaving", "expected"),
    [
        ("bij,jk->bik", (6, 4), [1, 5, 4], 5 * 6 * 4),
        ("bij, kj -> ki", (4, 6), [4, 5], 5 * 6 * 4),
        ("bij,bij->b", (1, 5, 6), [1], 5 * 6),
        ("...j,jk->...k", (6, 4), [1, 5, 4], None),
    ],
)
def test_an_einsum_of_two_costs_one_for_every_combination_of_indices(tmp_path, equation, weights, leaving, expected):
    nodes = [node("Einsum", "x w", "y", equation=equation)]
    assert macs(tmp_path / "m.onnx", nodes, [ones("w", *weights)], [1, 5, 6], leaving) == expected


def test_an_einsum_of_one_is_no_product_and_of_three_is_unknown(tmp_path):
    assert macs(tmp_path / "m.onnx", [node("Einsum", "x", "y", equation="bij->bji")], [], [1, 5, 6], [1, 6, 5]) == 0
    nodes = [node("Einsum", "x w v", "y", equation="bij,jk,kl->bil")]
    assert macs(tmp_path / "m.onnx", nodes, [ones("w", 6, 4), ones("v", 4, 3)], [1, 5, 6], [1, 5, 3]) is None


@pytest.mark.parametrize(("kind", "gates"), [("RNN", 1), ("GRU", 3), ("LSTM", 4)])
@pytest.mark.parametrize("directions", [1, 2])
def test_a_recurrent_layer_meets_all_its_weights_at_every_step(tmp_path, kind, gates, directions):
    """7 steps of 5 features by 3 units."""
    constants = [ones("w", directions, gates * 3, 5), ones("r", directions, gates * 3, 3)]
    way = "bidirectional" if directions == 2 else "forward"
    nodes = [node(kind, "x w r", "y", hidden_size=3, direction=way)]
    expected = 7 * directions * gates * 3 * (5 + 3)
    assert macs(tmp_path / "m.onnx", nodes, constants, [7, 1, 5], [7, directions, 1, 3]) == expected


def test_a_sequence_of_any_length_makes_the_count_unknown_and_an_open_batch_does_not(tmp_path):
    constants = [ones("w", 1, 12, 5), ones("r", 1, 12, 3)]
    nodes = [node("LSTM", "x w r", "y", hidden_size=3)]
    assert macs(tmp_path / "m.onnx", nodes, constants, ["T", 1, 5], ["T", 1, 1, 3]) is None
    turned = [node("Transpose", "x", "t", perm=[1, 0, 2]), node("LSTM", "t w r", "y", hidden_size=3)]
    assert macs(tmp_path / "m.onnx", turned, constants, ["N", 7, 5], [7, 1, "N", 3]) == 7 * 12 * (5 + 3)


@pytest.mark.parametrize(("inside", "expected"), [("MatMul", None), ("Add", 6 * 6)])
def test_a_product_inside_a_condition_makes_the_count_unknown(tmp_path, inside, expected):
    edge = onnx.helper.make_tensor_value_info("inner", FLOAT, [6, 6])
    branch = onnx.helper.make_graph([node(inside, "w w", "inner")], "branch", [], [edge])
    nodes = [node("If", "c", "h", then_branch=branch, else_branch=branch), node("MatMul", "x h", "y")]
    constants = [ones("w", 6, 6), tensor("c", np.array([True]))]
    assert macs(tmp_path / "m.onnx", nodes, constants, [1, 6], [1, 6]) == expected


def one_operator(
    path: Path, code: int, options: tuple[int, object], shapes: list[tuple[int, ...]], constant: tuple[int, ...]
) -> Path:
    """A float32 TFLite file of one operator: tensors of these shapes, the last the output; the constant ones hold ones."""
    flatbuffers = pytest.importorskip("flatbuffers", reason="writes the file")
    model, graph, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    kind = schema.OperatorCodeT()
    kind.builtinCode, kind.deprecatedBuiltinCode = code, min(code, 127)
    model.version, model.operatorCodes, model.buffers, graph.tensors = 3, [kind], [schema.BufferT()], []
    for index, shape in enumerate(shapes):
        entry = schema.TensorT()
        entry.name, entry.shape, entry.buffer = f"t{index}".encode(), list(shape), 0
        if index in constant:
            buffer = schema.BufferT()
            buffer.data = np.ones(shape, np.float32).view(np.uint8).ravel()
            model.buffers.append(buffer)
            entry.buffer = len(model.buffers) - 1
        graph.tensors.append(entry)
    operator.inputs, operator.outputs = list(range(len(shapes) - 1)), [len(shapes) - 1]
    operator.builtinOptionsType, operator.builtinOptions = options
    graph.inputs, graph.outputs, graph.operators = [0], operator.outputs, [operator]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def test_a_convolution_over_depth_is_counted(tmp_path):
    """(1, 4, 5, 6, 2) by 3 x 3 x 3 to 7 channels: 2 x 3 x 4 positions."""
    options = schema.Conv3DOptionsT()
    options.padding, options.strideD, options.strideH, options.strideW = schema.Padding.VALID, 1, 1, 1
    options.dilationDFactor = options.dilationHFactor = options.dilationWFactor = 1
    shapes = [(1, 4, 5, 6, 2), (3, 3, 3, 2, 7), (7,), (1, 2, 3, 4, 7)]
    code = schema.BuiltinOperator.CONV_3D
    path = one_operator(tmp_path / "m.tflite", code, (schema.BuiltinOptions.Conv3DOptions, options), shapes, (1, 2))
    report = inspect_file(path)
    assert (report.operators, report.macs) == ({"CONV_3D": 1}, 2 * 3 * 4 * 27 * 2 * 7)


def test_an_operator_with_products_that_are_not_counted_makes_the_count_unknown(tmp_path):
    options = schema.SequenceRNNOptionsT()
    options.fusedActivationFunction = schema.ActivationFunctionType.TANH
    shapes = [(1, 7, 5), (3, 5), (3, 3), (3,), (1, 3), (1, 7, 3)]
    code = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_RNN
    path = one_operator(tmp_path / "m.tflite", code, (schema.BuiltinOptions.SequenceRNNOptions, options), shapes, (1, 2, 3))
    report = inspect_file(path)
    assert (report.operators, report.macs) == ({"UNIDIRECTIONAL_SEQUENCE_RNN": 1}, None)
