"""A tiny model of sensor windows, as a bundle, and windows to go with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgekit.frontends import Samples
from edgekit.packing import pack

LABELS = ("sit", "walk")


def write_window_bundle(folder: Path, frontend: Samples | None = None, open_size: bool = False) -> Path:
    """folder/walk.bundle: probabilities from a fixed linear map of the features, of windows (3, 8) unless told otherwise.

    With an open size, the map is of the places of its positive features, and how many they are no file can say.
    """
    from onnx import helper, numpy_helper

    frontend = frontend or Samples((3, 8))
    shape = frontend.output.shape
    size, rng = shape[0] * shape[1], np.random.default_rng(0)
    weights = numpy_helper.from_array(rng.normal(size=(size, len(LABELS))).astype(np.float32) / 4, "w")
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"]),
    ]
    if open_size:
        weights = numpy_helper.from_array(np.ones((2, 2), np.float32), "w")
        nodes[1:2] = [
            helper.make_node("Relu", ["flat"], ["positive"]),
            helper.make_node("NonZero", ["positive"], ["places"]),
            helper.make_node("Cast", ["places"], ["columns"], to=1),
            helper.make_node("Transpose", ["columns"], ["rows"]),
            helper.make_node("MatMul", ["rows", "w"], ["products"]),
            helper.make_node("ReduceMean", ["products"], ["scores"], axes=[0]),
        ]
    edges = [helper.make_tensor_value_info("x", 1, [1, *shape]), helper.make_tensor_value_info("y", 1, [1, len(LABELS)])]
    graph = helper.make_graph(nodes, "g", edges[:1], edges[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    (folder / "walk.onnx").write_bytes(model.SerializeToString())
    pack(folder / "walk.onnx", folder / "walk.bundle", "walk", LABELS, frontend, "probabilities")
    return folder / "walk.bundle"


def write_windows(path: Path, count: int = 30, shape: tuple[int, int] = (3, 8)) -> Path:
    """An .npz file of random windows of both classes."""
    rng = np.random.default_rng(1)
    np.savez(path, x=rng.normal(size=(count, *shape)), y=np.arange(count) % len(LABELS), labels=np.array(LABELS))
    return path
