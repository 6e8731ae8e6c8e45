"""The board's state for metrics and status page, read at most every few seconds: a Raspberry Pi answers through a command."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from edgekit.bench.host import State, read_state

__all__ = ["BoardState"]

_FRESH_S = 5.0


class BoardState:
    """The last reading, renewed when it is five seconds old. Safe for several threads; not to be called in the event loop."""

    def __init__(self, read: Callable[[], State] = read_state) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._state: State | None = None
        self._at = 0.0

    def __call__(self) -> State:
        """The board's state."""
        with self._lock:
            now = time.monotonic()
            if self._state is None or now - self._at > _FRESH_S:
                self._state, self._at = self._read(), now
            return self._state
