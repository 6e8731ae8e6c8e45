"""Bodies of requests, within their limits: of bytes, and of memory for all of them together. Time is the connection's affair."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from edgekit.daemon.refusals import BadRequest, Busy, TooLarge, Unsupported
from edgekit.daemon.settings import Limits

__all__ = ["Bodies"]

_ENCODINGS = ("identity", "gzip", "deflate")

#: zlib's own number for: gzip or zlib, whichever the first bytes say.
_EITHER = 47


class Bodies:
    """The account of memory for bodies; event loop only.

    Args:
        limits: see there.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held = 0

    @asynccontextmanager
    async def read(self, request: Request) -> AsyncIterator[bytes]:
        """The body, decompressed; its memory counts as held until the block ends.

        Raises:
            TooLarge: when it has, or says that it has, more bytes than allowed, before or after decompression.
            Busy: when the memory for bodies is used up.
            BadRequest: on a damaged encoding, or a client that went away.
            Unsupported: on an encoding other than gzip and deflate.
        """
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in _ENCODINGS:
            raise Unsupported("Expected a content-encoding of gzip, deflate or none.")
        account = _Account(self)
        try:
            content = await self._collect(request, account)
            if encoding != "identity":
                content = self._decompress(content)
                account.grow(len(content))
            yield content
        finally:
            account.close()

    async def _collect(self, request: Request, account: _Account) -> bytes:
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._limits.body_bytes:
            raise self._too_large()
        chunks = []
        try:
            async for chunk in request.stream():
                account.grow(len(chunk))
                if account.held > self._limits.body_bytes:
                    raise self._too_large()
                chunks.append(chunk)
        except ClientDisconnect as error:
            raise BadRequest("Expected the whole body, the connection ended before.") from error
        return chunks[0] if len(chunks) == 2 and not chunks[1] else b"".join(chunks)

    def _decompress(self, content: bytes) -> bytes:
        inflate = zlib.decompressobj(_EITHER)
        try:
            plain = inflate.decompress(content, self._limits.body_bytes + 1)
        except zlib.error as error:
            raise BadRequest("Expected a body compressed as its content-encoding says.") from error
        if len(plain) > self._limits.body_bytes:
            raise self._too_large()
        if not inflate.eof:
            raise BadRequest("Expected a whole compressed body, it is cut short.")
        return plain

    def _too_large(self) -> TooLarge:
        return TooLarge(f"Expected a body of at most {self._limits.body_bytes} bytes.")

    def grow(self, size: int) -> None:
        """Take memory, or raise Busy."""
        if self.held + size > self._limits.bodies_bytes:
            raise Busy("Expected memory for the body, other requests hold all of it. Try again later.")
        self.held += size


class _Account:
    """What one request holds."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.held = 0

    def grow(self, size: int) -> None:
        self._bodies.grow(size)
        self.held += size

    def close(self) -> None:
        self._bodies.held -= self.held
        self.held = 0
