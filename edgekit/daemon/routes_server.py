"""What there is to know of the daemon itself: health, metrics, the OpenAPI document, the status page."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from edgekit.daemon.answers import to_json
from edgekit.daemon.board import BoardState
from edgekit.daemon.openapi import document
from edgekit.daemon.schemas import ServerMetadata
from edgekit.daemon.service import Service, Slot

__all__ = ["ServerRoutes"]

_EXTENSIONS = ["binary_tensor_data", "classification", "model_repository", "statistics"]


class ServerRoutes:
    """Handlers about the daemon.

    Args:
        service: has the models.
        state: the board's.
        version: of edgekit.
    """

    def __init__(self, service: Service, state: BoardState, version: str) -> None:
        self._service = service
        self._state = state
        self._version = version
        self._start = time.monotonic()
        self._page = (Path(__file__).parent / "status.html").read_bytes()
        self._policy = _policy(self._page.decode("utf-8"))

    async def metadata(self, _request: Request) -> Response:
        """GET /v2."""
        return to_json(ServerMetadata("edgekit", self._version, _EXTENSIONS))

    async def live(self, _request: Request) -> Response:
        """GET /v2/health/live: the event loop turns; no body."""
        return Response()

    async def ready(self, _request: Request) -> Response:
        """GET /v2/health/ready: 200 when every wanted model reproduced its golden vectors and answers, else 503; no body."""
        return Response(status_code=200 if self._service.ready else 503)

    async def metrics(self, _request: Request) -> Response:
        """GET /metrics."""
        text = await asyncio.get_running_loop().run_in_executor(None, self._service.metrics.text)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def openapi(self, _request: Request) -> Response:
        """GET /openapi.json."""
        return to_json(document(self._version))

    async def page(self, _request: Request) -> Response:
        """GET /: a page that holds nothing itself and reads /v1/status."""
        headers = {"Content-Security-Policy": self._policy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return Response(self._page, headers=headers, media_type="text/html")

    async def status(self, _request: Request) -> Response:
        """GET /v1/status: what the page shows."""
        loop = asyncio.get_running_loop()
        board = asdict(await loop.run_in_executor(None, self._state))
        for name in ("throttled", "throttled_since_boot"):
            board[name] = None if board[name] is None else sorted(board[name])
        return to_json(
            {
                "name": "edgekit",
                "ready": self._service.ready,
                "uptime_s": round(time.monotonic() - self._start),
                "rss_mb": _rss_mb(),
                "models": [self._model(slot) for slot in self._service.slots],
                "board": board,
            }
        )

    def _model(self, slot: Slot) -> dict[str, Any]:
        told: dict[str, Any] = {"name": slot.name, "ready": slot.worker is not None, "reason": slot.reason}
        if slot.worker is not None:
            model = slot.worker.model
            told |= {"version": model.version, "platform": model.platform, "precision": model.artifact.precision}
            told |= {"queue": slot.worker.waiting, "labels": list(model.manifest.labels)}
        statistics = slot.statistics
        return told | {
            "answered": statistics.success.count,
            "failed": statistics.fail.count,
            "latencies": self._service.metrics.latencies(slot.name),
            "last_prediction": statistics.last_prediction,
        }


def _rss_mb() -> float | None:
    """Resident memory of this process in MiB, None where the kernel does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def _policy(page: str) -> str:
    """Content security policy: the page's own style and script by their hashes, requests to the daemon, nothing else."""
    script, style = (_digest(re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)) for tag in ("script", "style"))
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _digest(found: re.Match[str] | None) -> str:
    text = found[1] if found else ""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
