"""The float face that every engine gets."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.core.spec import Affine, TensorSpec
from edgekit.errors import InputError
from edgekit.runtimes import Runtime
from edgekit.runtimes.fake import FakeEngine
from edgekit.runtimes.quantised import EngineRuntime

pytestmark = pytest.mark.device

INT8 = TensorSpec("features", "int8", (-1, 3), "NF", Affine(0.5, 1, "int8"))
OUT = TensorSpec("logits", "int8", (-1, 3), "NC", Affine(0.25, -2, "int8"))


def echo() -> EngineRuntime:
    return EngineRuntime(FakeEngine([INT8], [OUT], lambda arrays: [arrays[0]]))


def test_an_engine_behind_the_face_is_a_runtime():
    assert isinstance(echo(), Runtime)


def test_float_goes_in_and_float_comes_out_of_an_int8_graph():
    result = echo().run({"features": np.array([[0.5, -0.5, 100.0]], np.float32)})["logits"]
    assert result.dtype == np.float32
    assert result.tolist() == [[(2 + 2) * 0.25, (0 + 2) * 0.25, (127 + 2) * 0.25]]


@pytest.mark.parametrize(("dtype", "count"), [("int8", 256), ("uint8", 256), ("int8", 1000)])
def test_every_stored_level_comes_back_as_the_affine_map_says(dtype, count):
    affine = Affine(0.037, 5, dtype)
    stored = np.arange(count).astype(np.uint8).view(dtype)[np.newaxis]
    spec = TensorSpec("y", dtype, (1, count), "NC", affine)
    runtime = EngineRuntime(FakeEngine([TensorSpec("x", "float32", (1,))], [spec], lambda _: [stored]))
    result = runtime.run({"x": np.zeros(1, np.float32)})["y"]
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, affine.dequantize(stored))


def test_stored_integers_pass_untouched():
    stored = np.array([[1, 2, 3]], np.int8)
    assert echo().run_raw({"features": stored})["logits"].tolist() == [[1, 2, 3]]


def test_half_outputs_come_back_as_float32():
    spec = TensorSpec("y", "float16", (1,))
    runtime = EngineRuntime(FakeEngine([TensorSpec("x", "float32", (1,))], [spec], lambda a: [np.ones(1, np.float16)]))
    assert runtime.run({"x": np.zeros(1, np.float32)})["y"].dtype == np.float32


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "Expected inputs features; got none"),
        ({"image": np.zeros((1, 3))}, "Expected inputs features; got image"),
        ({"features": np.zeros((1, 4))}, r"shape \(-1, 3\), got \(1, 4\)"),
        ({"features": np.zeros((1, 3), np.int64)}, "of dtype int8 or float32, got int64"),
        ({"features": np.full((1, 3), np.nan, np.float32)}, "finite numbers for the quantized input 'features'"),
        ({"features": np.full((1, 3), -np.inf)}, "finite numbers for the quantized input 'features'"),
    ],
)
def test_wrong_inputs_are_named(inputs, message):
    with pytest.raises(InputError, match=message):
        echo().run(inputs)


def test_a_closed_runtime_says_so():
    with echo() as runtime:
        runtime.close()
    with pytest.raises(InputError, match="this one was closed"):
        runtime.run({"features": np.zeros((1, 3))})
