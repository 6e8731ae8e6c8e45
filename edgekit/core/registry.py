"""Explicit, lazy registries: a name maps to "package.module:attribute", imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from edgekit.errors import UnknownNameError

__all__ = ["Registry"]


class Registry:
    """Names and where they live.

    Args:
        kind: what the names are, for messages: "front end", "network", ...
        entries: name -> "package.module:attribute".
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def load(self, name: str) -> Any:
        """Import and return what `name` stands for.

        Raises:
            UnknownNameError: listing the known names.
        """
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries)
        module, _, attribute = self._entries[name].partition(":")
        return getattr(import_module(module), attribute)
