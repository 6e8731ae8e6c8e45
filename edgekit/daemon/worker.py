"""One thread that owns one model: a bounded queue before it, results handed back to the event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from edgekit.daemon.loading import LoadedModel
from edgekit.daemon.refusals import Busy, Expired

__all__ = ["Outcome", "Worker"]

T = TypeVar("T")

_RATE = 0.1


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """What came of one request.

    Attributes:
        value: what the work returned.
        model: the one that answered.
        queued_s: seconds in the queue.
        ran_s: seconds of the work.
    """

    value: T
    model: LoadedModel
    queued_s: float
    ran_s: float


@dataclass(frozen=True)
class _Job:
    work: Callable[[LoadedModel], Any]
    deadline: float
    queued_at: float
    future: asyncio.Future[Outcome[Any]]


class Worker:
    """Runs work on a model, one piece after the other, in a thread of its own.

    Every method but the thread's own is called from the event loop. The queue holds waiting work alone; a new model is taken at
    the next piece of work, so that a swap drops nothing.

    Args:
        model: a loaded model; closed when it is replaced, or at the end.
        limit: pieces of work that may wait.
        name: of the thread.
    """

    def __init__(self, model: LoadedModel, limit: int, name: str) -> None:
        self.model = model
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Job | LoadedModel | None] = queue.SimpleQueue()
        self._waiting = 0
        self._seconds_each = 0.001
        self.busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=f"model-{name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Pieces of work in the queue or under way."""
        return self._waiting

    def check_room(self) -> None:
        """Raise Busy when one more piece of work would not be taken: to be asked before a body is read."""
        if self._waiting > self._limit:
            seconds = int(self._waiting * self._seconds_each) + 1
            raise Busy(f"Expected room in the queue, {self._waiting - 1} requests are waiting. Try again later.", seconds)

    async def run(self, work: Callable[[LoadedModel], T], timeout_s: float) -> Outcome[T]:
        """Queue a piece of work and wait for its result.

        Raises:
            Busy: at once, when the queue is full.
            Expired: when the result is not there after `timeout_s`; work that still waits is dropped.
            EdgekitError: of the work.
        """
        self.check_room()
        now = time.monotonic()
        job = _Job(work, now + timeout_s, now, self._loop.create_future())
        timer = self._loop.call_later(timeout_s, _expire, job.future)
        self._waiting += 1
        self._queue.put(job)
        try:
            return await job.future
        finally:
            timer.cancel()

    def replace(self, model: LoadedModel) -> None:
        """Swap the model; the old one is closed when the work that it has begun is done."""
        old, self.model = self.model, model
        self._queue.put(old)

    async def stop(self, timeout_s: float) -> bool:
        """Do the work that is queued, close the model, end the thread.

        Returns:
            False where the engine hangs: after `timeout_s` the thread is left behind, and ends with the process at the latest.
        """
        self._queue.put(None)
        await self._loop.run_in_executor(None, self._thread.join, timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            if isinstance(item, _Job):
                self._do(item)
            else:
                item.close()
        self.model.close()

    def _do(self, job: _Job) -> None:
        start, model = time.monotonic(), self.model
        if start > job.deadline or job.future.done():
            self._loop.call_soon_threadsafe(self._settle, job, None, None)
            return
        self.busy_since = start
        outcome, error = None, None
        try:
            value = job.work(model)
        # Whatever the work raises belongs to the one who asked, and must not end the thread.
        except Exception as raised:  # noqa: BLE001
            error = raised
        else:
            outcome = Outcome(value, model, start - job.queued_at, time.monotonic() - start)
        self.busy_since = None
        self._loop.call_soon_threadsafe(self._settle, job, outcome, error)

    def _settle(self, job: _Job, outcome: Outcome[Any] | None, error: Exception | None) -> None:
        """In the event loop: the piece of work is over."""
        self._waiting -= 1
        if outcome is not None:
            self._seconds_each += _RATE * (outcome.ran_s - self._seconds_each)
        if job.future.done():
            return
        if outcome is not None:
            job.future.set_result(outcome)
        else:
            job.future.set_exception(error or _expired())


def _expire(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_exception(_expired())


def _expired() -> Expired:
    return Expired("Expected an answer before the deadline, it did not come. Try again later.")
