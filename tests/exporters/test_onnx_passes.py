from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgekit.core.spec import Affine
from edgekit.errors import ModelError
from edgekit.exporters.passes.onnx_integer_edges import onnx_integer_edges
from edgekit.exporters.passes.onnx_integer_moves import onnx_integer_moves
from edgekit.exporters.passes.onnx_strip import onnx_strip

SHAPE, RESULT = [1, 3, 6], [1, 6, 1]


def constant(name: str, value: object, dtype: str = "float32") -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, dtype), name)


def model(*nodes: onnx.NodeProto, tensors: tuple[onnx.TensorProto, ...] = (), result: list[int] | None = None) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "main_graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, SHAPE)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, result or RESULT)],
        initializer=list(tensors),
        doc_string="about the graph",
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, producer_name="somebody", opset_imports=opsets, ir_version=8)
    made.metadata_props.add(key="noise", value="x" * 50)
    return made


def run(proto: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    onnx.checker.check_model(proto)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {session.get_inputs()[0].name: x})[0]
    return result


@pytest.fixture
def x(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=SHAPE).astype(np.float32)


def quantized(dtype: str = "int8", zero_point: int = -7) -> onnx.ModelProto:
    """transpose, quantize, dequantize, max-pool, quantize, dequantize, identity: only the middle is quantized."""
    node = helper.make_node
    return model(
        node("Transpose", ["image"], ["t"], perm=[0, 2, 1]),
        node("QuantizeLinear", ["t", "s", "z"], ["tq"]),
        node("DequantizeLinear", ["tq", "s", "z"], ["td"]),
        node("MaxPool", ["td"], ["p"], kernel_shape=[3]),
        node("QuantizeLinear", ["p", "s", "z"], ["pq"]),
        node("DequantizeLinear", ["pq", "s", "z"], ["pd"]),
        node("Identity", ["pd"], ["scores"]),
        tensors=(constant("s", 0.03), constant("z", zero_point, dtype)),
    )


def test_strip_keeps_numbers_and_drops_names_text_and_what_is_dead(x: np.ndarray) -> None:
    node = helper.make_node
    original = model(
        node("Constant", [], ["/module/two"], value=constant("", 2.0)),
        node("Mul", ["image", "/module/two"], ["/module/doubled"], name="/module/Mul", doc_string="file.py(12)"),
        node("Mul", ["/module/doubled", "also_two"], ["/module/again"]),
        node("Add", ["/module/doubled", "unused"], ["/module/dead"]),
        node("ReduceSum", ["/module/again", "axes"], ["/module/sum"], keepdims=1),
        node("Transpose", ["/module/sum"], ["scores"], perm=[0, 2, 1]),
        tensors=(constant("also_two", 2.0), constant("unused", 1.0), constant("axes", [1], "int64")),
    )
    want, before = run(original, x), len(original.SerializeToString())
    stripped = onnx_strip(original, "features", "logits")
    assert np.array_equal(run(stripped, x), want)
    assert len(stripped.SerializeToString()) < before / 2
    assert [node.op_type for node in stripped.graph.node] == ["Mul", "Mul", "ReduceSum", "Transpose"]
    assert [tensor.name for tensor in stripped.graph.initializer] == ["a", "d"]
    assert not any(node.name or node.doc_string for node in stripped.graph.node)
    assert [entry.domain for entry in stripped.opset_import] == [""]
    assert not stripped.metadata_props
    assert not stripped.producer_name
    assert (stripped.graph.input[0].name, stripped.graph.output[0].name) == ("features", "logits")


def test_strip_twice_is_strip_once() -> None:
    once = onnx_strip(quantized(), "features", "logits").SerializeToString(deterministic=True)
    assert onnx_strip(onnx.load_from_string(once), "features", "logits").SerializeToString(deterministic=True) == once


def test_moves_become_integer_and_the_values_stay(x: np.ndarray) -> None:
    want = run(quantized(), x)
    moved = onnx_integer_moves(quantized())
    assert np.array_equal(run(moved, x), want)
    assert [n.op_type for n in moved.graph.node] == ["QuantizeLinear", "Transpose", "MaxPool", "Identity", "DequantizeLinear"]


def test_edges_become_integer_and_their_affines_come_back(x: np.ndarray) -> None:
    want = run(quantized(), x)
    edged, entry, leaving = onnx_integer_edges(onnx_integer_moves(quantized()))
    assert entry == leaving == Affine(float(np.float32(0.03)), -7, "int8")
    assert edged.graph.input[0].type.tensor_type.elem_type == TensorProto.INT8
    got = run(edged, entry.quantize(x))
    assert got.dtype == np.int8
    assert np.array_equal(leaving.dequantize(got), want)


def test_unsigned_edges_are_refused() -> None:
    with pytest.raises(ModelError, match="Expected int8 at the edge of the graph, got uint8"):
        onnx_integer_edges(onnx_integer_moves(quantized("uint8", 121)))


def test_a_pair_of_different_scales_is_not_cancelled(x: np.ndarray) -> None:
    original = quantized()
    original.graph.initializer.append(constant("s2", 0.5))
    original.graph.node[4].input[1] = original.graph.node[5].input[1] = "s2"
    want = run(original, x)
    moved = onnx_integer_moves(original)
    assert np.array_equal(run(moved, x), want)
    assert sum(node.op_type == "QuantizeLinear" for node in moved.graph.node) == 2


def test_a_float_edge_is_refused() -> None:
    with pytest.raises(ModelError, match=r"Expected input 'image' to be quantized once, got \['Relu'\]"):
        onnx_integer_edges(model(helper.make_node("Relu", ["image"], ["scores"]), result=SHAPE))
    headed = model(
        helper.make_node("QuantizeLinear", ["image", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("Relu", ["d"], ["scores"]),
        tensors=(constant("s", 0.03), constant("z", 0, "int8")),
        result=SHAPE,
    )
    with pytest.raises(ModelError, match="to come from DequantizeLinear, got Relu"):
        onnx_integer_edges(headed)
