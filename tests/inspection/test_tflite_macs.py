"""Multiply-accumulates of TFLite files with sizes left open: of the batch they are one, elsewhere nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.inspection import inspect_file

schema = pytest.importorskip("ai_edge_litert.schema_py_generated", reason="files are edited with LiteRT's schema")


def opened(model: bytes, axis: int) -> bytes:
    """The same file, saying of every map's axis that it may vary."""
    flatbuffers = pytest.importorskip("flatbuffers", reason="writes the edited file")
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    graph = tree.subgraphs[0]
    for index in {*graph.inputs, *(i for operator in graph.operators for i in operator.outputs)}:
        signature = [int(size) for size in graph.tensors[index].shape]
        if len(signature) > axis:
            signature[axis] = -1
        graph.tensors[index].shapeSignature = signature
    builder = flatbuffers.Builder(1024)
    builder.Finish(tree.Pack(builder), b"TFL3")
    return bytes(builder.Output())


@pytest.fixture
def model(golden_bundle: Path) -> bytes:
    return (golden_bundle / "model.fp32.tflite").read_bytes()


def test_an_open_batch_is_one(tmp_path, golden_bundle, model):
    (tmp_path / "open.tflite").write_bytes(opened(model, 0))
    report, closed = inspect_file(tmp_path / "open.tflite"), inspect_file(golden_bundle / "model.fp32.tflite")
    assert report.tensors is not None
    assert any(row.shape is not None and row.shape[:1] == (-1,) for row in report.tensors)
    # Convolutions 1,152 x 30 rows and 6,144 x 8, linear 6,400 and 150.
    assert report.macs == closed.macs == 90_262
    assert report.parameters == closed.parameters


def test_another_open_size_makes_the_count_unknown(tmp_path, model):
    (tmp_path / "open.tflite").write_bytes(opened(model, 2))
    report = inspect_file(tmp_path / "open.tflite").to_json()
    assert report["macs"] is None
    assert report["parameters"] == 13_995
    assert (report["int8"]["macs_share"], report["int8"]["summary"]) == (0.0, "float throughout")
