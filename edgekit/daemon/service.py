"""The daemon without HTTP: models by name, each with a worker; loaded, swapped, rolled back and unloaded while requests run."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from edgekit.daemon.loading import LoadedModel, load_model
from edgekit.daemon.metrics import Metrics, ModelMetrics
from edgekit.daemon.refusals import LoadFailed, NotReady, Refusal, UnknownModel, reason_of
from edgekit.daemon.settings import Settings
from edgekit.daemon.sources import Source
from edgekit.daemon.statistics import ModelStatistics
from edgekit.daemon.worker import Outcome, Worker
from edgekit.errors import BundleError, EdgekitError

__all__ = ["Service", "Slot"]

T = TypeVar("T")

_log = logging.getLogger("edgekit.daemon")


@dataclass
class Slot:
    """One name and what answers under it.

    Attributes:
        name: the model's.
        source: where it is loaded from.
        worker: answers; None while nothing is loaded.
        reason: why the last load was refused, or why nothing is loaded; "" when all is well.
        stamp: of the source at the last attempt to load.
        statistics: since the daemon's start.
        metrics: the same for Prometheus.
    """

    name: str
    source: Source
    worker: Worker | None = None
    reason: str = "not loaded yet"
    wanted: bool = True
    stamp: object = None
    statistics: ModelStatistics = field(default_factory=ModelStatistics)
    metrics: ModelMetrics = field(init=False)

    @property
    def model(self) -> LoadedModel:
        """What answers now.

        Raises:
            NotReady: when nothing does.
        """
        return self.ready_worker.model

    @property
    def ready_worker(self) -> Worker:
        """The worker.

        Raises:
            NotReady: when there is none.
        """
        if self.worker is None:
            raise NotReady(f"Expected model {self.name!r} to be loaded, it is not now.")
        return self.worker


class Service:
    """All models of the daemon. Lives in one event loop; loading happens in a thread beside it.

    Attributes:
        draining: True from the word to end on: nobody is sent here any more.
        in_flight: requests of any kind that are being answered.

    Args:
        settings: limits, runtime, precision, threads.
        sources: name -> where it is loaded from.
        metrics: told of every load and every answer.
        discover: further names that have appeared since, with their sources: a store's.
    """

    def __init__(
        self,
        settings: Settings,
        sources: dict[str, Source],
        metrics: Metrics,
        discover: Callable[[], dict[str, Source]] = dict,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.draining = False
        self.in_flight = 0
        self._slots: dict[str, Slot] = {}
        self._discover = discover
        self._loading = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loading")
        self._load: Callable[[Path, str | None], LoadedModel] = partial(
            load_model,
            runtime=settings.runtime,
            precision=settings.precision,
            threads=settings.threads,
            signed_by=settings.signed_by,
        )
        self._given = frozenset(sources)
        self._add(sources)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Every name, sorted."""
        return tuple(self._slots[name] for name in sorted(self._slots))

    @property
    def ready(self) -> bool:
        """True when every wanted model has reproduced its golden vectors and answers, and the daemon is not about to end."""
        wanted = [slot for slot in self._slots.values() if slot.wanted]
        return not self.draining and bool(wanted) and all(slot.worker is not None for slot in wanted)

    def slot(self, name: str, version: str | None = None) -> Slot:
        """The slot of a name.

        Raises:
            UnknownModel: when nothing is known of the name, or another version answers.
        """
        slot = self._slots.get(name)
        if slot is None:
            raise UnknownModel("Expected the name of a model that is served. See: POST /v2/repository/index")
        if version is not None and (slot.worker is None or version != slot.model.version):
            raise UnknownModel(f"Expected a version of {name!r} that is served. See: POST /v2/repository/index")
        return slot

    async def run(self, slot: Slot, work: Callable[[LoadedModel], T], timeout_s: float | None = None) -> Outcome[T]:
        """Let a model do a piece of work; see `Worker.run`."""
        deadline = self.settings.limits.deadline_s
        return await slot.ready_worker.run(work, deadline if timeout_s is None else min(timeout_s, deadline))

    async def load_all(self, but: Collection[str] = ()) -> None:
        """Load every wanted model but some; one that is refused says so and leaves the others alone."""
        await self._look()
        for slot in self.slots:
            if slot.wanted and slot.name not in but:
                await self._try(slot)

    async def load(self, name: str) -> None:
        """Load, or load again, what is wanted under a name, and swap it in.

        Raises:
            UnknownModel: when nothing is known of the name.
            LoadFailed: when the bundle was refused; what was served before still is.
        """
        if name not in self._slots:
            await self._look()
        slot = self.slot(name)
        async with self._loading:
            slot.wanted, slot.stamp = True, await self._aside(slot.source.stamp)
            await self._swap(slot, lambda: slot.source.load(self._load))

    async def roll_back(self, name: str) -> None:
        """Swap the previous version of the store in, and make it the current one.

        Raises:
            UnknownModel: when nothing is known of the name.
            LoadFailed: when there is none, or it was refused.
        """
        slot = self.slot(name)
        async with self._loading:
            running = slot.worker.model.version if slot.worker is not None else None
            await self._swap_first(slot, await self._aside(slot.source.ways_back, running), slot.source.want)
            slot.wanted, slot.stamp = True, await self._aside(slot.source.stamp)

    async def unload(self, name: str) -> None:
        """Answer what is queued, then release a model.

        Raises:
            UnknownModel: when nothing is known of the name.
        """
        slot = self.slot(name)
        async with self._loading:
            slot.wanted = False
            worker, slot.worker, slot.reason = slot.worker, None, "unloaded"
            if worker is not None:
                self.metrics.unloaded(name)
                await self._stop(name, worker)
                _log.info("unloaded", extra={"model": name})

    async def watch(self) -> None:
        """For ever: load what the store wants and was not tried yet."""
        while True:
            await asyncio.sleep(self.settings.watch_s)
            await self._look()
            for slot in self.slots:
                if slot.wanted and slot.stamp != await self._aside(slot.source.stamp):
                    await self._try(slot)

    async def drain(self) -> None:
        """End every worker after its queue."""
        self.draining = True
        await asyncio.gather(*(self._stop(slot.name, slot.worker) for slot in self.slots if slot.worker is not None))
        self._thread.shutdown()

    async def _stop(self, name: str, worker: Worker) -> None:
        if not await worker.stop(self.settings.drain_s):
            _log.error("the engine hangs and is left behind", extra={"model": name})

    async def _look(self) -> None:
        """Take in what has appeared, forget what has gone; where the store cannot be read, what is known goes on."""
        try:
            async with self._loading:
                found = await self._aside(self._discover)
                self._forget(found)
                self._add(found)
        except OSError as error:
            _log.warning("the store cannot be read", extra={"reason": str(error)})

    def _forget(self, found: Collection[str]) -> None:
        """What answers, answers on; what never did, and was taken back, is no reason not to be ready."""
        for slot in self.slots:
            if slot.worker is None and slot.name not in self._given and slot.name not in found:
                del self._slots[slot.name]
                self.metrics.forgotten(slot.name)

    def _add(self, sources: dict[str, Source]) -> None:
        for name, source in sources.items():
            if name not in self._slots:
                slot = self._slots[name] = Slot(name, source)
                slot.metrics = self.metrics.of_model(name, partial(_waiting, slot))

    async def _try(self, slot: Slot) -> None:
        """Load; where nothing is loaded at all and the wanted version is refused, the best of the others."""
        try:
            await self.load(slot.name)
        except UnknownModel:  # gone since
            return
        except LoadFailed:
            if slot.worker is None:
                async with self._loading:
                    await self._fall_back(slot)

    async def _fall_back(self, slot: Slot) -> None:
        reason = slot.reason
        with contextlib.suppress(LoadFailed):
            await self._swap_first(slot, await self._aside(slot.source.fallbacks))
        slot.reason = reason
        self.metrics.fell_back(slot.name)

    async def _swap_first(self, slot: Slot, versions: tuple[str, ...], then: Callable[[str], None] | None = None) -> None:
        """Swap in the first of some versions that is not refused; without one, raise what the last was refused for."""
        for version in versions:
            try:
                await self._swap(slot, partial(slot.source.load_version, self._load, version), then and partial(then, version))
            except LoadFailed:
                if version == versions[-1]:
                    raise
            else:
                return

    async def _swap(self, slot: Slot, load: Callable[[], LoadedModel], then: Callable[[], None] | None = None) -> None:
        """Load in the thread beside; swap when all went well. Called under the lock."""
        start = time.monotonic()
        try:
            model = await self._aside(load)
            if then is not None:
                await self._aside(then)
        # Whatever a bad bundle does, the old model goes on.
        except Exception as error:
            slot.reason = f"the last bundle was refused: {reason_of(error)}"
            self.metrics.refused(slot.name, slot.worker is not None)
            level = logging.WARNING if isinstance(error, EdgekitError) else logging.ERROR
            _log.log(level, "load refused", extra=_told(slot, str(error)), exc_info=level == logging.ERROR)
            if isinstance(error, Refusal):
                raise
            raise LoadFailed(
                f"Expected a bundle that may be served as {slot.name!r}, it was refused: {reason_of(error)}."
            ) from error
        replaced = slot.worker.model.version if slot.worker is not None else None
        if slot.worker is None:
            slot.worker = Worker(model, self.settings.limits.queue, slot.name)
        else:
            slot.worker.replace(model)
        slot.reason = ""
        self.metrics.loaded(slot.name, model.version, model.platform, model.artifact.precision)
        told = {"model": slot.name, "version": model.version, "replaced": replaced, "seconds": round(time.monotonic() - start, 3)}
        _log.info("loaded", extra={**told, "artifact": model.artifact.file, "runtime": model.pipeline.runtime.name})
        try:
            await self._aside(slot.source.swapped, replaced, model.version)
        except BundleError as error:  # a store that is read-only here: only the way back after a restart is lost
            _log.info("the way back is not noted", extra=_told(slot, str(error)))

    async def _aside(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _told(slot: Slot, reason: str) -> dict[str, object]:
    running = slot.worker.model.version if slot.worker is not None else None
    return {"model": slot.name, "running": running, "reason": reason}


def _waiting(slot: Slot) -> float:
    return slot.worker.waiting if slot.worker is not None else 0
