"""Multiply-accumulates of convolutions and matrix products: counted, or known to be unknown."""

from __future__ import annotations

import math
from collections.abc import Iterable

__all__ = ["product_of", "total"]


def product_of(*sizes: int) -> int | None:
    """Their product; None where one of them is open (negative): taken as 1, a sequence of any length would cost one step."""
    return None if any(size < 0 for size in sizes) else math.prod(sizes)


def total(counts: Iterable[int | None]) -> int | None:
    """Their sum; None where one of them is not known: the rest would pass for the whole."""
    known = list(counts)
    return None if any(count is None for count in known) else sum(count for count in known if count is not None)
