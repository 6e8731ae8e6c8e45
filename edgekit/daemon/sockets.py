"""The sockets that the daemon listens on."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from edgekit.errors import UserError

__all__ = ["listen_tcp", "listen_unix"]

_OWNER_AND_GROUP = 0o117


def listen_tcp(host: str, port: int) -> socket.socket:
    """A bound TCP socket.

    Raises:
        UserError: when the address is taken, or not this machine's.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family)
    except OSError as error:
        raise UserError(
            f"Expected a free address of this machine, {host}:{port} is not: {error.strerror}. Pass --port."
        ) from error
    # Inherited by every connection: an answer's head and body go in two pieces, and Nagle's algorithm would hold the second back
    # for 40 ms. asyncio sets it only on sockets that were made with the protocol's number, which create_server leaves out.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def listen_unix(path: Path) -> socket.socket:
    """A bound Unix socket that its owner and group may open; one that a killed daemon left behind is replaced.

    Raises:
        UserError: when something else lies there, another daemon answers there, or nothing can be made there.
    """
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise UserError(f"Expected a free path for the Unix socket, {path} is a file. Choose another.")
    if path.exists() and _answers(path):
        raise UserError(f"Expected a free path for the Unix socket, another daemon answers at {path}.")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(_OWNER_AND_GROUP)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise UserError(f"Expected to be able to make a Unix socket at {path}: {error.strerror or error}.") from error
    finally:
        os.umask(mask)
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
