"""The queue before a model, without HTTP and without an engine."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from edgekit.daemon.refusals import Busy, Expired
from edgekit.daemon.worker import Worker

pytestmark = pytest.mark.device


class Model:
    """All that a worker asks of a model."""

    def __init__(self, name: str = "old") -> None:
        self.name = name
        self.closed = threading.Event()

    def close(self) -> None:
        self.closed.set()


def test_results_come_back_in_order_with_their_times():
    async def main():
        worker = Worker(Model(), 8, "m")
        outcomes = await asyncio.gather(*(worker.run(lambda model, n=n: (n, model.name), 5) for n in range(5)))
        assert await worker.stop(10)
        return outcomes

    outcomes = asyncio.run(main())
    assert [outcome.value for outcome in outcomes] == [(n, "old") for n in range(5)]
    assert all(outcome.queued_s >= 0 and outcome.ran_s >= 0 for outcome in outcomes)


def test_an_error_of_the_work_reaches_the_one_who_asked_and_nobody_else():
    async def main():
        worker = Worker(Model(), 8, "m")
        bad, good = await asyncio.gather(
            worker.run(lambda model: 1 / 0, 5), worker.run(lambda model: "fine", 5), return_exceptions=True
        )
        assert await worker.stop(10)
        return bad, good

    bad, good = asyncio.run(main())
    assert isinstance(bad, ZeroDivisionError)
    assert good.value == "fine"


def test_one_more_than_the_queue_holds_is_refused_at_once():
    async def main():
        worker, let_go = Worker(Model(), 2, "m"), threading.Event()
        tasks = [asyncio.ensure_future(worker.run(lambda model: let_go.wait(10), 10)) for _ in range(3)]
        await asyncio.sleep(0)
        start = time.monotonic()
        with pytest.raises(Busy) as refused:
            await worker.run(lambda model: None, 10)
        assert time.monotonic() - start < 1
        assert refused.value.retry_after_s >= 1
        let_go.set()
        await asyncio.gather(*tasks)
        assert worker.waiting == 0
        assert await worker.stop(10)

    asyncio.run(main())


def test_expired_work_is_told_at_once_and_never_begun():
    async def main():
        worker, let_go, begun = Worker(Model(), 8, "m"), threading.Event(), []
        first = asyncio.ensure_future(worker.run(lambda model: let_go.wait(10), 10))
        while worker.busy_since is None:
            await asyncio.sleep(0.001)
        with pytest.raises(Expired):
            await worker.run(lambda model: begun.append(1), 0.05)
        let_go.set()
        await first
        assert await worker.stop(10)
        return begun

    assert asyncio.run(main()) == []


def test_a_swap_drops_nothing_and_closes_the_old_model_after_its_last_work():
    async def main():
        old, new = Model("old"), Model("new")
        worker, let_go = Worker(old, 8, "m"), threading.Event()
        begun = asyncio.ensure_future(worker.run(lambda model: (let_go.wait(10), model.name, old.closed.is_set()), 10))
        while worker.busy_since is None:
            await asyncio.sleep(0.001)
        waiting = asyncio.ensure_future(worker.run(lambda model: model.name, 10))
        worker.replace(new)
        let_go.set()
        results = (await begun).value, (await waiting).value
        assert await worker.stop(10)
        return results, old.closed.is_set(), new.closed.is_set()

    ((_, name, closed_meanwhile), after), old_closed, new_closed = asyncio.run(main())
    assert (name, closed_meanwhile, after) == ("old", False, "new")
    assert old_closed
    assert new_closed


def test_stopping_does_the_work_that_is_queued_first():
    async def main():
        model = Model()
        worker = Worker(model, 8, "m")
        tasks = [asyncio.ensure_future(worker.run(lambda model: time.sleep(0.01) or model.closed.is_set(), 10)) for _ in range(4)]
        await asyncio.sleep(0)
        assert await worker.stop(10)
        return [(await task).value for task in tasks], model.closed.is_set()

    assert asyncio.run(main()) == ([False] * 4, True)


def test_an_engine_that_hangs_does_not_hold_up_the_end():
    let_go = threading.Event()

    async def main():
        worker = Worker(Model(), 8, "m")
        hung = asyncio.ensure_future(worker.run(lambda model: let_go.wait(20), 30))
        while worker.busy_since is None:
            await asyncio.sleep(0.005)
        assert not await worker.stop(0.1)
        let_go.set()
        assert await hung
        assert await worker.stop(10)

    asyncio.run(main())
