from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.calibration.observe import observe
from edgekit.calibration.ranges import Ranges
from edgekit.calibration.samples import ArraySamples
from edgekit.core.recipe import OBSERVERS, Recipe
from edgekit.errors import InputError
from edgekit.exporters.base import simplify_for_onnx, simplify_for_tflite
from edgekit.exporters.quiet import quiet
from edgekit.exporters.taps import OnnxTap, TfliteTap
from edgekit.exporters.targets import get_target
from edgekit.exporters.to_onnx import prepare_onnx, quantize_onnx, to_onnx
from edgekit.exporters.to_tflite import quantize_tflite, to_tflite
from edgekit.runtimes.open import open_runtime
from tests.exporters.networks import PreActivation, warmed

GENERIC = get_target("generic")
SHAPE = (3, 16, 16)


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return warmed(PreActivation(), *SHAPE)


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(24, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def onnx_graph(network: nn.Module, features: np.ndarray) -> bytes:
    return prepare_onnx(to_onnx(simplify_for_onnx(network, features[:1]), features[:1], GENERIC))


@pytest.fixture(scope="module")
def tflite_graph(network: nn.Module, features: np.ndarray) -> bytes:
    return to_tflite(simplify_for_tflite(network, features[:1]), features[:1])


def as_dict(ranges: Ranges) -> dict[str, tuple[float, float]]:
    return {name: (found.low[0], found.high[0]) for name, found in ranges.graphs[0].tensors.items()}


def their_tflite_ranges(model: bytes, features: np.ndarray) -> dict[str, tuple[float, float]]:
    """ai-edge-quantizer's own calibration, by minima and maxima."""
    from ai_edge_quantizer import calibrator
    from ai_edge_quantizer.utils import qsv_utils

    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "model.tflite"
        path.write_bytes(model)
        mode = calibrator.CalibrationMode.CALIBRATION_PRESERVE_ALL_TENSORS
        interpreter = calibrator.CalibrationInterpreter(str(path), mode=mode, qsv_update_func=qsv_utils.min_max_update)
        runner = interpreter.get_signature_runner("serving_default")
        for sample in features:
            runner(features=sample[None])
        found = interpreter.get_calibration_results()
    return {name: (float(np.min(value["min"])), float(np.max(value["max"]))) for name, value in found.items()}


def their_onnx_ranges(model: bytes, features: np.ndarray) -> dict[str, tuple[float, float]]:
    """onnxruntime's own calibration, by minima and maxima."""
    from onnxruntime.quantization import calibrate

    class Reader:
        def __init__(self) -> None:
            self._rest = iter(features)

        def get_next(self) -> dict[str, Any] | None:
            sample = next(self._rest, None)
            return None if sample is None else {"features": sample[None]}

    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "model.onnx"
        path.write_bytes(model)
        made = calibrate.create_calibrator(path, None, str(Path(folder) / "augmented.onnx"))
        made.collect_data(Reader())
        found = made.compute_data()
    return {name: tuple(float(np.squeeze(end)) for end in data.range_value) for name, data in found.items()}


def test_tflite_tensors_are_those_that_its_quantizer_calibrates(tflite_graph: bytes, features: np.ndarray) -> None:
    ours = as_dict(observe({"tflite": TfliteTap(tflite_graph)}, ArraySamples(features), "min-max"))
    theirs = their_tflite_ranges(tflite_graph, features)
    assert set(theirs) <= set(ours)
    for name, pair in theirs.items():
        assert ours[name] == pytest.approx(pair, rel=1e-5, abs=1e-6), name


def test_onnx_tensors_are_those_that_its_quantizer_calibrates(onnx_graph: bytes, features: np.ndarray) -> None:
    ours = as_dict(observe({"onnx": OnnxTap(onnx_graph)}, ArraySamples(features), "min-max"))
    theirs = their_onnx_ranges(onnx_graph, features)
    assert set(theirs) <= set(ours)
    for name, pair in theirs.items():
        assert ours[name] == pytest.approx(pair, rel=1e-5, abs=1e-6), name


def decibels(model: bytes, network: nn.Module, features: np.ndarray) -> float:
    with torch.no_grad():
        want = network(torch.from_numpy(features)).numpy()
    with open_runtime(model) as runtime:
        got = np.concatenate([runtime.run({"features": x[None]})["logits"].reshape(1, -1) for x in features])
    return float(10 * np.log10((want**2).sum() / ((got - want) ** 2).sum()))


@pytest.mark.parametrize("observer", OBSERVERS)
def test_every_observer_s_ranges_quantize_both_formats(
    observer: str, network: nn.Module, features: np.ndarray, onnx_graph: bytes, tflite_graph: bytes
) -> None:
    ranges = observe({"onnx": OnnxTap(onnx_graph), "tflite": TfliteTap(tflite_graph)}, ArraySamples(features), observer)
    recipe = Recipe("int8", observer=observer)
    assert decibels(quantize_onnx(onnx_graph, recipe, ranges, GENERIC).model, network, features) > 18
    assert decibels(quantize_tflite(tflite_graph, recipe, ranges).model, network, features) > 18


def test_symmetric_activations_have_the_zero_point_0(
    network: nn.Module, features: np.ndarray, onnx_graph: bytes, tflite_graph: bytes
) -> None:
    import onnx
    from ai_edge_litert import schema_py_generated as schema

    recipe = Recipe("int8", observer="mse", symmetric=True)
    made = quantize_onnx(onnx_graph, recipe, features, GENERIC).model
    assert decibels(made, network, features) > 18
    zero_points = set(_zero_points(onnx.load_from_string(made)))
    assert zero_points == {0}
    other = quantize_tflite(tflite_graph, recipe, features).model
    assert decibels(other, network, features) > 18
    graph = schema.ModelT.InitFromPackedBuf(bytearray(other), 0).subgraphs[0]
    int8 = [tensor for tensor in graph.tensors if tensor.type == schema.TensorType.INT8 and len(tensor.quantization.scale) == 1]
    # A softmax's result has a scale and zero point of its own by TFLite's specification.
    fixed = [int(tensor.quantization.zeroPoint[0]) for tensor in int8 if tensor.quantization.scale[0] != 1 / 256]
    assert set(fixed) == {0}


def _zero_points(model: Any) -> Iterator[int]:
    import onnx

    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            yield from map(int, constants[node.input[2]].reshape(-1))


def test_ranges_of_another_network_are_refused(features: np.ndarray, onnx_graph: bytes, tflite_graph: bytes) -> None:
    ranges = observe({"onnx": OnnxTap(onnx_graph)}, ArraySamples(features), "min-max")
    other = prepare_onnx(
        to_onnx(
            simplify_for_onnx(warmed(nn.Sequential(nn.Flatten(), nn.Linear(768, 4)), *SHAPE), features[:1]), features[:1], GENERIC
        )
    )
    with pytest.raises(InputError, match="Expected ranges of this network's onnx graph"):
        quantize_onnx(other, Recipe("int8"), ranges, GENERIC)
    with pytest.raises(InputError, match="Expected ranges of the tflite graph, found onnx"):
        quantize_tflite(tflite_graph, Recipe("int8"), ranges)


def test_a_network_that_computes_nan_is_refused_by_the_tensor_s_name(features: np.ndarray) -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(768, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.sqrt(x).flatten(1))

    graph = to_onnx(Root().eval(), features[:1], GENERIC)
    with pytest.raises(InputError, match="Cannot calibrate tensor '/Sqrt_output_0'. Expected numbers, got NaN"):
        quantize_onnx(graph, Recipe("int8"), features, GENERIC)
    with pytest.raises(InputError, match="Cannot calibrate tensor '.*'. Expected numbers, got NaN"):
        quantize_tflite(to_tflite(Root().eval(), features[:1]), Recipe("int8"), features)
