"""Ask the daemon of this board, over its Unix socket, to load what the store's `current` link points at now."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from urllib.parse import quote

from edgekit.errors import GateError, UserError

__all__ = ["reload_model"]

#: Opening a large model and its golden vectors take seconds on a small board.
_TIMEOUT_S = 120.0


def reload_model(daemon: Path, name: str) -> str:
    """Let the daemon load a model again.

    Args:
        daemon: its Unix socket (`edgekit serve --uds`); whoever may write to the socket may load.
        name: of the model.

    Returns:
        The version that answers now.

    Raises:
        UserError: when nothing listens there, or it may not be asked.
        GateError: when the daemon refuses the model; the old one answers on.
    """
    try:
        status, body = _ask(daemon, "POST", f"/v2/repository/models/{quote(name, safe='')}/load")
        if status == http.client.OK:
            status, body = _ask(daemon, "GET", f"/v2/models/{quote(name, safe='')}")
            return str(json.loads(body)["versions"][0])
        reason = json.loads(body)["error"]
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"Expected edgekit's daemon on the Unix socket {daemon}: {_said(error)}. "
            f"Start one with: edgekit serve --store STORE --uds {daemon}"
        ) from error
    raise GateError(f"Expected the daemon at {daemon} to take {name}, it refuses: {reason} Nothing was changed.")


def _said(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _ask(daemon: Path, method: str, path: str) -> tuple[int, bytes]:
    connection = _UnixConnection(daemon)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    """The standard library's client on a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
