"""The OpenAPI document, made of the message types of schemas.py."""

from __future__ import annotations

from typing import Any

import msgspec

from edgekit.daemon import schemas

__all__ = ["document"]

_MESSAGES = tuple(getattr(schemas, name) for name in schemas.__all__)

_HEAD = "Inference-Header-Content-Length"


def document(version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of every address.

    Args:
        version: of edgekit.
    """
    _, components = msgspec.json.schema_components(_MESSAGES, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edgekit",
            "version": version,
            "description": "Open Inference Protocol v2 with binary tensors, classification, repository and statistics.",
        },
        "paths": _paths(),
        "components": {"schemas": components, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _paths() -> dict[str, Any]:
    one, versioned = "/v2/models/{m}", "/v2/models/{m}/versions/{v}"
    paths: dict[str, Any] = {
        "/": {"get": _operation("statusPage", "The status page", _content("text/html"))},
        "/metrics": {"get": _operation("metrics", "Prometheus metrics", _content("text/plain"))},
        "/openapi.json": {"get": _operation("openapi", "This document", _json({"type": "object"}))},
        "/v1/status": {"get": _operation("status", "What the status page shows", _json({"type": "object"}))},
        "/v2": {"get": _operation("serverMetadata", "What the daemon is", _message("ServerMetadata"))},
        "/v2/health/live": {"get": _operation("live", "The daemon lives", None)},
        "/v2/health/ready": {"get": _operation("ready", "Every model reproduced its golden vectors", None, 503)},
        "/v2/models/stats": {"get": _operation("stats", "Counts of all models", _message("ModelStats"))},
        "/v2/repository/index": {"post": _index()},
        "/v2/repository/models/{m}/load": {"post": _admin("load", "Load, or load again", _reference("LoadRequest"))},
        "/v2/repository/models/{m}/unload": {"post": _admin("unload", "Release", _reference("LoadRequest"))},
        "/v1/models/{m}/rollback": {"post": _admin("rollback", "Back to the store's previous version", None)},
        "/v1/models/{m}/classify": {"post": _classify()},
    }
    for path, suffix in ((one, ""), (versioned, "Version")):
        paths[path] = {
            "get": _operation(f"metadata{suffix}", "What a model takes and gives", _message("ModelMetadata"), 404, 503)
        }
        paths[f"{path}/ready"] = {"get": _operation(f"modelReady{suffix}", "A model answers", None, 404, 503)}
        paths[f"{path}/stats"] = {"get": _operation(f"modelStats{suffix}", "Counts of a model", _message("ModelStats"), 404)}
        paths[f"{path}/infer"] = {"post": _infer(f"infer{suffix}")}
    for path, operations in paths.items():
        names = [name for name in ("m", "v") if f"{{{name}}}" in path]
        if names:
            operations["parameters"] = [_parameter(name) for name in names]
    return paths


def _operation(name: str, summary: str, content: dict[str, Any] | None, *errors: int) -> dict[str, Any]:
    """An operation that takes no body; 401 may always come."""
    answer: dict[str, Any] = {"description": summary}
    if content is not None:
        answer["content"] = content
    return {"operationId": name, "summary": summary, "responses": {"200": answer, **_errors(401, *errors)}}


def _infer(name: str) -> dict[str, Any]:
    operation = _operation(name, "Inference", _message("InferResponse"), 400, 404, 413, 415, 503)
    operation["responses"]["200"]["content"]["application/octet-stream"] = {}
    operation["parameters"] = [{"name": _HEAD, "in": "header", "schema": {"type": "integer", "minimum": 0}}]
    body = {**_message("InferRequest"), "application/octet-stream": {}}
    return {**operation, "requestBody": {"required": True, "content": body}}


def _classify() -> dict[str, Any]:
    operation = _operation("classify", "Labels of a picture or window", _message("Classification"), 400, 404, 413, 415, 503)
    kinds = ("image/jpeg", "image/png", "application/octet-stream")
    body = {**{kind: {} for kind in kinds}, **_message("WindowRequest")}
    return {**operation, "requestBody": {"required": True, "content": body}}


def _index() -> dict[str, Any]:
    entries = {"type": "array", "items": _reference("IndexEntry")}
    operation = _operation("index", "Models of the repository", _json(entries), 400, 413, 415, 503)
    return {**operation, "requestBody": {"required": False, "content": _message("IndexRequest")}}


def _admin(name: str, summary: str, body: dict[str, Any] | None) -> dict[str, Any]:
    """A call for the Unix socket or the admin token."""
    operation = _operation(name, summary, _json({"type": "object"}), 400, 403, 404, 413, 415, 503)
    if body is not None:
        operation["requestBody"] = {"required": False, "content": _json(body)}
    return operation


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): {"description": "Refused", "content": _message("ErrorBody")} for status in statuses}


def _message(name: str) -> dict[str, Any]:
    return _json(_reference(name))


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _content(kind: str) -> dict[str, Any]:
    return {kind: {}}


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
