"""The numbers that a model file holds: its constants as real values, and the scales of what it computes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgekit.core.optional import require
from edgekit.core.recipe import Format

__all__ = ["Constant", "Numbers", "numbers_of"]

_ONNX_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_TFLITE_PRODUCTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


@dataclass(frozen=True)
class Constant:
    """A constant of more than one value.

    Attributes:
        stored: as it lies in the file.
        scale: broadcastable to `stored`; None where it is no quantized integer.
        zero_point: likewise.
        product: operator that multiplies by it; None for a bias and all else.
    """

    stored: np.ndarray
    scale: np.ndarray | None = None
    zero_point: np.ndarray | None = None
    product: str | None = None

    @property
    def head(self) -> Constant:
        """Its first slice, to tell most others apart by."""
        scale, zero_point = (None if part is None else part[:1] for part in (self.scale, self.zero_point))
        return Constant(self.stored[:1], scale, zero_point, self.product)

    @property
    def values(self) -> np.ndarray:
        """float64 real values, of the same shape."""
        if self.scale is None or self.zero_point is None:
            return self.stored.astype(np.float64)
        return (self.stored.astype(np.float64) - self.zero_point) * self.scale


@dataclass(frozen=True)
class Numbers:
    """What a file holds.

    Attributes:
        constants: floats, and integers with a scale.
        activations: (scale, zero point, NumPy dtype) of every quantized tensor that is computed or given.
        results: (operator, NumPy dtype of its first output) of every operator.
    """

    constants: tuple[Constant, ...]
    activations: tuple[tuple[float, int, str], ...]
    results: tuple[tuple[str, str], ...]


def numbers_of(format_: Format, model: bytes) -> Numbers:
    """Read a file of either format, float or quantized."""
    return _tflite(model) if format_ == "tflite" else _onnx(model)


def _tflite(model: bytes) -> Numbers:
    schema = require("ai_edge_litert.schema_py_generated", "export")
    tree = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
    kinds = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    dtypes = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    graph = tree.subgraphs[0]
    named = [(kinds[tree.operatorCodes[operator.opcodeIndex].builtinCode], operator) for operator in graph.operators]
    products = {int(op.inputs[1]): kind for kind, op in named if kind in _TFLITE_PRODUCTS}
    constants: list[Constant] = []
    activations = []
    for index, tensor in enumerate(graph.tensors):
        dtype, data = dtypes[tensor.type], _data(tree.buffers[tensor.buffer], model)
        if data is not None:
            constants.extend(_tflite_constant(tensor, dtype, data, products.get(index)))
        elif tensor.quantization is not None and tensor.quantization.scale is not None and len(tensor.quantization.scale):
            activations.append((float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0]), dtype))
    results = tuple((kind, dtypes[graph.tensors[op.outputs[0]].type]) for kind, op in named)
    return Numbers(tuple(constants), tuple(activations), results)


def _data(buffer: Any, model: bytes) -> np.ndarray | None:
    if buffer.offset > 1:
        return np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
    return None if buffer.data is None or len(buffer.data) == 0 else np.asarray(buffer.data, np.uint8)


def _tflite_constant(tensor: Any, dtype: str, data: np.ndarray, product: str | None) -> Iterator[Constant]:
    found = tensor.quantization
    quantized = found is not None and found.scale is not None and len(found.scale) > 0
    if data.size // np.dtype(dtype).itemsize <= 1 or not (quantized or dtype.startswith("float")):
        return
    stored = np.frombuffer(data.tobytes(), dtype).reshape(tensor.shape)
    scale = _along(np.asarray(found.scale), found.quantizedDimension, stored.ndim) if quantized else None
    zero = _along(np.asarray(found.zeroPoint), found.quantizedDimension, stored.ndim) if quantized else None
    yield Constant(stored, scale, zero, product)


def _onnx(model: bytes) -> Numbers:
    onnx = require("onnx", "export")
    proto = onnx.load_from_string(model)
    graph = proto.graph
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    pairs = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    products = {node.input[1]: node.op_type for node in graph.node if node.op_type in _ONNX_PRODUCTS}
    helpers = {name for node in pairs for name in node.input[1:]}
    constants = [Constant(array, product=products.get(name)) for name, array in arrays.items() if _is_float(array, name, helpers)]
    activations = set()
    for node in pairs:
        scale, zero = (arrays[name] for name in node.input[1:3])
        if node.input[0] in arrays:
            axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
            stored = arrays[node.input[0]]
            spread = [_along(part, axis, stored.ndim) for part in (scale, zero)]
            constants.append(Constant(stored, spread[0], spread[1], products.get(node.output[0])))
        else:
            activations.add((float(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]), zero.dtype.name))
    kept = tuple(constant for constant in constants if constant.stored.size > 1)
    return Numbers(kept, tuple(sorted(activations)), tuple((node.op_type, "") for node in graph.node))


def _is_float(array: np.ndarray, name: str, helpers: set[str]) -> bool:
    return array.dtype.kind == "f" and name not in helpers


def _along(vector: np.ndarray, axis: int, dimensions: int) -> np.ndarray:
    """One value, or one an index of the axis, broadcastable."""
    flat = vector.reshape(-1)
    return flat if len(flat) == 1 else flat.reshape([-1 if i == axis % dimensions else 1 for i in range(dimensions)])
