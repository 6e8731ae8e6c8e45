from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from edgekit.core.recipe import Format
from edgekit.core.spec import Affine
from edgekit.errors import UnknownNameError
from edgekit.exporters.base import simplify_for_onnx, simplify_for_tflite
from edgekit.exporters.layers import layers_of, operators_of
from edgekit.exporters.passes.onnx_float_edges import onnx_float_edges
from edgekit.exporters.targets import get_target
from edgekit.exporters.to_onnx import prepare_onnx, to_onnx
from edgekit.exporters.to_tflite import to_tflite

SHAPE = (3, 8, 8)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act = nn.Conv2d(3, 8, 3, padding=1), nn.Mish()
        self.inner = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.act(self.stem(x))
        return self.head((x + self.inner(x)).flatten(2).transpose(1, 2).mean(1))


@pytest.fixture(scope="module")
def graphs() -> dict[Format, bytes]:
    torch.manual_seed(0)
    module, x = Residual().eval(), np.random.default_rng(0).normal(size=(1, *SHAPE)).astype(np.float32)
    target = get_target("generic")
    return {
        "onnx": prepare_onnx(to_onnx(simplify_for_onnx(module, x), x, target)),
        "tflite": to_tflite(simplify_for_tflite(module, x), x),
    }


def test_onnx_layers_carry_the_module_s_names(graphs: dict[Format, bytes]) -> None:
    layers = layers_of("onnx", graphs["onnx"])
    assert {"stem", "act", "inner.0", "inner.1", "Add", "head"} <= {
        name.replace("_0", ".0").replace("_1", ".1") for name in layers
    }
    assert len(layers["act"]) > 3


def test_tflite_layers_carry_the_module_s_names(graphs: dict[Format, bytes]) -> None:
    layers = layers_of("tflite", graphs["tflite"])
    assert {"Conv2d_stem", "_Division_act", "Conv2d_0", "MEAN_1", "logits"} <= set(layers)
    assert len(layers["_Division_act"]) > 3


def test_modules_of_one_name_in_two_places_are_two_layers() -> None:
    def block() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.Mish())

    torch.manual_seed(0)
    module, x = nn.Sequential(block(), block(), nn.Flatten(), nn.Linear(192, 4)).eval(), np.zeros((1, *SHAPE), np.float32)
    for layers in (
        layers_of("onnx", prepare_onnx(to_onnx(simplify_for_onnx(module, x), x, get_target("generic")))),
        layers_of("tflite", to_tflite(simplify_for_tflite(module, x), x)),
    ):
        # Two activations of several operators, which by their modules' names alone would be one.
        assert len([group for group in layers.values() if len(group) > 5]) == 2
        assert len(layers) >= 5


def test_every_operator_belongs_to_one_layer(graphs: dict[Format, bytes]) -> None:
    for format_, model in graphs.items():
        operators = [operator for group in layers_of(format_, model).values() for operator in group]
        assert len(operators) == len(set(operators))
    assert len([o for g in layers_of("onnx", graphs["onnx"]).values() for o in g]) == len(
        onnx.load_from_string(graphs["onnx"]).graph.node
    )


def test_operators_are_those_of_the_layers_asked_for(graphs: dict[Format, bytes]) -> None:
    for format_, model in graphs.items():
        layers = layers_of(format_, model)
        assert operators_of(format_, model, layers) == tuple(o for group in layers.values() for o in group)
        assert operators_of(format_, model, ()) == ()
        with pytest.raises(UnknownNameError, match="Unknown layer 'nothing'"):
            operators_of(format_, model, ("nothing",))


def between(first: str, last: str) -> onnx.ModelProto:
    """relu -> sigmoid, quantized in the middle alone."""
    node = helper.make_node
    nodes = [
        node(first, ["features"], ["a"]),
        node("QuantizeLinear", ["a", "s", "z"], ["q"]),
        node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        node(last, ["d"], ["logits"]),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 5]) for name in ("features", "logits")]
    tensors = [numpy_helper.from_array(np.array(v), n) for v, n in ((np.float32(0.02), "s"), (np.int8(-5), "z"))]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], initializer=tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_float_edges_become_what_int8_edges_would_compute(rng: np.random.Generator) -> None:
    entry, leaving = Affine(0.03, 7, "int8"), Affine(1 / 255, -128, "int8")
    model = between("Relu", "Sigmoid")
    x = rng.normal(size=(1, 5)).astype(np.float32)
    plain = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    closed = onnx_float_edges(between("Relu", "Sigmoid"), entry, leaving)
    onnx.checker.check_model(closed)
    kinds = [node.op_type for node in closed.graph.node]
    assert kinds[:2] == kinds[-2:] == ["QuantizeLinear", "DequantizeLinear"]
    made = onnxruntime.InferenceSession(closed.SerializeToString(), providers=["CPUExecutionProvider"])
    rounded = entry.dequantize(entry.quantize(x))
    want = plain.run(None, {"features": rounded})[0]
    got = made.run(None, {"features": x})[0]
    np.testing.assert_allclose(got, leaving.dequantize(leaving.quantize(want)), atol=1.01 * leaving.scale)
