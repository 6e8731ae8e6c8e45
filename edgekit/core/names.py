"""Names of bundles: what a store makes folders of, and the daemon addresses."""

from __future__ import annotations

import re

__all__ = ["NAME", "NAMES", "RESERVED", "is_name"]

#: No model's name: `/v2/models/stats` is the protocol's own address.
RESERVED = "stats"

#: What is allowed, in words.
NAMES = f"at most 128 letters, digits, '.', '_' and '-' (and not {RESERVED!r})"

#: The same for folders of a store: names, and versions.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_name(name: str) -> bool:
    """Whether boards take a bundle of this name."""
    return name != RESERVED and NAME.fullmatch(name) is not None
