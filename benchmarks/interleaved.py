"""Cases of a speed comparison, and how they are timed: competitors take turns in one process, so that its noise meets all.

A turn is a warm-up call and then calls for at least 10 ms: what a stream of frames costs. Times are those that the calling thread
spent on the processor, so waiting for other processes does not count (every competitor runs in one thread). The ratio is the
median over the rounds of competitor over edgekit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import thread_time_ns
from typing import Any

import numpy as np

__all__ = ["Case", "Measured", "measure"]

#: A call that is timed; what it returns is compared.
Call = Callable[[], Any]

_TURN_NS = 10_000_000


@dataclass(frozen=True)
class Case:
    """One line of a table.

    Attributes:
        name: what is computed.
        prepare: () -> name -> call. "edgekit" is ours; the first of the others is the one that the bar speaks of.
        at_least: the ratio that is asked, None where the case only informs.
        aim: the ratio that would be good.
    """

    name: str
    prepare: Callable[[], Mapping[str, Call]]
    at_least: float | None = None
    aim: float | None = None


@dataclass(frozen=True)
class Measured:
    """What came out.

    Attributes:
        microseconds: name -> median of a call.
        ratios: name of a competitor -> its time over ours.
        errors: name of a competitor -> largest difference from ours, relative to its largest value; nan for other shapes.
    """

    microseconds: dict[str, float]
    ratios: dict[str, float]
    errors: dict[str, float]


def measure(case: Case, rounds: int) -> Measured:
    """Time every competitor of a case in turns."""
    calls = dict(case.prepare())
    results = {name: np.asarray(call(), np.float64) for name, call in calls.items()}
    times = {name: np.empty(rounds) for name in calls}
    for number in range(rounds):
        for name, call in calls.items():
            times[name][number] = _turn(call)
    others = [name for name in calls if name != "edgekit"]
    return Measured(
        {name: float(np.median(taken)) for name, taken in times.items()},
        {name: float(np.median(times[name] / times["edgekit"])) for name in others},
        {name: _error(results["edgekit"], results[name]) for name in others},
    )


def _turn(call: Call) -> float:
    """Median microseconds of a call."""
    call()
    taken, end = [], thread_time_ns() + _TURN_NS
    while not taken or thread_time_ns() < end:
        start = thread_time_ns()
        call()
        taken.append(thread_time_ns() - start)
    return float(np.median(taken)) / 1e3


def _error(ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        return float("nan")
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), 1e-300))
