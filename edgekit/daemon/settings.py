"""Everything that may be set of the daemon, checked before anything starts."""

from __future__ import annotations

import ipaddress
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from edgekit.core.recipe import PRECISIONS
from edgekit.core.signature import key_name
from edgekit.errors import UnknownNameError, UserError
from edgekit.runtimes.base import RUNTIME_FORMATS

__all__ = ["Access", "Limits", "Settings", "read_token"]

_LEAST_TOKEN = 16


@dataclass(frozen=True)
class Limits:
    """What one client may ask of the board.

    Attributes:
        queue: requests that may wait for each model; one more is refused at once.
        deadline_s: seconds from a whole request to its answer, unless the request asks for less.
        body_bytes: of one request, after decompression.
        bodies_bytes: of all requests that are being read or answered.
        pixels: of one picture, as its header declares.
        head_bytes: of a request's line and headers.
        headers: of one request: a short one takes twenty times its bytes as an object.
        message_s: seconds in which a whole request must have come; a new connection that sends none is closed after as many.
        idle_s: seconds after which a connection without a further request is closed.
        connections: open at once, over all sockets.
    """

    queue: int = 32
    deadline_s: float = 5.0
    body_bytes: int = 8 << 20
    bodies_bytes: int = 32 << 20
    pixels: int = 16_777_216
    head_bytes: int = 16 << 10
    headers: int = 100
    message_s: float = 15.0
    idle_s: int = 60
    connections: int = 2048

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise UserError(f"Expected a limit {name} above 0, got {getattr(self, name)}.")
        if self.body_bytes > self.bodies_bytes:
            raise UserError(
                f"Expected a body of at most {self.bodies_bytes} bytes, the limit for all bodies, got {self.body_bytes}."
            )


@dataclass(frozen=True)
class Access:
    """Who may ask, and who may load and unload.

    Attributes:
        token: asked for on TCP where it is set.
        admin_token: gives the right to load, unload and roll back on TCP; the Unix socket has it by its file permissions.
    """

    token: str | None = None
    admin_token: str | None = None


@dataclass(frozen=True)
class Settings:
    """How the daemon runs.

    Attributes:
        bundles: paths of bundles; a model's name is its bundle's.
        store: a bundle store whose current versions are served, too, and watched.
        host: address to listen on.
        port: 0 takes any free one.
        uds: path of a Unix socket, beside TCP.
        access: tokens.
        open_to_all: the waiver: no token on an address that others reach.
        tls_cert: certificate chain (PEM); with it TCP speaks TLS alone.
        tls_key: its key (PEM).
        runtime: as `open_pipeline` takes it.
        precision: as `open_pipeline` takes it.
        threads: of each model's engine.
        signed_by: the public key that every bundle must be signed by; None takes unsigned ones, too.
        limits: see there.
        watch_s: seconds between two looks at the store.
        drain_s: seconds that accepted requests have after SIGTERM.

    Raises:
        UserError: on settings that do not go together.
    """

    bundles: tuple[Path, ...] = ()
    store: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    uds: Path | None = None
    access: Access = Access()
    open_to_all: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    runtime: str | None = None
    precision: str | None = None
    threads: int = 1
    signed_by: Path | None = None
    limits: Limits = Limits()
    watch_s: float = 2.0
    drain_s: float = 20.0

    def __post_init__(self) -> None:
        if not self.bundles and self.store is None:
            raise UserError("Expected at least one bundle or a store to serve, got none. Pass: edgekit serve BUNDLE")
        for kind, name, known in (("runtime", self.runtime, RUNTIME_FORMATS), ("precision", self.precision, PRECISIONS)):
            if name is not None and name not in known:
                raise UnknownNameError(kind, name, known)
        if self.signed_by is not None:
            key_name(self.signed_by)
        if self.store is not None and not self.store.is_dir():
            raise UserError(f"Expected a bundle store (a folder) at {self.store}, found none.")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UserError("Expected a certificate and its key, got one of them. Pass both --tls-cert and --tls-key.")
        for path in (self.tls_cert, self.tls_key):
            if path is not None and not path.is_file():
                raise UserError(f"Expected a PEM file at {path}, found none.")
        if not self.access.token and not self.open_to_all and not _is_loopback(self.host):
            raise UserError(
                f"Expected a token for {self.host}, which other machines reach. "
                "Pass --token-file FILE, or --no-token to let anybody ask."
            )


def read_token(path: Path) -> str:
    """The one line of a token file.

    Raises:
        UserError: when it is absent, readable by everybody, or shorter than 16 characters.
    """
    try:
        text = path.read_text(encoding="ascii").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"Expected a token (ASCII) in {path}: {getattr(error, 'strerror', None) or 'it is not ASCII'}."
        ) from error
    if mode & stat.S_IROTH:
        raise UserError(f"Expected a token file that not everybody can read at {path}. Run: chmod 600 {path}")
    if len(text) < _LEAST_TOKEN or len(text.split()) != 1:
        raise UserError(f"Expected one token of {_LEAST_TOKEN} characters or more in {path}. Make one: openssl rand -hex 32")
    return text


def _is_loopback(host: str) -> bool:
    """True when every address that the name stands for stays on this machine."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise UserError(f"Expected an address or a host's name to listen on, got {host!r}: {error.strerror}.") from error
    return all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in found)
