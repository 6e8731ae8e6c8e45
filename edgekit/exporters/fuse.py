"""One file from uint8 image to float logits: a front end's graph set before a network's, for users who have no NumPy."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from torch import nn

from edgekit.core.optional import require
from edgekit.core.recipe import Recipe
from edgekit.core.spec import Affine
from edgekit.exporters.base import INPUT_NAME, OUTPUT_NAME, Converted, simplify_for_tflite
from edgekit.exporters.fused import FrontEndGraph
from edgekit.exporters.passes.onnx_strip import onnx_strip
from edgekit.exporters.passes.tflite_uint8_input import tflite_uint8_input
from edgekit.exporters.targets import Target
from edgekit.exporters.to_onnx import to_onnx
from edgekit.exporters.to_tflite import quantize_tflite, to_tflite
from edgekit.runtimes.ort import QUANTIZATION_KEY

__all__ = ["IMAGE_AFFINE", "fuse_onnx", "fuse_tflite"]

#: Levels stand for themselves: the float face takes them as float32, the graph as uint8.
IMAGE_AFFINE = Affine(1.0, 0, "uint8")


def fuse_onnx(graph: FrontEndGraph, network: Converted, size: tuple[int, int], target: Target) -> Converted:
    """The front end before the network: input (1, H, W, 3) uint8, output "logits" (1, classes) float32.

    Args:
        graph: the front end with its standardisation.
        network: an ONNX file as `to_onnx` or `quantize_onnx` gave it; its integer edges become nodes.
        size: (H, W) of the image.
        target: decides opset and IR version.

    Raises:
        ModelError: when the front end does not convert.
    """
    onnx, compose = require("onnx", "export"), require("onnx.compose", "export", "onnx")
    front = onnx.load_from_string(to_onnx(graph, np.zeros((1, *size, 3), np.uint8), target))
    behind = onnx.load_from_string(network.model)
    for proto in (front, behind):
        proto.ir_version = target.ir_version
        del proto.metadata_props[:]
    front, behind = compose.add_prefix(front, "f/"), compose.add_prefix(behind, "n/")
    _quantize_input(behind, network.input)
    _dequantize_output(behind, network.output)
    joint = [(front.graph.output[0].name, behind.graph.input[0].name)]
    proto = onnx_strip(compose.merge_models(front, behind, io_map=joint), INPUT_NAME, OUTPUT_NAME)
    affine = [IMAGE_AFFINE.scale, IMAGE_AFFINE.zero_point, IMAGE_AFFINE.dtype]
    proto.metadata_props.add(key=QUANTIZATION_KEY, value=json.dumps({INPUT_NAME: affine}, separators=(",", ":")))
    proto.ir_version = target.ir_version
    return Converted(bytes(proto.SerializeToString(deterministic=True)), IMAGE_AFFINE)


def fuse_tflite(graph: FrontEndGraph, network: nn.Module, sample: np.ndarray, size: tuple[int, int]) -> Converted:
    """The same as TFLite in float32.

    Args:
        graph: the front end with its standardisation.
        network: the trained module.
        sample: (1, ...) float32 features, to simplify the network by.
        size: (H, W) of the image.

    Raises:
        ModelError: when an operator of either does not convert.
    """
    whole = nn.Sequential(graph, simplify_for_tflite(network, sample)).eval()
    model = to_tflite(whole, np.zeros((1, *size, 3), np.uint8))
    return Converted(tflite_uint8_input(quantize_tflite(model, Recipe("fp32")).model), IMAGE_AFFINE)


def _quantize_input(model: Any, affine: Affine | None) -> None:
    """Let a network with int8 features take float32 ones. Edits the model."""
    if affine is None:
        return
    graph = model.graph
    inner, outer = graph.input[0].name, graph.input[0].name + "/float"
    _constants(graph, inner, affine)
    node = _node("QuantizeLinear", [outer, f"{inner}/scale", f"{inner}/zero_point"], inner)
    graph.node.insert(0, node)
    _retype(graph.input[0], outer)


def _dequantize_output(model: Any, affine: Affine | None) -> None:
    """Let a network with int8 logits give float32 ones. Edits the model."""
    if affine is None:
        return
    graph = model.graph
    inner, outer = graph.output[0].name, graph.output[0].name + "/float"
    _constants(graph, inner, affine)
    graph.node.append(_node("DequantizeLinear", [inner, f"{inner}/scale", f"{inner}/zero_point"], outer))
    _retype(graph.output[0], outer)


def _constants(graph: Any, name: str, affine: Affine) -> None:
    numpy_helper = require("onnx.numpy_helper", "export", "onnx")
    for part, value in (("scale", np.float32(affine.scale)), ("zero_point", np.array(affine.zero_point, affine.dtype))):
        graph.initializer.append(numpy_helper.from_array(np.array(value), f"{name}/{part}"))


def _node(operator: str, inputs: list[str], output: str) -> Any:
    return require("onnx.helper", "export", "onnx").make_node(operator, inputs, [output])


def _retype(value: Any, name: str) -> None:
    """The edge of the graph under another name, float32."""
    value.name = name
    value.type.tensor_type.elem_type = int(require("onnx", "export").TensorProto.FLOAT)
