"""Connections that do not come to their point: uvicorn's protocol with limits on time, on bytes beside the body, on number.

uvicorn limits the time between requests; a client that opens a connection and sends nothing, a header without an end, or a body
one byte a minute would hold it for ever (the slow loris).
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgekit.daemon.settings import Limits

__all__ = ["Connections", "GuardedProtocol"]

#: Bytes that chunked framing may take for a byte of body.
_FRAMING = 8

#: Bytes of a body after which the application is woken and reading pauses; less where many connections share the memory.
_HIGH_WATER = 256 << 10

#: Requests that may be sent ahead on one connection.
_PIPELINED = 16


class Connections:
    """The open ones of all sockets; event loop only.

    Args:
        limits: see there.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open = 0

    @property
    def share(self) -> int:
        """Bytes that each may hold of a body before the application takes them into its account."""
        return self.limits.bodies_bytes // max(1, self.open)


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        connections: the account of all.
        **given: what uvicorn passes.
    """

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._all = connections
        self._timer: asyncio.TimerHandle | None = None
        self._beside = 0
        self._in_message = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, or close it where there are too many."""
        super().connection_made(transport)
        self._all.open += 1
        if self._all.open > self._all.limits.connections:
            transport.close()
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._all.open -= 1
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; close where too much comes that is no body: headers, chunk extensions, trailers."""
        self._beside += len(data)
        super().data_received(data)
        if self._in_message:
            self._start_timer()
        if self._beside > self._all.limits.head_bytes:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """A request begins; its clock runs unless the rest is here already."""
        super().on_message_begin()
        self._beside, self._in_message = 0, True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One of its headers is there."""
        if len(self.headers) < self._all.limits.headers:
            super().on_header(name, value)
        else:
            self.transport.abort()

    def on_headers_complete(self) -> None:
        """Its headers are there; those that came in one piece with their end were counted nowhere yet."""
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self._all.limits.head_bytes:
            self.transport.abort()
        if len(self.pipeline) < _PIPELINED:
            super().on_headers_complete()
        else:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        """A part of its body is there; that and the framing around it is not counted.

        As uvicorn's own, but that the application is not woken for every part: a tensor in JSON comes in a dozen.
        """
        self._beside = max(0, self._beside - (1 + _FRAMING) * len(body))
        if self.cycle.response_complete:
            return
        self.cycle.body += body
        if len(self.cycle.body) > min(_HIGH_WATER, self._all.share):
            self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._in_message = False
        self._stop_timer()
        super().on_message_complete()

    def timeout_keep_alive_handler(self) -> None:
        """No further request came; what the client has not read of its answers by now it does not get."""
        self.transport.abort()

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self._all.limits.message_s, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self.transport.abort()
