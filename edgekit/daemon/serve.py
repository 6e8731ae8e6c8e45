"""The process: sockets, servers, signals, systemd; from the first model loaded to the last answer given."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn

from edgekit.core.names import RESERVED
from edgekit.core.store import Store
from edgekit.daemon.access import Gate
from edgekit.daemon.app import Door, build_app
from edgekit.daemon.board import BoardState
from edgekit.daemon.bodies import Bodies
from edgekit.daemon.connections import Connections, GuardedProtocol
from edgekit.daemon.loading import LoadedModel
from edgekit.daemon.metrics import Metrics
from edgekit.daemon.notify import Notifier
from edgekit.daemon.process import allow_open_files, keep_freed_memory
from edgekit.daemon.refusals import Busy, Expired, LoadFailed, NotReady
from edgekit.daemon.service import Service, Slot
from edgekit.daemon.settings import Settings
from edgekit.daemon.sockets import listen_tcp, listen_unix
from edgekit.daemon.sources import FromPath, FromStore, Source, check_name
from edgekit.errors import EdgekitError, UserError

__all__ = ["Daemon", "run"]

_log = logging.getLogger("edgekit.daemon")

#: Open files that are no connections: bundles being loaded, the log, the event loop's own.
_FILES_BESIDE = 256

#: From the end of the listeners to that of idle connections: what is under way comes before it, its answers say the last word.
_LAST_WORDS_S = 0.3


class _Server(uvicorn.Server):
    """A server that leaves the signals to the daemon, and that ends without a connection reset.

    uvicorn closes its listeners and its idle connections in one breath: those that the kernel holds for it already, and those
    whose first request is under way, would be reset.
    """

    def __init__(self, config: uvicorn.Config, on_closed: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_closed = on_closed

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop, waiting = asyncio.get_running_loop(), []
        for listener in sockets or []:
            waiting += _accept_all(listener)
        for server in self.servers:
            server.close()
        self.on_closed()
        for accepted in waiting:
            with contextlib.suppress(OSError):
                await loop.connect_accepted_socket(self._protocol, accepted, ssl=self.config.ssl)
        await asyncio.sleep(_LAST_WORDS_S)
        await super().shutdown(sockets)

    def _protocol(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(config=self.config, server_state=self.server_state, app_state={})  # type: ignore[call-arg]


class Daemon:
    """Everything between `edgekit serve` and its end. Build it within a running event loop.

    Args:
        settings: see there.

    Raises:
        UserError: on a bundle that is none, two models of one name, an address that is taken.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._given = _given(settings)
        store = Store(settings.store) if settings.store is not None else None
        state = BoardState()
        metrics = Metrics(state)
        discover: Callable[[], dict[str, Source]] = dict
        if store is not None:
            discover = partial(_discover, store, frozenset(self._given))
        self.service = Service(settings, dict(self._given), metrics, discover)
        bodies, connections = Bodies(settings.limits), Connections(settings.limits)
        metrics.bodies.set_function(lambda: bodies.held)
        metrics.connections.set_function(lambda: connections.open)
        metrics.in_flight.set_function(lambda: self.service.in_flight)
        self._notifier = Notifier(os.environ)
        self._stop = asyncio.Event()
        self._reloading: asyncio.Future[None] | None = None
        self.app = build_app(self.service, bodies, state)
        tcp = Door(self.app, Gate(settings.access, trusted=False), self.service)
        self._tcp = self._server(tcp, connections, settings.tls_cert, settings.tls_key)
        self._listeners = [(self._tcp, listen_tcp(settings.host, settings.port))]
        if settings.uds is not None:
            unix = Door(self.app, Gate(settings.access, trusted=True), self.service)
            try:
                self._listeners.append((self._server(unix, connections, None, None), listen_unix(settings.uds)))
            except UserError:
                self._listeners[0][1].close()
                raise

    @property
    def addresses(self) -> dict[str, Any]:
        """Where it listens: with the models, the document of `edgekit serve --json`."""
        host, port = self._listeners[0][1].getsockname()[:2]
        scheme = "https" if self.settings.tls_cert is not None else "http"
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        uds = str(self.settings.uds) if self.settings.uds is not None else None
        return {"url": url, "uds": uds, "pid": os.getpid()}

    def stop(self) -> None:
        """Ask it to end, in order."""
        self._stop.set()

    async def run(self, announce: Callable[[dict[str, Any]], None]) -> None:
        """Listen, load, answer; until `stop`, SIGTERM or SIGINT.

        Args:
            announce: told the addresses once every model is loaded.

        Raises:
            EdgekitError: when a bundle that was given by its path is refused at the start.
        """
        self._handle_signals()
        # Asked now: a server that has ended closes its socket.
        addresses = self.addresses
        servers = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in self._listeners]
        beside: list[asyncio.Task[None]] = []
        try:
            await self._load()
            beside = self._start_beside()
            addresses["models"] = [slot.name for slot in self.service.slots if slot.worker is not None]
            self._notifier.ready(f"serving {', '.join(addresses['models']) or 'nothing yet'}")
            _log.info("ready", extra=addresses)
            announce(addresses)
            stop = asyncio.ensure_future(self._stop.wait())
            # A server that ends by itself takes the daemon with it: it must not call itself ready and listen no more.
            await asyncio.wait((stop, *servers), return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
        finally:
            await self._end(servers, beside)

    async def reload(self) -> None:
        """SIGHUP: certificates, and every model from where it came."""
        self._notifier.reloading()
        if self.settings.tls_cert is not None and self._tcp.config.ssl is not None:
            pair = (self.settings.tls_cert, self.settings.tls_key)
            try:
                # Tried apart: a certificate that does not fit its key would leave the living context without one.
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*pair)
                self._tcp.config.ssl.load_cert_chain(*pair)
            except (OSError, ssl.SSLError) as error:
                _log.warning("certificate refused, the old one stays", extra={"reason": str(error)})
        await self.service.load_all()
        self._notifier.ready("reloaded")

    async def _load(self) -> None:
        for name in self._given:
            try:
                await self.service.load(name)
            except LoadFailed as error:
                if isinstance(error.__cause__, EdgekitError):
                    raise error.__cause__ from None
                raise
        await self.service.load_all(but=self._given)

    def _handle_signals(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        self._reloading = asyncio.ensure_future(self.reload())

    def _start_beside(self) -> list[asyncio.Task[None]]:
        tasks = []
        if self.settings.store is not None:
            tasks.append(asyncio.create_task(self.service.watch()))
        if self._notifier.watchdog_s is not None:
            tasks.append(asyncio.create_task(self._keep_alive(self._notifier.watchdog_s)))
        return tasks

    async def _keep_alive(self, every_s: float) -> None:
        """For ever: a sign of life after an inference of every model; a hung engine gives none, and systemd restarts us."""
        before: dict[str, int] = {}
        while True:
            slots = [slot for slot in self.service.slots if slot.worker is not None]
            if all([await self._breathes(slot, before.get(slot.name), every_s) for slot in slots]):
                self._notifier.alive()
            before = {slot.name: slot.statistics.success.count for slot in slots}
            await asyncio.sleep(every_s / 2)

    async def _breathes(self, slot: Slot, before: int | None, timeout_s: float) -> bool:
        try:
            await self.service.run(slot, LoadedModel.ping, timeout_s)
        except NotReady:  # unloaded meanwhile
            return True
        except Expired:
            return False
        except Busy:
            return before is not None and slot.statistics.success.count > before
        return True

    async def _end(self, servers: list[asyncio.Task[None]], beside: list[asyncio.Task[None]]) -> None:
        """Answer what was accepted, tell clients to ask elsewhere, then close."""
        self._notifier.stopping()
        _log.info("ending", extra={"in_flight": self.service.in_flight})
        for task in beside:
            task.cancel()
        if self.settings.uds is not None:
            # While it is ours: from the end of the listener on, the next daemon may have put its own there.
            self.settings.uds.unlink(missing_ok=True)
        for server, _ in self._listeners:
            server.should_exit = True
        await asyncio.gather(*servers)
        await self.service.drain()
        _log.info("ended")

    def _say_last_words(self) -> None:
        """Nothing listens any more: from now on answers end their connections, and no client comes back by a closing door."""
        self.service.draining = True

    def _server(self, door: Door, connections: Connections, cert: Path | None, key: Path | None) -> _Server:
        config = uvicorn.Config(
            door,
            http=partial(GuardedProtocol, connections),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=self.settings.limits.idle_s,
            timeout_graceful_shutdown=int(self.settings.drain_s),
            ssl_certfile=cert,
            ssl_keyfile=key,
        )
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            raise UserError(
                f"Expected a certificate chain and its key (PEM) in {cert} and {key}: {error.strerror or error}."
            ) from error
        return _Server(config, self._say_last_words)


def run(settings: Settings, announce: Callable[[dict[str, Any]], None]) -> None:
    """Be the daemon until SIGTERM or SIGINT.

    Args:
        settings: see there.
        announce: told the addresses once every model is loaded.

    Raises:
        EdgekitError: when it cannot start.
    """

    async def main() -> None:
        await Daemon(settings).run(announce)

    keep_freed_memory()
    allow_open_files(settings.limits.connections + _FILES_BESIDE)
    asyncio.run(main())


def _given(settings: Settings) -> dict[str, Source]:
    """Name -> source of the bundles given by their paths."""
    found: dict[str, Source] = {}
    for path in settings.bundles:
        name = check_name(path)
        if name in found:
            raise UserError(f"Expected bundles of different names, two are called {name!r}.")
        found[name] = FromPath(path.absolute())
    return found


def _discover(store: Store, taken: Collection[str]) -> dict[str, Source]:
    return {name: FromStore(store, name) for name in store.names() if name not in taken and name != RESERVED}


def _accept_all(listener: socket.socket) -> list[socket.socket]:
    """Connections that the kernel has accepted for a listener and nobody has taken yet."""
    accepted = []
    with contextlib.suppress(OSError):
        while True:
            accepted.append(listener.accept()[0])
    return accepted
