"""What a front end costs for one image: arithmetic, by a formula that each states, and work space, measured.

A front end says its arithmetic as `macs`: one for each multiplication with its addition in a matrix product or a filter, and one
for each element of every other array operation that computes (sum, product, comparison, choice, root, look-up); 2.5 n log2(n) for
a Fourier transform of n complex values and half of it for real ones. Copies, changes of dtype, decoding and resizing are not
counted. So the number stands beside the MACs of a network; it is no latency.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from edgekit.errors import MissingExtraError
from edgekit.frontends.base import FrontEnd, window_shape

__all__ = ["Cost", "Counted", "cost_of", "workspace"]


@runtime_checkable
class Counted(Protocol):
    """A front end that states its arithmetic; the docstring of `macs` says by what formula."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image at this config."""
        ...


@dataclass(frozen=True)
class Cost:
    """What one image costs.

    Attributes:
        macs: multiply-accumulates; None where the front end states none.
        workspace_bytes: the most that Python and NumPy held at once during a call beside the image: the features, temporaries,
            and tables and buffers kept from call to call. None where an extra that it needs is missing.
        kept_bytes: the part of it that stays between calls. None as above.
        missing: how to install what is missing, None where nothing is.
    """

    macs: int | None
    workspace_bytes: int | None
    kept_bytes: int | None
    missing: str | None = None


def cost_of(build: Callable[[], FrontEnd]) -> Cost:
    """Cost of one image of the front end's own size, or of one window.

    Args:
        build: makes the front end. It is called where allocations are traced: tables that are built with it, or at the first
            call, count as kept. Those that an earlier front end of this process left in a cache do not.
    """
    used, kept, missing = None, None, None
    try:
        used, kept = workspace(build)  # first: to count the arithmetic may fill caches
    except MissingExtraError as error:
        missing = str(error)
    frontend = build()
    return Cost(frontend.macs if isinstance(frontend, Counted) else None, used, kept, missing)


def workspace(build: Callable[[], FrontEnd]) -> tuple[int, int]:
    """Bytes at the peak of one call, and the bytes of it that stay between calls.

    Memory that a library allocates by itself (OpenCV's pyramids, FFT plans) is not seen.

    Returns:
        (peak, kept) in bytes.

    Raises:
        MissingExtraError: when the front end needs a package that is not installed.
    """
    traced_already = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        # a thread of its own: it finds none of the buffers that a front end may keep by thread
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(_traced, build).result()
    finally:
        if not traced_already:
            tracemalloc.stop()


def _traced(build: Callable[[], FrontEnd]) -> tuple[int, int]:
    before = _numpy_bytes()
    frontend = build()
    example = _example(frontend)
    frontend(example)
    kept = max(_numpy_bytes() - before - example.nbytes, 0)
    tracemalloc.reset_peak()
    start = tracemalloc.get_traced_memory()[0]
    frontend(example)
    return tracemalloc.get_traced_memory()[1] - start + kept, kept


def _numpy_bytes() -> int:
    """Bytes that NumPy's arrays hold now."""
    arrays = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    traces = tracemalloc.take_snapshot().filter_traces([arrays]).traces
    return sum(trace.size for trace in traces)


def _example(frontend: FrontEnd) -> np.ndarray:
    """An image of noise, of which every front end has something to compute; a window of zeros for one that takes windows."""
    if frontend.size is None:
        return np.zeros(window_shape(frontend), np.float32)
    return np.random.default_rng(0).integers(0, 256, (*frontend.size, 3), dtype=np.uint8)
