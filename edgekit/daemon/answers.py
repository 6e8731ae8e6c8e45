"""Answers: values as JSON, and errors by the protocol's words and HTTP's status."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgekit.daemon import refusals
from edgekit.errors import UserError

__all__ = ["ERROR_STATUS", "on_crash", "on_error", "on_http_error", "status_of", "to_json"]

#: Triton's map (404 not found, 503 unavailable, 500 internal, otherwise 400), and HTTP's own words for limits and access.
ERROR_STATUS: dict[type[Exception], int] = {
    refusals.UnknownModel: 404,
    refusals.NotReady: 503,
    refusals.Busy: 503,
    refusals.TooLarge: 413,
    refusals.Unsupported: 415,
    refusals.Unauthorized: 401,
    refusals.Denied: 403,
    refusals.BadRequest: 400,
    refusals.LoadFailed: 400,
    UserError: 400,
}

_INTERNAL = "Expected to answer, something failed here. The daemon's log has the reason."


def to_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer of anything that msgspec encodes."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def status_of(error: Exception) -> int:
    """HTTP status of an error; 500 for one that nobody expected."""
    return next((ERROR_STATUS[kind] for kind in type(error).__mro__ if kind in ERROR_STATUS), 500)


async def on_error(_request: Request, error: Exception) -> Response:
    """Of an error that edgekit raised on purpose: its own words, in one line."""
    status = status_of(error)
    if status == 500:
        raise error
    headers = {}
    if isinstance(error, refusals.Busy | refusals.NotReady):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, refusals.Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return to_json({"error": " ".join(str(error).split())}, status, headers)


async def on_http_error(_request: Request, error: Exception) -> Response:
    """Of an address that is not there, or a wrong verb."""
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    words = {404: "Expected an address of the daemon. See: GET /openapi.json", 405: "Expected another verb at this address."}
    return to_json({"error": words.get(status, _INTERNAL)}, status, dict(headers or {}))


async def on_crash(_request: Request, _error: Exception) -> Response:
    """Of an error that nobody expected: the server logs it with its trace, the client learns that it happened."""
    return to_json({"error": _INTERNAL}, 500)
