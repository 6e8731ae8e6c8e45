"""What is truly int8 of a TFLite file: against MLPerf Tiny's models and the precisions that edgekit exports."""

from __future__ import annotations

import pytest

from edgekit.inspection import inspect_file

pytestmark = pytest.mark.device


@pytest.mark.parametrize(
    ("file", "macs", "weights", "summary"),
    [
        ("model.fp32.tflite", 0.0, 0.0, "float throughout"),
        ("model.fp16.tflite", 0.0, 0.0, "weights float16, computed in float"),
        ("model.int8-dynamic.tflite", 0.0, 0.9, "weights int8"),
        ("model.int8.tflite", 1.0, 1.0, "int8 throughout"),
    ],
)
def test_every_precision_of_an_exported_network_is_called_what_it_is(golden_bundle, file, macs, weights, summary):
    share = inspect_file(golden_bundle / file).to_json()["int8"]
    assert share["macs_share"] == macs
    assert weights <= share["bytes_share"] <= (1.0 if weights else 0.0)
    assert share["summary"].startswith(summary)
    assert (share["not_int8"] == []) is (macs == 1.0)


@pytest.mark.parametrize("name", ["ad01", "ic01_resnet8", "kws01_dscnn", "vww01_mobilenetv1_025_96", "sww01", "ic_resnet_large"])
def test_mlperf_tiny_s_int8_models_are_int8_throughout(shared, name):
    share = inspect_file(shared / f"data/mlperf_tiny/models/{name}_int8.tflite").to_json()["int8"]
    assert share == {
        **{"macs_share": 1.0, "bytes_share": 1.0, "float_products": {}},
        **{"not_int8": [], "summary": "int8 throughout"},
    }


def test_mlperf_tiny_s_float_keyword_model_is_found_to_hold_int8_weights(shared):
    """Its name says float; its weights are int8 and its activations float."""
    share = inspect_file(shared / "data/mlperf_tiny/models/kws01_dscnn_float.tflite").to_json()["int8"]
    assert share["macs_share"] == 0.0
    assert 0.5 < share["bytes_share"] < 0.6
    assert "activations float" in share["summary"]
