"""Messages that carry arrays of numbers: parsed once, the arrays left to NumPy, all else checked by msgspec."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, TypeVar

import msgspec
import simdjson

from edgekit.daemon.refusals import BadRequest
from edgekit.daemon.schemas import INPUTS, InferInput, InferRequest, WindowRequest

__all__ = ["read_infer_request", "read_window_request"]

T = TypeVar("T", bound=msgspec.Struct)


def read_infer_request(text: bytes | memoryview) -> InferRequest:
    """A request for inference; the `data` of its inputs are the parser's own arrays.

    Raises:
        BadRequest: saying what was expected.
    """
    return _read(text, InferRequest, {"inputs": _inputs})


def read_window_request(text: bytes) -> WindowRequest:
    """A window of samples; its numbers are the parser's own array.

    Raises:
        BadRequest: saying what was expected.
    """
    return _read(text, WindowRequest, {"window": _as_it_is})


def _read(text: bytes | memoryview, kind: type[T], readers: Mapping[str, Callable[[Any], Any]]) -> T:
    try:
        return msgspec.convert(_fields(simdjson.Parser().parse(text), kind, readers), kind)
    except msgspec.ValidationError as error:
        raise BadRequest(f"Expected JSON as in the OpenAPI document: {error}.") from error
    # No JSON, no UTF-8; nested too deeply, an integer of more than 64 bits.
    except (ValueError, RuntimeError) as error:
        raise BadRequest("Expected well-formed JSON, not too deep, its integers of 64 bits.") from error


def _fields(value: Any, kind: type[msgspec.Struct], readers: Mapping[str, Callable[[Any], Any]]) -> Any:
    """The fields that a type has, as plain values; of each name the first, and of others there may be very many."""
    if not isinstance(value, simdjson.Object):
        return _plain(value)
    return {name: readers.get(name, _plain)(value[name]) for name in set(value).intersection(kind.__struct_fields__)}


def _inputs(value: Any) -> Any:
    if not isinstance(value, simdjson.Array):
        return _plain(value)
    # One more than are taken, so that the check says so.
    return [_fields(item, InferInput, {"data": _as_it_is}) for item in islice(value, INPUTS + 1)]


def _as_it_is(value: Any) -> Any:
    return value


def _plain(value: Any) -> Any:
    """Python's own objects."""
    if isinstance(value, simdjson.Object):
        return value.as_dict()
    return value.as_list() if isinstance(value, simdjson.Array) else value
