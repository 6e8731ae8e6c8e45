"""A request for inference from its bytes, and its answer as bytes: JSON with the binary-tensor and classification extensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from edgekit.core.spec import TensorSpec
from edgekit.daemon.loading import LoadedModel
from edgekit.daemon.messages import read_infer_request
from edgekit.daemon.refusals import BadRequest
from edgekit.daemon.schemas import InferInput, InferRequest, InferResponse, OutputTensor
from edgekit.daemon.tensors import FLOAT, bytes_tensor, check_length, from_bytes, from_json, plain, top_classes

__all__ = ["Inference", "Wanted", "encode_answer", "parse_request"]

_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True)
class Wanted:
    """How the output is to come.

    Attributes:
        binary: as raw bytes behind the JSON.
        classes: the classification extension's count, 0 for the scores themselves.
    """

    binary: bool = False
    classes: int = 0


@dataclass(frozen=True)
class Inference:
    """A request, checked.

    Attributes:
        features: the input, float32.
        id: to be echoed.
        wanted: how the output is to come.
        timeout_s: the client's own deadline, None where it has none.
    """

    features: np.ndarray
    id: str
    wanted: Wanted
    timeout_s: float | None = None


def parse_request(body: bytes, json_bytes: int | None, model: LoadedModel) -> Inference:
    """Read a request.

    Args:
        body: JSON, then raw tensors where `json_bytes` says so.
        json_bytes: of the header Inference-Header-Content-Length; None where all of the body is JSON, 0 where it is the one
            input's raw values.
        model: what it is for.

    Raises:
        BadRequest: saying what was expected.
    """
    spec = model.input
    if json_bytes == 0:
        tensor = InferInput(spec.name, list(spec.shape), FLOAT)
        return Inference(from_bytes(tensor, spec, body), "", Wanted(binary=True))
    if json_bytes is not None and not 0 < json_bytes <= len(body):
        raise BadRequest("Expected an Inference-Header-Content-Length within the body.")
    end = len(body) if json_bytes is None else json_bytes
    check_length(end, spec.shape)
    request = read_infer_request(body if json_bytes is None else memoryview(body)[:end])
    if len(request.inputs) != 1:
        raise BadRequest(f"Expected one input, {spec.name!r}, got {len(request.inputs)}.")
    tensor, rest = request.inputs[0], memoryview(body)[end:]
    features = _features(tensor, spec, rest)
    return Inference(features, request.id, _wanted(request, model), _timeout(request.parameters))


def encode_answer(name: str, inference: Inference, scores: np.ndarray, model: LoadedModel) -> tuple[bytes, int | None]:
    """The answer's body, and the bytes of its JSON where raw values follow (None where none do).

    Args:
        name: under which the model is served.
        inference: what was asked.
        scores: (1, classes) float32.
        model: the one that answered.
    """
    spec, wanted = model.output, inference.wanted
    if wanted.classes:
        texts = top_classes(scores, model.manifest.labels, wanted.classes)
        tensor = OutputTensor(spec.name, "BYTES", [1, len(texts)], data=texts)
        raw = bytes_tensor(texts) if wanted.binary else b""
    else:
        tensor = OutputTensor(spec.name, FLOAT, list(spec.shape))
        raw = scores.astype("<f4", copy=False).tobytes() if wanted.binary else b""
        tensor.data = None if wanted.binary else plain(scores)
    if wanted.binary:
        tensor.data, tensor.parameters = None, {"binary_data_size": len(raw)}
    head = _ENCODER.encode(InferResponse(name, model.version, [tensor], inference.id))
    return (head + raw, len(head)) if wanted.binary else (head, None)


def _features(tensor: InferInput, spec: TensorSpec, rest: memoryview) -> np.ndarray:
    size = tensor.parameters.get("binary_data_size")
    if size is None:
        if len(rest):
            raise BadRequest("Expected no bytes behind the JSON, or a binary_data_size that tells of them.")
        if tensor.data is UNSET:
            raise BadRequest(f"Expected data, or a binary_data_size, in the input {spec.name!r}.")
        return from_json(tensor, spec)
    if tensor.data is not UNSET:
        raise BadRequest("Expected data or a binary_data_size, got both.")
    if not isinstance(size, int) or isinstance(size, bool) or size != len(rest):
        raise BadRequest(f"Expected a binary_data_size of the {len(rest)} bytes behind the JSON.")
    return from_bytes(tensor, spec, rest)


def _wanted(request: InferRequest, model: LoadedModel) -> Wanted:
    binary = _flag(request.parameters, "binary_data_output", False)
    if not request.outputs:
        return Wanted(binary)
    output = request.outputs[0]
    if len(request.outputs) != 1 or output.name != model.output.name:
        raise BadRequest(f"Expected the one output {model.output.name!r}, got others.")
    if any(name.startswith("shared_memory") for name in output.parameters):
        raise BadRequest("Expected an output that comes in the answer: there is no shared memory here.")
    classes = output.parameters.get("classification", 0)
    if not isinstance(classes, int) or isinstance(classes, bool) or classes < 0:
        raise BadRequest("Expected a classification of 1 class or more.")
    return Wanted(_flag(output.parameters, "binary_data", binary), classes)


def _flag(parameters: Mapping[str, Any], name: str, otherwise: bool) -> bool:
    value = parameters.get(name, otherwise)
    if not isinstance(value, bool):
        raise BadRequest(f"Expected true or false for {name}.")
    return value


def _timeout(parameters: Mapping[str, Any]) -> float | None:
    """Triton's request parameter `timeout`, in microseconds; 0 is none."""
    value = parameters.get("timeout", 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadRequest("Expected a timeout in whole microseconds.")
    return value / 1e6 if value else None
