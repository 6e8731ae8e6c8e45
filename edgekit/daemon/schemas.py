"""The protocol's messages as types: msgspec checks and decodes what comes in by them, and the OpenAPI document is made of them.

Open Inference Protocol v2 (KServe), with the binary-tensor, classification, repository and statistics extensions (Triton).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct

__all__ = [
    "Classification",
    "ErrorBody",
    "IndexEntry",
    "IndexRequest",
    "InferInput",
    "InferRequest",
    "InferResponse",
    "LoadRequest",
    "ModelMetadata",
    "ModelStats",
    "OutputTensor",
    "RequestedOutput",
    "ServerMetadata",
    "TensorMetadata",
    "WindowRequest",
]

#: At most so many tensors in a request.
INPUTS = 64

Size = Annotated[int, Meta(ge=0, le=2**31)]

#: An array of numbers, nested or flat: left to the parser as it is, without an object for each number.
Numbers = Annotated[Any, Meta(extra_json_schema={"type": "array", "items": {}})]


class InferInput(Struct):
    """One input tensor; its data, an array of numbers, here or in the binary part behind the JSON."""

    name: str
    shape: Annotated[list[Size], Meta(max_length=8)]
    datatype: str
    parameters: dict[str, Any] = {}
    data: Numbers = UNSET


class RequestedOutput(Struct):
    """One output that is wanted."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(Struct):
    """A request for inference."""

    inputs: Annotated[list[InferInput], Meta(max_length=INPUTS)]
    id: str = ""
    outputs: Annotated[list[RequestedOutput], Meta(max_length=INPUTS)] | None = None
    parameters: dict[str, Any] = {}


class OutputTensor(Struct, omit_defaults=True):
    """One output tensor."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] = {}
    data: list[Any] | None = None


class InferResponse(Struct, omit_defaults=True):
    """The answer to a request for inference."""

    model_name: str
    model_version: str
    outputs: list[OutputTensor]
    id: str = ""


class TensorMetadata(Struct):
    """Name, datatype and shape of a tensor."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Struct):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(Struct):
    """What the daemon is."""

    name: str
    version: str
    extensions: list[str]


class IndexRequest(Struct):
    """Which models to list."""

    ready: bool = False


class IndexEntry(Struct):
    """One model of the repository."""

    name: str
    version: str
    state: Literal["READY", "UNAVAILABLE"]
    reason: str


class LoadRequest(Struct):
    """Parameters of load and unload."""

    parameters: dict[str, Any] = {}


class ModelStats(Struct):
    """Counts of models."""

    model_stats: list[dict[str, Any]]


class Classification(Struct):
    """What a model says of one picture or window."""

    model: str
    version: str
    label: str
    index: int
    probabilities: dict[str, float] | None
    timings_ms: dict[str, float]


class WindowRequest(Struct):
    """A window of sensor samples."""

    window: Numbers


class ErrorBody(Struct):
    """What went wrong."""

    error: str
