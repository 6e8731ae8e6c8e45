"""Frozen dataclasses to JSON and back, strictly: unknown or missing keys and wrong types are refused."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from edgekit.errors import BundleError

__all__ = ["from_json", "to_json"]

T = TypeVar("T")


def to_json(value: Any) -> Any:
    """Plain JSON values (dict, list, str, int, float, bool, None) of a dataclass tree. Tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[T], value: Any, where: str = "") -> T:
    """Build `kind` (a frozen dataclass) from what `to_json` gave.

    Args:
        kind: the dataclass.
        value: the parsed JSON.
        where: path of keys so far, for messages.

    Raises:
        BundleError: naming the key that is unknown, missing or of the wrong type.
    """
    result: T = _decode(kind, value, where or kind.__name__.lower())
    return result


def _decode(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _decode_union(args, value, where)
    if origin is Literal:
        return _check(value in args, value, f"one of {', '.join(map(str, args))}", where)
    if origin is tuple:
        return _decode_tuple(args, value, where)
    if origin in (dict, Mapping):
        _check(isinstance(value, dict), value, "an object", where)
        return {key: _decode(args[1], item, f"{where}.{key}") for key, item in value.items()}
    if kind is Any:
        return value
    if kind is float:
        number = _check(isinstance(value, int | float) and not isinstance(value, bool), value, "a number", where)
        try:
            return float(number)
        except OverflowError as error:
            raise BundleError(
                f"Expected a number that a float holds at {where}, got one of {len(str(number))} digits."
            ) from error
    if kind is int:
        return _check(isinstance(value, int) and not isinstance(value, bool), value, "an integer", where)
    return _check(isinstance(value, kind), value, f"a {kind.__name__}", where)


def _decode_dataclass(kind: Any, value: Any, where: str) -> Any:
    _check(isinstance(value, dict), value, "an object", where)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise BundleError(f"Unknown key {unknown[0]!r} in {where}. Known: {', '.join(fields)}.")
    hints = get_type_hints(kind)
    given = {}
    for name, field in fields.items():
        if name in value:
            given[name] = _decode(hints[name], value[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise BundleError(f"Expected key {name!r} in {where}, found {', '.join(value) or 'nothing'}.")
    return kind(**given)


def _decode_union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    options = [kind for kind in kinds if kind is not type(None)]
    for kind in options[:-1]:
        try:
            return _decode(kind, value, where)
        except BundleError:
            continue
    return _decode(options[-1], value, where)


def _decode_tuple(args: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    _check(isinstance(value, list), value, "a list", where)
    if len(args) == 2 and args[1] is Ellipsis:
        return tuple(_decode(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    _check(len(value) == len(args), value, f"a list of {len(args)}", where)
    return tuple(_decode(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(args, value, strict=True)))


def _check(ok: bool, value: Any, expected: str, where: str) -> Any:
    if not ok:
        raise BundleError(f"Expected {expected} at {where}, got {value!r}.")
    return value
