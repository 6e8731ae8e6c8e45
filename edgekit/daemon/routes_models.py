"""What there is to know of models, and the repository's calls: index, load, unload, roll back."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edgekit.core.spec import TensorSpec
from edgekit.daemon.access import Gate
from edgekit.daemon.answers import to_json
from edgekit.daemon.bodies import Bodies
from edgekit.daemon.refusals import BadRequest, UnknownModel
from edgekit.daemon.schemas import IndexEntry, IndexRequest, LoadRequest, ModelMetadata, ModelStats, TensorMetadata
from edgekit.daemon.service import Service, Slot
from edgekit.daemon.tensors import FLOAT

__all__ = ["ModelRoutes"]

T = TypeVar("T")

#: Parameters of load that would bring a model along, or change it: a bundle is verified as a whole or not served.
_OVERRIDES = ("config", "file:")


class ModelRoutes:
    """Handlers about models.

    Args:
        service: has them.
        bodies: reads what comes in.
    """

    def __init__(self, service: Service, bodies: Bodies) -> None:
        self._service = service
        self._bodies = bodies

    async def metadata(self, request: Request) -> Response:
        """GET /v2/models/{m}[/versions/{v}]."""
        slot = self._slot(request)
        model = slot.model
        tensors = [[_tensor(model.input)], [_tensor(model.output)]]
        return to_json(ModelMetadata(slot.name, [model.version], model.platform, *tensors))

    async def ready(self, request: Request) -> Response:
        """GET /v2/models/{m}[/versions/{v}]/ready: 200, or 503; no body."""
        return Response(status_code=200 if self._slot(request).worker is not None else 503)

    async def stats(self, request: Request) -> Response:
        """GET /v2/models[/{m}[/versions/{v}]]/stats."""
        slots = (self._slot(request),) if "m" in request.path_params else self._service.slots
        loaded = [(slot, slot.worker.model.version) for slot in slots if slot.worker is not None]
        return to_json(ModelStats([slot.statistics.to_json(slot.name, version) for slot, version in loaded]))

    async def index(self, request: Request) -> Response:
        """POST /v2/repository/index."""
        wanted = await self._body(request, IndexRequest)
        entries = [_entry(slot) for slot in self._service.slots]
        return to_json([entry for entry in entries if entry.state == "READY" or not wanted.ready])

    async def load(self, request: Request) -> Response:
        """POST /v2/repository/models/{m}/load: what the bundle's path or the store's `current` link holds now."""
        _gate(request).check_admin(request)
        parameters = (await self._body(request, LoadRequest)).parameters
        if any(name.startswith(_OVERRIDES) for name in parameters):
            raise BadRequest("Expected a load without config or files: models come from verified bundles alone.")
        await self._service.load(request.path_params["m"])
        return to_json({})

    async def unload(self, request: Request) -> Response:
        """POST /v2/repository/models/{m}/unload."""
        _gate(request).check_admin(request)
        await self._body(request, LoadRequest)
        await self._service.unload(request.path_params["m"])
        return to_json({})

    async def roll_back(self, request: Request) -> Response:
        """POST /v1/models/{m}/rollback: the store's previous version, verified again, becomes the current one."""
        _gate(request).check_admin(request)
        name = request.path_params["m"]
        await self._service.roll_back(name)
        return to_json(_entry(self._service.slot(name)))

    def _slot(self, request: Request) -> Slot:
        slot = self._service.slot(request.path_params["m"], request.path_params.get("v"))
        if not slot.wanted:
            raise UnknownModel(f"Expected a model that is loaded, {slot.name!r} was unloaded.")
        return slot

    async def _body(self, request: Request, kind: type[T]) -> T:
        """The message of a body; the official client sends an empty one for the defaults."""
        async with self._bodies.read(request) as body:
            try:
                return msgspec.json.decode(body or b"{}", type=kind)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BadRequest(f"Expected JSON as in the OpenAPI document: {error}.") from error


def _gate(request: Request) -> Gate:
    gate: Gate = request.scope["edgekit.gate"]
    return gate


def _tensor(spec: TensorSpec) -> TensorMetadata:
    return TensorMetadata(spec.name, FLOAT, list(spec.shape))


def _entry(slot: Slot) -> IndexEntry:
    state: Any = "READY" if slot.worker is not None else "UNAVAILABLE"
    return IndexEntry(slot.name, slot.worker.model.version if slot.worker is not None else "", state, slot.reason)
