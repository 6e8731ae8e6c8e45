"""Somebody else's models: the interpreters themselves are the oracle, and MLPerf Tiny's published figures."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.errors import ModelError, UnknownNameError
from edgekit.inspection import inspect_file
from edgekit.runtimes import installed_runtimes, open_runtime
from edgekit.runtimes.litert import interpreter_module

pytestmark = pytest.mark.device

MODELS = ["ic01_resnet8_int8", "ic01_resnet8_float", "kws01_dscnn_int8", "ad01_int8", "vww01_mobilenetv1_025_96_int8"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("runtime", ["litert", "tflite-runtime"])
def test_the_face_gives_what_the_bare_interpreter_gives(shared, rng, name, runtime):
    if runtime not in installed_runtimes("tflite"):
        pytest.skip(f"{runtime} is not installed here")
    path = shared / "data" / "mlperf_tiny" / "models" / f"{name}.tflite"
    bare = interpreter_module(runtime).Interpreter(model_path=str(path), num_threads=1)
    bare.allocate_tensors()
    given, wanted = bare.get_input_details()[0], bare.get_output_details()[0]
    values = rng.integers(-128, 128, given["shape"]) if given["dtype"] == np.int8 else rng.random(given["shape"])
    stored = values.astype(given["dtype"])
    bare.set_tensor(given["index"], stored)
    bare.invoke()
    with open_runtime(path, runtime) as opened:
        ours = opened.run_raw({opened.inputs[0].name: stored})[opened.outputs[0].name]
        assert np.array_equal(ours, bare.get_tensor(wanted["index"]))
        scale, zero_point = wanted["quantization"]
        if scale:
            floats = opened.run({opened.inputs[0].name: stored})[opened.outputs[0].name]
            assert np.allclose(floats, (ours.astype(np.float64) - zero_point) * scale, atol=1e-6)


@pytest.mark.parametrize(
    # MLPerf Tiny v1.x, the benchmark's own list of multiply-accumulates: 12.5, 2.66, 0.264 and 7.49 million.
    ("name", "macs"),
    [
        ("ic01_resnet8_int8", 12_501_632),
        ("kws01_dscnn_int8", 2_656_768),
        ("ad01_int8", 264_192),
        ("vww01_mobilenetv1_025_96_int8", 7_489_664),
    ],
)
def test_inspection_counts_the_published_multiply_accumulates(shared, name, macs):
    report = inspect_file(shared / "data" / "mlperf_tiny" / "models" / f"{name}.tflite")
    assert report.macs == macs
    assert report.metadata is None
    assert sum(row.constant for row in report.tensors) > 0


def test_inspection_counts_the_authors_parameters(shared):
    assert inspect_file(shared / "anchors" / "imagesig_cnn1d_64_2dir_quant.tflite").parameters == 59_512


def test_a_varying_batch_may_grow_and_shrink(shared, rng):
    with open_runtime(shared / "data" / "mlperf_tiny" / "models" / "ad01_float.tflite") as runtime:
        name, batch = runtime.inputs[0].name, rng.random((3, 640)).astype(np.float32)
        three = next(iter(runtime.run({name: batch}).values()))
        one = next(iter(runtime.run({name: batch[1:2]}).values()))
    assert np.allclose(three[1:2], one, atol=1e-4)


@pytest.mark.parametrize("content", [b"not a model", b"\x00\x00\x00\x00TFL3 and then nonsense"])
def test_what_is_no_model_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="Expected an? (ONNX|TFLite) model") as caught:
        open_runtime(path)
    assert "\n" not in str(caught.value)


def test_an_empty_file_is_told_as_one(tmp_path):
    (tmp_path / "model.tflite").touch()
    with pytest.raises(ModelError, match=r"model in .*model\.tflite, got no bytes"):
        open_runtime(tmp_path / "model.tflite")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"none\.tflite: No such file"):
        open_runtime(tmp_path / "none.tflite")


def test_an_unknown_or_unfit_runtime_is_told_the_fitting_ones(shared):
    path = shared / "anchors" / "imagesig_cnn1d_64_2dir_quant.tflite"
    with pytest.raises(UnknownNameError, match="Unknown runtime 'tensorrt'. Known: litert, onnxruntime, tflite-runtime"):
        open_runtime(path, "tensorrt")
    with pytest.raises(
        ModelError, match="Expected a file in onnx format for onnxruntime, got tflite. Use litert, tflite-runtime"
    ):
        open_runtime(path, "onnxruntime")
