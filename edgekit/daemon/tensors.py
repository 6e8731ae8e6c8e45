"""Tensors between the wire and NumPy: JSON numbers or raw little-endian bytes, checked against what the model takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import simdjson

from edgekit.core.spec import TensorSpec
from edgekit.daemon.refusals import BadRequest
from edgekit.daemon.schemas import InferInput

__all__ = ["FLOAT", "bytes_tensor", "check_length", "from_bytes", "from_json", "numbers", "plain", "top_classes"]

#: The one datatype that the float face takes and gives.
FLOAT = "FP32"

_FLOAT = np.dtype("<f4")

#: Characters that a float64 may take in JSON with its comma, a space or a line break and indentation.
_NUMBER = 40
_AROUND = 64 << 10


def check_length(length: int, shape: tuple[int, ...]) -> None:
    """Raise BadRequest on more JSON than any well-formed request for such an input has: a parser takes many times its memory."""
    most = _AROUND + _NUMBER * math.prod(shape)
    if length > most:
        raise BadRequest(f"Expected at most {most} bytes of JSON for this model, got {length}.")


def from_json(tensor: InferInput, spec: TensorSpec) -> np.ndarray:
    """The array of an input whose numbers stand in the JSON, nested or flat in row-major order.

    Returns:
        `spec.shape`, float32, finite.

    Raises:
        BadRequest: on another name, datatype, shape or number of values; on values that are no finite numbers.
    """
    _check(tensor, spec)
    return _finite(numbers(tensor.data, spec.shape, spec.name), spec)


def numbers(data: Any, shape: tuple[int, ...], name: str) -> np.ndarray:
    """A JSON array of numbers as a NumPy array, without a Python object for each of them.

    Args:
        data: of `read_json`: numbers nested as `shape`, or flat in row-major order.
        shape: of the array.
        name: for the message.

    Returns:
        `shape`, float32; what float32 cannot hold is infinite.

    Raises:
        BadRequest: on anything else.
    """
    error_text = f"Expected {math.prod(shape)} numbers of shape {list(shape)}, or flat, in {name!r}."
    if not isinstance(data, simdjson.Array):
        raise BadRequest(error_text)
    try:
        values = np.frombuffer(data.as_buffer(of_type="d"), np.float64)
    except (TypeError, ValueError) as error:  # it holds other things than numbers, or nothing
        raise BadRequest(error_text) from error
    if values.size != math.prod(shape) or not _nested_as(data, shape):
        raise BadRequest(error_text)
    with np.errstate(over="ignore"):
        return values.astype(np.float32).reshape(shape)


def _nested_as(data: Any, shape: tuple[int, ...]) -> bool:
    """True for a flat array, or one nested as `shape`, of the right number of values: they come without their nesting.

    Of the innermost rows one each is looked at: a pixel is a row of three numbers, and looking at it costs more than reading it.
    """
    return not isinstance(data[0], simdjson.Array) or _rows_as(data, shape)


def _rows_as(rows: Any, shape: tuple[int, ...]) -> bool:
    if not isinstance(rows, simdjson.Array) or len(rows) != shape[0]:
        return False
    if len(shape) < 3:
        return len(shape) < 2 or _rows_as(rows[0], shape[1:])
    return all(_rows_as(row, shape[1:]) for row in rows)


def from_bytes(tensor: InferInput, spec: TensorSpec, content: bytes | memoryview) -> np.ndarray:
    """The array of an input that came as raw bytes; a view of them where the machine is little-endian.

    Raises:
        BadRequest: on another name, datatype, shape or number of bytes; on values that are not finite.
    """
    _check(tensor, spec)
    expected = math.prod(spec.shape) * _FLOAT.itemsize
    if len(content) != expected:
        raise BadRequest(f"Expected {expected} bytes of {FLOAT} for {spec.name!r}, got {len(content)}.")
    return _finite(np.frombuffer(content, _FLOAT).reshape(spec.shape), spec)


def top_classes(scores: np.ndarray, labels: tuple[str, ...], count: int) -> list[str]:
    """The classification extension: "value:index:label" of the highest scores, the best first.

    Args:
        scores: (1, classes) float32.
        labels: names by index.
        count: at most so many.
    """
    values = scores.reshape(-1)
    best = np.argsort(-values, kind="stable")[:count]
    return [f"{values[index]:f}:{index}:{labels[index]}" for index in best.tolist()]


def bytes_tensor(texts: list[str]) -> bytes:
    """Elements of datatype BYTES: each a little-endian 32-bit length, then the bytes."""
    encoded = [text.encode("utf-8") for text in texts]
    return b"".join(len(text).to_bytes(4, "little") + text for text in encoded)


def _check(tensor: InferInput, spec: TensorSpec) -> None:
    if tensor.name != spec.name:
        raise BadRequest(f"Expected the input {spec.name!r}, got another name.")
    if tensor.datatype != FLOAT:
        raise BadRequest(f"Expected datatype {FLOAT} for {spec.name!r}, got another.")
    if tuple(tensor.shape) != spec.shape:
        raise BadRequest(f"Expected shape {list(spec.shape)} for {spec.name!r}, got {tensor.shape}.")


def _finite(values: np.ndarray, spec: TensorSpec) -> np.ndarray:
    if not np.isfinite(values).all():
        raise BadRequest(f"Expected finite numbers in {spec.name!r}, got NaN or infinity.")
    return values


def plain(array: np.ndarray) -> list[Any]:
    """Row-major values of an array, for JSON."""
    values: list[Any] = array.reshape(-1).tolist()
    return values
