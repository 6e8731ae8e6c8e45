"""Plans: a kernel's arrays and its operations on them, laid out once for so many rows and run again and again.

A row of 64 pixels is little work for NumPy: without plans most of the time goes into slicing, allocating and page faults. A plan
holds its memory, the views into it and the list of NumPy calls; running it is that list. Plans are kept per thread, a few at a
time, so threads never share memory, and a batch is cut into equal chunks whose plan stays in the second-level cache.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np

__all__ = ["CACHE_BYTES", "Plan", "PlanKey", "Step", "equal_slices", "kept_plan", "padded_stride", "planes_of", "run_steps"]

#: Bytes of one plan's memory: the second-level cache of a Raspberry Pi 4 or of one x86 core.
CACHE_BYTES = 1 << 20

#: Plans kept per thread: both directions of an image and a batch of another size, say.
_KEPT = 4

#: Elements of NumPy's buffer while a plan runs.
_BUFFER = 1024

#: A NumPy function and its operands, the output last.
Step = tuple[Callable[..., Any], tuple[Any, ...]]

#: (what makes it, rows, width, dtype character, ...), whatever tells two plans apart.
PlanKey = tuple[Any, ...]


class Plan(Protocol):
    """A kernel for a fixed number of rows. Not safe for several threads: `kept_plan` gives every thread its own.

    Attributes:
        points: (C, rows, width) view to write the paths into, each from the origin.
    """

    points: np.ndarray

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run before the features are scaled, counted call by call (`edgekit.frontends.cost`)."""
        ...

    def run(self, out: np.ndarray, scale: np.ndarray) -> None:
        """Write (rows, Q) features of `points`, times `scale` (Q,), into `out`."""
        ...


class _Kept(threading.local):
    def __init__(self) -> None:
        self.plans: OrderedDict[PlanKey, Plan] = OrderedDict()


_KEPT_PLANS = _Kept()


def kept_plan(key: PlanKey, make: Callable[[], Plan]) -> Plan:
    """The calling thread's plan of that key, made where it has none."""
    plans = _KEPT_PLANS.plans
    plan = plans.get(key)
    if plan is None:
        if len(plans) >= _KEPT:
            plans.popitem(last=False)
        plan = plans[key] = make()
    plans.move_to_end(key)
    return plan


def run_steps(steps: list[Step]) -> None:
    """Run the operations of a plan, one after the other.

    NumPy copies operands of several axes into a buffer of 8192 elements wherever their inner loops are shorter, by default; for
    planes of a few thousand elements that costs more than the arithmetic.
    """
    before = np.setbufsize(_BUFFER)  # of the calling thread alone
    try:
        for function, operands in steps:
            function(*operands)
    finally:
        np.setbufsize(before)


def equal_slices(total: int, most: int) -> Iterator[slice]:
    """Slices of equal length, at most `most`, that cover `total`; the last overlaps the one before where they do not divide it.

    Computing a few rows twice costs less than a second plan for the rest.
    """
    pieces = -(-total // max(most, 1))
    size = -(-total // max(pieces, 1))
    return (slice(start, start + size) for start in (min(piece * size, total - size) for piece in range(pieces)))


def padded_stride(length: int, itemsize: int) -> int:
    """Elements from one plane to the next: at least 16 zeros between them, and off the multiples of 4 kB.

    Planes a multiple of 4 kB apart share sets of the first-level cache, and loads wait for stores of the same low address bits.
    """
    stride = length + 32
    return stride + 64 if stride * itemsize % 4096 in range(256) else stride


def planes_of(memory: np.ndarray, first: int, count: int, shift: int = 0) -> np.ndarray:
    """Planes first ... first + count - 1 of (planes, stride) memory as one flat array, `shift` elements further on."""
    stride = memory.shape[1]
    return memory.reshape(-1)[first * stride + shift : (first + count) * stride + shift]
