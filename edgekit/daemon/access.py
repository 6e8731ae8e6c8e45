"""Who may come in: tokens on TCP, file permissions on the Unix socket."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from edgekit.daemon.refusals import Denied, Unauthorized
from edgekit.daemon.settings import Access

__all__ = ["OPEN_PATHS", "Gate"]

#: Told to anybody: that the daemon lives, and the empty page that asks for a token itself.
OPEN_PATHS = frozenset(("/", "/v2/health/live", "/v2/health/ready"))


class Gate:
    """Decides for one socket.

    Args:
        access: the tokens.
        trusted: True for the Unix socket, whose file's permissions have decided already.
    """

    def __init__(self, access: Access, trusted: bool) -> None:
        self._access = access
        self._trusted = trusted

    def check(self, request: Request) -> None:
        """Raise Unauthorized unless the request may be answered.

        The path is the one that is routed: that of `request.url` is read from the Host header, too, in versions of starlette.
        """
        if self._trusted or self._access.token is None or request.scope["path"] in OPEN_PATHS:
            return
        given = _bearer(request)
        if not (_same(given, self._access.token) or _same(given, self._access.admin_token)):
            raise Unauthorized("Expected the token: Authorization: Bearer TOKEN.")

    def check_admin(self, request: Request) -> None:
        """Raise Denied unless the request may load, unload and roll back."""
        if not self._trusted and not _same(_bearer(request), self._access.admin_token):
            raise Denied("Expected an admin call on the Unix socket, or with the admin token.")


def _bearer(request: Request) -> str:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _same(given: str, token: str | None) -> bool:
    """Compared in constant time."""
    return token is not None and hmac.compare_digest(given.encode("utf-8"), token.encode("utf-8"))
