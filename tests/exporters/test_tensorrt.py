"""Files for the Jetson Nano keep the rules of TensorRT's parser; the ONNX package's own checker and reader are the oracles."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
from torch import nn

from edgekit.errors import ModelError
from edgekit.exporters.build import Export, export
from edgekit.exporters.runnable import check_half_range, check_runnable
from edgekit.exporters.targets import Target, get_target
from tests.exporters.networks import PreActivation, SensorNet, warmed

NETWORKS = {"1-D": (SensorNet, (3, 40)), "2-D": (PreActivation, (3, 16, 16))}


@pytest.fixture(scope="module", params=NETWORKS)
def made(request) -> Export:
    kind, shape = NETWORKS[request.param]
    features = np.random.default_rng(0).normal(size=(60, *shape)).astype(np.float32)
    return export(warmed(kind(), *shape), calibration=features, parity_features=features, target="jetson-nano")


def graph_of(made: Export, precision: str) -> onnx.ModelProto:
    return next(onnx.load_from_string(model) for artifact, model in made.files if artifact.precision == precision)


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    return {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_files_are_plain_onnx_of_opset_13_in_ir_version_7(made, precision):
    model = graph_of(made, precision)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 13)]
    assert model.ir_version == 7


def test_zero_points_are_there_and_zero(made):
    model = graph_of(made, "int8")
    values = constants(model)
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        assert len(node.input) == 3
        assert values[node.input[2]].dtype == np.int8
        assert not values[node.input[2]].any()
        assert values[node.input[1]].size == values[node.input[2]].size


def test_inputs_and_weights_of_products_are_quantized_and_biases_are_float(made):
    model = graph_of(made, "int8")
    values, makers = constants(model), {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            assert [makers[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
            assert values[makers[node.input[1]].input[0]].dtype == np.int8
            assert all(values[name].dtype == np.float32 for name in node.input[2:])


def test_convolutions_have_two_spatial_dimensions(made):
    model = graph_of(made, "int8")
    values, makers = constants(model), {name: node for node in model.graph.node for name in node.output}
    kernels = [values[makers[node.input[1]].input[0]] for node in model.graph.node if node.op_type == "Conv"]
    assert {kernel.ndim for kernel in kernels} == {4}


def test_the_edges_are_float(made):
    assert {(a.input.dtype, a.output.dtype) for a in made.artifacts} == {("float32", "float32")}


class _Shrinks(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(nn.functional.one_hot((x > 0).long(), 2).float()[..., 0])


class _Overflows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(torch.log1p(torch.exp(x * 12)))


def test_an_operator_that_tensorrt_lacks_is_named():
    features = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    with pytest.raises(ModelError, match=r"TensorRT 8\.2 imports, got OneHot\..*--target generic"):
        export(_Shrinks(), calibration=features, parity_features=features, target="jetson-nano", gate=False)


class _Enlarges(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(nn.functional.interpolate(x, scale_factor=2, mode="bicubic").flatten(1))


def test_a_kind_of_operator_that_tensorrt_lacks_is_named():
    features = np.random.default_rng(0).normal(size=(20, 1, 4, 4)).astype(np.float32)
    with pytest.raises(ModelError, match=r"TensorRT 8\.2 imports, got Resize of mode cubic\."):
        export(_Enlarges(), calibration=features, parity_features=features, target="jetson-nano", gate=False)


def test_numbers_beyond_half_precision_are_refused_before_a_gpu_meets_them():
    features = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    with pytest.raises(ModelError, match=r"at most 65504, the largest of half precision, got .* in an output of Exp"):
        export(_Overflows(), calibration=features, parity_features=features, target="jetson-nano", gate=False)


def test_numbers_within_half_precision_pass():
    made = [onnx.helper.make_node("Mul", ["x", "c"], ["a"]), onnx.helper.make_node("Neg", ["a"], ["y"])]
    edges = [onnx.helper.make_tensor_value_info(name, 1, [1, 3]) for name in "xy"]
    scale = onnx.numpy_helper.from_array(np.float32([1000.0]), "c")
    graph = onnx.helper.make_graph(made, "g", edges[:1], edges[1:], [scale])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=7).SerializeToString()
    check_half_range(model, np.full((2, 3), 65.0, np.float32))
    with pytest.raises(ModelError, match="in an output of Mul"):
        check_half_range(model, np.full((2, 3), 66.0, np.float32))


def test_a_file_too_large_for_the_board_s_memory_is_refused():
    tiny = Target("tiny", "a board of 1 MB", (("tflite", "fp32"),), memory_mb=1)
    check_runnable(bytes(262144), "tflite", tiny)
    with pytest.raises(ModelError, match=r"at most 262,144 bytes for target 'tiny'.*got 262,145 bytes"):
        check_runnable(bytes(262145), "tflite", tiny)
    assert get_target("generic").largest_file is None
