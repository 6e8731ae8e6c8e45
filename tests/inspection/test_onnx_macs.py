"""Multiply-accumulates of ONNX files: against graphs counted by hand, open sizes told as unknown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.inspection import inspect_file
from edgekit.inspection.onnx_file import walk
from tests.cli.command import edgekit
from tests.inspection.test_integer_share import SCALES, node, onnx, save, tensor

FLOAT, INT8 = 1, 3


def reshaped(path: Path, shape: list[int | str], rows: int = -1) -> Path:
    """x (N, T, 6) -> (N * T, 6), by a shape computed of its own as the exporter writes it for an attention, -> (N * T, 4)."""
    nodes = [
        node("Shape", "x", "size"),
        node("Slice", "size last end", "features"),
        node("Concat", "rows features", "target", axis=0),
        node("Reshape", "x target", "flat"),
        node("MatMul", "flat w", "y"),
    ]
    numbers = [tensor("last", np.array([2])), tensor("end", np.array([3])), tensor("rows", np.array([rows]))]
    constants = [*numbers, tensor("w", np.ones((6, 4), np.float32))]
    return save(path, nodes, constants, ("x", FLOAT, shape), ("y", FLOAT, ["R", 4]))


@pytest.mark.parametrize("batch", [1, "N", None])
def test_shapes_that_the_graph_computes_are_known(tmp_path, batch):
    report = inspect_file(reshaped(tmp_path / "m.onnx", [batch, 5, 6])).to_json()
    assert report["macs"] == 5 * 6 * 4
    shapes = {row["name"]: row["shape"] for row in report["tensors"]}
    assert shapes["x"] == [1 if batch == 1 else -1, 5, 6]


@pytest.mark.parametrize("batch", [1, "N"])
def test_a_size_that_stays_open_makes_the_count_unknown(tmp_path, batch):
    path = reshaped(tmp_path / "m.onnx", [batch, "T", 6])
    report = inspect_file(path).to_json()
    assert report["macs"] is None
    assert report["parameters"] == 24
    assert (report["int8"]["macs_share"], report["int8"]["summary"]) == (0.0, "float throughout")
    shown = edgekit("inspect", path, cwd=tmp_path).stdout
    assert "parameters 24, MACs unknown (of a product whose size the file leaves open, or of an operator" in shown


def test_a_tensor_without_any_shape_makes_the_count_unknown(tmp_path):
    """Nothing is known of what somebody else's operator gives."""
    nodes = [onnx.helper.make_node("Odd", ["x"], ["h"], domain="some.where"), node("MatMul", "h w", "y")]
    edges = [onnx.helper.make_tensor_value_info(*edge) for edge in (("x", FLOAT, [1, 8]), ("y", FLOAT, [1, 4]))]
    graph = onnx.helper.make_graph(nodes, "g", edges[:1], edges[1:], [tensor("w", np.ones((8, 4), np.float32))])
    opsets = [onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid("some.where", 1)]
    # No runtime opens it, so no public door does.
    assert walk(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())[3] is None


@pytest.mark.parametrize(("groups", "extra"), [(1, {}), (2, {}), (1, {"pads": [1, 1, 1, 1]}), (2, {"output_padding": [1, 1]})])
def test_a_transposed_convolution_meets_its_kernel_once_for_each_value_of_its_input(tmp_path, groups, extra):
    """(1, 4, 5, 7) by 3 x 3 to 6 channels, stride 2: 35 positions times the weights."""
    weights = np.ones((4, 6 // groups, 3, 3), np.float32)
    nodes = [node("ConvTranspose", "x w", "y", strides=[2, 2], group=groups, **extra)]
    edges = ("x", FLOAT, ["N", 4, 5, 7]), ("y", FLOAT, ["N", 6, "H", "W"])
    assert inspect_file(save(tmp_path / "m.onnx", nodes, [tensor("w", weights)], *edges)).macs == 35 * weights.size


def test_the_factors_of_a_resize_are_no_parameters(tmp_path):
    constants = [tensor("f", np.array([1, 1, 2, 2], np.float32)), tensor("w", np.ones((2, 3, 1, 1), np.float32))]
    nodes = [onnx.helper.make_node("Resize", ["x", "", "f"], ["h"], mode="nearest"), node("Conv", "h w", "y")]
    report = inspect_file(save(tmp_path / "m.onnx", nodes, constants, ("x", FLOAT, [1, 3, 4, 4]), ("y", FLOAT, [1, 2, 8, 8])))
    assert (report.parameters, report.macs) == (6, 6 * 64)
    assert report.int8 is not None
    assert [row["name"] for row in report.int8["not_int8"] if row["constant"]] == ["w"]


def half_open(path: Path) -> Path:
    """A product in int8 over T rows, then one in float."""
    nodes = [
        node("QLinearMatMul", "x s z w s z s z", "h"),
        node("DequantizeLinear", "h s z", "hf"),
        node("MatMul", "hf v", "y"),
    ]
    constants = [*SCALES[:2], tensor("w", np.ones((8, 4), np.int8)), tensor("v", np.ones((4, 2), np.float32))]
    return save(path, nodes, constants, ("x", INT8, [1, "T", 8]), ("y", FLOAT, [1, "T", 2]))


def test_the_share_of_products_of_unknown_size_is_unknown_where_they_differ(tmp_path):
    share = inspect_file(half_open(tmp_path / "m.onnx")).to_json()["int8"]
    assert (share["macs_share"], share["float_products"]) == (None, {"MatMul": 1})
    assert share["summary"].startswith("1 of 2 products (of MACs that are not known) and 50 % of the weight bytes are int8")


def test_products_that_are_all_int8_are_so_at_any_size(tmp_path):
    nodes = [node("QLinearMatMul", "x s z w s z s z", "y")]
    constants = [*SCALES[:2], tensor("w", np.ones((8, 4), np.int8))]
    report = inspect_file(save(tmp_path / "m.onnx", nodes, constants, ("x", INT8, [1, "T", 8]), ("y", INT8, [1, "T", 4])))
    assert report.int8 is not None
    assert (report.macs, report.int8["macs_share"], report.int8["summary"]) == (None, 1.0, "int8 throughout")


def test_a_transposed_convolution_is_float_whatever_stands_around_it(tmp_path):
    """onnxruntime's optimizer, asked in the same way as in test_integer_share, makes no integer product of it."""
    ort = pytest.importorskip("onnxruntime", reason="the oracle")
    nodes = [
        *(node("DequantizeLinear", "x s z", "xf"), node("DequantizeLinear", "w s z", "wf")),
        *(node("ConvTranspose", "xf wf", "yf"), node("QuantizeLinear", "yf s z", "y")),
    ]
    edges = ("x", INT8, [1, 4, 5, 5]), ("y", INT8, [1, 6, 6, 6])
    path = save(tmp_path / "m.onnx", nodes, [*SCALES[:2], tensor("w", np.ones((4, 6, 2, 2), np.int8))], *edges)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    assert [n.op_type for n in onnx.load(tmp_path / "optimized.onnx").graph.node].count("ConvTranspose") == 1
    share = inspect_file(path).to_json()["int8"]
    assert (share["macs_share"], share["float_products"]) == (0.0, {"ConvTranspose": 1})
