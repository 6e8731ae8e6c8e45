"""Many image files in threads, and what is said of those that cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgekit.errors import DataError, ImageError

__all__ = ["CHUNK", "check_readable", "in_threads", "unreadable"]

#: Images a task.
CHUNK = 16
_MOST_NAMED = 5

Work = TypeVar("Work")
Done = TypeVar("Done")


def in_threads(part: Callable[[Work], Done], chunks: Sequence[Work]) -> Iterator[Done]:
    """`part` of every chunk, in order; those not begun are dropped when the caller stops."""
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        try:
            yield from pool.map(part, chunks)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def unreadable(path: object, error: ImageError) -> str:
    """The file and why, shortly: the part of "Expected an image in NAME, it REASON." that does not repeat the name."""
    message = str(error)
    return f"{path} ({(message.partition(', it ')[2] or message)[:80].rstrip('.')})"


def check_readable(failures: Sequence[str], examples: int) -> None:
    """Refuse a data set with images that cannot be decoded.

    Args:
        failures: of `unreadable`.
        examples: how many images there are.

    Raises:
        DataError: naming up to five, counting all.
    """
    if failures:
        more = f" and {len(failures) - _MOST_NAMED} more" if len(failures) > _MOST_NAMED else ""
        raise DataError(
            f"Expected images that can be decoded, found {len(failures)} of {examples} that cannot: "
            f"{', '.join(failures[:_MOST_NAMED])}{more}. Remove or replace them."
        )
