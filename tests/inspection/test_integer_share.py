"""What is truly int8 of an ONNX file: against graphs counted by hand, and onnxruntime's own fusions."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edgekit.inspection import inspect_file

onnx = pytest.importorskip("onnx", reason="graphs are written with the onnx package")


def tensor(name: str, values: np.ndarray):
    return onnx.numpy_helper.from_array(values, name)


def save(path: Path, nodes: list, constants: list, entry: tuple, leaving: tuple) -> Path:
    """entry, leaving: (name, element type, shape)."""
    edges = [onnx.helper.make_tensor_value_info(*edge) for edge in (entry, leaving)]
    graph = onnx.helper.make_graph(nodes, "g", edges[:1], edges[1:], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())
    return path


SCALES = [tensor("s", np.float32(0.1)), tensor("z", np.int8(0)), tensor("bs", np.float32(0.01)), tensor("bz", np.int32(0))]


def node(kind: str, inputs: str, output: str, **attributes):
    return onnx.helper.make_node(kind, inputs.split(), [output], **attributes)


def half_quantized(path: Path) -> Path:
    """int8 (1, 8) -> 8 x 4 product in int8 -> tanh in float -> 4 x 2 product in float: 32 of 40 MACs.

    Bytes of weights: 32 int8 + 4 int32 biases = 48, of 48 + 8 float32 weights = 80.
    """
    nodes = [
        node("DequantizeLinear", "x s z", "xf"),
        node("DequantizeLinear", "w s z", "wf"),
        node("DequantizeLinear", "b bs bz", "bf"),
        node("Gemm", "xf wf bf", "h"),
        node("QuantizeLinear", "h s z", "hq"),
        node("DequantizeLinear", "hq s z", "hf"),
        node("Tanh", "hf", "t"),
        node("MatMul", "t v", "y"),
    ]
    constants = [
        tensor("w", np.ones((8, 4), np.int8)),
        tensor("b", np.ones(4, np.int32)),
        tensor("v", np.ones((4, 2), np.float32)),
    ]
    return save(path, nodes, [*SCALES, *constants], ("x", 3, [1, 8]), ("y", 1, [1, 2]))


def test_a_graph_counted_by_hand(tmp_path):
    report = inspect_file(half_quantized(tmp_path / "half.onnx")).to_json()
    share = report["int8"]
    assert report["macs"] == 40
    assert share["macs_share"] == pytest.approx(32 / 40)
    assert share["bytes_share"] == pytest.approx(48 / 80)
    assert share["float_products"] == {"MatMul": 1}
    names = {row["name"]: (row["operator"], row["dtype"], row["constant"]) for row in share["not_int8"]}
    assert names == {
        "v": ("MatMul", "float32", True),
        "hf": ("DequantizeLinear", "float32", False),
        "t": ("Tanh", "float32", False),
        "y": ("MatMul", "float32", False),
    }
    assert all(report["tensors"][row["index"]]["name"] == row["name"] for row in share["not_int8"])
    assert share["summary"] == "80 % of the MACs and 60 % of the weight bytes are int8; 4 tensors are not"


def test_int8_weights_before_a_float_product_are_no_int8_product(tmp_path):
    """Weight-only quantization: 32 of 32 weight bytes, none of the 32 MACs."""
    nodes = [node("DequantizeLinear", "w s z", "wf"), node("MatMul", "x wf", "y")]
    path = save(
        tmp_path / "w.onnx", nodes, [*SCALES[:2], tensor("w", np.ones((8, 4), np.int8))], ("x", 1, [1, 8]), ("y", 1, [1, 4])
    )
    share = inspect_file(path).to_json()["int8"]
    assert (share["macs_share"], share["bytes_share"]) == (0.0, 1.0)
    assert {row["name"] for row in share["not_int8"]} == {"x", "wf", "y"}
    assert share["summary"].startswith("weights int8 (100 % of their bytes), activations float: no product is int8")


def test_a_float_graph_says_so(tmp_path):
    path = save(
        tmp_path / "f.onnx",
        [node("MatMul", "x v", "y")],
        [tensor("v", np.ones((4, 2), np.float32))],
        ("x", 1, [1, 4]),
        ("y", 1, [1, 2]),
    )
    share = inspect_file(path).to_json()["int8"]
    assert (share["macs_share"], share["bytes_share"], share["summary"]) == (0.0, 0.0, "float throughout")


def test_a_graph_without_products_has_no_share_of_them(tmp_path):
    path = save(tmp_path / "n.onnx", [node("Neg", "x", "y")], [], ("x", 1, [1, 4]), ("y", 1, [1, 4]))
    share = inspect_file(path).to_json()["int8"]
    assert (share["macs_share"], share["bytes_share"]) == (None, None)


def test_integer_operators_by_type_count_too(tmp_path):
    """QLinearMatMul: 8 x 4 MACs, 32 bytes."""
    nodes = [node("QLinearMatMul", "x s z w s z s z", "y")]
    path = save(
        tmp_path / "q.onnx", nodes, [*SCALES[:2], tensor("w", np.ones((8, 4), np.int8))], ("x", 3, [1, 8]), ("y", 3, [1, 4])
    )
    report = inspect_file(path).to_json()
    assert report["macs"] == 32
    assert report["int8"] == {
        **{"macs_share": 1.0, "bytes_share": 1.0, "float_products": {}},
        **{"not_int8": [], "summary": "int8 throughout"},
    }


@pytest.mark.parametrize("name", ["half", "whole"])
def test_integer_products_are_those_that_onnxruntime_fuses(tmp_path, name, golden_bundle):
    """Its optimizer, allowed signed activations as it is on ARM, is the oracle."""
    ort = pytest.importorskip("onnxruntime", reason="the oracle")
    path = half_quantized(tmp_path / "half.onnx") if name == "half" else golden_bundle / "model.int8.onnx"
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    kinds = Counter(n.op_type for n in onnx.load(tmp_path / "optimized.onnx").graph.node)
    share = inspect_file(path).to_json()["int8"]
    assert sum(kinds[kind] for kind in ("Conv", "Gemm", "MatMul", "FusedConv", "FusedGemm")) == (name == "half")
    assert sum(kinds[kind] for kind in ("QLinearConv", "QGemm", "QLinearMatMul", "MatMulIntegerToFloat")) >= 1
    assert (share["macs_share"] == 1.0) is (name == "whole")
