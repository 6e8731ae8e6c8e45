"""A plain HTTP client over TCP or a Unix socket, and a daemon in a thread to ask."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.daemon.serve import Daemon
from edgekit.daemon.settings import Settings


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        assert list(self.json) == ["error"]
        return self.json["error"]


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=10)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(10)
        self.sock.connect(self._path)


def ask(
    address: str | Path, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, ssl_context: Any = None
) -> Answer:
    """One request on a connection of its own; a body that is no bytes goes as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    if isinstance(address, Path):
        connection: http.client.HTTPConnection = _UnixConnection(str(address))
    elif ssl_context is not None:
        connection = http.client.HTTPSConnection(address, timeout=10, context=ssl_context)
    else:
        connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Running:
    """A daemon that answers."""

    def __init__(self, daemon: Daemon, loop: asyncio.AbstractEventLoop, addresses: dict[str, Any]) -> None:
        self.daemon = daemon
        self.service = daemon.service
        self.loop = loop
        self.address = addresses["url"].partition("://")[2]
        self.uds = daemon.settings.uds

    def get(self, path: str, **headers: str) -> Answer:
        return ask(self.address, "GET", path, None, headers)

    def post(self, path: str, body: Any = b"", **headers: str) -> Answer:
        return ask(self.address, "POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})

    def admin(self, path: str, body: Any = b"") -> Answer:
        assert self.uds is not None
        return ask(self.uds, "POST", path, body)

    def call(self, coroutine: Any, timeout: float = 10) -> Any:
        """Run a coroutine of the service in the daemon's own loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """A daemon in a thread of its own; an error of its start is raised here."""
    started: Any = threading.Event()
    found: list[Running] = []
    errors: list[BaseException] = []

    async def main() -> None:
        daemon = Daemon(settings)
        loop = asyncio.get_running_loop()

        def announce(addresses: dict[str, Any]) -> None:
            found.append(Running(daemon, loop, addresses))
            started.set()

        await daemon.run(announce)

    def thread() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001
            errors.append(error)
        started.set()

    runner = threading.Thread(target=thread)
    runner.start()
    started.wait(30)
    try:
        if errors:
            raise errors[0]
        yield found[0]
    finally:
        if found and runner.is_alive():
            found[0].loop.call_soon_threadsafe(found[0].daemon.stop)
        runner.join(30)
    if errors:
        raise errors[0]
