"""The HTTP face: which address is answered by what, and the door before it."""

from __future__ import annotations

from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgekit.daemon.access import Gate
from edgekit.daemon.answers import on_crash, on_error, on_http_error
from edgekit.daemon.board import BoardState
from edgekit.daemon.bodies import Bodies
from edgekit.daemon.refusals import Unauthorized
from edgekit.daemon.routes_infer import InferRoutes
from edgekit.daemon.routes_models import ModelRoutes
from edgekit.daemon.routes_server import ServerRoutes
from edgekit.daemon.service import Service
from edgekit.errors import EdgekitError

__all__ = ["Door", "build_app"]


def build_app(service: Service, bodies: Bodies, state: BoardState) -> Starlette:
    """The application, without its doors.

    Args:
        service: has the models.
        bodies: the account of memory for bodies.
        state: the board's.
    """
    infer, models = InferRoutes(service, bodies), ModelRoutes(service, bodies)
    server = ServerRoutes(service, state, version("edgekit"))
    one, versioned = "/v2/models/{m}", "/v2/models/{m}/versions/{v}"
    routes = [
        # The busy ones first: routes are tried in order.
        Route(f"{one}/infer", infer.infer, methods=["POST"]),
        Route("/v1/models/{m}/classify", infer.classify, methods=["POST"]),
        Route(f"{versioned}/infer", infer.infer, methods=["POST"]),
        Route("/v2/models/stats", models.stats),
        *(Route(f"{path}/stats", models.stats) for path in (one, versioned)),
        *(Route(f"{path}/ready", models.ready) for path in (one, versioned)),
        *(Route(path, models.metadata) for path in (one, versioned)),
        Route("/v2/health/live", server.live),
        Route("/v2/health/ready", server.ready),
        Route("/metrics", server.metrics),
        Route("/v2/repository/index", models.index, methods=["POST"]),
        Route("/v2/repository/models/{m}/load", models.load, methods=["POST"]),
        Route("/v2/repository/models/{m}/unload", models.unload, methods=["POST"]),
        Route("/v1/models/{m}/rollback", models.roll_back, methods=["POST"]),
        Route("/v1/status", server.status),
        Route("/v2", server.metadata),
        Route("/openapi.json", server.openapi),
        Route("/", server.page),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={EdgekitError: on_error, HTTPException: on_http_error, Exception: on_crash},
    )
    app.router.redirect_slashes = False
    return app


class Door:
    """What every request of one socket passes: the token, the count of those inside, the word that the daemon is about to end.

    Args:
        app: the application.
        gate: of this socket.
        service: tells whether the daemon is about to end.
    """

    def __init__(self, app: ASGIApp, gate: Gate, service: Service) -> None:
        self._app = app
        self._gate = gate
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        request = Request(scope, receive)
        scope["edgekit.gate"] = self._gate
        service = self._service
        service.in_flight += 1
        try:
            self._gate.check(request)
            await self._app(scope, receive, _last_words(send) if service.draining else send)
        except Unauthorized as error:
            await (await on_error(request, error))(scope, receive, send)
        finally:
            service.in_flight -= 1


def _last_words(send: Send) -> Send:
    """Tells the client with its answer that the connection ends, so that it opens none of its next requests on it."""

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return told
