"""The two doors to a model: the protocol's `infer` for programs, and `classify` for people."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from edgekit.daemon.answers import status_of, to_json
from edgekit.daemon.bodies import Bodies
from edgekit.daemon.inference import encode_answer, parse_request
from edgekit.daemon.loading import LoadedModel
from edgekit.daemon.pictures import check_picture
from edgekit.daemon.refusals import BadRequest, Busy, Expired, NotReady
from edgekit.daemon.schemas import Classification
from edgekit.daemon.service import Service, Slot
from edgekit.daemon.windows import read_window
from edgekit.frontends.base import window_shape
from edgekit.pipeline import Prediction

__all__ = ["InferRoutes"]

_HEADER = "inference-header-content-length"


class InferRoutes:
    """Handlers of requests for inference.

    Args:
        service: has the models.
        bodies: reads what comes in.
    """

    def __init__(self, service: Service, bodies: Bodies) -> None:
        self._service = service
        self._bodies = bodies

    async def infer(self, request: Request) -> Response:
        """POST /v2/models/{m}[/versions/{v}]/infer."""
        slot = self._service.slot(request.path_params["m"], request.path_params.get("v"))
        async with self._counted(slot), self._bodies.read(request) as body:
            start = time.monotonic()
            inference = parse_request(body, _json_bytes(request), slot.model)
            parsed = time.monotonic()
            outcome = await self._service.run(slot, partial(_infer, inference.features), inference.timeout_s)
            ran = time.monotonic()
            content, json_bytes = encode_answer(slot.name, inference, outcome.value, outcome.model)
            stages = {"parse": parsed - start, "inference": outcome.ran_s, "encode": time.monotonic() - ran}
            self._note(slot, time.monotonic() - start, outcome.queued_s, stages)
        if json_bytes is None:
            return Response(content, media_type="application/json")
        return Response(content, 200, {"Inference-Header-Content-Length": str(json_bytes)}, "application/octet-stream")

    async def classify(self, request: Request) -> Response:
        """POST /v1/models/{m}/classify."""
        slot = self._service.slot(request.path_params["m"])
        async with self._counted(slot), self._bodies.read(request) as body:
            start = time.monotonic()
            source = self._source(body, slot.model)
            parsed = time.monotonic()
            outcome = await self._service.run(slot, partial(_classify, source))
            prediction, version = outcome.value, outcome.model.version
            stages = {"parse": parsed - start, **{stage: ms / 1e3 for stage, ms in prediction.timings_ms.items()}}
            self._note(slot, time.monotonic() - start, outcome.queued_s, stages)
        timings = {"queue": outcome.queued_s * 1e3, **prediction.timings_ms}
        rounded = {stage: round(ms, 4) for stage, ms in timings.items()}
        answer = Classification(slot.name, version, prediction.label, prediction.index, prediction.probabilities, rounded)
        probability = max(prediction.probabilities.values()) if prediction.probabilities else None
        slot.statistics.last_prediction = {"label": prediction.label, "probability": probability, "unix_s": time.time()}
        return to_json(answer)

    def _source(self, body: bytes, model: LoadedModel) -> bytes | np.ndarray:
        if model.takes_windows:
            frontend = model.pipeline.frontend
            return read_window(body, window_shape(frontend), frontend.config.channels)
        check_picture(body, self._service.settings.limits.pixels)
        return body

    def _note(self, slot: Slot, total_s: float, queued_s: float, stages_s: dict[str, float]) -> None:
        slot.statistics.succeeded(total_s, queued_s, stages_s)
        slot.metrics.ran(queued_s, stages_s)

    @asynccontextmanager
    async def _counted(self, slot: Slot) -> AsyncIterator[None]:
        """Refuse early where there is no room, and count how the request ended."""
        start, outcome = time.monotonic(), "ok"
        try:
            slot.ready_worker.check_room()
            yield
        except Exception as error:
            outcome = _outcome(error)
            slot.statistics.failed(time.monotonic() - start)
            raise
        finally:
            slot.metrics.request(outcome, time.monotonic() - start)


def _infer(features: np.ndarray, model: LoadedModel) -> np.ndarray:
    return model.infer(features)


def _classify(source: bytes | np.ndarray, model: LoadedModel) -> Prediction:
    return model.classify(source)


def _outcome(error: Exception) -> str:
    if isinstance(error, Expired):
        return "expired"
    if isinstance(error, Busy):
        return "busy"
    if isinstance(error, NotReady):
        return "not_loaded"
    return "rejected" if status_of(error) < 500 else "failed"


def _json_bytes(request: Request) -> int | None:
    text = request.headers.get(_HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise BadRequest("Expected a whole number in Inference-Header-Content-Length.")
    return int(text)
